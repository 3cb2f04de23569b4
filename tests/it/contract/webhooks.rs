//! Stripe's door: what is answered, what is kept, and what waits.

use crate::daemon::calls::refused;
use crate::daemon::stripe::{Subscription, event};
use crate::daemon::{Daemon, SECRET, Setup};
use crate::engine::{Engine, on_each_engine};
use bytes::Bytes;
use chrono::TimeDelta;
use creditd::clock;
use creditd::store::{EventState, PageQuery};
use creditd::stripe::signature::header;
use hyper::Method;
use secrecy::SecretString;
use serde_json::{Value, json};

on_each_engine! {
    a_signature_that_does_not_hold_is_400_and_nothing_is_kept
    one_secret_of_several_is_enough_and_a_later_time_is_no_fault
    what_has_no_use_is_kept_and_answered_200
    an_event_counts_once_however_often_it_comes
    events_out_of_order_end_at_the_same_state
    an_event_waits_for_what_it_names_and_is_released_by_the_put
    a_customers_first_link_stays
    every_recorded_shape_of_a_subscription_is_understood
    without_a_secret_webhooks_are_answered_503
}

const NOW: &str = "2026-03-01T10:00:00Z";

async fn sent(daemon: &Daemon, header: Option<&str>, body: &str) -> u16 {
    let headers: Vec<_> = header.into_iter().map(|header| ("stripe-signature", header)).collect();
    let body = Bytes::from(body.to_owned());
    let answer = daemon.client().send(Method::POST, "/webhooks/stripe", &headers, body);
    answer.await.unwrap().status.as_u16()
}

async fn kept(daemon: &Daemon) -> usize {
    let page = PageQuery { limit: 100, cursor: None };
    daemon.store().await.events(None, &page).await.unwrap().rows.len()
}

async fn a_signature_that_does_not_hold_is_400_and_nothing_is_kept(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    let body = r#"{"id":"evt_1","object":"event","type":"a.b","created":1,"data":{"object":{}}}"#;
    let (now, secret) = (clock::wall(), SecretString::from(SECRET));
    let right = header(&secret, body.as_bytes(), now);
    let v1 = right.split_once(",v1=").unwrap().1;
    let old = header(&secret, body.as_bytes(), now - TimeDelta::seconds(310));
    let other = header(&SecretString::from("whsec_other"), body.as_bytes(), now);
    let v0 = right.replace("v1=", "v0=");
    let bare = format!("v1={v1}");
    for wrong in [None, Some(""), Some("t=1"), Some(&*old), Some(&*other), Some(&*v0), Some(&*bare)]
    {
        assert_eq!(sent(&daemon, wrong, body).await, 400, "{wrong:?}");
    }
    assert_eq!(sent(&daemon, Some(&right), &body.replace("a.b", "a.c")).await, 400);
    let answer = daemon.call_with(Method::POST, "/webhooks/stripe", &[], &json!({})).await;
    refused("none", answer, 400, "signature_invalid");
    assert_eq!(kept(&daemon).await, 0);
    assert_eq!(sent(&daemon, Some(&right), body).await, 200);
    assert_eq!(kept(&daemon).await, 1);
}

async fn one_secret_of_several_is_enough_and_a_later_time_is_no_fault(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    let body = r#"{"id":"evt_1","object":"event","type":"a.b","created":1,"data":{"object":{}}}"#;
    let (now, secret) = (clock::wall(), SecretString::from(SECRET));
    let right = header(&secret, body.as_bytes(), now);
    let with_wrong = right.replace(",v1=", ",v1=00,v1=");
    assert_eq!(sent(&daemon, Some(&with_wrong), body).await, 200);
    let ahead = header(&secret, body.as_bytes(), now + TimeDelta::seconds(4_000));
    assert_eq!(sent(&daemon, Some(&ahead), body).await, 200);
}

async fn what_has_no_use_is_kept_and_answered_200(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    for body in ["not json", "[]", "{}", r#"{"id":"evt_x","object":"event"}"#] {
        assert_eq!(daemon.webhook(body).await.status, 200, "{body}");
    }
    let unknown = event("evt_u", "customer.tax_id.created", &json!({ "id": "x" }), daemon.now);
    assert_eq!(daemon.event(&unknown).await.event.state, EventState::Ignored);
    let sub = Subscription::new("sub_1", "ann", "ann", "price_starter", NOW);
    let mut live = event("evt_l", "customer.subscription.created", &sub.0, daemon.now);
    live["livemode"] = true.into();
    assert_eq!(daemon.event(&live).await.event.state, EventState::Ignored);
    assert_eq!(daemon.standing("ann").await, "free: 0 used, 5 left");
    let huge = format!("{{\"id\":\"evt_h\"{}}}", " ".repeat(300_000));
    refused("huge", daemon.webhook(&huge).await, 413, "body_too_large");
}

