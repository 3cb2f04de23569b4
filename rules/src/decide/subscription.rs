//! What Stripe says of a subscription becomes seats (R4, R9 to R12).

mod anchor;
mod quantity;

use super::Desk;
use super::settle::{By, Granting, allow, begin, expire};
use super::standing::{Counts, counts, grace_ends_at, withholds_rises};
use crate::calendar::{Cycle, Instant, later};
use crate::command::{Answer, ItemPlan, Snapshot, SnapshotItem, Source};
use crate::entry::{Pot, Reason};
use crate::id::{CustomerId, PlanId, SeatId, SubscriptionId};
use crate::plan::{Downgrade, Kind};
use crate::state::{Item, Seat, SeatStatus, Status, Subscription, Told, Trial};
use alloc::format;
use alloc::vec::Vec;
use chrono::TimeDelta;

/// A change that Stripe made at a boundary reaches us so long after it (R10).
const AT_BOUNDARY: TimeDelta = TimeDelta::minutes(10);

/// What a snapshot brings to the seats of its subscription.
pub(super) struct Change {
    pub(super) sub: Subscription,
    /// The subscription as it was known before.
    pub(super) old: Option<Subscription>,
    /// When Stripe said so.
    pub(super) created: Instant,
    pub(super) trial_end: Option<Instant>,
    pub(super) counts: Counts,
}

