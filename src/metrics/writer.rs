//! Batches of the writer, and what became of commands.

use super::labels::{CodeLabels, ReasonLabels};
use super::making::Making;
use creditd_rules::entry::Reason;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

/// What is known of the writer.
#[derive(Debug)]
pub struct Writing {
    /// Commands that wait.
    pub queue: Gauge,
    /// 1 while no batch has been running for too long, as the last scrape found.
    pub moves: Gauge,
    /// Commands in one batch.
    pub batch_commands: Histogram,
    /// From the begin of a batch's transaction to its commit.
    pub commit: Histogram,
    /// Batches that lost a race and were decided anew.
    pub conflicts: Counter,
    /// Commands that got no outcome, because their batch was not committed as far as is known.
    pub failures: Counter,
    /// Answers given again under their key.
    pub replays: Counter,
    entries: Family<ReasonLabels, Counter>,
    refusals: Family<CodeLabels, Counter>,
}

/// Refusals that every installation sees sooner or later.
const COMMON_REFUSALS: [&str; 2] = ["integration_credits_exhausted", "message_credits_exhausted"];

impl Writing {
    pub(super) fn new(making: &mut Making<'_>) -> Self {
        let commit = "Time of one batch's transaction, from its begin to its commit";
        let moves = "1 while no batch has been running for too long";
        let reasons = Reason::ALL.map(|reason| ReasonLabels { reason: reason.as_str() });
        let this = Self {
            queue: making.gauge("queue", "Commands that wait for the writer"),
            moves: making.gauge("writer_moves", moves),
            batch_commands: making.sizes("batch_commands", "Commands in one batch", 12),
            commit: making.durations("commit", commit, 0.000_1, 20),
            conflicts: making.counter("conflicts", "Batches decided anew after a lost race"),
            failures: making.counter("failures", "Commands whose batch was not committed"),
            replays: making.counter("replays", "Answers given again under their idempotency key"),
            entries: making.counters(
                "entries",
                "Lines written into the ledger, by reason",
                reasons,
            ),
            refusals: making.counters(
                "refusals",
                "Commands refused by the rules, by code",
                COMMON_REFUSALS.map(|code| CodeLabels { code }),
            ),
        };
        this.moves.set(1);
        this
    }

    /// So many lines were written for this reason.
    pub fn entries(&self, reason: &'static str, count: u64) {
        self.entries.get_or_create(&ReasonLabels { reason }).inc_by(count);
    }

    /// So many commands were refused with this code.
    pub fn refusals(&self, code: &'static str, count: u64) {
        self.refusals.get_or_create(&CodeLabels { code }).inc_by(count);
    }
}
