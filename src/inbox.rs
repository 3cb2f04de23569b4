//! The inbox: applies events that are stored, in the order in which they came.
//!
//! | an event | becomes |
//! |---|---|
//! | that was applied, or needs nothing done | `Done` |
//! | that names something not known yet | `Waiting`, until whatever makes it known releases it |
//! | that cannot be read, or that the rules refuse | `Parked`; a person is alerted |
//! | that fails or panics | tried again after a pause, `Parked` after its tries |
//! | that tells of something to be asked for | `Marked`, until that was fetched and applied |
//!
//! With a key of Stripe's API, events are hints: what they tell of is marked ([`marking`]), and the
//! second worker ([`fetching`]) asks Stripe for it and applies what it says. While Stripe cannot be
//! asked, and without a key, what events say themselves is applied.
//!
//! While the database or the writer does not take anything, all events stay as they are and the
//! worker pauses, longer each time. An event that fails on its own never holds up another one.
//! Events of different customers are applied side by side, those of one customer in order. Each
//! may be applied twice, should the process end between applying and marking it: a snapshot
//! changes nothing the second time, and links are made once.

mod apply;
mod linking;
mod marking;
mod fetching;
mod fetched;
mod truth;
mod caught;
mod same_second;

pub use fetching::run as fetch;

use crate::metrics::Metrics;
use crate::store::{EventState, Home, Store, StoreError, StoredEvent};
use crate::stripe::api::asking::Asking;
use crate::stripe::links::WaitsFor;
use crate::stripe::snapshot::Prices;
use crate::traces::{self, Span};
use crate::writer::{Submit, SubmitError};
use apply::{Applied, How, Outcome};
use chrono::{DateTime, Utc};
use creditd_rules::command::{Alert, Touch};
use fetching::Settled;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

/// The most events looked at in one round.
const ROUND_EVENTS: u32 = 256;

/// The most events applied side by side.
const LANES: usize = 16;

/// How often and after which pauses things are tried.
#[derive(Debug, Clone, Copy)]
pub struct Tempo {
    /// How often an event that fails on its own is tried before it is parked.
    pub tries: u32,
    /// The first pause after a failure; each further one is twice as long.
    pub pause: Duration,
    /// The longest pause.
    pub pause_max: Duration,
    /// How long to sleep at most when nothing wakes the worker: another daemon may have stored
    /// an event.
    pub poll: Duration,
}

impl Default for Tempo {
    fn default() -> Self {
        Self {
            tries: 5,
            pause: Duration::from_millis(200),
            pause_max: Duration::from_secs(30),
            poll: Duration::from_secs(1),
        }
    }
}

/// What the worker works with.
#[derive(Clone)]
pub struct Inbox {
    /// Where events are, and who is known.
    pub store: Arc<dyn Store>,
    /// What changes accounts.
    pub writer: Arc<dyn Submit>,
    /// The settings' prices.
    pub prices: Arc<Prices>,
    /// Where Stripe is asked; none without a key.
    pub stripe: Option<Arc<Asking>>,
    /// Alerts are counted here.
    pub metrics: Arc<Metrics>,
    /// Woken when an event was stored or released.
    pub wake: Arc<Notify>,
    /// Where lanes run.
    pub tracker: TaskTracker,
    /// Tries and pauses.
    pub tempo: Tempo,
}

/// Why an event has no outcome yet.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Nothing can be applied now; the event itself is blameless.
    Pause(String),
    /// This event fails; others may not.
    Fails(String),
    /// The daemon stops.
    Stopping,
}

impl From<StoreError> for Trouble {
    fn from(cause: StoreError) -> Self {
        match cause {
            StoreError::Refused(_) => Self::Fails(cause.to_string()),
            StoreError::Unavailable(_) | StoreError::Conflict | StoreError::OutcomeUnknown => {
                Self::Pause(cause.to_string())
            }
        }
    }
}

