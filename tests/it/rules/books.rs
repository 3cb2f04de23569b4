//! R18 to R20: the books, a closed account, changed settings.

use crate::daemon::calls::{accepted, refused};
use crate::daemon::{Daemon, Setup};
use crate::engine::{Engine, on_each_engine};
use creditd::store::{MailState, PageQuery};
use creditd_rules::Amount;
use hyper::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

on_each_engine! {
    also pooled:
    r18_every_pot_adds_up_to_its_lines
    r19_closing_frees_the_seat_ends_grants_and_erases_the_person
    r19_the_id_of_a_closed_account_never_works_again
    r19_unsent_mails_of_a_closed_account_are_dropped
    r20_a_cycle_keeps_the_limits_that_it_was_granted_with
    r20_a_held_plan_that_is_no_longer_configured_is_an_error_at_start
}

const BOUGHT: &str = "2026-03-01T10:00:00Z";
const RESET: &str = "2026-04-01T10:00:00Z";

async fn r18_every_pot_adds_up_to_its_lines(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.team("team", &["ann", "bob"]).await;
    let sub = daemon.buys_many("team", "ann", &[("price_starter", 2)]).await;
    daemon.assigns("team", "bob").await;
    daemon.grants("ann", "12.5", None).await;
    daemon.grants("bob", "3", Some("2026-03-10T00:00:00Z")).await;
    for day in [5, 12, 25] {
        daemon.clock(&format!("2026-03-{day:02}T00:00:00Z")).await;
        daemon.spends("discuss", "ann", 11).await;
        daemon.chats("bob", 7).await;
    }
    daemon.told("updated", &sub.items(&[("price_builder", 1)])).await;
    daemon.clock(RESET).await;
    daemon.chats("ann", 1).await;

    let (mut sums, mut last): (BTreeMap<String, Amount>, BTreeMap<String, Amount>) =
        Default::default();
    let mut seen = std::collections::BTreeSet::new();
    for account in ["ann", "bob"] {
        for line in daemon.ledger(account).await {
            assert!(seen.insert(line["seq"].as_u64().unwrap()), "each line is one account's");
            let amount = |name: &str| line[name].as_str().unwrap().parse::<Amount>().unwrap();
            let pot = line["pot"].as_str().unwrap().to_owned();
            let sum = sums.entry(pot.clone()).or_insert(Amount::ZERO);
            *sum = sum.plus(amount("amount"));
            last.insert(pot, amount("pot_after"));
        }
    }
    // The seat of bob was vacant at first: that line is nobody's.
    let seats = daemon.pages("/v1/workspaces/team/seats?status=ended").await;
    let bobs = format!("seat/{}", seats[0]["id"].as_str().unwrap());
    let before_him = sums.get_mut(&bobs).unwrap();
    assert_eq!(*before_him, Amount::ZERO);
    assert_eq!(sums, last);
    assert!(daemon.done(&["verify"]).ends_with("verified\n"));
}

async fn r19_closing_frees_the_seat_ends_grants_and_erases_the_person(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.team("team", &["ann", "bob"]).await;
    daemon.put("/v1/accounts/bob", json!({ "name": "Bob", "locale": "de" })).await;
    daemon.buys("team", "bob", "price_starter").await;
    daemon.chats("bob", 30).await;
    daemon.grants("bob", "9", None).await;
    daemon.clock("2026-03-05T00:00:00Z").await;
    let closed = daemon.call(Method::DELETE, "/v1/accounts/bob", &Value::Null).await;
    let closed = accepted("close", closed);
    assert_eq!(closed["closed_at"], "2026-03-05T00:00:00Z");
    for erased in ["email", "name", "locale"] {
        assert_eq!(closed[erased], Value::Null, "{erased}");
    }
    let seat = daemon.seats("team").await.remove(0);
    assert_eq!((&seat["holder"], &seat["message"]["used"]), (&Value::Null, &json!("30")));
    let lines = daemon.lines("bob").await;
    assert_eq!(
        lines[2..],
        ["2026-03-05T00:00:00Z seat_out -70 -> 0", "2026-03-05T00:00:00Z expire -9 -> 0",]
    );
    daemon.assigns("team", "ann").await;
    assert_eq!(daemon.standing("ann").await, "starter: 30 used, 70 left");
}

