//! Whether a subscription counts (R11).

use crate::calendar::{Instant, later};
use crate::plan::Policy;
use crate::state::{Status, Subscription};
use chrono::TimeDelta;

/// A start so little ahead of our clock counts as begun (R6).
pub(super) const START_AHEAD_MAX: TimeDelta = TimeDelta::minutes(5);

/// How a subscription stands at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counts {
    /// Its seats count.
    Yes,
    /// Its seats keep everything and do not count.
    No,
    /// It will count from its start on.
    Later,
    /// It is over.
    Over,
}

/// How a subscription stands at `now`.
pub(super) fn counts(sub: &Subscription, policy: &Policy, now: Instant) -> Counts {
    if sub.status.is_final() {
        return Counts::Over;
    }
    let cancelled = sub.cancel_at.is_some_and(|at| at <= now);
    let late = grace_ends_at(sub, policy).is_some_and(|end| end <= now);
    let paid = sub.status.is_paid() || sub.status == Status::PastDue;
    if cancelled || late || !paid {
        return Counts::No;
    }
    let ahead = later(now, START_AHEAD_MAX) < sub.timeline.start;
    if ahead && !sub.begun { Counts::Later } else { Counts::Yes }
}

/// When a subscription whose payment failed stops counting.
pub(super) fn grace_ends_at(sub: &Subscription, policy: &Policy) -> Option<Instant> {
    let since = sub.past_due_since.filter(|_| sub.status == Status::PastDue)?;
    Some(later(since, policy.past_due_grace))
}

/// Whether a higher rank or quantity waits until the subscription is active again (R9).
pub(super) const fn withholds_rises(status: Status) -> bool {
    matches!(status, Status::PastDue | Status::Unpaid | Status::Incomplete)
}
