//! R4 to R7: boundaries, exact to the microsecond, once, with nothing carried over.

use crate::daemon::Daemon;
use crate::daemon::stripe::Subscription;
use crate::daemon::time::{MICROSECOND, at, text};
use crate::engine::{Engine, on_each_engine};
use serde_json::{Value, json};

on_each_engine! {
    also pooled:
    r4_month_ends_are_exact_to_the_microsecond
    r4_a_yearly_subscription_resets_monthly
    r4_a_trial_is_one_cycle_that_ends_with_it
    r4_stripe_can_name_the_day_of_the_month
    r4_a_new_anchor_in_the_past_is_a_boundary_and_a_second_one_too_soon_grants_no_more
    r4_a_new_anchor_ahead_only_moves_the_end_of_the_cycle
    r5_reads_see_a_boundary_that_nobody_posted
    r6_after_months_of_absence_every_boundary_is_posted_once_in_order
    r6_a_seat_first_seen_late_begins_with_the_cycle_of_now
    r6_a_start_up_to_five_minutes_ahead_counts_as_begun
    r6_events_told_again_grant_nothing_again
    r7_what_is_unused_expires_visibly
}

/// 31 January at noon and something, and the fourteen boundaries that follow.
const BOUGHT: &str = "2024-01-31T13:37:42Z";
const MONTH_ENDS: [&str; 14] = [
    "2024-02-29T13:37:42Z",
    "2024-03-31T13:37:42Z",
    "2024-04-30T13:37:42Z",
    "2024-05-31T13:37:42Z",
    "2024-06-30T13:37:42Z",
    "2024-07-31T13:37:42Z",
    "2024-08-31T13:37:42Z",
    "2024-09-30T13:37:42Z",
    "2024-10-31T13:37:42Z",
    "2024-11-30T13:37:42Z",
    "2024-12-31T13:37:42Z",
    "2025-01-31T13:37:42Z",
    "2025-02-28T13:37:42Z",
    "2025-03-31T13:37:42Z",
];

async fn r4_month_ends_are_exact_to_the_microsecond(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.person("ann").await;
    daemon.buys("ann", "ann", "price_starter").await;
    assert_eq!(daemon.schedule("ann", 14).await, MONTH_ENDS);
    for boundary in MONTH_ENDS {
        daemon.clock_before(at(boundary)).await;
        let debit = daemon.chats("ann", 1).await;
        assert_eq!((&debit["remaining"], &debit["resets_at"]), (&json!("99"), &json!(boundary)));
        assert_eq!(daemon.standing("ann").await, "starter: 1 used, 99 left");
        daemon.clock(boundary).await;
        let message = daemon.balance("ann").await["message"].take();
        assert_eq!(message["remaining"], "100", "{boundary}");
        assert_eq!(message["cycle_started_at"], boundary);
    }
    let lines = daemon.lines("ann").await;
    let expected = MONTH_ENDS.iter().flat_map(|boundary| {
        [format!("{boundary} expire -99 -> 0"), format!("{boundary} allowance 100 -> 100")]
    });
    let first = format!("{BOUGHT} allowance 100 -> 100");
    assert_eq!(lines, [first].into_iter().chain(expected).collect::<Vec<_>>());
}

async fn r4_a_yearly_subscription_resets_monthly(engine: Engine) {
    let daemon = Daemon::start(engine, "2024-02-29T23:59:59Z").await;
    daemon.person("yan").await;
    let start = "2024-02-29T23:59:59Z";
    let mut sub = Subscription::new("sub_1", "yan", "yan", "price_builder", start);
    let item = &mut sub.0["items"]["data"][0];
    item["price"]["recurring"]["interval"] = "year".into();
    item["current_period_start"] = at(start).timestamp().into();
    item["current_period_end"] = at("2025-02-28T23:59:59Z").timestamp().into();
    daemon.told("created", &sub).await;
    let schedule = daemon.schedule("yan", 13).await;
    assert_eq!(schedule[0], "2024-03-29T23:59:59Z");
    assert_eq!(schedule[11], "2025-02-28T23:59:59Z");
    assert_eq!(schedule[12], "2025-03-29T23:59:59Z");
}

