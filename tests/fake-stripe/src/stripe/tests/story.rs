use super::*;
use crate::object::Status;
use crate::object::table::Object;
use crate::request::{NewCheckout, Payment};
use crate::seed::Seed;
use crate::stripe::AfterRetries;
use std::collections::HashMap;

/// Events tell all: whoever follows them, and looks at nothing else, knows every subscription.
#[test]
fn events_lead_from_each_state_to_the_next_and_end_at_what_is() {
    for seed in 0..1_000 {
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

/// Lives are not all alike: every status is reached, and every kind of event is told.
#[test]
fn random_lives_reach_every_status() {
    let mut reached = std::collections::BTreeSet::new();
    let mut kinds = std::collections::BTreeSet::new();
    for seed in 0..200 {
        for event in random_life(seed).events().iter() {
            kinds.insert(event.kind.clone());
            if let Subject::Subscription(sub) = &event.subject {
                reached.insert(sub.status);
            }
        }
    }
    let all: std::collections::BTreeSet<_> = Status::ALL.into_iter().collect();
    assert_eq!(reached, all);
    for kind in ["pending_update_applied", "pending_update_expired", "resumed", "trial_will_end"] {
        assert!(kinds.contains(&format!("customer.subscription.{kind}")), "{kind} in {kinds:?}");
    }
}

/// The periods of what runs hold the present, whatever was done to it.
#[test]
fn what_runs_is_in_its_period() {
    for seed in 1_000..2_000 {
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
    let now = instant("2026-01-31T10:00:00Z");
    let ends = [AfterRetries::Cancel, AfterRetries::MarkUnpaid, AfterRetries::LeavePastDue];
    let after_retries = ends[Seed::new(seed).below(3)];
    let settings = Settings { seed, now, after_retries, ..Settings::default() };
    let mut stripe = Stripe::new(settings);
    let mut life = crate::life::Life::new(&mut stripe, seed, &[]);
    for _ in 0..15 {
        life.step(&mut stripe);
        life.pass(&mut stripe, chrono::TimeDelta::days(25));
    }
    stripe
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
