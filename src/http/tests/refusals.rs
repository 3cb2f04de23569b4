//! What is refused, and how it is said.

use super::*;
use crate::http::auth::Keys;
use crate::http::problem::{Code, Problem};
use crate::writer::SubmitError;
use creditd_rules::Rejection;
use creditd_rules::id::{AccountId, SeatId};
use std::time::Duration;
use tokio::time::Instant;

/// A refused request with its problem: the code, and where the first fault is.
#[track_caller]
fn check(got: &Got, status: u16, code: &str, pointer: Option<&str>) {
    assert_eq!((got.status.as_u16(), got.code()), (status, code), "{}", got.body);
    assert_eq!(got.headers["content-type"], "application/problem+json");
    assert_eq!(got.body["status"], status);
    for member in ["type", "title", "detail"] {
        assert!(got.body[member].is_string(), "{member} in {}", got.body);
    }
    let found = got.body["errors"][0]["pointer"].as_str();
    assert_eq!(found, pointer, "{}", got.body);
}

#[tokio::test]
async fn a_bad_body_is_refused_and_its_fault_is_named() {
    let world = World::peopled().await;
    let before = world.fake.kept().workspaces.clone();
    for (body, pointer) in [
        ("", ""),
        ("{", ""),
        ("[]", ""),
        ("{\"action\":\"chat\"} x", ""),
        ("{\"account\":\"ann\"}", "/action"),
        ("{\"action\":7,\"account\":\"ann\"}", "/action"),
        ("{\"action\":\"a b\",\"account\":\"ann\"}", "/action"),
        ("{\"action\":\"chat\",\"account\":\"ann\\u0000\"}", "/account"),
        ("{\"action\":\"chat\",\"account\":\"a/b\"}", "/account"),
        ("{\"action\":\"chat\"}", "/account"),
        ("{\"action\":\"integration_call\",\"account\":\"ann\"}", "/app"),
        ("{\"action\":\"integration_call\",\"app\":\"\"}", "/app"),
        ("{\"action\":\"chat\",\"account\":\"ann\",\"quantity\":0}", "/quantity"),
        ("{\"action\":\"chat\",\"account\":\"ann\",\"quantity\":1.5}", "/quantity"),
        ("{\"action\":\"chat\",\"account\":\"ann\",\"quantity\":\"1\"}", "/quantity"),
        ("{\"action\":\"chat\",\"account\":\"ann\",\"z/z\":1}", "/z~1z"),
        ("{\"action\":\"chat\",\"action\":\"discuss\",\"account\":\"ann\"}", "/action"),
    ] {
        let got = world.raw("POST", "/v1/usage", body).await;
        check(&got, 400, "invalid_request", Some(pointer));
    }
    assert_eq!(world.fake.kept().workspaces, before, "nothing was changed");
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let world = World::peopled().await;
    let body = json!({ "kind": "gold", "amount": 5, "x": 1 });
    let got = world.call("POST", "/v1/accounts/ann/grants", body).await;
    let faults = got.body["errors"].as_array().unwrap();
    let pointers: Vec<&str> = faults.iter().filter_map(|one| one["pointer"].as_str()).collect();
    assert_eq!(pointers, ["/kind", "/amount", "/reason", "/x"]);
}

