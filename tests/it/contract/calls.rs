//! Each call of the contract: its shape, and the scope that it needs.

use crate::daemon::Daemon;
use crate::daemon::calls::{accepted, refused};
use crate::engine::{Engine, on_each_engine};
use creditd::client::Client;
use hyper::Method;
use serde_json::{Value, json};

on_each_engine! {
    every_call_needs_its_scope_and_no_other
    debits_answer_with_what_was_taken_and_what_is_left
    a_batch_answers_each_item_in_order
    accounts_are_created_changed_and_listed
    a_balance_says_all_there_is
    a_balance_ahead_is_as_if_nothing_were_used
    a_ledger_line_has_every_key
    owners_and_customers_are_put_and_read
    seats_are_listed_with_what_they_hold
    grants_codes_and_rewards_have_their_shapes
    plans_and_actions_are_listed
    the_test_clock_only_goes_forward
}

const NOW: &str = "2026-03-01T10:00:00Z";

/// The keys of an object, in order of the alphabet.
#[track_caller]
fn has_keys(object: &Value, keys: &str) {
    let found: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    let mut keys: Vec<&str> = keys.split_whitespace().collect();
    keys.sort_unstable();
    assert_eq!(found, keys, "{object}");
}

const CALLS: [(&str, &str, &str); 33] = [
    ("POST", "/v1/usage", "usage"),
    ("POST", "/v1/usage/batch", "usage"),
    ("PUT", "/v1/accounts/ann", "manage"),
    ("GET", "/v1/accounts/ann", "read"),
    ("DELETE", "/v1/accounts/ghost", "manage"),
    ("GET", "/v1/accounts", "read"),
    ("GET", "/v1/accounts/ann/balance", "read"),
    ("GET", "/v1/accounts/ann/schedule", "read"),
    ("GET", "/v1/accounts/ann/ledger", "read"),
    ("GET", "/v1/seats/ghost/ledger", "read"),
    ("PUT", "/v1/workspaces/ann", "manage"),
    ("GET", "/v1/workspaces/ann", "read"),
    ("PUT", "/v1/apps/ann-app", "manage"),
    ("GET", "/v1/apps/ann-app", "read"),
    ("PUT", "/v1/customers/cus_ann", "manage"),
    ("GET", "/v1/customers/cus_ann", "read"),
    ("GET", "/v1/workspaces/ann/seats", "read"),
    ("POST", "/v1/seats/ghost/assign", "manage"),
    ("POST", "/v1/seats/ghost/transfer", "manage"),
    ("POST", "/v1/seats/ghost/release", "manage"),
    ("POST", "/v1/accounts/ann/grants", "manage"),
    ("GET", "/v1/accounts/ann/grants", "read"),
    ("POST", "/v1/grants/ghost/revoke", "manage"),
    ("POST", "/v1/accounts/ann/adjustments", "manage"),
    ("POST", "/v1/promo-codes", "manage"),
    ("GET", "/v1/promo-codes", "read"),
    ("POST", "/v1/promo-codes/GHOST/end", "manage"),
    ("POST", "/v1/accounts/ann/redeem", "manage"),
    ("POST", "/v1/accounts/ann/rewards", "manage"),
    ("GET", "/v1/rewards", "read"),
    ("POST", "/v1/rewards/ghost/approve", "manage"),
    ("POST", "/v1/rewards/ghost/reject", "manage"),
    ("GET", "/v1/test-clock", "admin"),
];

async fn every_call_needs_its_scope_and_no_other(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let scopes = ["usage", "read", "manage", "admin"];
    let keys = scopes.map(|scope| (scope, Client::new(daemon.api(), &daemon.new_key(&[scope]))));
    let more = [
        ("GET", "/v1/plans", "read"),
        ("GET", "/v1/actions", "read"),
        ("POST", "/v1/test-clock", "admin"),
    ];
    for (method, path, needed) in CALLS.into_iter().chain(more) {
        for (scope, client) in &keys {
            let headers = [("idempotency-key", "k")];
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let answer = client.send(method, path, &headers, "{}".into()).await.unwrap();
            if *scope == needed {
                assert_ne!(answer.text("/code"), "scope_missing", "{path} with {scope}");
                assert_ne!(answer.status, 401, "{path}");
            } else {
                let problem = refused(path, answer, 403, "scope_missing");
                assert_eq!(problem["scope"], needed, "{path}");
            }
        }
        for key in ["", "ck_nonsense"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let client = Client::new(daemon.api(), key);
            let answer = client.send(method, path, &[], "{}".into()).await.unwrap();
            refused(path, answer, 401, "key_invalid");
        }
    }
}

