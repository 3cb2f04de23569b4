use super::*;
use crate::object::table::Object;
use crate::request::{NewCheckout, Payment};
use crate::seed::Seed;
use std::collections::HashMap;

/// Events tell all: whoever follows them, and looks at nothing else, knows every subscription.
#[test]
fn events_lead_from_each_state_to_the_next_and_end_at_what_is() {
    for seed in 0..300 {
        let stripe = random_life(seed);
        let mut known: HashMap<String, Arc<Subscription>> = HashMap::new();
        let mut last = instant("2026-01-01T00:00:00Z");
        for event in stripe.events().iter() {
            assert!(event.created >= last, "seed {seed}: {}", told(&stripe));
            last = event.created;
            let Subject::Subscription(sub) = &event.subject else { continue };
            if event.kind == "customer.subscription.updated" {
                let Some(Subject::Subscription(before)) = &event.before else {
                    panic!("{event:?}")
                };
                // That its end was announced is nothing that a subscription shows.
                let mut before = Subscription::clone(before);
                before.trial_end_told = known[sub.id()].trial_end_told;
                assert_eq!(before, *known[sub.id()], "seed {seed}: nothing was left out");
            }
            known.insert(sub.id.clone(), Arc::clone(sub));
        }
        for sub in stripe.subscriptions().iter() {
            let mut shown = Subscription::clone(&known[sub.id()]);
            shown.trial_end_told = sub.trial_end_told;
            assert_eq!(shown, **sub, "seed {seed}");
        }
    }
}

/// The periods of what runs hold the present, whatever was done to it.
#[test]
fn what_runs_is_in_its_period() {
    for seed in 300..600 {
        let stripe = random_life(seed);
        for sub in stripe.subscriptions().iter().filter(|sub| sub.status.renews()) {
            for item in &sub.items {
                let holds = item.period_start <= stripe.now() && stripe.now() < item.period_end;
                assert!(holds, "seed {seed}: {sub:?}\n{}", told(&stripe));
            }
        }
    }
}

fn told(stripe: &Stripe) -> String {
    let words: Vec<_> = stripe.events().iter().map(|event| word(event)).collect();
    words.join("\n")
}

fn random_life(seed: u64) -> Stripe {
    let settings = Settings { seed, now: instant("2026-01-31T10:00:00Z"), ..Settings::default() };
    let mut stripe = prices(settings);
    let mut chance = Seed::new(seed ^ 0xfade);
    let customer = stripe.customer_with(Card::Pays, &[]).id.clone();
    let mut new = NewSubscription::of(&customer, "month", 2);
    new.trial_period_days = Some(10).filter(|_| chance.chance(30));
    new.flexible = Some(chance.chance(50));
    let id = stripe.create_subscription(new).unwrap().id.clone();
    for _ in 0..12 {
        step(&mut stripe, &mut chance, &customer, &id);
        let hours = i64::try_from(chance.below(24 * 25)).unwrap();
        stripe.advance(chrono::TimeDelta::hours(hours));
    }
    stripe
}

fn step(stripe: &mut Stripe, chance: &mut Seed, customer: &str, id: &str) {
    let item = stripe.subscription(id).unwrap().items[0].id.clone();
    let price = ["month", "more", "year", "week"][chance.below(4)];
    let mut change = SubscriptionChange::default();
    match chance.below(10) {
        0 => change.items = vec![ItemChange::price(&item, price)],
        1 => change.items = vec![ItemChange::quantity(&item, 1 + chance.draw() % 5)],
        2 => change.resets_anchor = true,
        3 => change.cancel_at_period_end = Some(chance.chance(30)),
        4 => change.items = vec![ItemChange::new(price, 1)],
        5 => {
            return stripe
                .set_card(customer, [Card::Pays, Card::Declines][chance.below(2)])
                .unwrap();
        }
        6 => return drop(stripe.pause_subscription(id)),
        7 => return drop(stripe.resume_subscription(id, chance.chance(50))),
        8 => {
            let end = stripe.now() + chrono::TimeDelta::days(9);
            change.trial_end = Some(crate::request::When::At(end));
        }
        _ => change.metadata = vec![("n".into(), chance.draw().to_string())],
    }
    // Some are refused where the life has come to an end; that is part of it.
    drop(stripe.update_subscription(id, change));
}

#[test]
fn a_checkout_makes_customer_and_subscription_and_is_then_complete() {
    let mut stripe = prices(Settings::default());
    let new = NewCheckout {
        line_items: vec![("month".into(), 3)],
        client_reference_id: Some("ann".into()),
        customer_email: Some("ann@example.com".into()),
        ..NewCheckout::default()
    };
    let session = stripe.create_checkout(new).unwrap();
    let seen = stripe.events().len();
    let done = stripe.complete_checkout(&session.id, Payment::Card(Card::Pays)).unwrap();
    let told: Vec<_> =
        stripe.events_since(seen).map(|event| word(event)[12..].to_owned()).collect();
    assert_eq!(
        told,
        [
            "customer.created",
            "sub.created incomplete",
            "invoice.created draft",
            "invoice.finalized open",
            "invoice.paid paid",
            "invoice.payment_succeeded paid",
            "sub.updated active",
            "checkout.session.completed",
        ]
    );
    let sub = stripe.subscription(done.subscription.as_deref().unwrap()).unwrap();
    assert_eq!((sub.items[0].quantity, done.paid), (Some(3), true));
    let customer = stripe.customer(done.customer.as_deref().unwrap()).unwrap();
    assert_eq!(customer.email.as_deref(), Some("ann@example.com"));
    assert_eq!(stripe.expire_checkout(&session.id).unwrap_err().status, 400);
}

#[test]
fn a_test_clock_moves_only_what_follows_it() {
    let mut life = Life::at("2026-01-31T10:00:00Z");
    let clock = life.stripe.create_test_clock(instant("2020-01-31T00:00:00Z"), None).id.clone();
    let new = crate::request::CustomerChange {
        test_clock: Some(clock.clone()),
        payment: crate::request::Patch::Set(Payment::Card(Card::Pays)),
        ..Default::default()
    };
    let customer = life.stripe.create_customer(new).unwrap().id.clone();
    let id = life
        .stripe
        .create_subscription(NewSubscription::of(&customer, "month", 1))
        .unwrap()
        .id
        .clone();
    life.stripe.advance_test_clock(&clock, instant("2020-03-01T00:00:00Z")).unwrap();
    let sub = life.stripe.subscription(&id).unwrap();
    assert_eq!(sub.items[0].period_start, instant("2020-02-29T00:00:00Z"));
    life.check_period("2026-01-31T10:00:00Z", "2026-02-28T10:00:00Z");
    life.to("2026-03-01T00:00:00Z");
    assert_eq!(
        life.stripe.subscription(&id).unwrap().items[0].period_start,
        instant("2020-02-29T00:00:00Z")
    );
    let back = life.stripe.advance_test_clock(&clock, instant("2020-02-01T00:00:00Z"));
    assert_eq!(back.unwrap_err().status, 400);
}
