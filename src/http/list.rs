//! Lists: `data`, and the cursor of the next page.

use super::problem::Problem;
use crate::store::{Page, PageQuery, StoreError, StoreResult};
use serde::Serialize;

/// A page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct List<T> {
    /// The rows.
    pub(crate) data: Vec<T>,
    /// The cursor of the next page; null on the last.
    pub(crate) next_cursor: Option<String>,
}

impl<T> List<T> {
    /// The page that the store gave for `asked`. What it refuses is a cursor that it never gave.
    pub(crate) fn try_new(asked: &PageQuery, page: StoreResult<Page<T>>) -> Result<Self, Problem> {
        match page {
            Ok(Page { rows, next }) => Ok(Self { data: rows, next_cursor: next }),
            Err(StoreError::Refused(_)) if asked.cursor.is_some() => {
                Err(Problem::invalid_at("?cursor", "must be the next_cursor of an earlier answer"))
            }
            Err(error) => Err(error.into()),
        }
    }

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
