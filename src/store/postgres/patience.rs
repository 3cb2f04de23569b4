//! How long a call may take, and what is tried a second time.
//!
//! | what | limit | then |
//! |---|---|---|
//! | a free connection, or a new one | [`super::connect`]'s | `Unavailable` |
//! | a statement, told by the server | [`super::connect`]'s | `Unavailable` |
//! | a call, told by us | [`CALL_MAX`] | `Unavailable` for reads, `OutcomeUnknown` for writes |
//!
//! The last one is for servers that went away without a word, and networks that swallow what they
//! are given. A call that fails at once was sent on a connection that had died in the pool. Where
//! it does no harm to repeat it, it is sent once more, on another one.

use super::PostgresStore;
use crate::store::{StoreError, StoreResult};
use std::pin::pin;
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tracing::debug;

/// The longest call: longer than the server lets a statement run, so that a server that is there
/// has the word.
pub(super) const CALL_MAX: Duration = Duration::from_secs(8);

/// A call that fails faster than this did not wait for anything.
pub(super) const AT_ONCE: Duration = Duration::from_secs(1);

impl PostgresStore {
    /// Runs what only reads; once more where it failed at once.
    pub(super) async fn reading<T, F>(&self, attempt: impl Fn() -> F) -> StoreResult<T>
    where
        F: Future<Output = StoreResult<T>>,
    {
        self.twice(attempt, false).await
    }

    /// Runs what may be done twice with the effect of once; once more where it failed at once.
    pub(super) async fn repeatable<T, F>(&self, attempt: impl Fn() -> F) -> StoreResult<T>
    where
        F: Future<Output = StoreResult<T>>,
    {
        self.twice(attempt, true).await
    }

    async fn twice<T, F>(&self, attempt: impl Fn() -> F, may_have_written: bool) -> StoreResult<T>
    where
        F: Future<Output = StoreResult<T>>,
    {
        let began = Instant::now();
        match self.in_time(attempt(), || late(may_have_written)).await {
            Err(cause @ (StoreError::Unavailable(_) | StoreError::OutcomeUnknown))
                if began.elapsed() < AT_ONCE =>
            {
                debug!(%cause, "a call failed at once and is tried again");
                self.connections.trust.lose();
                self.in_time(attempt(), || late(may_have_written)).await
            }
            settled => settled,
        }
    }

    /// Runs what may write.
    pub(super) async fn writing<T>(
        &self, call: impl Future<Output = StoreResult<T>>,
    ) -> StoreResult<T> {
        self.in_time(call, || late(true)).await
    }

    /// Runs a call, and gives up waiting for it after [`CALL_MAX`].
    pub(super) async fn in_time<T>(
        &self, call: impl Future<Output = StoreResult<T>>, late: impl FnOnce() -> StoreError,
    ) -> StoreResult<T> {
        let mut call = pin!(call);
        if let Ok(settled) = timeout(CALL_MAX, &mut call).await {
            return settled;
        }
        // Before the call is dropped, so that its connection is closed and not lent again.
        self.connections.trust.lose();
        Err(late())
    }
}

/// What it means that no answer came, of a call that may have written or that only read.
pub(super) fn late(may_have_written: bool) -> StoreError {
    if may_have_written {
        StoreError::OutcomeUnknown
    } else {
        StoreError::Unavailable(format!("no answer within {} s", CALL_MAX.as_secs()))
    }
}
