//! Depths of the queues, and forgetting what is old.

use super::PostgresStore;
use crate::store::row::count;
use crate::store::{Depths, StoreResult};
use chrono::{DateTime, Utc};
use sqlx::Row as _;

/// Rows that one step of pruning removes, so that no transaction is long.
const PRUNE_STEP: i64 = 2_000;

/// What is open is counted; what is done is not, since there is no end of it.
pub(super) const DEPTHS: &str = "
    SELECT
        (SELECT count(*) FROM inbox WHERE state = 'pending') AS inbox_pending,
        (SELECT count(*) FROM inbox WHERE state = 'waiting') AS inbox_waiting,
        (SELECT count(*) FROM inbox WHERE state = 'parked') AS inbox_parked,
        (SELECT received_at FROM inbox WHERE state = 'pending' ORDER BY arrival LIMIT 1)
            AS inbox_oldest,
        (SELECT count(*) FROM mark WHERE state = 'dirty') AS marks_dirty,
        (SELECT count(*) FROM mark WHERE state = 'waiting') AS marks_waiting,
        (SELECT count(*) FROM mark WHERE state = 'parked') AS marks_parked,
        (SELECT count(*) FROM outbox WHERE state = 'queued') AS outbox_queued,
        (SELECT count(*) FROM outbox WHERE state = 'parked') AS outbox_parked,
        (SELECT min(created_at) FROM outbox WHERE state = 'queued') AS outbox_oldest";

/// Several daemons may forget at once: each passes by what another has in hand.
pub(super) const FORGET_ANSWERS: &str = "
    DELETE FROM answer USING (
        SELECT bucket, workspace, key FROM answer WHERE kept_at < $1 LIMIT $2
        FOR UPDATE SKIP LOCKED) AS old
    WHERE answer.bucket = old.bucket AND answer.workspace = old.workspace AND answer.key = old.key";
const FORGET_EVENTS: &str = "
    DELETE FROM inbox USING (
        SELECT id FROM inbox WHERE state IN ('done', 'ignored') AND handled_at < $1 LIMIT $2
        FOR UPDATE SKIP LOCKED) AS old
    WHERE inbox.id = old.id";
pub(super) const FORGET_MAILS: &str = "
    DELETE FROM outbox USING (
        SELECT bucket, id FROM outbox WHERE state = 'sent' AND sent_at < $1 LIMIT $2
        FOR UPDATE SKIP LOCKED) AS old
    WHERE outbox.bucket = old.bucket AND outbox.id = old.id";
pub(super) const FORGET_ALERTS: &str = "
    DELETE FROM alert USING (
        SELECT bucket, workspace, version, number FROM alert WHERE at < $1 LIMIT $2
        FOR UPDATE SKIP LOCKED) AS old
    WHERE alert.bucket = old.bucket AND alert.workspace = old.workspace
        AND alert.version = old.version AND alert.number = old.number";

impl PostgresStore {
    pub(super) async fn count_depths(&self) -> StoreResult<Depths> {
        let mut db = self.session().await?;
        let row = sqlx::query(DEPTHS).fetch_one(&mut *db).await?;
        let depth = |column| -> StoreResult<u64> { Ok(count("a depth", row.try_get(column)?)?) };
        Ok(Depths {
            inbox: [
                ("pending", depth("inbox_pending")?),
                ("waiting", depth("inbox_waiting")?),
                ("parked", depth("inbox_parked")?),
            ]
            .into(),
            inbox_oldest: row.try_get("inbox_oldest")?,
            marks: [
                ("dirty", depth("marks_dirty")?),
                ("waiting", depth("marks_waiting")?),
                ("parked", depth("marks_parked")?),
            ]
            .into(),
            outbox: [("queued", depth("outbox_queued")?), ("parked", depth("outbox_parked")?)]
                .into(),
            outbox_oldest: row.try_get("outbox_oldest")?,
        })
    }

    pub(super) async fn forget(
        &self, answers: DateTime<Utc>, handled: DateTime<Utc>,
    ) -> StoreResult<u64> {
        let mut gone = self.forget_all(FORGET_ANSWERS, answers).await?;
        gone = gone.saturating_add(self.forget_all(FORGET_EVENTS, handled).await?);
        gone = gone.saturating_add(self.forget_all(FORGET_MAILS, handled).await?);
        // Alerts are told at once; what is kept of them is not counted.
        self.forget_all(FORGET_ALERTS, handled).await?;
        Ok(gone)
    }

    /// Repeats a statement until it finds nothing more; how many rows it removed.
    async fn forget_all(&self, sql: &'static str, before: DateTime<Utc>) -> StoreResult<u64> {
        let mut gone: u64 = 0;
        loop {
            let step = self.write_alone(sqlx::query(sql).bind(before).bind(PRUNE_STEP));
            let done = self.writing(step).await?;
            if done == 0 {
                return Ok(gone);
            }
            gone = gone.saturating_add(done);
        }
    }
}
