//! Debits (R1 to R3, R8, R14, R16).

use super::Desk;
use super::book::Line;
use crate::amount::Amount;
use crate::calendar::{Cycle, DAY, Instant, later};
use crate::command::Rejection;
use crate::entry::{Entry, Pot, Reason};
use crate::id::{AccountId, ActionId, AppId, GrantId, UseId};
use crate::outlook::{Source, order_of_use};
use crate::plan::{Action, Class, Kind};
use crate::state::{Allowance, Refusal, Workspace};
use crate::view::{Standing, UseView, grants_left, new_window, standing};
use alloc::string::String;

/// A debit as it was asked for.
pub(super) struct Order<'a> {
    pub(super) id: &'a UseId,
    pub(super) action: &'a ActionId,
    pub(super) account: Option<&'a str>,
    pub(super) app: Option<&'a AppId>,
    pub(super) quantity: u32,
}

/// The most resets that are looked at to find when a refused action would fit: the days of a month
/// under a daily cap, and some.
const RESETS_AHEAD: usize = 40;

impl Desk<'_> {
    pub(super) fn spend(&mut self, order: &Order<'_>) -> Result<UseView, Rejection> {
        let action = self
            .catalogue
            .action(order.action)
            .ok_or_else(|| Rejection::UnknownAction(order.action.clone()))?;
        let payer = self.payer(action, order)?;
        let class = self.class_of(&payer);
        let price = action.cost_for(class);
        let cost = price.checked_mul(order.quantity).ok_or(Rejection::CostTooLarge)?;
        let kind = action.kind;

        let template = Entry {
            pot: None,
            account: Some(payer.clone()),
            use_id: Some(order.id.clone()),
            kind,
            amount: Amount::ZERO,
            pot_after: None,
            reason: Reason::Use,
            cycle_started_at: None,
            effective_at: self.now,
            actor: order.account.map(String::from),
            app: order.app.cloned(),
            action: Some(action.id.clone()),
            price: Some(price),
            cause: None,
            cause_at: None,
        };
        if cost.is_zero() {
            self.book.entry(template);
            return Ok(self.used(order.id, &payer, kind, cost));
        }
        let spendable = self.spendable(&payer, kind);
        if spendable < cost {
            return Err(self.refuse(&payer, action, cost, spendable));
        }
        self.draw(&payer, kind, cost, |entry| merge(&template, entry));
        if self.spendable(&payer, kind).is_zero() {
            self.ran_out(&payer, kind);
        } else {
            self.warn_early(&payer, kind);
        }
        Ok(self.used(order.id, &payer, kind, cost))
    }

    /// Who pays (R2): the acting account, or the owner of the app as it is now.
    fn payer(&self, action: &Action, order: &Order<'_>) -> Result<AccountId, Rejection> {
        let payer = match action.kind {
            Kind::Message => AccountId::from(
                order.account.ok_or_else(|| Rejection::AccountMissing(action.id.clone()))?,
            ),
            Kind::Integration => {
                let app = order.app.ok_or_else(|| Rejection::AppMissing(action.id.clone()))?;
                let app = self.ws.apps.get(app);
                let named = || order.app.cloned().unwrap_or_else(|| AppId::from(""));
                app.ok_or_else(|| Rejection::AppNotFound(named()))?.owner.clone()
            }
        };
        self.open_account(&payer)?;
        Ok(payer)
    }

    fn class_of(&self, account: &AccountId) -> Class {
        let seat = self.ws.active_seat_of(account);
        let plan = seat.and_then(|seat| self.catalogue.plan(&seat.plan));
        match (seat, plan) {
            (_, Some(plan)) => plan.class,
            (Some(_), None) => Class::Paid,
            (None, None) => Class::Free,
        }
    }

    fn used(&self, id: &UseId, payer: &AccountId, kind: Kind, cost: Amount) -> UseView {
        let (remaining, resets_at) = match self.ws.accounts.get(payer) {
            Some(person) => {
                let standing = standing(self.ws, person, kind, self.catalogue, self.now);
                (standing.remaining(), standing.span.map(|_| standing.ends_at))
            }
            None => (Amount::ZERO, None),
        };
        let spendable = self.spendable(payer, kind);
        UseView {
            id: id.clone(),
            payer: payer.clone(),
            kind,
            cost,
            remaining,
            spendable,
            resets_at,
        }
    }

    /// Takes `cost`, which must be covered, in R14's order; `line` completes each entry.
    pub(super) fn draw(
        &mut self, account: &AccountId, kind: Kind, cost: Amount, line: impl Fn(Entry) -> Entry,
    ) {
        let mut open = cost;
        for (source, available) in order_of_use(self.ws, account, kind, self.catalogue, self.now) {
            let part = available.min(open);
            if part.is_zero() {
                continue;
            }
            open = open.minus(part);
            let entry = match source {
                Source::Allowance => self.draw_allowance(account, kind, part),
                Source::Grant(id) => self.draw_grant(&id, part),
            };
            if let Some(entry) = entry {
                self.book.entry(line(entry));
            }
        }
        debug_assert!(open.is_zero(), "a draw is covered before it begins");
    }

    fn draw_allowance(&mut self, account: &AccountId, kind: Kind, part: Amount) -> Option<Entry> {
        let now = self.now;
        let seat = self.ws.active_seat_of(account).map(|seat| seat.id.clone());
        let (pot, allowance, cycle, day) = if let Some(id) = seat {
            let seat = self.ws.seats.get_mut(&id)?;
            let day = seat.day_at(now);
            (Pot::Seat(id), &mut seat.allowances[kind], seat.cycle, day)
        } else {
            let window = self.open_window(account, kind)?;
            let free = &mut self.ws.accounts.get_mut(account)?.free[kind];
            let day = free_day_for_draw(&free.allowance, now);
            (Pot::Free(account.clone()), &mut free.allowance, Some(window), day)
        };
        take(allowance, part, day);
        Some(bare_entry(
            pot,
            account,
            kind,
            part.negated(),
            allowance.balance,
            cycle.map(|c| c.start),
            now,
        ))
    }

    /// The free window to draw on; the first draw opens it and grants its allowance (R8).
    fn open_window(&mut self, account: &AccountId, kind: Kind) -> Option<Cycle> {
        let person = self.ws.accounts.get_mut(account)?;
        if let Some(window) = person.free[kind].window {
            return Some(window);
        }
        let limits = self.catalogue.free().limits[kind];
        let window = new_window(person, limits, self.catalogue.policy.free_window, self.now);
        let free = &mut person.free[kind];
        free.window = Some(window);
        free.allowance = Allowance::full(limits);
        let granted = free.allowance.balance;
        self.book.line(Line {
            pot: Pot::Free(account.clone()),
            account: Some(account),
            kind,
            amount: granted,
            after: granted,
            reason: Reason::Allowance,
            cycle_started_at: Some(window.start),
            effective_at: window.start,
        });
        self.arm(account, kind);
        Some(window)
    }

    fn draw_grant(&mut self, id: &GrantId, part: Amount) -> Option<Entry> {
        let grant = self.ws.grants.get_mut(id)?;
        grant.balance = grant.balance.minus(part);
        let pot = Pot::Grant(grant.id.clone());
        Some(bare_entry(
            pot,
            &grant.account,
            grant.kind,
            part.negated(),
            grant.balance,
            None,
            self.now,
        ))
    }

    /// Refuses a debit that is not covered; the first one that a reset cures is a run-out (R16).
    fn refuse(
        &mut self, payer: &AccountId, action: &Action, needed: Amount, spendable: Amount,
    ) -> Rejection {
        let kind = action.kind;
        let remaining = spendable.less(grants_left(self.ws, payer, kind));
        let resets_at = self.fits_at(payer, kind, needed);
        if resets_at.is_some() {
            self.ran_out(payer, kind);
        }
        let refusal = Refusal { action: action.id.clone(), needed, left: spendable, at: self.now };
        if let Some(person) = self.ws.accounts.get_mut(payer) {
            person.run_out[kind].first_refusal.get_or_insert(refusal);
        }
        Rejection::CreditsExhausted { kind, needed, remaining, spendable, resets_at }
    }

    /// The first instant at which `needed` could be spent if nothing else were; none if no reset
    /// in sight brings enough.
    pub(super) fn fits_at(&self, payer: &AccountId, kind: Kind, needed: Amount) -> Option<Instant> {
        if self.most_ahead(payer, kind) < needed {
            return None;
        }
        let mut ahead = self.alone(payer)?;
        let mut now = self.now;
        for _ in 0..RESETS_AHEAD {
            let person = ahead.accounts.get(payer)?;
            now = next_gain(
                &ahead,
                &standing(&ahead, person, kind, self.catalogue, now),
                payer,
                now,
            )?;
            super::settle_for_reading(&mut ahead, self.catalogue, now);
            let person = ahead.accounts.get(payer)?;
            let left = standing(&ahead, person, kind, self.catalogue, now).remaining();
            if left.plus(grants_left(&ahead, payer, kind)) >= needed {
                return Some(now);
            }
        }
        None
    }

    /// More than what any cycle in sight can bring: the largest allowance that may come, and what
    /// is left in grants now. It spares those who ask for too much the look ahead.
    fn most_ahead(&self, payer: &AccountId, kind: Kind) -> Amount {
        let seat = self.ws.seat_of(payer);
        let announced = seat.and_then(|seat| seat.announced.as_ref()).map(|(_, plan)| plan);
        let plans =
            [seat.map(|seat| &seat.plan), seat.and_then(|seat| seat.next_plan.as_ref()), announced];
        let limits = plans.into_iter().flatten().filter_map(|plan| self.catalogue.plan(plan));
        let granted = seat.map(|seat| seat.allowances[kind].limits);
        let most = limits
            .map(|plan| plan.limits[kind])
            .chain(granted)
            .chain([self.catalogue.free().limits[kind]])
            .map(|limits| limits.allowance())
            .max();
        most.unwrap_or(Amount::ZERO).plus(grants_left(self.ws, payer, kind))
    }

    /// A copy of the workspace with one account in it, to look ahead on.
    fn alone(&self, account: &AccountId) -> Option<Workspace> {
        let mut alone = Workspace::new(self.ws.id.clone());
        let person = self.ws.accounts.get(account)?.clone();
        if let Some(seat) = self.ws.seat_of(account) {
            alone.seats.insert(seat.id.clone(), seat.clone());
        }
        for kind in Kind::ALL {
            for grant in self.ws.grants_of(account, kind) {
                alone.grants.insert(grant.id.clone(), grant.clone());
            }
        }
        alone.accounts.insert(account.clone(), person);
        Some(alone)
    }
}

