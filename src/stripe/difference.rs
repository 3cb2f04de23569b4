//! What Stripe says of a subscription beside our copy of it.

use super::objects::Change;
use creditd_rules::Instant;
use creditd_rules::command::{ItemPlan, Snapshot, SnapshotItem};
use creditd_rules::decide::PLACES_MAX;
use creditd_rules::state::{Item, Subscription};
use serde::Serialize;

/// One field of a subscription, as we have it and as Stripe has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// The field's name, and the kind of drift where the two differ.
    pub kind: &'static str,
    /// As we have it; none where there is nothing.
    pub ours: Option<String>,
    /// As Stripe has it; none where there is nothing.
    pub stripe: Option<String>,
    /// Whether they differ in what creditd goes by.
    pub differs: bool,
}

/// All fields of a subscription beside each other. Where we do not know it yet, all differ.
#[must_use]
pub fn fields(ours: Option<&Subscription>, snapshot: &Snapshot) -> Vec<Field> {
    let items = expected_items(ours, snapshot);
    let status = snapshot.status.or(ours.map(|ours| ours.status));
    let timeline = |instant: Instant| Some(text(instant));
    let rows = [
        (
            "customer",
            ours.map(|ours| ours.customer.to_string()),
            Some(snapshot.customer.to_string()),
        ),
        (
            "status",
            ours.map(|ours| ours.status.as_str().to_owned()),
            status.map(|status| status.as_str().to_owned()),
        ),
        ("item", ours.map(|ours| ids(&ours.items)), Some(ids(&items))),
        ("plan", ours.map(|ours| plans(&ours.items)), Some(plans(&items))),
        ("quantity", ours.map(|ours| quantities(&ours.items)), Some(quantities(&items))),
        (
            "start",
            ours.and_then(|ours| timeline(ours.timeline.start)),
            timeline(snapshot.timeline.start),
        ),
        (
            "anchor",
            ours.and_then(|ours| timeline(ours.timeline.anchor)),
            timeline(snapshot.timeline.anchor),
        ),
        (
            "anchor_day",
            ours.map(|ours| ours.timeline.day.to_string()),
            Some(snapshot.timeline.day.to_string()),
        ),
        ("cancel_at", ours.and_then(|ours| ours.cancel_at).map(text), snapshot.cancel_at.map(text)),
    ];
    // What is over stays as it was when it ended; nothing but a life after it would matter.
    let over = ours.is_some_and(|ours| ours.status.is_final());
    rows.into_iter()
        .map(|(kind, ours, stripe)| {
            let differs = ours != stripe && (!over || kind == "status");
            Field { kind, ours, stripe, differs }
        })
        .collect()
}

/// What a schedule announces beside what we took note of.
#[must_use]
pub fn announced(ours: Option<&Subscription>, change: Option<&Change>) -> Field {
    let held = ours.and_then(|ours| ours.announced.as_ref());
    let held = held.map(|(at, items)| format!("{} {}", text(*at), in_words(items)));
    let change = change.map(|(at, items)| format!("{} {}", text(*at), in_words(&known(items))));
    Field { kind: "schedule", differs: held != change, ours: held, stripe: change }
}

/// The kinds in which a subscription differs; `new` alone for one that is not known.
#[must_use]
pub fn kinds(ours: Option<&Subscription>, fields: &[Field]) -> Vec<&'static str> {
    if ours.is_none() {
        return vec!["new"];
    }
    fields.iter().filter(|field| field.differs).map(|field| field.kind).collect()
}

/// The items that our copy would hold after the snapshot: an item whose price no plan names keeps
/// its old plan, and buys nothing where it is new (R12).
fn expected_items(ours: Option<&Subscription>, snapshot: &Snapshot) -> Vec<Item> {
    let mut open = PLACES_MAX;
    let items = snapshot.items.iter().filter_map(|item| {
        let plan = match &item.plan {
            ItemPlan::Plan(plan) => plan.clone(),
            ItemPlan::NoPlace => return None,
            ItemPlan::Unknown => ours?.items.iter().find(|held| held.id == item.id)?.plan.clone(),
        };
        let quantity = item.quantity.min(open);
        open = open.saturating_sub(quantity);
        Some(Item { id: item.id.clone(), plan, quantity })
    });
    items.collect()
}

fn known(items: &[SnapshotItem]) -> Vec<Item> {
    let known = items.iter().filter_map(|item| match &item.plan {
        ItemPlan::Plan(plan) => {
            let quantity = item.quantity.min(PLACES_MAX);
            Some(Item { id: item.id.clone(), plan: plan.clone(), quantity })
        }
        ItemPlan::NoPlace | ItemPlan::Unknown => None,
    });
    known.collect()
}