async fn an_event_counts_once_however_often_it_comes(engine: Engine) {
    let mut daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let sub = Subscription::new("sub_1", "ann", "ann", "price_starter", NOW);
    let told = event("evt_1", "customer.subscription.created", &sub.0, daemon.now).to_string();
    let answers = futures_util::future::join_all((0..20).map(|_| daemon.webhook(&told))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    daemon.dealt_with("evt_1").await;
    daemon.chats("ann", 1).await;
    daemon.kill();
    daemon.run().await;
    assert_eq!(daemon.webhook(&told).await.status, 200);
    assert_eq!(kept(&daemon).await, 1);
    assert_eq!(daemon.lines("ann").await, ["2026-03-01T10:00:00Z allowance 100 -> 100"]);
}

async fn events_out_of_order_end_at_the_same_state(engine: Engine) {
    let second = TimeDelta::seconds(1);
    let orders: [[usize; 4]; 5] =
        [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2], [3, 0, 1, 2]];
    for order in orders {
        let daemon = Daemon::start(engine, "2026-03-01T10:01:00Z").await;
        daemon.person("ann").await;
        let sub = Subscription::new("sub_1", "ann", "ann", "price_starter", NOW);
        let start = crate::daemon::time::at(NOW);
        let steps = [
            ("created", sub.clone().status("incomplete"), start),
            ("updated", sub.clone(), start + second),
            ("updated", sub.clone().price("price_builder"), start + second * 2),
            ("deleted", sub.clone().status("canceled"), start + second * 3),
        ];
        for step in order {
            let (what, sub, created) = &steps[step];
            daemon.told_at(*created, what, sub).await;
        }
        assert_eq!(daemon.standing("ann").await, "free: 0 used, 5 left", "{order:?}");
        assert_eq!(daemon.seats("ann").await, [Value::Null; 0], "{order:?}");
    }
}

async fn an_event_waits_for_what_it_names_and_is_released_by_the_put(engine: Engine) {
    let mut daemon = Daemon::start(engine, NOW).await;
    let sub = Subscription::new("sub_1", "team", "ann", "price_starter", NOW);
    let nobody = sub.clone().set("id", "sub_2").set("metadata", json!({})).set("customer", "cus_2");
    for (id, sub, waits_for) in
        [("evt_1", &sub, "account:ann"), ("evt_2", &nobody, "customer:cus_2")]
    {
        let told = event(id, "customer.subscription.created", &sub.0, daemon.now);
        let waiting = daemon.event(&told).await;
        assert_eq!(waiting.event.state, EventState::Waiting);
        assert_eq!(waiting.waits_for.as_deref(), Some(waits_for));
    }
    assert_eq!(daemon.metric("creditd_inbox{state=\"waiting\"}").await, 2.0);
    daemon.kill();
    daemon.run().await;
    daemon.put("/v1/accounts/ann", json!({ "workspace": "team" })).await;
    assert_eq!(daemon.dealt_with_at_last("evt_1").await, EventState::Done);
    assert_eq!(daemon.standing("ann").await, "starter: 0 used, 100 left");
    assert_eq!(daemon.get("/v1/customers/cus_team").await["workspace"], "team", "it is linked");
    daemon.put("/v1/customers/cus_2", json!({ "workspace": "team" })).await;
    assert_eq!(daemon.dealt_with_at_last("evt_2").await, EventState::Done);
    assert_eq!(daemon.seats("team").await.len(), 2);
}

async fn a_customers_first_link_stays(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    daemon.person("eve").await;
    let sub = Subscription::new("sub_1", "ann", "eve", "price_starter", NOW);
    daemon.told("created", &sub).await;
    assert_eq!(daemon.standing("eve").await, "free: 0 used, 5 left");
    assert_eq!(daemon.seats("ann").await.len(), 1, "the customer's workspace has the seat");
    assert_eq!(daemon.seats("eve").await.len(), 0);
    assert_eq!(daemon.get("/v1/customers/cus_ann").await["workspace"], "ann");
    assert_eq!(daemon.alerts("buyer_elsewhere").await, 1);
}

async fn every_recorded_shape_of_a_subscription_is_understood(engine: Engine) {
    let daemon = Daemon::start(engine, "2026-03-01T10:00:00Z").await;
    let mut understood = 0;
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/stripe");
    for file in std::fs::read_dir(fixtures).unwrap() {
        let file = file.unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        let mut object: Value = serde_json::from_str(&text).unwrap();
        let workspace = format!("w{understood}");
        daemon.team(&workspace, &[&format!("p{understood}")]).await;
        object["customer"] = format!("cus_{workspace}").into();
        object["id"] = format!("sub_{understood}").into();
        object["livemode"] = false.into();
        object["metadata"] = json!({});
        for items in object["items"]["data"].as_array_mut().into_iter().flatten() {
            for shape in ["price", "plan"] {
                if items[shape].is_object() {
                    items[shape]["id"] = "price_starter".into();
                }
            }
        }
        if object["plan"].is_object() {
            object["plan"]["id"] = "price_starter".into();
        }
        let id = format!("evt_{understood}");
        let mut told = event(&id, "customer.subscription.updated", &object, daemon.now);
        let version = file.file_name().into_string().unwrap();
        told["api_version"] = version.split_once(".subscription").unwrap().0.into();
        let handled = daemon.event(&told).await;
        assert_eq!(handled.event.state, EventState::Done, "{version}: {:?}", handled.event.note);
        assert!(!daemon.seats(&workspace).await.is_empty(), "{version}");
        understood += 1;
    }
    assert!(understood >= 10, "{understood}");
}

async fn without_a_secret_webhooks_are_answered_503(engine: Engine) {
    let mut daemon = Daemon::prepare(engine, Setup::default());
    let file = daemon.path("creditd.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    let none = settings.replace(&format!("[\"{SECRET}\"]"), "[]");
    std::fs::write(file, none).unwrap();
    daemon.run().await;
    refused("webhook", daemon.webhook("{}").await, 503, "webhooks_not_configured");
    let ready = daemon.ops().get("/readyz").await.unwrap();
    assert!(ready.text("/stripe").contains("no webhook secret"), "{}", ready.body);
}
