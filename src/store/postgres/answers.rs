//! Answers kept under idempotency keys in the space without a workspace (R17).
//!
//! Those of workspaces are read with their workspace and written with its changes.

use super::bucket::bucket;
use super::record::{read, record_sql};
use super::statement::{Arrays, Shape};
use crate::store::row::answers::{AnswerRow, NO_WORKSPACE};
use crate::store::row::{Corrupt, Row as _};
use crate::store::{KeptAnswer, StoreResult};
use chrono::{DateTime, Utc};
use creditd_rules::id::WorkspaceId;
use serde::Deserialize;
use sqlx::PgConnection;
use std::sync::LazyLock;

pub(super) static KEEP: LazyLock<String> = LazyLock::new(|| INSERT.sql(1));
static INSERT: LazyLock<Shape> = LazyLock::new(|| Shape::insert::<AnswerRow>("answer"));
pub(super) static FIND: LazyLock<String> = LazyLock::new(|| {
    format!("SELECT {} FROM answer WHERE bucket = $1 AND workspace = $2 AND key = $3", found_sql())
});

/// An answer as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct FoundAnswer<'a>(
    #[serde(borrow)] &'a str,
    #[serde(borrow)] &'a str,
    #[serde(borrow)] &'a [u8],
    u16,
    #[serde(borrow)] &'a str,
);

/// The SQL expression that makes the record of a [`FoundAnswer`].
pub(super) fn found_sql() -> String {
    record_sql("answer", AnswerRow::COLUMNS.split_at(5).0)
}

impl FoundAnswer<'_> {
    /// The answer, and what it was kept under.
    pub(super) fn read(self) -> Result<((WorkspaceId, String), KeptAnswer), Corrupt> {
        let Self(workspace, key, fingerprint, status, body) = self;
        let fingerprint = <[u8; 32]>::try_from(fingerprint)
            .map_err(|_| Corrupt::new("a fingerprint", fingerprint.len()))?;
        let answer = KeptAnswer { fingerprint, status, body: body.as_bytes().to_vec() };
        Ok(((workspace.into(), key.to_owned()), answer))
    }
}

/// Keeps one answer of the space without a workspace.
pub(super) async fn keep_one(
    db: &mut PgConnection, key: &str, answer: &KeptAnswer, wall: DateTime<Utc>,
) -> StoreResult<()> {
    let mut arrays = Arrays::of::<AnswerRow<'_>>();
    let row = AnswerRow::of(NO_WORKSPACE, key, answer, wall)?;
    arrays.push(bucket(NO_WORKSPACE), &row);
    arrays.query(KEEP.as_str())?.execute(db).await?;
    Ok(())
}

/// The answer kept under a key of the space without a workspace.
pub(super) async fn find_one(db: &mut PgConnection, key: &str) -> StoreResult<Option<KeptAnswer>> {
    let found = sqlx::query(FIND.as_str())
        .bind(bucket(NO_WORKSPACE))
        .bind(NO_WORKSPACE)
        .bind(key)
        .fetch_optional(db)
        .await?;
    let Some(row) = found else { return Ok(None) };
    Ok(Some(read::<FoundAnswer<'_>>(&row, 0)?.read()?.1))
}
