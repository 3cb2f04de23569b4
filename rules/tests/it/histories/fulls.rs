//! How many full allowances R4 and R11 allow a subscription, counted from what Stripe said alone.
//!
//! From one such allowance to the next lies a stretch. What is drawn on the subscription's seats
//! in a stretch may not exceed the highest quantity times the highest allowance of that stretch.
//! This follows the subscription as one thing, without seats, and shares no code with the
//! decisions but the calendar.

use crate::world::World;
use chrono::TimeDelta;
use creditd_rules::calendar::Timeline;
use creditd_rules::command::{ItemPlan, Snapshot};
use creditd_rules::entry::{Pot, Reason};
use creditd_rules::plan::{Catalogue, PerKind};
use creditd_rules::state::Status;
use creditd_rules::{Amount, Instant, Kind};
use std::collections::BTreeMap;

const FULL_ONCE_IN: TimeDelta = TimeDelta::days(28);
const GRACE: TimeDelta = TimeDelta::days(7);
const AHEAD: TimeDelta = TimeDelta::minutes(5);

#[derive(Debug, Default)]
pub(super) struct Fulls {
    subs: BTreeMap<String, Followed>,
}

/// The first boundary under a changed anchor, ahead.
#[derive(Debug, Clone, Copy)]
struct Moved {
    full: bool,
    counts: bool,
}

#[derive(Debug)]
struct Followed {
    told: Snapshot,
    told_at: Instant,
    past_due_since: Option<Instant>,
    over: bool,
    begun: bool,
    /// Start and end of the running cycle.
    cycle: (Instant, Instant),
    moved: Option<Moved>,
    last_moved_full: Option<Instant>,
    /// A boundary passed while it did not count: its return grants in full.
    owed: bool,
    /// A boundary passed while it did not count.
    idle: bool,
    trial_ran: Option<bool>,
    /// Full allowances that may have been due, where seats differ in what they saw.
    unknown: u32,
    /// Of the running stretch.
    quantity: u32,
    allowance: PerKind<Amount>,
    drawn: PerKind<Amount>,
}

impl Fulls {
    /// Follows what one command did: what it posted lies in the ledger from `from` on.
    pub(super) fn follow(&mut self, world: &World, told: Option<&Snapshot>, from: usize) {
        let now = world.ws.decided_at;
        for sub in self.subs.values_mut() {
            sub.advance(now, &world.catalogue);
        }
        if let Some(told) = told {
            let id = told.subscription.to_string();
            match self.subs.get_mut(&id) {
                Some(sub) => sub.tell(told, now, &world.catalogue),
                None => {
                    self.subs.insert(id, Followed::new(told, now, &world.catalogue));
                }
            }
        }
        for entry in &world.ledger[from..] {
            let Some(Pot::Seat(seat)) = &entry.pot else { continue };
            if matches!(entry.reason, Reason::Use | Reason::Adjust) {
                let sub = world.ws.seats[seat].subscription.as_str();
                let drawn = &mut self.subs.get_mut(sub).unwrap().drawn[entry.kind];
                *drawn = drawn.minus(entry.amount);
            }
        }
        for (id, sub) in &mut self.subs {
            for kind in Kind::ALL {
                let most = sub.allowance[kind].checked_mul(sub.quantity).unwrap();
                if sub.drawn[kind] > most && sub.unknown > 0 {
                    sub.unknown -= 1;
                    sub.drawn[kind] = sub.drawn[kind].minus(most);
                }
                assert!(
                    sub.drawn[kind] <= most,
                    "{id}: {} > {most} {kind}\n{sub:#?}",
                    sub.drawn[kind]
                );
            }
        }
    }
}

impl Followed {
    fn new(told: &Snapshot, now: Instant, catalogue: &Catalogue) -> Self {
        let start = told.timeline.start;
        let mut sub = Self {
            told: told.clone(),
            told_at: now,
            past_due_since: None,
            over: false,
            begun: false,
            cycle: (start, start),
            moved: None,
            last_moved_full: None,
            owed: false,
            idle: false,
            trial_ran: None,
            unknown: 0,
            quantity: 0,
            allowance: PerKind::default(),
            drawn: PerKind::default(),
        };
        sub.take_over(told, now);
        if sub.counts_at(now) {
            sub.begin(now, catalogue);
        }
        sub
    }

    /// Whether it counts at an instant, as far as is known.
    fn counts_at(&self, at: Instant) -> bool {
        let late = self.past_due_since.is_some_and(|since| since + GRACE <= at);
        let paid = match self.told.status.unwrap() {
            Status::Active | Status::Trialing => true,
            Status::PastDue => !late,
            Status::Unpaid
            | Status::Paused
            | Status::Incomplete
            | Status::IncompleteExpired
            | Status::Canceled => false,
        };
        let cancelled = self.told.cancel_at.is_some_and(|end| end <= at);
        let started = self.begun || at + AHEAD >= self.told.timeline.start;
        !self.over && paid && !cancelled && started
    }

    /// Time passes: each boundary is a full allowance, but one that a moved anchor took.
    fn advance(&mut self, now: Instant, catalogue: &Catalogue) {
        // It begins by the clock where Stripe told of it ahead of its start.
        let start = self.told.timeline.start;
        let ahead = self.told_at + AHEAD < start;
        if !self.begun && ahead && start <= now && self.counts_at(start) {
            self.begin(start, catalogue);
        }
        while self.begun && self.cycle.1 <= now {
            let counted = self.counts_at(self.cycle.1);
            self.cross(counted, catalogue);
        }
    }

