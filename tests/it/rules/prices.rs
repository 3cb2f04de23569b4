//! R1 to R3: what things cost, who pays, and that a debit is whole or not at all.

use crate::daemon::Daemon;
use crate::daemon::calls::{accepted, refused};
use crate::engine::{Engine, on_each_engine};
use creditd::client::Response;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

on_each_engine! {
    also pooled:
    r1_three_chats_and_two_automatic_fixes_cost_5_on_free_and_3_on_paid
    r1_the_shipped_prices
    r1_a_free_action_is_recorded_and_refused_only_for_an_unknown_payer
    r2_message_actions_are_paid_by_who_acts_integration_actions_by_the_owner_of_the_app
    r3_what_is_left_pays_for_all_of_it_or_for_nothing
    r3_forty_debits_at_once_take_what_there_is_and_no_more
}

const NOW: &str = "2026-03-01T10:00:00Z";

async fn r1_three_chats_and_two_automatic_fixes_cost_5_on_free_and_3_on_paid(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    daemon.person("bob").await;
    daemon.buys("bob", "bob", "price_starter").await;
    for (account, left) in [("ann", "0"), ("bob", "97")] {
        for action in ["chat", "chat", "chat", "auto_fix"] {
            daemon.spends(action, account, 1).await;
        }
        let last = daemon.spends("auto_fix", account, 1).await;
        assert_eq!(last["remaining"], left, "{account}");
    }
    assert_eq!(daemon.standing("ann").await, "free: 5 used, 0 left");
    assert_eq!(daemon.standing("bob").await, "starter: 3 used, 97 left");
    let problem = daemon.cannot_chat("ann", 1).await;
    assert_eq!((&problem["needed"], &problem["remaining"]), (&json!("1"), &json!("0")));
}

async fn r1_the_shipped_prices(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    daemon.person("bob").await;
    daemon.buys("bob", "bob", "price_starter").await;
    for (action, on_free, on_paid) in [
        ("discuss", "0.3", "0.3"),
        ("chat", "1", "1"),
        ("visual_edit", "0", "0"),
        ("visual_edit_ai", "1", "1"),
        ("auto_fix", "1", "0"),
        ("resolve_with_ai", "1", "0"),
    ] {
        for (account, cost) in [("ann", on_free), ("bob", on_paid)] {
            let answer = daemon.spends(action, account, 1).await;
            assert_eq!((&answer["kind"], &answer["cost"]), (&json!("message"), &json!(cost)));
        }
    }
    for (action, cost) in [("integration_call", "1"), ("agent_message", "3")] {
        let answer = daemon.post("/v1/usage", json!({ "action": action, "app": "ann-app" })).await;
        assert_eq!((&answer["kind"], &answer["cost"]), (&json!("integration"), &json!(cost)));
    }
    let many = daemon.spends("discuss", "bob", 7).await;
    assert_eq!(many["cost"], "2.1");
}

async fn r1_a_free_action_is_recorded_and_refused_only_for_an_unknown_payer(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    daemon.chats("ann", 5).await;
    let free = daemon.spends("visual_edit", "ann", 1).await;
    assert_eq!(free["cost"], "0");
    let ledger = daemon.ledger("ann").await;
    let line = ledger.last().unwrap();
    assert_eq!((&line["action"], &line["amount"]), (&json!("visual_edit"), &json!("0")));
    assert_eq!(line["use"], free["id"]);
    for nothing in ["pot", "pot_after", "cycle_started_at", "seat"] {
        assert_eq!(line[nothing], Value::Null, "{nothing}");
    }
    refused("free", daemon.tries("visual_edit", "ghost", 1).await, 404, "account_not_found");
}

async fn r2_message_actions_are_paid_by_who_acts_integration_actions_by_the_owner_of_the_app(
    engine: Engine,
) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.team("team", &["ann", "bob"]).await;
    let chat = daemon
        .post("/v1/usage", json!({ "action": "chat", "account": "bob", "app": "ann-app" }))
        .await;
    assert_eq!(chat["payer"], "bob");
    let line = daemon.ledger("bob").await.pop().unwrap();
    assert_eq!((&line["actor"], &line["app"]), (&json!("bob"), &json!("ann-app")));

    for actor in [Some("bob"), Some("a visitor without an account"), None] {
        let mut body = json!({ "action": "agent_message", "app": "ann-app" });
        if let Some(actor) = actor {
            body["account"] = actor.into();
        }
        assert_eq!(daemon.post("/v1/usage", body).await["payer"], "ann");
        let lines = daemon.pages("/v1/accounts/ann/ledger?kind=integration").await;
        assert_eq!(lines[0]["actor"], json!(actor));
        assert_eq!(lines[0]["app"], "ann-app");
    }
    assert_eq!(daemon.balance("ann").await["integration"]["remaining"], "16");
    // The owner of the moment pays.
    daemon.put("/v1/apps/ann-app", json!({ "owner": "bob" })).await;
    let call = accepted("call", daemon.app_calls("ann", 1).await);
    assert_eq!((&call["payer"], &call["remaining"]), (&json!("bob"), &json!("24")));
}

async fn r3_what_is_left_pays_for_all_of_it_or_for_nothing(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    daemon.spends("discuss", "ann", 16).await;
    let answer = daemon.tries("discuss", "ann", 1).await;
    let problem = refused("discuss", answer, 402, "message_credits_exhausted");
    assert_eq!(problem["needed"], "0.3");
    assert_eq!(problem["remaining"], "0.2");
    assert_eq!(problem["spendable"], "0.2");
    assert_eq!(problem["resets_at"], "2026-03-02T10:00:00Z");
    assert_eq!(daemon.spendable("ann").await, "0.2");
    // A grant and the rest of the allowance pay together.
    daemon.grants("ann", "0.1", None).await;
    let answer = daemon.spends("discuss", "ann", 1).await;
    assert_eq!(answer["spendable"], "0");
    let ledger = daemon.ledger("ann").await;
    let parts: Vec<_> = ledger.iter().filter(|line| line["use"] == answer["id"]).collect();
    let amounts: Vec<_> = parts.iter().map(|line| line["amount"].as_str().unwrap()).collect();
    assert_eq!(amounts, ["-0.2", "-0.1"]);
}

async fn r3_forty_debits_at_once_take_what_there_is_and_no_more(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let call = json!({ "action": "integration_call", "app": "ann-app" });
    let answers =
        daemon.at_once(40, "/v1/usage", |number| (format!("call-{number}"), call.clone())).await;
    assert_eq!(count(&answers, StatusCode::OK), 25);
    assert_eq!(count(&answers, StatusCode::PAYMENT_REQUIRED), 15);
    let mut left: Vec<u32> = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::OK)
        .map(|answer| answer.text("/remaining").parse().unwrap())
        .collect();
    left.sort_unstable();
    assert_eq!(left, (0..25).collect::<Vec<_>>(), "each debit saw another balance");
    let half = json!({ "action": "discuss", "account": "ann", "quantity": 3 });
    let answers =
        daemon.at_once(40, "/v1/usage", |number| (format!("talk-{number}"), half.clone())).await;
    assert_eq!(count(&answers, StatusCode::OK), 5, "0.9 five times, and 0.5 is left");
    assert_eq!(daemon.spendable("ann").await, "0.5");
    let answer = daemon.call(Method::POST, "/v1/usage", &half).await;
    refused("one more", answer, 402, "message_credits_exhausted");
}

fn count(answers: &[Response], status: StatusCode) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}
