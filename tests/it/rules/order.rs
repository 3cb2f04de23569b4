//! R14: what dies soonest goes first; shorter limits cap.

use crate::daemon::time::at;
use crate::daemon::{Daemon, Setup};
use crate::engine::{Engine, on_each_engine};
use serde_json::{Value, json};

on_each_engine! {
    also pooled:
    r14_what_dies_soonest_goes_first
    r14_a_day_caps_what_a_month_allows_and_grants_stand_outside
    r14_the_last_day_is_cut_at_the_boundary
    r14_a_free_day_opens_inside_a_free_month_at_its_own_first_draw
}

const BOUGHT: &str = "2026-03-01T10:00:00Z";
const RESET: &str = "2026-04-01T10:00:00Z";

/// Plans with a shorter limit inside a longer one.
fn capped() -> Setup {
    let plans = r#"
        [[plans]]
        id = "free"
        class = "free"
        rank = 0
        message = [{ per = "month", credits = "20" }, { per = "day", credits = "5" }]
        integration = [{ per = "day", credits = "25" }]
        [[plans]]
        id = "daily"
        class = "paid"
        rank = 1
        prices = ["price_daily"]
        message = [{ per = "month", credits = "100" }, { per = "day", credits = "10" }]
        integration = [{ per = "month", credits = "2000" }]
        "#;
    Setup { plans: Some(plans.to_owned()), ..Setup::default() }
}

async fn r14_what_dies_soonest_goes_first(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.person("ann").await;
    daemon.buys("ann", "ann", "price_starter").await;
    let mut ids = Vec::new();
    for (amount, ends) in [
        ("11", None),
        ("12", Some("2026-05-01T00:00:00Z")),
        ("13", Some(RESET)),
        ("14", Some("2026-03-15T00:00:00Z")),
        ("15", None),
    ] {
        let grant = daemon.grants("ann", amount, ends).await;
        ids.push(format!("grant/{}", grant["id"].as_str().unwrap()));
        daemon.clock_to(daemon.now + chrono::TimeDelta::seconds(1)).await;
    }
    let debit = daemon.chats("ann", 165).await;
    assert_eq!((&debit["spendable"], &debit["remaining"]), (&json!("0"), &json!("0")));
    let rows = daemon.ledger("ann").await;
    let drawn: Vec<(String, String)> = rows
        .iter()
        .filter(|row| row["use"] == debit["id"])
        .map(|row| {
            (row["pot"].as_str().unwrap().to_owned(), row["amount"].as_str().unwrap().to_owned())
        })
        .collect();
    let seat = rows[0]["pot"].as_str().unwrap().to_owned();
    let expected = [
        (&ids[3], "-14"),
        (&seat, "-100"),
        (&ids[2], "-13"),
        (&ids[1], "-12"),
        (&ids[0], "-11"),
        (&ids[4], "-15"),
    ];
    assert_eq!(drawn, expected.map(|(pot, amount)| (pot.clone(), amount.to_owned())));
}

async fn r14_a_day_caps_what_a_month_allows_and_grants_stand_outside(engine: Engine) {
    let mut daemon = Daemon::with(engine, BOUGHT, capped()).await;
    daemon.person("ann").await;
    daemon.buys("ann", "ann", "price_daily").await;
    daemon.clock("2026-03-05T09:59:59Z").await;
    daemon.chats("ann", 10).await;
    let problem = daemon.cannot_chat("ann", 1).await;
    assert_eq!(problem["resets_at"], "2026-03-05T10:00:00Z", "days run from the cycle's start");
    assert_eq!(problem["remaining"], "0");
    let message = daemon.balance("ann").await["message"].take();
    assert_eq!((&message["allowance"], &message["used"]), (&json!("100"), &json!("10")));
    let limits = json!([
        { "per": "month", "allowance": "100", "used": "10", "resets_at": RESET },
        { "per": "day", "allowance": "10", "used": "10", "resets_at": "2026-03-05T10:00:00Z" },
    ]);
    assert_eq!(message["limits"], limits);
    daemon.grants("ann", "3", None).await;
    daemon.chats("ann", 3).await;
    daemon.clock("2026-03-05T10:00:00Z").await;
    assert_eq!(daemon.spendable("ann").await, "10");
    for day in 5..14 {
        daemon.clock(&format!("2026-03-{day:02}T11:00:00Z")).await;
        daemon.chats("ann", 10).await;
    }
    daemon.clock("2026-03-15T00:00:00Z").await;
    let problem = daemon.cannot_chat("ann", 1).await;
    assert_eq!(problem["resets_at"], RESET, "the month is used up");
    let allowances =
        daemon.lines("ann").await.into_iter().filter(|line| line.contains("allowance"));
    assert_eq!(allowances.count(), 1, "the longest limit alone is granted");
}

async fn r14_the_last_day_is_cut_at_the_boundary(engine: Engine) {
    let mut daemon = Daemon::with(engine, BOUGHT, capped()).await;
    daemon.person("ann").await;
    let sub = daemon.buys("ann", "ann", "price_daily").await;
    daemon.clock("2026-03-02T10:00:00Z").await;
    let boundary = "2026-03-20T06:00:00Z";
    daemon.told("updated", &sub.set_at("billing_cycle_anchor", boundary)).await;
    daemon.clock_before(at(boundary)).await;
    daemon.chats("ann", 10).await;
    let day = &daemon.balance("ann").await["message"]["limits"][1];
    assert_eq!(day["resets_at"], boundary, "and not 10:00");
    daemon.clock(boundary).await;
    daemon.chats("ann", 10).await;
    let day = &daemon.balance("ann").await["message"]["limits"][1];
    assert_eq!(day["resets_at"], "2026-03-21T06:00:00Z");
}

async fn r14_a_free_day_opens_inside_a_free_month_at_its_own_first_draw(engine: Engine) {
    let mut daemon = Daemon::with(engine, "2026-01-31T10:00:00Z", capped()).await;
    daemon.person("ann").await;
    assert_eq!(daemon.resets_at("ann").await, "null");
    daemon.chats("ann", 4).await;
    let month = "2026-02-28T10:00:00Z";
    assert_eq!(daemon.resets_at("ann").await, month, "the same day of the next month, clamped");
    let day = async |daemon: &Daemon| daemon.balance("ann").await["message"]["limits"][1].take();
    assert_eq!(day(&daemon).await["resets_at"], "2026-02-01T10:00:00Z");
    let problem = daemon.cannot_chat("ann", 2).await;
    assert_eq!(problem["resets_at"], "2026-02-01T10:00:00Z");
    daemon.clock("2026-02-01T10:00:00Z").await;
    assert_eq!(day(&daemon).await["resets_at"], Value::Null);
    daemon.clock("2026-02-02T20:00:00Z").await;
    daemon.chats("ann", 5).await;
    assert_eq!(day(&daemon).await["resets_at"], "2026-02-03T20:00:00Z");
    daemon.clock("2026-02-28T09:00:00Z").await;
    daemon.chats("ann", 5).await;
    assert_eq!(day(&daemon).await["resets_at"], month, "cut at the month's end");
    daemon.clock(month).await;
    daemon.chats("ann", 5).await;
    assert_eq!(daemon.resets_at("ann").await, "2026-03-28T10:00:00Z");
}
