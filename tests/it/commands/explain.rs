//! `creditd explain`, as somebody who answers customers reads it.

use super::{NOW, parsed};
use crate::daemon::Daemon;
use crate::engine::{Engine, on_each_engine};
use serde_json::json;

on_each_engine! {
    an_account_is_explained
    an_action_is_tried_and_nothing_is_taken
    a_person_on_free_is_explained
}

#[track_caller]
fn says(text: &str, expected: &[&str]) {
    for line in expected {
        assert!(text.contains(line), "{line:?} is not in:\n{text}");
    }
}

async fn an_account_is_explained(engine: Engine) {
    let mut daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    daemon.buys("ann", "ann", "price_starter").await;
    daemon.chats("ann", 90).await;
    daemon.clock("2026-03-10T00:00:00Z").await;
    let give = ["grant", "ann", "--kind", "message", "--amount", "2.5", "--reason", "so sorry"];
    daemon.done(&[&give[..], &["--by", "bea", "--idempotency-key", "t-7"]].concat());
    daemon.cannot_chat("ann", 13).await;

    let told = daemon.done(&["explain", "ann", "--turns", "2"]);
    let seat = daemon.seat_of("ann", "ann").await;
    says(
        &told,
        &[
            "ann of workspace ann is on plan starter, as of 2026-03-10 00:00:00Z.",
            &format!("They hold seat {seat}, plan starter, of subscription sub_"),
            "Message credits: 12.5 can be spent. The next ones are taken from",
            &format!("  1. the allowance of seat {seat}: 10, gone on 2026-04-01 10:00:00Z\n"),
            "(support: so sorry): 2.5, without an end\n",
            "Integration credits: 2000 can be spent.",
            "Refused: chat on 2026-03-10 00:00:00Z, since it takes 13 message credits, and 12.5 \
             were left. If nothing else is spent, it fits from 2026-04-01 10:00:00Z on.",
            "  2026-04-01 10:00:00Z  reset of seat",
            "message credits: 10 are gone unused, 100 come, 102.5 can be spent; \
             integration credits: 2000 are gone unused, 2000 come",
            "  2026-05-01 10:00:00Z  reset of seat",
            "by hand, bea, key t-7",
            "the application, key key-",
            "Stripe, customer.subscription.created evt_",
        ],
    );
    assert_eq!(told.matches("  reset of seat").count(), 2, "{told}");

    let told = parsed(&daemon.done(&["explain", "ann", "--json", "--entries", "1"]));
    let message = &told["outlook"]["message"];
    assert_eq!(message["spendable"], daemon.balance("ann").await["message"]["spendable"]);
    assert_eq!(message["next"][0]["ends_at"], "2026-04-01T10:00:00Z");
    assert_eq!(message["refused"]["needed"], "13");
    assert_eq!(told["entries"][0]["caused"], json!({ "by": "person", "said": "bea, key t-7" }));
    assert_eq!(told["entries"].as_array().unwrap().len(), 1);

    // Once its time has come, that stands in the ledger too.
    daemon.clock("2026-04-01T10:00:00Z").await;
    let told = daemon.done(&["explain", "ann", "--entries", "2"]);
    says(&told, &["Nothing was refused for want of credits since there were some."]);
    says(&told, &["new credits of seat", "its time had come"]);
    let complaint = daemon.fails(1, &["explain", "ghost"]);
    assert!(complaint.contains("there is no account ghost"), "{complaint}");
}

async fn a_person_on_free_is_explained(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("bob").await;
    says(
        &daemon.done(&["explain", "bob"]),
        &[
            "bob of workspace bob is on plan free",
            "  1. the free plan's allowance: 5; its time begins to run with the next debit\n",
            "Nothing changes by time alone.",
        ],
    );
    daemon.chats("bob", 5).await;
    let told = daemon.done(&["explain", "bob"]);
    says(
        &told,
        &[
            "Message credits: none can be spent.\n",
            "  2026-03-02 10:00:00Z  the free plan's time for message credits ends; \
             message credits: 5 can be spent\n",
        ],
    );
}

async fn an_action_is_tried_and_nothing_is_taken(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.team("team", &["ann", "bob"]).await;
    daemon.chats("ann", 3).await;
    daemon.grants("ann", "1.5", None).await;
    let before = (daemon.balance("ann").await, daemon.ledger("ann").await);
    let tried = |account: &str, words: &[&str]| {
        daemon.done(&[&["explain", account, "--action"][..], words].concat())
    };
    let told = tried("ann", &["chat", "--quantity", "3"]);
    says(
        &told,
        &[
            "3 times chat now would be accepted, and takes message credits of ann: 2 from free/ann, 1 from grant/",
        ],
    );
    says(
        &tried("ann", &["chat", "--quantity", "4"]),
        &[
            "4 times chat now would be refused: 4 message credits are needed, 3.5 are left",
            "(message_credits_exhausted).",
        ],
    );
    says(
        &tried("ann", &["visual_edit"]),
        &["visual_edit now would be accepted, and takes nothing."],
    );
    says(
        &tried("ann", &["dance"]),
        &["dance now would be refused: there is no action dance (unknown_action)."],
    );
    // The owner of the app pays, whoever it is that acts.
    says(
        &tried("bob", &["integration_call", "--app", "ann-app"]),
        &["and takes integration credits of ann: 1 from free/ann."],
    );
    says(&tried("bob", &["integration_call"]), &["name the app whose owner pays"]);
    let told = parsed(&tried("bob", &["integration_call", "--app", "ghost", "--json"]));
    assert_eq!(
        (&told["tried"]["accepted"], &told["tried"]["code"]),
        (&json!(false), &json!("app_not_found"))
    );
    assert_eq!((daemon.balance("ann").await, daemon.ledger("ann").await), before);
    daemon.fails(64, &["explain", "ann", "--quantity", "3"]);
}