async fn r4_a_trial_is_one_cycle_that_ends_with_it(engine: Engine) {
    let mut daemon = Daemon::start(engine, "2026-02-01T08:00:00Z").await;
    daemon.person("ann").await;
    let ends = "2026-03-03T08:00:00Z";
    let bought = "2026-02-01T08:00:00Z";
    let sub = Subscription::new("sub_1", "ann", "ann", "price_starter", bought)
        .status("trialing")
        .set_at("trial_start", bought)
        .set_at("trial_end", ends)
        .set_at("billing_cycle_anchor", ends);
    daemon.told("created", &sub).await;
    let next = ["2026-03-03T08:00:00Z", "2026-04-03T08:00:00Z", "2026-05-03T08:00:00Z"];
    assert_eq!(daemon.schedule("ann", 3).await, next);
    daemon.clock_before(at(ends)).await;
    daemon.chats("ann", 30).await;
    daemon.clock(ends).await;
    daemon.told("updated", &sub.status("active")).await;
    let lines = [
        "2026-02-01T08:00:00Z allowance 100 -> 100",
        "2026-03-03T08:00:00Z expire -70 -> 0",
        "2026-03-03T08:00:00Z allowance 100 -> 100",
    ];
    assert_eq!(daemon.lines("ann").await, lines);
}

async fn r4_stripe_can_name_the_day_of_the_month(engine: Engine) {
    let daemon = Daemon::start(engine, "2026-02-28T10:00:00Z").await;
    daemon.person("ann").await;
    let sub = Subscription::new("sub_1", "ann", "ann", "price_starter", "2026-02-28T10:00:00Z")
        .set("billing_cycle_anchor_config", json!({ "day_of_month": 31 }));
    daemon.told("created", &sub).await;
    let next = ["2026-03-31T10:00:00Z", "2026-04-30T10:00:00Z", "2026-05-31T10:00:00Z"];
    assert_eq!(daemon.schedule("ann", 3).await, next);
}

async fn r4_a_new_anchor_in_the_past_is_a_boundary_and_a_second_one_too_soon_grants_no_more(
    engine: Engine,
) {
    let mut daemon = Daemon::start(engine, "2026-01-15T00:00:00Z").await;
    daemon.person("ann").await;
    let sub = daemon.buys("ann", "ann", "price_starter").await;
    daemon.clock("2026-02-20T12:00:00Z").await;
    daemon.chats("ann", 10).await;
    let sub = sub.set_at("billing_cycle_anchor", "2026-02-20T12:00:00Z");
    daemon.told("updated", &sub).await;
    assert_eq!(daemon.standing("ann").await, "starter: 0 used, 100 left");
    assert_eq!(daemon.resets_at("ann").await, "2026-03-20T12:00:00Z");

    daemon.clock("2026-02-25T12:00:00Z").await;
    daemon.chats("ann", 30).await;
    daemon.told("updated", &sub.set_at("billing_cycle_anchor", "2026-02-25T12:00:00Z")).await;
    assert_eq!(daemon.standing("ann").await, "starter: 30 used, 70 left");
    assert_eq!(daemon.resets_at("ann").await, "2026-03-25T12:00:00Z");
    let lines = [
        "2026-01-15T00:00:00Z allowance 100 -> 100",
        "2026-02-15T00:00:00Z expire -100 -> 0",
        "2026-02-15T00:00:00Z allowance 100 -> 100",
        "2026-02-20T12:00:00Z expire -90 -> 0",
        "2026-02-20T12:00:00Z allowance 100 -> 100",
        "2026-02-25T12:00:00Z expire -70 -> 0",
        "2026-02-25T12:00:00Z allowance 70 -> 70",
    ];
    assert_eq!(daemon.lines("ann").await, lines);
    assert_eq!(daemon.alerts("anchor_moved_again").await, 1);
}

