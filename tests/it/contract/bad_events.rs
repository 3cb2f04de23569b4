//! Webhooks that are wrong in themselves: each has its answer and its metric, and is kept where its
//! signature vouches for it.

use crate::daemon::calls::{accepted, refused};
use crate::daemon::stripe::{Subscription, event};
use crate::daemon::{Daemon, SECRET, Setup};
use crate::engine::{Engine, on_each_engine};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use creditd::clock;
use creditd::store::{EventState, PageQuery, StoredEvent};
use creditd::stripe::signature::header;
use hyper::Method;
use secrecy::SecretString;
use serde_json::{Value, json};

on_each_engine! {
    each_refused_signature_is_counted_by_its_reason_and_the_clocks_are_compared
    a_body_of_256_kib_is_kept_and_a_larger_one_refused_and_counted
    events_of_the_other_mode_are_kept_unused_and_alerted_in_both_modes
    no_wrong_type_in_any_field_that_is_read_holds_up_the_next_event
}

const NOW: &str = "2026-03-01T10:00:00Z";

async fn kept(daemon: &Daemon, state: Option<EventState>) -> Vec<StoredEvent> {
    let page = PageQuery { limit: 1_000, cursor: None };
    daemon.store().await.events(state, &page).await.unwrap().rows
}

async fn each_refused_signature_is_counted_by_its_reason_and_the_clocks_are_compared(
    engine: Engine,
) {
    let daemon = Daemon::start(engine, NOW).await;
    let body = event("evt_1", "a.b", &json!({}), daemon.now).to_string();
    let signed =
        |secret: &str, at: DateTime<Utc>| header(&SecretString::from(secret), body.as_bytes(), at);
    let now = clock::wall();
    let cases = [
        (None, 400, "signature_missing"),
        (Some(String::from("v1=00")), 400, "signature_malformed"),
        (Some(signed("whsec_other", now)), 400, "signature_wrong"),
        (Some(signed(SECRET, now - TimeDelta::seconds(400))), 400, "signature_old"),
        (Some(signed(SECRET, now + TimeDelta::seconds(4_000))), 200, "kept"),
        (Some(signed(SECRET, now)), 200, "known"),
    ];
    for (header, status, outcome) in cases {
        let headers: Vec<_> =
            header.iter().map(|header| ("stripe-signature", header.as_str())).collect();
        let body = Bytes::from(body.clone());
        let answer = daemon.client().send(Method::POST, "/webhooks/stripe", &headers, body).await;
        assert_eq!(answer.unwrap().status.as_u16(), status, "{outcome}");
        let counter = format!("creditd_webhooks_total{{outcome=\"{outcome}\"}}");
        assert_eq!(daemon.metric(&counter).await, 1.0, "{outcome}");
        let skew = daemon.metric("creditd_clock_skew_seconds{against=\"stripe\"}").await;
        match outcome {
            "kept" => assert!((-4_100.0..-3_900.0).contains(&skew), "{skew}"),
            "known" => assert!((-100.0..100.0).contains(&skew), "{skew}"),
            _ => assert_eq!(skew, 0.0, "what nobody vouched for tells no time"),
        }
    }
    assert_eq!(kept(&daemon, None).await.len(), 1);
}

async fn a_body_of_256_kib_is_kept_and_a_larger_one_refused_and_counted(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    let filled = |id: &str, bytes: usize| {
        let mut told = event(id, "a.b", &json!({ "id": "x", "text": "" }), daemon.now);
        let rest = bytes - told.to_string().len();
        told["data"]["object"]["text"] = "x".repeat(rest).into();
        told.to_string()
    };
    let largest = filled("evt_1", 256 * 1024);
    accepted("the largest", daemon.webhook(&largest).await);
    for bytes in [256 * 1024 + 1, 2 * 1024 * 1024] {
        let answer = daemon.webhook(&filled("evt_2", bytes)).await;
        refused("a larger one", answer, 413, "body_too_large");
    }
    let counted = daemon.metric("creditd_http_problems_total{code=\"body_too_large\"}").await;
    assert_eq!(counted, 2.0);
    let [only] = &kept(&daemon, None).await[..] else { panic!("one is kept") };
    assert_eq!((only.event.id.as_str(), only.event.body.len()), ("evt_1", 256 * 1024));
}

async fn events_of_the_other_mode_are_kept_unused_and_alerted_in_both_modes(engine: Engine) {
    for livemode in [false, true] {
        let stripe = format!("livemode = {livemode}");
        // With a test clock there is no live mode.
        let setup = Setup { stripe, system_clock: true, ..Setup::default() };
        let daemon = Daemon::with(engine, "", setup).await;
        daemon.person("ann").await;
        let now = crate::daemon::time::text(clock::wall());
        let sub = Subscription::new("sub_1", "ann", "ann", "price_starter", &now);
        let tell = |id: &str, mode: bool| {
            let mut told = event(id, "customer.subscription.created", &sub.0, clock::wall());
            told["livemode"] = mode.into();
            told
        };
        let other = daemon.event(&tell("evt_1", !livemode)).await;
        assert_eq!(other.event.state, EventState::Ignored, "livemode: {livemode}");
        assert_eq!(daemon.alerts("event_other_mode").await, 1);
        assert_eq!(daemon.balance("ann").await["plan"], "free");
        let ours = daemon.event(&tell("evt_2", livemode)).await;
        assert_eq!(ours.event.state, EventState::Done, "{:?}", ours.event.note);
        assert_eq!(daemon.balance("ann").await["plan"], "starter");
        assert_eq!(kept(&daemon, None).await.len(), 2);
    }
}

