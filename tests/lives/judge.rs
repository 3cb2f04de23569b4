//! What must be so, whatever happened.

use super::Sides;
use super::case::Case;
use super::side::{Side, balances};
use chrono::{DateTime, Datelike, Utc};
use creditd::store::Line;
use creditd_rules::Workspace;
use creditd_rules::entry::Entry;
use creditd_rules::state::{Seat, Subscription, Told};
use fake_stripe::event::Event;
use fake_stripe::object::Subscription as Theirs;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

/// What is wrong, in words.
pub(super) type Verdict = Result<(), String>;

/// Two values that must not differ.
pub(super) fn same<T: PartialEq + Debug>(what: &str, orderly: &T, other: &T) -> Verdict {
    match orderly == other {
        true => Ok(()),
        false => Err(format!("{what}:\n   orderly {orderly:?}\n   other   {other:?}")),
    }
}

/// A subscription as we hold it and as Stripe does, in words that can be compared.
#[derive(Debug, PartialEq)]
pub(super) struct Held {
    status: String,
    /// Nothing, where it is over.
    running: Option<Running>,
}

#[derive(Debug, PartialEq)]
struct Running {
    /// Plan and quantity of each item.
    items: Vec<(String, u64)>,
    anchor: DateTime<Utc>,
    day: u32,
    cancel_at: Option<DateTime<Utc>>,
}

impl Held {
    pub(super) fn ours(sub: &Subscription) -> Self {
        let items = sub.items.iter();
        let running = Running {
            items: items.map(|item| (item.plan.to_string(), u64::from(item.quantity))).collect(),
            anchor: sub.timeline.anchor,
            day: sub.timeline.day,
            cancel_at: sub.cancel_at,
        };
        let is_over = sub.status.is_final();
        Self { status: sub.status.as_str().to_owned(), running: (!is_over).then_some(running) }
    }

    pub(super) fn theirs(sub: &Theirs) -> Self {
        let items = sub.items.iter().filter_map(|item| {
            let plan = item.price.id.trim_start_matches("price_").trim_end_matches("_year");
            Some((plan.to_owned(), item.quantity?))
        });
        let day = sub.anchor_config.map_or(sub.anchor.at.day(), |config| config.day_of_month);
        let anchor = sub.anchor.at;
        let running = Running { items: items.collect(), anchor, day, cancel_at: sub.cancel_at };
        Self { status: sub.status.as_str().to_owned(), running: sub.is_live().then_some(running) }
    }
}

/// Status, plans, quantities, anchors and ends are those of the fake, and nothing waits.
pub(super) async fn is_as_stripe_has_it(case: &Case, side: &Side) -> Verdict {
    holds(&case.theirs(), &side.team().await)?;
    nothing_waits(side, |_| false).await
}

/// The same where events were lost. Whose a customer was that is deleted, and that nobody was told
/// of before, Stripe says no more; what names it waits, visibly, for whoever knows (docs/STRIPE.md).
pub(super) async fn is_as_stripe_still_has_it(case: &Case, side: &Side) -> Verdict {
    holds(&case.theirs(), &side.team().await)?;
    let is_gone = |on: &str| {
        let id = on.strip_prefix("customer:").unwrap_or_default();
        case.stripe(|stripe| stripe.customer(id).is_some_and(|customer| customer.deleted))
    };
    nothing_waits(side, is_gone).await
}

/// Nothing waits for anybody but those, and nothing is open.
async fn nothing_waits(side: &Side, but_for: impl Fn(&str) -> bool) -> Verdict {
    let store = &side.inbox.store;
    let depths = store.depths().await.map_err(|cause| cause.to_string())?;
    let waits = store.waits().await.map_err(|cause| cause.to_string())?;
    let waits: Vec<_> = waits.iter().filter(|waits| !but_for(&waits.waits_for)).collect();
    same("whom something waits for", &vec![], &waits)?;
    let is_settled = |state: &str| matches!(state, "done" | "ignored" | "waiting");
    let open = depths.inbox.into_iter().filter(|(state, _)| !is_settled(state));
    let marks = depths.marks.into_iter().filter(|(state, _)| !is_settled(state));
    let marks: Vec<_> = marks.filter(|(_, count)| *count > 0).collect();
    let open: Vec<_> = open.filter(|(_, count)| *count > 0).collect();
    same("what waits", &(vec![], vec![]), &(open, marks))
}