async fn r4_a_new_anchor_ahead_only_moves_the_end_of_the_cycle(engine: Engine) {
    let mut daemon = Daemon::start(engine, "2026-01-15T00:00:00Z").await;
    daemon.person("ann").await;
    let sub = daemon.buys("ann", "ann", "price_starter").await;
    daemon.clock("2026-01-20T00:00:00Z").await;
    daemon.chats("ann", 10).await;
    daemon.told("updated", &sub.set_at("billing_cycle_anchor", "2026-02-10T06:00:00Z")).await;
    assert_eq!(daemon.standing("ann").await, "starter: 10 used, 90 left");
    let next = ["2026-02-10T06:00:00Z", "2026-03-10T06:00:00Z"];
    assert_eq!(daemon.schedule("ann", 2).await, next);
    daemon.clock_before(at(next[0])).await;
    assert_eq!(daemon.standing("ann").await, "starter: 10 used, 90 left");
    daemon.clock(next[0]).await;
    assert_eq!(daemon.standing("ann").await, "starter: 0 used, 100 left");
}

async fn r5_reads_see_a_boundary_that_nobody_posted(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.person("ann").await;
    daemon.buys("ann", "ann", "price_starter").await;
    daemon.chats("ann", 1).await;
    daemon.stop();
    // Nothing runs that could post it. A command that reads sees it, from the instant on.
    let shown = async |now| {
        daemon.store().await.set_test_clock(now).await.unwrap().unwrap();
        let shown = daemon.done(&["account", "show", "ann", "--json"]);
        serde_json::from_str::<Value>(&shown).unwrap()
    };
    let boundary = at(MONTH_ENDS[0]);
    let before = shown(boundary - MICROSECOND).await;
    assert_eq!(before["balance"]["message"]["remaining"], "99");
    let after = shown(boundary).await;
    assert_eq!(after["balance"]["message"]["remaining"], "100");
    let due: Vec<_> = after["entries"].as_array().unwrap().iter().take(5).collect();
    assert!(due[..4].iter().all(|line| line["posted_at"].is_null() && line["seq"].is_null()));
    assert!(due[..4].iter().all(|line| line["effective_at"] == MONTH_ENDS[0]));
    assert!(!due[4]["posted_at"].is_null());
    daemon.run().await;
    daemon.clock_to(boundary).await;
    let ledger = daemon.ledger("ann").await;
    assert_eq!(ledger.len(), 4);
    assert!(ledger.iter().all(|line| !line["posted_at"].is_null()));
}

async fn r6_after_months_of_absence_every_boundary_is_posted_once_in_order(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.person("ann").await;
    daemon.buys("ann", "ann", "price_starter").await;
    daemon.chats("ann", 7).await;
    daemon.kill();
    let now = at(MONTH_ENDS[4]) + MICROSECOND;
    daemon.store().await.set_test_clock(now).await.unwrap().unwrap();
    daemon.run().await;
    // The worker posts, and so do twenty debits at once.
    let chat = json!({ "action": "chat", "account": "ann" });
    let answers =
        daemon.at_once(20, "/v1/usage", |number| (format!("chat-{number}"), chat.clone())).await;
    assert!(answers.iter().all(|answer| answer.status.is_success()));
    daemon.clock_to(now).await;
    let mut expected = vec![format!("{BOUGHT} allowance 100 -> 100")];
    for (missed, boundary) in MONTH_ENDS[..5].iter().enumerate() {
        let rest = if missed == 0 { 93 } else { 100 };
        expected.push(format!("{boundary} expire -{rest} -> 0"));
        expected.push(format!("{boundary} allowance 100 -> 100"));
    }
    assert_eq!(daemon.lines("ann").await, expected);
    assert_eq!(daemon.standing("ann").await, "starter: 20 used, 80 left");
    for line in daemon.ledger("ann").await {
        assert_eq!(line["account"], "ann", "a seat is granted with its buyer as holder");
        assert_ne!(line["reason"], "seat_in");
    }
    let integration = daemon.pages("/v1/accounts/ann/ledger?kind=integration").await;
    assert_eq!(integration.len(), 11, "both kinds at each boundary");
}

