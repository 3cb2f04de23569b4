//! Bad input: a clear problem that names the field, and nothing changed.

use crate::daemon::Daemon;
use crate::daemon::calls::refused;
use crate::engine::{Engine, on_each_engine};
use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};

on_each_engine! {
    what_is_not_there_is_named
    bad_bodies_name_the_field_and_change_nothing
    bad_amounts_are_refused
    a_problem_is_a_document_with_its_own_type
    nothing_private_reaches_the_log
}

const NOW: &str = "2026-03-01T10:00:00Z";

async fn what_is_not_there_is_named(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let reason = || json!({ "reason": "a test" });
    let gift = json!({ "kind": "message", "amount": "1", "reason": "a test" });
    for (method, path, body, code) in [
        ("GET", "/v1/accounts/ghost", Value::Null, "account_not_found"),
        ("GET", "/v1/accounts/ghost/balance", Value::Null, "account_not_found"),
        ("GET", "/v1/accounts/ghost/schedule", Value::Null, "account_not_found"),
        ("GET", "/v1/accounts/ghost/ledger", Value::Null, "account_not_found"),
        ("GET", "/v1/accounts/ghost/grants", Value::Null, "account_not_found"),
        ("DELETE", "/v1/accounts/ghost", Value::Null, "account_not_found"),
        ("POST", "/v1/accounts/ghost/grants", gift.clone(), "account_not_found"),
        ("POST", "/v1/accounts/ghost/adjustments", gift, "account_not_found"),
        ("POST", "/v1/usage", json!({ "action": "chat", "account": "ghost" }), "account_not_found"),
        (
            "POST",
            "/v1/usage",
            json!({ "action": "integration_call", "app": "ghost" }),
            "app_not_found",
        ),
        ("GET", "/v1/apps/ghost", Value::Null, "app_not_found"),
        ("PUT", "/v1/apps/new", json!({ "owner": "ghost" }), "account_not_found"),
        ("GET", "/v1/workspaces/ghost", Value::Null, "workspace_not_found"),
        ("GET", "/v1/workspaces/ghost/seats", Value::Null, "workspace_not_found"),
        ("PUT", "/v1/workspaces/ann", json!({ "owner": "ghost" }), "account_not_found"),
        ("GET", "/v1/customers/cus_ghost", Value::Null, "customer_not_found"),
        ("PUT", "/v1/customers/cus_1", json!({ "workspace": "ghost" }), "workspace_not_found"),
        ("GET", "/v1/seats/ghost/ledger", Value::Null, "seat_not_found"),
        ("POST", "/v1/seats/ghost/assign", json!({ "account": "ann" }), "seat_not_found"),
        ("POST", "/v1/grants/ghost/revoke", reason(), "grant_not_found"),
        ("POST", "/v1/rewards/ghost/approve", reason(), "reward_not_found"),
        ("POST", "/v1/rewards/ghost/reject", reason(), "reward_not_found"),
        ("POST", "/v1/promo-codes/GHOST/end", Value::Null, "promo_code_not_found"),
        ("GET", "/v1/nonsense", Value::Null, "not_found"),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        refused(path, daemon.call(method, path, &body).await, 404, code);
    }
    let answer = daemon.call(Method::DELETE, "/v1/usage", &Value::Null).await;
    refused("DELETE", answer, 405, "method_not_allowed");
}