/// Each subscription of Stripe's is held as it is.
pub(super) fn holds(theirs: &[Arc<Theirs>], team: &Workspace) -> Verdict {
    for theirs in theirs {
        let Some(ours) = team.subscriptions.get(theirs.id.as_str()) else {
            // One that nobody told of and that is over would bring nothing.
            same(&format!("{} is known", theirs.id), &false, &theirs.is_live())?;
            continue;
        };
        same(&theirs.id, &Held::theirs(theirs), &Held::ours(ours))?;
    }
    Ok(())
}

/// Whether several subscriptions ended in one second, as they do with their customer. In which
/// order, nobody can say, and who holds a seat may be given another one in between (R12).
pub(super) fn ended_together(news: &[Arc<Event>]) -> bool {
    let ends = news.iter().filter(|event| event.kind == "customer.subscription.deleted");
    ends.count() > 1
}

/// What is remembered and what people can spend does not differ, but for the instants at which each
/// side learned it.
pub(super) async fn same_state(sides: &Sides) -> Verdict {
    let (orderly, other) = (sides.orderly.team().await, sides.other.team().await);
    same("people", &orderly.accounts, &other.accounts)?;
    same("balances", &balances(&orderly), &balances(&other))?;
    same_places(remembered(orderly), remembered(other))
}

/// Nothing differs but who sits where.
pub(super) async fn same_but_for_holders(sides: &Sides) -> Verdict {
    let mut orderly = remembered(sides.orderly.team().await);
    let mut other = remembered(sides.other.team().await);
    for seat in orderly.1.iter_mut().chain(&mut other.1) {
        (seat.holder, seat.assigned_at) = (None, None);
    }
    same_places(orderly, other)
}

fn same_places((subs, seats): Places, (other_subs, other_seats): Places) -> Verdict {
    for (orderly, other) in subs.iter().zip(&other_subs) {
        same("a subscription", orderly, other)?;
    }
    for (orderly, other) in seats.iter().zip(&other_seats) {
        same("a seat", orderly, other)?;
    }
    same("how many there are", &(subs.len(), seats.len()), &(other_subs.len(), other_seats.len()))
}

type Places = (Vec<Subscription>, Vec<Seat>);

/// Subscriptions and seats, without the instants at which they were told of.
fn remembered(team: Workspace) -> Places {
    let now = team.decided_at;
    let mut subs: Vec<_> = team.subscriptions.into_values().collect();
    for sub in &mut subs {
        sub.told = Told { created: DateTime::UNIX_EPOCH, rank: 0 };
        sub.ended_at = None;
    }
    // One that ended and whose cycle is over never returns; it is only listed.
    let returns = |seat: &Seat| seat.cycle.is_some_and(|cycle| now < cycle.end);
    let mut seats: Vec<_> = team.seats.into_values().collect();
    seats.retain(|seat| seat.is_live() || returns(seat));
    in_order_of_assignment(&mut seats);
    for seat in &mut seats {
        seat.ends_at = seat.ends_at.filter(|_| seat.is_live());
    }
    (subs, seats)
}

/// Since when a seat is held decides which of its subscription ends first (R12): the order counts,
/// not the instants.
fn in_order_of_assignment(seats: &mut [Seat]) {
    let key = |seat: &Seat| Some((seat.subscription.clone(), seat.assigned_at?, seat.place));
    let held: BTreeSet<_> = seats.iter().filter_map(key).collect();
    for seat in seats {
        let Some(key) = key(seat) else { continue };
        let before = held.iter().filter(|other| other.0 == key.0 && **other < key).count();
        let nth = i64::try_from(before).unwrap_or(i64::MAX);
        seat.assigned_at = DateTime::from_timestamp(nth, 0);
    }
}

