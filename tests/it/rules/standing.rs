//! R11: whether a subscription counts.

use crate::daemon::Daemon;
use crate::daemon::stripe::event;
use crate::daemon::time::at;
use crate::engine::{Engine, on_each_engine};
use creditd::store::EventState;
use serde_json::{Value, json};

on_each_engine! {
    also pooled:
    r11_past_due_counts_for_the_grace_that_began_with_the_first_word_of_it
    r11_unpaid_and_paused_count_no_more_and_return_as_they_were
    r11_a_return_after_a_boundary_brings_one_new_cycle_in_full
    r11_a_collection_that_is_paused_still_counts
    r11_at_the_cancel_instant_there_is_no_reset
    r11_the_end_of_the_period_is_the_cancel_instant
    r11_a_cancellation_can_be_withdrawn
    r11_an_ended_subscription_leaves_free_and_never_returns
    r11_a_late_end_counts_from_when_it_is_applied
    r11_a_deleted_customer_ends_all_their_subscriptions
    r11_an_unknown_status_keeps_the_last_known_one
    r11_a_first_payment_that_failed_grants_nothing_until_it_succeeds
}

const BOUGHT: &str = "2026-03-01T10:00:00Z";
const RESET: &str = "2026-04-01T10:00:00Z";
const GRANTED: &str = "2026-03-01T10:00:00Z allowance 100 -> 100";

async fn r11_past_due_counts_for_the_grace_that_began_with_the_first_word_of_it(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.person("ann").await;
    let sub = daemon.buys("ann", "ann", "price_starter").await;
    daemon.chats("ann", 10).await;
    daemon.clock("2026-03-10T00:00:00Z").await;
    let late = sub.clone().status("past_due");
    daemon.told("updated", &late).await;
    daemon.clock("2026-03-12T00:00:00Z").await;
    daemon.told("updated", &late).await;
    let over = "2026-03-17T00:00:00Z";
    daemon.clock_before(at(over)).await;
    assert_eq!(daemon.standing("ann").await, "starter: 10 used, 90 left");
    daemon.clock(over).await;
    assert_eq!(daemon.standing("ann").await, "free: 0 used, 5 left");
    let seat = daemon.seats("ann").await.remove(0);
    assert_eq!((&seat["status"], &seat["holder"]), (&json!("suspended"), &json!("ann")));
    daemon.clock("2026-03-20T00:00:00Z").await;
    daemon.told("updated", &sub).await;
    assert_eq!(daemon.standing("ann").await, "starter: 10 used, 90 left");
    assert_eq!(daemon.lines("ann").await, [GRANTED]);
}

async fn r11_unpaid_and_paused_count_no_more_and_return_as_they_were(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.person("ann").await;
    let sub = daemon.buys("ann", "ann", "price_starter").await;
    daemon.chats("ann", 10).await;
    for (day, status, what) in [(10, "unpaid", "updated"), (12, "paused", "paused")] {
        daemon.clock(&format!("2026-03-{day}T00:00:00Z")).await;
        daemon.told(what, &sub.clone().status(status)).await;
        assert_eq!(daemon.standing("ann").await, "free: 0 used, 5 left");
        assert_eq!(daemon.schedule("ann", 2).await, [""; 0]);
        let day = day + 1;
        daemon.clock(&format!("2026-03-{day}T00:00:00Z")).await;
        let back = if status == "paused" { "resumed" } else { "updated" };
        daemon.told(back, &sub).await;
        assert_eq!(daemon.standing("ann").await, "starter: 10 used, 90 left");
    }
    assert_eq!(daemon.lines("ann").await, [GRANTED]);
}