async fn r6_a_seat_first_seen_late_begins_with_the_cycle_of_now(engine: Engine) {
    let daemon = Daemon::start(engine, "2026-03-15T12:00:00Z").await;
    daemon.person("ann").await;
    let sub = Subscription::new("sub_1", "ann", "ann", "price_starter", "2026-01-10T07:00:00Z");
    daemon.told("created", &sub).await;
    assert_eq!(daemon.lines("ann").await, ["2026-03-10T07:00:00Z allowance 100 -> 100"]);
    assert_eq!(daemon.resets_at("ann").await, "2026-04-10T07:00:00Z");
}

async fn r6_a_start_up_to_five_minutes_ahead_counts_as_begun(engine: Engine) {
    let mut daemon = Daemon::start(engine, "2026-03-15T12:00:00Z").await;
    daemon.person("ann").await;
    daemon.person("bob").await;
    let soon = Subscription::new("sub_a", "ann", "ann", "price_starter", "2026-03-15T12:05:00Z");
    let later = Subscription::new("sub_b", "bob", "bob", "price_starter", "2026-03-15T12:05:01Z");
    daemon.told("created", &soon).await;
    daemon.told("created", &later).await;
    assert_eq!(daemon.standing("ann").await, "starter: 0 used, 100 left");
    assert_eq!(daemon.resets_at("ann").await, "2026-04-15T12:05:00Z");
    assert_eq!(daemon.standing("bob").await, "free: 0 used, 5 left");
    daemon.clock_before(at("2026-03-15T12:05:01Z")).await;
    assert_eq!(daemon.standing("bob").await, "free: 0 used, 5 left");
    daemon.clock("2026-03-15T12:05:01Z").await;
    assert_eq!(daemon.standing("bob").await, "starter: 0 used, 100 left");
}

async fn r6_events_told_again_grant_nothing_again(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.person("ann").await;
    let sub = Subscription::new("sub_1", "ann", "ann", "price_starter", BOUGHT);
    daemon.told("created", &sub).await;
    daemon.chats("ann", 4).await;
    for what in ["created", "updated", "updated"] {
        daemon.told(what, &sub).await;
    }
    daemon.kill();
    daemon.run().await;
    daemon.told("updated", &sub).await;
    assert_eq!(daemon.standing("ann").await, "starter: 4 used, 96 left");
    assert_eq!(daemon.lines("ann").await, [format!("{BOUGHT} allowance 100 -> 100")]);
}

async fn r7_what_is_unused_expires_visibly(engine: Engine) {
    let mut daemon = Daemon::start(engine, "2026-03-01T10:00:00Z").await;
    daemon.person("ann").await;
    daemon.buys("ann", "ann", "price_tiny").await;
    daemon.spends("discuss", "ann", 2).await;
    daemon.clock("2026-05-01T10:00:00Z").await;
    let lines = [
        "2026-03-01T10:00:00Z allowance 1 -> 1",
        "2026-04-01T10:00:00Z expire -0.4 -> 0",
        "2026-04-01T10:00:00Z allowance 1 -> 1",
        "2026-05-01T10:00:00Z expire -1 -> 0",
        "2026-05-01T10:00:00Z allowance 1 -> 1",
    ];
    assert_eq!(daemon.lines("ann").await, lines);
    let expired = &daemon.ledger("ann").await[2];
    assert_eq!(expired["cycle_started_at"], "2026-03-01T10:00:00Z");
    assert_eq!(expired["account"], "ann");
    assert_eq!(text(daemon.now), "2026-05-01T10:00:00Z");
}
