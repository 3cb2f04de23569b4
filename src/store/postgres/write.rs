//! Writes what a batch changed.
use super::PostgresStore;
use crate::store::{Decide, Job, StoreError, StoreResult};

impl PostgresStore {
    pub(super) async fn run_batch(
        &self, _jobs: &[Job], _decide: &mut Decide<'_>,
    ) -> StoreResult<()> {
        Err(StoreError::Unavailable("not built".into()))
    }
}
