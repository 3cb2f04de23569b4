//! What lies ahead of an account: what its next credits are taken from, and what the next instants
//! bring. For people who ask why somebody ran out.
//!
//! Nothing is told here that is not done elsewhere: [`order_of_use`] is what debits draw by, and the
//! turns ahead are found by settling a copy of the workspace, as the daemon will.

use crate::amount::Amount;
use crate::calendar::Instant;
use crate::decide::{Due, fits_at, next_of, settle_for_reading};
use crate::entry::{Entry, Pot, Reason};
use crate::id::{AccountId, ActionId, GrantId, PlanId, SeatId};
use crate::plan::{Catalogue, FreeWindow, Kind};
use crate::state::{Account, Seat, SeatStatus, Workspace};
use crate::view::{GrantView, SeatView, Standing, grants_left, standing};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use chrono::{DateTime, Utc};

/// The most things that are looked at to find the turns that were asked for: those of a suspended
/// seat's days, say, are none.
const LOOKS_MAX: usize = 1_000;

/// One pot that a draw takes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// The seat's allowance, or the free one.
    Allowance,
    /// A grant.
    Grant(GrantId),
}

/// The pots that an account spends from, what dies soonest first (R14), and what each has to give,
/// in state that is settled at `now`.
pub(crate) fn order_of_use(
    ws: &Workspace, account: &AccountId, kind: Kind, catalogue: &Catalogue, now: Instant,
) -> Vec<(Source, Amount)> {
    let Some(person) = ws.accounts.get(account) else { return Vec::new() };
    let standing = standing(ws, person, kind, catalogue, now);
    let mut sources: Vec<(Option<Instant>, u8, Instant, Source, Amount)> = ws
        .grants_of(account, kind)
        .map(|grant| {
            let source = Source::Grant(grant.id.clone());
            (grant.expires_at, 1, grant.created_at, source, grant.balance)
        })
        .collect();
    let end = Some(standing.ends_at);
    sources.push((end, 0, now, Source::Allowance, standing.remaining()));
    sources.sort_by(|a, b| {
        let end = |end: Option<Instant>| end.unwrap_or(Instant::MAX_UTC);
        (end(a.0), a.0.is_none(), a.1, a.2).cmp(&(end(b.0), b.0.is_none(), b.1, b.2))
    });
    sources.into_iter().map(|(.., source, available)| (source, available)).collect()
}

/// What lies ahead of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Outlook {
    /// The account.
    pub account: AccountId,
    /// The instant for which this holds.
    pub as_of: DateTime<Utc>,
    /// The plan that counts for it now.
    pub plan: PlanId,
    /// The seat that it holds, suspended ones too.
    pub seat: Option<SeatView>,
    /// Message credits.
    pub message: KindOutlook,
    /// Integration credits.
    pub integration: KindOutlook,
    /// The next instants that change what it has, first one first.
    pub turns: Vec<Turn>,
}

/// What lies ahead of one kind of credit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct KindOutlook {
    /// What can be spent now: the sum of what the parts give.
    pub spendable: Amount,
    /// What the next credits are taken from, in this order (R14). What is empty is left out.
    pub next: Vec<Part>,
    /// What was refused first since there was last something to spend (R16).
    pub refused: Option<Refused>,
}

/// One pot that the next credits are taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Part {
    /// The pot: `seat/…`, `free/…` or `grant/…`.
    pub pot: String,
    /// What it gives now.
    pub available: Amount,
    /// What lies in it beyond that, which the day's limit holds back.
    pub held_back: Amount,
    /// When the day's limit counts anew; none where nothing is held back.
    pub more_at: Option<DateTime<Utc>>,
    /// When what is left in it is gone; null for never, and for a window that is not open.
    pub ends_at: Option<DateTime<Utc>>,
    /// It is a free window that the next draw opens.
    pub opens: bool,
    /// The grant, where it is one.
    pub grant: Option<GrantView>,
}

/// A refusal, and when it would be none.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Refused {
    /// The action.
    pub action: ActionId,
    /// What it would have cost.
    pub needed: Amount,
    /// What could be spent.
    pub left: Amount,
    /// When.
    pub at: DateTime<Utc>,
    /// The first instant from now on at which it fits if nothing else is spent; null if none is in
    /// sight.
    pub fits_at: Option<DateTime<Utc>>,
}

