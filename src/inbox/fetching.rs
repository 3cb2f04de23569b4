//! The second worker: asks Stripe for what was marked, and applies what it says.
//!
//! | a mark whose object | becomes |
//! |---|---|
//! | was fetched and applied | clean; its events are `Done` |
//! | names something not known yet | waiting, and so are its events |
//! | Stripe does not have | parked, with an alert; what its events say is applied |
//! | cannot be read, or is refused by the rules | tried again, parked after its tries |
//! | cannot be asked for now | tried again later; what its events say is applied meanwhile |
//!
//! One fetch at a time for each object: a claim keeps it to one worker of one daemon. What is
//! marked while it is fetched is fetched once more.

use super::apply::{Applied, How, Outcome, Unapplied};
use super::{Inbox, Trouble, caught, same_second};
use crate::clock;
use crate::store::{EventState, Mark, MarkOutcome, StoreError, StoredEvent};
use crate::stripe::api::ApiError;
use crate::stripe::api::asking::Asking;
use crate::stripe::links::WaitsFor;
use crate::traces::{self, Span};
use chrono::{DateTime, TimeDelta, Utc};
use creditd_rules::command::Alert;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long a mark is claimed. Whoever claimed it is gone after that.
const LEASE: TimeDelta = TimeDelta::seconds(90);

/// How long fetching and applying one object may take; well below the lease.
const FETCH_MAX: Duration = Duration::from_secs(60);

/// The most objects fetched side by side.
const AT_ONCE: u32 = 8;

