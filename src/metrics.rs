//! What is counted, for Prometheus. Base units; never an account, a workspace or an address as a
//! label, so that the number of series does not grow with the number of people.
//!
//! Counters whose labels are known beforehand begin at zero, so that the first time something
//! happens is an increase like any other. docs/OPERATING.md says of each metric what it means.

mod labels;
mod making;
mod books;
mod writer;
mod resets;
mod inbox;
mod stripe;
mod mail;
mod http;
mod alerts;
mod process;
mod spans;

pub use alerts::ALERTS;
pub use books::Books;
pub use http::Http;
pub use inbox::Inbox;
pub use mail::Mails;
pub use making::{ByState, SecondsGauge};
pub use resets::Resets;
pub use spans::Spans;
pub use stripe::Stripe;
pub use writer::Writing;

use crate::traces::Traces;
use alerts::Alerts;
use chrono::{DateTime, Utc};
use labels::BuildLabels;
use making::Making;
use process::Process;
use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::fmt;

/// All metrics of one process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// The database, and whether its books add up.
    pub books: Books,
    /// Batches of the writer.
    pub writer: Writing,
    /// Resets at their instant.
    pub resets: Resets,
    /// Webhooks and the events that they bring.
    pub inbox: Inbox,
    /// Stripe's API, and how far we agree with it.
    pub stripe: Stripe,
    /// Mails.
    pub mails: Mails,
    /// Requests.
    pub http: Http,
    /// What became of spans.
    pub spans: Spans,
    /// Where spans are begun; off until traces are started.
    pub traces: Traces,
    alerts: Alerts,
}

impl Metrics {
    /// All metrics at zero. `engine` is `sqlite` or `postgres`.
    #[must_use]
    pub fn new(engine: &'static str) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Process::begin()));
        let ours = registry.sub_registry_with_prefix("creditd");
        let mut making = Making::new(ours);
        let build: Family<BuildLabels, Gauge> =
            making.family("build_info", "Always 1; the version and the engine are labels");
        build.get_or_create(&BuildLabels { version: env!("CARGO_PKG_VERSION"), engine }).set(1);
        Self {
            books: Books::new(&mut making),
            writer: Writing::new(&mut making),
            resets: Resets::new(&mut making),
            inbox: Inbox::new(&mut making),
            stripe: Stripe::new(&mut making),
            mails: Mails::new(&mut making),
            http: Http::new(&mut making),
            alerts: Alerts::new(&mut making),
            spans: Spans::new(&mut making),
            traces: Traces::default(),
            registry,
        }
    }

    /// Counts something that the operator is to know; `code` is one of [`ALERTS`].
    pub fn alert(&self, code: &'static str) {
        self.alerts.raise(code);
    }

    /// How often the operator was alerted so.
    #[must_use]
    pub fn alerted(&self, code: &'static str) -> u64 {
        self.alerts.raised(code)
    }

    /// All metrics as OpenMetrics text.
    ///
    /// # Errors
    /// When formatting fails, which a `String` never does.
    pub fn open_metrics(&self) -> Result<String, fmt::Error> {
        let mut page = String::new();
        text::encode(&mut page, &self.registry)?;
        Ok(page)
    }

    /// All metrics in the older text format, for scrapers that do not ask for OpenMetrics.
    ///
    /// # Errors
    /// As [`Self::open_metrics`].
    pub fn classic_text(&self) -> Result<String, fmt::Error> {
        let mut page = String::new();
        prometheus_text::encode(&mut page, &self.registry)?;
        Ok(page)
    }
}

/// An instant as metrics have it: seconds since 1970.
#[must_use]
pub fn timestamp(at: DateTime<Utc>) -> f64 {
    at.timestamp_micros() as f64 / 1_000_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_outside_tools_rely_on_are_there() {
        let metrics = Metrics::new("sqlite");
        metrics.resets.lateness.observe(0.01);
        metrics.writer.replays.inc();
        let page = metrics.classic_text().unwrap();
        for name in [
            "creditd_build_info{version=",
            "creditd_reset_lateness_seconds_bucket",
            "creditd_commit_seconds",
            "creditd_replays_total 1",
            "# TYPE creditd_replays_total counter",
            "process_resident_memory_bytes ",
        ] {
            assert!(page.contains(name), "{name} in {page}");
        }
        assert!(!page.contains("# UNIT") && !page.contains("# EOF"));
        assert!(metrics.open_metrics().unwrap().ends_with("# EOF\n"));
    }

    #[test]
    fn what_has_not_happened_yet_stands_at_zero() {
        let page = Metrics::new("postgres").classic_text().unwrap();
        for series in [
            "creditd_alerts_total{code=\"mail_parked\"} 0",
            "creditd_refusals_total{code=\"integration_credits_exhausted\"} 0",
            "creditd_webhooks_total{outcome=\"signature_wrong\"} 0",
            "creditd_stripe_requests_total{outcome=\"too_many\"} 0",
            "creditd_mails_total{outcome=\"parked\"} 0",
            "creditd_outbox{state=\"parked\"} 0",
        ] {
            assert!(page.lines().any(|line| line == series), "{series} is not in {page}");
        }
    }
}