impl From<SubmitError> for Trouble {
    fn from(cause: SubmitError) -> Self {
        match cause {
            SubmitError::Stopping => Self::Stopping,
            // Applying it again is harmless, so an unknown outcome is as good as none.
            SubmitError::Overloaded | SubmitError::Unavailable | SubmitError::OutcomeUnknown => {
                Self::Pause(cause.to_string())
            }
            SubmitError::NoHome(_) | SubmitError::KeyMismatch | SubmitError::Refused(_) => {
                Self::Fails(cause.to_string())
            }
        }
    }
}

/// How a round went.
enum Round {
    /// Something was handled; there may be more.
    Worked,
    /// There is nothing to do, or nothing before then.
    Idle(Option<Instant>),
    /// Nothing can be applied now.
    Paused,
    /// The daemon stops.
    Stopping,
}

/// How a lane went: the events that failed on their own, and why it ended early if it did.
#[derive(Default)]
struct LaneReport {
    failed: Vec<(String, u32)>,
    trouble: Option<Trouble>,
}

/// Applies events until `stop`; one that is being applied then is still finished.
pub async fn run(inbox: Inbox, stop: CancellationToken) {
    let mut held = HashMap::new();
    let mut pauses = 0;
    // What became known while nothing ran, such as a key, was released by nobody.
    if let Err(cause) = inbox.release_known().await {
        warn!(%cause, "what waits could not be looked at");
    }
    while !stop.is_cancelled() {
        let until = match inbox.round(&mut held, &stop).await {
            Round::Worked => {
                pauses = 0;
                continue;
            }
            Round::Stopping => break,
            Round::Paused => {
                pauses += 1;
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = sleep(inbox.tempo.pause_after(pauses)) => {}
                }
                continue;
            }
            Round::Idle(until) => until,
        };
        pauses = 0;
        let poll = Instant::now() + inbox.tempo.poll;
        tokio::select! {
            () = stop.cancelled() => {}
            () = inbox.wake.notified() => {}
            () = sleep_until(until.map_or(poll, |until| until.min(poll))) => {}
        }
    }
    info!("the inbox stopped");
}

impl Tempo {
    /// The pause after so many failures in a row.
    fn pause_after(&self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1).min(16));
        self.pause.saturating_mul(doubled).min(self.pause_max)
    }
}

impl Inbox {
    /// Handles what is pending, but for events `held` back after they failed.
    async fn round(&self, held: &mut HashMap<String, Instant>, stop: &CancellationToken) -> Round {
        let now = Instant::now();
        held.retain(|_, until| *until > now);
        let holding = u32::try_from(held.len()).unwrap_or(u32::MAX);
        let pending = self.store.pending_events(ROUND_EVENTS.saturating_add(holding)).await;
        let mut events = match pending {
            Ok(events) => events,
            Err(cause) => {
                warn!(%cause, "the inbox cannot be read, will try again");
                return Round::Paused;
            }
        };
        events.retain(|stored| !held.contains_key(&stored.event.id));
        if events.is_empty() {
            return Round::Idle(held.values().min().copied());
        }
        let mut round = Round::Worked;
        for report in self.run_lanes(events, stop).await {
            for (id, failures) in report.failed {
                held.insert(id, Instant::now() + self.tempo.pause_after(failures));
            }
            match report.trouble {
                Some(Trouble::Stopping) => return Round::Stopping,
                Some(Trouble::Pause(cause)) => {
                    warn!(cause, "events cannot be applied now, will try again");
                    round = Round::Paused;
                }
                Some(Trouble::Fails(_)) | None => {}
            }
        }
        round
    }

