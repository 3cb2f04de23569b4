//! Events that were not delivered, from Stripe's list.

use super::{Reconcile, SyncError};
use crate::clock;
use crate::stripe::api::ApiError;
use crate::stripe::envelope::receive;
use tracing::warn;

/// The name under which it is kept how far the list was read.
const BOOKMARK: &str = "events";

/// What came of reading the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaughtUp {
    /// So many events were new to us.
    New(u64),
    /// The list does not reach back to what we know: only subscriptions themselves tell now.
    Unknown,
}

impl Reconcile {
    /// Puts events that were not delivered into the inbox, in the order in which they happened.
    /// Where it is cut off, it goes on from there.
    ///
    /// # Errors
    /// When Stripe or the store cannot be read.
    pub async fn events(&self) -> Result<CaughtUp, SyncError> {
        let bookmark = self.inbox.store.bookmark(BOOKMARK).await?;
        let was_empty = bookmark.as_ref().is_some_and(|bookmark| bookmark.value.is_none());
        let Some(mut after) = bookmark.and_then(|bookmark| bookmark.value) else {
            return self.begin(was_empty).await;
        };
        let mut new: u64 = 0;
        loop {
            let page = match self.stripe()?.events(Some(&after)).await {
                Ok(page) => page,
                Err(ApiError::Missing) => {
                    warn!(after, "Stripe's list of events does not reach back so far");
                    return self.begin(false).await;
                }
                Err(cause) => return Err(cause.into()),
            };
            new = new.saturating_add(self.keep(&page.objects).await?);
            let Some(first) = page.first else { return Ok(CaughtUp::New(new)) };
            self.inbox.store.set_bookmark(BOOKMARK, Some(&first), clock::wall()).await?;
            after = first;
            if !page.has_more {
                return Ok(CaughtUp::New(new));
            }
        }
    }

    /// From now on the list is read from its newest event on.
    async fn begin(&self, was_empty: bool) -> Result<CaughtUp, SyncError> {
        let newest = self.stripe()?.events(None).await?.first;
        self.inbox.store.set_bookmark(BOOKMARK, newest.as_deref(), clock::wall()).await?;
        Ok(if was_empty && newest.is_none() { CaughtUp::New(0) } else { CaughtUp::Unknown })
    }

    /// Keeps a page's events, which come the newest first; how many were new.
    async fn keep(&self, objects: &[String]) -> Result<u64, SyncError> {
        let (wall, livemode) = (clock::wall(), self.stripe()?.livemode);
        let events: Vec<_> =
            objects.iter().rev().map(|object| receive(object.as_bytes(), wall, livemode)).collect();
        let kept = self.inbox.store.keep_events(&events).await?;
        let new = kept.into_iter().filter(|new| *new).count();
        let new = u64::try_from(new).unwrap_or(u64::MAX);
        self.inbox.metrics.stripe.caught_up.inc_by(new);
        if new > 0 {
            self.inbox.wake.notify_one();
        }
        Ok(new)
    }
}
