//! Our reading of Stripe against the fake Stripe, which knows nothing of it: in every API version,
//! through random lives of subscriptions, and with the daemon.

use crate::daemon::time::at;
use crate::daemon::{Daemon, SECRET};
use crate::engine::{Engine, on_each_engine};
use bytes::Bytes;
use chrono::{DateTime, Datelike, TimeDelta, Utc};
use creditd::clock;
use creditd::store::EventState;
use creditd::stripe::envelope::{Content, Envelope, receive};
use creditd::stripe::objects::Schedule;
use creditd::stripe::signature::{TOLERANCE, Verifier};
use creditd::stripe::snapshot::{PriceRef, Prices, Subscription};
use creditd_rules::command::{ItemPlan, Source};
use creditd_rules::id::PlanId;
use fake_stripe::event::{Event, Subject};
use fake_stripe::life::{Life, PRICES};
use fake_stripe::object::subscription::Status as Said;
use fake_stripe::object::{Card, Recurring, Unit};
use fake_stripe::post::{Disorder, Post, Writing, signature};
use fake_stripe::render::Renderer;
use fake_stripe::request::{ItemChange, NewPrice, NewSubscription, SubscriptionChange};
use fake_stripe::{ApiVersion, Settings, Stripe};
use hyper::Method;
use secrecy::SecretString;
use serde_json::Value;

/// A life of a subscription, as its seed decides.
fn lived(seed: u64) -> Stripe {
    let settings = Settings { seed, now: at("2026-01-31T10:00:00Z"), ..Settings::default() };
    let mut stripe = Stripe::new(settings);
    let mut life = Life::new(&mut stripe, seed, &[("account", "ann")]);
    for _ in 0..12 {
        life.step(&mut stripe);
        life.pass(&mut stripe, TimeDelta::days(25));
    }
    stripe
}

fn plan(price: &PriceRef<'_>) -> Option<PlanId> {
    let monthly = price.id.strip_prefix("price_")?;
    Some(PlanId::from(monthly.trim_end_matches("_year")))
}

fn read(event: &Event, version: &ApiVersion, settings: &Settings) -> Subscription {
    let body = Writing::Whole(Renderer::new(settings, version.clone())).body(event);
    let envelope = Envelope::read(body.as_bytes()).unwrap();
    assert_eq!((&envelope.id, &envelope.kind), (&event.id, &event.kind));
    assert_eq!(envelope.created, Some(event.created));
    assert_eq!(envelope.api_version.as_deref(), Some(version.as_str()));
    let Content::Snapshot(object) = envelope.content else { panic!("{body} brings no object") };
    Subscription::read(object.get()).unwrap()
}

#[test]
fn a_subscription_is_read_alike_from_every_api_version() {
    for seed in 0..40 {
        let stripe = lived(seed);
        for event in stripe.events().iter() {
            let Subject::Subscription(said) = &event.subject else { continue };
            for version in ApiVersion::spoken() {
                let what = format!("seed {seed}, {version}, {}", event.id);
                let sub = read(event, &version, &stripe.settings);
                let source = Source::Event { rank: 1 };
                let found = sub.snapshot(&plan, None, event.created, source).unwrap();
                assert_eq!(found.subscription.as_str(), said.id, "{what}");
                assert_eq!(found.customer.as_str(), said.customer, "{what}");
                let status = found.status.map(|status| format!("{status:?}"));
                assert_eq!(status, Some(format!("{:?}", said.status)), "{what}");
                assert_eq!(found.cancel_at, said.cancel_at, "{what}");
                assert_eq!(found.trial_end, said.trial_end, "{what}");
                let timeline = found.timeline;
                assert_eq!((timeline.start, timeline.anchor), (said.start_date, said.anchor.at));
                let config = said.anchor_config.filter(|_| version.since("2023-10-16"));
                let day = config.map_or(said.anchor.at.day(), |config| config.day_of_month);
                assert_eq!(timeline.day, day, "{what}");
                let items = said.items.iter().map(|item| match item.quantity {
                    Some(quantity) => {
                        let reference =
                            PriceRef { id: &item.price.id, lookup_key: None, product: None };
                        let plan = ItemPlan::Plan(plan(&reference).unwrap());
                        (item.id.clone(), plan, u32::try_from(quantity).unwrap())
                    }
                    None => (item.id.clone(), ItemPlan::NoPlace, 0),
                });
                let found = found.items.into_iter().map(|item| (item.id, item.plan, item.quantity));
                assert_eq!(found.collect::<Vec<_>>(), items.collect::<Vec<_>>(), "{what}");
            }
        }
    }
}

/// Two calendars that share no code agree on when a month is over.
#[test]
fn r4_our_next_boundary_is_the_end_of_stripes_period_for_monthly_prices() {
    let mut compared = 0;
    for seed in 100..300 {
        let stripe = lived(seed);
        for event in stripe.events().iter() {
            let Subject::Subscription(said) = &event.subject else { continue };
            let paid = matches!(said.status, Said::Active | Said::PastDue | Said::Unpaid);
            if !paid || said.anchor.at > event.created {
                continue;
            }
            let sub = read(event, &ApiVersion::default(), &stripe.settings);
            let source = Source::Event { rank: 1 };
            let found = sub.snapshot(&plan, None, event.created, source).unwrap();
            let monthly = said.items.iter().filter(|item| {
                item.price.recurring.as_ref().is_some_and(|recurring| recurring.unit == Unit::Month)
            });
            for item in monthly {
                let next = found.timeline.next_after(event.created);
                assert_eq!(next, item.period_end, "seed {seed}, {}: {said:?}", event.id);
                compared += 1;
            }
        }
    }
    assert!(compared > 1_000, "{compared}");
}

