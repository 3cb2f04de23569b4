//! Depths of the queues, and forgetting what is old.

use super::PostgresStore;
use crate::store::{Depths, StoreError, StoreResult};
use chrono::{DateTime, Utc};

impl PostgresStore {
    pub(super) async fn count_depths(&self) -> StoreResult<Depths> {
        Err(StoreError::Unavailable("not built".into()))
    }

    pub(super) async fn forget(
        &self, _answers: DateTime<Utc>, _handled: DateTime<Utc>,
    ) -> StoreResult<u64> {
        Err(StoreError::Unavailable("not built".into()))
    }
}
