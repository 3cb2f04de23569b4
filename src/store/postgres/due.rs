//! What falls due, and when.

use super::PostgresStore;
use crate::store::{Due, StoreResult};
use chrono::{DateTime, Utc};
use creditd_rules::Instant;

pub(super) const NEXT: &str = "
    SELECT least(
        (SELECT min(due_at) FROM seat WHERE due_at IS NOT NULL),
        (SELECT min(expires_at) FROM credit_grant WHERE NOT ended AND expires_at IS NOT NULL))";

pub(super) const DUE: &str = "
    (SELECT true AS is_seat, workspace, id, due_at AS at FROM seat
        WHERE due_at <= $1 AND due_at IS NOT NULL ORDER BY due_at LIMIT $2)
    UNION ALL
    (SELECT false, workspace, account, expires_at FROM credit_grant
        WHERE NOT ended AND expires_at IS NOT NULL AND expires_at <= $1
        ORDER BY expires_at LIMIT $2)
    ORDER BY at LIMIT $2";

impl PostgresStore {
    pub(super) async fn first_due(&self) -> StoreResult<Option<Instant>> {
        let mut db = self.session().await?;
        Ok(sqlx::query_scalar(NEXT).fetch_one(&mut *db).await?)
    }

    pub(super) async fn list_due(&self, now: Instant, limit: u32) -> StoreResult<Vec<Due>> {
        let mut db = self.session().await?;
        let query = sqlx::query_as(DUE).bind(now).bind(i64::from(limit));
        let rows: Vec<(bool, String, String, DateTime<Utc>)> = query.fetch_all(&mut *db).await?;
        let due = rows.into_iter().map(|(is_seat, workspace, id, at)| {
            if is_seat {
                Due::Seat(workspace.into(), id.into(), at)
            } else {
                Due::Grant(workspace.into(), id.into(), at)
            }
        });
        Ok(due.collect())
    }
}