    /// Applies events in several lanes, those of one customer in one of them.
    async fn run_lanes(
        &self, events: Vec<StoredEvent>, stop: &CancellationToken,
    ) -> Vec<LaneReport> {
        let mut lanes: BTreeMap<usize, Vec<StoredEvent>> = BTreeMap::new();
        for stored in events {
            lanes.entry(apply::lane(&stored.event, LANES)).or_default().push(stored);
        }
        let running: Vec<_> = lanes
            .into_values()
            .map(|lane| self.tracker.spawn(self.clone().run_lane(lane, stop.clone())))
            .collect();
        let mut reports = Vec::new();
        for lane in running {
            match lane.await {
                Ok(report) => reports.push(report),
                // Only the runtime's end does this: an event's panic is caught around it.
                Err(cause) => reports.push(LaneReport {
                    trouble: Some(Trouble::Pause(cause.to_string())),
                    ..LaneReport::default()
                }),
            }
        }
        reports
    }

    async fn run_lane(self, lane: Vec<StoredEvent>, stop: CancellationToken) -> LaneReport {
        let mut report = LaneReport::default();
        let asks = self.asks(How::Asking);
        let told_again = if asks { Vec::new() } else { same_second::told_again(&lane) };
        for (nth, stored) in lane.into_iter().enumerate() {
            if stop.is_cancelled() {
                report.trouble = Some(Trouble::Stopping);
                break;
            }
            let span = self.span(&stored);
            let handled = span.around(async {
                match told_again.get(nth) {
                    Some(true) => self.settle(&stored, Applied::told_again()).await,
                    Some(false) | None => self.handle(&stored).await,
                }
            });
            let handled = handled.await;
            match handled {
                Ok(()) => {}
                Err(Trouble::Fails(cause)) => {
                    let id = &stored.event.id;
                    error!(event = %id, cause, "the event failed, will try again");
                    report.failed.push((id.clone(), stored.attempts.saturating_add(1)));
                }
                Err(trouble) => {
                    report.trouble = Some(trouble);
                    break;
                }
            }
        }
        report
    }

    /// The step of an event's trace in which it is applied.
    fn span(&self, stored: &StoredEvent) -> Span {
        let (traces, event) = (&self.metrics.traces, &stored.event);
        let mut span = traces.step("apply event", traces::Kind::Consumer, event.trace);
        span.note("stripe.event.id", &event.id);
        span
    }

