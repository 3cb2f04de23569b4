//! What is answered when all is well.

use super::*;

#[tokio::test]
async fn r1_a_debit_answers_what_it_cost_and_what_is_left() {
    let world = World::peopled().await;
    let body = json!({ "action": "chat", "account": "ann", "quantity": 2 });
    let got = world.must("POST", "/v1/usage", body).await;
    assert!(got["id"].as_str().unwrap().starts_with("use_"));
    let expected = json!({
        "id": got["id"], "payer": "ann", "kind": "message", "cost": "2", "remaining": "3",
        "spendable": "3", "resets_at": "2027-03-02T10:00:00Z", "replayed": false,
    });
    assert_eq!(got, expected);
}

#[tokio::test]
async fn r2_the_owner_of_the_app_pays_whoever_acts() {
    let world = World::peopled().await;
    for account in [Value::Null, json!("a visitor, möglicherweise")] {
        let body = json!({ "action": "integration_call", "app": "shop", "account": account });
        assert_eq!(world.must("POST", "/v1/usage", body).await["payer"], "ann");
    }
}

#[tokio::test]
async fn r3_a_refused_debit_says_what_was_needed_and_what_is_left() {
    let world = World::peopled().await;
    let body = json!({ "action": "chat", "account": "ann", "quantity": 6 });
    let got = world.call("POST", "/v1/usage", body).await;
    assert_eq!((got.status.as_u16(), got.code()), (402, "message_credits_exhausted"));
    assert_eq!(got.body["needed"], "6");
    assert_eq!(got.body["remaining"], "5");
    assert_eq!(got.body["spendable"], "5");
    assert_eq!(got.body.get("resets_at"), Some(&Value::Null), "more than a reset brings");
}

#[tokio::test]
async fn r17_the_same_request_is_answered_the_same_and_another_is_refused() {
    let world = World::peopled().await;
    let body = json!({ "action": "chat", "account": "ann" });
    let first = world.keyed("k", "POST", "/v1/usage", body.clone()).await.body;
    let mut again = world.keyed("k", "POST", "/v1/usage", body.clone()).await.body;
    assert_eq!(again["replayed"], true);
    again["replayed"] = json!(false);
    assert_eq!(again, first);
    for (method, path, other) in [
        ("POST", "/v1/usage", json!({ "action": "discuss", "account": "ann" })),
        ("POST", "/v1/usage?", body),
        ("PUT", "/v1/accounts/ann", json!({})),
    ] {
        let got = world.keyed("k", method, path, other).await;
        assert_eq!((got.status.as_u16(), got.code()), (422, "idempotency_mismatch"), "{path}");
    }
}

