//! What is due is posted first (R4 to R8), in the order of time: boundaries, ends of seats, of free
//! windows, of days and of grants.
//!
//! All that is due goes through one queue, so that settling late leaves what settling at each
//! instant would have left.

mod post;
mod silent;

use super::Desk;
use super::book::By;
use crate::amount::Amount;
use crate::calendar::{DAY, Instant, later};
use crate::id::{AccountId, GrantId, SeatId};
use crate::plan::Kind;
use crate::state::{Account, Allowance, Free, Seat, SeatStatus, Workspace};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
pub(super) use post::{
    Beginning, Granting, allow, begin, close_window, expire, expire_grant, foresee,
};
pub(super) use silent::{cross_carrying_boundary, note_passed};

/// Something that falls due; at one instant the days come first, so that an end sees them over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// A seat's 24-hour step under a shorter limit is over.
    SeatDay(SeatId, Kind),
    /// A free month's day is over.
    FreeDay(AccountId, Kind),
    /// A boundary, a suspension or an end of a seat.
    Seat(SeatId),
    /// The end of a free window.
    Window(AccountId, Kind),
    /// The end of a grant.
    Grant(GrantId),
}

impl Desk<'_> {
    /// Posts all that is due on what is loaded, once for each instant.
    pub(super) fn settle_all(&mut self) {
        if self.ws.settled_at == Some(self.now) {
            return;
        }
        let mut queue = due_until(self.ws, self.now);
        while let Some((at, due)) = queue.pop_first() {
            match due {
                Due::SeatDay(id, kind) => self.end_seat_day(&id, kind),
                Due::FreeDay(id, kind) => self.end_free_day(&id, kind),
                Due::Window(id, kind) => self.end_window(&id, kind, at),
                Due::Grant(id) => self.end_grant(&id, at, By::Clock),
                Due::Seat(id) => {
                    self.settle_seat_once(&id);
                    let next = self.ws.seats.get(&id).and_then(Seat::due_at);
                    if let Some(next) = next.filter(|next| *next <= self.now) {
                        queue.insert((next, Due::Seat(id)));
                    }
                }
            }
        }
        for seat in self.ws.seats.values_mut() {
            cross_carrying_boundary(seat, self.now);
            silent::forget_announced(seat, self.now);
        }
        for sub in self.ws.subscriptions.values_mut() {
            note_passed(sub, self.now);
        }
        self.ws.settled_at = Some(self.now);
    }

    /// Posts each boundary, suspension and end of one seat that has come, in order.
    pub(super) fn settle_seat(&mut self, id: &SeatId) {
        while self.settle_seat_once(id) {}
    }

    /// Posts the first thing that is due on a seat; whether there was one.
    fn settle_seat_once(&mut self, id: &SeatId) -> bool {
        let Some(seat) = self.ws.seats.get_mut(id) else { return false };
        let Some(at) = seat.due_at().filter(|at| *at <= self.now) else { return false };
        if seat.ends_at == Some(at) {
            self.end_seat(id, at, By::Clock);
        } else if seat.status == SeatStatus::Suspended {
            seat.begins_at = None;
            let beginning = Beginning { now: at, carried: None, by: By::Clock };
            begin(seat, self.catalogue, &mut self.book, &beginning);
            self.arm_holder(id);
        } else if seat.suspends_at() == Some(at) {
            // R11: at the cancel instant itself there is no reset, and nothing is written.
            seat.status = SeatStatus::Suspended;
        } else {
            post::boundary(seat, self.catalogue, &mut self.book, at);
            self.arm_holder(id);
        }
        true
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
        seat.announced = None;
        seat.assigned_at = None;
        if let Some(holder) = seat.holder.take() {
            self.reseat_buyer(&holder, at, by);
        }
    }

    /// A day under a shorter limit is over: what the limit held back can be spent again, which is
    /// a reset to whoever ran out of it (R16).
    fn end_seat_day(&mut self, id: &SeatId, kind: Kind) {
        let Some(seat) = self.ws.seats.get_mut(id).filter(|seat| seat.is_live()) else { return };
        end_day(&mut seat.allowances[kind]);
        let holder = seat.holder.clone().filter(|_| seat.status == SeatStatus::Active);
        if let Some(holder) = holder {
            self.arm(&holder, kind);
        }
    }

    /// The same for a day inside a free month.
    fn end_free_day(&mut self, id: &AccountId, kind: Kind) {
        let Some(account) = self.ws.accounts.get_mut(id) else { return };
        end_day(&mut account.free[kind].allowance);
        self.arm_on_free(id, kind);
    }

    /// A free window's end: the rest expires, and the next draw opens another (R8). Windows of
    /// those who hold a seat end too.
    pub(super) fn end_window(&mut self, id: &AccountId, kind: Kind, at: Instant) {
        let Some(account) = self.ws.accounts.get_mut(id) else { return };
        let Free { window, allowance } = core::mem::take(&mut account.free[kind]);
        let Some(window) = window else { return };
        close_window(&mut self.book, id, kind, &allowance, window, at, By::Clock);
        self.arm_on_free(id, kind);
    }

    /// Arms the telling for an account that spends from its free allowance, not from a seat.
    fn arm_on_free(&mut self, id: &AccountId, kind: Kind) {
        if self.ws.active_seat_of(id).is_none() {
            self.arm(id, kind);
        }
    }

    /// Ends a grant: what is left of it expires.
    pub(super) fn end_grant(&mut self, id: &GrantId, at: Instant, by: By) {
        if let Some(grant) = self.ws.grants.get_mut(id) {
            expire_grant(grant, &mut self.book, at, by);
        }
    }
}

