//! The inbox: verified webhook bodies, kept raw, and what became of them.

use super::PostgresStore;
use super::alone::until_settled;
use crate::clock;
use crate::store::page::{before_event, page};
use crate::store::row::events::{read_state, read_trace};
use crate::store::row::{count, stored_count};
use crate::store::{EventState, NewEvent, Page, PageQuery, StoreResult, StoredEvent};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use std::collections::HashSet;

/// Places in the order of arrival are instants, in microseconds of the database's clock, moved
/// behind the last place where that is later. Two daemons that pick the same one are told apart by
/// the unique index, and one of them picks anew. Ids are inserted in order, so that two daemons
/// that are sent the same events do not wait for each other in circles.
const KEEP: &str = "
    INSERT INTO inbox (id, arrival, kind, created, api_version, livemode, state, note, received_at,
        handled_at, trace, body)
    SELECT event.id, first.arrival + event.place, event.kind, event.created, event.api_version,
        event.livemode, event.state, event.note, event.received_at,
        CASE WHEN event.state <> 'pending' THEN event.received_at END, event.trace, event.body
    FROM UNNEST($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::boolean[], $6::text[],
            $7::text[], $8::timestamptz[], $9::text[], $10::bytea[]) WITH ORDINALITY
            AS event (id, kind, created, api_version, livemode, state, note, received_at, trace,
                body, place),
        (SELECT greatest(coalesce(max(arrival), 0),
            (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) AS arrival FROM inbox)
            AS first
    ORDER BY event.id, event.place
    ON CONFLICT (id) DO NOTHING
    RETURNING id";

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT arrival, id, kind, created, api_version, livemode, state, note, waits_for,
                 attempts, received_at, handled_at, trace, body FROM inbox ",
            $rest
        )
    };
}

/// The events that belong to a mark, in order of arrival.
pub(super) const MARKED: &str =
    select!("WHERE state = 'marked' AND waits_for = $1 ORDER BY arrival");

pub(super) fn read(row: &PgRow) -> StoreResult<StoredEvent> {
    Ok(StoredEvent {
        arrival: count("an arrival", row.try_get("arrival")?)?,
        attempts: count("a number of attempts", row.try_get::<i32, _>("attempts")?.into())?,
        waits_for: row.try_get("waits_for")?,
        handled_at: row.try_get("handled_at")?,
        event: NewEvent {
            id: row.try_get("id")?,
            kind: row.try_get("kind")?,
            created: row.try_get("created")?,
            api_version: row.try_get("api_version")?,
            livemode: row.try_get("livemode")?,
            state: read_state(row.try_get("state")?)?,
            note: row.try_get("note")?,
            body: row.try_get("body")?,
            received_at: row.try_get("received_at")?,
            trace: read_trace(row.try_get("trace")?),
        },
    })
}

impl PostgresStore {
    pub(super) async fn keep_all_events(&self, events: &[NewEvent]) -> StoreResult<Vec<bool>> {
        let kept = until_settled(|| self.keep_new_events(events)).await?;
        let mut new: HashSet<&str> = kept.iter().map(String::as_str).collect();
        // Of an event that comes twice in one call, the first is the new one.
        Ok(events.iter().map(|event| new.remove(event.id.as_str())).collect())
    }

    /// The ids of those that were not there.
    async fn keep_new_events(&self, events: &[NewEvent]) -> StoreResult<Vec<String>> {
        fn column<'e, T>(events: &'e [NewEvent], of: impl Fn(&'e NewEvent) -> T) -> Vec<T> {
            events.iter().map(of).collect()
        }
        let mut db = self.session().await?;
        let kept = sqlx::query_scalar(KEEP)
            .bind(column(events, |event| event.id.as_str()))
            .bind(column(events, |event| event.kind.as_str()))
            .bind(column(events, |event| event.created))
            .bind(column(events, |event| event.api_version.as_deref()))
            .bind(column(events, |event| event.livemode))
            .bind(column(events, |event| event.state.as_str()))
            .bind(column(events, |event| event.note.as_deref()))
            .bind(column(events, |event| event.received_at))
            .bind(column(events, |event| event.trace.map(|trace| trace.to_string())))
            .bind(column(events, |event| event.body.as_slice()))
            .fetch_all(&mut *db)
            .await
            .map_err(|error| db.meaning(error))?;
        db.commit().await?;
        Ok(kept)
    }

    pub(super) async fn list_pending(&self, limit: u32) -> StoreResult<Vec<StoredEvent>> {
        let mut db = self.session().await?;
        let rows = sqlx::query(select!("WHERE state = 'pending' ORDER BY arrival LIMIT $1"))
            .bind(i64::from(limit))
            .fetch_all(&mut *db)
            .await?;
        rows.iter().map(read).collect()
    }

    pub(super) async fn set_event(
        &self, id: &str, state: EventState, note: Option<&str>, waits_for: Option<&str>,
    ) -> StoreResult<()> {
        let sql = "
            UPDATE inbox
            SET state = $2, note = $3, waits_for = $4, attempts = attempts + 1, handled_at = $5
            WHERE id = $1";
        let query = sqlx::query(sql).bind(id).bind(state.as_str()).bind(note).bind(waits_for);
        self.write_alone(query.bind(clock::wall())).await?;
        Ok(())
    }

    pub(super) async fn release(&self, waits_for: &str) -> StoreResult<u64> {
        let sql = "UPDATE inbox SET state = 'pending', waits_for = NULL
                   WHERE state = 'waiting' AND waits_for = $1";
        let sql_marks = "UPDATE mark SET state = 'dirty', waits_for = NULL, due_at = $2
                         WHERE state = 'waiting' AND waits_for = $1";
        let events = self.write_alone(sqlx::query(sql).bind(waits_for)).await?;
        let query = sqlx::query(sql_marks).bind(waits_for).bind(clock::wall());
        Ok(events.saturating_add(self.write_alone(query).await?))
    }

    pub(super) async fn list_events(
        &self, state: Option<EventState>, asked: &PageQuery,
    ) -> StoreResult<Page<StoredEvent>> {
        let sql = select!(
            "WHERE ($1 IS NULL OR state = $1) AND arrival < $2 ORDER BY arrival DESC LIMIT $3"
        );
        let mut db = self.session().await?;
        let rows = sqlx::query(sql)
            .bind(state.map(EventState::as_str))
            .bind(before_event(asked)?)
            .bind(asked.fetched())
            .fetch_all(&mut *db)
            .await?;
        let events = rows.iter().map(read).collect::<StoreResult<Vec<_>>>()?;
        Ok(page(events, asked, |event| stored_count(event.arrival).to_string()))
    }

    pub(super) async fn find_event(&self, id: &str) -> StoreResult<Option<StoredEvent>> {
        let mut db = self.session().await?;
        let sql = select!("WHERE id = $1");
        let row = sqlx::query(sql).bind(id).fetch_optional(&mut *db).await?;
        row.as_ref().map(read).transpose()
    }
}
