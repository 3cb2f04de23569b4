//! What must be so, whatever happened.

use super::Sides;
use super::case::Case;
use super::side::Side;
use chrono::{DateTime, Datelike, Utc};
use creditd::store::Line;
use creditd_rules::Workspace;
use creditd_rules::entry::Entry;
use creditd_rules::state::{Seat, Subscription};
use fake_stripe::object::Subscription as Theirs;
use std::collections::BTreeMap;
use std::fmt::Debug;

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
struct Held {
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
    fn ours(sub: &Subscription) -> Self {
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

    fn theirs(sub: &Theirs) -> Self {
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
    let team = side.team().await;
    let theirs: Vec<_> = case.stripe(|stripe| stripe.subscriptions().iter().cloned().collect());
    for theirs in theirs {
        let ours = team.subscriptions.get(theirs.id.as_str());
        let ours = ours.ok_or_else(|| format!("{} is not known", theirs.id))?;
        same(&theirs.id, &Held::theirs(&theirs), &Held::ours(ours))?;
    }
    let depths = side.inbox.store.depths().await.map_err(|cause| cause.to_string())?;
    let open = depths.inbox.into_iter().filter(|(state, _)| !matches!(*state, "done" | "ignored"));
    let marks: Vec<_> = depths.marks.into_iter().filter(|(_, count)| *count > 0).collect();
    let open: Vec<_> = open.filter(|(_, count)| *count > 0).collect();
    same("what waits", &(vec![], vec![]), &(open, marks))
}

/// What is remembered of subscriptions and seats does not differ, but for what only guards.
pub(super) async fn same_state(sides: &Sides) -> Verdict {
    let parts = |team: Workspace| -> (Vec<Subscription>, Vec<Seat>) {
        let mut subs: Vec<_> = team.subscriptions.into_values().collect();
        for sub in &mut subs {
            sub.told.created = DateTime::UNIX_EPOCH;
        }
        (subs, team.seats.into_values().collect())
    };
    let (orderly, other) = (parts(sides.orderly.team().await), parts(sides.other.team().await));
    for (orderly, other) in orderly.0.iter().zip(&other.0) {
        same("a subscription", orderly, other)?;
    }
    for (orderly, other) in orderly.1.iter().zip(&other.1) {
        same("a seat", orderly, other)?;
    }
    same("how many there are", &(orderly.0.len(), orderly.1.len()), &(other.0.len(), other.1.len()))
}

/// The ledgers are equal entry by entry, apart from numbers, when they were posted, and which of
/// several events about one fact stands as the cause.
pub(super) async fn same_ledger(sides: &Sides) -> Verdict {
    let (orderly, other) = (sides.orderly.ledger().await, sides.other.ledger().await);
    same_lines(&orderly, &other)
}

fn same_lines(orderly: &[Line], other: &[Line]) -> Verdict {
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

/// A line without what may differ from `other`: any event of one fact can stand as its cause, and
/// only an event tells when it happened.
fn comparable(line: &Entry, other: &Entry) -> Entry {
    let by_event = |entry: &Entry| entry.cause.as_ref().is_some_and(|by| by.starts_with("evt_"));
    let by_stripe = |entry: &Entry| by_event(entry) || entry.cause.as_deref() == Some("stripe");
    let mut line = line.clone();
    if by_stripe(&line) && by_stripe(other) {
        if !(by_event(&line) && by_event(other)) {
            line.cause_at = None;
        }
        line.cause = Some(String::from("stripe"));
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