async fn r11_a_return_after_a_boundary_brings_one_new_cycle_in_full(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.person("ann").await;
    let sub = daemon.buys("ann", "ann", "price_starter").await;
    daemon.chats("ann", 10).await;
    daemon.told("updated", &sub.clone().status("unpaid")).await;
    daemon.clock("2026-06-05T00:00:00Z").await;
    assert_eq!(daemon.lines("ann").await, [GRANTED], "no boundary of a suspended seat is posted");
    daemon.told("updated", &sub).await;
    let lines = [
        GRANTED,
        "2026-06-05T00:00:00Z expire -90 -> 0",
        "2026-06-05T00:00:00Z allowance 100 -> 100",
    ];
    assert_eq!(daemon.lines("ann").await, lines);
    let message = daemon.balance("ann").await["message"].take();
    assert_eq!(message["cycle_started_at"], "2026-06-01T10:00:00Z");
    assert_eq!(message["resets_at"], "2026-07-01T10:00:00Z");
}

async fn r11_a_collection_that_is_paused_still_counts(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.person("ann").await;
    let sub = daemon.buys("ann", "ann", "price_starter").await;
    daemon.clock("2026-03-10T00:00:00Z").await;
    daemon.told("updated", &sub.set("pause_collection", json!({ "behavior": "void" }))).await;
    daemon.clock(RESET).await;
    assert_eq!(daemon.standing("ann").await, "starter: 0 used, 100 left");
    assert_eq!(daemon.lines("ann").await.len(), 3);
}

async fn r11_at_the_cancel_instant_there_is_no_reset(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.person("ann").await;
    let sub = daemon.buys("ann", "ann", "price_starter").await;
    daemon.chats("ann", 10).await;
    let sub = sub.set_at("cancel_at", "2026-05-01T10:00:00Z");
    daemon.told("updated", &sub).await;
    let over = "2026-05-01T10:00:00Z";
    assert_eq!(daemon.schedule("ann", 12).await, [RESET], "fewer than asked, since it ends");
    daemon.clock_before(at(over)).await;
    assert_eq!(daemon.standing("ann").await, "starter: 0 used, 100 left");
    assert_eq!(daemon.resets_at("ann").await, over);
    daemon.clock(over).await;
    assert_eq!(daemon.standing("ann").await, "free: 0 used, 5 left");
    assert_eq!(daemon.lines("ann").await.len(), 3, "nothing is written at the instant");
    daemon.clock("2026-05-01T10:03:00Z").await;
    daemon.told("deleted", &sub.status("canceled").set_at("ended_at", over)).await;
    let end = daemon.ledger("ann").await.pop().unwrap();
    let line = crate::daemon::calls::line(&end);
    assert_eq!(line, "2026-05-01T10:03:00Z expire -100 -> 0");
    assert_eq!(end["account"], "ann", "its last holder is named");
}

async fn r11_the_end_of_the_period_is_the_cancel_instant(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.person("ann").await;
    let sub = daemon.buys("ann", "ann", "price_starter").await;
    daemon.told("updated", &sub.set("cancel_at_period_end", true)).await;
    assert_eq!(daemon.schedule("ann", 12).await, [""; 0]);
    assert_eq!(daemon.resets_at("ann").await, RESET);
    daemon.clock_before(at(RESET)).await;
    daemon.chats("ann", 1).await;
    daemon.clock(RESET).await;
    assert_eq!(daemon.standing("ann").await, "free: 0 used, 5 left");
    assert_eq!(daemon.lines("ann").await, [GRANTED]);
}

async fn r11_a_cancellation_can_be_withdrawn(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.person("ann").await;
    let sub = daemon.buys("ann", "ann", "price_starter").await;
    daemon.told("updated", &sub.clone().set("cancel_at_period_end", true)).await;
    daemon.clock("2026-03-20T00:00:00Z").await;
    daemon.told("updated", &sub).await;
    daemon.clock(RESET).await;
    assert_eq!(daemon.standing("ann").await, "starter: 0 used, 100 left");
}

