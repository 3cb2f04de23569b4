//! What passes without a line, and is remembered.

use crate::calendar::{Cycle, Instant};
use crate::state::{Seat, SeatStatus, Subscription, Trial};

/// Ended and suspended seats cross a boundary that grants no full allowance with what they used, so
/// that ending or pausing and returning gains nothing there (R4, R12).
pub(in crate::decide) fn cross_carrying_boundary(seat: &mut Seat, now: Instant) {
    let passed = seat.cycle.filter(|cycle| seat.carries_used && cycle.end <= now);
    let Some(cycle) = passed else { return };
    let next = seat.timeline.next_after(cycle.end);
    match seat.status {
        SeatStatus::Ended => {
            seat.carries_used = false;
            seat.cycle = Some(Cycle { start: cycle.end, end: next });
        }
        // It returns with what it used, unless another boundary passed after that one.
        SeatStatus::Suspended => seat.carries_used = now < next,
        SeatStatus::Active => {}
    }
}

/// What was announced for an instant announces nothing from then on, whether a boundary of the seat
/// brought it or it did not count (R10).
pub(super) fn forget_announced(seat: &mut Seat, now: Instant) {
    seat.announced = seat.announced.take().filter(|(at, _)| *at > now);
}

/// A moved anchor's first boundary that granted in full counts for the next 28 days; a first trial
/// is over, whatever its status, once the anchor that it ran up to has passed (R4). What was
/// announced is over then, too (R10).
pub(in crate::decide) fn note_passed(sub: &mut Subscription, now: Instant) {
    if let Some(done) = sub.anchor_move.filter(|moved| moved.boundary <= now) {
        if done.counts {
            sub.anchor_full_at = Some(done.boundary);
        }
        sub.anchor_move = None;
    }
    if sub.trial == Trial::Running && sub.timeline.first_anchor() <= now {
        sub.trial = Trial::Over;
    }
    sub.announced = sub.announced.take().filter(|(at, _)| *at > now);
}