#[tokio::test]
async fn values_out_of_bounds_are_refused_at_every_call() {
    let world = World::peopled().await;
    let grant = |amount: &str| json!({ "kind": "message", "amount": amount, "reason": "x" });
    let claim = |url: &str| json!({ "network": "x", "post_url": url, "followers": 200 });
    for (method, path, body, pointer) in [
        ("PUT", "/v1/accounts/ann", json!({ "email": "no address" }), "/email"),
        ("PUT", "/v1/accounts/ann", json!({ "name": "a\u{0}b" }), "/name"),
        ("PUT", "/v1/accounts/a%20b", json!({}), "{id}"),
        ("PUT", "/v1/accounts/a%00b", json!({}), "{id}"),
        ("PUT", "/v1/accounts/%ff", json!({}), "{id}"),
        ("PUT", "/v1/apps/shop", json!({ "owner": "ä" }), "/owner"),
        ("PUT", "/v1/customers/cus_1", json!({}), "/workspace"),
        ("POST", "/v1/accounts/ann/grants", grant("-1"), "/amount"),
        ("POST", "/v1/accounts/ann/grants", grant("0.0000001"), "/amount"),
        ("POST", "/v1/accounts/ann/grants", grant("99999999999999999999"), "/amount"),
        ("POST", "/v1/accounts/ann/adjustments", grant("0"), "/amount"),
        ("POST", "/v1/accounts/ann/rewards", claim("https://example.com/1"), "/post_url"),
        ("POST", "/v1/seats/s/release", json!({ "account": "ann" }), "/account"),
        ("POST", "/v1/rewards/r/reject", json!({}), "/reason"),
    ] {
        check(&world.call(method, path, body).await, 400, "invalid_request", Some(pointer));
    }
    for (path, pointer) in [
        ("/v1/accounts?limit=0", "?limit"),
        ("/v1/accounts?limit=1001", "?limit"),
        ("/v1/accounts?limit=ten", "?limit"),
        ("/v1/accounts?sort=id", "?sort"),
        ("/v1/accounts?limit=1&limit=2", "?limit"),
        ("/v1/plans?cursor=nope", "?cursor"),
        ("/v1/accounts?cursor=%00", "?cursor"),
        ("/v1/accounts/ann/ledger?cursor=x", "?cursor"),
        ("/v1/accounts/ann/ledger?kind=gold", "?kind"),
        ("/v1/accounts/ann/ledger?from=yesterday", "?from"),
        ("/v1/accounts/ann/schedule?count=121", "?count"),
        ("/v1/accounts/ann/balance?at=2020-01-01T00:00:00Z", "?at"),
        ("/v1/accounts/ann/balance?at=9020-01-01T00:00:00Z", "?at"),
        ("/v1/workspaces/team/seats?status=gone", "?status"),
    ] {
        check(&world.get(path).await, 400, "invalid_request", Some(pointer));
    }
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let world = World::peopled().await;
    let use_of = |action: &str, account: &str| json!({ "action": action, "account": account });
    let owner = json!({ "owner": "ghost" });
    for (method, path, body, code, pointer) in [
        ("POST", "/v1/usage", use_of("chat", "ghost"), "account_not_found", Some("/account")),
        (
            "POST",
            "/v1/usage",
            json!({"action":"integration_call","app":"ghost"}),
            "app_not_found",
            Some("/app"),
        ),
        ("GET", "/v1/accounts/ghost", json!({}), "account_not_found", None),
        ("GET", "/v1/accounts/ghost/balance", json!({}), "account_not_found", None),
        ("GET", "/v1/accounts/ghost/ledger", json!({}), "account_not_found", None),
        ("DELETE", "/v1/accounts/ghost", json!({}), "account_not_found", None),
        ("GET", "/v1/apps/ghost", json!({}), "app_not_found", None),
        ("PUT", "/v1/apps/shop2", owner.clone(), "account_not_found", Some("/owner")),
        ("PUT", "/v1/workspaces/team", owner, "account_not_found", Some("/owner")),
        ("PUT", "/v1/workspaces/ghost", json!({ "owner": "ann" }), "workspace_not_found", None),
        (
            "POST",
            "/v1/seats/s/transfer",
            json!({ "to": "ghost" }),
            "account_not_found",
            Some("/to"),
        ),
        ("GET", "/v1/workspaces/ghost", json!({}), "workspace_not_found", None),
        ("GET", "/v1/workspaces/ghost/seats", json!({}), "workspace_not_found", None),
        (
            "PUT",
            "/v1/customers/cus_1",
            json!({ "workspace": "ghost" }),
            "workspace_not_found",
            Some("/workspace"),
        ),
        ("GET", "/v1/customers/cus_1", json!({}), "customer_not_found", None),
        ("POST", "/v1/seats/ghost/release", json!({}), "seat_not_found", None),
        ("GET", "/v1/seats/ghost/ledger", json!({}), "seat_not_found", None),
        ("POST", "/v1/grants/ghost/revoke", json!({ "reason": "x" }), "grant_not_found", None),
        ("POST", "/v1/rewards/ghost/approve", json!({}), "reward_not_found", None),
        (
            "POST",
            "/v1/accounts/ann/redeem",
            json!({ "code": "X" }),
            "promo_code_not_found",
            Some("/code"),
        ),
        ("GET", "/v2/usage", json!({}), "not_found", None),
    ] {
        check(&world.call(method, path, body).await, 404, code, pointer);
    }
    let got = world.call("POST", "/v1/usage", use_of("nope", "ann")).await;
    check(&got, 422, "unknown_action", Some("/action"));
    let got = world.get("/v1/usage").await;
    check(&got, 405, "method_not_allowed", None);
    assert_eq!(got.headers["allow"], "POST");
    assert!(!world.fake.kept().workspaces["team"].apps.contains_key("shop2"));
}

