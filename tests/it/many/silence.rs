//! A network that swallows what it is given: an answer within seconds, and recovery without restart.

use super::Crew;
use super::wire::{Cut, Wire};
use crate::daemon::calls::{accepted, refused};
use crate::daemon::{Daemon, PATIENCE, Setup};
use crate::engine::{cluster, migrated};
use creditd::client::Response;
use serde_json::{Value, json};
use tokio::time::timeout;

fn chat() -> Value {
    json!({ "action": "chat", "account": "ann" })
}

/// A debit that is answered before any person would give up.
async fn answered(daemon: &Daemon, key: &str) -> Response {
    let body = chat();
    let answer = timeout(PATIENCE, daemon.client().post("/v1/usage", key, &body)).await;
    answer.expect("it is answered at some time").unwrap()
}

#[tokio::test]
async fn a_server_that_falls_silent_is_told_and_the_daemon_goes_on_when_it_speaks_again() {
    let database = cluster().copy(migrated());
    let wire = Wire::to(cluster());
    let crew = Crew::on(&wire.url(&database), &[Setup::default()]).await;
    let daemon = crew.any();
    daemon.person("ann").await;
    daemon.chats("ann", 1).await;
    wire.silence();
    // The first is sent to be written at once, on what the daemon knows of the account.
    for (key, code) in [("a", "outcome_unknown"), ("b", "database_unavailable")] {
        refused(key, answered(daemon, key).await, 503, code);
    }
    let read = timeout(PATIENCE, daemon.client().get("/v1/accounts/ann/balance")).await;
    assert_eq!(read.unwrap().unwrap().text("/code"), "database_unavailable");
    let ready = timeout(PATIENCE, daemon.ops().get("/readyz")).await;
    assert_eq!(ready.unwrap().unwrap().status.as_u16(), 503);
    wire.mend();
    for key in ["a", "b"] {
        assert_eq!(accepted(key, answered(daemon, key).await)["replayed"], false);
    }
    assert_eq!(daemon.spendable("ann").await, "2");
}

#[tokio::test]
async fn a_write_that_is_swallowed_has_an_unknown_outcome_until_its_key_is_asked_again() {
    let database = cluster().copy(migrated());
    let wire = Wire::to(cluster());
    let crew = Crew::on(&wire.url(&database), &[Setup::default()]).await;
    let daemon = crew.any();
    daemon.person("ann").await;
    wire.cut_at(Cut::Silence, "key-swallowed", 0);
    let answer = answered(daemon, "key-swallowed").await;
    assert!(wire.is_cut());
    refused("swallowed", answer, 503, "outcome_unknown");
    wire.mend();
    let again = accepted("again", answered(daemon, "key-swallowed").await);
    assert_eq!((&again["replayed"], &again["remaining"]), (&json!(false), &json!("4")));
}
