//! R12: how many seats there are, and who gets them.

use crate::daemon::stripe::Subscription;
use crate::daemon::time::at;
use crate::daemon::{Daemon, Setup};
use crate::engine::{Engine, on_each_engine};
use serde_json::{Value, json};

on_each_engine! {
    also pooled:
    r12_a_quantity_of_three_is_three_seats_the_first_is_the_buyers
    r12_a_seat_bought_inside_a_cycle_has_the_same_anchor_and_a_full_allowance
    r12_when_the_quantity_falls_vacant_seats_end_first_then_the_latest_assigned_at_the_boundary
    r12_an_ended_seat_returns_with_what_it_used
    r12_up_and_down_within_a_cycle_yields_no_more_than_the_highest_quantity
    r12_a_lower_quantity_told_within_ten_minutes_counts_from_the_boundary
    r12_a_buyer_with_a_lower_seat_moves_to_the_new_one
    r12_a_buyer_whose_seat_ended_gets_a_vacant_one_that_they_bought
    r12_after_a_release_nobody_is_given_the_seat
    r12_without_a_named_buyer_the_owner_is_it_and_without_an_owner_all_are_vacant
    r12_prices_that_are_unknown_or_metered_are_no_places
    r12_what_buying_again_brings_is_a_setting
    r12_a_new_owner_moves_no_seat
}

const BOUGHT: &str = "2026-03-01T10:00:00Z";
const RESET: &str = "2026-04-01T10:00:00Z";

/// What a list of seats says, in short: `plan holder used`.
fn told(seats: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    seats
        .iter()
        .map(|seat| {
            let used = text(&seat["message"]["used"]);
            format!("{} {} {used}", text(&seat["plan"]), text(&seat["holder"]))
        })
        .collect()
}

impl Daemon {
    async fn holders(&self, workspace: &str) -> Vec<String> {
        told(&self.seats(workspace).await)
    }
}

async fn r12_a_quantity_of_three_is_three_seats_the_first_is_the_buyers(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.team("team", &["ann", "bob", "cid"]).await;
    daemon.buys_many("team", "bob", &[("price_builder", 1), ("price_starter", 2)]).await;
    let seats = ["builder bob 0", "starter - 0", "starter - 0"];
    assert_eq!(daemon.holders("team").await, seats, "the buyer gets the best place");
    daemon.clock("2026-03-20T00:00:00Z").await;
    daemon.assigns("team", "ann").await;
    daemon.assigns("team", "cid").await;
    for account in ["ann", "cid"] {
        assert_eq!(daemon.standing(account).await, "starter: 0 used, 100 left");
        assert_eq!(daemon.resets_at(account).await, RESET);
        daemon.chats(account, 30).await;
    }
    assert_eq!(daemon.standing("bob").await, "builder: 0 used, 250 left");
    for seat in daemon.seats("team").await {
        assert_eq!((&seat["anchor"], &seat["resets_at"]), (&json!(BOUGHT), &json!(RESET)));
        assert_eq!(seat["status"], "active");
    }
}

async fn r12_a_seat_bought_inside_a_cycle_has_the_same_anchor_and_a_full_allowance(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.team("team", &["ann", "bob"]).await;
    let sub = daemon.buys("team", "ann", "price_starter").await;
    daemon.chats("ann", 60).await;
    daemon.clock("2026-03-31T00:00:00Z").await;
    daemon.told("updated", &sub.items(&[("price_starter", 2)])).await;
    daemon.assigns("team", "bob").await;
    assert_eq!(daemon.standing("ann").await, "starter: 60 used, 40 left");
    assert_eq!(daemon.standing("bob").await, "starter: 0 used, 100 left");
    assert_eq!(daemon.resets_at("bob").await, RESET);
}

async fn r12_when_the_quantity_falls_vacant_seats_end_first_then_the_latest_assigned_at_the_boundary(
    engine: Engine,
) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.team("team", &["ann", "bob"]).await;
    let sub = daemon.buys_many("team", "ann", &[("price_starter", 3)]).await;
    daemon.clock("2026-03-05T00:00:00Z").await;
    let bobs = daemon.assigns("team", "bob").await;
    daemon.told("updated", &sub.clone().items(&[("price_starter", 2)])).await;
    assert_eq!(daemon.holders("team").await, ["starter ann 0", "starter bob 0"]);

    daemon.clock("2026-03-06T00:00:00Z").await;
    let one = sub.items(&[("price_starter", 1)]);
    daemon.told("updated", &one).await;
    let chosen = daemon.seats("team").await.remove(1);
    assert_eq!((&chosen["id"], &chosen["ends_at"]), (&json!(bobs), &json!(RESET)));
    assert_eq!(daemon.schedule("bob", 3).await, [""; 0], "no reset comes before the end");
    assert_eq!(daemon.resets_at("bob").await, RESET, "which is where it ends");
    daemon.clock("2026-03-07T00:00:00Z").await;
    daemon.told("updated", &one.clone().items(&[("price_starter", 2)])).await;
    assert_eq!(daemon.seats("team").await[1]["ends_at"], Value::Null, "a rise withdraws it");

    daemon.clock("2026-03-08T00:00:00Z").await;
    daemon.told("updated", &one).await;
    daemon.clock_before(at(RESET)).await;
    daemon.chats("bob", 5).await;
    daemon.clock(RESET).await;
    assert_eq!(daemon.standing("bob").await, "free: 0 used, 5 left");
    assert_eq!(daemon.lines("bob").await.last().unwrap(), &format!("{RESET} expire -95 -> 0"));
    assert_eq!(daemon.holders("team").await, ["starter ann 0"]);
    let ended = daemon.pages("/v1/workspaces/team/seats?status=ended").await;
    assert_eq!(told(&ended), ["starter - 5", "starter - 0"]);
}

