//! Seats follow their plans: up at once, down at the next boundary or as the host chose (R9, R10).

use super::{Change, PLACES_MAX, boundary_of_change};
use crate::calendar::Instant;
use crate::command::{Answer, ItemPlan, SnapshotItem};
use crate::decide::Desk;
use crate::decide::book::Line;
use crate::decide::settle::foresee;
use crate::decide::standing::withholds_rises;
use crate::entry::{Pot, Reason};
use crate::id::{PlanId, SeatId, SubscriptionId};
use crate::plan::{Downgrade, Kind};
use crate::state::{Item, SeatStatus, Status, Subscription};
use alloc::collections::BTreeMap;

impl Desk<'_> {
    /// Active seats follow their plan. Suspended ones follow when they count again.
    pub(super) fn change_plans(&mut self, change: &Change, wanted: &BTreeMap<SeatId, PlanId>) {
        for (id, plan) in wanted {
            let Some(seat) = self.ws.seats.get_mut(id) else { continue };
            if seat.cycle.is_none() {
                seat.plan = plan.clone();
                continue;
            }
            if seat.status != SeatStatus::Active {
                continue;
            }
            let rank = |plan: &PlanId| self.catalogue.rank(plan);
            let heading = seat.next_plan.as_ref().unwrap_or(&seat.plan);
            if withholds_rises(change.sub.status) && rank(plan) > rank(heading) {
                continue;
            }
            // What was told before the boundary and waits goes on waiting, though Stripe repeats it
            // there.
            let told = change.old.as_ref().map(|old| old.told.created);
            let was_told = told < seat.cycle.map(|cycle| cycle.start);
            let repeats = was_told && seat.next_plan.as_ref() == Some(plan);
            let boundary = boundary_of_change(seat, change.created).filter(|_| !repeats);
            let at_once = self.catalogue.policy.downgrade == Downgrade::Immediately;
            seat.next_plan = None;
            match rank(plan).cmp(&rank(&seat.plan)) {
                core::cmp::Ordering::Equal => {}
                core::cmp::Ordering::Greater => self.replan(id, plan, self.now),
                core::cmp::Ordering::Less => match boundary {
                    Some(boundary) => self.replan(id, plan, boundary),
                    None if at_once => self.replan(id, plan, self.now),
                    None => seat.next_plan = Some(plan.clone()),
                },
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
            self.book.line(Line {
                pot: Pot::Seat(id.clone()),
                account: seat.holder.as_ref(),
                kind,
                amount,
                after: rest,
                reason: if amount.is_negative() { Reason::Cut } else { Reason::Raise },
                cycle_started_at: seat.cycle.map(|cycle| cycle.start),
                effective_at: at,
            });
        }
        self.arm_holder(id);
    }

    /// Takes note of what a schedule announces, or that it announces nothing any more (R10).
    pub(in crate::decide) fn announce(
        &mut self, subscription: &SubscriptionId,
        change: Option<&(Instant, alloc::vec::Vec<SnapshotItem>)>,
    ) -> Answer {
        // What is over has nothing ahead.
        let known = self.ws.subscriptions.get(subscription).filter(|sub| !sub.status.is_final());
        let Some(mut sub) = known.cloned() else {
            return Answer::Observed { applied: false };
        };
        sub.announced = change.map(|(at, items)| {
            let items = items.iter().filter_map(|item| match &item.plan {
                ItemPlan::Plan(plan) => Some(Item {
                    id: item.id.clone(),
                    plan: plan.clone(),
                    quantity: item.quantity.min(PLACES_MAX),
                }),
                ItemPlan::Unknown | ItemPlan::NoPlace => None,
            });
            (*at, items.collect())
        });
        self.withdraw_announced(&sub);
        self.announce_plans(&sub);
        self.ws.subscriptions.insert(sub.id.clone(), sub);
        Answer::Observed { applied: true }
    }

    /// Takes back what an earlier announcement set: the next boundary brings what the items say.
    fn withdraw_announced(&mut self, sub: &Subscription) {
        for (id, plan) in self.wanted_plans(sub) {
            let Some(seat) = self.ws.seats.get_mut(&id) else { continue };
            let lower = self.catalogue.rank(&plan) < self.catalogue.rank(&seat.plan);
            if seat.status == SeatStatus::Active && !withholds(sub.status, seat.next_plan.is_some())
            {
                seat.next_plan = Some(plan).filter(|_| lower);
            }
        }
    }

    /// Where a schedule announced lower plans, the boundary that it named brings them. Which seat
    /// meets which plan is decided once for each announcement.
    fn announce_plans(&mut self, sub: &Subscription) {
        let ahead = sub.announced.as_ref().filter(|(at, _)| *at > self.now);
        let plans = ahead.map(|(at, items)| (*at, self.announced_plans(&sub.id, *at, items)));
        for id in self.seats_of(&sub.id) {
            let Some(seat) = self.ws.seats.get_mut(&id) else { continue };
            seat.announced =
                plans.as_ref().and_then(|(at, plans)| Some((*at, plans.get(&id)?.clone())));
            foresee(seat, self.catalogue);
        }
    }
}

/// Whether what the next boundary brings must stand, since payment failed after it was settled.
const fn withholds(status: Status, pending: bool) -> bool {
    pending && withholds_rises(status)
}