async fn r19_the_id_of_a_closed_account_never_works_again(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.team("team", &["ann", "bob"]).await;
    daemon.chats("ann", 1).await;
    accepted("close", daemon.call(Method::DELETE, "/v1/accounts/ann", &Value::Null).await);
    let gift = json!({ "kind": "message", "amount": "1", "reason": "a test" });
    for (method, path, body) in [
        (Method::PUT, "/v1/accounts/ann", json!({ "name": "Ann" })),
        (Method::DELETE, "/v1/accounts/ann", Value::Null),
        (Method::GET, "/v1/accounts/ann/balance", Value::Null),
        (Method::GET, "/v1/accounts/ann/schedule", Value::Null),
        (Method::POST, "/v1/usage", json!({ "action": "chat", "account": "ann" })),
        (Method::POST, "/v1/usage", json!({ "action": "visual_edit", "account": "ann" })),
        (Method::POST, "/v1/usage", json!({ "action": "agent_message", "app": "ann-app" })),
        (Method::POST, "/v1/accounts/ann/grants", gift),
        (Method::PUT, "/v1/apps/other", json!({ "owner": "ann" })),
        (Method::PUT, "/v1/workspaces/team", json!({ "owner": "ann" })),
    ] {
        let answer = daemon.call(method, path, &body).await;
        refused(path, answer, 409, "account_closed");
    }
    assert_eq!(daemon.ledger("ann").await.len(), 3, "its lines stay: allowance, use, expire");
    daemon.put("/v1/apps/ann-app", json!({ "owner": "bob" })).await;
    assert_eq!(accepted("call", daemon.app_calls("ann", 1).await)["payer"], "bob");
    daemon.clock("2027-01-01T00:00:00Z").await;
    refused("later", daemon.tries("chat", "ann", 1).await, 409, "account_closed");
}

async fn r19_unsent_mails_of_a_closed_account_are_dropped(engine: Engine) {
    // A server that takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let mail = format!("smtp_url = \"smtp://127.0.0.1:{port}?tls=none\"\ntimeout = \"1s\"\n");
    let daemon = Daemon::with(engine, BOUGHT, Setup { mail, ..Setup::default() }).await;
    daemon.person("ann").await;
    daemon.app_calls("ann", 25).await;
    let page = PageQuery { limit: 10, cursor: None };
    let mails = async || daemon.store().await.mails(None, &page).await.unwrap().rows;
    assert_eq!(mails().await[0].state, MailState::Queued);
    accepted("close", daemon.call(Method::DELETE, "/v1/accounts/ann", &Value::Null).await);
    let [dropped] = &mails().await[..] else { panic!("one mail") };
    assert_eq!(dropped.state, MailState::Dropped);
    assert_eq!((dropped.mail.to.as_str(), &dropped.mail.name), ("", &None));
}

/// The plans of a starter plan with so many message credits, and no other paid one.
fn starter_with(credits: u32) -> Setup {
    let plans = format!(
        r#"
        [[plans]]
        id = "free"
        class = "free"
        rank = 0
        message = [{{ per = "day", credits = "{}" }}]
        integration = [{{ per = "day", credits = "25" }}]
        [[plans]]
        id = "starter"
        class = "paid"
        rank = 1
        prices = ["price_starter"]
        message = [{{ per = "month", credits = "{credits}" }}]
        integration = [{{ per = "month", credits = "2000" }}]
        "#,
        credits / 20
    );
    Setup { plans: Some(plans), ..Setup::default() }
}

async fn r20_a_cycle_keeps_the_limits_that_it_was_granted_with(engine: Engine) {
    let mut daemon = Daemon::with(engine, BOUGHT, starter_with(100)).await;
    daemon.person("ann").await;
    daemon.person("bob").await;
    daemon.buys("ann", "ann", "price_starter").await;
    daemon.chats("ann", 10).await;
    daemon.chats("bob", 1).await;
    daemon.restart_with(starter_with(160)).await;
    assert_eq!(daemon.standing("ann").await, "starter: 10 used, 90 left");
    assert_eq!(daemon.standing("bob").await, "free: 1 used, 4 left");
    daemon.clock("2026-03-02T10:00:00Z").await;
    assert_eq!(daemon.standing("bob").await, "free: 0 used, 8 left");
    daemon.clock(RESET).await;
    assert_eq!(daemon.standing("ann").await, "starter: 0 used, 160 left");
}

async fn r20_a_held_plan_that_is_no_longer_configured_is_an_error_at_start(engine: Engine) {
    let mut daemon = Daemon::start(engine, BOUGHT).await;
    daemon.team("team", &["ann", "bob"]).await;
    let sub = daemon.buys("team", "ann", "price_builder").await;
    let seat = daemon.seat_of("team", "ann").await;
    daemon.clock("2026-03-02T10:00:00Z").await;
    daemon.stop();
    daemon.reconfigure(starter_with(100));
    for words in [&["serve"][..], &["seat", "transfer", &seat, "--to", "bob"]] {
        let complaint = daemon.fails(78, words);
        let expected = "seats hold the plan \"builder\", which plans do not configure";
        assert!(complaint.contains(expected), "{complaint}");
    }
    // Reading still works, and with the plan so does everything.
    assert!(daemon.done(&["account", "show", "ann"]).contains("builder"));
    daemon.reconfigure(Setup::default());
    daemon.run().await;
    daemon.told("deleted", &sub.status("canceled")).await;
    daemon.restart_with(starter_with(100)).await;
    assert_eq!(daemon.standing("ann").await, "free: 0 used, 5 left");
}
