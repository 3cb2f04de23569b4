//! Answers kept under idempotency keys (R17).

use super::load::parse;
use super::row::{Corrupt, us};
use super::write::to_json;
use crate::store::{Change, KeptAnswer, StoreError, StoreResult};
use chrono::{DateTime, Utc};
use creditd_rules::id::WorkspaceId;
use sqlx::SqliteConnection;
use std::collections::BTreeMap;

/// The space of keys of requests that belong to no workspace. No workspace has an empty id.
pub(super) const NO_WORKSPACE: &str = "";

const KEEP: &str = "
    INSERT INTO answer (workspace, key, fingerprint, status, body, kept_at_us)
    SELECT value->>0, value->>1, unhex(value->>2), value->>3, value->>4, ?2 FROM json_each(?1)";

const FIND: &str = "
    SELECT json_group_array(json_array(workspace, key, hex(fingerprint), status, body))
    FROM answer
    WHERE (key, workspace) IN (SELECT value->>1, value->>0 FROM json_each(?1))";

/// An answer as it goes into the statement and comes out: workspace, key, fingerprint in
/// hexadecimal digits, status, body.
type AnswerRow<W, K, B> = (W, K, String, u16, B);

/// Keeps the answers of `changes`.
pub(super) async fn keep(
    db: &mut SqliteConnection, changes: &[Change], wall: DateTime<Utc>,
) -> StoreResult<()> {
    let mut rows = Vec::new();
    for Change { after, answers, .. } in changes {
        for (key, answer) in answers {
            rows.push(to_row(after.id.as_str(), key, answer)?);
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(KEEP).bind(to_json(&rows)?).bind(us(wall)).execute(db).await?;
    Ok(())
}

/// Keeps one answer of the space without a workspace.
pub(super) async fn keep_one(
    db: &mut SqliteConnection, key: &str, answer: &KeptAnswer, wall: DateTime<Utc>,
) -> StoreResult<()> {
    let rows = [to_row(NO_WORKSPACE, key, answer)?];
    sqlx::query(KEEP).bind(to_json(&rows)?).bind(us(wall)).execute(db).await?;
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
    let rows: Vec<AnswerRow<String, String, String>> = parse(&text)?;
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

fn to_row<'a>(
    workspace: &'a str, key: &'a str, answer: &'a KeptAnswer,
) -> StoreResult<AnswerRow<&'a str, &'a str, &'a str>> {
    let KeptAnswer { fingerprint, status, body } = answer;
    let body = std::str::from_utf8(body)
        .map_err(|_| StoreError::Refused("an answer's body is not text".to_owned()))?;
    Ok((workspace, key, to_hex(fingerprint), *status, body))
}

fn to_hex(bytes: &[u8; 32]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

fn from_hex(text: &str) -> Result<[u8; 32], Corrupt> {
    let corrupt = || Corrupt::new("a fingerprint", text);
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
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
    fn a_fingerprint_is_read_back() {
        let bytes: [u8; 32] = std::array::from_fn(|at| u8::try_from(at * 8).unwrap());
        assert_eq!(from_hex(&to_hex(&bytes)).unwrap(), bytes);
        assert!(from_hex("00").is_err());
    }
}
