//! What is counted, for Prometheus. Base units; never an account, a workspace or an address as a
//! label, so that the number of series does not grow with the number of people.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;

/// A gauge that holds fractions: seconds.
pub type SecondsGauge = Gauge<f64, AtomicU64>;

macro_rules! label_sets {
    ($($(#[$doc:meta])* $name:ident { $($field:ident),+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
        #[expect(missing_docs, reason = "the labels' names say what they hold")]
        pub struct $name { $(pub $field: &'static str),+ }
    )+};
}

label_sets! {
    /// Labels of a webhook's answer.
    WebhookLabels { outcome }
    /// Labels of a row in a queue.
    StateLabels { state }
    /// Labels of a stable code.
    CodeLabels { code }
    /// Labels of one kind of thing.
    KindLabels { kind }
    /// Labels of an answered request.
    HttpLabels { method, route, status }
    /// Labels of a timed route.
    RouteLabels { route }
    /// Labels of a mail's attempt, or of a request.
    MailLabels { outcome }
    /// Labels of the build.
    BuildLabels { version, engine }
}

/// All metrics of one process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// How late a due reset was posted.
    pub reset_lateness: Histogram,
    /// Seats and grants that are due and not posted, as last seen by the schedule.
    pub due: Gauge,
    /// Commands in one batch.
    pub batch_commands: Histogram,
    /// From the begin of a batch's transaction to its commit.
    pub commit: Histogram,
    /// Batches that lost a race and were decided anew.
    pub conflicts: Counter,
    /// Commands that wait for the writer.
    pub queue: Gauge,
    /// Entries written, by reason.
    pub entries: Family<KindLabels, Counter>,
    /// Commands refused, by code.
    pub refusals: Family<CodeLabels, Counter>,
    /// Answers given again under their key.
    pub replays: Counter,
    /// Webhooks by what became of them at the door.
    pub webhooks: Family<WebhookLabels, Counter>,
    /// Our wall clock minus Stripe's, as the last signature showed it.
    pub webhook_skew: SecondsGauge,
    /// Events of the inbox by state.
    pub inbox: Family<StateLabels, Gauge>,
    /// Age of the oldest pending event.
    pub inbox_oldest: SecondsGauge,
    /// Marked objects of Stripe's by state.
    pub marks: Family<StateLabels, Gauge>,
    /// Requests to Stripe's API, by what came of them.
    pub stripe_requests: Family<MailLabels, Counter>,
    /// Time of a request to Stripe's API.
    pub stripe_seconds: Histogram,
    /// Whether Stripe's API can be asked, as far as is known: 1 or 0.
    pub stripe_up: Gauge,
    /// Differences to Stripe that no event had told of, by kind.
    pub drift: Family<KindLabels, Counter>,
    /// Events that were not delivered and were found in Stripe's list.
    pub caught_up: Counter,
    /// Mails of the outbox by state.
    pub outbox: Family<StateLabels, Gauge>,
    /// Age of the oldest queued mail.
    pub outbox_oldest: SecondsGauge,
    /// Attempts to send a mail, by what came of them.
    pub mails: Family<MailLabels, Counter>,
    /// Mails that were due to somebody without an address.
    pub mails_without_address: Counter,
    /// Alerts, by code.
    pub alerts: Family<CodeLabels, Counter>,
    /// Requests by route and status.
    pub http_requests: Family<HttpLabels, Counter>,
    /// Time to answer, by route.
    pub http_seconds: Family<RouteLabels, Histogram>,
}

impl Metrics {
    /// All metrics at zero. `engine` is `sqlite` or `postgres`.
    #[must_use]
    pub fn new(engine: &'static str) -> Self {
        let mut registry = Registry::with_prefix("creditd");
        let seconds = || Histogram::new(exponential_buckets(0.000_1, 2.0, 20));
        let build = Family::<BuildLabels, Gauge>::default();
        registry.register(
            "build_info",
            "Always 1; the version and engine are labels",
            build.clone(),
        );
        build.get_or_create(&BuildLabels { version: env!("CARGO_PKG_VERSION"), engine }).set(1);
        let mut metrics = Self {
            registry,
            reset_lateness: seconds(),
            due: Gauge::default(),
            batch_commands: Histogram::new(exponential_buckets(1.0, 2.0, 12)),
            commit: seconds(),
            conflicts: Counter::default(),
            queue: Gauge::default(),
            entries: Family::default(),
            refusals: Family::default(),
            replays: Counter::default(),
            webhooks: Family::default(),
            webhook_skew: SecondsGauge::default(),
            inbox: Family::default(),
            inbox_oldest: SecondsGauge::default(),
            marks: Family::default(),
            stripe_requests: Family::default(),
            stripe_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 16)),
            stripe_up: Gauge::default(),
            drift: Family::default(),
            caught_up: Counter::default(),
            outbox: Family::default(),
            outbox_oldest: SecondsGauge::default(),
            mails: Family::default(),
            mails_without_address: Counter::default(),
            alerts: Family::default(),
            http_requests: Family::default(),
            http_seconds: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.000_1, 2.0, 16))
            }),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let Self { registry: r, .. } = self;
        let unit = Unit::Seconds;
        r.register_with_unit(
            "reset_lateness",
            "How late a due reset was posted",
            unit.clone(),
            self.reset_lateness.clone(),
        );
        r.register("due", "Seats and grants that are due and not posted", self.due.clone());
        r.register(
            "batch_commands",
            "Commands in one batch of the writer",
            self.batch_commands.clone(),
        );
        r.register_with_unit(
            "commit",
            "Time of one batch's transaction",
            unit.clone(),
            self.commit.clone(),
        );
        r.register("conflicts", "Batches decided anew after a lost race", self.conflicts.clone());
        r.register("queue", "Commands that wait for the writer", self.queue.clone());
        r.register("entries", "Ledger entries written, by reason", self.entries.clone());
        r.register("refusals", "Commands refused, by code", self.refusals.clone());
        r.register(
            "replays",
            "Answers given again under their idempotency key",
            self.replays.clone(),
        );
        r.register(
            "webhooks",
            "Webhooks by what became of them at the door",
            self.webhooks.clone(),
        );
        r.register_with_unit(
            "webhook_skew",
            "Our clock minus Stripe's at the last webhook",
            unit.clone(),
            self.webhook_skew.clone(),
        );
        r.register("inbox", "Events by state", self.inbox.clone());
        r.register_with_unit(
            "inbox_oldest_age",
            "Age of the oldest pending event",
            unit.clone(),
            self.inbox_oldest.clone(),
        );
        self.register_stripe();
        let Self { registry: r, .. } = self;
        r.register("outbox", "Mails by state", self.outbox.clone());
        r.register_with_unit(
            "outbox_oldest_age",
            "Age of the oldest queued mail",
            unit.clone(),
            self.outbox_oldest.clone(),
        );
        r.register("mails", "Attempts to send a mail, by outcome", self.mails.clone());
        r.register(
            "mails_without_address",
            "Mails due to somebody without an address",
            self.mails_without_address.clone(),
        );
        r.register("alerts", "Things for the operator to know, by code", self.alerts.clone());
        r.register("http_requests", "Requests answered", self.http_requests.clone());
        r.register_with_unit(
            "http_request",
            "Time to answer a request",
            unit,
            self.http_seconds.clone(),
        );
    }

    fn register_stripe(&mut self) {
        let Self { registry: r, .. } = self;
        r.register("marks", "Objects of Stripe's to be fetched, by state", self.marks.clone());
        r.register(
            "stripe_requests",
            "Requests to Stripe's API, by outcome",
            self.stripe_requests.clone(),
        );
        r.register_with_unit(
            "stripe_request",
            "Time of a request to Stripe's API",
            Unit::Seconds,
            self.stripe_seconds.clone(),
        );
        r.register("stripe_up", "1 while Stripe's API can be asked", self.stripe_up.clone());
        r.register(
            "drift",
            "Differences to Stripe that no event had told of, by kind",
            self.drift.clone(),
        );
        r.register(
            "caught_up_events",
            "Events found in Stripe's list that were not delivered",
            self.caught_up.clone(),
        );
    }

    /// All metrics as OpenMetrics text.
    ///
    /// # Errors
    /// When formatting fails, which a `String` never does.
    pub fn open_metrics(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// All metrics in the older text format, for scrapers that do not ask for OpenMetrics.
    ///
    /// # Errors
    /// As [`Self::open_metrics`].
    pub fn classic_text(&self) -> Result<String, std::fmt::Error> {
        Ok(to_classic(&self.open_metrics()?))
    }
}