async fn r11_an_ended_subscription_leaves_free_and_never_returns(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.person("ann").await;
    let sub = daemon.buys("ann", "ann", "price_starter").await;
    daemon.chats("ann", 10).await;
    daemon.clock("2026-03-10T00:00:00Z").await;
    let gone = sub.clone().status("canceled").set_at("ended_at", "2026-03-10T00:00:00Z");
    daemon.told("deleted", &gone).await;
    let lines = [GRANTED, "2026-03-10T00:00:00Z expire -90 -> 0"];
    assert_eq!(daemon.lines("ann").await, lines);
    daemon.clock("2026-03-11T00:00:00Z").await;
    daemon.told("updated", &sub).await;
    assert_eq!(daemon.standing("ann").await, "free: 0 used, 5 left");
    assert_eq!(daemon.lines("ann").await, lines);
    assert_eq!(daemon.seats("ann").await, [Value::Null; 0]);
    let ended = daemon.pages("/v1/workspaces/ann/seats?status=ended").await;
    assert_eq!((ended.len(), &ended[0]["holder"]), (1, &Value::Null));
    let path = format!("/v1/seats/{}/ledger", ended[0]["id"].as_str().unwrap());
    assert_eq!(
        daemon.pages(&path).await.len(),
        5,
        "its ledger stays: two allowances, a use, two ends"
    );
}

async fn r11_a_late_end_counts_from_when_it_is_applied(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.person("ann").await;
    let sub = daemon.buys("ann", "ann", "price_starter").await;
    daemon.clock("2026-04-05T00:00:00Z").await;
    daemon.chats("ann", 10).await;
    let long_ago = "2026-03-20T00:00:00Z";
    let gone = sub.status("canceled").set_at("ended_at", long_ago);
    daemon.told_at(at(long_ago), "deleted", &gone).await;
    let end = daemon.ledger("ann").await.pop().unwrap();
    let line = crate::daemon::calls::line(&end);
    assert_eq!(line, "2026-04-05T00:00:00Z expire -90 -> 0", "the reset in between stays");
    assert_eq!(end["cause_at"], long_ago);
    assert!(end["cause"].as_str().unwrap().starts_with("evt_"));
}

async fn r11_a_deleted_customer_ends_all_their_subscriptions(engine: Engine) {
    let daemon = Daemon::start(engine, BOUGHT).await;
    daemon.team("team", &["ann", "bob"]).await;
    daemon.buys("team", "ann", "price_starter").await;
    daemon.buys("team", "bob", "price_builder").await;
    let customer = json!({ "id": "cus_team", "object": "customer", "metadata": {} });
    let told = event("evt_gone", "customer.deleted", &customer, daemon.now);
    assert_eq!(daemon.event(&told).await.event.state, EventState::Done);
    for account in ["ann", "bob"] {
        assert_eq!(daemon.standing(account).await, "free: 0 used, 5 left");
    }
    assert_eq!(daemon.seats("team").await, [Value::Null; 0]);
}

async fn r11_an_unknown_status_keeps_the_last_known_one(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.person("ann").await;
    let sub = daemon.buys("ann", "ann", "price_starter").await;
    daemon.clock("2026-03-10T00:00:00Z").await;
    daemon.told("updated", &sub.status("frozen").price("price_builder")).await;
    assert_eq!(daemon.standing("ann").await, "builder: 0 used, 250 left");
    assert_eq!(daemon.alerts("unknown_status").await, 1);
}

async fn r11_a_first_payment_that_failed_grants_nothing_until_it_succeeds(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.person("ann").await;
    let sub = crate::daemon::stripe::Subscription::new("s", "ann", "ann", "price_starter", BOUGHT);
    daemon.told("created", &sub.clone().status("incomplete")).await;
    let seat = daemon.seats("ann").await.remove(0);
    assert_eq!((&seat["status"], &seat["holder"]), (&json!("suspended"), &json!("ann")));
    assert_eq!(seat["plan"], "starter");
    assert_eq!(daemon.ledger("ann").await, [Value::Null; 0]);
    daemon.clock("2026-03-01T11:00:00Z").await;
    daemon.told("updated", &sub).await;
    assert_eq!(daemon.lines("ann").await, [GRANTED]);
    assert_eq!(daemon.resets_at("ann").await, RESET);

    let other = sub.set("id", "sub_2").status("incomplete");
    daemon.told("created", &other).await;
    daemon.told("updated", &other.status("incomplete_expired")).await;
    assert_eq!(daemon.seats("ann").await.len(), 1);
    assert_eq!(daemon.standing("ann").await, "starter: 0 used, 100 left");
}
