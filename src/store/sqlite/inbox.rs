//! The inbox: verified webhook bodies, kept raw, and what became of them.

use super::SqliteStore;
use crate::clock;
use crate::store::page::{before_event, page};
use crate::store::row::events::{read_state, read_trace};
use crate::store::row::{count, instant, maybe_instant, stored_count, us};
use crate::store::{EventState, NewEvent, Page, PageQuery, StoreResult, StoredEvent};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

const KEEP: &str = "
    INSERT INTO inbox (id, kind, created_us, api_version, livemode, state, note, received_at_us,
        handled_at_us, trace, body)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
    ON CONFLICT (id) DO NOTHING";

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT arrival, id, kind, created_us, api_version, livemode, state, note, waits_for,
                 attempts, received_at_us, handled_at_us, trace, body FROM inbox ",
            $rest
        )
    };
}

/// The events that belong to a mark, in order of arrival.
pub(super) const MARKED: &str =
    select!("WHERE state = 'marked' AND waits_for = ?1 ORDER BY arrival");

pub(super) fn read(row: &SqliteRow) -> StoreResult<StoredEvent> {
    Ok(StoredEvent {
        arrival: count("an arrival", row.try_get("arrival")?)?,
        attempts: count("a number of attempts", row.try_get("attempts")?)?,
        waits_for: row.try_get("waits_for")?,
        handled_at: maybe_instant(row.try_get("handled_at_us")?)?,
        event: NewEvent {
            id: row.try_get("id")?,
            kind: row.try_get("kind")?,
            created: maybe_instant(row.try_get("created_us")?)?,
            api_version: row.try_get("api_version")?,
            livemode: row.try_get::<Option<i64>, _>("livemode")?.map(|live| live != 0),
            state: read_state(&row.try_get::<String, _>("state")?)?,
            note: row.try_get("note")?,
            body: row.try_get("body")?,
            received_at: instant(row.try_get("received_at_us")?)?,
            trace: read_trace(row.try_get("trace")?),
        },
    })
}

impl SqliteStore {
    pub(super) async fn keep_all_events(&self, events: &[NewEvent]) -> StoreResult<Vec<bool>> {
        let mut turn = self.writer.turn().await?;
        let mut db = turn.begin().await?;
        let mut new = Vec::with_capacity(events.len());
        for event in events {
            let NewEvent {
                id,
                kind,
                created,
                api_version,
                livemode,
                state,
                note,
                body,
                received_at,
                trace,
            } = event;
            let handled_at = Some(received_at).filter(|_| *state != EventState::Pending);
            let done = sqlx::query(KEEP)
                .bind(id.as_str())
                .bind(kind.as_str())
                .bind(created.map(us))
                .bind(api_version.as_deref())
                .bind(livemode.map(i64::from))
                .bind(state.as_str())
                .bind(note.as_deref())
                .bind(us(*received_at))
                .bind(handled_at.map(|at| us(*at)))
                .bind(trace.map(|trace| trace.to_string()))
                .bind(body.as_slice())
                .execute(&mut *db)
                .await?;
            new.push(done.rows_affected() > 0);
        }
        db.commit().await?;
        Ok(new)
    }

    pub(super) async fn list_pending(&self, limit: u32) -> StoreResult<Vec<StoredEvent>> {
        let rows = sqlx::query(select!("WHERE state = 'pending' ORDER BY arrival LIMIT ?1"))
            .bind(i64::from(limit))
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(read).collect()
    }

    pub(super) async fn set_event(
        &self, id: &str, state: EventState, note: Option<&str>, waits_for: Option<&str>,
    ) -> StoreResult<()> {
        let sql = "
            UPDATE inbox
            SET state = ?2, note = ?3, waits_for = ?4, attempts = attempts + 1, handled_at_us = ?5
            WHERE id = ?1";
        let mut turn = self.writer.turn().await?;
        let mut db = turn.begin().await?;
        sqlx::query(sql)
            .bind(id)
            .bind(state.as_str())
            .bind(note)
            .bind(waits_for)
            .bind(us(clock::wall()))
            .execute(&mut *db)
            .await?;
        db.commit().await
    }

    pub(super) async fn release(&self, waits_for: &str) -> StoreResult<u64> {
        let sql = "UPDATE inbox SET state = 'pending', waits_for = NULL
                   WHERE state = 'waiting' AND waits_for = ?1";
        let sql_marks = "UPDATE mark SET state = 'dirty', waits_for = NULL, due_at_us = ?2
                         WHERE state = 'waiting' AND waits_for = ?1";
        let waiting =
            "SELECT (SELECT count(*) FROM inbox WHERE state = 'waiting' AND waits_for = ?1)
            + (SELECT count(*) FROM mark WHERE state = 'waiting' AND waits_for = ?1)";
        let found: i64 =
            sqlx::query_scalar(waiting).bind(waits_for).fetch_one(&self.reader).await?;
        if found == 0 {
            return Ok(0);
        }
        let mut turn = self.writer.turn().await?;
        let mut db = turn.begin().await?;
        let done = sqlx::query(sql).bind(waits_for).execute(&mut *db).await?;
        let query = sqlx::query(sql_marks).bind(waits_for).bind(us(clock::wall()));
        let marks = query.execute(&mut *db).await?;
        db.commit().await?;
        Ok(done.rows_affected().saturating_add(marks.rows_affected()))
    }

    pub(super) async fn list_events(
        &self, state: Option<EventState>, asked: &PageQuery,
    ) -> StoreResult<Page<StoredEvent>> {
        let sql = select!(
            "WHERE (?1 IS NULL OR state = ?1) AND arrival < ?2 ORDER BY arrival DESC LIMIT ?3"
        );
        let rows = sqlx::query(sql)
            .bind(state.map(EventState::as_str))
            .bind(before_event(asked)?)
            .bind(asked.fetched())
            .fetch_all(&self.reader)
            .await?;
        let events = rows.iter().map(read).collect::<StoreResult<Vec<_>>>()?;
        Ok(page(events, asked, |event| stored_count(event.arrival).to_string()))
    }

    pub(super) async fn find_event(&self, id: &str) -> StoreResult<Option<StoredEvent>> {
        let sql = select!("WHERE id = ?1");
        let row = sqlx::query(sql).bind(id).fetch_optional(&self.reader).await?;
        row.as_ref().map(read).transpose()
    }
}
