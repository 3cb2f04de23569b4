//! Whom commits wake.

use creditd_rules::Instant;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::sync::Notify;

/// What the writer tells the workers that depend on its commits.
#[derive(Debug, Default)]
pub struct Wakes {
    /// A mail was promised.
    pub outbox: Notify,
    /// Something falls due earlier than the schedule knows.
    pub schedule: Notify,
    /// The instant, in microseconds, that the schedule sleeps until.
    pub schedule_sleeps_until_us: AtomicI64,
}

impl Wakes {
    /// Wakes the schedule if it sleeps beyond `due`.
    pub fn falls_due(&self, due: Instant) {
        if due.timestamp_micros() < self.schedule_sleeps_until_us.load(Ordering::Acquire) {
            self.schedule.notify_one();
        }
    }
}
