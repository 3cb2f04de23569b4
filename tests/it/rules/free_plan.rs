//! R8: the free plan's windows.

use crate::daemon::time::at;
use crate::daemon::{Daemon, Setup};
use crate::engine::{Engine, on_each_engine};
use serde_json::{Value, json};

on_each_engine! {
    also pooled:
    r8_a_window_opens_at_the_first_draw_and_lasts_a_day_exactly
    r8_free_actions_refusals_and_grants_open_no_window
    r8_windows_from_the_sign_up_on_are_fixed_steps
    r8_an_idle_account_has_no_lines_whatever_time_passes
    r8_a_window_is_closed_by_the_next_command_and_shown_closed_before
    r8_the_window_sleeps_while_a_seat_is_held_and_wakes_with_what_was_used
}

const NOW: &str = "2026-05-05T05:05:05Z";

async fn r8_a_window_opens_at_the_first_draw_and_lasts_a_day_exactly(engine: Engine) {
    let mut daemon = Daemon::start(engine, NOW).await;
    daemon.person("fay").await;
    assert_eq!(daemon.resets_at("fay").await, "null");
    assert_eq!(daemon.schedule("fay", 3).await, [""; 0]);
    daemon.clock("2026-05-05T09:00:00.000001Z").await;
    daemon.chats("fay", 5).await;
    let end = "2026-05-06T09:00:00.000001Z";
    assert_eq!(daemon.schedule("fay", 3).await, [end]);
    daemon.clock_before(at(end)).await;
    assert_eq!(daemon.cannot_chat("fay", 1).await["resets_at"], end);
    daemon.clock(end).await;
    assert_eq!(daemon.resets_at("fay").await, "null", "the next draw opens another");
    daemon.clock("2026-05-06T10:00:00Z").await;
    daemon.chats("fay", 1).await;
    assert_eq!(daemon.resets_at("fay").await, "2026-05-07T10:00:00Z");
    // Each kind has its own.
    assert_eq!(daemon.balance("fay").await["integration"]["resets_at"], Value::Null);
}

async fn r8_free_actions_refusals_and_grants_open_no_window(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("fay").await;
    daemon.grants("fay", "2", Some("2026-05-05T12:00:00Z")).await;
    daemon.chats("fay", 2).await;
    daemon.spends("visual_edit", "fay", 1).await;
    let refusal = daemon.cannot_chat("fay", 6).await;
    assert_eq!(refusal["resets_at"], Value::Null, "it never fits");
    assert_eq!(daemon.resets_at("fay").await, "null");
    assert_eq!(daemon.standing("fay").await, "free: 0 used, 5 left");
    daemon.chats("fay", 1).await;
    assert_eq!(daemon.resets_at("fay").await, "2026-05-06T05:05:05Z");
}

async fn r8_windows_from_the_sign_up_on_are_fixed_steps(engine: Engine) {
    let settings = "[credits]\nfree_window = \"signup\"\n".to_owned();
    let mut daemon = Daemon::with(engine, NOW, Setup { settings, ..Setup::default() }).await;
    daemon.person("fay").await;
    daemon.clock("2026-05-07T09:00:00Z").await;
    assert_eq!(daemon.resets_at("fay").await, "2026-05-08T05:05:05Z");
    daemon.chats("fay", 5).await;
    daemon.cannot_chat("fay", 1).await;
    daemon.clock("2026-05-08T05:05:05Z").await;
    assert_eq!(daemon.standing("fay").await, "free: 0 used, 5 left");
    daemon.clock("2026-05-10T00:00:00Z").await;
    daemon.chats("fay", 1).await;
    let lines = [
        "2026-05-07T05:05:05Z allowance 5 -> 5",
        "2026-05-08T05:05:05Z expire 0 -> 0",
        "2026-05-09T05:05:05Z allowance 5 -> 5",
    ];
    assert_eq!(daemon.lines("fay").await, lines, "the step that nobody drew on is not posted");
}

async fn r8_an_idle_account_has_no_lines_whatever_time_passes(engine: Engine) {
    for mode in ["first_use", "signup"] {
        let settings = format!("[credits]\nfree_window = \"{mode}\"\n");
        let mut daemon = Daemon::with(engine, NOW, Setup { settings, ..Setup::default() }).await;
        daemon.person("fay").await;
        daemon.clock("2027-05-05T05:05:05Z").await;
        assert_eq!(daemon.ledger("fay").await, [Value::Null; 0]);
        assert_eq!(daemon.store().await.next_due().await.unwrap(), None, "nor a timer");
    }
}

async fn r8_a_window_is_closed_by_the_next_command_and_shown_closed_before(engine: Engine) {
    let mut daemon = Daemon::start(engine, NOW).await;
    daemon.person("fay").await;
    daemon.chats("fay", 3).await;
    daemon.clock("2026-05-08T00:00:00Z").await;
    let due = daemon.ledger("fay").await.pop().unwrap();
    let line = "2026-05-06T05:05:05Z expire -2 -> 0";
    assert_eq!(crate::daemon::calls::line(&due), line);
    assert_eq!((&due["posted_at"], &due["seq"]), (&Value::Null, &Value::Null));
    daemon.put("/v1/accounts/fay", json!({ "name": "Fay" })).await;
    let posted = daemon.ledger("fay").await.pop().unwrap();
    assert_eq!(crate::daemon::calls::line(&posted), line);
    assert_eq!(posted["posted_at"], "2026-05-08T00:00:00Z");
}

async fn r8_the_window_sleeps_while_a_seat_is_held_and_wakes_with_what_was_used(engine: Engine) {
    let mut daemon = Daemon::start(engine, "2026-05-05T10:00:00Z").await;
    daemon.team("team", &["ann", "bob"]).await;
    daemon.chats("ann", 3).await;
    daemon.clock("2026-05-05T12:00:00Z").await;
    daemon.buys("team", "ann", "price_tiny").await;
    daemon.chats("ann", 1).await;
    assert_eq!(daemon.spendable("ann").await, "0", "the free window is not spendable");
    daemon.cannot_chat("ann", 1).await;
    let seat = daemon.seat_of("team", "ann").await;
    let transfer = format!("/v1/seats/{seat}/transfer");
    daemon.clock("2026-05-05T15:00:00Z").await;
    daemon.post(&transfer, json!({ "to": "bob" })).await;
    assert_eq!(daemon.standing("ann").await, "free: 3 used, 2 left");
    assert_eq!(daemon.resets_at("ann").await, "2026-05-06T10:00:00Z");
    daemon.post(&transfer, json!({ "to": "ann" })).await;
    daemon.clock("2026-05-06T10:00:00Z").await;
    daemon.post(&transfer, json!({ "to": "bob" })).await;
    assert_eq!(daemon.standing("ann").await, "free: 0 used, 5 left", "it ended in its sleep");
    assert_eq!(daemon.resets_at("ann").await, "null");
}
