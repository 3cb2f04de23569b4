//! Loads what a batch touches.
use super::PostgresStore;
use crate::store::{Home, StoreError, StoreResult};
use creditd_rules::command::Touch;
use creditd_rules::{Instant, Workspace};

impl PostgresStore {
    pub(super) async fn read_one(
        &self, _home: &Home, _touch: &Touch,
    ) -> StoreResult<Option<(Instant, Workspace)>> {
        Err(StoreError::Unavailable("not built".into()))
    }
}
