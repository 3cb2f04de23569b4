//! What is due is posted first (R4 to R8): boundaries, ends of seats, windows and grants.

use super::Desk;
use super::book::{Book, Line};
use crate::amount::Amount;
use crate::calendar::{Cycle, Instant};
use crate::entry::{Pot, Reason};
use crate::id::{AccountId, GrantId, SeatId};
use crate::plan::{Catalogue, Kind};
use crate::state::{Allowance, Seat, SeatStatus};
use alloc::vec::Vec;

/// Who is told of a line: time, or the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Clock,
    Command,
}

impl Desk<'_> {
    /// Posts all that is due on what is loaded, once for each instant.
    pub(super) fn settle_all(&mut self) {
        if self.ws.settled_at == Some(self.now) {
            return;
        }
        let now = self.now;
        let due = |seat: &&Seat| seat.due_at().is_some_and(|at| at <= now);
        let seats: Vec<SeatId> =
            self.ws.seats.values().filter(due).map(|seat| seat.id.clone()).collect();
        for id in &seats {
            self.settle_seat(id);
        }
        self.close_windows();
        self.end_grants();
        self.ws.settled_at = Some(now);
    }

    /// Posts each boundary, suspension and end of a seat that has come, in order.
    pub(super) fn settle_seat(&mut self, id: &SeatId) {
        loop {
            let Some(seat) = self.ws.seats.get_mut(id) else { return };
            let Some(at) = seat.due_at().filter(|at| *at <= self.now) else { return };
            if seat.ends_at == Some(at) {
                self.end_seat(id, at, By::Clock);
            } else if seat.status == SeatStatus::Suspended {
                seat.begins_at = None;
                begin(seat, self.catalogue, &mut self.book, self.now);
                self.arm_holder(id);
            } else if seat.suspends_at() == Some(at) {
                // R11: at the cancel instant itself there is no reset, and nothing is written.
                seat.status = SeatStatus::Suspended;
            } else {
                boundary(seat, self.catalogue, &mut self.book, at);
                self.arm_holder(id);
            }
        }
    }

    /// Ends a seat for good: the rest expires with its holder named, who then has none.
    pub(super) fn end_seat(&mut self, id: &SeatId, at: Instant, by: By) {
        let Some(seat) = self.ws.seats.get_mut(id) else { return };
        if seat.cycle.is_some() {
            expire(seat, &mut self.book, at, by);
        }
        seat.status = SeatStatus::Ended;
        seat.ends_at = Some(at);
        seat.begins_at = None;
        seat.grace_ends_at = None;
        seat.cancels_at = None;
        seat.next_plan = None;
        seat.assigned_at = None;
        if let Some(holder) = seat.holder.take() {
            self.reseat_buyer(&holder, at);
        }
    }

    /// Closes free windows whose end has come; also of those who hold a seat meanwhile (R8).
    fn close_windows(&mut self) {
        let now = self.now;
        let mut rearm: Vec<(AccountId, Kind)> = Vec::new();
        for account in self.ws.accounts.values_mut() {
            for kind in Kind::ALL {
                let free = &mut account.free[kind];
                let Some(window) = free.window.filter(|window| window.end <= now) else { continue };
                close_window(
                    &mut self.book,
                    &account.id,
                    kind,
                    &free.allowance,
                    window,
                    window.end,
                );
                free.window = None;
                free.allowance = Allowance::default();
                rearm.push((account.id.clone(), kind));
            }
        }
        for (account, kind) in rearm {
            self.arm(&account, kind);
        }
    }

    /// Expires grants whose end has come.
    fn end_grants(&mut self) {
        let now = self.now;
        let over = self
            .ws
            .grants
            .values()
            .filter(|grant| !grant.ended && grant.expires_at.is_some_and(|end| end <= now));
        let over: Vec<(GrantId, Option<Instant>)> =
            over.map(|grant| (grant.id.clone(), grant.expires_at)).collect();
        for (id, end) in over {
            self.expire_grant(&id, end.unwrap_or(now), By::Clock);
        }
    }

    /// Ends a grant: what is left of it expires.
    pub(super) fn expire_grant(&mut self, id: &GrantId, at: Instant, by: By) {
        let Some(grant) = self.ws.grants.get_mut(id) else { return };
        let line = Line {
            pot: Pot::Grant(grant.id.clone()),
            account: Some(&grant.account),
            kind: grant.kind,
            amount: -grant.balance,
            after: Amount::ZERO,
            reason: Reason::Expire,
            cycle_started_at: None,
            effective_at: at,
        };
        write(&mut self.book, line, by);
        grant.balance = Amount::ZERO;
        grant.ended = true;
    }
}

