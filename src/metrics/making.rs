//! Makes metrics and registers them, in one step each.

use super::labels::StateLabels;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry, Unit};
use std::hash::Hash;
use std::sync::atomic::AtomicU64;

/// A gauge that holds fractions: seconds.
pub type SecondsGauge = Gauge<f64, AtomicU64>;

/// How much stands in each state of a queue.
#[derive(Debug)]
pub struct ByState(Family<StateLabels, Gauge>);

impl ByState {
    /// So much stands in this state.
    pub fn set(&self, state: &'static str, count: u64) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.0.get_or_create(&StateLabels { state }).set(count);
    }
}

/// A registry in which metrics are made.
pub(super) struct Making<'r>(&'r mut Registry);

impl<'r> Making<'r> {
    pub(super) const fn new(registry: &'r mut Registry) -> Self {
        Self(registry)
    }

    fn kept<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.0.register(name, help, metric.clone());
        metric
    }

    fn kept_seconds<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.0.register_with_unit(name, help, Unit::Seconds, metric.clone());
        metric
    }

    pub(super) fn counter(&mut self, name: &str, help: &str) -> Counter {
        self.kept(name, help, Counter::default())
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str) -> Gauge {
        self.kept(name, help, Gauge::default())
    }

    pub(super) fn seconds_gauge(&mut self, name: &str, help: &str) -> SecondsGauge {
        self.kept_seconds(name, help, SecondsGauge::default())
    }

    /// Sizes, from 1 on, each bucket twice as wide as the one before.
    pub(super) fn sizes(&mut self, name: &str, help: &str, buckets: u16) -> Histogram {
        self.kept(name, help, Histogram::new(exponential_buckets(1.0, 2.0, buckets)))
    }

    /// Durations, from `shortest` on, each bucket twice as wide as the one before.
    pub(super) fn durations(
        &mut self, name: &str, help: &str, shortest: f64, buckets: u16,
    ) -> Histogram {
        let histogram = Histogram::new(exponential_buckets(shortest, 2.0, buckets));
        self.kept_seconds(name, help, histogram)
    }

    /// One metric for each set of labels.
    pub(super) fn family<L, M>(&mut self, name: &str, help: &str) -> Family<L, M>
    where
        L: EncodeLabelSet + Clone + Eq + Hash + std::fmt::Debug + Send + Sync + 'static,
        M: Metric + TypedMetric + Default + Clone,
    {
        self.kept(name, help, Family::default())
    }

    /// One counter for each set of labels; these begin at zero.
    pub(super) fn counters<L>(
        &mut self, name: &str, help: &str, known: impl IntoIterator<Item = L>,
    ) -> Family<L, Counter>
    where
        L: EncodeLabelSet + Clone + Eq + Hash + std::fmt::Debug + Send + Sync + 'static,
    {
        let counters: Family<L, Counter> = self.family(name, help);
        for labels in known {
            counters.get_or_create(&labels).inc_by(0);
        }
        counters
    }

    /// How much stands in each state of a queue; these are always shown.
    pub(super) fn by_state(&mut self, name: &str, help: &str, states: &[&'static str]) -> ByState {
        let by_state = ByState(self.family(name, help));
        for state in states {
            by_state.set(state, 0);
        }
        by_state
    }

    /// One gauge of seconds for each set of labels.
    pub(super) fn seconds_family<L>(&mut self, name: &str, help: &str) -> Family<L, SecondsGauge>
    where
        L: EncodeLabelSet + Clone + Eq + Hash + std::fmt::Debug + Send + Sync + 'static,
    {
        self.kept_seconds(name, help, Family::default())
    }

    /// Durations for each set of labels.
    pub(super) fn durations_family<L>(
        &mut self, name: &str, help: &str,
    ) -> Family<L, Histogram, fn() -> Histogram>
    where
        L: EncodeLabelSet + Clone + Eq + Hash + std::fmt::Debug + Send + Sync + 'static,
        fn() -> Histogram: MetricConstructor<Histogram>,
    {
        let made: fn() -> Histogram = || Histogram::new(exponential_buckets(0.000_1, 2.0, 16));
        self.kept_seconds(name, help, Family::new_with_constructor(made))
    }
}
