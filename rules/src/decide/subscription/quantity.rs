//! Quantity n means n seats (R12).

use super::{Change, boundary_of_change};
use crate::amount::Amount;
use crate::calendar::{Cycle, Instant};
use crate::decide::Desk;
use crate::decide::book::By;
use crate::decide::places::{Places, by_tenure, has, heads_for, matched};
use crate::decide::settle::{Beginning, Granting, allow, begin};
use crate::decide::standing::{Counts, withholds_rises};
use crate::id::{AccountId, PlanId, SeatId, SubscriptionId};
use crate::plan::{Kind, PerKind, Rebuy};
use crate::state::{Item, Seat, SeatStatus, Subscription};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

impl Desk<'_> {
    /// Ends or adds seats until there are as many as the subscription buys.
    pub(super) fn change_quantity(&mut self, change: &mut Change) {
        let wanted = Places::of(&change.sub.items, self.catalogue);
        let staying = self.staying(&change.sub.id).len();
        if wanted.count() < staying {
            self.lower_quantity(change, staying.saturating_sub(wanted.count()));
            return;
        }
        // What never counted owes nothing yet: it has as many places as Stripe says.
        let counted = change.sub.begun;
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
            // One whose boundary passed while it did not count has nothing left to wait for.
            let ahead = seat.cycle.map(|cycle: Cycle| cycle.end).filter(|end| *end > self.now);
            match (boundary_of_change(seat, change.created), ahead) {
                (Some(boundary), _) => self.end_seat(&id, boundary, By::Command),
                (None, Some(end)) if seat.holder.is_some() => seat.ends_at = Some(end),
                (None, _) => self.end_seat(&id, self.now, By::Command),
            }
        }
    }

    /// Withdraws ends that have not come, brings back seats that ended in this cycle, makes new
    /// ones for the rest.
    fn raise_quantity(&mut self, change: &mut Change, wanted: &Places, staying: usize) {
        let mut missing = wanted.count().saturating_sub(staying);
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
        let mut returning = self.returning(&change.sub.id);
        // The first seat goes to the buyer, also after there was none left.
        let mut buyer =
            change.sub.buyer.clone().filter(|_| self.seats_of(&change.sub.id).is_empty());
        for plan in open.plans().take(missing) {
            self.add_seat(change, plan, returning.pop(), buyer.take());
        }
    }

    /// The wanted places that no staying seat has.
    fn open_places(&self, subscription: &SubscriptionId, wanted: &Places) -> Places {
        let staying = self.staying(subscription);
        let mut open = wanted.clone();
        for plan in matched(&staying, wanted, self.catalogue, has).values() {
            open.take(plan, self.catalogue);
        }
        open
    }

    /// Adds a place: a seat that ended in this cycle returns, or a new one is made.
    fn add_seat(
        &mut self, change: &mut Change, plan: &PlanId, returning: Option<SeatId>,
        buyer: Option<AccountId>,
    ) {
        let counts = change.counts == Counts::Yes;
        let holder = self.seat_for_buyer(buyer.as_ref(), self.catalogue.rank(plan), counts);
        if let Some(id) = returning {
            self.bring_back(&id, plan, holder, change);
            return;
        }
        change.sub.places_made = change.sub.places_made.saturating_add(1);
        let place = change.sub.places_made;
        let mut seat = self.new_seat(&change.sub, place, plan, holder);
        if counts {
            let carried =
                if change.sub.begun { None } else { self.carried_from_before(&change.sub) };
            let beginning = Beginning { now: self.now, carried, by: By::Command };
            begin(&mut seat, self.catalogue, &mut self.book, &beginning);
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
            announced: None,
            carries_used: false,
            begins_at: None,
            grace_ends_at: None,
            cancels_at: None,
            ends_at: None,
            allowances: PerKind::default(),
        }
    }

    /// The seats of the subscription that ended inside their running cycle, the most used last.
    fn returning(&self, sub: &SubscriptionId) -> Vec<SeatId> {
        let now = self.now;
        let ended = self.ws.seats.values().filter(|seat| {
            seat.status == SeatStatus::Ended
                && seat.subscription == *sub
                && seat.cycle.is_some_and(|cycle| now < cycle.end)
        });
        let mut ended: Vec<&Seat> = ended.collect();
        ended.sort_by_key(|seat| {
            let used = &seat.allowances;
            (used.message.used, used.integration.used, core::cmp::Reverse(seat.place))
        });
        ended.into_iter().map(|seat| seat.id.clone()).collect()
    }

    /// An ended seat returns within its cycle with max(0, allowance − used) (R6). Where its
    /// subscription does not count, it returns suspended, so that it is no new one later.
    fn bring_back(
        &mut self, id: &SeatId, plan: &PlanId, holder: Option<AccountId>, change: &Change,
    ) {
        let now = self.now;
        let Some(seat) = self.ws.seats.get_mut(id) else { return };
        let Some(cycle) = seat.cycle else { return };
        let counts = change.counts == Counts::Yes;
        seat.status = if counts { SeatStatus::Active } else { SeatStatus::Suspended };
        seat.assigned_at = holder.as_ref().map(|_| now);
        seat.holder = holder;
        seat.ends_at = None;
        let keeps_limits = seat.plan == *plan;
        seat.plan = plan.clone();
        let by = By::Command;
        let granting = Granting { cycle, at: now, keeps_used: true, keeps_limits, by };
        allow(seat, self.catalogue, &mut self.book, &granting);
        self.arm_holder(id);
    }

    /// With `rebuy = "carry_used"`: what was used in the running cycle of a seat whose subscription
    /// the same buyer had before and which ended; each such seat is taken over once (R12).
    pub(super) fn carried_from_before(&mut self, sub: &Subscription) -> Option<PerKind<Amount>> {
        if self.catalogue.policy.rebuy != Rebuy::CarryUsed {
            return None;
        }
        let buyer = sub.buyer.as_ref()?;
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

    /// The plan of each staying seat: its own or the one that it waits for, where that is what the
    /// subscription buys, since seats are matched to places on a change only (R12). Else whoever
    /// held a seat when Stripe repeated itself would decide. Where a schedule announced for the next
    /// boundary what is bought now, the seats for which it did so are the ones.
    pub(super) fn wanted_plans(&self, sub: &Subscription) -> BTreeMap<SeatId, PlanId> {
        let (staying, wanted) = (self.staying(&sub.id), Places::of(&sub.items, self.catalogue));
        let noted = [waits_for, heads_for].into_iter().find_map(|noted: fn(&Seat) -> &PlanId| {
            self.noted_plans(&staying, &wanted, |seat| Some(noted(seat).clone()))
        });
        noted.unwrap_or_else(|| matched(&staying, &wanted, self.catalogue, has))
    }

    /// The plan that each staying seat will have at `at`, from when on `items` are announced. A seat
    /// that waits for its plan by then is matched by that one.
    pub(super) fn announced_plans(
        &self, subscription: &SubscriptionId, at: Instant, items: &[Item],
    ) -> BTreeMap<SeatId, PlanId> {
        let (staying, wanted) = (self.staying(subscription), Places::of(items, self.catalogue));
        let rank = |plan: &PlanId| self.catalogue.rank(plan);
        let noted = self.noted_plans(&staying, &wanted, |seat| {
            let (_, plan) = seat.announced.as_ref().filter(|(then, _)| *then == at)?;
            // One that has been told to fall lower since then met the lower place.
            let stands = seat.next_plan.as_ref().is_none_or(|next| rank(plan) <= rank(next));
            stands.then(|| plan.clone())
        });
        noted.unwrap_or_else(|| matched(&staying, &wanted, self.catalogue, heads_for))
    }

    /// What is noted of seats already, where that is as many places as they can have.
    fn noted_plans(
        &self, staying: &[&Seat], wanted: &Places, noted: impl Fn(&Seat) -> Option<PlanId>,
    ) -> Option<BTreeMap<SeatId, PlanId>> {
        let noted = staying.iter().filter_map(|seat| Some((seat.id.clone(), noted(seat)?)));
        let noted: BTreeMap<SeatId, PlanId> = noted.collect();
        let all_are = noted.len() == staying.len().min(wanted.count());
        (all_are && wanted.hold(noted.values(), self.catalogue)).then_some(noted)
    }
}

/// The plan that a seat has or waits for, whatever is announced.
fn waits_for(seat: &Seat) -> &PlanId {
    let end = seat.cycle.map(|cycle| cycle.end);
    let announced = seat.announced.as_ref().filter(|(at, _)| Some(*at) == end);
    let is_announced = |next: &&PlanId| announced.is_some_and(|(_, plan)| plan == *next);
    let next = seat.next_plan.as_ref().filter(|next| !is_announced(next));
    next.unwrap_or(&seat.plan)
}