fn end_day(allowance: &mut Allowance) {
    allowance.day_started_at = None;
    allowance.day_used = Amount::ZERO;
}

/// The first thing that is due on each seat, window, day and grant by `now`, in order.
fn due_until(ws: &Workspace, now: Instant) -> BTreeSet<(Instant, Due)> {
    let mut queue = BTreeSet::new();
    let mut add = |at: Option<Instant>, due: &dyn Fn() -> Due| {
        if let Some(at) = at.filter(|at| *at <= now) {
            queue.insert((at, due()));
        }
    };
    for seat in ws.seats.values().filter(|seat| seat.is_live()) {
        add(seat.due_at(), &|| Due::Seat(seat.id.clone()));
        for kind in Kind::ALL {
            add(seat_day_end(seat, kind), &|| Due::SeatDay(seat.id.clone(), kind));
        }
    }
    for account in ws.accounts.values() {
        for kind in Kind::ALL {
            let end = account.free[kind].window.map(|window| window.end);
            add(end, &|| Due::Window(account.id.clone(), kind));
            add(free_day_end(account, kind), &|| Due::FreeDay(account.id.clone(), kind));
        }
    }
    for grant in ws.grants.values().filter(|grant| !grant.ended) {
        add(grant.expires_at, &|| Due::Grant(grant.id.clone()));
    }
    queue
}

/// The next instant at which something falls due on what an account has, and all that does then.
pub(crate) fn next_of(ws: &Workspace, account: &AccountId) -> Option<(Instant, Vec<Due>)> {
    let seat = ws.seat_of(account).map(|seat| &seat.id);
    let grants: BTreeSet<&GrantId> = Kind::ALL
        .into_iter()
        .flat_map(|kind| ws.grants_of(account, kind).map(|grant| &grant.id))
        .collect();
    let theirs = |due: &Due| match due {
        Due::Seat(id) | Due::SeatDay(id, _) => seat == Some(id),
        Due::Window(id, _) | Due::FreeDay(id, _) => id == account,
        Due::Grant(id) => grants.contains(id),
    };
    let mut all = due_until(ws, Instant::MAX_UTC).into_iter().filter(|(_, due)| theirs(due));
    let (at, first) = all.next()?;
    let also = all.take_while(|(then, _)| *then == at).map(|(_, due)| due);
    Some((at, core::iter::once(first).chain(also).collect()))
}

fn seat_day_end(seat: &Seat, kind: Kind) -> Option<Instant> {
    let allowance = &seat.allowances[kind];
    let started = allowance.day_started_at.filter(|_| allowance.limits.cap().is_some())?;
    Some(later(started, DAY))
}

fn free_day_end(account: &Account, kind: Kind) -> Option<Instant> {
    let allowance = &account.free[kind].allowance;
    let started = allowance.day_started_at.filter(|_| allowance.limits.cap().is_some())?;
    Some(later(started, DAY))
}
