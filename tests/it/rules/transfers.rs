//! R13: seats change hands.

use crate::daemon::Daemon;
use crate::daemon::calls::line;
use crate::engine::{Engine, on_each_engine};
use hyper::Method;
use serde_json::{Value, json};

on_each_engine! {
    also pooled:
    r13_a_transfer_moves_plan_anchor_and_what_is_used
    r13_assigning_and_releasing_write_the_same_lines_with_no_one_on_the_other_side
    r13_what_cannot_be_moved_is_refused_with_the_reason
    r13_transfers_and_debits_at_once_create_and_destroy_nothing
}

const BOUGHT: &str = "2026-03-01T10:00:00Z";

async fn r13_a_transfer_moves_plan_anchor_and_what_is_used(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.team("team", &["ann", "bob"]).await;
    daemon.buys("team", "ann", "price_builder").await;
    daemon.grants("ann", "7", None).await;
    daemon.chats("ann", 40).await;
    daemon.app_calls("ann", 1_000).await;
    daemon.clock("2026-03-09T12:30:00.5Z").await;
    let seat = daemon.seat_of("team", "ann").await;
    let moved = daemon.post(&format!("/v1/seats/{seat}/transfer"), json!({ "to": "bob" })).await;
    assert_eq!((&moved["holder"], &moved["plan"]), (&json!("bob"), &json!("builder")));
    assert_eq!((&moved["anchor"], &moved["message"]["used"]), (&json!(BOUGHT), &json!("40")));
    assert_eq!(moved["assigned_at"], "2026-03-09T12:30:00.500Z");

    assert_eq!(daemon.standing("ann").await, "free: 0 used, 5 left");
    assert_eq!(daemon.spendable("ann").await, "12", "grants stay with their people");
    assert_eq!(daemon.standing("bob").await, "builder: 40 used, 210 left");
    assert_eq!(daemon.resets_at("bob").await, "2026-04-01T10:00:00Z");
    for (account, kind, lines) in [
        ("ann", "message", vec!["2026-03-09T12:30:00.500Z seat_out -210 -> 0"]),
        ("ann", "integration", vec!["2026-03-09T12:30:00.500Z seat_out -9000 -> 0"]),
        ("bob", "message", vec!["2026-03-09T12:30:00.500Z seat_in 210 -> 210"]),
        ("bob", "integration", vec!["2026-03-09T12:30:00.500Z seat_in 9000 -> 9000"]),
    ] {
        let path = format!("/v1/accounts/{account}/ledger?kind={kind}&from=2026-03-09T00:00:00Z");
        let rows = daemon.pages(&path).await;
        assert_eq!(rows.iter().map(line).collect::<Vec<_>>(), lines);
        assert_eq!((&rows[0]["seat"], &rows[0]["account"]), (&json!(seat), &json!(account)));
    }
    // The free app of ann is paid from her free allowance again.
    let call = daemon.app_calls("ann", 1).await;
    assert_eq!((call.text("/payer"), call.text("/remaining")), ("ann", "24"));
}

async fn r13_assigning_and_releasing_write_the_same_lines_with_no_one_on_the_other_side(
    engine: Engine,
) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.team("team", &["ann", "bob"]).await;
    daemon.buys("team", "ann", "price_starter").await;
    daemon.chats("ann", 30).await;
    let seat = daemon.seat_of("team", "ann").await;
    daemon.clock("2026-03-02T00:00:00Z").await;
    let free = daemon.post(&format!("/v1/seats/{seat}/release"), Value::Null).await;
    assert_eq!((&free["holder"], &free["assigned_at"]), (&Value::Null, &Value::Null));
    daemon.clock("2026-03-03T00:00:00Z").await;
    daemon.post(&format!("/v1/seats/{seat}/assign"), json!({ "account": "bob" })).await;
    let mut rows = daemon.pages(&format!("/v1/seats/{seat}/ledger?kind=message")).await;
    rows.reverse();
    let told: Vec<_> =
        rows.iter().skip(2).map(|row| (row["account"].as_str(), line(row))).collect();
    let expected = [
        (Some("ann"), "2026-03-02T00:00:00Z seat_out -70 -> 0"),
        (None, "2026-03-02T00:00:00Z seat_in 70 -> 70"),
        (None, "2026-03-03T00:00:00Z seat_out -70 -> 0"),
        (Some("bob"), "2026-03-03T00:00:00Z seat_in 70 -> 70"),
    ];
    assert_eq!(told, expected.map(|(account, line)| (account, line.to_owned())));
    // A seat that nobody holds is reset like any other.
    daemon.post(&format!("/v1/seats/{seat}/release"), Value::Null).await;
    daemon.clock("2026-04-01T10:00:00Z").await;
    let rows = daemon.pages(&format!("/v1/seats/{seat}/ledger?kind=message")).await;
    assert_eq!(line(&rows[0]), "2026-04-01T10:00:00Z allowance 100 -> 100");
    assert_eq!(rows[0]["account"], Value::Null);
}

