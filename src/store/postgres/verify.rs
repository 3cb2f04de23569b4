//! Checks the whole database against the books (R18).

use super::PostgresStore;
use crate::store::{Fault, StoreError, StoreResult};

impl PostgresStore {
    pub(super) async fn check(
        &self, _progress: &(dyn Fn(u64, u64) + Sync),
    ) -> StoreResult<Vec<Fault>> {
        Err(StoreError::Unavailable("not built".into()))
    }
}
