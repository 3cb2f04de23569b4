//! The inbox: verified events, once by id, in order of arrival.

use super::PostgresStore;
use crate::store::{EventState, NewEvent, Page, PageQuery, StoreError, StoreResult, StoredEvent};

impl PostgresStore {
    pub(super) async fn keep_all_events(&self, _events: &[NewEvent]) -> StoreResult<Vec<bool>> {
        Err(StoreError::Unavailable("not built".into()))
    }

    pub(super) async fn list_pending(&self, _limit: u32) -> StoreResult<Vec<StoredEvent>> {
        Err(StoreError::Unavailable("not built".into()))
    }

    pub(super) async fn set_event(
        &self, _id: &str, _state: EventState, _note: Option<&str>, _waits_for: Option<&str>,
    ) -> StoreResult<()> {
        Err(StoreError::Unavailable("not built".into()))
    }

    pub(super) async fn release(&self, _waits_for: &str) -> StoreResult<u64> {
        Err(StoreError::Unavailable("not built".into()))
    }

    pub(super) async fn list_events(
        &self, _state: Option<EventState>, _asked: &PageQuery,
    ) -> StoreResult<Page<StoredEvent>> {
        Err(StoreError::Unavailable("not built".into()))
    }

    pub(super) async fn find_event(&self, _id: &str) -> StoreResult<Option<StoredEvent>> {
        Err(StoreError::Unavailable("not built".into()))
    }
}