async fn debits_answer_with_what_was_taken_and_what_is_left(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let mut answer = daemon.chats("ann", 2).await;
    assert!(answer["id"].as_str().unwrap().starts_with("use_"));
    answer["id"] = Value::Null;
    let expected = json!({
        "id": null, "payer": "ann", "kind": "message", "cost": "2", "remaining": "3",
        "spendable": "3", "resets_at": "2026-03-02T10:00:00Z", "replayed": false,
    });
    assert_eq!(answer, expected);
}

async fn a_batch_answers_each_item_in_order(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let items = json!([
        { "key": "1", "action": "chat", "account": "ann", "quantity": 4 },
        { "key": "2", "action": "chat", "account": "ann", "quantity": 2 },
        { "key": "3", "action": "nonsense", "account": "ann" },
        { "key": "4", "action": "chat", "account": "ghost" },
        { "key": "5", "action": "chat", "account": "ann", "quantity": 0 },
        { "action": "chat", "account": "ann" },
        { "key": "7", "action": "agent_message", "app": "ann-app" },
        { "key": "8", "action": "chat", "account": "ann" },
    ]);
    let answers = daemon.post("/v1/usage/batch", json!({ "items": items })).await["data"].take();
    let told: Vec<(u64, &str)> = answers
        .as_array()
        .unwrap()
        .iter()
        .map(|answer| (answer["status"].as_u64().unwrap(), answer["code"].as_str().unwrap_or("")))
        .collect();
    let expected = [
        (200, ""),
        (402, "message_credits_exhausted"),
        (422, "unknown_action"),
        (404, "account_not_found"),
        (400, "invalid_request"),
        (400, "invalid_request"),
        (200, ""),
        (200, ""),
    ];
    assert_eq!(told, expected);
    assert_eq!(answers[4]["errors"][0]["pointer"], "/items/4/quantity");
    assert_eq!(answers[1]["needed"], "2");
    let many: Vec<_> = (0..1_000)
        .map(|number| json!({ "key": format!("m{number}"), "action": "visual_edit", "account": "ann" }))
        .collect();
    let answers = daemon.post("/v1/usage/batch", json!({ "items": many })).await["data"].take();
    assert!(answers.as_array().unwrap().iter().all(|answer| answer["status"] == 200));
    let mut many = many;
    many.push(json!({ "key": "one more", "action": "visual_edit", "account": "ann" }));
    daemon.refuses("/v1/usage/batch", json!({ "items": many }), 400, "invalid_request").await;
}

async fn accounts_are_created_changed_and_listed(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    let made = daemon.put("/v1/accounts/ann", json!({ "email": "ann@creditd.test" })).await;
    let expected = json!({
        "id": "ann", "workspace": "ann", "email": "ann@creditd.test", "name": null,
        "locale": null, "created_at": NOW, "closed_at": null,
    });
    assert_eq!(made, expected);
    let named = daemon.put("/v1/accounts/ann", json!({ "name": "Ann", "locale": "de-AT" })).await;
    assert_eq!(named["email"], "ann@creditd.test", "what is not named stays");
    assert_eq!(
        daemon.put("/v1/accounts/ann", json!({ "email": null })).await["email"],
        Value::Null
    );
    assert_eq!(daemon.get("/v1/accounts/ann").await["name"], "Ann");
    assert_eq!(daemon.get("/v1/workspaces/ann").await, json!({ "id": "ann", "owner": "ann" }));
    let odd = "A-z_0.9:@x";
    daemon.put(&format!("/v1/accounts/{odd}"), json!({ "workspace": "team" })).await;
    daemon.put("/v1/accounts/bob", json!({ "workspace": "team" })).await;
    let moved = daemon.client().put("/v1/accounts/bob", &json!({ "workspace": "ann" })).await;
    refused("move", moved.unwrap(), 409, "workspace_fixed");
    let ids = async |path: &str| {
        let rows = daemon.pages(path).await;
        rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids("/v1/accounts?workspace=team").await, [odd, "bob"]);
    assert_eq!(ids("/v1/accounts").await, [odd, "ann", "bob"]);
    accepted("close", daemon.call(Method::DELETE, "/v1/accounts/bob", &Value::Null).await);
}

async fn a_balance_says_all_there_is(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    daemon.buys("ann", "ann", "price_starter").await;
    daemon.spends("discuss", "ann", 1).await;
    daemon.grants("ann", "2.5", None).await;
    let mut balance = daemon.balance("ann").await;
    assert!(balance["version"].is_u64());
    balance["version"] = 0.into();
    let seat = daemon.seat_of("ann", "ann").await;
    let reset = "2026-04-01T10:00:00Z";
    let expected = json!({
        "account": "ann", "plan": "starter", "seat": seat, "as_of": NOW, "version": 0,
        "message": {
            "allowance": "100", "used": "0.3", "remaining": "99.7", "grants": "2.5",
            "spendable": "102.2", "cycle_started_at": NOW, "resets_at": reset,
            "limits": [{ "per": "month", "allowance": "100", "used": "0.3", "resets_at": reset }],
        },
        "integration": {
            "allowance": "2000", "used": "0", "remaining": "2000", "grants": "0",
            "spendable": "2000", "cycle_started_at": NOW, "resets_at": reset,
            "limits": [{ "per": "month", "allowance": "2000", "used": "0", "resets_at": reset }],
        },
    });
    assert_eq!(balance, expected);
}

