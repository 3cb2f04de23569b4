//! What became of spans.

use super::labels::OutcomeLabels;
use super::making::Making;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

/// Spans that ended, by what became of them.
#[derive(Debug, Clone)]
pub struct Spans(Family<OutcomeLabels, Counter>);

impl Spans {
    pub(super) fn new(making: &mut Making<'_>) -> Self {
        let outcomes = ["exported", "dropped", "unreachable", "refused"];
        let help = "Spans of traces, by what became of them";
        Self(making.counters("spans", help, outcomes.map(|outcome| OutcomeLabels { outcome })))
    }

    /// So many ended so.
    pub fn ended(&self, outcome: &'static str, count: u64) {
        self.0.get_or_create(&OutcomeLabels { outcome }).inc_by(count);
    }
}
