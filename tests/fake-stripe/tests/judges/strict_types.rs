//! The types of async-stripe, generated from Stripe's own description of its API: a required field
//! that is missing, and a word that is not known, are mistakes of ours.

use chrono::TimeDelta;
use fake_stripe::calendar::instant;
use fake_stripe::event::Subject;
use fake_stripe::life::Life;
use fake_stripe::object::{Card, Recurring};
use fake_stripe::render::Renderer;
use fake_stripe::request::{NewCheckout, NewPrice, Payment};
use fake_stripe::{ApiVersion, Settings, Stripe};
use miniserde::json;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Debug;

/// Reads an object; what the types call unknown is a mistake, too.
#[track_caller]
fn read<T: miniserde::Deserialize + Debug>(object: &Value) -> T {
    let text = object.to_string();
    let read: T = json::from_str(&text).unwrap_or_else(|_| panic!("refused: {text}"));
    let shown = format!("{read:?}");
    assert!(!shown.contains("Unknown("), "{shown}");
    read
}

fn check(renderer: &Renderer, subject: &Subject) {
    let object = renderer.subject(subject);
    match subject {
        Subject::Subscription(sub) => {
            let read: stripe_shared::Subscription = read(&object);
            assert_eq!(read.id.as_str(), sub.id);
            assert_eq!(read.status.as_str(), sub.status.as_str());
            assert_eq!(read.billing_cycle_anchor, sub.anchor.at.timestamp());
            assert_eq!(read.cancel_at, sub.cancel_at.map(|at| at.timestamp()));
            let ends: Vec<_> = read.items.data.iter().map(|item| item.current_period_end).collect();
            let expected: Vec<_> =
                sub.items.iter().map(|item| item.period_end.timestamp()).collect();
            assert_eq!(ends, expected);
        }
        Subject::Customer(_) => drop(read::<stripe_shared::Customer>(&object)),
        Subject::PaymentMethod(_) => drop(read::<stripe_shared::PaymentMethod>(&object)),
        Subject::Product(_) => drop(read::<stripe_shared::Product>(&object)),
        Subject::Price(_) => drop(read::<stripe_shared::Price>(&object)),
        Subject::Schedule(_) => drop(read::<stripe_shared::SubscriptionSchedule>(&object)),
        Subject::Invoice(_) => drop(read::<stripe_shared::Invoice>(&object)),
        Subject::Checkout(_) => drop(read::<stripe_shared::CheckoutSession>(&object)),
        Subject::TestClock(_) => drop(read::<stripe_shared::TestHelpersTestClock>(&object)),
        // The types of invoice items are another part of the SDK.
        Subject::InvoiceItem(_) | Subject::Other(_) => {}
    }
}

fn check_events(stripe: &Stripe, kinds: &mut BTreeSet<String>) {
    let renderer = Renderer::new(&stripe.settings, ApiVersion::default());
    for event in stripe.events().iter() {
        let read: stripe_shared::Event = read(&renderer.event(event));
        assert_eq!(read.id.as_str(), event.id);
        assert_eq!(read.type_.as_str(), event.kind);
        check(&renderer, &event.subject);
        kinds.insert(event.kind.clone());
    }
}

#[test]
fn generated_types_read_every_object_of_random_lives() {
    let mut kinds = BTreeSet::new();
    for seed in 0..100 {
        let now = instant("2026-01-31T10:00:00Z");
        let mut stripe = Stripe::new(Settings { seed, now, ..Settings::default() });
        let mut life = Life::new(&mut stripe, seed, &[("account", "ann")]);
        for _ in 0..15 {
            life.step(&mut stripe);
            life.pass(&mut stripe, TimeDelta::days(20));
        }
        check_events(&stripe, &mut kinds);
    }
    assert!(kinds.len() > 20, "{kinds:?}");
}

#[test]
fn generated_types_read_checkouts_clocks_and_written_invoices() {
    let mut stripe = Stripe::new(Settings::default());
    let recurring = Recurring::MONTHLY;
    stripe.create_price(NewPrice::recurring("price_starter", 2_000, recurring)).unwrap();
    let session = stripe.create_checkout(NewCheckout {
        line_items: vec![("price_starter".into(), 3)],
        customer_email: Some("ann@example.com".into()),
        ..NewCheckout::default()
    });
    stripe.complete_checkout(&session.unwrap().id, Payment::Card(Card::Pays)).unwrap();
    let customer = stripe.customers().iter().next().unwrap().id.clone();
    stripe.attach("pm_card_visa", &customer).unwrap();
    stripe.create_invoice_item(&customer, 700, "usd", None).unwrap();
    let invoice = stripe.create_invoice(&customer, None, false).unwrap().id.clone();
    stripe.pay_invoice(&invoice, Some("pm_card_visa")).unwrap();
    let clock = stripe.create_test_clock(instant("2020-01-01T00:00:00Z"), None).id.clone();
    stripe.advance_test_clock(&clock, instant("2020-03-01T00:00:00Z")).unwrap();
    check_events(&stripe, &mut BTreeSet::new());
}
