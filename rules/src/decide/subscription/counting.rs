//! Seats follow whether their subscription counts (R11).

use super::Change;
use crate::decide::Desk;
use crate::decide::book::By;
use crate::decide::settle::{Beginning, Granting, allow, begin, expire, foresee};
use crate::decide::standing::{Counts, grace_ends_at, withholds_rises};
use crate::id::{PlanId, SeatId};
use crate::plan::Catalogue;
use crate::state::{Seat, SeatStatus, Status};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

impl Desk<'_> {
    /// Every live seat follows its subscription, those too that are to end at the boundary.
    pub(super) fn change_standing(
        &mut self, change: &mut Change, wanted: &BTreeMap<SeatId, PlanId>,
    ) {
        let grace_ends_at = grace_ends_at(&change.sub, &self.catalogue.policy);
        let cancels_at = change.sub.cancel_at;
        let first = !change.sub.begun;
        change.sub.begun |= change.counts == Counts::Yes;
        let seats: Vec<SeatId> = self.seats_of(&change.sub.id);
        for id in seats {
            let Some(seat) = self.ws.seats.get_mut(&id) else { continue };
            seat.grace_ends_at = grace_ends_at;
            seat.cancels_at = cancels_at;
            match change.counts {
                Counts::Yes if seat.status == SeatStatus::Suspended => {
                    let plan = wanted.get(&id).unwrap_or(&seat.plan).clone();
                    self.restore(&id, &plan, change, first);
                }
                Counts::Yes => {}
                Counts::No | Counts::Over => {
                    seat.status = SeatStatus::Suspended;
                    seat.begins_at = None;
                }
                Counts::Later => {
                    seat.status = SeatStatus::Suspended;
                    seat.begins_at = Some(change.sub.timeline.start);
                }
            }
        }
    }

    /// A seat counts again: as it was, or, if a boundary passed meanwhile, with the cycle of now
    /// (R11); or it counts for the first time (R6).
    fn restore(&mut self, id: &SeatId, plan: &PlanId, change: &Change, first: bool) {
        self.seat_buyer_at_last(id, plan, change, first);
        let carried = if first { self.carried_from_before(&change.sub) } else { None };
        let now = self.now;
        let Some(seat) = self.ws.seats.get_mut(id) else { return };
        seat.begins_at = None;
        match seat.cycle {
            Some(cycle) if now < cycle.end => seat.status = SeatStatus::Active,
            Some(_) => {
                expire(seat, &mut self.book, now, By::Command);
                seat.status = SeatStatus::Active;
                seat.plan = plan_on_return(seat, plan, change.sub.status, self.catalogue);
                seat.next_plan = None;
                // R4: a boundary under an anchor that moved too often grants no full allowance.
                let keeps_used = core::mem::take(&mut seat.carries_used);
                let cycle = seat.timeline.cycle_at(now);
                let by = By::Command;
                let granting = Granting { cycle, at: now, keeps_used, keeps_limits: false, by };
                allow(seat, self.catalogue, &mut self.book, &granting);
                foresee(seat, self.catalogue);
            }
            None => {
                seat.plan = plan.clone();
                begin(
                    seat,
                    self.catalogue,
                    &mut self.book,
                    &Beginning { now, carried, by: By::Command },
                );
            }
        }
        self.arm_holder(id);
    }

    /// A buyer who sat elsewhere when the subscription was made gets its first place when it first
    /// counts, should that be a better one (R12).
    fn seat_buyer_at_last(&mut self, id: &SeatId, plan: &PlanId, change: &Change, first: bool) {
        let vacant_first =
            self.ws.seats.get(id).is_some_and(|seat| seat.holder.is_none() && seat.place == 1);
        if !first || !vacant_first {
            return;
        }
        let rank = self.catalogue.rank(plan);
        let holder = self.seat_for_buyer(change.sub.buyer.as_ref(), rank, true);
        let now = self.now;
        if let (Some(seat), Some(holder)) = (self.ws.seats.get_mut(id), holder) {
            seat.holder = Some(holder);
            seat.assigned_at = Some(now);
        }
    }
}

/// The plan that a seat returns with after a boundary passed: what Stripe says now, but no rise
/// that is not paid for (R9).
fn plan_on_return(seat: &Seat, plan: &PlanId, status: Status, catalogue: &Catalogue) -> PlanId {
    let heading = seat.next_plan.as_ref().unwrap_or(&seat.plan);
    let rises = catalogue.rank(plan) > catalogue.rank(heading);
    if rises && withholds_rises(status) { heading.clone() } else { plan.clone() }
}
