//! Webhooks, and the events that they bring.

use super::labels::{AgainstLabels, OutcomeLabels};
use super::making::{ByState, Making, SecondsGauge};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use std::time::Duration;

/// What is known of webhooks and events.
#[derive(Debug)]
pub struct Inbox {
    webhooks: Family<OutcomeLabels, Counter>,
    events: Family<OutcomeLabels, Counter>,
    /// Open events by state.
    pub depth: ByState,
    /// Age of the oldest pending event.
    pub oldest_age: SecondsGauge,
    /// From an event's receipt until it was applied.
    pub applied: Histogram,
    skew: Family<AgainstLabels, SecondsGauge>,
}

/// What becomes of a webhook at the door.
const WEBHOOKS: [&str; 9] = [
    "kept",
    "known",
    "signature_missing",
    "signature_malformed",
    "signature_wrong",
    "signature_old",
    "overloaded",
    "unavailable",
    "stopping",
];

/// What becomes of an event, each time that it is dealt with.
const EVENTS: [&str; 5] = ["done", "ignored", "waiting", "parked", "marked"];

impl Inbox {
    pub(super) fn new(making: &mut Making<'_>) -> Self {
        let webhooks = "Webhooks by what became of them at the door";
        let skew = "Our clock minus another: Stripe's at the last webhook, or the database's";
        let outcome = |outcome| OutcomeLabels { outcome };
        Self {
            webhooks: making.counters("webhooks", webhooks, WEBHOOKS.map(outcome)),
            events: making.counters(
                "events",
                "Events dealt with, by what became of them",
                EVENTS.map(outcome),
            ),
            depth: making.by_state(
                "inbox",
                "Events that are not done, by state",
                &["pending", "waiting", "parked"],
            ),
            oldest_age: making.seconds_gauge("inbox_oldest_age", "Age of the oldest pending event"),
            applied: making.durations(
                "event_applied",
                "From an event's receipt until it was applied",
                0.001,
                22,
            ),
            skew: making.seconds_family("clock_skew", skew),
        }
    }

    /// A webhook was answered.
    pub fn webhook(&self, outcome: &'static str) {
        self.webhooks.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// An event was dealt with; `age` is the time since its receipt.
    pub fn event(&self, outcome: &'static str, age: Option<Duration>) {
        self.events.get_or_create(&OutcomeLabels { outcome }).inc();
        if outcome == "done"
            && let Some(age) = age
        {
            self.applied.observe(age.as_secs_f64());
        }
    }

    /// Our clock minus another one: `stripe`'s or the `database`'s.
    pub fn skew(&self, against: &'static str, seconds: f64) {
        self.skew.get_or_create(&AgainstLabels { against }).set(seconds);
    }
}