/// The objects that events bring, each with every field that is read of it.
fn objects() -> [(&'static str, Value); 5] {
    let price = json!({ "id": "price_starter", "lookup_key": "k", "product": "prod_1",
        "recurring": { "interval": "month", "interval_count": 1, "usage_type": "licensed" } });
    let item = json!({ "id": "si_1", "deleted": false, "price": price, "plan": price,
        "quantity": 1, "current_period_end": 1_775_037_600 });
    let subscription = json!({ "id": "sub_x", "object": "subscription", "customer": "cus_ann",
        "status": "active", "created": 1_772_359_200, "start_date": 1_772_359_200,
        "start": 1_772_359_200, "billing_cycle_anchor": 1_772_359_200,
        "billing_cycle_anchor_config": { "day_of_month": 1 }, "cancel_at": 1_900_000_000,
        "cancel_at_period_end": true, "trial_end": 1_772_359_200,
        "current_period_end": 1_775_037_600, "metadata": { "account": "ann" }, "plan": price,
        "quantity": 1, "items": { "data": [item], "has_more": false } });
    let phase = json!({ "start_date": 1_775_037_600, "items": [{ "price": "price_builder",
        "plan": "price_builder", "quantity": 1 }] });
    let schedule = json!({ "id": "sub_sched_1", "subscription": "sub_0",
        "released_subscription": "sub_0", "status": "active",
        "current_phase": { "start_date": 1_772_359_200 }, "phases": [phase] });
    let session = json!({ "id": "cs_1", "customer": "cus_ann", "subscription": "sub_0",
        "client_reference_id": "ann", "metadata": { "account": "ann" } });
    let customer = json!({ "id": "cus_ann", "object": "customer", "deleted": false,
        "metadata": { "account": "ann" }, "subscriptions": { "data": [{ "id": "sub_0" }] } });
    let invoice = json!({ "id": "in_1", "subscription": "sub_0", "customer": "cus_ann",
        "parent": { "subscription_details": { "subscription": "sub_0" } } });
    [
        ("customer.subscription.updated", subscription),
        ("subscription_schedule.updated", schedule),
        ("checkout.session.completed", session),
        ("customer.updated", customer),
        ("invoice.paid", invoice),
    ]
}

/// The places of all fields in a value.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, of)| (name.clone(), of)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(n, of)| (n.to_string(), of)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for (name, of) in inner {
        let place = format!("{at}/{name}");
        places(of, &place, found);
        found.push(place);
    }
}

async fn no_wrong_type_in_any_field_that_is_read_holds_up_the_next_event(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let wrong =
        [json!(-7), json!(1e300), json!("\u{0}"), json!([[]]), json!({ "a": 1 }), json!(true)];
    let mut bodies = Vec::new();
    for (kind, object) in objects() {
        let mut found = Vec::new();
        places(&object, "", &mut found);
        for place in found {
            for value in &wrong {
                let mut object = object.clone();
                *object.pointer_mut(&place).unwrap() = value.clone();
                let id = format!("evt_bad_{}", bodies.len());
                bodies.push(event(&id, kind, &object, daemon.now).to_string());
            }
        }
    }
    for batch in bodies.chunks(50) {
        let answers = batch.iter().map(|body| daemon.webhook(body));
        for answer in futures_util::future::join_all(answers).await {
            assert_eq!(answer.status, 200, "its signature holds: {}", answer.body);
        }
    }
    let sub = Subscription::new("sub_good", "ann", "ann", "price_builder", NOW);
    daemon.told("created", &sub).await;
    assert_eq!(daemon.standing("ann").await, "builder: 0 used, 250 left");
    let last = format!("evt_bad_{}", bodies.len() - 1);
    daemon.dealt_with(&last).await;
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = PageQuery { limit: 1_000, cursor };
        let page = daemon.store().await.events(None, &page).await.unwrap();
        all.extend(page.rows);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(all.len(), bodies.len() + 1, "all are kept");
    let open = all.iter().find(|kept| kept.event.state == EventState::Pending);
    assert!(open.is_none(), "{open:?}");
    let failed = daemon.alerts("event_failed").await;
    assert_eq!(failed, 0, "what cannot be read is said to be that, and is not tried again");
    let parked = all.iter().filter(|kept| kept.event.state == EventState::Parked).count();
    let told = daemon.alerts("event_unreadable").await + daemon.alerts("event_refused").await;
    assert_eq!(parked, usize::try_from(told).unwrap(), "each is alerted");
    assert!(parked > 100, "{parked}");
}