fn write(book: &mut Book<'_>, line: Line<'_>, by: By) {
    match by {
        By::Clock => book.due_line(line),
        By::Command => {
            book.line(line);
        }
    }
}

/// Writes the end of a free window: the rest expires.
pub(super) fn close_window(
    book: &mut Book<'_>, account: &AccountId, kind: Kind, allowance: &Allowance, window: Cycle,
    at: Instant,
) {
    book.due_line(Line {
        pot: Pot::Free(account.clone()),
        account: Some(account),
        kind,
        amount: -allowance.balance,
        after: Amount::ZERO,
        reason: Reason::Expire,
        cycle_started_at: Some(window.start),
        effective_at: at,
    });
}

/// A seat's boundary: what is left expires, and the next cycle's allowance is granted, both kinds.
fn boundary(seat: &mut Seat, catalogue: &Catalogue, book: &mut Book<'_>, at: Instant) {
    expire(seat, book, at, By::Clock);
    if let Some(plan) = seat.next_plan.take() {
        seat.plan = plan;
    }
    let cycle = Cycle { start: at, end: seat.timeline.next_after(at) };
    let carried = core::mem::take(&mut seat.carries_used);
    allow(seat, catalogue, book, &Granting { cycle, at, keeps_used: carried, by: By::Clock });
}

/// A seat's first cycle, the one that contains `now`, in full.
pub(super) fn begin(seat: &mut Seat, catalogue: &Catalogue, book: &mut Book<'_>, now: Instant) {
    let cycle = seat.timeline.cycle_at(now);
    seat.status = SeatStatus::Active;
    let at = cycle.start;
    allow(seat, catalogue, book, &Granting { cycle, at, keeps_used: false, by: By::Command });
}

/// What was left in a seat's running cycle expires, both kinds.
pub(super) fn expire(seat: &mut Seat, book: &mut Book<'_>, at: Instant, by: By) {
    let started = seat.cycle.map(|cycle| cycle.start);
    for kind in Kind::ALL {
        let allowance = &mut seat.allowances[kind];
        let line = Line {
            pot: Pot::Seat(seat.id.clone()),
            account: seat.holder.as_ref(),
            kind,
            amount: -allowance.balance,
            after: Amount::ZERO,
            reason: Reason::Expire,
            cycle_started_at: started,
            effective_at: at,
        };
        write(book, line, by);
        allowance.balance = Amount::ZERO;
    }
}

/// A cycle's allowance that is to be granted to a seat.
pub(super) struct Granting {
    pub(super) cycle: Cycle,
    /// From when it counts.
    pub(super) at: Instant,
    /// What was used stays used: max(0, allowance − used) is granted.
    pub(super) keeps_used: bool,
    pub(super) by: By,
}

/// Grants a seat's plan for a cycle, both kinds, with the limits configured now (R20).
pub(super) fn allow(
    seat: &mut Seat, catalogue: &Catalogue, book: &mut Book<'_>, granting: &Granting,
) {
    let plan = catalogue.plan(&seat.plan);
    for kind in Kind::ALL {
        let allowance = &mut seat.allowances[kind];
        let limits = plan.map_or(allowance.limits, |plan| plan.limits[kind]);
        let used = if granting.keeps_used { allowance.used } else { Amount::ZERO };
        let balance = limits.allowance().less(used);
        *allowance = Allowance { limits, balance, used, ..Allowance::default() };
        let line = Line {
            pot: Pot::Seat(seat.id.clone()),
            account: seat.holder.as_ref(),
            kind,
            amount: balance,
            after: balance,
            reason: Reason::Allowance,
            cycle_started_at: Some(granting.cycle.start),
            effective_at: granting.at,
        };
        write(book, line, granting.by);
    }
    seat.cycle = Some(granting.cycle);
}
