//! Stores of which a test needs no more than a part.

use super::{
    Bookmark, Mark, MarkOutcome, Marks, ObjectRef, Page, PageQuery, StoreResult, StoredEvent, Waits,
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use creditd_rules::id::{CustomerId, SubscriptionId, WorkspaceId};

/// Implements [`Store`](super::Store) with the calls that it `has`. Those that it `lacks` panic
/// with their name.
macro_rules! partial_store {
    ($store:ty; has: { $($has:item)* } lacks: { $(fn $name:ident($($of:ty),*) -> $out:ty;)* }) => {
        #[async_trait]
        impl Store for $store {
            $($has)*
            $(async fn $name(&self, $(_: $of),*) -> $out {
                panic!("the store of this test has no {}", stringify!($name))
            })*
        }
    };
}
pub(crate) use partial_store;

/// A store that nothing is marked in, so that nothing waits. No other call comes to it.
pub(crate) trait Unmarked: Send + Sync {}

#[async_trait]
impl<S: Unmarked> Marks for S {
    async fn mark(&self, _: &ObjectRef, _: Option<&str>, _: DateTime<Utc>) -> StoreResult<bool> {
        none()
    }

    async fn claim_marks(
        &self, _: DateTime<Utc>, _: DateTime<Utc>, _: u32,
    ) -> StoreResult<Vec<Mark>> {
        none()
    }

    async fn next_mark_at(&self) -> StoreResult<Option<DateTime<Utc>>> {
        none()
    }

    async fn marked_events(&self, _: &str) -> StoreResult<Vec<StoredEvent>> {
        none()
    }

    async fn settle_mark(&self, _: &Mark, _: &MarkOutcome, _: DateTime<Utc>) -> StoreResult<()> {
        none()
    }

    async fn mark_of(&self, _: &str) -> StoreResult<Option<Mark>> {
        none()
    }

    async fn marks(&self, _: &PageQuery) -> StoreResult<Page<Mark>> {
        none()
    }

    async fn waits(&self) -> StoreResult<Vec<Waits>> {
        Ok(Vec::new())
    }

    async fn customers(&self, _: &PageQuery) -> StoreResult<Page<(CustomerId, WorkspaceId)>> {
        none()
    }

    async fn subscriptions(
        &self, _: &PageQuery,
    ) -> StoreResult<Page<(SubscriptionId, WorkspaceId)>> {
        none()
    }

    async fn bookmark(&self, _: &str) -> StoreResult<Option<Bookmark>> {
        none()
    }

    async fn set_bookmark(&self, _: &str, _: Option<&str>, _: DateTime<Utc>) -> StoreResult<()> {
        none()
    }

    async fn lease_bookmark(
        &self, _: &str, _: DateTime<Utc>, _: DateTime<Utc>,
    ) -> StoreResult<bool> {
        none()
    }
}

fn none() -> ! {
    panic!("nothing is marked in the store of this test")
}
