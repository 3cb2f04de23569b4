//! Quantity n means n seats (R12).

use super::{Change, boundary_of_change};
use crate::amount::Amount;
use crate::calendar::Cycle;
use crate::decide::Desk;
use crate::decide::places::{by_tenure, matched, places};
use crate::decide::settle::{By, Granting, allow};
use crate::decide::standing::{Counts, withholds_rises};
use crate::id::{AccountId, PlanId, SeatId, SubscriptionId};
use crate::plan::{Kind, PerKind, Rebuy};
use crate::state::{Allowance, Item, Seat, SeatStatus, Subscription};
use alloc::format;
use alloc::vec::Vec;

impl Desk<'_> {
    /// Ends or adds seats until there are as many as the subscription buys.
    pub(super) fn change_quantity(&mut self, change: &mut Change) {
        let wanted = places(&change.sub.items, self.catalogue);
        let staying = self.staying(&change.sub.id).len();
        if wanted.len() < staying {
            self.lower_quantity(change, staying.saturating_sub(wanted.len()));
            return;
        }
        // What never counted owes nothing yet: it has as many places as Stripe says.
        let counted = change.old.as_ref().is_some_and(|old| old.begun);
        if !counted || !withholds_rises(change.sub.status) {
            self.raise_quantity(change, &wanted, staying);
        }
    }

    /// Live seats of a subscription that are not chosen to end.
    fn staying(&self, subscription: &SubscriptionId) -> Vec<&Seat> {
        let theirs = self.ws.seats.values();
        theirs
            .filter(|seat| {
                seat.is_live() && seat.ends_at.is_none() && seat.subscription == *subscription
            })
            .collect()
    }

    /// Chooses the seats that end: vacant ones at once, then the latest assigned, at the boundary.
    fn lower_quantity(&mut self, change: &Change, count: usize) {
        let mut staying = self.staying(&change.sub.id);
        by_tenure(&mut staying);
        let chosen: Vec<SeatId> =
            staying.into_iter().rev().take(count).map(|seat| seat.id.clone()).collect();
        for id in chosen {
            let Some(seat) = self.ws.seats.get_mut(&id) else { continue };
            let held = seat.holder.is_some() && seat.cycle.is_some();
            if let Some(boundary) = boundary_of_change(seat, change.created) {
                self.end_seat(&id, boundary, By::Command);
            } else if held {
                seat.ends_at = seat.cycle.map(|cycle: Cycle| cycle.end.max(self.now));
                self.settle_seat(&id);
            } else {
                self.end_seat(&id, self.now, By::Command);
            }
        }
    }

    /// Withdraws ends that have not come, brings back seats that ended in this cycle, makes new
    /// ones for the rest.
    fn raise_quantity(&mut self, change: &mut Change, wanted: &[PlanId], staying: usize) {
        let mut missing = wanted.len().saturating_sub(staying);
        let mut leaving: Vec<&Seat> = self
            .ws
            .seats
            .values()
            .filter(|seat| {
                seat.is_live() && seat.ends_at.is_some() && seat.subscription == change.sub.id
            })
            .collect();
        by_tenure(&mut leaving);
        let leaving: Vec<SeatId> =
            leaving.into_iter().take(missing).map(|seat| seat.id.clone()).collect();
        missing = missing.saturating_sub(leaving.len());
        for id in leaving {
            if let Some(seat) = self.ws.seats.get_mut(&id) {
                seat.ends_at = None;
            }
        }
        let open = self.open_places(&change.sub.id, wanted);
        for plan in open.into_iter().take(missing) {
            self.add_seat(change, &plan);
        }
    }

    /// The wanted places that no staying seat has, highest rank first.
    fn open_places(&self, subscription: &SubscriptionId, wanted: &[PlanId]) -> Vec<PlanId> {
        let staying = self.staying(subscription);
        let taken = matched(&staying, wanted, self.catalogue);
        let mut open = wanted.to_vec();
        for plan in taken.values() {
            if let Some(at) = open.iter().position(|open| open == plan) {
                open.remove(at);
            }
        }
        open
    }

    /// Adds a place: a seat that ended in this cycle returns, or a new one is made.
    fn add_seat(&mut self, change: &mut Change, plan: &PlanId) {
        let counts = change.counts == Counts::Yes;
        if counts && let Some(id) = self.returning(&change.sub) {
            self.bring_back(&id, plan, change);
            return;
        }
        change.sub.places_made = change.sub.places_made.saturating_add(1);
        let place = change.sub.places_made;
        let rank = self.catalogue.rank(plan);
        let buyer = change.sub.buyer.clone().filter(|_| place == 1);
        let holder = self.seat_for_buyer(buyer.as_ref(), rank, counts);
        let mut seat = self.new_seat(&change.sub, place, plan, holder);
        if counts {
            let carried = self.carried_from_before(change);
            self.begin_with(&mut seat, change, carried);
        }
        let id = seat.id.clone();
        self.ws.seats.insert(id.clone(), seat);
        self.arm_holder(&id);
    }

    fn new_seat(
        &self, sub: &Subscription, place: u32, plan: &PlanId, holder: Option<AccountId>,
    ) -> Seat {
        Seat {
            id: SeatId::from(format!("seat_{place}_{}", sub.id)),
            subscription: sub.id.clone(),
            place,
            plan: plan.clone(),
            next_plan: None,
            assigned_at: holder.as_ref().map(|_| self.now),
            holder,
            status: SeatStatus::Suspended,
            timeline: sub.timeline,
            cycle: None,
            carries_used: false,
            begins_at: None,
            grace_ends_at: None,
            cancels_at: None,
            ends_at: None,
            allowances: PerKind::default(),
        }
    }

    /// A new seat's first cycle: the one that contains now, in full, or less what is carried over.
    fn begin_with(&mut self, seat: &mut Seat, change: &Change, carried: Option<PerKind<Amount>>) {
        let cycle = seat.timeline.cycle_at(self.now);
        seat.status = SeatStatus::Active;
        let moved = change.sub.anchor_move.filter(|moved| moved.boundary == cycle.end);
        seat.carries_used = moved.is_some_and(|moved| moved.carries_used);
        let keeps_used = carried.is_some();
        if let Some(used) = carried {
            seat.allowances =
                PerKind::from_fn(|kind| Allowance { used: used[kind], ..Allowance::default() });
        }
        let granting = Granting { cycle, at: cycle.start, keeps_used, by: By::Command };
        allow(seat, self.catalogue, &mut self.book, &granting);
    }

    /// A seat of the subscription that ended inside its running cycle, the most used first.
    fn returning(&mut self, sub: &Subscription) -> Option<SeatId> {
        let now = self.now;
        for seat in self.ws.seats.values_mut() {
            if seat.status == SeatStatus::Ended && seat.subscription == sub.id {
                cross_carrying_boundary(seat, now);
            }
        }
        let ended = self.ws.seats.values().filter(|seat| {
            seat.status == SeatStatus::Ended
                && seat.subscription == sub.id
                && seat.cycle.is_some_and(|cycle| now < cycle.end)
        });
        ended
            .max_by_key(|seat| {
                let used = &seat.allowances;
                (used.message.used, used.integration.used, core::cmp::Reverse(seat.place))
            })
            .map(|seat| seat.id.clone())
    }

    /// An ended seat returns within its cycle, vacant, with max(0, allowance − used) (R6).
    fn bring_back(&mut self, id: &SeatId, plan: &PlanId, change: &Change) {
        let now = self.now;
        let Some(seat) = self.ws.seats.get_mut(id) else { return };
        let Some(cycle) = seat.cycle else { return };
        seat.status = SeatStatus::Active;
        seat.plan = plan.clone();
        seat.ends_at = None;
        seat.timeline = change.sub.timeline;
        let granting = Granting { cycle, at: now, keeps_used: true, by: By::Command };
        allow(seat, self.catalogue, &mut self.book, &granting);
        self.arm_holder(id);
    }

    /// With `rebuy = "carry_used"`: what was used in the running cycle of a seat whose subscription
    /// the same buyer had before and which ended; each such seat is taken over once (R12).
    fn carried_from_before(&mut self, change: &Change) -> Option<PerKind<Amount>> {
        if self.catalogue.policy.rebuy != Rebuy::CarryUsed || change.old.is_some() {
            return None;
        }
        let buyer = change.sub.buyer.as_ref()?;
        let now = self.now;
        let before = self.ws.seats.values().filter(|seat| {
            let sub = self.ws.subscriptions.get(&seat.subscription);
            let theirs =
                sub.is_some_and(|sub| sub.status.is_final() && sub.buyer.as_ref() == Some(buyer));
            theirs
                && seat.status == SeatStatus::Ended
                && seat.cycle.is_some_and(|cycle| now < cycle.end)
        });
        let id = before
            .max_by_key(|seat| (seat.allowances.message.used, seat.allowances.integration.used))?
            .id
            .clone();
        let seat = self.ws.seats.get_mut(&id)?;
        seat.cycle = None;
        Some(PerKind::from_fn(|kind: Kind| seat.allowances[kind].used))
    }

    /// The plan of each staying seat.
    pub(super) fn wanted_plans(&self, sub: &Subscription) -> Vec<(SeatId, PlanId)> {
        self.matched_plans(&sub.id, &sub.items)
    }

    /// The plan that each staying seat would have under `items`, highest rank first.
    pub(super) fn matched_plans(
        &self, subscription: &SubscriptionId, items: &[Item],
    ) -> Vec<(SeatId, PlanId)> {
        let wanted = places(items, self.catalogue);
        let staying = self.staying(subscription);
        let mut plans: Vec<(SeatId, PlanId)> =
            matched(&staying, &wanted, self.catalogue).into_iter().collect();
        let place = |id: &SeatId| self.ws.seats.get(id).map_or(u32::MAX, |seat| seat.place);
        plans.sort_by_key(|(id, _)| place(id));
        plans
    }
}

/// An ended seat keeps what it used across a boundary that grants no full allowance, so that
/// ending and returning gains nothing there (R4, R12).
fn cross_carrying_boundary(seat: &mut Seat, now: crate::calendar::Instant) {
    while let Some(cycle) = seat.cycle.filter(|cycle| seat.carries_used && cycle.end <= now) {
        seat.carries_used = false;
        seat.cycle = Some(Cycle { start: cycle.end, end: seat.timeline.next_after(cycle.end) });
    }
}