/// The next instant at which an account may have more to spend than now.
fn next_gain(
    ws: &Workspace, standing: &Standing, payer: &AccountId, now: Instant,
) -> Option<Instant> {
    let day = standing.day.map(|day| day.end);
    let span = standing.span.map(|_| standing.ends_at);
    let seat = ws.seat_of(payer).and_then(crate::state::Seat::due_at);
    [day, span, seat].into_iter().flatten().filter(|at| *at > now).min()
}

/// Books a draw on an allowance, and on its day: a plan with a shorter limit may follow (R9).
fn take(allowance: &mut Allowance, part: Amount, day: Option<Cycle>) {
    allowance.balance = allowance.balance.minus(part);
    allowance.used = allowance.used.plus(part);
    let started = day.map(|day| day.start);
    if allowance.day_started_at != started {
        allowance.day_started_at = started;
        allowance.day_used = Amount::ZERO;
    }
    allowance.day_used = allowance.day_used.plus(part);
}

/// The day that a draw on a free month counts in; it opens at its own first draw (R14).
fn free_day_for_draw(allowance: &Allowance, now: Instant) -> Option<Cycle> {
    allowance.limits.cap()?;
    let day = |start| Cycle { start, end: later(start, DAY) };
    let running = allowance.day_started_at.map(day).filter(|day| now < day.end);
    Some(running.unwrap_or(day(now)))
}

fn bare_entry(
    pot: Pot, account: &AccountId, kind: Kind, amount: Amount, after: Amount,
    cycle_started_at: Option<Instant>, now: Instant,
) -> Entry {
    Entry {
        pot: Some(pot),
        account: Some(account.clone()),
        use_id: None,
        kind,
        amount,
        pot_after: Some(after),
        reason: Reason::Use,
        cycle_started_at,
        effective_at: now,
        actor: None,
        app: None,
        action: None,
        price: None,
        cause: None,
        cause_at: None,
    }
}

/// The drawn entry with what the debit's template says of actor, app, action and price.
fn merge(template: &Entry, drawn: Entry) -> Entry {
    Entry {
        use_id: template.use_id.clone(),
        actor: template.actor.clone(),
        app: template.app.clone(),
        action: template.action.clone(),
        price: template.price,
        ..drawn
    }
}
