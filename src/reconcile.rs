//! Catching up with Stripe: what was not delivered is read from its lists.
//!
//! | what | when |
//! |---|---|
//! | [`events`]: its events after the last one that was read | at start and every few minutes |
//! | [`full`]: all its subscriptions, compared with ours | by a cron line, at first, on `creditd sync` |
//!
//! Neither applies anything: an event goes into the inbox as if it had been delivered, and a
//! subscription that differs is marked and fetched like any other. So a list that is read slowly is
//! never applied over later news.

pub mod events;
pub mod full;

use crate::clock;
use crate::inbox::Inbox;
use crate::metrics::timestamp;
use crate::settings::cron::Schedule;
use crate::store::StoreError;
use crate::stripe::api::ApiError;
use crate::stripe::api::asking::Asking;
use chrono::{DateTime, TimeDelta, Utc};
use events::CaughtUp;
use full::{Mode, Report};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// The longest sleep, after which the clock is looked at again: it may have jumped.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// The pause after Stripe or the database could not be read.
const PAUSE: Duration = Duration::from_secs(5);

/// How long one daemon has the comparison of all subscriptions to itself without a sign of life.
const LEASE: TimeDelta = TimeDelta::seconds(90);

/// Why catching up ended early.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// Stripe.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no key to ask Stripe with.
    #[error("stripe.api_key is not set: Stripe cannot be asked")]
    NoKey,
}

/// When it is done.
#[derive(Debug, Clone)]
pub struct Times {
    /// How often the list of events is read.
    pub catch_up: Duration,
    /// When all subscriptions are compared.
    pub sync: Schedule,
}

impl Times {
    /// Whether all subscriptions fall to be compared after `seen`, and by `now`.
    fn night_came(&self, seen: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        self.sync.next(seen).is_some_and(|at| at <= now)
    }
}

/// What catches up.
#[derive(Clone)]
pub struct Reconcile {
    /// The inbox, with its store and its key.
    pub inbox: Inbox,
}

impl Reconcile {
    /// Where Stripe is asked.
    ///
    /// # Errors
    /// Where there is no key.
    pub fn stripe(&self) -> Result<&Arc<Asking>, SyncError> {
        self.inbox.stripe.as_ref().ok_or(SyncError::NoKey)
    }

    /// Reads the events that were not delivered, and where they do not reach back far enough
    /// compares all subscriptions.
    ///
    /// # Errors
    /// When Stripe or the store cannot be read; what was read is kept.
    pub async fn catch_up(&self) -> Result<(), SyncError> {
        match self.events().await? {
            CaughtUp::New(0) => {}
            CaughtUp::New(new) => info!(new, "events that were not delivered are in the inbox"),
            CaughtUp::Unknown => {
                info!("it is not known what happened before: all subscriptions are compared");
                self.nightly().await?;
            }
        }
        Ok(())
    }

    /// Compares all subscriptions, unless another daemon is at it.
    async fn nightly(&self) -> Result<(), SyncError> {
        let now = clock::wall();
        let store = &self.inbox.store;
        if !store.lease_bookmark(full::BOOKMARK, now, now + LEASE).await? {
            info!("another daemon compares all subscriptions");
            return Ok(());
        }
        let compared = self.compare_all(Mode::Heal, &mut |_| {}).await;
        let now = clock::wall();
        store.lease_bookmark(full::BOOKMARK, now, now).await?;
        let Report { seen, differing, unreadable, .. } = compared?;
        self.inbox.metrics.stripe.compared_at.set(timestamp(now));
        info!(seen, differing, unreadable, "all subscriptions were compared");
        Ok(())
    }
}

/// Catches up until `stop`.
pub async fn run(reconcile: Reconcile, times: Times, stop: CancellationToken) {
    let mut seen = clock::wall();
    let mut next_events = seen;
    while !stop.is_cancelled() {
        let now = clock::wall();
        let night = times.night_came(seen, now);
        let work = async {
            if next_events <= now {
                reconcile.catch_up().await?;
                next_events = now + TimeDelta::from_std(times.catch_up).unwrap_or(TimeDelta::MAX);
            }
            if night {
                reconcile.nightly().await?;
            }
            Ok::<(), SyncError>(())
        };
        // What is cut off goes on from its bookmark at the next start.
        let done = tokio::select! {
            done = work => done,
            () = stop.cancelled() => break,
        };
        let pause = match done {
            Ok(()) => {
                seen = now;
                until(next_events, &times.sync, seen)
            }
            Err(cause) => {
                // What was due by the cron line is still due: it is not left for the next night.
                warn!(%cause, "catching up with Stripe failed, will try again");
                let asked = reconcile.inbox.stripe.as_ref().and_then(|stripe| stripe.pause());
                asked.unwrap_or(PAUSE).max(PAUSE)
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(pause) => {}
        }
    }
    info!("catching up with Stripe stopped");
}

fn until(next_events: DateTime<Utc>, sync: &Schedule, seen: DateTime<Utc>) -> Duration {
    let next = sync.next(seen).map_or(next_events, |at| at.min(next_events));
    // What is due already is not far off: it took long.
    let wait = next.signed_duration_since(clock::wall()).to_std();
    wait.unwrap_or_default().clamp(Duration::from_millis(50), SLEEP_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use crate::stripe::api::manners::Manners;

    #[test]
    fn as_shipped_five_requests_a_second_events_every_ten_minutes_and_all_each_night() {
        let settings = Settings::load(None, [], None).unwrap();
        let (stripe, sync) = (settings.stripe, settings.maintenance.sync);
        assert_eq!((stripe.manners.rate, stripe.catch_up), (5, Duration::from_secs(600)));
        let manners = |it: Manners| (it.rate, it.debounce, it.pause, it.pause_max, it.tries);
        assert_eq!(manners(stripe.manners), manners(Manners::default()));
        let times = Times { catch_up: stripe.catch_up, sync };
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let (evening, night) = (at("2026-03-01T20:00:00Z"), at("2026-03-02T02:30:00Z"));
        assert!(!times.night_came(evening, night - TimeDelta::seconds(1)));
        assert!(times.night_came(evening, night));
        assert!(!times.night_came(night, night + TimeDelta::hours(23)));
        // One that was slept through is made up for.
        assert!(times.night_came(evening, night + TimeDelta::days(3)));
    }

    #[test]
    fn what_is_due_already_is_not_slept_over() {
        let (now, nightly) = (clock::wall(), "0 3 * * *".parse().unwrap());
        assert_eq!(until(now - TimeDelta::hours(1), &nightly, now), Duration::from_millis(50));
        assert!(until(now + TimeDelta::days(2), &nightly, now) <= SLEEP_MAX);
    }
}