async fn bad_bodies_name_the_field_and_change_nothing(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let before = daemon.balance("ann").await;
    for (body, pointer) in [
        ("", ""),
        ("{", ""),
        ("[]", ""),
        ("null", ""),
        (r#"{"action": "chat", "account": "ann", "colour": "red"}"#, "/colour"),
        (r#"{"account": "ann"}"#, "/action"),
        (r#"{"action": "chat"}"#, "/account"),
        (r#"{"action": "integration_call", "account": "ann"}"#, "/app"),
        (r#"{"action": 7, "account": "ann"}"#, "/action"),
        (r#"{"action": "chat", "account": "a b"}"#, "/account"),
        (r#"{"action": "chat", "account": ""}"#, "/account"),
        (r#"{"action": "chat", "account": "ann\u0000"}"#, "/account"),
        (r#"{"action": "integration_call", "app": "ann-app", "account": "v\u0000"}"#, "/account"),
        (r#"{"action": "chat", "account": "ann", "quantity": 0}"#, "/quantity"),
        (r#"{"action": "chat", "account": "ann", "quantity": 1.5}"#, "/quantity"),
        (r#"{"action": "chat", "account": "ann", "quantity": "1"}"#, "/quantity"),
        (r#"{"action": "chat", "account": "ann", "quantity": 1000001}"#, "/quantity"),
    ] {
        let headers = [("idempotency-key", "k")];
        let sent = daemon.client().send(Method::POST, "/v1/usage", &headers, Bytes::from(body));
        let problem = refused(body, sent.await.unwrap(), 400, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}: {problem}");
    }
    let unknown = json!({ "action": "dance", "account": "ann" });
    daemon.refuses("/v1/usage", unknown, 422, "unknown_action").await;
    let long = "x".repeat(129);
    for id in ["a%20b", "a%00b", "%C3%A9", &long] {
        let answer = daemon.client().get(&format!("/v1/accounts/{id}/balance")).await.unwrap();
        refused(id, answer, 400, "invalid_request");
    }
    for key in ["", " ", &"k".repeat(256)] {
        let headers = [("idempotency-key", key)];
        let body = json!({ "action": "chat", "account": "ann" });
        let answer = daemon.call_with(Method::POST, "/v1/usage", &headers, &body).await;
        assert_eq!(answer.status, 400, "{key:?}: {}", answer.body);
    }
    let huge = json!({ "action": "chat", "account": "ann", "app": "x".repeat(70_000) });
    daemon.refuses("/v1/usage", huge, 413, "body_too_large").await;
    assert_eq!(daemon.balance("ann").await, before);
}

async fn bad_amounts_are_refused(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    for amount in [
        json!("1.0000001"),
        json!("-1"),
        json!("+1"),
        json!("0"),
        json!("1e3"),
        json!("NaN"),
        json!(""),
        json!(" 1"),
        json!("1,5"),
        json!("9223372036854.775808"),
        json!("99999999999999999999"),
        json!(1),
        json!(0.5),
        json!(null),
    ] {
        let body = json!({ "kind": "message", "amount": amount, "reason": "a test" });
        let problem = daemon.refuses("/v1/accounts/ann/grants", body, 400, "invalid_request").await;
        assert_eq!(problem["errors"][0]["pointer"], "/amount", "{amount}");
    }
    let smallest = daemon.grants("ann", "0.000001", None).await;
    assert_eq!(smallest["amount"], "0.000001");
    assert_eq!(daemon.spendable("ann").await, "5.000001");
}

async fn a_problem_is_a_document_with_its_own_type(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    let raw = raw_get(&daemon, "/v1/accounts/ghost").await;
    let head = raw.to_lowercase();
    assert!(head.starts_with("http/1.1 404"), "{raw}");
    assert!(head.contains("content-type: application/problem+json\r\n"), "{raw}");
    for member in ["type", "title", "status", "detail", "code"] {
        assert!(raw.contains(&format!("\"{member}\":")), "{member}: {raw}");
    }
}

/// The whole answer to a GET, head and body.
async fn raw_get(daemon: &Daemon, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(daemon.api()).await.unwrap();
    let key = daemon.key();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: creditd\r\nAuthorization: Bearer {key}\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn nothing_private_reaches_the_log(engine: Engine) {
    let mut daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    daemon.app_calls("ann", 25).await;
    daemon.mails(1).await;
    let body = json!({ "email": "not an address but private", "name": "x" });
    let answer = daemon.client().put("/v1/accounts/ann", &body).await.unwrap();
    refused("email", answer, 400, "invalid_request");
    let marked = json!({ "action": "chat", "account": "ann", "private-marker": 1 });
    daemon.refuses("/v1/usage", marked, 400, "invalid_request").await;
    daemon.webhook("{\"private-marker\": true}").await;
    daemon.stop();
    let log = daemon.log();
    let key = daemon.key();
    for secret in ["@creditd.test", "private", key, crate::daemon::SECRET] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}
