//! R9 and R10: up and down, inside a cycle and at its boundary.

use crate::daemon::stripe::event;
use crate::daemon::time::at;
use crate::daemon::{Daemon, Setup};
use crate::engine::{Engine, on_each_engine};
use serde_json::{Value, json};

on_each_engine! {
    also pooled:
    r9_an_upgrade_counts_at_once_and_what_was_used_stays_used
    r9_what_grants_paid_for_is_not_used_of_the_allowance
    r9_a_rise_that_is_not_paid_for_waits
    r10_a_downgrade_waits_for_the_boundary
    r10_a_downgrade_at_once_cuts_by_the_same_formula
    r10_up_and_down_within_a_cycle_yields_no_more_than_the_highest_plan
    r10_a_downgrade_told_within_ten_minutes_counts_from_the_boundary
    r10_a_downgrade_that_a_schedule_announced_is_granted_by_the_boundary
}

const BOUGHT: &str = "2026-03-01T10:00:00Z";
const RESET: &str = "2026-04-01T10:00:00Z";

async fn r9_an_upgrade_counts_at_once_and_what_was_used_stays_used(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.person("ann").await;
    let sub = daemon.buys("ann", "ann", "price_starter").await;
    daemon.chats("ann", 40).await;
    daemon.app_calls("ann", 1_500).await;
    daemon.clock("2026-03-11T12:00:00Z").await;
    daemon.told("updated", &sub.price("price_builder")).await;
    assert_eq!(daemon.standing("ann").await, "builder: 40 used, 210 left");
    assert_eq!(daemon.balance("ann").await["integration"]["remaining"], "8500");
    assert_eq!(daemon.resets_at("ann").await, RESET, "the anchor stays");
    let lines =
        ["2026-03-01T10:00:00Z allowance 100 -> 100", "2026-03-11T12:00:00Z raise 150 -> 210"];
    assert_eq!(daemon.lines("ann").await, lines);
    let raise = daemon.ledger("ann").await.pop().unwrap();
    assert!(raise["cause"].as_str().unwrap().starts_with("evt_"), "{raise}");
    daemon.clock(RESET).await;
    assert_eq!(daemon.standing("ann").await, "builder: 0 used, 250 left");
}

async fn r9_what_grants_paid_for_is_not_used_of_the_allowance(engine: Engine) {
    let daemon = Daemon::start(engine, BOUGHT).await;
    daemon.person("ann").await;
    let sub = daemon.buys("ann", "ann", "price_starter").await;
    daemon.grants("ann", "30", Some("2026-03-02T00:00:00Z")).await;
    daemon.chats("ann", 50).await;
    daemon.told("updated", &sub.price("price_builder")).await;
    assert_eq!(daemon.standing("ann").await, "builder: 20 used, 230 left");
}

async fn r9_a_rise_that_is_not_paid_for_waits(engine: Engine) {
    for status in ["past_due", "unpaid"] {
        let mut daemon = Daemon::start(engine, BOUGHT).await;
        daemon.person("ann").await;
        let sub = daemon.buys("ann", "ann", "price_starter").await;
        daemon.chats("ann", 40).await;
        daemon.clock("2026-03-05T10:00:00Z").await;
        let sub = sub.items(&[("price_builder", 3)]).status(status);
        daemon.told("updated", &sub).await;
        let expected =
            if status == "past_due" { "starter: 40 used, 60 left" } else { "free: 0 used, 5 left" };
        assert_eq!(daemon.standing("ann").await, expected);
        let seats = daemon.seats("ann").await;
        assert_eq!(seats.len(), 1, "nor does a higher quantity count");
        assert_eq!(seats[0]["plan"], "starter");
        daemon.clock("2026-03-06T10:00:00Z").await;
        daemon.told("updated", &sub.status("active")).await;
        assert_eq!(daemon.standing("ann").await, "builder: 40 used, 210 left");
        assert_eq!(daemon.seats("ann").await.len(), 3);
    }
}

async fn r10_a_downgrade_waits_for_the_boundary(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.person("ann").await;
    let sub = daemon.buys("ann", "ann", "price_builder").await;
    daemon.chats("ann", 120).await;
    daemon.clock("2026-03-20T10:00:00Z").await;
    let sub = sub.price("price_starter");
    daemon.told("updated", &sub).await;
    assert_eq!(daemon.standing("ann").await, "builder: 120 used, 130 left");
    assert_eq!(daemon.seats("ann").await[0]["next_plan"], "starter");
    let ahead = daemon.get(&format!("/v1/accounts/ann/balance?at={RESET}")).await;
    assert_eq!(ahead["plan"], "starter");
    daemon.clock_before(at(RESET)).await;
    daemon.chats("ann", 10).await;
    daemon.clock(RESET).await;
    assert_eq!(daemon.standing("ann").await, "starter: 0 used, 100 left");
    assert_eq!(daemon.seats("ann").await[0]["next_plan"], Value::Null);
    let lines = [
        "2026-03-01T10:00:00Z allowance 250 -> 250",
        "2026-04-01T10:00:00Z expire -120 -> 0",
        "2026-04-01T10:00:00Z allowance 100 -> 100",
    ];
    assert_eq!(daemon.lines("ann").await, lines);
}

