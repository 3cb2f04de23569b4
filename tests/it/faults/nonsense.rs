//! Requests that make no sense change nothing, and the log keeps to itself what is not its business.

use crate::daemon::{Daemon, SECRET, Setup};
use crate::engine::{Engine, on_each_engine};
use bytes::Bytes;
use hyper::Method;
use serde_json::json;

on_each_engine! {
    nonsense_is_refused_with_its_place_and_changes_nothing
    the_log_tells_no_address_and_no_secret
}

const NOW: &str = "2026-03-01T10:00:00Z";

async fn nonsense_is_refused_with_its_place_and_changes_nothing(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let wide = format!("{{\"action\":\"{}\"}}", "x".repeat(70_000));
    for (path, body, status, pointer) in [
        ("/v1/usage", "", 400, ""),
        ("/v1/usage", "{\"action\":", 400, ""),
        ("/v1/usage", &*"[".repeat(30_000), 400, ""),
        ("/v1/usage", &*wide, 413, "-"),
        ("/v1/usage", "{\"action\":\"chat\",\"account\":\"a\\u0000\"}", 400, "/account"),
        (
            "/v1/usage",
            "{\"action\":\"chat\",\"account\":\"ann\",\"quantity\":1e3}",
            400,
            "/quantity",
        ),
        ("/v1/usage", "{\"action\":\"chat\",\"account\":\"zed\"}", 404, "/account"),
        ("/v1/usage", "{\"action\":\"fly\",\"account\":\"ann\"}", 422, "/action"),
        ("/v1/usage/batch", "{\"items\":{}}", 400, "/items"),
        ("/v1/accounts/a%2Fb/grants", "{}", 400, "{id}"),
        ("/v1/accounts/ann%00/grants", "{}", 400, "{id}"),
        (
            "/v1/accounts/ann/grants",
            "{\"kind\":\"message\",\"amount\":1,\"reason\":\"x\"}",
            400,
            "/amount",
        ),
        (
            "/v1/accounts/ann/grants",
            "{\"kind\":\"message\",\"amount\":\"1e3\",\"reason\":\"x\"}",
            400,
            "/amount",
        ),
        (
            "/v1/accounts/ann/grants",
            "{\"kind\":\"message\",\"amount\":\"0.0000001\",\"reason\":\"x\"}",
            400,
            "/amount",
        ),
        (
            "/v1/accounts/ann/grants",
            "{\"kind\":\"message\",\"amount\":\"9223372036855\",\"reason\":\"x\"}",
            400,
            "/amount",
        ),
        (
            "/v1/accounts/ann/grants",
            "{\"kind\":\"message\",\"amount\":\"1\",\"amount\":\"9\",\"reason\":\"x\"}",
            400,
            "/amount",
        ),
        (
            "/v1/accounts/ann/grants",
            "{\"kind\":\"message\",\"amount\":\"1\",\"reason\":\"x\\u0000\"}",
            400,
            "/reason",
        ),
        ("/v1/seats/none/assign", "{\"account\":\"zed\"}", 404, "/account"),
    ] {
        let key = format!("key-{}", daemon.number());
        let headers = [("idempotency-key", &*key)];
        let body = Bytes::copy_from_slice(body.as_bytes());
        let answer = daemon.client().send(Method::POST, path, &headers, body).await.unwrap();
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.body);
        assert_ne!(answer.text("/code"), "", "{}", answer.body);
        let found = answer.body.pointer("/errors/0/pointer").and_then(|found| found.as_str());
        assert_eq!(found.unwrap_or("-"), pointer, "{path}: {}", answer.body);
    }
    assert!(daemon.ledger("ann").await.is_empty());
}

async fn the_log_tells_no_address_and_no_secret(engine: Engine) {
    // Later keys of the section where the log is.
    let settings = "level = \"trace,h2=off\"".to_owned();
    let daemon = Daemon::with(engine, NOW, Setup { settings, ..Setup::default() }).await;
    daemon.person("ann").await;
    let account = json!({ "email": "ann@secret-address.test", "name": "Ann Secretname" });
    daemon.put("/v1/accounts/ann", account).await;
    let wrong = json!({ "email": "ann at secret-address.test", "name": 7 });
    let answer = daemon.client().put("/v1/accounts/ann", &wrong).await.unwrap();
    assert_eq!(answer.status.as_u16(), 400);
    let body = Bytes::from_static(b"{\"email\":\"ann@secret-address.test\"");
    let answer = daemon.client().send(Method::PUT, "/v1/accounts/ann", &[], body).await.unwrap();
    assert_eq!(answer.status.as_u16(), 400);
    let stranger = daemon.new_key(&["usage"]);
    let client = creditd::client::Client::new(daemon.api(), &stranger);
    assert_eq!(client.get("/v1/accounts/ann").await.unwrap().status.as_u16(), 403);
    let client = creditd::client::Client::new(daemon.api(), "ck_wrong-secret");
    assert_eq!(client.get("/v1/accounts/ann").await.unwrap().status.as_u16(), 401);
    assert_eq!(daemon.app_calls("ann", 25).await.status.as_u16(), 200);
    let mail = daemon.mails(1).await.remove(0);
    assert!(mail.contains("ann@secret-address.test"));
    let unsigned = daemon.call(Method::POST, "/webhooks/stripe", &json!({ "id": "evt_x" })).await;
    assert_eq!(unsigned.status.as_u16(), 400);
    daemon.buys("ann", "ann", "price_starter").await;

    let log = daemon.log();
    assert!(log.contains("\"level\":\"DEBUG\"") && log.contains("webhook kept"));
    for secret in
        ["secret-address", "Secretname", "wrong-secret", SECRET, daemon.key(), &stranger, "Bearer"]
    {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}