#[tokio::test]
async fn a_key_is_needed_and_its_scopes_are_watched() {
    let world = World::peopled().await;
    let send = async |key: Option<&str>, path: &str| {
        let mut request = Request::builder().uri(path);
        if let Some(key) = key {
            request = request.header("authorization", key);
        }
        world.send(request.body(Body::empty()).unwrap()).await
    };
    let unknown = format!("Bearer {}", ApiKeyText::generate().unwrap().expose());
    for key in [None, Some(""), Some("Bearer"), Some("Bearer  "), Some("Bearer x"), Some(&*unknown)]
    {
        let got = send(key, "/v1/accounts/ann").await;
        check(&got, 401, "key_invalid", None);
        assert_eq!(got.headers["www-authenticate"], "Bearer");
    }
    let good = format!("Bearer {}", world.add_key(&["read"]));
    for (first, second) in [(&*good, "Bearer x"), ("Bearer x", &*good), (&*good, &*good)] {
        let request = Request::builder().uri("/v1/accounts/ann").header("authorization", first);
        let request = request.header("authorization", second).body(Body::empty()).unwrap();
        check(&world.send(request).await, 401, "key_invalid", None);
    }
    for scope in ["usage", "manage", "admin"] {
        let key = format!("Bearer {}", world.add_key(&[scope]));
        let got = send(Some(&key), "/v1/accounts/ann").await;
        check(&got, 403, "scope_missing", None);
        assert_eq!(got.body["scope"], "read");
    }
    let key = format!("bearer {}", world.add_key(&["read"]));
    assert_eq!(send(Some(&key), "/v1/accounts/ann").await.status, StatusCode::OK);
}

#[tokio::test]
async fn every_call_under_v1_needs_a_key() {
    let world = World::new().await;
    let document: Value = serde_json::from_str(&crate::http::openapi_document().unwrap()).unwrap();
    let mut calls = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, call) in methods.as_object().unwrap() {
            let request = Request::builder().method(method.to_uppercase().as_str());
            let request = request.uri(path.replace("{id}", "x")).header("idempotency-key", "k");
            let got = world.send(request.body(Body::empty()).unwrap()).await;
            if path.starts_with("/v1/") {
                assert_eq!(got.code(), "key_invalid", "{method} {path}");
                assert!(call["security"][0]["key"][0].is_string(), "{method} {path}");
                calls += 1;
            } else {
                assert_eq!(got.code(), "signature_invalid", "{method} {path}");
            }
        }
    }
    assert!(calls >= 34, "{calls}");
}

#[tokio::test]
async fn a_key_is_remembered_for_a_few_seconds_and_a_new_one_works_at_once() {
    let world = World::new().await;
    let keys = Keys::default();
    let now = Instant::now();
    let known = async |key: &str, after: u64| {
        let now = now + Duration::from_secs(after);
        keys.scopes(&*world.fake, key, now).await.unwrap().is_some()
    };
    let later = ApiKeyText::generate().unwrap().expose().to_owned();
    assert!(!known(&later, 0).await);
    let kept = ApiKey {
        id: "later".to_owned(),
        hash: api_key::hash(&later),
        scopes: vec!["read".to_owned()],
        created_at: instant("2027-03-01T10:00:00Z"),
        revoked_at: None,
    };
    world.fake.kept().keys.insert(kept.hash, kept.clone());
    let before = world.fake.key_lookups.load(Ordering::Relaxed);
    for _ in 0..10 {
        assert!(known(&later, 0).await);
    }
    assert_eq!(world.fake.key_lookups.load(Ordering::Relaxed), before + 1);
    let revoked = ApiKey { revoked_at: Some(kept.created_at), ..kept };
    world.fake.kept().keys.insert(revoked.hash, revoked);
    assert!(known(&later, 3).await);
    assert!(!known(&later, 5).await);
    assert!(!known("no key at all", 0).await);
}

#[tokio::test]
async fn r17_a_post_without_a_key_is_refused() {
    let world = World::peopled().await;
    let body = json!({ "action": "chat", "account": "ann" });
    let send = async |key: Option<&str>| {
        let mut request = Request::builder().method("POST").uri("/v1/usage");
        request = request.header("authorization", format!("Bearer {}", world.key));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        world.send(request.body(Body::from(body.to_string())).unwrap()).await
    };
    check(&send(None).await, 400, "idempotency_key_missing", None);
    check(&send(Some("")).await, 400, "idempotency_key_missing", None);
    let long = "x".repeat(256);
    check(&send(Some(&long)).await, 400, "invalid_request", Some("Idempotency-Key"));
    assert_eq!(send(Some("\"k\"")).await.body["replayed"], false);
    assert_eq!(send(Some("k")).await.body["replayed"], true);
}