async fn r12_an_ended_seat_returns_with_what_it_used(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.team("team", &["ann", "bob"]).await;
    let two = daemon.buys_many("team", "ann", &[("price_starter", 2)]).await;
    let one = two.clone().items(&[("price_starter", 1)]);
    let seat = daemon.assigns("team", "bob").await;
    daemon.chats("bob", 30).await;
    daemon.post(&format!("/v1/seats/{seat}/release"), Value::Null).await;
    daemon.clock("2026-03-10T00:00:00Z").await;
    daemon.told("updated", &one).await;
    assert_eq!(daemon.holders("team").await, ["starter ann 0"]);
    daemon.clock("2026-03-11T00:00:00Z").await;
    daemon.told("updated", &two).await;
    assert_eq!(daemon.holders("team").await, ["starter ann 0", "starter - 30"]);
    assert_eq!(daemon.assigns("team", "bob").await, seat, "it is the same seat");
    assert_eq!(daemon.standing("bob").await, "starter: 30 used, 70 left");
    let mut lines = daemon.pages(&format!("/v1/seats/{seat}/ledger?kind=message")).await;
    lines.reverse();
    let lines: Vec<_> = lines.iter().map(crate::daemon::calls::line).collect();
    let expected = [
        "2026-03-01T10:00:00Z allowance 100 -> 100",
        "2026-03-01T10:00:00Z seat_out -100 -> 0",
        "2026-03-01T10:00:00Z seat_in 100 -> 100",
        "2026-03-01T10:00:00Z use -30 -> 70",
        "2026-03-01T10:00:00Z seat_out -70 -> 0",
        "2026-03-01T10:00:00Z seat_in 70 -> 70",
        "2026-03-10T00:00:00Z expire -70 -> 0",
        "2026-03-11T00:00:00Z allowance 70 -> 70",
        "2026-03-11T00:00:00Z seat_out -70 -> 0",
        "2026-03-11T00:00:00Z seat_in 70 -> 70",
    ];
    assert_eq!(lines, expected);
}

async fn r12_up_and_down_within_a_cycle_yields_no_more_than_the_highest_quantity(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.team("team", &["ann", "bob"]).await;
    let mut sub = daemon.buys_many("team", "ann", &[("price_starter", 2)]).await;
    let mut spent = 0;
    for day in 2..14 {
        if daemon.balance("bob").await["plan"] == "free" {
            daemon.assigns("team", "bob").await;
        }
        let left: u32 = daemon.spendable("bob").await.parse().unwrap();
        if left > 0 {
            daemon.chats("bob", left.min(35)).await;
            spent += left.min(35);
        }
        let seat = daemon.seat_of("team", "bob").await;
        daemon.post(&format!("/v1/seats/{seat}/release"), Value::Null).await;
        for quantity in [1, 2] {
            daemon.clock(&format!("2026-03-{day:02}T1{quantity}:00:00Z")).await;
            sub = sub.items(&[("price_starter", quantity)]);
            daemon.told("updated", &sub).await;
        }
    }
    assert_eq!(spent, 100, "what the second seat allows in a cycle");
}

async fn r12_a_lower_quantity_told_within_ten_minutes_counts_from_the_boundary(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.team("team", &["ann", "bob"]).await;
    let sub = daemon.buys_many("team", "ann", &[("price_starter", 2)]).await;
    daemon.assigns("team", "bob").await;
    daemon.clock("2026-04-01T10:05:00Z").await;
    daemon.chats("bob", 1).await;
    daemon.told("updated", &sub.items(&[("price_starter", 1)])).await;
    assert_eq!(daemon.standing("bob").await, "free: 0 used, 5 left");
    let line = "2026-04-01T10:00:00Z expire -99 -> 0";
    assert_eq!(daemon.lines("bob").await.last().unwrap(), line);
}

async fn r12_a_buyer_with_a_lower_seat_moves_to_the_new_one(engine: Engine) {
    let daemon = Daemon::start(engine, BOUGHT).await;
    daemon.team("team", &["ann", "bob"]).await;
    daemon.buys("team", "ann", "price_starter").await;
    daemon.chats("ann", 20).await;
    daemon.buys("team", "ann", "price_builder").await;
    assert_eq!(daemon.standing("ann").await, "builder: 0 used, 250 left");
    let mut seats = daemon.holders("team").await;
    seats.sort();
    assert_eq!(seats, ["builder ann 0", "starter - 20"]);
    daemon.assigns("team", "bob").await;
    assert_eq!(daemon.standing("bob").await, "starter: 20 used, 80 left");
}

