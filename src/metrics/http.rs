//! Requests.

use super::labels::{CodeLabels, HttpLabels, RouteLabels};
use super::making::Making;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

/// What is known of requests.
#[derive(Debug)]
pub struct Http {
    requests: Family<HttpLabels, Counter>,
    seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
    problems: Family<CodeLabels, Counter>,
}

impl Http {
    pub(super) fn new(making: &mut Making<'_>) -> Self {
        Self {
            requests: making.family("http_requests", "Requests answered, by route and status"),
            seconds: making.durations_family("http_request", "Time to answer a request, by route"),
            problems: making.family("http_problems", "Requests refused, by the problem's code"),
        }
    }

    /// Where the times of a route are kept.
    #[must_use]
    pub fn seconds_of(&self, route: &'static str) -> Histogram {
        self.seconds.get_or_create(&RouteLabels { route }).clone()
    }

    /// A request was answered.
    pub fn answered(&self, method: &'static str, route: &'static str, status: &'static str) {
        self.requests.get_or_create(&HttpLabels { method, route, status }).inc();
    }

    /// So many more answers were a problem with this code.
    pub fn refused(&self, code: &'static str, count: u64) {
        self.problems.get_or_create(&CodeLabels { code }).inc_by(count);
    }
}
