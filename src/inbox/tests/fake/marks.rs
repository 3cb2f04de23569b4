//! It is asked what waits, and nothing else of marks.

use super::FakeStore;
use crate::store::*;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use creditd_rules::id::{CustomerId, SubscriptionId, WorkspaceId};

#[async_trait]
impl Marks for FakeStore {
    async fn mark(&self, _: &ObjectRef, _: Option<&str>, _: DateTime<Utc>) -> StoreResult<bool> {
        unimplemented!()
    }

    async fn claim_marks(
        &self, _: DateTime<Utc>, _: DateTime<Utc>, _: u32,
    ) -> StoreResult<Vec<Mark>> {
        unimplemented!()
    }

    async fn next_mark_at(&self) -> StoreResult<Option<DateTime<Utc>>> {
        unimplemented!()
    }

    async fn marked_events(&self, _: &str) -> StoreResult<Vec<StoredEvent>> {
        unimplemented!()
    }

    async fn settle_mark(&self, _: &Mark, _: &MarkOutcome, _: DateTime<Utc>) -> StoreResult<()> {
        unimplemented!()
    }

    async fn mark_of(&self, _: &str) -> StoreResult<Option<Mark>> {
        unimplemented!()
    }

    async fn marks(&self, _: &PageQuery) -> StoreResult<Page<Mark>> {
        unimplemented!()
    }

    async fn waits(&self) -> StoreResult<Vec<Waits>> {
        Ok(Vec::new())
    }

    async fn customers(&self, _: &PageQuery) -> StoreResult<Page<(CustomerId, WorkspaceId)>> {
        unimplemented!()
    }

    async fn subscriptions(
        &self, _: &PageQuery,
    ) -> StoreResult<Page<(SubscriptionId, WorkspaceId)>> {
        unimplemented!()
    }

    async fn bookmark(&self, _: &str) -> StoreResult<Option<Bookmark>> {
        unimplemented!()
    }

    async fn set_bookmark(&self, _: &str, _: Option<&str>, _: DateTime<Utc>) -> StoreResult<()> {
        unimplemented!()
    }

    async fn lease_bookmark(
        &self, _: &str, _: DateTime<Utc>, _: DateTime<Utc>,
    ) -> StoreResult<bool> {
        unimplemented!()
    }
}
