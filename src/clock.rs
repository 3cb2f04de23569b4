//! The only place that reads time.
//!
//! The clock has two hands. The credit clock, `now`, is every instant of the rules; in test mode
//! it stands where it was set, and the store keeps it, because every process on a database must
//! see the same. The wall clock is the system's in every mode: signature age, retry pauses.

use chrono::{DateTime, SubsecRound, Utc};

/// Which credit clock counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// The system's time.
    #[default]
    System,
    /// The instant kept in the database once one was set; the system's time until then.
    Test,
}

/// The system's time, UTC, cut to whole microseconds, which is what the stores keep.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads time")]
pub fn wall() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}
