//! The commands, beside a running daemon.

mod backup;
mod change;
mod doctor;
mod explain;
mod rewards;
mod terminal;

use crate::daemon::calls::{accepted, refused};
use crate::daemon::stripe::{Subscription, event};
use crate::daemon::{Daemon, PATIENCE, Setup, program};
use crate::engine::{Engine, on_each_engine};
use creditd::client::Client;
use creditd::store::{EventState, MailState, PageQuery};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

on_each_engine! {
    keys_are_made_listed_and_revoked
    an_account_is_shown
    seats_are_moved_beside_the_daemon
    credits_are_given_once_for_each_key
    events_are_listed_shown_and_replayed
    mails_are_listed_and_retried
    verify_names_what_is_wrong
    the_settings_are_checked
    the_settings_are_shown
    pages_and_completions_are_printed
    exit_statuses_tell_what_went_wrong
}

const NOW: &str = "2026-03-01T10:00:00Z";

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

async fn keys_are_made_listed_and_revoked(engine: Engine) {
    let mut daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let (used, unused) = (daemon.new_key(&["read"]), daemon.new_key(&["read", "usage"]));
    let client = Client::new(daemon.api(), &used);
    accepted("a new key works at once", client.get("/v1/accounts/ann").await.unwrap());
    let listed = parsed(&daemon.done(&["keys", "list", "--json"]));
    assert_eq!(listed[0]["scopes"], json!(["usage", "read"]));
    assert_eq!(listed.as_array().unwrap().len(), 3);
    let table = daemon.done(&["keys", "list"]);
    assert!(!table.contains(&used) && !listed.to_string().contains(&used), "only its hash is kept");
    for at in [0, 1] {
        daemon.done(&["keys", "revoke", listed[at]["id"].as_str().unwrap()]);
    }
    let client = Client::new(daemon.api(), &unused);
    refused("revoked", client.get("/v1/accounts/ann").await.unwrap(), 401, "key_invalid");
    daemon.stop();
    daemon.run().await;
    let client = Client::new(daemon.api(), &used);
    refused("revoked", client.get("/v1/accounts/ann").await.unwrap(), 401, "key_invalid");
    assert!(!parsed(&daemon.done(&["keys", "list", "--json"]))[0]["revoked_at"].is_null());
    let complaint = daemon.fails(1, &["keys", "revoke", "ghost"]);
    assert!(complaint.contains("there is no key ghost"), "{complaint}");
}

async fn an_account_is_shown(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    daemon.buys("ann", "ann", "price_starter").await;
    daemon.spends("discuss", "ann", 1).await;
    let asked = json!({ "action": "chat", "account": "ann", "quantity": 100 });
    daemon.refuses("/v1/usage", asked, 402, "message_credits_exhausted").await;
    let shown = daemon.done(&["account", "show", "ann"]);
    let refused = "first refused: chat, 100 message credits needed, 99.7 left";
    for expected in
        ["account    ann", "plan       starter, seat ", "99.7", "2026-04-01", "discuss", refused]
    {
        assert!(shown.contains(expected), "{expected:?} is not in:\n{shown}");
    }
    let shown = parsed(&daemon.done(&["account", "show", "ann", "--json", "--entries", "1"]));
    assert_eq!(shown["balance"]["message"], daemon.balance("ann").await["message"]);
    assert_eq!(shown["entries"].as_array().unwrap().len(), 1);
    let complaint = daemon.fails(1, &["account", "show", "ghost"]);
    assert!(complaint.contains("there is no account ghost"), "{complaint}");
}

async fn seats_are_moved_beside_the_daemon(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.team("team", &["ann", "bob"]).await;
    daemon.buys("team", "ann", "price_starter").await;
    daemon.chats("ann", 30).await;
    let seat = daemon.seat_of("team", "ann").await;
    let said = daemon.done(&["seat", "transfer", &seat, "--to", "bob", "--by", "bea"]);
    assert_eq!(said, format!("seat {seat} is held by bob\n"));
    assert_eq!(daemon.standing("bob").await, "starter: 30 used, 70 left");
    daemon.chats("bob", 1).await;
    assert_eq!(daemon.ledger("bob").await[0]["cause"], "command line: bea");
    let complaint = daemon.fails(1, &["seat", "assign", &seat, "--account", "ann"]);
    assert!(complaint.contains("is held by bob (seat_taken)"), "{complaint}");
    daemon.done(&["seat", "release", &seat]);
    let shown = parsed(&daemon.done(&["seat", "assign", &seat, "--account", "ann", "--json"]));
    assert_eq!(shown, daemon.seats("team").await[0]);
    let complaint = daemon.fails(1, &["seat", "release", "ghost"]);
    assert_eq!(complaint, "creditd: there is no seat ghost\n");
}

