//! The schedule posts what falls due at its instant.
//!
//! It takes no input: what is due is decided by the store's state alone. Balances do not depend on
//! it (R5): every read and debit sees a passed boundary whether or not it was posted. It sleeps
//! until the next due instant, reads what is due without locks, and hands settlements to the
//! writer, where whatever somebody else posted meanwhile is simply not due any more.

use crate::clock;
use crate::metrics::Metrics;
use crate::store::{Due, Home, Store, StoreResult};
use crate::writer::{Request, Submit, SubmitError, Wakes};
use creditd_rules::id::{AccountId, SeatId, WorkspaceId};
use creditd_rules::{Cause, Command, Instant};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// What is posted in one go.
const DUE_MAX: u32 = 5_000;

/// The longest sleep, after which the clock is looked at again: it may have jumped.
const SLEEP_MAX: Duration = Duration::from_secs(30);

/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// The worker that posts what is due.
#[derive(Clone)]
pub struct Schedule {
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// Where settlements go.
    pub writer: Arc<dyn Submit>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How it is woken.
    pub wakes: Arc<Wakes>,
    /// Whether the credit clock runs by itself; in test mode it may stand still.
    pub clock_mode: clock::Mode,
}

/// Why nothing, or not everything, could be posted.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// The writer did not take a settlement.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// What is due stays due although it was settled; trying at once again would never end.
    #[error("{0} seats and grants are due, and settling them changes nothing")]
    Stuck(usize),
}

impl Schedule {
    /// Posts what is due, at each instant at which something is, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let pause = match self.post_due().await {
                Ok(()) => self.until_next().await.unwrap_or(PAUSE),
                Err(ScheduleError::Submit(SubmitError::Stopping)) => return,
                Err(cause) => {
                    warn!(%cause, "what is due could not be posted; it will be tried again");
                    PAUSE
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.wakes.schedule.notified() => {}
                () = sleep(pause.min(SLEEP_MAX)) => {}
            }
        }
    }

    /// Posts everything that is due now.
    ///
    /// # Errors
    /// When the store or the writer does not answer; what was posted stays posted.
    pub async fn post_due(&self) -> Result<(), ScheduleError> {
        let mut last = Vec::new();
        loop {
            let now = self.store.now().await?;
            let due = self.store.due(now, DUE_MAX).await?;
            self.metrics.resets.due.set(i64::try_from(due.len()).unwrap_or(i64::MAX));
            if due.is_empty() {
                return Ok(());
            }
            if due == last {
                return Err(ScheduleError::Stuck(due.len()));
            }
            self.post(due.clone()).await?;
            last = due;
        }
    }

    async fn post(&self, due: Vec<Due>) -> Result<(), ScheduleError> {
        let mut by_workspace: BTreeMap<WorkspaceId, (Vec<SeatId>, Vec<AccountId>)> =
            BTreeMap::new();
        for due in due {
            match due {
                Due::Seat(workspace, seat, _) => {
                    by_workspace.entry(workspace).or_default().0.push(seat);
                }
                Due::Grant(workspace, account, _) => {
                    by_workspace.entry(workspace).or_default().1.push(account);
                }
            }
        }
        let settlements = by_workspace.into_iter().map(|(workspace, (seats, accounts))| {
            self.writer.submit(Request {
                home: Home::Workspace(workspace),
                command: Command::Settle { seats, accounts },
                cause: Cause { by: Some("clock".into()), at: None },
                key: None,
            })
        });
        for outcome in futures_util::future::join_all(settlements).await {
            outcome?;
        }
        Ok(())
    }

    /// How long nothing falls due, as far as is known.
    async fn until_next(&self) -> StoreResult<Duration> {
        // While the next instant is being read, every commit that adds one wakes us.
        let sleeps_until = &self.wakes.schedule_sleeps_until_us;
        sleeps_until.store(i64::MAX, Ordering::Release);
        let next = self.store.next_due().await?;
        let now = self.store.now().await?;
        sleeps_until.store(next.map_or(i64::MAX, |at| at.timestamp_micros()), Ordering::Release);
        Ok(match (next, self.clock_mode) {
            (Some(next), clock::Mode::System) => wait(now, next),
            (Some(next), clock::Mode::Test) => wait(now, next).max(Duration::from_millis(20)),
            (None, _) => SLEEP_MAX,
        })
    }
}

/// From `now` until `next`; nothing where that has passed.
fn wait(now: Instant, next: Instant) -> Duration {
    next.signed_duration_since(now).to_std().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Mode;
    use crate::store::memory::MemoryStore;
    use crate::store::{Change, Job, Loaded};
    use crate::writer::Reply;
    use async_trait::async_trait;
    use creditd_rules::command::Touch;
    use creditd_rules::state::Grant;
    use creditd_rules::{Amount, Kind, Workspace};

    /// A writer that settles nothing.
    struct Idle;

    #[async_trait]
    impl Submit for Idle {
        async fn submit(&self, _: Request) -> Result<Reply, SubmitError> {
            Ok(Reply::Done { body: b"null".to_vec(), replayed: false })
        }
    }

    fn at(seconds: i64) -> Instant {
        chrono::DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[tokio::test]
    async fn what_stays_due_is_not_tried_without_end() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Mode::Test));
        let job = Job { home: Home::Workspace("w".into()), touch: Touch::default(), key: None };
        let mut decide = |mut loaded: Loaded| {
            let before = loaded.workspaces.remove("w").unwrap();
            let mut after = Workspace { version: before.version + 1, ..before.clone() };
            let grant = Grant {
                id: "g".into(),
                account: "ann".into(),
                kind: Kind::Message,
                amount: Amount::ZERO,
                balance: Amount::ZERO,
                source: String::new(),
                reason: String::new(),
                created_at: at(0),
                expires_at: Some(at(10)),
                ended: false,
            };
            after.grants.insert(grant.id.clone(), grant);
            let (entries, answers, mails) = (Vec::new(), Vec::new(), Vec::new());
            vec![Change { before, after, entries, answers, mails, erased: vec![], alerts: vec![] }]
        };
        store.transact(&[job], &mut decide).await.unwrap();
        store.set_test_clock(at(20)).await.unwrap().unwrap();
        let schedule = Schedule {
            store,
            writer: Arc::new(Idle),
            metrics: Arc::new(Metrics::new("memory")),
            wakes: Arc::default(),
            clock_mode: Mode::Test,
        };
        let told = schedule.post_due().await.unwrap_err();
        assert!(matches!(told, ScheduleError::Stuck(1)), "{told}");
    }
}