    /// The running cycle's end is crossed while it counts or does not.
    fn cross(&mut self, counted: bool, catalogue: &Catalogue) {
        let at = self.cycle.1;
        let moved = self.moved.take();
        let next = self.told.timeline.next_after(at);
        if moved.is_none_or(|moved| moved.full) {
            if moved.is_some_and(|moved| moved.counts) {
                self.last_moved_full = Some(at);
            }
            self.owed = !counted;
            self.stretch(catalogue);
        }
        // No boundary is posted while it does not count: the cycle's start stays until then.
        self.idle |= !counted;
        self.cycle = (if counted { at } else { self.cycle.0 }, next);
    }

    /// It counts for the first time.
    fn begin(&mut self, at: Instant, catalogue: &Catalogue) {
        let cycle = self.told.timeline.cycle_at(at);
        self.begun = true;
        self.cycle = (cycle.start, cycle.end);
        self.stretch(catalogue);
    }

    /// A full allowance is due to every seat.
    fn stretch(&mut self, catalogue: &Catalogue) {
        self.drawn = PerKind::default();
        self.quantity = 0;
        self.allowance = PerKind::default();
        self.raise(catalogue);
    }

    fn raise(&mut self, catalogue: &Catalogue) {
        let mut quantity = 0;
        for item in &self.told.items {
            let ItemPlan::Plan(plan) = &item.plan else { continue };
            quantity += item.quantity;
            for kind in Kind::ALL {
                let allowance = catalogue.plan(plan).unwrap().limits[kind].allowance();
                self.allowance[kind] = self.allowance[kind].max(allowance);
            }
        }
        self.quantity = self.quantity.max(quantity);
    }

    fn take_over(&mut self, told: &Snapshot, now: Instant) {
        match told.status.unwrap() {
            Status::Active | Status::Trialing => self.past_due_since = None,
            Status::PastDue => {
                self.past_due_since.get_or_insert(told.created.min(now));
            }
            Status::Canceled | Status::IncompleteExpired => self.over = true,
            Status::Unpaid | Status::Paused | Status::Incomplete => {}
        }
        self.told = told.clone();
        self.told_at = now;
        if self.trial_ran.is_none() && told.status == Some(Status::Trialing) {
            self.trial_ran = Some(true);
        }
    }

    /// Stripe says something new.
    fn tell(&mut self, told: &Snapshot, now: Instant, catalogue: &Catalogue) {
        let counted = self.counts_at(now);
        let old = self.told.timeline;
        let empty = self.told.items.iter().all(|item| item.quantity == 0);
        if self.trial_ran == Some(true) && old.first_anchor() <= now {
            self.trial_ran = Some(false);
        }
        self.take_over(told, now);
        if self.begun && old != told.timeline {
            self.move_anchor(old, now, counted, empty);
            if self.cycle.1 <= now {
                // An anchor in the past is met by what counted until now.
                self.cross(counted, catalogue);
            }
        }
        if self.trial_ran == Some(true) && told.status == Some(Status::Active) {
            self.trial_ran = Some(false);
        }
        if self.counts_at(now) {
            self.owed = false;
            if core::mem::take(&mut self.idle) {
                self.cycle.0 = self.told.timeline.cycle_at(now).start;
            }
        }
        if !self.begun && self.counts_at(now) {
            self.begin(now, catalogue);
        }
        self.advance(now, catalogue);
        self.raise(catalogue);
    }

    fn move_anchor(&mut self, old: Timeline, now: Instant, counted: bool, empty: bool) {
        let told = self.told.clone();
        let anchor = told.timeline.first_anchor();
        let in_past = |start: Instant| start < anchor && anchor <= now;
        let past = in_past(self.cycle.0);
        if past != in_past(old.cycle_at(now).start) && !self.owed {
            // Seats that run from before and seats begun since see the anchor differently: one of
            // them may have a boundary now, the others ahead. Both are allowed here, and since
            // either may be the one that counts, one full allowance more than is known.
            self.cycle.1 = told.timeline.next_after(now);
            self.moved = Some(Moved { full: true, counts: false });
            self.drawn = PerKind::default();
            self.unknown += 1;
            return;
        }
        let boundary = if past { anchor } else { told.timeline.next_after(now) };
        if self.owed && !counted && past {
            // The return brings the full allowance that the passed boundary owes, once.
            // Where there was no seat either, nothing was owed, and the anchor may have counted.
            self.unknown += u32::from(empty);
            self.cycle.1 = told.timeline.next_after(now);
            self.moved = None;
            return;
        }
        if boundary == self.cycle.1 {
            return;
        }
        let early = boundary <= now && told.status != Some(Status::Trialing);
        let ends_trial =
            self.trial_ran == Some(true) && (early || told.trial_end == Some(boundary));
        let full = self.last_moved_full.is_none_or(|last| boundary - last >= FULL_ONCE_IN);
        self.moved = Some(Moved { full: full || ends_trial, counts: full && !ends_trial });
        self.cycle.1 = boundary;
    }
}
