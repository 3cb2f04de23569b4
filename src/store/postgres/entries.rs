//! The ledger's lines, read newest first.

use crate::store::{LedgerQuery, Line, StoreError, StoreResult};
use creditd_rules::id::WorkspaceId;
use sqlx::PgConnection;

/// Posted lines of a workspace, newest first.
pub(super) async fn ledger(
    _db: &mut PgConnection, _workspace: &WorkspaceId, _query: &LedgerQuery,
) -> StoreResult<Vec<Line>> {
    Err(StoreError::Unavailable("not built".into()))
}
