//! API keys, depths of the queues, and forgetting what is old.

use super::SqliteStore;
use crate::store::row::{Corrupt, count, instant, maybe_instant, us};
use crate::store::{ApiKey, Depths, StoreResult};
use chrono::{DateTime, Utc};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use std::collections::BTreeMap;

/// Rows that one step of pruning removes, so that debits wait only briefly.
const PRUNE_STEP: i64 = 2_000;

fn read_key(row: &SqliteRow) -> StoreResult<ApiKey> {
    let hash: Vec<u8> = row.try_get("hash")?;
    let hash = <[u8; 32]>::try_from(hash.as_slice())
        .map_err(|_| Corrupt::new("a key's hash", hash.len()))?;
    Ok(ApiKey {
        id: row.try_get("id")?,
        hash,
        scopes: row.try_get::<String, _>("scopes")?.split(' ').map(str::to_owned).collect(),
        created_at: instant(row.try_get("created_at_us")?)?,
        revoked_at: maybe_instant(row.try_get("revoked_at_us")?)?,
    })
}

impl SqliteStore {
    pub(super) async fn keep_key(&self, key: &ApiKey) -> StoreResult<()> {
        let ApiKey { id, hash, scopes, created_at, revoked_at } = key;
        let sql = "INSERT INTO api_key (id, hash, scopes, created_at_us, revoked_at_us)
                   VALUES (?1, ?2, ?3, ?4, ?5)";
        let mut turn = self.writer.turn().await?;
        let mut db = turn.begin().await?;
        sqlx::query(sql)
            .bind(id.as_str())
            .bind(hash.as_slice())
            .bind(scopes.join(" "))
            .bind(us(*created_at))
            .bind(revoked_at.map(us))
            .execute(&mut *db)
            .await?;
        db.commit().await
    }

    pub(super) async fn find_key(&self, hash: &[u8; 32]) -> StoreResult<Option<ApiKey>> {
        let sql = "SELECT id, hash, scopes, created_at_us, revoked_at_us FROM api_key
                   WHERE hash = ?1";
        let row = sqlx::query(sql).bind(hash.as_slice()).fetch_optional(&self.reader).await?;
        row.as_ref().map(read_key).transpose()
    }

    pub(super) async fn list_keys(&self) -> StoreResult<Vec<ApiKey>> {
        let sql = "SELECT id, hash, scopes, created_at_us, revoked_at_us FROM api_key
                   ORDER BY created_at_us DESC, id DESC";
        let rows = sqlx::query(sql).fetch_all(&self.reader).await?;
        rows.iter().map(read_key).collect()
    }

    pub(super) async fn revoke_key(&self, id: &str, wall: DateTime<Utc>) -> StoreResult<bool> {
        let sql = "UPDATE api_key SET revoked_at_us = ifnull(revoked_at_us, ?2) WHERE id = ?1";
        let mut turn = self.writer.turn().await?;
        let mut db = turn.begin().await?;
        let done = sqlx::query(sql).bind(id).bind(us(wall)).execute(&mut *db).await?;
        db.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// Counts what is open; what is done is not counted, since there is no end of it.
    pub(super) async fn count_depths(&self) -> StoreResult<Depths> {
        let mut db = self.reader.begin().await?;
        let mut inbox = BTreeMap::new();
        for (state, sql) in [
            ("pending", "SELECT count(*) FROM inbox WHERE state = 'pending'"),
            ("waiting", "SELECT count(*) FROM inbox WHERE state = 'waiting'"),
            ("parked", "SELECT count(*) FROM inbox WHERE state = 'parked'"),
        ] {
            let found: i64 = sqlx::query_scalar(sql).fetch_one(&mut *db).await?;
            inbox.insert(state, count("a number of events", found)?);
        }
        let mut marks = BTreeMap::new();
        for (state, sql) in [
            ("dirty", "SELECT count(*) FROM mark WHERE state = 'dirty'"),
            ("waiting", "SELECT count(*) FROM mark WHERE state = 'waiting'"),
            ("parked", "SELECT count(*) FROM mark WHERE state = 'parked'"),
        ] {
            let found: i64 = sqlx::query_scalar(sql).fetch_one(&mut *db).await?;
            marks.insert(state, count("a number of marks", found)?);
        }
        let mut outbox = BTreeMap::new();
        for (state, sql) in [
            ("queued", "SELECT count(*) FROM outbox WHERE state = 'queued'"),
            ("parked", "SELECT count(*) FROM outbox WHERE state = 'parked'"),
        ] {
            let found: i64 = sqlx::query_scalar(sql).fetch_one(&mut *db).await?;
            outbox.insert(state, count("a number of mails", found)?);
        }
        let sql = "SELECT received_at_us FROM inbox WHERE state = 'pending'
                   ORDER BY arrival LIMIT 1";
        let inbox_oldest: Option<i64> = sqlx::query_scalar(sql).fetch_optional(&mut *db).await?;
        let sql = "SELECT min(created_at_us) FROM outbox WHERE state = 'queued'";
        let outbox_oldest: Option<i64> = sqlx::query_scalar(sql).fetch_one(&mut *db).await?;
        Ok(Depths {
            inbox,
            inbox_oldest: maybe_instant(inbox_oldest)?,
            marks,
            outbox,
            outbox_oldest: maybe_instant(outbox_oldest)?,
        })
    }

    pub(super) async fn forget(
        &self, answers: DateTime<Utc>, handled: DateTime<Utc>,
    ) -> StoreResult<u64> {
        // Answers lie in the order in which they were kept, so the old ones are the first rows.
        let old_answers = "DELETE FROM answer WHERE rowid IN (
                SELECT rowid FROM (SELECT rowid, kept_at_us FROM answer ORDER BY rowid LIMIT ?2)
                WHERE kept_at_us < ?1)";
        let old_events = "DELETE FROM inbox WHERE arrival IN (
                SELECT arrival FROM inbox
                WHERE state IN ('done', 'ignored') AND handled_at_us < ?1 LIMIT ?2)";
        let old_mails = "DELETE FROM outbox WHERE id IN (
                SELECT id FROM outbox WHERE state = 'sent' AND sent_at_us < ?1 LIMIT ?2)";
        let old_alerts = "DELETE FROM alert WHERE rowid IN (
                SELECT rowid FROM (SELECT rowid, at_us FROM alert ORDER BY rowid LIMIT ?2)
                WHERE at_us < ?1)";
        let mut gone: u64 = 0;
        for (sql, before) in [
            (old_answers, answers),
            (old_events, handled),
            (old_mails, handled),
            (old_alerts, handled),
        ] {
            let counts = sql != old_alerts;
            loop {
                let mut turn = self.writer.turn().await?;
                let mut db = turn.begin().await?;
                let done = sqlx::query(sql)
                    .bind(us(before))
                    .bind(PRUNE_STEP)
                    .execute(&mut *db)
                    .await?
                    .rows_affected();
                db.commit().await?;
                gone = gone.saturating_add(if counts { done } else { 0 });
                if done == 0 {
                    break;
                }
            }
        }
        Ok(gone)
    }
}