impl Desk<'_> {
    /// Applies a snapshot of a subscription.
    pub(super) fn observe(&mut self, snapshot: &Snapshot) -> Answer {
        let old = self.ws.subscriptions.get(&snapshot.subscription).cloned();
        if let Some(old) = &old
            && is_stale(old, snapshot)
        {
            return Answer::Observed { applied: false };
        }
        let sub = self.normalised(snapshot, old.as_ref());
        let counts = counts(&sub, &self.catalogue.policy, self.now);
        let mut change =
            Change { sub, old, created: snapshot.created, trial_end: snapshot.trial_end, counts };
        if counts == Counts::Over {
            self.end_subscription(change.sub);
            return Answer::Observed { applied: true };
        }
        self.change_quantity(&mut change);
        let wanted = self.wanted_plans(&change.sub);
        self.move_anchor(&mut change, &wanted);
        self.change_standing(&mut change, &wanted);
        self.change_plans(&change, &wanted);
        self.ws.subscriptions.insert(change.sub.id.clone(), change.sub);
        Answer::Observed { applied: true }
    }

    /// Our copy after a snapshot, before any seat follows.
    fn normalised(&mut self, snapshot: &Snapshot, old: Option<&Subscription>) -> Subscription {
        let id = snapshot.subscription.clone();
        let status = snapshot.status.unwrap_or_else(|| {
            let detail = format!("unknown status of {id}; the last known one stays");
            self.book.alert("unknown_status", id.as_str(), detail);
            old.map_or(Status::Incomplete, |old| old.status)
        });
        let buyer = old
            .and_then(|old| old.buyer.clone())
            .or_else(|| snapshot.buyer.clone().filter(|buyer| self.member(buyer).is_ok()));
        let buyer = buyer.or_else(|| match old {
            Some(_) => None,
            None => self.ws.owner.clone(),
        });
        if buyer.is_none() && old.is_none() {
            let detail = format!("nobody is known as the buyer of {id}; its seats are vacant");
            self.book.alert("no_buyer", id.as_str(), detail);
        }
        let items = self.known_items(snapshot, old);
        let past_due_since = match status {
            Status::Active | Status::Trialing => None,
            Status::PastDue => {
                old.and_then(|old| old.past_due_since).or(Some(snapshot.created.min(self.now)))
            }
            Status::Unpaid
            | Status::Paused
            | Status::Incomplete
            | Status::IncompleteExpired
            | Status::Canceled => old.and_then(|old| old.past_due_since),
        };
        let trial = match (old.map_or(Trial::None, |old| old.trial), status) {
            (Trial::None, Status::Trialing) => Trial::Running,
            (Trial::Running, Status::Active) => Trial::Over,
            (trial, _) => trial,
        };
        let rank = match snapshot.source {
            Source::Event { rank } => rank,
            Source::Fetched => 0,
        };
        Subscription {
            id,
            customer: snapshot.customer.clone(),
            buyer,
            status,
            items,
            timeline: snapshot.timeline,
            past_due_since,
            cancel_at: snapshot.cancel_at,
            places_made: old.map_or(0, |old| old.places_made),
            begun: old.is_some_and(|old| old.begun),
            trial,
            anchor_full_at: old.and_then(|old| old.anchor_full_at),
            anchor_move: old.and_then(|old| old.anchor_move),
            announced: old.and_then(|old| old.announced.clone()),
            told: Told { created: snapshot.created, rank },
            ended_at: None,
        }
    }

    /// The items that buy seats. An item whose price no plan names any more keeps its old plan; a
    /// new one buys nothing (R12).
    fn known_items(&mut self, snapshot: &Snapshot, old: Option<&Subscription>) -> Vec<Item> {
        let mut items = Vec::new();
        for SnapshotItem { id, plan, quantity } in &snapshot.items {
            let plan = match plan {
                ItemPlan::Plan(plan) => Some(plan.clone()),
                ItemPlan::NoPlace => None,
                ItemPlan::Unknown => {
                    let subject = snapshot.subscription.as_str();
                    let detail = format!("item {id} of {subject} has a price that no plan names");
                    self.book.alert("unknown_price", subject, detail);
                    let known = old.and_then(|old| old.items.iter().find(|item| item.id == *id));
                    known.map(|item| item.plan.clone())
                }
            };
            items.extend(plan.map(|plan| Item { id: id.clone(), plan, quantity: *quantity }));
        }
        items
    }

    /// Ends a subscription and all its seats, from when that is known to us (R11).
    fn end_subscription(&mut self, mut sub: Subscription) {
        sub.ended_at = Some(self.now);
        let id = sub.id.clone();
        self.ws.subscriptions.insert(id.clone(), sub);
        for seat in self.seats_of(&id) {
            self.end_seat(&seat, self.now, By::Command);
        }
    }

    /// Ends all subscriptions of a deleted customer.
    pub(super) fn end_customer(&mut self, customer: &CustomerId) -> Answer {
        let theirs = self
            .ws
            .subscriptions
            .values()
            .filter(|sub| sub.customer == *customer && !sub.status.is_final());
        let theirs: Vec<Subscription> = theirs.cloned().collect();
        let applied = !theirs.is_empty();
        for sub in theirs {
            self.end_subscription(Subscription { status: Status::Canceled, ..sub });
        }
        Answer::Observed { applied }
    }

    /// The live seats of a subscription, by place.
    pub(super) fn seats_of(&self, subscription: &SubscriptionId) -> Vec<SeatId> {
        let theirs = self.ws.seats.values();
        let theirs = theirs.filter(|seat| seat.is_live() && seat.subscription == *subscription);
        let mut seats: Vec<&Seat> = theirs.collect();
        seats.sort_by_key(|seat| seat.place);
        seats.into_iter().map(|seat| seat.id.clone()).collect()
    }

    /// Seats follow whether their subscription counts.
    fn change_standing(&mut self, change: &mut Change, wanted: &[(SeatId, PlanId)]) {
        let sub = &change.sub;
        let grace_ends_at = grace_ends_at(sub, &self.catalogue.policy);
        let cancels_at = sub.cancel_at;
        let first = !change.sub.begun;
        change.sub.begun |= change.counts == Counts::Yes;
        for (index, (id, plan)) in wanted.iter().enumerate() {
            let Some(seat) = self.ws.seats.get_mut(id) else { continue };
            match change.counts {
                Counts::Yes => {
                    seat.grace_ends_at = grace_ends_at;
                    seat.cancels_at = cancels_at;
                    if seat.status == SeatStatus::Suspended {
                        let buyer = change.sub.buyer.clone().filter(|_| first && index == 0);
                        self.restore(id, plan, buyer.as_ref());
                    }
                }
                Counts::No | Counts::Over => {
                    seat.status = SeatStatus::Suspended;
                    seat.begins_at = None;
                    seat.cancels_at = cancels_at;
                }
                Counts::Later => {
                    seat.status = SeatStatus::Suspended;
                    seat.begins_at = Some(change.sub.timeline.start);
                    seat.cancels_at = cancels_at;
                }
            }
        }
    }

    /// A seat counts again: as it was, or, if a boundary passed meanwhile, with the cycle of now
    /// (R11); or it counts for the first time (R6).
    fn restore(&mut self, id: &SeatId, plan: &PlanId, buyer: Option<&crate::id::AccountId>) {
        let rank = self.catalogue.rank(plan);
        let vacant = self.ws.seats.get(id).is_some_and(|seat| seat.holder.is_none());
        let holder = if vacant { self.seat_for_buyer(buyer, rank, true) } else { None };
        let now = self.now;
        let Some(seat) = self.ws.seats.get_mut(id) else { return };
        if let Some(holder) = holder {
            seat.holder = Some(holder);
            seat.assigned_at = Some(now);
        }
        seat.begins_at = None;
        match seat.cycle {
            Some(cycle) if now < cycle.end => seat.status = SeatStatus::Active,
            Some(cycle) => {
                // R4: a boundary under an anchor that moved too often grants no full allowance,
                // unless another one passed after it.
                let keeps_used = seat.carries_used && now < seat.timeline.next_after(cycle.end);
                expire(seat, &mut self.book, now, By::Command);
                seat.status = SeatStatus::Active;
                seat.plan = plan.clone();
                seat.next_plan = None;
                seat.carries_used = false;
                let cycle = seat.timeline.cycle_at(now);
                let granting = Granting { cycle, at: now, keeps_used, by: By::Command };
                allow(seat, self.catalogue, &mut self.book, &granting);
            }
            None => {
                seat.plan = plan.clone();
                begin(seat, self.catalogue, &mut self.book, now);
            }
        }
        self.arm_holder(id);
    }

    /// Active seats follow their plan: up at once, down at the next boundary or as the host chose
    /// (R9, R10). Suspended ones follow when they count again.
    fn change_plans(&mut self, change: &Change, wanted: &[(SeatId, PlanId)]) {
        for (id, plan) in wanted {
            let Some(seat) = self.ws.seats.get_mut(id) else { continue };
            let (old, new) = (self.catalogue.rank(&seat.plan), self.catalogue.rank(plan));
            if seat.cycle.is_none() {
                seat.plan = plan.clone();
            } else if seat.status == SeatStatus::Suspended {
                // It follows in `restore`, or in the snapshot that makes it count again.
            } else if new > old {
                if !withholds_rises(change.sub.status) {
                    seat.next_plan = None;
                    self.replan(id, plan, self.now);
                }
            } else if new == old {
                seat.next_plan = None;
            } else if let Some(boundary) = boundary_of_change(seat, change.created) {
                seat.next_plan = None;
                self.replan(id, plan, boundary);
            } else if self.catalogue.policy.downgrade == Downgrade::Immediately {
                seat.next_plan = None;
                self.replan(id, plan, self.now);
            } else {
                seat.next_plan = Some(plan.clone());
            }
        }
        self.announce_plans(&change.sub);
    }

    /// Puts a plan in force inside a cycle: max(0, allowance − used) of each kind is left.
    fn replan(&mut self, id: &SeatId, plan: &PlanId, at: Instant) {
        let Some(seat) = self.ws.seats.get_mut(id) else { return };
        let Some(limits) = self.catalogue.plan(plan).map(|plan| plan.limits) else { return };
        seat.plan = plan.clone();
        for kind in Kind::ALL {
            let allowance = &mut seat.allowances[kind];
            allowance.limits = limits[kind];
            let rest = limits[kind].allowance().less(allowance.used);
            let amount = rest.minus(allowance.balance);
            allowance.balance = rest;
            self.book.line(super::book::Line {
                pot: Pot::Seat(id.clone()),
                account: seat.holder.as_ref(),
                kind,
                amount,
                after: rest,
                reason: if amount.is_negative() { Reason::Cut } else { Reason::Raise },
                cycle_started_at: seat.cycle.map(|cycle: Cycle| cycle.start),
                effective_at: at,
            });
        }
        self.arm_holder(id);
    }

    /// Takes note of what a schedule announces (R10).
    pub(super) fn announce(
        &mut self, subscription: &SubscriptionId, change: Option<&(Instant, Vec<SnapshotItem>)>,
    ) -> Answer {
        let Some(mut sub) = self.ws.subscriptions.get(subscription).cloned() else {
            return Answer::Observed { applied: false };
        };
        sub.announced = change.map(|(at, items)| {
            let items = items.iter().filter_map(|item| match &item.plan {
                ItemPlan::Plan(plan) => {
                    Some(Item { id: item.id.clone(), plan: plan.clone(), quantity: item.quantity })
                }
                ItemPlan::Unknown | ItemPlan::NoPlace => None,
            });
            (*at, items.collect())
        });
        self.announce_plans(&sub);
        self.ws.subscriptions.insert(sub.id.clone(), sub);
        Answer::Observed { applied: true }
    }

    /// Where a schedule announced lower plans for a seat's next boundary, that boundary brings them.
    fn announce_plans(&mut self, sub: &Subscription) {
        let Some((at, items)) = &sub.announced else { return };
        for (id, plan) in self.matched_plans(&sub.id, items) {
            let Some(seat) = self.ws.seats.get_mut(&id) else { continue };
            let due = seat.cycle.is_some_and(|cycle| cycle.end == *at);
            if due && self.catalogue.rank(&plan) < self.catalogue.rank(&seat.plan) {
                seat.next_plan = Some(plan);
            }
        }
    }
}

/// Whether what is known is as late as a snapshot, or final (DESIGN section 1).
fn is_stale(old: &Subscription, snapshot: &Snapshot) -> bool {
    if old.status.is_final() {
        return true;
    }
    match snapshot.source {
        Source::Fetched => false,
        Source::Event { rank } => Told { created: snapshot.created, rank } < old.told,
    }
}

/// The boundary that a change was made at, if it was made at the running cycle's start or within
/// ten minutes after it; the start of the first cycle is none (R10).
fn boundary_of_change(seat: &Seat, created: Instant) -> Option<Instant> {
    let start = seat.cycle?.start;
    let made_there = start <= created && created <= later(start, AT_BOUNDARY);
    (made_there && start != seat.timeline.start).then_some(start)
}
