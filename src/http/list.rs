//! Lists: `data`, and the cursor of the next page.

use crate::store::Page;
use serde::Serialize;

/// A page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct List<T> {
    /// The rows.
    pub(crate) data: Vec<T>,
    /// The cursor of the next page; null on the last.
    pub(crate) next_cursor: Option<String>,
}

impl<T> From<Page<T>> for List<T> {
    fn from(page: Page<T>) -> Self {
        Self { data: page.rows, next_cursor: page.next }
    }
}

impl<T> List<T> {
    /// The first `limit` of `rows`, which begin after the cursor that was given; `cursor` names
    /// the place of a row.
    pub(crate) fn cut(
        rows: impl Iterator<Item = T>, limit: u32, cursor: impl Fn(&T) -> &str,
    ) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut data: Vec<T> = rows.take(limit.saturating_add(1)).collect();
        let more = data.len() > limit;
        data.truncate(limit);
        let next_cursor = data.last().filter(|_| more).map(|row| cursor(row).to_owned());
        Self { data, next_cursor }
    }
}