#[test]
fn a_schedule_announces_its_next_phase() {
    let mut announced = 0;
    let prices: &Prices = &plan;
    for seed in 0..60 {
        let stripe = lived(seed);
        for event in stripe.events().iter() {
            let Subject::Schedule(said) = &event.subject else { continue };
            for version in ApiVersion::spoken() {
                let object = Renderer::new(&stripe.settings, version).schedule(said);
                let schedule = Schedule::read(&object.to_string()).unwrap();
                let steered = said.subscription.as_ref().or(said.released_subscription.as_ref());
                let found = schedule.subscription();
                assert_eq!(found.as_ref().map(|id| id.as_str()), steered.map(String::as_str));
                let next = schedule.next_change(prices, event.created).unwrap();
                let running = said.current.map(|(_, end)| end).filter(|_| said.status.is_live());
                let phase = said.phases.iter().find(|phase| Some(phase.start) == running);
                assert_eq!(next.as_ref().map(|(at, _)| *at), phase.map(|phase| phase.start));
                announced += u32::from(next.is_some());
            }
        }
    }
    assert!(announced > 100, "{announced}");
}

#[test]
fn webhooks_are_verified_and_kept_whole_or_thin() {
    let wall = clock::wall();
    let secrets = ["whsec_old", "whsec_new"].map(SecretString::from).to_vec();
    let verifier = Verifier::try_new(secrets, TOLERANCE).unwrap();
    let stripe = lived(7);
    let renderer = || Renderer::new(&stripe.settings, ApiVersion::default());
    for event in stripe.events().iter() {
        for writing in [Writing::Whole(renderer()), Writing::Thin(renderer())] {
            let body = writing.body(event);
            let header = signature(&["whsec_new"], &body, wall);
            assert!(verifier.verify(Some(&header), body.as_bytes(), wall).is_ok(), "{header}");
            let forged = signature(&["whsec_other"], &body, wall);
            assert!(verifier.verify(Some(&forged), body.as_bytes(), wall).is_err());
            let kept = receive(body.as_bytes(), wall, false);
            assert_ne!(kept.state, EventState::Parked, "{:?}: {body}", kept.note);
            assert_eq!(kept.created, Some(event.created));
        }
    }
}

on_each_engine! {
    a_daemon_follows_a_subscription_of_the_fake
}

/// Delivers what happened since the last time, in order, and waits until it is dealt with.
async fn deliver(daemon: &mut Daemon, stripe: &Stripe, post: &mut Post) {
    let writing = Writing::Whole(Renderer::new(&stripe.settings, ApiVersion::default()));
    for event in post.round(stripe) {
        daemon.clock_to(event.created).await;
        let body = writing.body(&event);
        let header = signature(&[SECRET], &body, clock::wall());
        let headers = [("stripe-signature", header.as_str())];
        let answer =
            daemon.client().send(Method::POST, "/webhooks/stripe", &headers, Bytes::from(body));
        assert_eq!(answer.await.unwrap().status.as_u16(), 200, "{}", event.kind);
        daemon.dealt_with(&event.id).await;
    }
    daemon.clock_to(stripe.now()).await;
}

async fn a_daemon_follows_a_subscription_of_the_fake(engine: Engine) {
    let bought = "2026-01-31T10:00:00Z";
    let mut daemon = Daemon::start(engine, bought).await;
    daemon.person("ann").await;
    let mut stripe = Stripe::new(Settings { now: at(bought), ..Settings::default() });
    for (id, amount, ..) in &PRICES[..2] {
        stripe.create_price(NewPrice::recurring(id, *amount, Recurring::MONTHLY)).unwrap();
    }
    let mut post = Post::new(1, Disorder::default());
    let customer = stripe.customer_with(Card::Pays, &[("account", "ann")]).id.clone();
    let new = NewSubscription::of(&customer, "price_starter", 1);
    let sub = stripe.create_subscription(new).unwrap();
    deliver(&mut daemon, &stripe, &mut post).await;
    daemon.chats("ann", 30).await;
    assert_eq!(daemon.standing("ann").await, "starter: 30 used, 70 left");

    let upgrade = ItemChange::price(&sub.items[0].id, "price_builder");
    let change = SubscriptionChange { items: vec![upgrade], ..SubscriptionChange::default() };
    stripe.advance(TimeDelta::days(3));
    stripe.update_subscription(&sub.id, change).unwrap();
    deliver(&mut daemon, &stripe, &mut post).await;
    assert_eq!(daemon.standing("ann").await, "builder: 30 used, 220 left");

    let renewal = stripe.subscription(&sub.id).unwrap().items[0].period_end;
    let resets_at: DateTime<Utc> = at(&daemon.resets_at("ann").await);
    assert_eq!(resets_at, renewal);
    stripe.advance_to(renewal);
    deliver(&mut daemon, &stripe, &mut post).await;
    assert_eq!(daemon.standing("ann").await, "builder: 0 used, 250 left");

    let end =
        SubscriptionChange { cancel_at_period_end: Some(true), ..SubscriptionChange::default() };
    stripe.update_subscription(&sub.id, end).unwrap();
    stripe.advance_to(at("2026-04-02T00:00:00Z"));
    deliver(&mut daemon, &stripe, &mut post).await;
    let plan: Value = daemon.balance("ann").await["plan"].clone();
    assert_eq!(plan, "free");
}