    /// Applies one event and says what became of it.
    async fn handle(&self, stored: &StoredEvent) -> Result<(), Trouble> {
        let applied = caught::panics(self.apply(&stored.event, How::Asking)).await;
        let applied =
            applied.unwrap_or_else(|| Err(Trouble::Fails(String::from("applying it panicked"))));
        match applied {
            Ok(applied) => self.settle(stored, applied).await,
            Err(Trouble::Fails(cause)) if stored.attempts.saturating_add(1) >= self.tempo.tries => {
                self.settle(stored, Applied::parked("event_failed", &stored.event, cause)).await
            }
            Err(Trouble::Fails(cause)) => {
                let pending = EventState::Pending;
                self.store.mark_event(&stored.event.id, pending, Some(&cause), None).await?;
                Err(Trouble::Fails(cause))
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Marks an event; only then are its alerts raised, so that a second try does not repeat them.
    async fn settle(&self, stored: &StoredEvent, applied: Applied) -> Result<(), Trouble> {
        let Applied { outcome, note, alerts } = applied;
        let (state, waits_for) = match &outcome {
            Outcome::Done => (EventState::Done, None),
            Outcome::Ignored => (EventState::Ignored, None),
            Outcome::Parked => (EventState::Parked, None),
            Outcome::Waits(on) => (EventState::Waiting, Some(on.to_string())),
            Outcome::Marked(object) => (EventState::Marked, Some(object.id.clone())),
        };
        let id = &stored.event.id;
        match &outcome {
            Outcome::Marked(object) => self.mark_with(object, Some(id)).await?,
            Outcome::Done | Outcome::Ignored | Outcome::Parked | Outcome::Waits(_) => {
                self.store.mark_event(id, state, note.as_deref(), waits_for.as_deref()).await?;
            }
        }
        let kind = &stored.event.kind;
        info!(event = %id, %kind, ?state, waits_for, note, "event handled");
        self.count(state, stored);
        for alert in alerts {
            self.raise(&alert, id);
        }
        if let Outcome::Waits(on) = outcome
            && !self.release_if_known(&on).await?
            && on != WaitsFor::ApiKey
        {
            let detail = String::from("an event waits until it is known");
            self.raise(&Alert { code: "event_waits", subject: on.to_string(), detail }, id);
        }
        Ok(())
    }

    /// Releases all that waits for what is known by now.
    async fn release_known(&self) -> Result<(), StoreError> {
        for waits in self.store.waits().await? {
            if let Some(on) = WaitsFor::parse(&waits.waits_for) {
                self.release_if_known(&on).await?;
            }
        }
        Ok(())
    }

    /// What an event waits for may have become known after we looked and before it was marked,
    /// and then nobody else would release it. Whether it is known now.
    async fn release_if_known(&self, on: &WaitsFor) -> Result<bool, StoreError> {
        let known = match on {
            WaitsFor::Customer(id) => {
                self.store.workspace_of(&Home::Customer(id.clone())).await?.is_some()
            }
            WaitsFor::Account(id) => self.home_of_reference(id).await?.is_some(),
            WaitsFor::Workspace(id) => self.is_workspace(id).await?,
            WaitsFor::Subscription(id) => self.store.workspace_of_subscription(id).await?.is_some(),
            WaitsFor::ApiKey => self.stripe.is_some(),
        };
        if known {
            self.store.release_events(&on.to_string()).await?;
        }
        Ok(known)
    }

    /// Whether there is such a workspace.
    async fn is_workspace(&self, id: &creditd_rules::id::WorkspaceId) -> Result<bool, StoreError> {
        let home = Home::Workspace(id.clone());
        let found = self.store.read(&home, &Touch::default()).await?;
        Ok(found.is_some_and(|(_, workspace)| workspace.version > 0))
    }

    /// Counts an event that was dealt with.
    fn count(&self, state: EventState, stored: &StoredEvent) {
        let age = crate::clock::wall().signed_duration_since(stored.event.received_at);
        self.metrics.inbox.event(state.as_str(), age.to_std().ok());
    }

    /// Counts and logs an alert.
    fn raise(&self, alert: &Alert, event: &str) {
        let Alert { code, subject, detail } = alert;
        self.metrics.alert(code);
        warn!(code, subject, event, detail, "alert");
    }
}

/// How much [`Inbox::handle_all`] does in one go.
const ALL_AT_ONCE: u32 = 1_000;

impl Inbox {
    /// Handles everything that is pending or marked once, at once: no debounce, no pause. What
    /// fails stays as it is, to be tried again by the next call or by the workers.
    ///
    /// # Errors
    /// When the store or the writer does not take anything.
    pub async fn handle_all(&self) -> Result<(), StoreError> {
        let (mut held, stop) = (HashMap::new(), CancellationToken::new());
        let mut seen: HashMap<String, u64> = HashMap::new();
        loop {
            loop {
                match self.round(&mut held, &stop).await {
                    Round::Worked => {}
                    Round::Idle(_) => break,
                    Round::Paused | Round::Stopping => {
                        return Err(StoreError::Unavailable(String::from("nothing is applied")));
                    }
                }
            }
            if self.stripe.is_none() {
                return Ok(());
            }
            let now = crate::clock::wall();
            let claimed =
                self.store.claim_marks(DateTime::<Utc>::MAX_UTC, now, ALL_AT_ONCE).await?;
            let mut worked = false;
            for mark in claimed {
                let id = &mark.object.id;
                if seen.get(id) == Some(&mark.marked) {
                    continue;
                }
                worked = true;
                match self.fetch_one(&mark).await? {
                    // What is marked after that is another mark, which counts from the start.
                    Settled::Yes => seen.remove(id),
                    Settled::TriedAgain => seen.insert(id.clone(), mark.marked),
                };
            }
            if !worked {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
