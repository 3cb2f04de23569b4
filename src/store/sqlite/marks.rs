//! Marks and bookmarks: what is to be asked of Stripe.

use super::SqliteStore;
use super::inbox;
use crate::store::page::page;
use crate::store::row::marks::{read_kind, read_state};
use crate::store::row::{count, instant, maybe_instant, stored_count, us};
use crate::store::{
    Bookmark, Mark, MarkOutcome, Marks, ObjectRef, Page, PageQuery, StoreResult, StoredEvent, Waits,
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use creditd_rules::id::{CustomerId, SubscriptionId, WorkspaceId};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use std::fmt::Display;

const MARK: &str = "
    INSERT INTO mark (id, kind, marked, state, due_at_us, marked_at_us)
    VALUES (?1, ?2, 1, 'dirty', ?3, ?4)
    ON CONFLICT (id) DO UPDATE SET
        marked = marked + 1,
        due_at_us = CASE WHEN state = 'dirty' THEN due_at_us ELSE excluded.due_at_us END,
        attempts = CASE WHEN state = 'dirty' THEN attempts ELSE 0 END,
        state = 'dirty', waits_for = NULL
    RETURNING marked";

const MARK_EVENT: &str = "
    UPDATE inbox SET state = 'marked', waits_for = ?2, note = NULL, attempts = attempts + 1,
        handled_at_us = ?3
    WHERE id = ?1";

const CLAIM: &str = "
    UPDATE mark SET due_at_us = ?2
    WHERE id IN (SELECT id FROM mark WHERE state = 'dirty' AND due_at_us <= ?1
        ORDER BY due_at_us, id LIMIT ?3)
    RETURNING *";

const WAITS: &str = "
    SELECT waits_for, sum(events), sum(marks), min(oldest) FROM (
        SELECT waits_for, 1 AS events, 0 AS marks, received_at_us AS oldest FROM inbox
        WHERE state = 'waiting'
        UNION ALL
        SELECT waits_for, 0, 1, NULL FROM mark WHERE state = 'waiting')
    WHERE waits_for IS NOT NULL GROUP BY waits_for ORDER BY waits_for";

const LEASE: &str = "
    INSERT INTO bookmark (name, set_at_us, leased_until_us) VALUES (?1, ?2, ?3)
    ON CONFLICT (name) DO UPDATE SET leased_until_us = excluded.leased_until_us
    WHERE leased_until_us <= ?2 OR excluded.leased_until_us <= ?2";

fn read(row: &SqliteRow) -> StoreResult<Mark> {
    let text = |column| row.try_get::<String, _>(column);
    Ok(Mark {
        object: ObjectRef { kind: read_kind(&text("kind")?)?, id: text("id")? },
        marked: count("a number of marks", row.try_get("marked")?)?,
        state: read_state(&text("state")?)?,
        due_at: instant(row.try_get("due_at_us")?)?,
        attempts: count("a number of attempts", row.try_get("attempts")?)?,
        waits_for: row.try_get("waits_for")?,
        note: row.try_get("note")?,
        marked_at: instant(row.try_get("marked_at_us")?)?,
    })
}

#[async_trait]
impl Marks for SqliteStore {
    async fn mark(
        &self, object: &ObjectRef, event: Option<&str>, due: DateTime<Utc>,
    ) -> StoreResult<bool> {
        let wall_us = us(crate::clock::wall());
        let mut turn = self.writer.turn().await?;
        let mut db = turn.begin().await?;
        let marked: i64 = sqlx::query_scalar(MARK)
            .bind(object.id.as_str())
            .bind(object.kind.as_str())
            .bind(us(due))
            .bind(wall_us)
            .fetch_one(&mut *db)
            .await?;
        if let Some(event) = event {
            let query = sqlx::query(MARK_EVENT).bind(event).bind(object.id.as_str()).bind(wall_us);
            query.execute(&mut *db).await?;
        }
        db.commit().await?;
        Ok(marked == 1)
    }

    async fn claim_marks(
        &self, wall: DateTime<Utc>, lease: DateTime<Utc>, limit: u32,
    ) -> StoreResult<Vec<Mark>> {
        // Most of the time nothing is due, and then nothing is locked.
        let due = self.next_mark_at().await?.is_some_and(|due| due <= wall);
        if !due {
            return Ok(Vec::new());
        }
        let mut turn = self.writer.turn().await?;
        let mut db = turn.begin().await?;
        let query = sqlx::query(CLAIM).bind(us(wall)).bind(us(lease)).bind(i64::from(limit));
        let rows = query.fetch_all(&mut *db).await?;
        db.commit().await?;
        let mut marks = rows.iter().map(read).collect::<StoreResult<Vec<_>>>()?;
        marks.sort_by(|a, b| a.object.cmp(&b.object));
        Ok(marks)
    }

    async fn next_mark_at(&self) -> StoreResult<Option<DateTime<Utc>>> {
        let sql = "SELECT min(due_at_us) FROM mark WHERE state = 'dirty'";
        let us: Option<i64> = sqlx::query_scalar(sql).fetch_one(&self.reader).await?;
        Ok(maybe_instant(us)?)
    }

    async fn marked_events(&self, id: &str) -> StoreResult<Vec<StoredEvent>> {
        let rows = sqlx::query(inbox::MARKED).bind(id).fetch_all(&self.reader).await?;
        rows.iter().map(inbox::read).collect()
    }

    async fn settle_mark(
        &self, seen: &Mark, outcome: &MarkOutcome, due: DateTime<Utc>,
    ) -> StoreResult<()> {
        let (id, marked) = (seen.object.id.as_str(), stored_count(seen.marked));
        let again = "UPDATE mark SET due_at_us = ?3, attempts = 0 WHERE id = ?1 AND marked > ?2";
        let set = "UPDATE mark SET state = ?3, waits_for = ?4, note = ?5
                   WHERE id = ?1 AND marked = ?2";
        let first = match outcome {
            MarkOutcome::Applied => {
                sqlx::query("DELETE FROM mark WHERE id = ?1 AND marked = ?2").bind(id).bind(marked)
            }
            MarkOutcome::Retry { at, note } => sqlx::query(
                "UPDATE mark SET due_at_us = ?2, attempts = attempts + 1, note = ?3 WHERE id = ?1",
            )
            .bind(id)
            .bind(us(*at))
            .bind(note.as_str()),
            MarkOutcome::Waits(on) => sqlx::query(set)
                .bind(id)
                .bind(marked)
                .bind("waiting")
                .bind(on.as_str())
                .bind(None::<&str>),
            MarkOutcome::Parked(note) => sqlx::query(set)
                .bind(id)
                .bind(marked)
                .bind("parked")
                .bind(None::<&str>)
                .bind(note.as_str()),
        };
        let mut turn = self.writer.turn().await?;
        let mut db = turn.begin().await?;
        first.execute(&mut *db).await?;
        if !matches!(outcome, MarkOutcome::Retry { .. }) {
            sqlx::query(again).bind(id).bind(marked).bind(us(due)).execute(&mut *db).await?;
        }
        db.commit().await
    }

    async fn mark_of(&self, id: &str) -> StoreResult<Option<Mark>> {
        let row = sqlx::query("SELECT * FROM mark WHERE id = ?1").bind(id);
        row.fetch_optional(&self.reader).await?.as_ref().map(read).transpose()
    }

    async fn marks(&self, asked: &PageQuery) -> StoreResult<Page<Mark>> {
        let rows = sqlx::query("SELECT * FROM mark WHERE id > ?1 ORDER BY id LIMIT ?2")
            .bind(asked.cursor.as_deref().unwrap_or_default())
            .bind(i64::from(asked.limit) + 1)
            .fetch_all(&self.reader)
            .await?;
        let marks = rows.iter().map(read).collect::<StoreResult<Vec<_>>>()?;
        Ok(page(marks, asked, |mark| mark.object.id.clone()))
    }

    async fn waits(&self) -> StoreResult<Vec<Waits>> {
        let rows = sqlx::query(WAITS).fetch_all(&self.reader).await?;
        let waits = rows.iter().map(|row| {
            Ok(Waits {
                waits_for: row.try_get(0)?,
                events: count("a number of events", row.try_get(1)?)?,
                marks: count("a number of marks", row.try_get(2)?)?,
                oldest: maybe_instant(row.try_get(3)?)?,
            })
        });
        waits.collect()
    }

    async fn customers(&self, asked: &PageQuery) -> StoreResult<Page<(CustomerId, WorkspaceId)>> {
        self.links("SELECT id, workspace FROM customer WHERE id > ?1 ORDER BY id LIMIT ?2", asked)
            .await
    }

    async fn subscriptions(
        &self, asked: &PageQuery,
    ) -> StoreResult<Page<(SubscriptionId, WorkspaceId)>> {
        self.links(
            "SELECT id, workspace FROM subscription WHERE id > ?1 ORDER BY id LIMIT ?2",
            asked,
        )
        .await
    }

    async fn bookmark(&self, name: &str) -> StoreResult<Option<Bookmark>> {
        let sql = "SELECT value, set_at_us FROM bookmark WHERE name = ?1";
        let found: Option<(Option<String>, i64)> =
            sqlx::query_as(sql).bind(name).fetch_optional(&self.reader).await?;
        let read = |(value, us)| Ok(Bookmark { value, set_at: instant(us)? });
        found.map(read).transpose()
    }

    async fn set_bookmark(
        &self, name: &str, value: Option<&str>, wall: DateTime<Utc>,
    ) -> StoreResult<()> {
        let sql = "INSERT INTO bookmark (name, value, set_at_us, leased_until_us)
                   VALUES (?1, ?2, ?3, 0)
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value,
                       set_at_us = excluded.set_at_us";
        let mut turn = self.writer.turn().await?;
        let mut db = turn.begin().await?;
        let query = sqlx::query(sql).bind(name).bind(value).bind(us(wall));
        query.execute(&mut *db).await?;
        db.commit().await
    }

    async fn lease_bookmark(
        &self, name: &str, wall: DateTime<Utc>, lease: DateTime<Utc>,
    ) -> StoreResult<bool> {
        let mut turn = self.writer.turn().await?;
        let mut db = turn.begin().await?;
        let query = sqlx::query(LEASE).bind(name).bind(us(wall)).bind(us(lease));
        let done = query.execute(&mut *db).await?;
        db.commit().await?;
        Ok(done.rows_affected() > 0)
    }
}

impl SqliteStore {
    /// Things with their workspaces, by id.
    async fn links<T: for<'a> From<&'a str> + Display>(
        &self, sql: &'static str, asked: &PageQuery,
    ) -> StoreResult<Page<(T, WorkspaceId)>> {
        let rows: Vec<(String, String)> = sqlx::query_as(sql)
            .bind(asked.cursor.as_deref().unwrap_or_default())
            .bind(i64::from(asked.limit) + 1)
            .fetch_all(&self.reader)
            .await?;
        let links = rows.iter().map(|(id, home)| (id.as_str().into(), home.as_str().into()));
        Ok(page(links.collect(), asked, |(id, _): &(T, _)| id.to_string()))
    }
}
