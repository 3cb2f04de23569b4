//! How far a connection is trusted that was not used for a moment.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A connection that was not used for so long is asked whether it lives.
const TRUSTED: Duration = Duration::from_secs(1);

/// What is known of the way to the server. It breaks for all connections at once more often than
/// for one.
#[derive(Debug)]
pub(super) struct Trust {
    made: Instant,
    /// When a connection was last found broken or silent, in microseconds since this was made; 0
    /// where none was.
    lost_at_us: AtomicU64,
}

impl Trust {
    pub(super) fn new() -> Self {
        Self { made: Instant::now(), lost_at_us: AtomicU64::new(0) }
    }

    /// A connection is broken or silent: those that were made before may be as well.
    pub(super) fn lose(&self) {
        let at_us = u64::try_from(self.made.elapsed().as_micros()).unwrap_or(u64::MAX).max(1);
        self.lost_at_us.fetch_max(at_us, Ordering::Relaxed);
    }

    /// Whether no connection was found broken since `instant`.
    pub(super) fn holds_since(&self, instant: Instant) -> bool {
        let lost_at_us = self.lost_at_us.load(Ordering::Relaxed);
        let since_us = instant.saturating_duration_since(self.made).as_micros();
        lost_at_us == 0 || u128::from(lost_at_us) < since_us
    }

    /// Whether a connection may be used unasked that nobody used for `idle_for`.
    pub(super) fn spares(&self, idle_for: Duration) -> bool {
        let idle_since = Instant::now().checked_sub(idle_for);
        idle_for < TRUSTED && idle_since.is_some_and(|since| self.holds_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_loss_only_what_was_used_since_is_trusted() {
        let trust = Trust::new();
        let before = Instant::now();
        assert!(trust.holds_since(before) && trust.spares(Duration::ZERO));
        assert!(!trust.spares(TRUSTED), "it was left alone for too long");
        trust.lose();
        assert!(!trust.holds_since(before));
        let after = Instant::now() + Duration::from_millis(1);
        assert!(trust.holds_since(after));
        trust.lose();
        assert!(!trust.spares(Duration::from_millis(900)));
    }
}
