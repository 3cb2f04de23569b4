//! What Stripe says of a subscription becomes seats (R4, R9 to R12).

mod anchor;
mod counting;
mod plans;
mod quantity;

use super::Desk;
use super::book::By;
use super::settle::note_passed;
use super::standing::{Counts, counts};
use crate::calendar::{Instant, later};
use crate::command::{Answer, ItemPlan, Snapshot, SnapshotItem, Source};
use crate::id::{CustomerId, SeatId, SubscriptionId};
use crate::state::{Item, Seat, Status, Subscription, Told, Trial};
use alloc::format;
use alloc::vec::Vec;
use chrono::TimeDelta;

/// A change that Stripe made at a boundary reaches us so long after it (R10).
const AT_BOUNDARY: TimeDelta = TimeDelta::minutes(10);

/// The most seats of one subscription; a greater quantity is alerted and buys so many.
pub const PLACES_MAX: u32 = 10_000;

/// What a snapshot brings to the seats of its subscription.
pub(super) struct Change {
    pub(super) sub: Subscription,
    /// The subscription as it was known before.
    pub(super) old: Option<Subscription>,
    /// When Stripe said so.
    pub(super) created: Instant,
    pub(super) trial_end: Option<Instant>,
    /// The first trial had not reached its anchor when this came.
    pub(super) trial_ran: bool,
    pub(super) counts: Counts,
}

impl Desk<'_> {
    /// Applies a snapshot of a subscription.
    pub(super) fn observe(&mut self, snapshot: &Snapshot) -> Answer {
        let old = self.ws.subscriptions.get(&snapshot.subscription).cloned();
        if let Some(old) = &old
            && is_stale(old, snapshot)
        {
            return Answer::Observed { applied: self.correct_end(old, snapshot) };
        }
        let sub = self.normalised(snapshot, old.as_ref());
        let counts = counts(&sub, &self.catalogue.policy, self.now);
        let (created, trial_end) = (snapshot.created, snapshot.trial_end);
        let trial_ran = old.as_ref().is_some_and(|old| {
            old.trial == Trial::Running && self.now < old.timeline.first_anchor()
        });
        let mut change = Change { sub, old, created, trial_end, trial_ran, counts };
        if counts == Counts::Over {
            self.end_subscription(change.sub);
            return Answer::Observed { applied: true };
        }
        self.change_quantity(&mut change);
        let wanted = self.wanted_plans(&change.sub);
        self.move_anchor(&mut change, &wanted);
        note_passed(&mut change.sub, self.now);
        self.change_standing(&mut change, &wanted);
        self.share_boundary(&change.sub);
        self.change_plans(&change, &wanted);
        self.ws.subscriptions.insert(change.sub.id.clone(), change.sub);
        Answer::Observed { applied: true }
    }

    /// How a subscription ended may have been told by something that did not know all; what Stripe
    /// says when asked stands. Whether that differs. Nothing follows from it.
    fn correct_end(&mut self, old: &Subscription, snapshot: &Snapshot) -> bool {
        let truth = snapshot.status.filter(|status| {
            snapshot.source == Source::Fetched && status.is_final() && *status != old.status
        });
        if let (Some(status), Some(sub)) = (truth, self.ws.subscriptions.get_mut(&old.id)) {
            sub.status = status;
        }
        truth.is_some()
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
        let begun = old.is_some_and(|old| old.begun) || self.has_begun(&id);
        let trial = self.trial(status, snapshot, old);
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
            begun,
            trial,
            anchor_full_at: old.and_then(|old| old.anchor_full_at),
            anchor_move: old.and_then(|old| old.anchor_move),
            announced: old.and_then(|old| old.announced.clone()),
            told: Told { created: snapshot.created, rank },
            ended_at: None,
        }
    }

    /// Whether a seat of the subscription has counted, by the clock or by a snapshot.
    fn has_begun(&self, id: &SubscriptionId) -> bool {
        self.ws.seats.values().any(|seat| seat.subscription == *id && seat.cycle.is_some())
    }

    /// Where the first trial stands: it is over when the status says so, and in any case once the
    /// anchor that it ran up to has passed, so that it ends once only (R4). One that is cut short and
    /// not paid for is over too.
    fn trial(&self, status: Status, snapshot: &Snapshot, old: Option<&Subscription>) -> Trial {
        let known = old.map_or(Trial::None, |old| old.trial);
        let is_cut = status != Status::Trialing && snapshot.timeline.first_anchor() <= self.now;
        match (known, status) {
            (Trial::None, Status::Trialing) => Trial::Running,
            (Trial::Running, Status::Active) => Trial::Over,
            (Trial::Running, _) if is_cut => Trial::Over,
            (trial, _) => trial,
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
        let mut open = PLACES_MAX;
        for item in &mut items {
            let places = item.quantity.min(open);
            if places < item.quantity {
                let subject = snapshot.subscription.as_str();
                let detail = format!("{subject} buys more than {PLACES_MAX} seats");
                self.book.alert("too_many_seats", subject, detail);
            }
            item.quantity = places;
            open = open.saturating_sub(places);
        }
        items
    }

    /// Ends a subscription and all its seats, from when that is known to us (R11). What is over has
    /// nothing ahead.
    fn end_subscription(&mut self, mut sub: Subscription) {
        sub.ended_at = Some(self.now);
        sub.announced = None;
        sub.anchor_move = None;
        if sub.trial == Trial::Running {
            sub.trial = Trial::Over;
        }
        let id = sub.id.clone();
        self.ws.subscriptions.insert(id.clone(), sub);
        for seat in self.seats_of(&id) {
            self.end_seat(&seat, self.now, By::Command);
        }
    }

    /// Ends all subscriptions of a deleted customer, as Stripe does: one that was never paid for
    /// has expired.
    pub(super) fn end_customer(&mut self, customer: &CustomerId) -> Answer {
        let theirs = self
            .ws
            .subscriptions
            .values()
            .filter(|sub| sub.customer == *customer && !sub.status.is_final());
        let theirs: Vec<Subscription> = theirs.cloned().collect();
        let applied = !theirs.is_empty();
        for sub in theirs {
            let status = match sub.status {
                Status::Incomplete => Status::IncompleteExpired,
                Status::Active
                | Status::Trialing
                | Status::PastDue
                | Status::Unpaid
                | Status::Paused
                | Status::IncompleteExpired
                | Status::Canceled => Status::Canceled,
            };
            self.end_subscription(Subscription { status, ..sub });
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
