//! API keys.

use super::PostgresStore;
use crate::store::{ApiKey, StoreError, StoreResult};
use chrono::{DateTime, Utc};

impl PostgresStore {
    pub(super) async fn keep_key(&self, _key: &ApiKey) -> StoreResult<()> {
        Err(StoreError::Unavailable("not built".into()))
    }

    pub(super) async fn find_key(&self, _hash: &[u8; 32]) -> StoreResult<Option<ApiKey>> {
        Err(StoreError::Unavailable("not built".into()))
    }

    pub(super) async fn list_keys(&self) -> StoreResult<Vec<ApiKey>> {
        Err(StoreError::Unavailable("not built".into()))
    }

    pub(super) async fn revoke_key(&self, _id: &str, _wall: DateTime<Utc>) -> StoreResult<bool> {
        Err(StoreError::Unavailable("not built".into()))
    }
}