async fn r13_what_cannot_be_moved_is_refused_with_the_reason(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.team("team", &["ann", "bob", "cid"]).await;
    daemon.team("other", &["zoe"]).await;
    let sub = daemon.buys_many("team", "ann", &[("price_starter", 2)]).await;
    let bobs = daemon.buys("team", "bob", "price_builder").await;
    let held = daemon.seat_of("team", "ann").await;
    let builder = daemon.seat_of("team", "bob").await;
    let vacant = daemon.vacant_seat("team").await;
    let call = async |seat: &str, what: &str, to: &str, status: u16, code: &str| {
        let body = match what {
            "assign" => json!({ "account": to }),
            "transfer" => json!({ "to": to }),
            _ => Value::Null,
        };
        daemon.refuses(&format!("/v1/seats/{seat}/{what}"), body, status, code).await
    };
    let taken = call(&held, "assign", "cid", 409, "seat_taken").await;
    assert_eq!(taken["holder"], "ann");
    call(&vacant, "transfer", "cid", 409, "seat_vacant").await;
    call(&vacant, "release", "", 409, "seat_vacant").await;
    let seated = call(&held, "transfer", "bob", 409, "already_seated").await;
    assert_eq!(seated["seat"], json!(builder));
    call(&vacant, "assign", "bob", 409, "already_seated").await;
    call(&vacant, "assign", "zoe", 409, "other_workspace").await;
    call(&held, "transfer", "zoe", 409, "other_workspace").await;
    call(&held, "transfer", "ghost", 404, "account_not_found").await;
    call("seat_ghost", "release", "", 404, "seat_not_found").await;

    daemon.clock("2026-03-02T00:00:00Z").await;
    daemon.told("updated", &bobs.clone().status("unpaid")).await;
    let call = async |seat: &str, what: &str, body: Value, code: &str| {
        daemon.refuses(&format!("/v1/seats/{seat}/{what}"), body, 409, code).await
    };
    call(&builder, "transfer", json!({ "to": "cid" }), "seat_suspended").await;
    call(&builder, "release", Value::Null, "seat_suspended").await;
    call(&vacant, "assign", json!({ "account": "bob" }), "already_seated").await;
    daemon.told("deleted", &bobs.status("canceled")).await;
    daemon.told("updated", &sub.items(&[("price_starter", 1)])).await;
    call(&builder, "release", Value::Null, "seat_ended").await;
    call(&vacant, "assign", json!({ "account": "cid" }), "seat_ended").await;
    daemon.client().send(Method::DELETE, "/v1/accounts/cid", &[], "".into()).await.unwrap();
    call(&held, "transfer", json!({ "to": "cid" }), "account_closed").await;
}

async fn r13_transfers_and_debits_at_once_create_and_destroy_nothing(engine: Engine) {
    let daemon = Daemon::start(engine, BOUGHT).await;
    daemon.team("team", &["ann", "bob"]).await;
    daemon.buys("team", "ann", "price_starter").await;
    let seat = daemon.seat_of("team", "ann").await;
    let path = format!("/v1/seats/{seat}/transfer");
    let moves = daemon.at_once(24, &path, |number| {
        let to = if number % 2 == 0 { "bob" } else { "ann" };
        (format!("move-{number}"), json!({ "to": to }))
    });
    let debits = daemon.at_once(48, "/v1/usage", |number| {
        let account = if number % 2 == 0 { "bob" } else { "ann" };
        (format!("chat-{number}"), json!({ "action": "chat", "account": account }))
    });
    let (moves, debits) = tokio::join!(moves, debits);
    let moved = moves.iter().filter(|answer| answer.status.is_success()).count();
    assert!(moved > 0 && moves.iter().all(|answer| [200, 409].contains(&answer.status.as_u16())));
    let paid = debits.iter().filter(|answer| answer.status.is_success()).count();

    let rows = daemon.pages(&format!("/v1/seats/{seat}/ledger?kind=message")).await;
    let of = |reason: &'static str| rows.iter().filter(move |row| row["reason"] == reason);
    assert_eq!((of("seat_out").count(), of("seat_in").count()), (moved, moved));
    let left = rows[0]["pot_after"].as_str().unwrap().parse::<usize>().unwrap();
    assert_eq!(left, 100 - of("use").count());
    let mut from_free = 0;
    for account in ["ann", "bob"] {
        let ledger = daemon.ledger(account).await;
        from_free +=
            ledger.iter().filter(|row| row["reason"] == "use" && row["seat"].is_null()).count();
    }
    assert_eq!(of("use").count() + from_free, paid);
}