async fn credits_are_given_once_for_each_key(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let mut words =
        vec!["grant", "ann", "--kind", "message", "--amount", "2.5", "--reason", "sorry"];
    words.extend(["--idempotency-key", "ticket-7"]);
    assert_eq!(daemon.done(&words), "ann has 2.5 more message credits\n");
    assert!(daemon.done(&words).contains("done earlier under this key"));
    words[5] = "3";
    let complaint = daemon.fails(1, &words);
    assert!(complaint.contains("key"), "{complaint}");
    assert_eq!(daemon.spendable("ann").await, "7.5");
}

async fn events_are_listed_shown_and_replayed(engine: Engine) {
    let mut daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let sub = Subscription::new("sub_1", "ann", "ann", "price_new", NOW);
    let told = event("evt_1", "customer.subscription.created", &sub.0, daemon.now);
    assert_eq!(daemon.event(&told).await.event.state, EventState::Done);
    assert_eq!(daemon.standing("ann").await, "free: 0 used, 5 left", "nothing maps the price");
    assert_eq!(daemon.webhook("nonsense").await.status, 200);

    let listed = parsed(&daemon.done(&["inbox", "list", "--json"]));
    let states: Vec<_> = listed.as_array().unwrap().iter().map(|event| &event["state"]).collect();
    assert_eq!(states, [&json!("parked"), &json!("done")], "newest first");
    let parked = daemon.done(&["inbox", "list", "--state", "parked"]);
    assert!(parked.contains("sha256:") && !parked.contains("evt_1"), "{parked}");
    let shown = daemon.done(&["inbox", "show", "evt_1"]);
    assert!(
        shown.contains("customer.subscription.created") && shown.contains("price_new"),
        "{shown}"
    );
    assert_eq!(parsed(&daemon.done(&["inbox", "show", "evt_1", "--json"]))["body"], told);
    let complaint = daemon.fails(1, &["inbox", "show", "evt_ghost"]);
    assert!(complaint.contains("there is no event evt_ghost"), "{complaint}");

    // The price is configured, and the event applied once more.
    let file = daemon.path("creditd.toml");
    let settings = std::fs::read_to_string(&file).unwrap().replace("price_starter", "price_new");
    daemon.stop();
    std::fs::write(file, settings).unwrap();
    daemon.run().await;
    let said = daemon.done(&["inbox", "replay", "evt_1"]);
    assert!(said.starts_with("1 event pending"), "{said}");
    assert_eq!(daemon.dealt_with("evt_1").await.event.state, EventState::Done);
    assert_eq!(daemon.standing("ann").await, "starter: 0 used, 100 left");
    let said = daemon.done(&["inbox", "replay", "--parked"]);
    assert!(said.starts_with("1 event pending"), "{said}");
    daemon.fails(1, &["inbox", "replay", "evt_ghost"]);
}

async fn mails_are_listed_and_retried(engine: Engine) {
    // Nobody listens there until the mails are parked.
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let mail = format!("smtp_url = \"smtp://127.0.0.1:{port}?tls=none\"\nretry = [\"1ms\"]\n");
    let mut daemon = Daemon::with(engine, NOW, Setup { mail, ..Setup::default() }).await;
    daemon.person("ann").await;
    daemon.app_calls("ann", 25).await;
    let id = mail_when(&daemon, MailState::Parked).await;
    let listed = parsed(&daemon.done(&["outbox", "list", "--state", "parked", "--json"]));
    assert_eq!((&listed[0]["id"], &listed[0]["account"]), (&json!(id), &json!("ann")));
    assert_eq!(listed[0]["attempts"], 2);
    let table = daemon.done(&["outbox", "list"]);
    assert!(table.contains(&id) && !table.contains('@'), "no address: {table}");
    let complaint = daemon.fails(1, &["outbox", "retry", "ghost"]);
    assert!(complaint.contains("there is no parked mail ghost"), "{complaint}");

    daemon.restart_with(Setup::default()).await;
    assert!(daemon.done(&["outbox", "retry", "--parked"]).starts_with("1 mail queued"));
    assert_eq!(mail_when(&daemon, MailState::Sent).await, id);
    assert!(daemon.mails(1).await[0].contains(&format!("Message-ID: <{id}@")));
}

/// The id of the one mail, once it stands so.
async fn mail_when(daemon: &Daemon, state: MailState) -> String {
    let (store, deadline) = (daemon.store().await, Instant::now() + PATIENCE);
    loop {
        let page = PageQuery { limit: 10, cursor: None };
        let mail = store.mails(None, &page).await.unwrap().rows.remove(0);
        if mail.state == state {
            return mail.id;
        }
        assert!(Instant::now() < deadline, "{mail:?}");
        sleep(std::time::Duration::from_millis(5)).await;
    }
}

