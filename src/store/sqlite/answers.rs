//! Answers kept under idempotency keys (R17).

use super::load::parse;
use super::statement::Statement;
use crate::hex;
use crate::store::row::answers::{AnswerRow, NO_WORKSPACE};
use crate::store::row::{self, Corrupt};
use crate::store::{Change, KeptAnswer, StoreResult};
use chrono::{DateTime, Utc};
use creditd_rules::id::WorkspaceId;
use serde::Deserialize;
use sqlx::SqliteConnection;
use std::sync::LazyLock;

/// Keeps answers.
pub(super) static KEEP: LazyLock<Statement> =
    LazyLock::new(|| Statement::insert::<AnswerRow>("answer"));

/// The answer kept under a key of the space without a workspace.
const FIND_ONE: &str = "
    SELECT json_array(workspace, key, hex(fingerprint), status, body)
    FROM answer WHERE key = ?1 AND workspace = ''";

/// The SQL expression for the answers kept under the keys of jobs, which the parameter lists as
/// triples of the home's account, or else its workspace, and the key. The keys are the outer loop.
pub(super) const FIND: &str = "
    (SELECT json_group_array(json_array(
             answer.workspace, answer.key, hex(fingerprint), status, body))
         FROM json_each(?3) AS wanted CROSS JOIN answer
         ON answer.key = wanted.value->>2 AND answer.workspace = coalesce(wanted.value->>1,
             (SELECT workspace FROM account WHERE account.id = wanted.value->>0)))";

/// The answers of `changes`.
pub(super) fn rows(changes: &[Change], wall: DateTime<Utc>) -> StoreResult<Vec<AnswerRow<'_>>> {
    changes.iter().flat_map(|change| row::answers::answers(change, wall)).collect()
}

/// Keeps one answer of the space without a workspace.
pub(super) async fn keep_one(
    db: &mut SqliteConnection, key: &str, answer: &KeptAnswer, wall: DateTime<Utc>,
) -> StoreResult<()> {
    KEEP.run(db, &vec![AnswerRow::of(NO_WORKSPACE, key, answer, wall)?]).await?;
    Ok(())
}

/// A kept answer as it is read: workspace, key, fingerprint in hexadecimal, status, body.
#[derive(Deserialize)]
pub(super) struct Kept(String, String, String, u16, String);

impl Kept {
    /// The answer with its workspace and key.
    pub(super) fn read(self) -> StoreResult<((WorkspaceId, String), KeptAnswer)> {
        let Self(workspace, key, fingerprint, status, body) = self;
        let corrupt = || Corrupt::new("a fingerprint", &fingerprint);
        let fingerprint = hex::decode(&fingerprint).ok_or_else(corrupt)?;
        Ok(((workspace.into(), key), KeptAnswer { fingerprint, status, body: body.into_bytes() }))
    }
}

/// The answer kept under a key of the space without a workspace.
pub(super) async fn find_one(
    db: &mut SqliteConnection, key: &str,
) -> StoreResult<Option<KeptAnswer>> {
    let found: Option<String> = sqlx::query_scalar(FIND_ONE).bind(key).fetch_optional(db).await?;
    let read = |text: String| Ok(parse::<Kept>(&text)?.read()?.1);
    found.map(read).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_64_digits() {
        let read = |fingerprint: &str| {
            let [workspace, key, body] = ["w", "k", "{}"].map(String::from);
            Kept(workspace, key, fingerprint.to_owned(), 200, body).read()
        };
        let text = "00FF7F80".repeat(8);
        assert_eq!(read(&text).unwrap().1.fingerprint[..5], [0, 255, 127, 128, 0]);
        for wrong in ["00", &"0G".repeat(32), &"+1".repeat(32), &"ł".repeat(32)] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
