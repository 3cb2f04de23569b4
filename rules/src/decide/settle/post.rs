//! The lines that ends and beginnings write.

use crate::amount::Amount;
use crate::calendar::{Cycle, Instant};
use crate::decide::book::{Book, By, Line};
use crate::entry::{Pot, Reason};
use crate::id::AccountId;
use crate::plan::{Catalogue, Kind, PerKind};
use crate::state::{Allowance, Grant, Seat, SeatStatus};

/// Writes the end of a free window: the rest expires.
pub(in crate::decide) fn close_window(
    book: &mut Book<'_>, account: &AccountId, kind: Kind, allowance: &Allowance, window: Cycle,
    at: Instant, by: By,
) {
    let line = Line {
        pot: Pot::Free(account.clone()),
        account: Some(account),
        kind,
        amount: allowance.balance.negated(),
        after: Amount::ZERO,
        reason: Reason::Expire,
        cycle_started_at: Some(window.start),
        effective_at: at,
    };
    book.line_by(line, by);
}

/// Ends a grant: what is left of it expires.
pub(in crate::decide) fn expire_grant(grant: &mut Grant, book: &mut Book<'_>, at: Instant, by: By) {
    let line = Line {
        pot: Pot::Grant(grant.id.clone()),
        account: Some(&grant.account),
        kind: grant.kind,
        amount: grant.balance.negated(),
        after: Amount::ZERO,
        reason: Reason::Expire,
        cycle_started_at: None,
        effective_at: at,
    };
    book.line_by(line, by);
    grant.balance = Amount::ZERO;
    grant.ended = true;
}

/// A seat's boundary: what is left expires, and the next cycle's allowance is granted, both kinds.
pub(super) fn boundary(seat: &mut Seat, catalogue: &Catalogue, book: &mut Book<'_>, at: Instant) {
    expire(seat, book, at, By::Clock);
    if let Some(plan) = seat.next_plan.take() {
        seat.plan = plan;
    }
    let cycle = Cycle { start: at, end: seat.timeline.next_after(at) };
    let keeps_used = core::mem::take(&mut seat.carries_used);
    let granting = Granting { cycle, at, keeps_used, keeps_limits: false, by: By::Clock };
    allow(seat, catalogue, book, &granting);
    foresee(seat, catalogue);
}

/// Where a schedule announced a lower plan for the running cycle's end, the boundary there brings
/// it (R10). It stays noted until then, as what the schedule brings and not a change waited for.
pub(in crate::decide) fn foresee(seat: &mut Seat, catalogue: &Catalogue) {
    let Some((at, plan)) = &seat.announced else { return };
    let Some(end) = seat.cycle.map(|cycle| cycle.end) else { return };
    let heading = seat.next_plan.as_ref().unwrap_or(&seat.plan);
    if *at < end {
        seat.announced = None;
    } else if *at == end && catalogue.rank(plan) < catalogue.rank(heading) {
        seat.next_plan = Some(plan.clone());
    }
}

/// A seat's first cycle, the one that contains `now`: in full, or less what is carried over from
/// a subscription before (R6, R12).
pub(in crate::decide) fn begin(
    seat: &mut Seat, catalogue: &Catalogue, book: &mut Book<'_>, beginning: &Beginning,
) {
    let cycle = seat.timeline.cycle_at(beginning.now);
    if let Some(used) = beginning.carried {
        seat.allowances =
            PerKind::from_fn(|kind| Allowance { used: used[kind], ..Allowance::default() });
    }
    let granting = Granting {
        cycle,
        at: cycle.start,
        keeps_used: beginning.carried.is_some(),
        keeps_limits: false,
        by: beginning.by,
    };
    seat.status = SeatStatus::Active;
    allow(seat, catalogue, book, &granting);
    foresee(seat, catalogue);
}

/// How a seat begins.
#[derive(Debug, Clone, Copy)]
pub(in crate::decide) struct Beginning {
    pub(in crate::decide) now: Instant,
    /// What counts as used from the outset.
    pub(in crate::decide) carried: Option<PerKind<Amount>>,
    pub(in crate::decide) by: By,
}

/// What was left in a seat's running cycle expires, both kinds.
pub(in crate::decide) fn expire(seat: &mut Seat, book: &mut Book<'_>, at: Instant, by: By) {
    let started = seat.cycle.map(|cycle| cycle.start);
    for kind in Kind::ALL {
        let allowance = &mut seat.allowances[kind];
        let line = Line {
            pot: Pot::Seat(seat.id.clone()),
            account: seat.holder.as_ref(),
            kind,
            amount: allowance.balance.negated(),
            after: Amount::ZERO,
            reason: Reason::Expire,
            cycle_started_at: started,
            effective_at: at,
        };
        book.line_by(line, by);
        allowance.balance = Amount::ZERO;
    }
}

/// A cycle's allowance that is to be granted to a seat.
pub(in crate::decide) struct Granting {
    pub(in crate::decide) cycle: Cycle,
    /// From when it counts.
    pub(in crate::decide) at: Instant,
    /// What was used stays used: max(0, allowance − used) is granted.
    pub(in crate::decide) keeps_used: bool,
    /// The cycle goes on with the limits that it was granted with (R20).
    pub(in crate::decide) keeps_limits: bool,
    pub(in crate::decide) by: By,
}

/// Grants a seat's plan for a cycle, both kinds, with the limits configured now (R20).
pub(in crate::decide) fn allow(
    seat: &mut Seat, catalogue: &Catalogue, book: &mut Book<'_>, granting: &Granting,
) {
    let plan = catalogue.plan(&seat.plan).filter(|_| !granting.keeps_limits);
    for kind in Kind::ALL {
        let before = seat.allowances[kind];
        let limits = plan.map_or(before.limits, |plan| plan.limits[kind]);
        let mut allowance = Allowance::full(limits);
        if granting.keeps_used {
            allowance = Allowance { limits, ..before };
            allowance.balance = limits.allowance().less(before.used);
        }
        seat.allowances[kind] = allowance;
        let line = Line {
            pot: Pot::Seat(seat.id.clone()),
            account: seat.holder.as_ref(),
            kind,
            amount: allowance.balance,
            after: allowance.balance,
            reason: Reason::Allowance,
            cycle_started_at: Some(granting.cycle.start),
            effective_at: granting.at,
        };
        book.line_by(line, granting.by);
    }
    seat.cycle = Some(granting.cycle);
}