/// An instant that changes what an account has, as it will be if nothing is spent until then.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Turn {
    /// When.
    pub at: DateTime<Utc>,
    /// What happens.
    pub what: Vec<Event>,
    /// The plan that counts from then on.
    pub plan: PlanId,
    /// Message credits.
    pub message: Moved,
    /// Integration credits.
    pub integration: Moved,
}

/// What an instant does to one kind of credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Moved {
    /// What is gone, unused.
    pub expires: Amount,
    /// What comes.
    pub granted: Amount,
    /// What can be spent from then on.
    pub spendable: Amount,
}

/// What happens to an account at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Event {
    /// The seat's cycle ends and the next one begins (R4).
    Reset(SeatId),
    /// The seat begins to count.
    SeatBegins(SeatId),
    /// The seat stops counting; it keeps everything, and its holder is on free (R11).
    SeatSuspends(SeatId),
    /// The seat ends.
    SeatEnds(SeatId),
    /// Another seat comes to the account, which bought it.
    SeatComes(SeatId),
    /// A day under a shorter limit ends (R14).
    DayEnds(Kind),
    /// The free window ends (R8).
    WindowEnds(Kind),
    /// A grant ends.
    GrantEnds(GrantId),
}

/// What lies ahead of an account in state that is settled at `now`, with up to `turns` instants.
///
/// The workspace should be loaded with its whole team: whose seat ends may be given another.
#[must_use]
pub fn outlook(
    workspace: &Workspace, account: &Account, catalogue: &Catalogue, now: Instant, turns: usize,
) -> Outlook {
    let ahead = |kind| kind_outlook(workspace, account, kind, catalogue, now);
    Outlook {
        account: account.id.clone(),
        as_of: now,
        plan: plan_of(workspace, &account.id, catalogue),
        seat: workspace.seat_of(&account.id).map(SeatView::of),
        message: ahead(Kind::Message),
        integration: ahead(Kind::Integration),
        turns: turns_ahead(workspace, &account.id, catalogue, turns),
    }
}

fn kind_outlook(
    ws: &Workspace, account: &Account, kind: Kind, catalogue: &Catalogue, now: Instant,
) -> KindOutlook {
    let allowance = standing(ws, account, kind, catalogue, now);
    let next = order_of_use(ws, &account.id, kind, catalogue, now)
        .into_iter()
        .filter_map(|(source, available)| match source {
            Source::Allowance => allowance_part(ws, account, &allowance, available, catalogue),
            Source::Grant(id) => grant_part(ws, &id, available),
        })
        .filter(|part| !part.available.is_zero() || !part.held_back.is_zero())
        .collect();
    let refused = account.run_out[kind].first_refusal.as_ref().map(|refusal| Refused {
        action: refusal.action.clone(),
        needed: refusal.needed,
        left: refusal.left,
        at: refusal.at,
        fits_at: fits_at(ws, catalogue, (&account.id, kind), refusal.needed, now),
    });
    KindOutlook { spendable: spendable(ws, account, kind, catalogue, now), next, refused }
}

fn allowance_part(
    ws: &Workspace, account: &Account, allowance: &Standing, available: Amount,
    catalogue: &Catalogue,
) -> Option<Part> {
    let pot = match ws.active_seat_of(&account.id) {
        Some(seat) => Pot::Seat(seat.id.clone()),
        None => Pot::Free(account.id.clone()),
    };
    let held_back = allowance.allowance.balance.less(available);
    let never = allowance.ends_at == Instant::MAX_UTC;
    let opens = allowance.span.is_none() && catalogue.policy.free_window == FreeWindow::FirstUse;
    Some(Part {
        pot: pot.to_string(),
        available,
        held_back,
        more_at: allowance.day.map(|day| day.end).filter(|_| !held_back.is_zero()),
        ends_at: Some(allowance.ends_at).filter(|_| !never && !opens),
        opens,
        grant: None,
    })
}

