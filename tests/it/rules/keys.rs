//! R17: the same key, the same answer.

use crate::daemon::Daemon;
use crate::daemon::calls::{accepted, refused};
use crate::engine::{Engine, on_each_engine};
use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};

on_each_engine! {
    also pooled:
    r17_a_repetition_gets_the_first_answer_also_after_a_crash
    r17_a_key_in_flight_waits_for_the_first
    r17_a_key_used_for_anything_else_is_refused
    r17_twins_in_a_batch_are_one_debit
    r17_after_a_refusal_the_same_key_may_succeed
    r17_each_workspace_has_keys_of_its_own
    r17_keys_are_checked_before_the_payer_is_resolved
    r17_every_post_takes_a_key_and_repeats_its_answer
    r17_put_and_delete_repeat_their_answer_where_a_key_is_given
}

const NOW: &str = "2026-03-01T10:00:00Z";

fn chat(account: &str) -> Value {
    json!({ "action": "chat", "account": account })
}

async fn r17_a_repetition_gets_the_first_answer_also_after_a_crash(engine: Engine) {
    let mut daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let client = daemon.client().clone();
    let mut first = accepted("first", client.post("/v1/usage", "k", &chat("ann")).await.unwrap());
    assert_eq!(first["replayed"], false);
    first["replayed"] = true.into();
    daemon.chats("ann", 2).await;
    let again = client.post("/v1/usage", "k", &chat("ann")).await.unwrap();
    assert_eq!(accepted("again", again), first);
    daemon.kill();
    daemon.run().await;
    daemon.clock("2026-03-25T10:00:00Z").await;
    let again = daemon.client().post("/v1/usage", "k", &chat("ann")).await.unwrap();
    assert_eq!(accepted("again", again), first);
    assert_eq!(daemon.standing("ann").await, "free: 0 used, 5 left");
}

async fn r17_a_key_in_flight_waits_for_the_first(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let answers = daemon.at_once(30, "/v1/usage", |_| ("k".to_owned(), chat("ann"))).await;
    let bodies: Vec<_> = answers.into_iter().map(|answer| accepted("chat", answer)).collect();
    let first = bodies.iter().filter(|body| body["replayed"] == false).count();
    assert_eq!(first, 1);
    assert!(bodies.iter().all(|body| body["id"] == bodies[0]["id"] && body["remaining"] == "4"));
    assert_eq!(daemon.standing("ann").await, "free: 1 used, 4 left");
}

async fn r17_a_key_used_for_anything_else_is_refused(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let client = daemon.client();
    accepted("first", client.post("/v1/usage", "k", &chat("ann")).await.unwrap());
    let spaced = Bytes::from(chat("ann").to_string().replace(':', ": "));
    let headers = [("idempotency-key", "k")];
    let gift = json!({ "kind": "message", "amount": "1", "reason": "a test" });
    let twin = json!({ "items": [{ "key": "k", "action": "chat", "account": "ann" }] });
    let discuss = json!({ "action": "discuss", "account": "ann" });
    let other_body = client.post("/v1/usage", "k", &discuss).await.unwrap();
    refused("body", other_body, 422, "idempotency_mismatch");
    let other_bytes = client.send(Method::POST, "/v1/usage", &headers, spaced).await.unwrap();
    refused("bytes", other_bytes, 422, "idempotency_mismatch");
    let other_path = client.post("/v1/accounts/ann/grants", "k", &gift).await.unwrap();
    refused("path", other_path, 422, "idempotency_mismatch");
    let in_batch = daemon.post("/v1/usage/batch", twin).await["data"][0].take();
    assert_eq!(in_batch["code"], "idempotency_mismatch");
    assert_eq!(daemon.standing("ann").await, "free: 1 used, 4 left");
    assert_eq!(daemon.spendable("ann").await, "4");
}