#[tokio::test]
async fn bodies_have_a_limit() {
    let limits = Limits { body_bytes: 100, webhook_body_bytes: 200, ..Limits::default() };
    let world = World::with(limits).await;
    let body = " ".repeat(101);
    let got = world.raw("POST", "/v1/usage", &body).await;
    check(&got, 413, "body_too_large", None);
    let got = world.raw("POST", "/v1/usage/batch", &body).await;
    check(&got, 400, "invalid_request", Some(""));
    let got = world.raw("POST", "/webhooks/stripe", &body).await;
    check(&got, 400, "signature_invalid", None);
    let got = world.raw("POST", "/webhooks/stripe", &" ".repeat(201)).await;
    check(&got, 413, "body_too_large", None);
}

#[tokio::test]
async fn what_cannot_be_done_now_may_be_tried_again() {
    let world = World::peopled().await;
    let body = json!({ "action": "chat", "account": "ann" });
    for (fault, code) in [
        (SubmitError::Overloaded, "overloaded"),
        (SubmitError::Unavailable, "database_unavailable"),
        (SubmitError::Stopping, "stopping"),
        (SubmitError::OutcomeUnknown, "outcome_unknown"),
    ] {
        *world.fake.writer_fault.lock().unwrap() = Some(fault);
        let got = world.call("POST", "/v1/usage", body.clone()).await;
        check(&got, 503, code, None);
        assert!(got.headers.contains_key("retry-after"));
    }
    *world.fake.writer_fault.lock().unwrap() = Some(SubmitError::Refused("row 7".to_owned()));
    let got = world.call("POST", "/v1/usage", body).await;
    check(&got, 500, "internal", None);
    assert!(!got.body.to_string().contains("row 7"));
    *world.fake.store_down.lock().unwrap() = true;
    check(&world.get("/v1/accounts/ann").await, 503, "database_unavailable", None);
}

#[tokio::test]
async fn more_than_can_be_under_way_is_refused_at_once() {
    let world = World::with(Limits { requests: 0, ..Limits::default() }).await;
    let got = world.get("/v1/plans").await;
    check(&got, 503, "overloaded", None);
    assert!(got.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn a_panic_is_answered_and_its_words_are_kept() {
    let world = World::new().await;
    let request = Request::builder().method("POST").uri("/webhooks/stripe");
    let request = request.header("stripe-signature", "good");
    let got = world.send(request.body(Body::from("panic")).unwrap()).await;
    check(&got, 500, "internal", None);
    assert!(!got.body.to_string().contains("secret"));
    let text = world.metrics.classic_text().unwrap();
    let line = "method=\"POST\",route=\"/webhooks/stripe\",status=\"500\"} 1";
    assert!(text.contains(line), "{text}");
}

#[test]
fn every_refusal_of_the_rules_has_a_problem() {
    let (account, seat) = (AccountId::from("a"), SeatId::from("s"));
    for (rejection, status) in [
        (Rejection::AccountNotFound("a".to_owned()), 404),
        (Rejection::AppNotFound("a".into()), 404),
        (Rejection::SeatNotFound(seat.clone()), 404),
        (Rejection::GrantNotFound("g".into()), 404),
        (Rejection::RewardNotFound("r".into()), 404),
        (Rejection::AccountClosed(account.clone()), 409),
        (Rejection::UnknownAction("x".into()), 422),
        (Rejection::AccountMissing("x".into()), 400),
        (Rejection::AppMissing("x".into()), 400),
        (Rejection::CostTooLarge, 400),
        (Rejection::OtherWorkspace(account.clone()), 409),
        (Rejection::SeatTaken { seat: seat.clone(), holder: account.clone() }, 409),
        (Rejection::SeatVacant(seat.clone()), 409),
        (Rejection::SeatEnded(seat.clone()), 409),
        (Rejection::SeatSuspended(seat.clone()), 409),
        (Rejection::AlreadySeated { account, seat }, 409),
        (Rejection::BelowZero { available: Amount::ZERO }, 422),
        (Rejection::TooFewFollowers { needed_above: 100 }, 422),
        (Rejection::RewardAlreadyClaimed { network: "x".to_owned() }, 409),
        (Rejection::RewardAlreadyDecided("r".into()), 409),
        (Rejection::Invalid { field: "expires_at", detail: "must lie ahead" }, 400),
    ] {
        let code = rejection.code();
        let problem = Problem::from(rejection);
        assert_eq!(problem.code().as_str(), code);
        assert_eq!(problem.code().status().as_u16(), status, "{code}");
    }
    let codes: std::collections::BTreeSet<&str> =
        Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(codes.len(), Code::ALL.len(), "each code is there once");
}