async fn a_balance_ahead_is_as_if_nothing_were_used(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    daemon.buys("ann", "ann", "price_starter").await;
    daemon.chats("ann", 40).await;
    daemon.grants("ann", "9", Some("2026-03-20T00:00:00Z")).await;
    let at = async |at: &str| daemon.get(&format!("/v1/accounts/ann/balance?at={at}")).await;
    let before = at("2026-03-19T00:00:00Z").await;
    assert_eq!(
        (&before["message"]["spendable"], &before["as_of"]),
        (&json!("69"), &json!("2026-03-19T00:00:00Z"))
    );
    assert_eq!(at("2026-04-01T09:59:59.999999Z").await["message"]["spendable"], "60");
    assert_eq!(at("2026-04-01T10:00:00Z").await["message"]["spendable"], "100");
    assert_eq!(
        at("2030-01-15T00:00:00Z").await["message"]["cycle_started_at"],
        "2030-01-01T10:00:00Z"
    );
    let past = daemon.client().get("/v1/accounts/ann/balance?at=2026-03-01T09:59:59Z").await;
    refused("past", past.unwrap(), 400, "invalid_request");
    let far = daemon.schedule("ann", 120).await;
    assert_eq!((far.len(), far[119].as_str()), (120, "2036-03-01T10:00:00Z"));
    for count in ["0", "121", "x"] {
        let answer = daemon.client().get(&format!("/v1/accounts/ann/schedule?count={count}")).await;
        refused(count, answer.unwrap(), 400, "invalid_request");
    }
}

async fn a_ledger_line_has_every_key(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    daemon.buys("ann", "ann", "price_starter").await;
    let body = json!({ "action": "chat", "account": "ann", "app": "ann-app", "quantity": 2 });
    let client = daemon.client();
    let debit = accepted("chat", client.post("/v1/usage", "the key", &body).await.unwrap());
    let seat = daemon.seat_of("ann", "ann").await;
    let line = daemon.get("/v1/accounts/ann/ledger?limit=1").await["data"][0].take();
    let expected = json!({
        "seq": line["seq"], "pot": format!("seat/{seat}"), "seat": seat, "account": "ann",
        "use": debit["id"], "kind": "message", "amount": "-2", "pot_after": "98",
        "reason": "use", "cycle_started_at": NOW, "effective_at": NOW, "posted_at": NOW,
        "actor": "ann", "app": "ann-app", "action": "chat", "price": "1", "cause": "key:the key",
        "cause_at": null,
    });
    assert_eq!(line, expected);
    for line in daemon.pages(&format!("/v1/seats/{seat}/ledger")).await {
        has_keys(
            &line,
            "seq pot seat account use kind amount pot_after reason cycle_started_at effective_at \
             posted_at actor app action price cause cause_at",
        );
    }
}

async fn owners_and_customers_are_put_and_read(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.team("team", &["ann", "bob"]).await;
    daemon.person("zoe").await;
    let app = daemon.put("/v1/apps/shop", json!({ "owner": "bob" })).await;
    assert_eq!(app, json!({ "id": "shop", "workspace": "team", "owner": "bob" }));
    assert_eq!(daemon.get("/v1/apps/shop").await, app);
    let team = daemon.put("/v1/workspaces/team", json!({ "owner": "bob" })).await;
    assert_eq!(team, json!({ "id": "team", "owner": "bob" }));
    assert_eq!(daemon.get("/v1/workspaces/team").await, team);
    for path in ["/v1/apps/shop", "/v1/workspaces/team"] {
        let answer = daemon.client().put(path, &json!({ "owner": "zoe" })).await.unwrap();
        refused(path, answer, 409, "other_workspace");
    }
    let customer = daemon.put("/v1/customers/cus_9", json!({ "workspace": "zoe" })).await;
    assert_eq!(customer, json!({ "id": "cus_9", "workspace": "zoe" }));
    assert_eq!(daemon.get("/v1/customers/cus_9").await, customer);
    daemon.put("/v1/customers/cus_9", json!({ "workspace": "team" })).await;
    assert_eq!(daemon.get("/v1/customers/cus_9").await["workspace"], "team", "a person may");
}

