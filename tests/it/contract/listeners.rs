//! What stands on which listener, and needs no key.

use crate::daemon::calls::refused;
use crate::daemon::{Daemon, Setup};
use crate::engine::{Engine, on_each_engine};
use creditd::client::Client;
use serde_json::json;

on_each_engine! {
    the_ops_listener_tells_how_it_goes
    metrics_are_counted
    the_description_is_there_without_a_key_and_names_every_call
    without_test_mode_there_is_no_test_clock
}

const NOW: &str = "2026-03-01T10:00:00Z";

async fn the_ops_listener_tells_how_it_goes(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    let ops = daemon.ops();
    assert_eq!(ops.get("/healthz").await.unwrap().body, json!({ "status": "alive" }));
    let ready = ops.get("/readyz").await.unwrap();
    assert_eq!(ready.status, 200);
    assert_eq!(ready.body["ready"], true);
    assert_eq!(
        (&ready.body["database"], &ready.body["writer"]),
        (&json!("answers"), &json!("moves"))
    );
    assert!(ready.text("/mail").contains("files"), "{}", ready.body);
    assert_eq!(ops.get("/v1/plans").await.unwrap().status, 404, "the API is not here");
    let api = Client::new(daemon.api(), "");
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(api.get(path).await.unwrap().status, 404, "{path} is not there");
    }
}

async fn metrics_are_counted(engine: Engine) {
    let mut daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    daemon.buys("ann", "ann", "price_starter").await;
    daemon.cannot_chat("ann", 101).await;
    daemon.clock("2026-04-01T10:00:00Z").await;
    assert_eq!(
        daemon.metric("creditd_refusals_total{code=\"message_credits_exhausted\"}").await,
        1.0
    );
    assert_eq!(daemon.metric("creditd_reset_lateness_seconds_count").await, 1.0);
    assert_eq!(daemon.metric("creditd_inbox{state=\"pending\"}").await, 0.0);
    let page = daemon.ops().get("/metrics").await.unwrap();
    let page = page.body.as_str().unwrap();
    let families = ["creditd_build_info{", "creditd_inbox", "creditd_outbox", "creditd_commit"];
    for family in families {
        assert!(page.lines().any(|line| line.starts_with(family)), "{family} is not in {page}");
    }
    assert!(!page.contains("ann"), "no account is a label: {page}");
}

async fn the_description_is_there_without_a_key_and_names_every_call(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    let nobody = Client::new(daemon.api(), "");
    let described = nobody.get("/openapi.json").await.unwrap();
    assert!(described.text("/openapi").starts_with("3.1"));
    assert_eq!(
        described.body,
        serde_json::from_str::<serde_json::Value>(&daemon.done(&["openapi"])).unwrap()
    );
    for (method, path) in [
        ("post", "/v1/usage"),
        ("post", "/v1/usage/batch"),
        ("delete", "/v1/accounts/{id}"),
        ("get", "/v1/accounts/{id}/balance"),
        ("post", "/v1/seats/{id}/transfer"),
        ("put", "/v1/customers/{id}"),
        ("post", "/webhooks/stripe"),
        ("post", "/v1/test-clock"),
    ] {
        assert!(described.body["paths"][path][method].is_object(), "{method} {path}");
    }
    let page = nobody.get("/docs").await.unwrap();
    let page = page.body.as_str().unwrap();
    assert!(
        page.contains("/v1/usage/batch")
            && !page.contains("http://")
            && !page.contains("src=\"https")
    );
}

async fn without_test_mode_there_is_no_test_clock(engine: Engine) {
    let setup = Setup { system_clock: true, ..Setup::default() };
    let daemon = Daemon::with(engine, "", setup).await;
    let answer = daemon.client().get("/v1/test-clock").await.unwrap();
    refused("get", answer, 404, "not_found");
    daemon.refuses("/v1/test-clock", json!({ "now": NOW }), 404, "not_found").await;
}
