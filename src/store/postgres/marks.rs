//! Marks and bookmarks: what is to be asked of Stripe.
//!
//! A mark and its events may lie on different servers. So an object is marked first and its event
//! after it: cut off in between, the event is pending still and marks once more.

use super::PostgresStore;
use super::inbox;
use crate::clock;
use crate::store::page::page;
use crate::store::row::marks::{read_kind, read_state};
use crate::store::row::{count, stored_count};
use crate::store::{
    Bookmark, Mark, MarkOutcome, Marks, ObjectRef, Page, PageQuery, StoreResult, StoredEvent, Waits,
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use creditd_rules::id::{CustomerId, SubscriptionId, WorkspaceId};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use std::fmt::Display;

const MARK: &str = "
    INSERT INTO mark AS held (id, kind, marked, state, due_at, marked_at)
    VALUES ($1, $2, 1, 'dirty', $3, $4)
    ON CONFLICT (id) DO UPDATE SET
        marked = held.marked + 1,
        due_at = CASE WHEN held.state = 'dirty' THEN held.due_at ELSE excluded.due_at END,
        attempts = CASE WHEN held.state = 'dirty' THEN held.attempts ELSE 0 END,
        state = 'dirty', waits_for = NULL
    RETURNING marked";

const MARK_EVENT: &str = "
    UPDATE inbox SET state = 'marked', waits_for = $2, note = NULL, attempts = attempts + 1,
        handled_at = $3
    WHERE id = $1";

/// Picks and claims in one statement, and passes by what another daemon is claiming.
const CLAIM: &str = "
    WITH due AS MATERIALIZED (
        SELECT id FROM mark WHERE state = 'dirty' AND due_at <= $1 ORDER BY due_at, id LIMIT $3
        FOR UPDATE SKIP LOCKED)
    UPDATE mark SET due_at = $2 FROM due WHERE mark.id = due.id RETURNING mark.*";

const WAITS: &str = "
    SELECT waits_for, sum(events)::bigint, sum(marks)::bigint, min(oldest) FROM (
        SELECT waits_for, 1 AS events, 0 AS marks, received_at AS oldest FROM inbox
        WHERE state = 'waiting'
        UNION ALL
        SELECT waits_for, 0, 1, NULL FROM mark WHERE state = 'waiting') AS all_that_wait
    WHERE waits_for IS NOT NULL GROUP BY waits_for ORDER BY waits_for";

const LEASE: &str = "
    INSERT INTO bookmark AS held (name, set_at, leased_until) VALUES ($1, $2, $3)
    ON CONFLICT (name) DO UPDATE SET leased_until = excluded.leased_until
    WHERE held.leased_until <= $2 OR excluded.leased_until <= $2";

fn read(row: &PgRow) -> StoreResult<Mark> {
    Ok(Mark {
        object: ObjectRef { kind: read_kind(row.try_get("kind")?)?, id: row.try_get("id")? },
        marked: count("a number of marks", row.try_get("marked")?)?,
        state: read_state(row.try_get("state")?)?,
        due_at: row.try_get("due_at")?,
        attempts: count("a number of attempts", row.try_get::<i32, _>("attempts")?.into())?,
        waits_for: row.try_get("waits_for")?,
        note: row.try_get("note")?,
        marked_at: row.try_get("marked_at")?,
    })
}

#[async_trait]
impl Marks for PostgresStore {
    async fn mark(
        &self, object: &ObjectRef, event: Option<&str>, due: DateTime<Utc>,
    ) -> StoreResult<bool> {
        let wall = clock::wall();
        let mut db = self.session().await?;
        let marked: i64 = sqlx::query_scalar(MARK)
            .bind(object.id.as_str())
            .bind(object.kind.as_str())
            .bind(due)
            .bind(wall)
            .fetch_one(&mut *db)
            .await
            .map_err(|error| db.meaning(error))?;
        db.commit().await?;
        if let Some(event) = event {
            let query = sqlx::query(MARK_EVENT).bind(event).bind(object.id.as_str()).bind(wall);
            self.write_alone(query).await?;
        }
        Ok(marked == 1)
    }

    async fn claim_marks(
        &self, wall: DateTime<Utc>, lease: DateTime<Utc>, limit: u32,
    ) -> StoreResult<Vec<Mark>> {
        let mut db = self.session().await?;
        let query = sqlx::query(CLAIM).bind(wall).bind(lease).bind(i64::from(limit));
        let rows = query.fetch_all(&mut *db).await.map_err(|error| db.meaning(error))?;
        db.commit().await?;
        let mut marks = rows.iter().map(read).collect::<StoreResult<Vec<_>>>()?;
        marks.sort_by(|a, b| a.object.cmp(&b.object));
        Ok(marks)
    }

    async fn next_mark_at(&self) -> StoreResult<Option<DateTime<Utc>>> {
        let mut db = self.session().await?;
        let sql = "SELECT min(due_at) FROM mark WHERE state = 'dirty'";
        Ok(sqlx::query_scalar(sql).fetch_one(&mut *db).await?)
    }

    async fn marked_events(&self, id: &str) -> StoreResult<Vec<StoredEvent>> {
        let mut db = self.session().await?;
        let rows = sqlx::query(inbox::MARKED).bind(id).fetch_all(&mut *db).await?;
        rows.iter().map(inbox::read).collect()
    }

    async fn settle_mark(
        &self, seen: &Mark, outcome: &MarkOutcome, due: DateTime<Utc>,
    ) -> StoreResult<()> {
        let (id, marked) = (seen.object.id.as_str(), stored_count(seen.marked));
        let set = "UPDATE mark SET state = $3, waits_for = $4, note = $5
                   WHERE id = $1 AND marked = $2";
        let first = match outcome {
            MarkOutcome::Applied => {
                sqlx::query("DELETE FROM mark WHERE id = $1 AND marked = $2").bind(id).bind(marked)
            }
            MarkOutcome::Retry { at, note } => sqlx::query(
                "UPDATE mark SET due_at = $2, attempts = attempts + 1, note = $3 WHERE id = $1",
            )
            .bind(id)
            .bind(*at)
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
        self.write_alone(first).await?;
        if !matches!(outcome, MarkOutcome::Retry { .. }) {
            let again = "UPDATE mark SET due_at = $3, attempts = 0 WHERE id = $1 AND marked > $2";
            self.write_alone(sqlx::query(again).bind(id).bind(marked).bind(due)).await?;
        }
        Ok(())
    }

    async fn mark_of(&self, id: &str) -> StoreResult<Option<Mark>> {
        let mut db = self.session().await?;
        let query = sqlx::query("SELECT * FROM mark WHERE id = $1").bind(id);
        query.fetch_optional(&mut *db).await?.as_ref().map(read).transpose()
    }

    async fn marks(&self, asked: &PageQuery) -> StoreResult<Page<Mark>> {
        let sql = "SELECT * FROM mark WHERE id > $1 ORDER BY id LIMIT $2";
        let mut db = self.session().await?;
        let rows = sqlx::query(sql)
            .bind(asked.cursor.as_deref().unwrap_or_default())
            .bind(i64::from(asked.limit) + 1)
            .fetch_all(&mut *db)
            .await?;
        let marks = rows.iter().map(read).collect::<StoreResult<Vec<_>>>()?;
        Ok(page(marks, asked, |mark| mark.object.id.clone()))
    }

    async fn waits(&self) -> StoreResult<Vec<Waits>> {
        let mut db = self.session().await?;
        let rows = sqlx::query(WAITS).fetch_all(&mut *db).await?;
        let waits = rows.iter().map(|row| {
            Ok(Waits {
                waits_for: row.try_get(0)?,
                events: count("a number of events", row.try_get(1)?)?,
                marks: count("a number of marks", row.try_get(2)?)?,
                oldest: row.try_get(3)?,
            })
        });
        waits.collect()
    }

    async fn customers(&self, asked: &PageQuery) -> StoreResult<Page<(CustomerId, WorkspaceId)>> {
        self.links("customer", asked).await
    }

    async fn subscriptions(
        &self, asked: &PageQuery,
    ) -> StoreResult<Page<(SubscriptionId, WorkspaceId)>> {
        self.links("subscription", asked).await
    }

    async fn bookmark(&self, name: &str) -> StoreResult<Option<Bookmark>> {
        let sql = "SELECT value, set_at FROM bookmark WHERE name = $1";
        let mut db = self.session().await?;
        let found: Option<(Option<String>, DateTime<Utc>)> =
            sqlx::query_as(sql).bind(name).fetch_optional(&mut *db).await?;
        Ok(found.map(|(value, set_at)| Bookmark { value, set_at }))
    }

    async fn set_bookmark(
        &self, name: &str, value: Option<&str>, wall: DateTime<Utc>,
    ) -> StoreResult<()> {
        let sql = "INSERT INTO bookmark (name, value, set_at, leased_until)
                   VALUES ($1, $2, $3, 'epoch')
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value,
                       set_at = excluded.set_at";
        self.write_alone(sqlx::query(sql).bind(name).bind(value).bind(wall)).await?;
        Ok(())
    }

    async fn lease_bookmark(
        &self, name: &str, wall: DateTime<Utc>, lease: DateTime<Utc>,
    ) -> StoreResult<bool> {
        let query = sqlx::query(LEASE).bind(name).bind(wall).bind(lease);
        Ok(self.write_alone(query).await? > 0)
    }
}

impl PostgresStore {
    /// Things with their workspaces, by id.
    async fn links<T: for<'a> From<&'a str> + Display>(
        &self, kind: &str, asked: &PageQuery,
    ) -> StoreResult<Page<(T, WorkspaceId)>> {
        let sql = "SELECT id, workspace FROM directory
                   WHERE kind = $1 AND id > $2 ORDER BY id LIMIT $3";
        let mut db = self.session().await?;
        let rows: Vec<(String, String)> = sqlx::query_as(sql)
            .bind(kind)
            .bind(asked.cursor.as_deref().unwrap_or_default())
            .bind(i64::from(asked.limit) + 1)
            .fetch_all(&mut *db)
            .await?;
        let links = rows.iter().map(|(id, home)| (id.as_str().into(), home.as_str().into()));
        Ok(page(links.collect(), asked, |(id, _): &(T, _)| id.to_string()))
    }
}