#[tokio::test]
async fn r17_a_batch_answers_each_item_in_order() {
    let world = World::peopled().await;
    let items = json!({ "items": [
        { "key": "a", "action": "chat", "account": "ann" },
        { "key": "b", "action": "chat" },
        { "key": "c", "action": "chat", "account": "ann", "quantity": 9 },
        { "key": "a", "action": "chat", "account": "ann" },
        { "key": "", "action": "chat", "account": "ann" },
        7,
        { "key": "d", "action": "integration_call", "app": "shop" },
    ]});
    let got = world.must("POST", "/v1/usage/batch", items.clone()).await;
    let data = got["data"].as_array().unwrap();
    let statuses: Vec<u64> = data.iter().map(|one| one["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 400, 402, 200, 400, 400, 200]);
    assert_eq!(data[1]["errors"][0]["pointer"], "/items/1/account");
    assert_eq!(data[2]["code"], "message_credits_exhausted");
    assert_eq!((&data[0]["replayed"], &data[3]["replayed"]), (&json!(false), &json!(true)));
    assert_eq!(data[0]["id"], data[3]["id"]);
    assert_eq!(data[4]["errors"][0]["pointer"], "/items/4/key");
    assert_eq!(data[5]["errors"][0]["pointer"], "/items/5");
    let again = world.must("POST", "/v1/usage/batch", items).await;
    assert_eq!(again["data"][6]["replayed"], true);
    for wrong in [json!({}), json!({ "items": [] }), json!({ "items": 1 }), json!([])] {
        let got = world.call("POST", "/v1/usage/batch", wrong).await;
        assert_eq!((got.status.as_u16(), got.code()), (400, "invalid_request"));
    }
    let many = json!({ "items": vec![json!({}); 1_001] });
    assert_eq!(world.call("POST", "/v1/usage/batch", many).await.status.as_u16(), 400);
}

#[tokio::test]
async fn an_account_is_changed_in_parts_and_keeps_its_workspace() {
    let world = World::peopled().await;
    let path = "/v1/accounts/ann";
    let body = json!({ "email": "ann@example.com", "name": "Ann", "locale": "en" });
    world.must("PUT", path, body).await;
    let got = world.must("PUT", path, json!({ "name": null })).await;
    assert_eq!(got["email"], "ann@example.com");
    assert_eq!(got["name"], Value::Null);
    assert_eq!(got["workspace"], "team");
    assert_eq!(world.get(path).await.body["locale"], "en");
    let got = world.call("PUT", path, json!({ "workspace": "other" })).await;
    assert_eq!((got.status.as_u16(), got.code()), (409, "workspace_fixed"));
    let alone = world.must("PUT", "/v1/accounts/bob", json!({})).await;
    assert_eq!(alone["workspace"], "bob");
    let released = world.fake.kept().released.clone();
    assert!(released.ends_with(&["account:bob".to_owned(), "workspace:bob".to_owned()]));
    let list = world.get("/v1/accounts?workspace=team").await.body;
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    assert_eq!(list.get("next_cursor"), Some(&Value::Null));
}

#[tokio::test]
async fn r19_a_closed_account_never_works_again() {
    let world = World::peopled().await;
    let got = world.must("DELETE", "/v1/accounts/ann", json!({})).await;
    assert!(got["closed_at"].is_string());
    let body = json!({ "action": "chat", "account": "ann" });
    for got in [
        world.call("POST", "/v1/usage", body).await,
        world.call("PUT", "/v1/accounts/ann", json!({})).await,
        world.call("PUT", "/v1/apps/another", json!({ "owner": "ann" })).await,
        world.get("/v1/accounts/ann/balance").await,
    ] {
        assert_eq!((got.status.as_u16(), got.code()), (409, "account_closed"));
    }
    assert!(world.get("/v1/accounts/ann").await.body["closed_at"].is_string());
    assert_eq!(world.get("/v1/accounts/ann/ledger").await.status.as_u16(), 200);
}

#[tokio::test]
async fn an_app_stays_in_the_workspace_of_its_first_owner() {
    let world = World::peopled().await;
    world.must("PUT", "/v1/accounts/bob", json!({ "workspace": "team" })).await;
    world.must("PUT", "/v1/accounts/eve", json!({})).await;
    let got = world.must("PUT", "/v1/apps/shop", json!({ "owner": "bob" })).await;
    assert_eq!(
        got,
        json!({ "id": "shop", "workspace": "team", "owner": "bob", "replayed": false })
    );
    assert_eq!(world.get("/v1/apps/shop").await.body["owner"], "bob");
    for path in ["/v1/apps/shop", "/v1/workspaces/team"] {
        let got = world.call("PUT", path, json!({ "owner": "eve" })).await;
        assert_eq!((got.status.as_u16(), got.code()), (409, "other_workspace"), "{path}");
    }
    let got = world.must("PUT", "/v1/workspaces/team", json!({ "owner": "bob" })).await;
    assert_eq!(got["owner"], "bob");
    assert_eq!(world.get("/v1/workspaces/team").await.body, json!({"id": "team", "owner": "bob"}));
}

#[tokio::test]
async fn a_customer_is_linked_and_a_replay_links_nothing_over_a_later_link() {
    let world = World::peopled().await;
    world.must("PUT", "/v1/accounts/bob", json!({})).await;
    let path = "/v1/customers/cus_1";
    let first = world.keyed("k", "PUT", path, json!({ "workspace": "team" })).await.body;
    assert_eq!(first, json!({ "id": "cus_1", "workspace": "team", "replayed": false }));
    world.must("PUT", path, json!({ "workspace": "bob" })).await;
    let again = world.keyed("k", "PUT", path, json!({ "workspace": "team" })).await.body;
    assert_eq!((&again["workspace"], &again["replayed"]), (&json!("team"), &json!(true)));
    assert_eq!(world.get(path).await.body, json!({ "id": "cus_1", "workspace": "bob" }));
    assert!(world.fake.kept().released.contains(&"customer:cus_1".to_owned()));
}

#[tokio::test]
async fn r8_a_balance_can_be_asked_for_ahead() {
    let world = World::peopled().await;
    world.must("POST", "/v1/usage", json!({ "action": "chat", "account": "ann" })).await;
    let now = world.get("/v1/accounts/ann/balance").await.body;
    assert_eq!(now["message"]["remaining"], "4");
    assert_eq!(now["message"]["resets_at"], "2027-03-02T10:00:00Z");
    assert_eq!(now["integration"]["resets_at"], Value::Null);
    let then = world.get("/v1/accounts/ann/balance?at=2027-03-02T10:00:00Z").await.body;
    assert_eq!(then["message"]["remaining"], "5");
    assert_eq!(then["as_of"], "2027-03-02T10:00:00Z");
    let resets = world.get("/v1/accounts/ann/schedule?count=3").await.body;
    assert_eq!(resets, json!({ "resets": ["2027-03-02T10:00:00Z"] }));
}

#[tokio::test]
async fn r6_a_ledger_shows_what_is_due_before_what_was_posted() {
    let world = World::peopled().await;
    for _ in 0..2 {
        world.must("POST", "/v1/usage", json!({ "action": "chat", "account": "ann" })).await;
    }
    world.fake.kept().now = instant("2027-03-02T10:00:00Z");
    let all = world.get("/v1/accounts/ann/ledger").await.body;
    let data = all["data"].as_array().unwrap();
    let reasons: Vec<&str> = data.iter().map(|one| one["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["expire", "use", "use", "allowance"]);
    assert_eq!((&data[0]["seq"], &data[0]["posted_at"]), (&Value::Null, &Value::Null));
    assert_eq!(data[0]["amount"], "-3");
    assert_eq!(data[0].as_object().unwrap().len(), 18, "every key is there");
    assert_eq!(data[1]["use"].as_str().unwrap().get(..4), Some("use_"));
    assert_eq!(data[1]["cause"].as_str().unwrap().get(..4), Some("key:"));
    assert_eq!(all["next_cursor"], Value::Null);

    let (mut paged, mut path) = (Vec::new(), "/v1/accounts/ann/ledger?limit=1".to_owned());
    loop {
        let page = world.get(&path).await.body;
        paged.extend(page["data"].as_array().unwrap().iter().cloned());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/accounts/ann/ledger?limit=1&cursor={cursor}");
    }
    assert_eq!(&paged, data);
    let none = world.get("/v1/accounts/ann/ledger?kind=integration").await.body;
    assert_eq!(none["data"], json!([]));
    let later = world.get("/v1/accounts/ann/ledger?from=2027-03-02T10:00:00Z&limit=1").await.body;
    assert_eq!(later["data"][0]["reason"], "expire");
}

#[tokio::test]
async fn r15_credits_are_given_taken_back_and_corrected() {
    let world = World::peopled().await;
    let path = "/v1/accounts/ann/grants";
    let body = json!({ "kind": "message", "amount": "2.5", "reason": "sorry",
        "expires_at": "2027-03-05T00:00:00Z" });
    let grant = world.must("POST", path, body).await;
    assert_eq!((&grant["remaining"], &grant["source"]), (&json!("2.5"), &json!("support")));
    let body = json!({ "kind": "message", "amount": "-6", "reason": "test" });
    let got = world.must("POST", "/v1/accounts/ann/adjustments", body.clone()).await;
    assert_eq!(got, json!({ "taken": "6", "spendable": "1.5", "replayed": false }));
    let got = world.call("POST", "/v1/accounts/ann/adjustments", body).await;
    assert_eq!((got.status.as_u16(), got.code()), (422, "below_zero"));
    let body = json!({ "kind": "message", "amount": "1", "reason": "back" });
    let got = world.must("POST", "/v1/accounts/ann/adjustments", body).await;
    assert_eq!(got["source"], "adjustment");
    let revoke = format!("/v1/grants/{}/revoke", got["id"].as_str().unwrap());
    let got = world.must("POST", &revoke, json!({ "reason": "wrong" })).await;
    assert_eq!(got["ended"], true);
    world.fake.kept().now = instant("2027-03-05T00:00:00Z");
    let list = world.get(path).await.body;
    for one in list["data"].as_array().unwrap() {
        assert_eq!((&one["ended"], &one["remaining"]), (&json!(true), &json!("0")), "{one}");
    }
}

#[tokio::test]
async fn plans_and_actions_are_shown_page_by_page() {
    let world = World::new().await;
    let plans = world.get("/v1/plans").await.body;
    assert_eq!(plans["data"][0]["message"], json!([{ "per": "day", "credits": "5" }]));
    let first = world.get("/v1/actions?limit=2").await.body;
    assert_eq!(first["data"][1]["id"], "discuss");
    let cursor = first["next_cursor"].as_str().unwrap();
    let last = world.get(&format!("/v1/actions?limit=2&cursor={cursor}")).await.body;
    assert_eq!(last["data"][0]["id"], "integration_call");
    assert_eq!(last["next_cursor"], Value::Null);
}

#[tokio::test]
async fn the_test_clock_goes_forward_without_a_key() {
    let world = World::new().await;
    let set = async |now: &str| {
        let request = Request::builder().method("POST").uri("/v1/test-clock");
        let request = request.header("authorization", format!("Bearer {}", world.key));
        let body = json!({ "now": now }).to_string();
        world.send(request.body(Body::from(body)).unwrap()).await
    };
    assert_eq!(set("2027-03-01T11:00:00Z").await.body, json!({ "now": "2027-03-01T11:00:00Z" }));
    assert_eq!(set("2027-03-01T11:00:00Z").await.status.as_u16(), 200);
    let got = set("2027-03-01T10:59:59Z").await;
    assert_eq!((got.status.as_u16(), got.code()), (409, "clock_backwards"));
    assert_eq!(world.get("/v1/test-clock").await.body["now"], "2027-03-01T11:00:00Z");
}

#[tokio::test]
async fn the_api_describes_itself_without_a_key() {
    let world = World::new().await;
    let send = async |path: &str| {
        world.send(Request::builder().uri(path).body(Body::empty()).unwrap()).await
    };
    let document = send("/openapi.json").await.body;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let page = send("/docs").await;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'"));
    let html = page.body.as_str().unwrap();
    let mut operations = std::collections::BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        assert!(html.contains(path.as_str()), "{path}");
        for (method, call) in methods.as_object().unwrap() {
            assert!(call["summary"].is_string(), "{method} {path}");
            let operation = call["operationId"].as_str().unwrap();
            assert!(operations.insert(operation), "{operation} is named twice");
            let links = refs(call);
            for link in links {
                let pointer = link.trim_start_matches('#');
                assert!(document.pointer(pointer).is_some(), "{link} of {method} {path}");
            }
        }
    }
    assert!(html.contains("id=\"code_used_up\"") && !html.contains("<script"));
    assert_eq!(send("/docs/style.css").await.headers["content-type"], "text/css; charset=utf-8");
}

fn refs(value: &Value) -> Vec<String> {
    let own = value.get("$ref").and_then(Value::as_str).map(str::to_owned);
    let inner: Vec<String> = match value {
        Value::Object(members) => members.values().flat_map(refs).collect(),
        Value::Array(items) => items.iter().flat_map(refs).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    own.into_iter().chain(inner).collect()
}