fn grant_part(ws: &Workspace, id: &GrantId, available: Amount) -> Option<Part> {
    let grant = ws.grants.get(id)?;
    Some(Part {
        pot: Pot::Grant(id.clone()).to_string(),
        available,
        held_back: Amount::ZERO,
        more_at: None,
        ends_at: grant.expires_at,
        opens: false,
        grant: Some(GrantView::of(grant)),
    })
}

/// The next instants, found by settling a copy at each.
fn turns_ahead(
    workspace: &Workspace, account: &AccountId, catalogue: &Catalogue, count: usize,
) -> Vec<Turn> {
    let mut ahead = workspace.clone();
    let mut turns = Vec::new();
    for _ in 0..LOOKS_MAX {
        if turns.len() >= count {
            break;
        }
        let Some((at, due)) = next_of(&ahead, account) else { break };
        let before = ahead.clone();
        let lines = settle_for_reading(&mut ahead, catalogue, at);
        let what = events(&before, &ahead, account, due);
        if !what.is_empty() {
            turns.extend(turn(&ahead, account, catalogue, at, what, &lines));
        }
    }
    turns
}

fn turn(
    ws: &Workspace, account: &AccountId, catalogue: &Catalogue, at: Instant, what: Vec<Event>,
    lines: &[Entry],
) -> Option<Turn> {
    let person = ws.accounts.get(account)?;
    let sum = |kind, reason| -> Amount {
        let of_them = |line: &&Entry| {
            line.account.as_ref() == Some(account) && line.kind == kind && line.reason == reason
        };
        lines.iter().filter(of_them).map(|line| line.amount).sum()
    };
    let moved = |kind| Moved {
        expires: sum(kind, Reason::Expire).negated(),
        granted: sum(kind, Reason::Allowance),
        spendable: spendable(ws, person, kind, catalogue, at),
    };
    Some(Turn {
        at,
        what,
        plan: plan_of(ws, account, catalogue),
        message: moved(Kind::Message),
        integration: moved(Kind::Integration),
    })
}

/// What falls due, as what it does to the account.
fn events(before: &Workspace, after: &Workspace, account: &AccountId, due: Vec<Due>) -> Vec<Event> {
    let held = before.seat_of(account);
    let mut events: Vec<Event> = due
        .into_iter()
        .filter_map(|due| match due {
            Due::Seat(id) => seat_event(held?, after.seats.get(&id)?),
            Due::SeatDay(_, kind) => {
                let counts = held.is_some_and(|seat| seat.status == SeatStatus::Active);
                counts.then_some(Event::DayEnds(kind))
            }
            Due::FreeDay(_, kind) => Some(Event::DayEnds(kind)),
            Due::Window(_, kind) => Some(Event::WindowEnds(kind)),
            Due::Grant(id) => Some(Event::GrantEnds(id)),
        })
        .collect();
    let comes = after.seat_of(account).filter(|seat| held.is_none_or(|held| held.id != seat.id));
    events.extend(comes.map(|seat| Event::SeatComes(seat.id.clone())));
    events
}

fn seat_event(before: &Seat, after: &Seat) -> Option<Event> {
    let id = after.id.clone();
    match (before.status, after.status) {
        (_, SeatStatus::Ended) => Some(Event::SeatEnds(id)),
        (SeatStatus::Active, SeatStatus::Suspended) => Some(Event::SeatSuspends(id)),
        (SeatStatus::Active, SeatStatus::Active) => Some(Event::Reset(id)),
        (SeatStatus::Suspended, SeatStatus::Active) => Some(Event::SeatBegins(id)),
        (SeatStatus::Suspended, SeatStatus::Suspended) | (SeatStatus::Ended, _) => None,
    }
}

fn plan_of(ws: &Workspace, account: &AccountId, catalogue: &Catalogue) -> PlanId {
    let seat = ws.active_seat_of(account);
    seat.map_or_else(|| catalogue.free().id.clone(), |seat| seat.plan.clone())
}

fn spendable(
    ws: &Workspace, account: &Account, kind: Kind, catalogue: &Catalogue, now: Instant,
) -> Amount {
    let remaining = standing(ws, account, kind, catalogue, now).remaining();
    remaining.plus(grants_left(ws, &account.id, kind))
}