async fn verify_names_what_is_wrong(engine: Engine) {
    let mut daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    daemon.buys("ann", "ann", "price_starter").await;
    daemon.chats("ann", 1).await;
    assert_eq!(daemon.done(&["verify"]), "1 workspace verified\n");
    let more = "UPDATE seat SET message_balance_uc = message_balance_uc + 1";
    engine.tamper(daemon.database(), more).await;
    daemon.books_are_spoilt();
    let output = daemon.command(&["verify"]);
    let said = String::from_utf8(output.stdout).unwrap();
    let seat = daemon.seat_of("ann", "ann").await;
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains(&seat) && said.contains("message"), "{said}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("in 1 workspace"));
    let output = daemon.command(&["verify", "--json"]);
    let said = parsed(&String::from_utf8(output.stdout).unwrap());
    assert_eq!((output.status.code(), &said["workspaces"]), (Some(1), &json!(1)));
    assert!(said["faults"][0]["subject"].as_str().unwrap().contains(&seat), "{said}");
}

async fn the_settings_are_checked(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    let said = daemon.done(&["check-config"]);
    assert!(said.ends_with("the settings are right\n"), "{said}");
    assert!(said.contains("starter") && !said.contains(crate::daemon::SECRET), "{said}");
    let said = parsed(&daemon.done(&["check-config", "--json"]));
    assert_eq!(said["times"][0]["next"].as_array().unwrap().len(), 3, "{said}");
    let wrong = daemon.path("wrong.toml");
    std::fs::write(&wrong, "[server]\nlisten = \"here\"\n[credits]\nrebuy = \"never\"\n").unwrap();
    let checked = |words: &[&str], name: &str, value: &str| {
        let mut command = program(wrong.parent().unwrap());
        let output = command.args(words).env(name, value).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let words = ["check-config", "--config", wrong.to_str().unwrap()];
    let (status, said) = checked(&words, "CREDITD__CREDITS__DOWNGRAD", "never");
    assert_eq!(status, Some(78));
    for expected in ["server.listen", "credits.rebuy", "CREDITD__CREDITS__DOWNGRAD"] {
        assert!(said.contains(expected), "{expected} is not in {said}");
    }
    let live = ["check-config", "--config", daemon.path("creditd.toml").to_str().unwrap()]
        .map(str::to_owned);
    let live: Vec<&str> = live.iter().map(String::as_str).collect();
    let (status, said) = checked(&live, "CREDITD__STRIPE__API_KEY", "sk_live_abcdefgh");
    assert_eq!(status, Some(78), "test mode is refused with a live key: {said}");
    assert!(!said.contains("sk_live_abcdefgh"), "{said}");
}

async fn the_settings_are_shown(engine: Engine) {
    let daemon = Daemon::prepare(engine, Setup::default());
    let shown = daemon.done(&["config", "show"]);
    assert!(shown.contains("\nclock.mode = \"test\"\n"), "{shown}");
    let shown = daemon.done(&["config", "show", "--origin"]);
    let file = daemon.path("creditd.toml");
    let line = format!("clock.mode = \"test\"  ({})", file.display());
    assert!(shown.lines().any(|shown| shown == line), "{shown}");
    assert!(shown.contains("writer.batch = 1000  (built in)"), "{shown}");
    let shown = parsed(&daemon.done(&["config", "show", "--json"]));
    let secrets = json!({
        "key": "stripe.webhook_secrets", "value": "(hidden)", "origin": file.display().to_string()
    });
    assert!(shown.as_array().unwrap().contains(&secrets), "{shown}");
}

async fn pages_and_completions_are_printed(engine: Engine) {
    let daemon = Daemon::prepare(engine, Setup::default());
    assert!(daemon.done(&["man"]).contains(".SH SYNOPSIS"));
    let folder = daemon.path("pages");
    std::fs::create_dir(&folder).unwrap();
    daemon.done(&["man", "--into", folder.to_str().unwrap()]);
    assert!(folder.join("creditd-seat-transfer.1").exists());
    for shell in ["bash", "zsh", "fish"] {
        assert!(daemon.done(&["completions", shell]).contains("creditd"), "{shell}");
    }
    daemon.fails(64, &["completions", "tcsh"]);
}

async fn exit_statuses_tell_what_went_wrong(engine: Engine) {
    let daemon = Daemon::prepare(engine, Setup::default());
    daemon.fails(64, &["serve", "--nonsense"]);
    daemon.fails(64, &["grant", "ann", "--kind", "gold", "--amount", "1", "--reason", "x"]);
    daemon.fails(1, &["account", "show", "ghost"]);
    assert!(daemon.done(&["migrate"]).contains("the schema is up to date"));
    daemon.done(&["--help"]);
}

#[tokio::test]
async fn a_second_daemon_on_the_same_file_is_refused() {
    let daemon = Daemon::start(Engine::Sqlite, NOW).await;
    let complaint = daemon.fails(1, &["serve"]);
    assert!(complaint.contains("is in use by another process"), "{complaint}");
}
