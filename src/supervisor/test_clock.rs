//! Setting the test clock posts what falls due before the answer.

use crate::http::test_clock::{ClockError, TestClock};
use crate::schedule::Schedule;
use crate::store::{Store, StoreError};
use async_trait::async_trait;
use creditd_rules::Instant;
use std::sync::Arc;

/// The credit clock of test mode.
pub(super) struct SettableClock {
    pub(super) store: Arc<dyn Store>,
    pub(super) schedule: Schedule,
}

#[async_trait]
impl TestClock for SettableClock {
    async fn set(&self, now: Instant) -> Result<Instant, ClockError> {
        if let Err(latest) = self.store.set_test_clock(now).await? {
            return Err(ClockError::Backwards { latest });
        }
        // The clock stands; the same instant sent again posts what is still due.
        self.schedule
            .post_due()
            .await
            .map_err(|cause| ClockError::Store(StoreError::Unavailable(cause.to_string())))?;
        Ok(now)
    }
}