/// A price that no plan names leaves an item its old plan (R12), so that it must be the same item.
fn ids(items: &[Item]) -> String {
    joined(items.iter().map(|item| item.id.clone()))
}

fn plans(items: &[Item]) -> String {
    joined(items.iter().map(|item| item.plan.to_string()))
}

fn quantities(items: &[Item]) -> String {
    joined(items.iter().map(|item| item.quantity.to_string()))
}

fn in_words(items: &[Item]) -> String {
    joined(items.iter().map(|item| format!("{} x {}", item.quantity, item.plan)))
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
}

fn text(instant: Instant) -> String {
    instant.format("%FT%T%.fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use creditd_rules::calendar::Timeline;
    use creditd_rules::command::Source;
    use creditd_rules::state::{Status, Told, Trial};

    fn at(seconds: i64) -> Instant {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn snapshot() -> Snapshot {
        let item = |id: &str, plan, quantity| SnapshotItem { id: id.to_owned(), plan, quantity };
        Snapshot {
            subscription: "sub_1".into(),
            customer: "cus_1".into(),
            buyer: None,
            status: Some(Status::Active),
            items: vec![
                item("si_1", ItemPlan::Plan("pro".into()), 2),
                item("si_2", ItemPlan::NoPlace, 0),
                item("si_3", ItemPlan::Unknown, 1),
            ],
            timeline: Timeline::new(at(1_000), at(2_000)),
            trial_end: None,
            cancel_at: None,
            created: at(3_000),
            source: Source::Fetched,
        }
    }

    fn ours() -> Subscription {
        let item = |id: &str, quantity| Item { id: id.to_owned(), plan: "pro".into(), quantity };
        Subscription {
            id: "sub_1".into(),
            customer: "cus_1".into(),
            buyer: None,
            status: Status::Active,
            items: vec![item("si_1", 2), item("si_3", 1)],
            timeline: Timeline::new(at(1_000), at(2_000)),
            past_due_since: None,
            cancel_at: None,
            places_made: 3,
            begun: true,
            trial: Trial::None,
            anchor_full_at: None,
            anchor_move: None,
            announced: None,
            told: Told { created: at(1_000), rank: 0 },
            ended_at: None,
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Subscription, &mut Snapshot), expected: &[&str]) {
        let (mut ours, mut snapshot) = (ours(), snapshot());
        change(&mut ours, &mut snapshot);
        assert_eq!(kinds(Some(&ours), &fields(Some(&ours), &snapshot)), expected);
    }

    #[test]
    fn every_field_that_counts_is_compared() {
        check(|_, _| {}, &[]);
        check(|_, said| said.status = None, &[]);
        check(|_, said| said.status = Some(Status::PastDue), &["status"]);
        check(|_, said| said.items[0].id = "si_9".to_owned(), &["item"]);
        check(|_, said| said.items[0].quantity = 3, &["quantity"]);
        check(|_, said| said.items[0].plan = ItemPlan::Plan("elite".into()), &["plan"]);
        check(
            |_, said| said.timeline = Timeline::new(at(1_000), at(9_000_000)),
            &["anchor", "anchor_day"],
        );
        check(|_, said| said.cancel_at = Some(at(5_000)), &["cancel_at"]);
        check(|_, said| said.customer = "cus_2".into(), &["customer"]);
        check(|ours, _| drop(ours.items.pop()), &[]);
        let new = snapshot();
        assert_eq!(kinds(None, &fields(None, &new)), ["new"]);
    }

    #[test]
    fn what_is_over_differs_only_where_it_lives() {
        let end = |ours: &mut Subscription| ours.status = Status::Canceled;
        check(
            |ours, said| {
                end(ours);
                said.status = Some(Status::Canceled);
                said.cancel_at = Some(at(5_000));
            },
            &[],
        );
        check(|ours, _| end(ours), &["status"]);
    }

    #[test]
    fn an_announcement_is_compared_by_its_instant_and_items() {
        let mut ours = ours();
        let items = |quantity| {
            let plan = ItemPlan::Plan("pro".into());
            vec![SnapshotItem { id: String::new(), plan, quantity }]
        };
        assert!(!announced(Some(&ours), None).differs);
        assert!(announced(Some(&ours), Some(&(at(9_000), items(1)))).differs);
        let held = Item { id: String::new(), plan: "pro".into(), quantity: 1 };
        ours.announced = Some((at(9_000), vec![held]));
        assert!(!announced(Some(&ours), Some(&(at(9_000), items(1)))).differs);
        assert!(announced(Some(&ours), Some(&(at(9_000), items(2)))).differs);
        assert!(announced(Some(&ours), None).differs);
    }
}
