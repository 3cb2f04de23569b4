//! Mails.

use super::labels::OutcomeLabels;
use super::making::{ByState, Making, SecondsGauge};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use std::time::Duration;

/// What is known of mails.
#[derive(Debug)]
pub struct Mails {
    /// Open mails by state.
    pub depth: ByState,
    /// Age of the oldest queued mail, by the credit clock.
    pub oldest_age: SecondsGauge,
    /// Mails that were due to somebody without an address.
    pub without_address: Counter,
    attempts: Family<OutcomeLabels, Counter>,
    seconds: Histogram,
}

impl Mails {
    pub(super) fn new(making: &mut Making<'_>) -> Self {
        let outcome = |outcome| OutcomeLabels { outcome };
        Self {
            depth: making.by_state(
                "outbox",
                "Mails that are not sent, by state",
                &["queued", "parked"],
            ),
            oldest_age: making.seconds_gauge("outbox_oldest_age", "Age of the oldest queued mail"),
            without_address: making.counter(
                "mails_without_address",
                "Mails that were due to somebody without an address",
            ),
            attempts: making.counters(
                "mails",
                "Attempts to send a mail, by outcome",
                ["sent", "retry", "parked"].map(outcome),
            ),
            seconds: making.durations("mail_delivery", "Time of one attempt to send", 0.001, 16),
        }
    }

    /// An attempt was made.
    pub fn attempted(&self, outcome: &'static str, took: Duration) {
        self.attempts.get_or_create(&OutcomeLabels { outcome }).inc();
        self.seconds.observe(took.as_secs_f64());
    }
}
