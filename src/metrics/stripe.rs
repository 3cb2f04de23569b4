//! Stripe's API, and how far we agree with it.

use super::labels::{KindLabels, OutcomeLabels};
use super::making::{ByState, Making, SecondsGauge};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use std::time::Duration;

/// What is known of Stripe.
#[derive(Debug)]
pub struct Stripe {
    /// Marked objects by state.
    pub marks: ByState,
    /// Whether Stripe's API can be asked, as far as is known: 1 or 0. 1 without a key.
    pub up: Gauge,
    /// Events that were not delivered and were found in Stripe's list.
    pub caught_up: Counter,
    /// When all subscriptions were last compared with Stripe's by this process: seconds since 1970.
    pub compared_at: SecondsGauge,
    requests: Family<OutcomeLabels, Counter>,
    seconds: Histogram,
    drift: Family<KindLabels, Counter>,
}

/// What comes of a request.
const REQUESTS: [&str; 12] = [
    "answered",
    "missing",
    "key_invalid",
    "key_forbidden",
    "refused",
    "unreadable",
    "timeout",
    "unreachable",
    "too_many",
    "server_error",
    "redirected",
    "garbage",
];

impl Stripe {
    pub(super) fn new(making: &mut Making<'_>) -> Self {
        let drift = "Differences to Stripe that no event had told of, by kind";
        let caught_up = "Events found in Stripe's list that were not delivered";
        let compared = "When all subscriptions were last compared with Stripe's";
        let requests = REQUESTS.map(|outcome| OutcomeLabels { outcome });
        let this = Self {
            marks: making.by_state(
                "marks",
                "Objects of Stripe's to be fetched, by state",
                &["dirty", "waiting", "parked"],
            ),
            up: making.gauge("stripe_up", "1 while Stripe's API can be asked"),
            caught_up: making.counter("caught_up_events", caught_up),
            compared_at: making.seconds_gauge("sync_timestamp", compared),
            requests: making.counters(
                "stripe_requests",
                "Requests to Stripe's API, by outcome",
                requests,
            ),
            seconds: making.durations(
                "stripe_request",
                "Time of a request to Stripe's API",
                0.001,
                16,
            ),
            drift: making.counters(
                "drift",
                drift,
                ["new", "missing"].map(|kind| KindLabels { kind }),
            ),
        };
        this.up.set(1);
        this
    }

    /// A request was made.
    pub fn asked(&self, outcome: &'static str, took: Duration) {
        self.seconds.observe(took.as_secs_f64());
        self.requests.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// How many requests ended so.
    #[must_use]
    pub fn asked_so_far(&self, outcome: &'static str) -> u64 {
        self.requests.get_or_create(&OutcomeLabels { outcome }).get()
    }

    /// A difference of this kind was found.
    pub fn drifted(&self, kind: &'static str) {
        self.drift.get_or_create(&KindLabels { kind }).inc();
    }

    /// How many differences of this kind were found.
    #[must_use]
    pub fn drifted_so_far(&self, kind: &'static str) -> u64 {
        self.drift.get_or_create(&KindLabels { kind }).get()
    }
}