async fn r17_twins_in_a_batch_are_one_debit(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let item = |key: &str, action: &str| json!({ "key": key, "action": action, "account": "ann" });
    let items = [item("a", "chat"), item("b", "discuss"), item("a", "chat"), item("a", "discuss")];
    let answers = daemon.post("/v1/usage/batch", json!({ "items": items })).await;
    let answers = answers["data"].as_array().unwrap();
    let statuses: Vec<_> =
        answers.iter().map(|answer| answer["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 200, 200, 422]);
    assert_eq!(answers[0]["id"], answers[2]["id"]);
    let replayed: Vec<_> = answers[..3].iter().map(|answer| &answer["replayed"]).collect();
    assert_eq!(replayed, [&json!(false), &json!(false), &json!(true)]);
    assert_eq!(daemon.standing("ann").await, "free: 1.3 used, 3.7 left");
}

async fn r17_after_a_refusal_the_same_key_may_succeed(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    daemon.chats("ann", 5).await;
    let client = daemon.client();
    let answer = client.post("/v1/usage", "k", &chat("ann")).await.unwrap();
    refused("chat", answer, 402, "message_credits_exhausted");
    daemon.grants("ann", "1", None).await;
    let answer = accepted("chat", client.post("/v1/usage", "k", &chat("ann")).await.unwrap());
    assert_eq!(answer["replayed"], false);
    assert_eq!(daemon.spendable("ann").await, "0");
}

async fn r17_each_workspace_has_keys_of_its_own(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.team("team", &["ann", "bob"]).await;
    daemon.person("zoe").await;
    let client = daemon.client();
    for account in ["ann", "zoe"] {
        let answer = client.post("/v1/usage", "k", &chat(account)).await.unwrap();
        assert_eq!(accepted(account, answer)["replayed"], false);
    }
    let answer = client.post("/v1/usage", "k", &chat("bob")).await.unwrap();
    refused("bob shares ann's", answer, 422, "idempotency_mismatch");
}

async fn r17_keys_are_checked_before_the_payer_is_resolved(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.team("team", &["ann", "bob"]).await;
    let call = json!({ "action": "integration_call", "app": "ann-app" });
    let client = daemon.client();
    accepted("first", client.post("/v1/usage", "k", &call).await.unwrap());
    daemon.put("/v1/apps/ann-app", json!({ "owner": "bob" })).await;
    let again = accepted("again", client.post("/v1/usage", "k", &call).await.unwrap());
    assert_eq!((&again["payer"], &again["replayed"]), (&json!("ann"), &json!(true)));
    assert_eq!(daemon.balance("bob").await["integration"]["used"], "0");
}

async fn r17_every_post_takes_a_key_and_repeats_its_answer(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.team("team", &["ann", "bob"]).await;
    daemon.buys("team", "ann", "price_starter").await;
    let seat = daemon.seat_of("team", "ann").await;
    let code = json!({
        "code": "X", "kind": "message", "amount": "1", "limit": 9, "ends_at": "2027-01-01T00:00:00Z",
    });
    let gift = json!({ "kind": "message", "amount": "1", "reason": "a test" });
    let claim = json!({
        "network": "x", "post_url": "https://x.com/ann/status/1", "followers": 500,
    });
    let mut made = Vec::new();
    for (path, body) in [
        ("/v1/usage".to_owned(), chat("ann")),
        (format!("/v1/seats/{seat}/transfer"), json!({ "to": "bob" })),
        (format!("/v1/seats/{seat}/release"), Value::Null),
        (format!("/v1/seats/{seat}/assign"), json!({ "account": "ann" })),
        ("/v1/accounts/ann/grants".to_owned(), gift.clone()),
        ("/v1/accounts/ann/adjustments".to_owned(), gift),
        ("/v1/promo-codes".to_owned(), code),
        ("/v1/accounts/ann/redeem".to_owned(), json!({ "code": "X" })),
        ("/v1/promo-codes/X/end".to_owned(), Value::Null),
        ("/v1/accounts/ann/rewards".to_owned(), claim),
    ] {
        let answer = daemon.call_with(Method::POST, &path, &[], &body).await;
        refused(&path, answer, 400, "idempotency_key_missing");
        let key = format!("key of {path}");
        let headers = [("idempotency-key", key.as_str())];
        let send = async || daemon.call_with(Method::POST, &path, &headers, &body).await;
        let mut first = accepted(&path, send().await);
        assert_eq!(first["replayed"], false, "{path}");
        first["replayed"] = true.into();
        made.push((path.clone(), key.clone(), body.clone(), first));
    }
    let before = daemon.ledger("ann").await;
    for (path, key, body, first) in &made {
        let headers = [("idempotency-key", key.as_str())];
        let again = daemon.call_with(Method::POST, path, &headers, body).await;
        assert_eq!(&accepted(path, again), first);
    }
    assert_eq!(daemon.ledger("ann").await, before);
}

async fn r17_put_and_delete_repeat_their_answer_where_a_key_is_given(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let headers = [("idempotency-key", "k")];
    let named = json!({ "name": "Ann" });
    let put = async |body: &Value| {
        daemon.call_with(Method::PUT, "/v1/accounts/ann", &headers, body).await
    };
    accepted("put", put(&named).await);
    daemon.put("/v1/accounts/ann", json!({ "name": "Anna" })).await;
    assert_eq!(accepted("put", put(&named).await)["name"], "Ann");
    assert_eq!(daemon.get("/v1/accounts/ann").await["name"], "Anna", "a replay changes nothing");
    refused("put", put(&json!({ "name": "Bo" })).await, 422, "idempotency_mismatch");

    let headers = [("idempotency-key", "k2")];
    let close =
        async || daemon.call_with(Method::DELETE, "/v1/accounts/ann", &headers, &Value::Null).await;
    let first = accepted("close", close().await);
    assert_eq!(accepted("close", close().await)["closed_at"], first["closed_at"]);
}
