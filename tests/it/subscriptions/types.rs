//! Every type of event that Stripe is asked to send, and checkouts.

use super::{BOUGHT, GRANTED, Shop, Way, each_way};
use crate::asked::all;
use crate::engine::{Engine, on_each_engine};
use creditd::store::EventState;
use fake_stripe::ApiVersion;
use fake_stripe::object::Card;
use fake_stripe::render::Renderer;
use fake_stripe::request::{NewCheckout, NewSchedule, Payment};
use serde_json::{Value, json};

on_each_engine! {
    on threads:
    every_type_is_dealt_with_and_none_adds_credit_by_itself
    what_a_checkout_sells_seats_its_buyer_once_it_is_paid
}

/// The types of the manual, refunds and the catalogue; the object that each is about.
const TYPES: [(&str, &str); 30] = [
    ("checkout.session.async_payment_failed", "session"),
    ("checkout.session.async_payment_succeeded", "session"),
    ("checkout.session.completed", "session"),
    ("customer.created", "customer"),
    ("customer.updated", "customer"),
    ("customer.subscription.created", "subscription"),
    ("customer.subscription.paused", "subscription"),
    ("customer.subscription.pending_update_applied", "subscription"),
    ("customer.subscription.pending_update_expired", "subscription"),
    ("customer.subscription.resumed", "subscription"),
    ("customer.subscription.trial_will_end", "subscription"),
    ("customer.subscription.updated", "subscription"),
    ("invoice.created", "invoice"),
    ("invoice.upcoming", "invoice"),
    ("invoice.paid", "invoice"),
    ("invoice.payment_action_required", "invoice"),
    ("invoice.payment_failed", "invoice"),
    ("subscription_schedule.aborted", "schedule"),
    ("subscription_schedule.canceled", "schedule"),
    ("subscription_schedule.completed", "schedule"),
    ("subscription_schedule.created", "schedule"),
    ("subscription_schedule.expiring", "schedule"),
    ("subscription_schedule.released", "schedule"),
    ("subscription_schedule.updated", "schedule"),
    ("charge.refunded", "charge"),
    ("refund.created", "charge"),
    ("charge.dispute.created", "charge"),
    ("price.updated", "price"),
    ("product.deleted", "price"),
    ("charge.succeeded", "nothing"),
];

async fn every_type_is_dealt_with_and_none_adds_credit_by_itself(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.buys(&[("price_starter", 1)]).await;
        shop.until("2026-03-11T00:00:00Z").await;
        let from = Some(shop.sub.clone());
        let new = NewSchedule { from_subscription: from, ..NewSchedule::default() };
        shop.does(|stripe, _| drop(stripe.create_schedule(new).unwrap())).await;
        let new = NewCheckout {
            line_items: vec![(String::from("price_builder"), 1)],
            customer: Some(shop.customer.clone()),
            ..NewCheckout::default()
        };
        shop.does(|stripe, _| drop(stripe.create_checkout(new).unwrap())).await;
        let before = shop.daemon.ledger("ann").await;
        let object = |stripe: &fake_stripe::Stripe, of: &str| {
            let renderer = Renderer::new(&stripe.settings, ApiVersion::default());
            match of {
                "session" => renderer.checkout(stripe.checkouts().iter().next().unwrap()),
                "customer" => renderer.customer(stripe.customers().iter().next().unwrap()),
                "subscription" => {
                    renderer.subscription(stripe.subscriptions().iter().next().unwrap())
                }
                "invoice" => renderer.invoice(stripe.invoices().iter().next().unwrap()),
                "schedule" => renderer.schedule(stripe.schedules().iter().next().unwrap()),
                "price" => renderer.price(stripe.prices().iter().next().unwrap()),
                _ => json!({ "id": "ch_1", "object": of }),
            }
        };
        for (kind, of) in TYPES {
            let told = shop.does(|stripe, _| stripe.tell(kind, object(stripe, of))).await;
            let id = if shop.way == Way::Asked { &told.thin_id } else { &told.id };
            let kept = shop.store.event(id).await.unwrap().unwrap();
            let expected = if of == "nothing" { EventState::Ignored } else { EventState::Done };
            assert_eq!(kept.event.state, expected, "{kind}: {:?}", kept.event.note);
        }
        assert_eq!(shop.daemon.ledger("ann").await, before);
        assert_eq!(shop.daemon.alerts("refund").await, 3);
        assert_eq!(shop.daemon.alerts("event_type_unknown").await, 1);
        for state in [EventState::Parked, EventState::Waiting, EventState::Pending] {
            let rows = shop.store.events(Some(state), &all()).await.unwrap().rows;
            assert_eq!(rows, [], "{state:?}");
        }
    })
    .await;
}

/// The buyer is named by the metadata of the subscription, of the session, or by its reference; the
/// customer is made by the checkout and says nothing.
async fn what_a_checkout_sells_seats_its_buyer_once_it_is_paid(engine: Engine) {
    for named_by in ["subscription", "session", "reference"] {
        each_way(engine, BOUGHT, async |shop: &mut Shop| {
            let named = [(String::from("account"), String::from("ann"))];
            let mut new = NewCheckout {
                line_items: vec![(String::from("price_starter"), 1)],
                ..NewCheckout::default()
            };
            match named_by {
                "subscription" => new.subscription_metadata = named.into(),
                "session" => new.metadata = named.into(),
                _ => new.client_reference_id = Some(String::from("ann")),
            }
            let session = shop.does(|stripe, _| stripe.create_checkout(new).unwrap()).await;
            shop.is("ann", "free: 0 used, 5 left").await;
            shop.does(|stripe, _| {
                stripe.complete_checkout(&session.id, Payment::Card(Card::Pays)).unwrap();
            })
            .await;
            shop.is("ann", "starter: 0 used, 100 left").await;
            shop.has_lines("ann", &[GRANTED]).await;
            let waiting = EventState::Waiting;
            let rows = shop.store.events(Some(waiting), &all()).await.unwrap().rows;
            assert_eq!(rows, [], "what waited was released");
            let customers = shop.daemon.done(&["customers", "list", "--json"]);
            let customers: Value = serde_json::from_str(&customers).unwrap();
            assert_eq!(customers["customers"][0]["workspace"], "team");
        })
        .await;
    }
}
