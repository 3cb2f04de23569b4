//! R16: running out is told once, until something brings credits again.

use crate::daemon::calls::refused;
use crate::daemon::{Daemon, Setup};
use crate::engine::{Engine, on_each_engine};
use creditd::store::{MailState, PageQuery, StoredMail};
use serde_json::{Value, json};

on_each_engine! {
    also pooled:
    r16_the_debit_that_takes_the_last_credit_promises_one_mail
    r16_the_first_refusal_that_a_reset_cures_is_the_moment_too
    r16_a_request_for_more_than_a_full_allowance_is_no_run_out
    r16_what_brings_credits_arms_again
    r16_without_an_address_nothing_is_sent_and_that_is_counted
    r16_message_credits_and_early_warnings_can_be_switched_on
    r16_the_refused_action_says_what_it_needs
}

const BOUGHT: &str = "2026-03-01T10:00:00Z";
const RESET: &str = "2026-04-01T10:00:00Z";

impl Daemon {
    /// The mails that were promised so far. A promise is committed with its debit, so that those
    /// of all debits that were answered are there.
    async fn promised(&self) -> Vec<StoredMail> {
        let page = PageQuery { limit: 100, cursor: None };
        self.store().await.mails(None, &page).await.unwrap().rows
    }

    async fn promises(&self) -> usize {
        self.promised().await.len()
    }
}

async fn r16_the_debit_that_takes_the_last_credit_promises_one_mail(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.team("team", &["ann", "bob"]).await;
    daemon.put("/v1/accounts/ann", json!({ "name": "Ann Lee" })).await;
    daemon.buys("team", "ann", "price_starter").await;
    daemon.app_calls("ann", 1_999).await;
    assert_eq!(daemon.promises().await, 0);
    daemon.app_calls("ann", 1).await;
    assert_eq!(daemon.promises().await, 1);
    for _ in 0..3 {
        refused("call", daemon.app_calls("ann", 1).await, 402, "integration_credits_exhausted");
    }
    assert_eq!(daemon.promises().await, 1, "once until something arms it");
    let mail = daemon.mails(1).await.remove(0);
    for expected in [
        "To: ",
        "ann@creditd.test",
        "Subject: ",
        "From: Credits <credits@creditd.test>",
        "Message-ID: <",
        "integration credits",
        "1 April 2026",
        "10:00",
        "UTC",
        "Ann Lee",
    ] {
        assert!(mail.contains(expected), "{expected:?} is not in:\n{mail}");
    }
    assert!(!mail.contains("bob@creditd.test"));
    daemon.clock(RESET).await;
    daemon.app_calls("ann", 2_000).await;
    assert_eq!(daemon.promises().await, 2, "the reset armed it");
    daemon.mails(2).await;
    let sent = daemon.promised().await;
    assert_ne!(sent[0].id, sent[1].id);
}

async fn r16_the_first_refusal_that_a_reset_cures_is_the_moment_too(engine: Engine) {
    let daemon = Daemon::start(engine, BOUGHT).await;
    daemon.person("ann").await;
    daemon.app_calls("ann", 24).await;
    let agent = json!({ "action": "agent_message", "app": "ann-app" });
    let problem = daemon.refuses("/v1/usage", agent, 402, "integration_credits_exhausted").await;
    assert_eq!((&problem["needed"], &problem["remaining"]), (&json!("3"), &json!("1")));
    assert_eq!(daemon.promises().await, 1);
    daemon.app_calls("ann", 1).await;
    assert_eq!(daemon.promises().await, 1, "and zero is not told again");
    let told = daemon.promised().await.remove(0).mail;
    assert_eq!(told.spendable.to_string(), "1");
    assert_eq!(told.resets_at, Some(crate::daemon::time::at("2026-03-02T10:00:00Z")));
}

async fn r16_a_request_for_more_than_a_full_allowance_is_no_run_out(engine: Engine) {
    let daemon = Daemon::start(engine, BOUGHT).await;
    daemon.person("ann").await;
    daemon.app_calls("ann", 1).await;
    let answer = daemon.app_calls("ann", 26).await;
    let problem = refused("call", answer, 402, "integration_credits_exhausted");
    assert_eq!(problem["resets_at"], Value::Null);
    assert_eq!(daemon.promises().await, 0);
    refused("call", daemon.app_calls("ann", 25).await, 402, "integration_credits_exhausted");
    assert_eq!(daemon.promises().await, 1, "this one a new window would cure");
}

