use super::*;
use crate::calendar::instant;
use crate::object::{Card, Recurring};
use crate::request::{ItemChange, NewPrice, NewSubscription, SubscriptionChange};
use crate::version::SPOKEN;
use crate::{Settings, Stripe};

/// An account with one subscription of two seats, bought on 31 January.
fn account() -> (Stripe, String) {
    let now = instant("2026-01-31T10:00:00Z");
    let mut stripe = Stripe::new(Settings { now, ..Settings::default() });
    stripe.create_price(NewPrice::recurring("month", 2_000, Recurring::MONTHLY)).unwrap();
    stripe.create_price(NewPrice::recurring("more", 5_000, Recurring::MONTHLY)).unwrap();
    let customer = stripe.customer_with(Card::Pays, &[]).id.clone();
    let id = stripe.create_subscription(NewSubscription::of(&customer, "month", 2)).unwrap();
    let id = id.id.clone();
    (stripe, id)
}

fn renderer(stripe: &Stripe, version: &str) -> Renderer {
    Renderer::new(&stripe.settings, ApiVersion::parse(version).unwrap())
}

/// Where a subscription has these fields: `x` where it has, `.` where not, for each version.
#[track_caller]
fn check(pointer: &str, expected: &str) {
    let (stripe, id) = account();
    let has = |version| {
        let object = renderer(&stripe, version).subscription(stripe.subscription(&id).unwrap());
        if object.pointer(pointer).is_some() { 'x' } else { '.' }
    };
    assert_eq!(SPOKEN.into_iter().map(has).collect::<String>(), expected, "{pointer}");
}

#[test]
fn fields_come_and_go_with_versions() {
    // 2020, 2022, 2023, 2024, acacia, basil, clover, dahlia, endive
    check("/current_period_end", "xxxxx....");
    check("/items/data/0/current_period_end", ".....xxxx");
    check("/items/data/0/price/id", "xxxxxxxxx");
    check("/items/data/0/plan/id", "xxxxxxxxx");
    check("/plan/id", "xxxxxxxxx");
    check("/discount", "xxxxx....");
    check("/billing_cycle_anchor_config", "..xxxxxxx");
    check("/cancellation_details", ".xxxxxxxx");
    check("/billing_mode", "......xxx");
    check("/billing_schedules", "........x");
    check("/status_details", "........x");
    check("/items/data/0/current_trial", "........x");
}

#[test]
fn an_invoice_names_its_subscription_where_its_version_does() {
    let (stripe, id) = account();
    let invoice = stripe.invoices().iter().next().unwrap();
    for (version, old, new) in [
        ("2020-08-27", true, false),
        ("2025-02-24.acacia", true, true),
        ("2025-03-31.basil", false, true),
    ] {
        let object = renderer(&stripe, version).invoice(invoice);
        let found = object["subscription"] == id.as_str();
        let parent = &object["parent"]["subscription_details"]["subscription"];
        assert_eq!((found, *parent == id.as_str()), (old, new), "{version}");
    }
}

#[test]
fn an_event_shows_what_was_before_and_no_more() {
    let (mut stripe, id) = account();
    let item = stripe.subscription(&id).unwrap().items[0].id.clone();
    let seen = stripe.events().len();
    let change = SubscriptionChange {
        items: vec![ItemChange { quantity: Some(5), ..ItemChange::price(&item, "more") }],
        metadata: vec![("account".into(), "ann".into())],
        ..SubscriptionChange::default()
    };
    stripe.update_subscription(&id, change).unwrap();
    let event = stripe.events_since(seen).next().unwrap().clone();
    let shown = renderer(&stripe, "2025-10-29.clover").event(&event);
    let before = &shown["data"]["previous_attributes"];
    let fields: Vec<_> = before.as_object().unwrap().keys().cloned().collect();
    assert_eq!(fields, ["items", "metadata", "plan", "quantity"]);
    assert_eq!(before["quantity"], 2);
    assert_eq!(before["metadata"], json!({ "account": null }));
    assert_eq!(before["plan"]["id"], "month");
    assert_eq!(before["items"]["data"][0]["quantity"], 2, "lists are shown whole");
    assert_eq!(before["items"].get("url"), None, "and what stayed is not");
    assert_eq!(shown["data"]["object"]["quantity"], 5);
    assert_eq!(shown["api_version"], "2025-10-29.clover");
}

#[test]
fn a_renewal_shows_the_period_where_its_version_keeps_it() {
    let (mut stripe, id) = account();
    let seen = stripe.events().len();
    stripe.advance_to(instant("2026-02-28T10:00:00Z"));
    let event = stripe.events_since(seen).next().unwrap().clone();
    assert_eq!(event.subject.id(), id);
    let before =
        |version| renderer(&stripe, version).event(&event)["data"]["previous_attributes"].clone();
    let (old, new) = (before("2022-11-15"), before("2026-03-25.dahlia"));
    let end = instant("2026-02-28T10:00:00Z").timestamp();
    assert_eq!(old["current_period_end"], end);
    assert_eq!(old.get("items"), None);
    assert_eq!(new["items"]["data"][0]["current_period_end"], end);
}

#[test]
fn a_thin_event_names_its_object_and_its_twin() {
    let (stripe, id) = account();
    let event = stripe.events().iter().find(|event| event.kind == "customer.subscription.created");
    let event = event.unwrap();
    let thin = renderer(&stripe, crate::version::CURRENT).thin_event(event);
    assert_eq!(thin["object"], "v2.core.event");
    assert_eq!(thin["type"], "v1.customer.subscription.created");
    assert_eq!(thin["created"], "2026-01-31T10:00:00.000Z");
    assert_eq!(thin["snapshot_event"], event.id);
    let related =
        json!({ "id": id, "type": "subscription", "url": format!("/v1/subscriptions/{id}") });
    assert_eq!(thin["related_object"], related);
    assert_eq!(thin.get("data"), None);
}

#[test]
fn many_items_come_in_part() {
    let (mut stripe, id) = account();
    stripe.settings.embedded_items = 1;
    let items = vec![ItemChange::new("more", 1)];
    let change = SubscriptionChange { items, ..SubscriptionChange::default() };
    stripe.update_subscription(&id, change).unwrap();
    let object =
        renderer(&stripe, crate::version::CURRENT).subscription(stripe.subscription(&id).unwrap());
    assert_eq!(object["items"]["data"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&object["items"]["has_more"], &object["items"]["total_count"]),
        (&json!(true), &json!(2))
    );
    assert_eq!((&object["plan"], &object["quantity"]), (&Value::Null, &Value::Null));
}
