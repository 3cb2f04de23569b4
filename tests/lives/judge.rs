//! What must be so, whatever happened.

use super::Sides;
use super::case::Case;
use super::side::Side;
use chrono::{DateTime, Datelike, Utc};
use creditd::store::Line;
use creditd_rules::Workspace;
use creditd_rules::entry::Entry;
use creditd_rules::state::{Seat, Subscription, Told, Trial};
use fake_stripe::event::Event;
use fake_stripe::object::Subscription as Theirs;
use std::collections::BTreeMap;
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
    let store = &side.inbox.store;
    let depths = store.depths().await.map_err(|cause| cause.to_string())?;
    let waits = store.waits().await.map_err(|cause| cause.to_string())?;
    // Whose a customer was that is deleted, and that nobody was told of before, nobody can say.
    let is_gone = |on: &str| {
        let id = on.strip_prefix("customer:").unwrap_or_default();
        case.stripe(|stripe| stripe.customer(id).is_some_and(|customer| customer.deleted))
    };
    let waits: Vec<_> = waits.iter().filter(|waits| !is_gone(&waits.waits_for)).collect();
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
/// order, nobody can say, and who holds a seat may be given another one in between.
pub(super) fn ended_together(news: &[Arc<Event>]) -> bool {
    let ends = news.iter().filter(|event| event.kind == "customer.subscription.deleted");
    ends.count() > 1
}

/// What is remembered of subscriptions and seats does not differ, but for what only guards, and
/// the instants at which each side learned it.
pub(super) async fn same_state(sides: &Sides) -> Verdict {
    let now = sides.other.inbox.store.now().await.map_err(|cause| cause.to_string())?;
    let orderly = remembered(sides.orderly.team().await, now);
    let other = remembered(sides.other.team().await, now);
    for (orderly, other) in orderly.0.iter().zip(&other.0) {
        same("a subscription", orderly, other)?;
    }
    for (orderly, other) in orderly.1.iter().zip(&other.1) {
        same("a seat", orderly, other)?;
    }
    same("how many there are", &(orderly.0.len(), orderly.1.len()), &(other.0.len(), other.1.len()))
}

fn remembered(team: Workspace, now: DateTime<Utc>) -> (Vec<Subscription>, Vec<Seat>) {
    let mut subs: Vec<_> = team.subscriptions.into_values().collect();
    for sub in &mut subs {
        sub.told = Told { created: DateTime::UNIX_EPOCH, rank: 0 };
        sub.ended_at = None;
        // What was announced for an instant that has passed announces nothing any more.
        sub.announced = sub.announced.take().filter(|(at, _)| *at > now);
        if sub.status.is_final() {
            sub.trial = Trial::None;
        }
        // A moved anchor's first boundary that has passed is noted with the next news.
        if let Some(done) = sub.anchor_move.filter(|moved| moved.boundary <= now) {
            sub.anchor_full_at = Some(done.boundary).filter(|_| done.counts).or(sub.anchor_full_at);
            sub.anchor_move = None;
        }
    }
    let mut seats: Vec<_> = team.seats.into_values().collect();
    for seat in &mut seats {
        seat.assigned_at = None;
        // Which seat meets which of the plans that a schedule announced is decided with any news.
        seat.announced = None;
        seat.ends_at = seat.ends_at.filter(|_| seat.is_live());
    }
    (subs, seats)
}

/// The ledgers are equal entry by entry, apart from numbers, when they were posted, from when a fact
/// was known, and which of several events about it stands as the cause.
pub(super) async fn same_ledger(sides: &Sides) -> Verdict {
    let (orderly, other) = (sides.orderly.ledger().await, sides.other.ledger().await);
    same_lines(&orderly, &other)
}

/// The same of two ledgers.
pub(super) fn same_lines(orderly: &[Line], other: &[Line]) -> Verdict {
    let (orderly, other) = (by_pot(orderly), by_pot(other));
    for (pot, lines) in &orderly {
        let others = other.get(pot).map(Vec::as_slice).unwrap_or_default();
        for (nth, line) in lines.iter().enumerate() {
            let Some(other) = others.get(nth) else {
                return Err(format!("a line of {pot} is missing: {line:?}"));
            };
            same(
                &format!("line {nth} of {pot}"),
                &comparable(line, other),
                &comparable(other, line),
            )?;
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

/// A line without what may differ from `other`: any event of one fact can stand as its cause, only
/// an event tells when it happened, and it counts from when it is known (R11).
fn comparable(line: &Entry, other: &Entry) -> Entry {
    let by_event = |entry: &Entry| entry.cause.as_ref().is_some_and(|by| by.starts_with("evt_"));
    let by_stripe = |entry: &Entry| by_event(entry) || entry.cause.as_deref() == Some("stripe");
    let mut line = line.clone();
    if by_stripe(&line) && by_stripe(other) {
        if !(by_event(&line) && by_event(other)) {
            line.cause_at = None;
        }
        line.cause = Some(String::from("stripe"));
        line.effective_at = DateTime::UNIX_EPOCH;
    }
    line
}

/// Every pot's lines add up to what it holds, and no pot, limit or cycle breaks a rule (R18).
pub(super) async fn books_add_up(side: &Side) -> Verdict {
    let faults = side.inbox.store.verify(&|_, _| {}).await;
    match faults.map_err(|cause| cause.to_string())?.as_slice() {
        [] => Ok(()),
        faults => Err(format!("the books do not add up: {faults:?}")),
    }
}