async fn r16_what_brings_credits_arms_again(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.team("team", &["ann", "bob"]).await;
    daemon.app_calls("ann", 25).await;
    assert_eq!(daemon.promises().await, 1);
    let gift = json!({ "kind": "integration", "amount": "2", "reason": "a test" });
    daemon.post("/v1/accounts/ann/grants", gift).await;
    daemon.app_calls("ann", 2).await;
    assert_eq!(daemon.promises().await, 2, "a grant");

    let sub = daemon.buys("team", "ann", "price_starter").await;
    daemon.app_calls("ann", 2_000).await;
    assert_eq!(daemon.promises().await, 3, "a seat");
    daemon.clock("2026-03-02T00:00:00Z").await;
    let sub = sub.items(&[("price_builder", 2)]);
    daemon.told("updated", &sub).await;
    daemon.app_calls("ann", 8_000).await;
    assert_eq!(daemon.promises().await, 4, "an upgrade");
    let seat = daemon.seat_of("team", "ann").await;
    daemon.post(&format!("/v1/seats/{seat}/release"), Value::Null).await;
    refused("free", daemon.app_calls("ann", 1).await, 402, "integration_credits_exhausted");
    assert_eq!(daemon.promises().await, 4, "the sleeping window brings nothing");
    daemon
        .post(
            &format!("/v1/seats/{}/assign", daemon.other_seat(&seat).await),
            json!({ "account": "ann" }),
        )
        .await;
    daemon.app_calls("ann", 10_000).await;
    assert_eq!(daemon.promises().await, 5, "a received seat");

    daemon.clock("2026-03-02T10:00:00Z").await;
    daemon.app_calls("bob", 1).await;
    daemon.put("/v1/apps/bob-app", json!({ "owner": "bob" })).await;
    daemon.app_calls("bob", 25).await;
    daemon.clock("2026-03-03T10:00:00Z").await;
    daemon.app_calls("bob", 25).await;
    assert_eq!(daemon.promises().await, 7, "a new window");
}

impl Daemon {
    async fn other_seat(&self, seat: &str) -> String {
        let seats = self.seats("team").await;
        let other = seats.iter().find(|other| other["id"] != seat).unwrap();
        other["id"].as_str().unwrap().to_owned()
    }
}

async fn r16_without_an_address_nothing_is_sent_and_that_is_counted(engine: Engine) {
    let daemon = Daemon::start(engine, BOUGHT).await;
    daemon.person("ann").await;
    daemon.put("/v1/accounts/ann", json!({ "email": null })).await;
    daemon.app_calls("ann", 25).await;
    assert_eq!(daemon.promises().await, 0);
    assert_eq!(daemon.metric("creditd_mails_without_address_total").await, 1.0);
}

async fn r16_message_credits_and_early_warnings_can_be_switched_on(engine: Engine) {
    let mail = "run_out = [\"message\"]\nwarn_at_80 = [\"message\"]\n".to_owned();
    let daemon = Daemon::with(engine, BOUGHT, Setup { mail, ..Setup::default() }).await;
    daemon.person("ann").await;
    daemon.app_calls("ann", 25).await;
    daemon.chats("ann", 3).await;
    assert_eq!(daemon.promises().await, 0, "integration credits are switched off");
    daemon.chats("ann", 1).await;
    assert_eq!(daemon.promises().await, 1, "four fifths are used");
    daemon.spends("discuss", "ann", 1).await;
    assert_eq!(daemon.promises().await, 1);
    daemon.cannot_chat("ann", 1).await;
    assert_eq!(daemon.promises().await, 2);
    let mails = daemon.mails(2).await;
    assert!(mails.iter().all(|mail| mail.contains("message credits")), "{mails:?}");
    let sent = daemon.promised().await;
    assert!(sent.iter().all(|mail| matches!(mail.state, MailState::Sent | MailState::Queued)));
}

async fn r16_the_refused_action_says_what_it_needs(engine: Engine) {
    let daemon = Daemon::start(engine, BOUGHT).await;
    daemon.person("ann").await;
    daemon.app_calls("ann", 23).await;
    let gift = json!({ "kind": "integration", "amount": "0.5", "reason": "a test" });
    daemon.post("/v1/accounts/ann/grants", gift).await;
    let agent = json!({ "action": "agent_message", "app": "ann-app", "quantity": 2 });
    let problem = daemon.refuses("/v1/usage", agent, 402, "integration_credits_exhausted").await;
    let expected = json!({
        "type": "/docs#integration_credits_exhausted",
        "title": "Too few integration credits",
        "status": 402,
        "detail": "6 integration credits are needed, 2.5 are left; \
                   it would fit from 2026-03-02 10:00:00 UTC",
        "code": "integration_credits_exhausted",
        "needed": "6",
        "remaining": "2",
        "spendable": "2.5",
        "resets_at": "2026-03-02T10:00:00Z",
    });
    assert_eq!(problem, expected);
}
