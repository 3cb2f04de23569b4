//! Answers kept under idempotency keys, as rows (R17).

use super::{Bytes, Text, row, us};
use crate::store::{Change, KeptAnswer, StoreError, StoreResult};
use chrono::{DateTime, Utc};

/// The space of keys of requests that belong to no workspace. No workspace has an empty id.
pub(in crate::store) const NO_WORKSPACE: &str = "";

row! {
    /// An answer to keep.
    pub(super) struct AnswerRow<'a> {
        workspace: Text<'a>,
        key: Text<'a>,
        fingerprint: Bytes<'a>,
        status: u16,
        body: Text<'a>,
        kept_at_us: i64,
    }
}

impl<'a> AnswerRow<'a> {
    pub(in crate::store) fn of(
        workspace: &'a str, key: &'a str, answer: &'a KeptAnswer, wall: DateTime<Utc>,
    ) -> StoreResult<Self> {
        let KeptAnswer { fingerprint, status, body } = answer;
        let body = std::str::from_utf8(body)
            .map_err(|_| StoreError::Refused("an answer's body is not text".to_owned()))?;
        Ok(Self {
            workspace: workspace.into(),
            key: key.into(),
            fingerprint: Bytes(fingerprint.into()),
            status: *status,
            body: body.into(),
            kept_at_us: us(wall),
        })
    }
}

/// The answers of a change.
pub(in crate::store) fn answers(
    change: &Change, wall: DateTime<Utc>,
) -> impl Iterator<Item = StoreResult<AnswerRow<'_>>> {
    let Change { after, answers, .. } = change;
    answers.iter().map(move |(key, answer)| AnswerRow::of(after.id.as_str(), key, answer, wall))
}