async fn seats_are_listed_with_what_they_hold(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.team("team", &["ann", "bob"]).await;
    let sub = daemon.buys_many("team", "ann", &[("price_starter", 2)]).await;
    daemon.chats("ann", 3).await;
    let seats = daemon.seats("team").await;
    let expected = json!({
        "id": daemon.seat_of("team", "ann").await, "subscription": sub.id(), "plan": "starter",
        "next_plan": null, "holder": "ann", "anchor": NOW, "assigned_at": NOW,
        "resets_at": "2026-04-01T10:00:00Z", "ends_at": null, "status": "active",
        "message": { "used": "3", "allowance": "100" },
        "integration": { "used": "0", "allowance": "2000" },
    });
    assert_eq!(seats[0], expected);
    assert_eq!((&seats[1]["holder"], &seats[1]["assigned_at"]), (&Value::Null, &Value::Null));
    for (status, count) in [("active", 2), ("suspended", 0), ("ended", 0)] {
        let listed = daemon.pages(&format!("/v1/workspaces/team/seats?status={status}")).await;
        assert_eq!(listed.len(), count, "{status}");
    }
}

async fn grants_codes_and_rewards_have_their_shapes(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let grant = json!({
        "kind": "integration", "amount": "1.5", "reason": "sorry", "source": "goodwill",
        "expires_at": "2026-06-01T00:00:00Z",
    });
    let made = daemon.post("/v1/accounts/ann/grants", grant).await;
    let mut expected = json!({
        "id": made["id"], "account": "ann", "kind": "integration", "amount": "1.5",
        "remaining": "1.5", "source": "goodwill", "reason": "sorry", "created_at": NOW,
        "expires_at": "2026-06-01T00:00:00Z", "ended": false, "replayed": false,
    });
    assert_eq!(made, expected);
    expected.as_object_mut().unwrap().remove("replayed");
    assert_eq!(daemon.pages("/v1/accounts/ann/grants").await, [expected]);

    let code = json!({
        "code": "SPRING", "kind": "message", "amount": "10", "limit": 3,
        "ends_at": "2026-04-01T00:00:00Z",
    });
    let mut made = daemon.post("/v1/promo-codes", code.clone()).await;
    let expected = json!({
        "code": "SPRING", "kind": "message", "amount": "10", "limit": 3, "redeemed": 0,
        "ends_at": "2026-04-01T00:00:00Z", "grant_expires_at": null, "created_at": NOW,
        "replayed": false,
    });
    assert_eq!(made, expected);
    made.as_object_mut().unwrap().remove("replayed");
    assert_eq!(daemon.pages("/v1/promo-codes").await, [made]);
    daemon.refuses("/v1/promo-codes", code, 409, "promo_code_exists").await;
    assert_eq!(daemon.post("/v1/promo-codes/SPRING/end", json!({})).await["ends_at"], NOW);

    let claim = json!({
        "network": "linkedin", "post_url": "https://www.linkedin.com/posts/ann_1",
        "followers": 4_000, "app": "ann-app",
    });
    let reward = daemon.post("/v1/accounts/ann/rewards", claim).await;
    let expected = json!({
        "id": reward["id"], "account": "ann", "network": "linkedin",
        "post_url": reward["post_url"], "followers": 4_000, "app": "ann-app",
        "status": "claimed", "claimed_at": NOW, "decided_at": null, "reason": null,
        "grant": null, "replayed": false,
    });
    assert_eq!(reward, expected);
}

async fn plans_and_actions_are_listed(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    let plans = daemon.pages("/v1/plans").await;
    let ids: Vec<_> = plans.iter().map(|plan| plan["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["free", "starter", "builder", "tiny"]);
    let starter = json!({
        "id": "starter", "class": "paid", "rank": 1,
        "message": [{ "per": "month", "credits": "100" }],
        "integration": [{ "per": "month", "credits": "2000" }],
    });
    assert_eq!(plans[1], starter);
    let actions = daemon.pages("/v1/actions").await;
    let fix = actions.iter().find(|action| action["id"] == "auto_fix").unwrap();
    let expected = json!({
        "id": "auto_fix", "kind": "message", "cost": "1", "cost_by_class": { "paid": "0" },
    });
    assert_eq!(fix, &expected);
    assert_eq!(actions.len(), 8);
}

async fn the_test_clock_only_goes_forward(engine: Engine) {
    let mut daemon = Daemon::start(engine, NOW).await;
    assert_eq!(daemon.get("/v1/test-clock").await, json!({ "now": NOW }));
    daemon.clock(NOW).await;
    let body = json!({ "now": "2026-03-01T09:59:59.999999Z" });
    let problem = daemon.refuses("/v1/test-clock", body, 409, "clock_backwards").await;
    assert_eq!(problem["latest"], NOW);
    daemon.kill();
    daemon.run().await;
    assert_eq!(daemon.get("/v1/test-clock").await, json!({ "now": NOW }), "it is kept");
}