/// Rewrites OpenMetrics as Prometheus' older text: counters are named in full, units go.
fn to_classic(open: &str) -> String {
    let counters: Vec<&str> = open
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut text = String::with_capacity(open.len());
    for line in open.lines().filter(|line| !line.starts_with("# UNIT ") && *line != "# EOF") {
        let mut words = line.splitn(4, ' ');
        let (hash, keyword, name) = (words.next(), words.next(), words.next());
        match (hash, keyword, name) {
            (Some("#"), Some(keyword @ ("TYPE" | "HELP")), Some(name))
                if counters.contains(&name) =>
            {
                text.push_str(&format!(
                    "# {keyword} {name}_total {}\n",
                    words.next().unwrap_or("")
                ));
            }
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_outside_tools_rely_on_are_there() {
        let metrics = Metrics::new("sqlite");
        metrics.reset_lateness.observe(0.01);
        metrics.replays.inc();
        let text = metrics.classic_text().unwrap();
        for name in [
            "creditd_build_info{version=",
            "creditd_reset_lateness_seconds_bucket",
            "creditd_commit_seconds",
            "creditd_replays_total 1",
            "# TYPE creditd_replays_total counter",
        ] {
            assert!(text.contains(name), "{name} in {text}");
        }
        assert!(!text.contains("# UNIT") && !text.contains("# EOF"));
        assert!(metrics.open_metrics().unwrap().ends_with("# EOF\n"));
    }
}
