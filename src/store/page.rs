//! Pages of lists, for every engine.

use super::row::us;
use super::{Page, PageQuery, StoreError, StoreResult};
use creditd_rules::view::GrantView;

impl PageQuery {
    /// The id that a page begins after; of a list by id.
    pub(super) fn after(&self) -> &str {
        self.cursor.as_deref().unwrap_or_default()
    }

    /// How many rows to fetch: one more than the page shows, which tells whether there is another.
    pub(super) fn fetched(&self) -> i64 {
        i64::from(self.limit) + 1
    }
}

/// A page of rows, of which one more than asked for was fetched, if there was one.
pub(super) fn page<T>(mut rows: Vec<T>, asked: &PageQuery, key: fn(&T) -> String) -> Page<T> {
    let limit = asked.limit as usize;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(key);
    Page { rows, next }
}

/// A page of grants, whose cursor is an instant and an id.
pub(super) fn grants(views: Vec<GrantView>, asked: &PageQuery) -> Page<GrantView> {
    page(views, asked, |view| format!("{}.{}", us(view.created_at), view.id))
}

/// Where a page of grants begins: before this instant, in microseconds, and id. None: at the newest.
pub(super) fn before_grant(asked: &PageQuery) -> StoreResult<Option<(i64, &str)>> {
    let Some(cursor) = asked.cursor.as_deref() else { return Ok(None) };
    let parts = cursor.split_once('.').and_then(|(at, id)| Some((at.parse().ok()?, id)));
    parts.map(Some).ok_or_else(bad_cursor)
}

/// Where a page of events begins: before this place in the order of arrival.
pub(super) fn before_event(asked: &PageQuery) -> StoreResult<i64> {
    let cursor = asked.cursor.as_deref();
    cursor.map_or(Ok(i64::MAX), |cursor| cursor.parse().map_err(|_| bad_cursor()))
}

fn bad_cursor() -> StoreError {
    StoreError::Refused("there is no such cursor".to_owned())
}