async fn r12_a_buyer_whose_seat_ended_gets_a_vacant_one_that_they_bought(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.team("team", &["ann", "bob"]).await;
    let builder = daemon.buys("team", "ann", "price_builder").await;
    daemon.buys("team", "ann", "price_starter").await;
    let bobs = daemon.buys("team", "bob", "price_tiny").await;
    let mut seats = daemon.holders("team").await;
    seats.sort();
    assert_eq!(seats, ["builder ann 0", "starter - 0", "tiny bob 0"], "a lower one moves nobody");
    daemon.clock("2026-03-02T00:00:00Z").await;
    daemon.told("deleted", &bobs.status("canceled")).await;
    assert_eq!(daemon.standing("bob").await, "free: 0 used, 5 left", "ann bought the vacant one");
    daemon.told("deleted", &builder.status("canceled")).await;
    assert_eq!(daemon.standing("ann").await, "starter: 0 used, 100 left");
}

async fn r12_after_a_release_nobody_is_given_the_seat(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.team("team", &["ann", "bob"]).await;
    let sub = daemon.buys("team", "ann", "price_starter").await;
    let seat = daemon.seat_of("team", "ann").await;
    daemon.post(&format!("/v1/seats/{seat}/release"), json!({})).await;
    daemon.clock("2026-03-10T00:00:00Z").await;
    daemon.told("updated", &sub.price("price_builder")).await;
    daemon.clock(RESET).await;
    assert_eq!(daemon.holders("team").await, ["builder - 0"]);
    assert_eq!(daemon.standing("ann").await, "free: 0 used, 5 left");
}

async fn r12_without_a_named_buyer_the_owner_is_it_and_without_an_owner_all_are_vacant(
    engine: Engine,
) {
    let daemon = Daemon::start(engine, BOUGHT).await;
    daemon.team("team", &["ann", "bob"]).await;
    daemon.put("/v1/workspaces/team", json!({ "owner": "bob" })).await;
    let sub = Subscription::new("sub_1", "team", "", "price_starter", BOUGHT);
    daemon.told("created", &sub.clone().set("metadata", json!({}))).await;
    assert_eq!(daemon.holders("team").await, ["starter bob 0"]);

    daemon.team("empty", &["eve"]).await;
    daemon.client().send(hyper::Method::DELETE, "/v1/accounts/eve", &[], "".into()).await.unwrap();
    let sub = sub.set("id", "sub_2").set("customer", "cus_empty").set("metadata", json!({}));
    daemon.told("created", &sub).await;
    assert_eq!(daemon.holders("empty").await, ["starter - 0"]);
    assert_eq!(daemon.alerts("no_buyer").await, 1);
}

async fn r12_prices_that_are_unknown_or_metered_are_no_places(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.team("team", &["ann", "bob"]).await;
    let items = [("price_starter", 1), ("price_of_something_else", 4), ("price_builder", 3)];
    let mut sub = Subscription::new("sub_1", "team", "ann", "", BOUGHT).items(&items);
    sub.0["items"]["data"][2]["price"]["recurring"]["usage_type"] = "metered".into();
    daemon.told("created", &sub).await;
    assert_eq!(daemon.holders("team").await, ["starter ann 0"]);
    assert_eq!(daemon.alerts("unknown_price").await, 1);
    daemon.clock("2026-03-02T00:00:00Z").await;
    daemon.told("updated", &sub.items(&[("price_renamed", 1)])).await;
    assert_eq!(daemon.standing("ann").await, "starter: 0 used, 100 left", "the old plan stays");
}

async fn r12_what_buying_again_brings_is_a_setting(engine: Engine) {
    for (rebuy, left) in [("full", "100"), ("carry_used", "40")] {
        let settings = format!("[credits]\nrebuy = \"{rebuy}\"\n");
        let mut daemon = Daemon::with(engine, BOUGHT, Setup { settings, ..Setup::default() }).await;
        daemon.person("ann").await;
        let sub = daemon.buys("ann", "ann", "price_starter").await;
        daemon.chats("ann", 60).await;
        daemon.clock("2026-03-10T00:00:00Z").await;
        daemon.told("deleted", &sub.status("canceled")).await;
        daemon.clock("2026-03-11T00:00:00Z").await;
        daemon.buys("ann", "ann", "price_starter").await;
        assert_eq!(daemon.spendable("ann").await, left, "{rebuy}");
        assert_eq!(daemon.resets_at("ann").await, "2026-04-11T00:00:00Z");
    }
}

async fn r12_a_new_owner_moves_no_seat(engine: Engine) {
    let daemon = Daemon::start(engine, BOUGHT).await;
    daemon.team("team", &["ann", "bob"]).await;
    daemon.buys("team", "ann", "price_starter").await;
    daemon.put("/v1/workspaces/team", json!({ "owner": "bob" })).await;
    assert_eq!(daemon.holders("team").await, ["starter ann 0"]);
}