/// Fetches what is marked until `stop`.
pub async fn run(inbox: Inbox, stop: CancellationToken) {
    let Some(stripe) = inbox.stripe.clone() else { return };
    while !stop.is_cancelled() {
        let pause = match inbox.fetch_round(&stripe).await {
            Ok(0) => inbox.until_next_mark().await,
            Ok(_) => continue,
            Err(cause) => {
                warn!(%cause, "marks cannot be handled, will try again");
                inbox.tempo.pause_max.min(Duration::from_secs(1))
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = stripe.wake.notified() => {
                // A burst of events is one fetch.
                sleep(stripe.manners.debounce).await;
            }
            () = sleep(pause) => {}
        }
    }
    info!("the fetching of what events tell of stopped");
}

/// What became of a fetch.
pub(super) struct Fetch {
    pub(super) outcome: MarkOutcome,
    /// Its events belong to another mark now.
    pub(super) moved: bool,
}

/// Whether a mark is done with.
pub(super) enum Settled {
    /// It is clean, waits or is parked, unless it was marked meanwhile.
    Yes,
    /// It is tried again later.
    TriedAgain,
}

/// Why something was not fetched or not applied.
pub(super) enum Unfetched {
    Api(ApiError),
    Unapplied(Unapplied),
}

impl From<ApiError> for Unfetched {
    fn from(cause: ApiError) -> Self {
        Self::Api(cause)
    }
}

impl<E: Into<Unapplied>> From<E> for Unfetched {
    fn from(cause: E) -> Self {
        Self::Unapplied(cause.into())
    }
}

impl Unfetched {
    /// What went wrong, in words; whether more tries may help; the alert's code.
    fn story(self) -> (String, bool, &'static str) {
        match self {
            Self::Api(cause) => {
                let missing = cause == ApiError::Missing;
                let code = if missing { "stripe_missing" } else { "stripe_unreadable" };
                (cause.to_string(), !missing, code)
            }
            Self::Unapplied(Unapplied::Unreadable(why)) => (why, true, "stripe_unreadable"),
            Self::Unapplied(Unapplied::Rejected(rejection)) => {
                (format!("{}: {rejection}", rejection.code()), true, "event_refused")
            }
            Self::Unapplied(Unapplied::Trouble(Trouble::Fails(why) | Trouble::Pause(why))) => {
                (why, true, "event_failed")
            }
            Self::Unapplied(Unapplied::Trouble(Trouble::Stopping)) => {
                (String::from("the daemon stops"), true, "event_failed")
            }
        }
    }
}

impl Inbox {
    async fn until_next_mark(&self) -> Duration {
        let next = self.store.next_mark_at().await.ok().flatten();
        let wait = next.and_then(|at| at.signed_duration_since(clock::wall()).to_std().ok());
        wait.unwrap_or(self.tempo.poll).clamp(Duration::from_millis(5), self.tempo.poll)
    }

    /// Fetches marks that are due; how many there were.
    ///
    /// # Errors
    /// When the store does not take anything.
    pub async fn fetch_round(&self, stripe: &Asking) -> Result<usize, StoreError> {
        let wall = clock::wall();
        // Where Stripe failed, one request finds out whether it is back.
        let limit = if stripe.is_up() || stripe.pause().is_some() { AT_ONCE } else { 1 };
        let marks = self.store.claim_marks(wall, wall + LEASE, limit).await?;
        let count = marks.len();
        let running: Vec<_> = marks
            .into_iter()
            .map(|mark| {
                let inbox = self.clone();
                self.tracker.spawn(async move { inbox.fetch_one(&mark).await })
            })
            .collect();
        for fetch in running {
            match fetch.await {
                Ok(Ok(Settled::Yes | Settled::TriedAgain)) => {}
                Ok(Err(cause)) => return Err(cause),
                // Only the runtime's end does this: a panic is caught around each fetch.
                Err(cause) => return Err(StoreError::Unavailable(cause.to_string())),
            }
        }
        Ok(count)
    }

    /// Fetches one marked object, and notes what became of it.
    pub(super) async fn fetch_one(&self, mark: &Mark) -> Result<Settled, StoreError> {
        let Some(stripe) = &self.stripe else { return Ok(Settled::TriedAgain) };
        let events = self.store.marked_events(&mark.object.id).await?;
        let span = self.fetch_span(mark, &events);
        span.around(self.fetch_for(stripe, mark, events)).await
    }

    /// The step in which an object is fetched: of the first event's trace, and linked to others'.
    fn fetch_span(&self, mark: &Mark, events: &[StoredEvent]) -> Span {
        let mut traced = events.iter().filter_map(|stored| stored.event.trace);
        let traces = &self.metrics.traces;
        let mut span = traces.step("fetch from Stripe", traces::Kind::Consumer, traced.next());
        span.note("stripe.object.id", &mark.object.id);
        traced.for_each(|other| span.link(other));
        span
    }

    async fn fetch_for(
        &self, stripe: &Asking, mark: &Mark, events: Vec<StoredEvent>,
    ) -> Result<Settled, StoreError> {
        let fetched = match stripe.pause() {
            Some(_) => None,
            None => {
                let fetch = caught::panics(self.fetch(stripe, &mark.object, &events));
                Some(match timeout(FETCH_MAX, fetch).await {
                    Ok(Some(fetched)) => fetched,
                    Ok(None) => Err(failed("applying it panicked")),
                    Err(_) => Err(failed("fetching it took too long")),
                })
            }
        };
        match fetched {
            Some(Ok(Fetch { outcome, moved })) => {
                let events = if moved { &[][..] } else { &events[..] };
                let again = matches!(outcome, MarkOutcome::Retry { .. });
                self.settle_fetched(mark, outcome, events).await?;
                Ok(if again { Settled::TriedAgain } else { Settled::Yes })
            }
            Some(Err(unfetched)) => self.settle_unfetched(stripe, mark, &events, unfetched).await,
            None => {
                self.apply_as_told(&events).await?;
                self.retry(stripe, mark, String::from("Stripe is left alone for a while")).await
            }
        }
    }

    async fn settle_fetched(
        &self, mark: &Mark, outcome: MarkOutcome, events: &[StoredEvent],
    ) -> Result<(), StoreError> {
        for stored in events {
            let (state, waits_for) = match &outcome {
                MarkOutcome::Applied => (EventState::Done, None),
                MarkOutcome::Waits(on) => (EventState::Waiting, Some(on.as_str())),
                MarkOutcome::Parked(_) => (EventState::Parked, None),
                MarkOutcome::Retry { .. } => continue,
            };
            let note = match &outcome {
                MarkOutcome::Parked(note) => Some(note.as_str()),
                MarkOutcome::Waits(_) => Some("what it tells of names what is not known yet"),
                MarkOutcome::Applied | MarkOutcome::Retry { .. } => None,
            };
            self.store.mark_event(&stored.event.id, state, note, waits_for).await?;
            self.count(state, stored);
        }
        info!(object = %mark.object.id, ?outcome, events = events.len(), "fetched");
        self.store.settle_mark(mark, &outcome, self.soon()).await?;
        if let MarkOutcome::Waits(on) = &outcome {
            let known = match WaitsFor::parse(on) {
                Some(on) => self.release_if_known(&on).await?,
                None => false,
            };
            if !known {
                let detail = format!("{} waits until it is known", mark.object.id);
                self.raise(&Alert { code: "event_waits", subject: on.clone(), detail }, "");
            }
        }
        self.wake.notify_one();
        Ok(())
    }

    async fn settle_unfetched(
        &self, stripe: &Asking, mark: &Mark, events: &[StoredEvent], unfetched: Unfetched,
    ) -> Result<Settled, StoreError> {
        let is_down = matches!(&unfetched, Unfetched::Api(cause) if cause.is_down());
        let ours = matches!(
            &unfetched,
            Unfetched::Unapplied(Unapplied::Trouble(Trouble::Pause(_) | Trouble::Stopping))
        );
        let (note, may_help, code) = unfetched.story();
        warn!(object = %mark.object.id, note, "an object could not be fetched and applied");
        if ours {
            return self.retry(stripe, mark, note).await;
        }
        let left = self.apply_as_told(events).await?;
        if is_down || (may_help && mark.attempts.saturating_add(1) < stripe.manners.tries) {
            return self.retry(stripe, mark, note).await;
        }
        let (subject, detail) = (mark.object.id.clone(), note.clone());
        self.raise(&Alert { code, subject, detail }, "");
        self.settle_fetched(mark, MarkOutcome::Parked(note), &left).await?;
        Ok(Settled::Yes)
    }

    async fn retry(
        &self, stripe: &Asking, mark: &Mark, note: String,
    ) -> Result<Settled, StoreError> {
        let own = stripe.manners.pause_after(mark.attempts.saturating_add(1));
        let pause = match stripe.pause() {
            // Not all at once when it is over.
            Some(pause) => pause + stripe.manners.pause_after(1) / 4,
            None => own,
        };
        let at = clock::wall() + TimeDelta::from_std(pause).unwrap_or(TimeDelta::hours(1));
        let outcome = MarkOutcome::Retry { at, note };
        self.store.settle_mark(mark, &outcome, at).await?;
        Ok(Settled::TriedAgain)
    }

    /// Applies what events say themselves, since Stripe cannot be asked; those that only name
    /// their object are left.
    async fn apply_as_told(&self, events: &[StoredEvent]) -> Result<Vec<StoredEvent>, StoreError> {
        let mut left = Vec::new();
        let told_again = same_second::told_again(events);
        for (stored, told_again) in events.iter().zip(told_again) {
            let applied = match told_again {
                true => Some(Ok(Applied::told_again())),
                false => caught::panics(self.apply(&stored.event, How::AsTold)).await,
            };
            match applied {
                Some(Ok(applied)) if !matches!(applied.outcome, Outcome::Marked(_)) => {
                    match self.settle(stored, applied).await {
                        Ok(()) => {}
                        Err(Trouble::Pause(cause) | Trouble::Fails(cause)) => {
                            return Err(StoreError::Unavailable(cause));
                        }
                        Err(Trouble::Stopping) => break,
                    }
                }
                Some(Err(Trouble::Pause(cause))) => return Err(StoreError::Unavailable(cause)),
                Some(Err(Trouble::Stopping)) => break,
                Some(Ok(_) | Err(Trouble::Fails(_))) | None => left.push(stored.clone()),
            }
        }
        Ok(left)
    }

    /// When something marked now is fetched.
    pub(super) fn soon(&self) -> DateTime<Utc> {
        let debounce = self.stripe.as_ref().map(|stripe| stripe.manners.debounce);
        clock::wall() + TimeDelta::from_std(debounce.unwrap_or_default()).unwrap_or_default()
    }
}

fn failed(why: &str) -> Unfetched {
    Unfetched::Unapplied(Unapplied::Trouble(Trouble::Fails(why.to_owned())))
}