fn downgrade_at_once() -> Setup {
    let settings = "[credits]\ndowngrade = \"immediately\"\n".to_owned();
    Setup { settings, ..Setup::default() }
}

async fn r10_a_downgrade_at_once_cuts_by_the_same_formula(engine: Engine) {
    let mut daemon = Daemon::with(engine, BOUGHT, downgrade_at_once()).await;
    daemon.person("ann").await;
    let sub = daemon.buys("ann", "ann", "price_builder").await;
    daemon.chats("ann", 40).await;
    daemon.clock("2026-03-20T10:00:00Z").await;
    daemon.told("updated", &sub.price("price_starter")).await;
    assert_eq!(daemon.standing("ann").await, "starter: 40 used, 60 left");
    let cut = "2026-03-20T10:00:00Z cut -150 -> 60";
    assert_eq!(daemon.lines("ann").await[1], cut);
}

async fn r10_up_and_down_within_a_cycle_yields_no_more_than_the_highest_plan(engine: Engine) {
    let mut daemon = Daemon::with(engine, BOUGHT, downgrade_at_once()).await;
    daemon.person("ann").await;
    let mut sub = daemon.buys("ann", "ann", "price_starter").await;
    let mut spent = 0;
    for day in 2..12 {
        let left: u32 = daemon.spendable("ann").await.parse().unwrap();
        if left > 0 {
            daemon.chats("ann", left).await;
        }
        spent += left;
        daemon.clock(&format!("2026-03-{day:02}T10:00:00Z")).await;
        let price = if day % 2 == 0 { "price_builder" } else { "price_starter" };
        sub = sub.price(price);
        daemon.told("updated", &sub).await;
    }
    assert_eq!(spent, 250);
    assert_eq!(daemon.spendable("ann").await, "0");
    daemon.clock(RESET).await;
    assert_eq!(daemon.standing("ann").await, "starter: 0 used, 100 left");
}

async fn r10_a_downgrade_told_within_ten_minutes_counts_from_the_boundary(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.team("team", &["ann", "bob"]).await;
    let ann = daemon.buys("team", "ann", "price_builder").await;
    let bob = daemon.buys("team", "bob", "price_builder").await;
    daemon.clock("2026-04-01T10:12:00Z").await;
    daemon.chats("ann", 5).await;
    let at_boundary = at("2026-04-01T10:10:00Z");
    daemon.told_at(at_boundary, "updated", &ann.price("price_starter")).await;
    assert_eq!(daemon.standing("ann").await, "starter: 5 used, 95 left");
    let cut = daemon.ledger("ann").await.pop().unwrap();
    let line = crate::daemon::calls::line(&cut);
    assert_eq!(line, "2026-04-01T10:00:00Z cut -150 -> 95");
    assert_eq!(cut["posted_at"], "2026-04-01T10:12:00Z");

    let too_late = at("2026-04-01T10:10:01Z");
    daemon.told_at(too_late, "updated", &bob.price("price_starter")).await;
    assert_eq!(daemon.standing("bob").await, "builder: 0 used, 250 left");
    daemon.clock("2026-05-01T10:00:00Z").await;
    assert_eq!(daemon.standing("bob").await, "starter: 0 used, 100 left");
}

async fn r10_a_downgrade_that_a_schedule_announced_is_granted_by_the_boundary(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.person("ann").await;
    let sub = daemon.buys("ann", "ann", "price_builder").await;
    let (start, then) = (at(BOUGHT).timestamp(), at(RESET).timestamp());
    let phase = |start: i64, end: i64, price: &str| {
        let item = json!({ "price": price, "quantity": 1 });
        json!({ "start_date": start, "end_date": end, "items": [item] })
    };
    let end = at("2027-04-01T10:00:00Z").timestamp();
    let schedule = json!({
        "id": "sub_sched_1", "object": "subscription_schedule", "status": "active",
        "customer": "cus_ann", "subscription": sub.id(),
        "current_phase": { "start_date": start, "end_date": then },
        "phases": [phase(start, then, "price_builder"), phase(then, end, "price_starter")],
    });
    daemon.clock("2026-03-20T10:00:00Z").await;
    let told = event("evt_s", "subscription_schedule.updated", &schedule, daemon.now);
    daemon.event(&told).await;
    assert_eq!(daemon.standing("ann").await, "builder: 0 used, 250 left");
    assert_eq!(daemon.seats("ann").await[0]["next_plan"], "starter");
    daemon.clock(RESET).await;
    assert_eq!(daemon.standing("ann").await, "starter: 0 used, 100 left");
    daemon.clock("2026-04-01T10:01:00Z").await;
    daemon.told("updated", &sub.price("price_starter")).await;
    let lines = [
        "2026-03-01T10:00:00Z allowance 250 -> 250",
        "2026-04-01T10:00:00Z expire -250 -> 0",
        "2026-04-01T10:00:00Z allowance 100 -> 100",
    ];
    assert_eq!(daemon.lines("ann").await, lines);
}
