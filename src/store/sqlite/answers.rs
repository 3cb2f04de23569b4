//! Answers kept under idempotency keys (R17).

use super::load::parse;
use super::row::{Column, Corrupt, Row, us};
use super::statement::Statement;
use super::write::to_json;
use crate::store::{Change, KeptAnswer, StoreError, StoreResult};
use chrono::{DateTime, Utc};
use creditd_rules::id::WorkspaceId;
use sqlx::error::BoxDynError;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, SqliteConnection};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The space of keys of requests that belong to no workspace. No workspace has an empty id.
pub(super) const NO_WORKSPACE: &str = "";

static KEEP: LazyLock<Statement> = LazyLock::new(|| Statement::insert::<AnswerRow>("answer"));

/// Answers under pairs of workspace and key; `CROSS JOIN` makes the pairs the outer loop.
const FIND: &str = "
    SELECT json_group_array(json_array(answer.workspace, answer.key, hex(fingerprint), status, body))
    FROM json_each(?1) AS pair CROSS JOIN answer
    WHERE answer.key = pair.value->>1 AND answer.workspace = pair.value->>0";

/// An answer to keep.
struct AnswerRow<'a> {
    workspace: &'a str,
    key: &'a str,
    fingerprint: &'a [u8],
    status: u16,
    body: &'a str,
    kept_at_us: i64,
}

impl<'a> AnswerRow<'a> {
    fn of(
        workspace: &'a str, key: &'a str, answer: &'a KeptAnswer, wall: DateTime<Utc>,
    ) -> StoreResult<Self> {
        let KeptAnswer { fingerprint, status, body } = answer;
        let body = std::str::from_utf8(body)
            .map_err(|_| StoreError::Refused("an answer's body is not text".to_owned()))?;
        let kept_at_us = us(wall);
        Ok(Self { workspace, key, fingerprint, status: *status, body, kept_at_us })
    }
}

impl Row for AnswerRow<'_> {
    const COLUMNS: &'static [Column] = &[
        Column::Plain("workspace"),
        Column::Plain("key"),
        Column::Plain("fingerprint"),
        Column::Plain("status"),
        Column::Plain("body"),
        Column::Plain("kept_at_us"),
    ];

    fn bind(&self, to: &mut SqliteArguments) -> Result<(), BoxDynError> {
        let Self { workspace, key, fingerprint, status, body, kept_at_us } = *self;
        Arguments::add(to, workspace)?;
        Arguments::add(to, key)?;
        Arguments::add(to, fingerprint)?;
        Arguments::add(to, status)?;
        Arguments::add(to, body)?;
        Arguments::add(to, kept_at_us)
    }
}

/// Keeps the answers of `changes`.
pub(super) async fn keep(
    db: &mut SqliteConnection, changes: &[Change], wall: DateTime<Utc>,
) -> StoreResult<()> {
    let mut rows = Vec::new();
    for Change { after, answers, .. } in changes {
        for (key, answer) in answers {
            rows.push(AnswerRow::of(after.id.as_str(), key, answer, wall)?);
        }
    }
    KEEP.run(db, &rows).await?;
    Ok(())
}

/// Keeps one answer of the space without a workspace.
pub(super) async fn keep_one(
    db: &mut SqliteConnection, key: &str, answer: &KeptAnswer, wall: DateTime<Utc>,
) -> StoreResult<()> {
    KEEP.run(db, &[AnswerRow::of(NO_WORKSPACE, key, answer, wall)?]).await?;
    Ok(())
}

/// The answers kept under these keys of these workspaces.
pub(super) async fn find(
    db: &mut SqliteConnection, keys: &[(&str, &str)],
) -> StoreResult<BTreeMap<(WorkspaceId, String), KeptAnswer>> {
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let text: String = sqlx::query_scalar(FIND).bind(to_json(keys)?).fetch_one(db).await?;
    let rows: Vec<(String, String, String, u16, String)> = parse(&text)?;
    rows.into_iter()
        .map(|(workspace, key, fingerprint, status, body)| {
            let fingerprint = from_hex(&fingerprint)?;
            let answer = KeptAnswer { fingerprint, status, body: body.into_bytes() };
            Ok(((workspace.into(), key), answer))
        })
        .collect()
}

/// The answer kept under a key of the space without a workspace.
pub(super) async fn find_one(
    db: &mut SqliteConnection, key: &str,
) -> StoreResult<Option<KeptAnswer>> {
    let mut found = find(db, &[(NO_WORKSPACE, key)]).await?;
    Ok(found.pop_first().map(|(_, answer)| answer))
}

fn from_hex(text: &str) -> Result<[u8; 32], Corrupt> {
    let corrupt = || Corrupt::new("a fingerprint", text);
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(corrupt());
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        let digits = text.get(at..at + 2).ok_or_else(corrupt)?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| corrupt())?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_64_digits() {
        let text = "00FF7F80".repeat(8);
        assert_eq!(from_hex(&text).unwrap()[..5], [0, 255, 127, 128, 0]);
        for wrong in ["00", &"0G".repeat(32), &"+1".repeat(32), &"ł".repeat(32)] {
            assert!(from_hex(wrong).is_err(), "{wrong}");
        }
    }
}
