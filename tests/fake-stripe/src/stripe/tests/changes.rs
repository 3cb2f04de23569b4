use super::*;
use crate::object::subscription::{PauseBehavior, PauseCollection};
use crate::request::Patch;

const BOUGHT: &str = "2026-01-31T10:00:00Z";
const CHANGED: &str = "2026-03-10T00:00:00Z";

#[test]
fn price_and_quantity_change_at_once_and_leave_the_period() {
    let mut life = Life::at(BOUGHT);
    life.to(CHANGED).told();
    let item = life.item();
    life.update(|change| {
        change.items = vec![ItemChange { quantity: Some(3), ..ItemChange::price(&item, "more") }];
    });
    assert_eq!(life.told(), ["03-10 00:00 sub.updated active"]);
    life.check_period("2026-02-28T10:00:00Z", "2026-03-31T10:00:00Z");
    let sub = life.sub();
    assert_eq!((sub.items[0].price.id.as_str(), sub.items[0].quantity), ("more", Some(3)));
    assert_eq!((sub.items[0].id.as_str(), sub.anchor.at), (item.as_str(), instant(BOUGHT)));
}

#[test]
fn the_anchor_moves_when_asked_and_in_classic_mode_with_the_interval() {
    let yearly = |life: &mut Life| {
        let item = life.item();
        life.update(|change| change.items = vec![ItemChange::price(&item, "year")]);
    };
    for (flexible, anchor, start, end) in [
        (true, BOUGHT, BOUGHT, "2027-01-31T10:00:00Z"),
        (false, CHANGED, CHANGED, "2027-03-10T00:00:00Z"),
    ] {
        let settings = Settings { now: instant(BOUGHT), flexible, ..Settings::default() };
        let mut life = Life::with(settings, Card::Pays, |_| {});
        life.to(CHANGED);
        yearly(&mut life);
        assert_eq!(life.sub().anchor.at, instant(anchor), "flexible: {flexible}");
        life.check_period(start, end);
    }
    let mut life = Life::at(BOUGHT);
    life.to(CHANGED).update(|change| change.resets_anchor = true);
    life.check_period(CHANGED, "2026-04-10T00:00:00Z");
    assert_eq!((life.sub().anchor.at, life.sub().start_date), (instant(CHANGED), instant(BOUGHT)));
}

#[test]
fn items_come_go_and_are_replaced() {
    let mut life = Life::at(BOUGHT);
    life.to(CHANGED);
    let first = life.item();
    life.update(|change| {
        change.items = vec![ItemChange::new("more", 2), ItemChange::new("metered", 1)]
    });
    let (_, end) = life.period();
    let items: Vec<_> =
        life.sub().items.iter().map(|item| (item.price.id.clone(), item.quantity)).collect();
    assert_eq!(
        items,
        [("month".into(), Some(1)), ("more".into(), Some(2)), ("metered".into(), None)]
    );
    assert!(life.sub().items.iter().all(|item| item.period_end == end));
    life.update(|change| change.items = vec![ItemChange::removal(&first)]);
    assert_eq!(life.sub().items.len(), 2);
    let change = SubscriptionChange {
        items: life.sub().items.iter().map(|item| ItemChange::removal(&item.id)).collect(),
        ..SubscriptionChange::default()
    };
    let fault = life.stripe.update_subscription(&life.id.clone(), change).unwrap_err();
    assert_eq!((fault.status, life.sub().items.len()), (400, 2), "one item must stay");
}

#[test]
fn paused_collection_goes_on_without_charges_until_it_is_resumed() {
    for (behavior, becomes) in [
        (PauseBehavior::KeepAsDraft, "02-28 10:00 invoice.created draft"),
        (PauseBehavior::Void, "02-28 11:00 invoice.voided void"),
        (
            PauseBehavior::MarkUncollectible,
            "02-28 11:00 invoice.marked_uncollectible uncollectible",
        ),
    ] {
        let mut life = Life::at(BOUGHT);
        life.to("2026-02-10T00:00:00Z").update(|change| {
            let resumes_at = Some(instant("2026-03-15T00:00:00Z"));
            change.pause_collection = Patch::Set(PauseCollection { behavior, resumes_at });
        });
        life.billed();
        life.to("2026-03-14T00:00:00Z");
        assert_eq!(life.status(), "active");
        assert_eq!(life.billed().last().map(String::as_str), Some(becomes));
        life.check_period("2026-02-28T10:00:00Z", "2026-03-31T10:00:00Z");
        life.to("2026-03-16T00:00:00Z");
        assert_eq!(life.told(), ["03-15 00:00 sub.updated active"]);
        assert_eq!(life.sub().pause_collection, None);
    }
}

#[test]
fn metadata_is_merged_and_cleared() {
    let mut life = Life::at(BOUGHT);
    let pair = |key: &str, text: &str| (key.to_owned(), text.to_owned());
    life.update(|change| change.metadata = vec![pair("a", "1"), pair("b", "2")]);
    life.update(|change| change.metadata = vec![pair("a", "")]);
    assert_eq!(
        life.sub().metadata.iter().collect::<Vec<_>>(),
        [(&"b".to_owned(), &"2".to_owned())]
    );
    life.update(|change| change.clears_metadata = true);
    assert!(life.sub().metadata.is_empty());
    life.told();
    life.update(|_| {});
    assert_eq!(life.told(), [""; 0], "what changes nothing tells nothing");
}

#[test]
fn what_has_ended_or_not_begun_does_not_change() {
    let mut life = Life::at(BOUGHT);
    let id = life.id.clone();
    life.stripe.cancel_subscription(&id, Default::default()).unwrap();
    let reset = SubscriptionChange { resets_anchor: true, ..SubscriptionChange::default() };
    assert_eq!(life.stripe.update_subscription(&id, reset.clone()).unwrap_err().status, 400);
    life.update(|change| change.metadata = vec![("a".into(), "1".into())]);
    let mut life = Life::with(Settings::default(), Card::Declines, |_| {});
    assert_eq!(life.stripe.update_subscription(&life.id.clone(), reset).unwrap_err().status, 400);
}