/// When a fact was known on the orderly side, and at the same time or later on the other.
pub(super) type Heard = (DateTime<Utc>, DateTime<Utc>);

/// The ledgers are equal entry by entry, apart from numbers, when they were posted, from when a fact
/// was known, and which of several events about it stands as the cause. Where several subscriptions
/// `ended` in one second, the lines between are left out.
pub(super) async fn same_ledger(sides: &Sides, heard: &[Heard], ended: &[Heard]) -> Verdict {
    let (mut orderly, mut other) = (sides.orderly.ledger().await, sides.other.ledger().await);
    let (here, there): (Vec<_>, Vec<_>) = ended.iter().copied().unzip();
    let is_apart = |line: &Line, ends: &[DateTime<Utc>]| {
        is_by_stripe(&line.entry) && ends.contains(&line.entry.effective_at)
    };
    orderly.retain(|line| !is_apart(line, &here));
    other.retain(|line| !is_apart(line, &there));
    same_lines(&orderly, &other, heard)
}

/// The same of two ledgers.
pub(super) fn same_lines(orderly: &[Line], other: &[Line], heard: &[Heard]) -> Verdict {
    let (orderly, other) = (by_pot(orderly), by_pot(other));
    for (pot, lines) in &orderly {
        let others = other.get(pot).map(Vec::as_slice).unwrap_or_default();
        for (nth, line) in lines.iter().enumerate() {
            let Some(other) = others.get(nth) else {
                return Err(format!("a line of {pot} is missing: {line:?}"));
            };
            let (mut line, other) = (comparable(line, other), comparable(other, line));
            let known = |(first, later): &Heard| {
                (*first, *later) == (line.effective_at, other.effective_at)
            };
            if line.cause.as_deref() == Some("stripe") && heard.iter().any(known) {
                line.effective_at = other.effective_at;
            }
            same(&format!("line {nth} of {pot}"), &line, &other)?;
        }
        if let Some(more) = others.get(lines.len()) {
            return Err(format!("a line of {pot} is too many: {more:?}"));
        }
    }
    same("the pots", &orderly.len(), &other.len())
}

fn by_pot(lines: &[Line]) -> BTreeMap<String, Vec<&Entry>> {
    let mut pots: BTreeMap<String, Vec<&Entry>> = BTreeMap::new();
    for Line { entry, .. } in lines {
        pots.entry(format!("{:?} {:?}", entry.pot, entry.kind)).or_default().push(entry);
    }
    pots
}

/// A line without what may differ from `other`: any event of one fact can stand as its cause, and
/// only an event tells when it happened (R11).
fn comparable(line: &Entry, other: &Entry) -> Entry {
    let mut line = line.clone();
    if is_by_stripe(&line) && is_by_stripe(other) {
        if !(is_by_event(&line) && is_by_event(other)) {
            line.cause_at = None;
        }
        line.cause = Some(String::from("stripe"));
    }
    line
}

fn is_by_event(entry: &Entry) -> bool {
    entry.cause.as_ref().is_some_and(|by| by.starts_with("evt_"))
}

fn is_by_stripe(entry: &Entry) -> bool {
    is_by_event(entry) || entry.cause.as_deref() == Some("stripe")
}

/// Every pot's lines add up to what it holds, and no pot, limit or cycle breaks a rule (R18).
pub(super) async fn books_add_up(side: &Side) -> Verdict {
    let faults = side.inbox.store.verify(&|_, _| {}).await;
    match faults.map_err(|cause| cause.to_string())?.as_slice() {
        [] => Ok(()),
        faults => Err(format!("the books do not add up: {faults:?}")),
    }
}
