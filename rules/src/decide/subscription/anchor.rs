//! Stripe changes the anchor (R4).

use super::Change;
use crate::calendar::{Cycle, Instant, Timeline};
use crate::decide::Desk;
use crate::decide::settle::cross_carrying_boundary;
use crate::id::{PlanId, SeatId};
use crate::state::{AnchorMove, SeatStatus, Status, Subscription, Trial};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;
use chrono::TimeDelta;

/// The first boundary under a changed anchor grants in full at most once in this time.
const FULL_ONCE_IN: TimeDelta = TimeDelta::days(28);

impl Desk<'_> {
    /// Seats follow a changed anchor. If it lies in the running cycle's past, it is a boundary and
    /// posted now; otherwise the cycle goes on and ends at the anchor's first boundary after now.
    pub(super) fn move_anchor(&mut self, change: &mut Change, wanted: &BTreeMap<SeatId, PlanId>) {
        let Some(old) = &change.old else { return };
        let begun = change.sub.begun;
        let (before, seats_before) = (old.timeline, old.places_made);
        if before == change.sub.timeline {
            return;
        }
        let theirs = self.ws.seats.values().filter(|seat| seat.subscription == change.sub.id);
        let theirs: Vec<(SeatId, u32)> = theirs.map(|seat| (seat.id.clone(), seat.place)).collect();
        let mut shown = false;
        for (id, place) in theirs {
            let runs = self.move_seat(&id, change, wanted);
            shown |= runs && place <= seats_before;
        }
        if begun && !shown {
            // The clock posts nothing for it, so a boundary that passed before this was known is none.
            let told = change.created.min(self.now);
            move_empty(change, before.cycle_at(told), self.now);
        }
    }

    /// One seat follows the changed anchor; whether it has a cycle that runs, or that its return
    /// will end.
    fn move_seat(
        &mut self, id: &SeatId, change: &mut Change, wanted: &BTreeMap<SeatId, PlanId>,
    ) -> bool {
        let now = self.now;
        let Some(seat) = self.ws.seats.get_mut(id) else { return false };
        seat.timeline = change.sub.timeline;
        let Some(cycle) = seat.cycle else { return false };
        let end = new_end(&seat.timeline, cycle, now);
        // A boundary passed while it was suspended: its return is what grants in full, not the
        // anchor. Only a boundary ahead is then the changed anchor's first.
        let passed = cycle.end <= now && !seat.carries_used;
        if passed && seat.status == SeatStatus::Ended {
            return false;
        }
        if end == cycle.end || passed && end <= now {
            return true;
        }
        let moved = first_boundary(change, end, now);
        if !passed {
            seat.cycle = Some(Cycle { end, ..cycle });
            seat.carries_used = moved.carries_used;
            if seat.is_live() {
                seat.ends_at = seat.ends_at.map(|_| end);
            }
        }
        if moved.carries_used && change.sub.anchor_move != Some(moved) {
            let subject = change.sub.id.as_str();
            let detail = format!("the anchor of {subject} moved twice in 28 days");
            self.book.alert("anchor_moved_again", subject, detail);
        }
        change.sub.anchor_move = Some(moved);
        self.meet_boundary(id, wanted, change.sub.status);
        if let Some(seat) = self.ws.seats.get_mut(id) {
            cross_carrying_boundary(seat, now);
        }
        true
    }

    /// Seats that begin or return meet the same first boundary as the others.
    pub(super) fn share_boundary(&mut self, sub: &Subscription) {
        let Some(moved) = sub.anchor_move else { return };
        for seat in self.ws.seats.values_mut() {
            let meets = seat.cycle.is_some_and(|cycle| cycle.end == moved.boundary);
            if seat.subscription == sub.id && meets {
                seat.carries_used = moved.carries_used;
            }
        }
    }

    /// A boundary that the changed anchor set in the past is posted at once, with the plan that
    /// the subscription has now; a seat that ended keeps what it used across it.
    fn meet_boundary(&mut self, id: &SeatId, wanted: &BTreeMap<SeatId, PlanId>, status: Status) {
        let Some(seat) = self.ws.seats.get_mut(id) else { return };
        let passed = seat.cycle.is_some_and(|cycle| cycle.end <= self.now);
        if !passed || seat.status != SeatStatus::Active {
            return;
        }
        if let Some(plan) = wanted.get(id) {
            let rises = self.catalogue.rank(plan) > self.catalogue.rank(&seat.plan);
            if !(rises && crate::decide::standing::withholds_rises(status)) {
                seat.next_plan = Some(plan.clone()).filter(|plan| *plan != seat.plan);
            }
        }
        self.settle_seat(id);
    }
}

/// A changed anchor counts also while there is no seat: one that is bought next meets it.
fn move_empty(change: &mut Change, cycle: Cycle, now: Instant) {
    let end = new_end(&change.sub.timeline, cycle, now);
    if end != cycle.end {
        change.sub.anchor_move = Some(first_boundary(change, end, now));
    }
}

/// Where the running cycle ends under the changed anchor.
fn new_end(timeline: &Timeline, cycle: Cycle, now: Instant) -> Instant {
    let anchor = timeline.first_anchor();
    if cycle.start < anchor && anchor <= now { anchor } else { timeline.next_after(now) }
}

/// What the first boundary under a changed anchor grants.
fn first_boundary(change: &Change, boundary: Instant, now: Instant) -> AnchorMove {
    let sub = &change.sub;
    let first_trial = sub.trial == Trial::Running || change.trial_ran;
    let ended_early = sub.status != Status::Trialing && boundary <= now;
    let ends_trial = first_trial && (ended_early || change.trial_end == Some(boundary));
    let long_ago = |at: Instant| boundary.signed_duration_since(at) >= FULL_ONCE_IN;
    let full = sub.anchor_full_at.is_none_or(long_ago);
    AnchorMove { boundary, counts: full && !ends_trial, carries_used: !full && !ends_trial }
}
