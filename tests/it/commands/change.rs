//! Changes by hand, made and only foreseen.

use super::{NOW, parsed};
use crate::daemon::{Daemon, PATIENCE};
use crate::engine::{Engine, on_each_engine};
use std::time::Duration;
use tokio::time::{Instant, sleep};

on_each_engine! {
    credits_are_corrected
    a_grant_is_taken_back
    a_dry_run_says_what_would_change_and_changes_nothing
    other_commands_rehearse_too
}

async fn credits_are_corrected(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let adjust = |amount: &'static str| {
        ["adjust", "ann", "--kind", "message", "--amount", amount, "--reason", "a slip"]
    };
    let once = [&adjust("-3.5")[..], &["--by", "bea", "--idempotency-key", "t-1"]].concat();
    assert_eq!(daemon.done(&once), "ann has 3.5 fewer message credits\n");
    assert!(daemon.done(&once).contains("(done earlier under this key)"));
    assert_eq!(daemon.spendable("ann").await, "1.5");
    let last = daemon.ledger("ann").await.pop().unwrap();
    assert_eq!((&last["reason"], &last["amount"]), (&"adjust".into(), &"-3.5".into()));
    assert_eq!(last["cause"], "command line: bea, key t-1");
    assert_eq!(daemon.done(&adjust("10")), "ann has 10 more message credits\n");
    assert_eq!(daemon.spendable("ann").await, "11.5");
    let complaint = daemon.fails(1, &adjust("-11.6"));
    assert!(complaint.contains("(below_zero)") && complaint.contains("11.5"), "{complaint}");
    daemon.fails(64, &adjust("0"));
    daemon.fails(64, &adjust("0.0000001"));
    assert_eq!(daemon.spendable("ann").await, "11.5");
}

async fn a_grant_is_taken_back(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let grant = daemon.grants("ann", "7", None).await["id"].as_str().unwrap().to_owned();
    daemon.chats("ann", 6).await;
    let revoke = ["revoke", &grant, "--reason", "a mistake", "--by", "bea"];
    let said = daemon.done(&[&revoke[..], &["--dry-run"]].concat());
    assert!(said.contains("revoke") && said.contains("-6"), "{said}");
    assert_eq!(daemon.spendable("ann").await, "6");
    assert_eq!(daemon.done(&revoke), format!("nothing is left of grant {grant}\n"));
    assert_eq!(daemon.spendable("ann").await, "0");
    let last = daemon.ledger("ann").await.pop().unwrap();
    assert_eq!((&last["reason"], &last["cause"]), (&"revoke".into(), &"command line: bea".into()));
    let complaint = daemon.fails(1, &["revoke", "ghost", "--reason", "x"]);
    assert!(complaint.contains("ghost"), "{complaint}");
}

async fn a_dry_run_says_what_would_change_and_changes_nothing(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.team("team", &["ann", "bob"]).await;
    daemon.buys("team", "ann", "price_starter").await;
    daemon.chats("ann", 30).await;
    let seat = daemon.seat_of("team", "ann").await;
    let (lines, version) =
        (daemon.ledger("ann").await, daemon.balance("ann").await["version"].clone());

    let transfer = ["seat", "transfer", &seat, "--to", "bob", "--dry-run"];
    let said = daemon.done(&transfer);
    let first = format!("dry run, nothing is changed: seat {seat} is held by bob\n");
    assert!(said.starts_with(&first), "{said}");
    assert!(said.contains("seat_out") && said.contains("-70"), "{said}");
    let said = parsed(&daemon.done(&[&transfer[..], &["--json"]].concat()));
    assert_eq!((&said["dry_run"], &said["answer"]["holder"]), (&true.into(), &"bob".into()));
    let reasons: Vec<_> =
        said["entries"].as_array().unwrap().iter().map(|e| &e["reason"]).collect();
    assert!(reasons.contains(&&"seat_out".into()) && reasons.contains(&&"seat_in".into()));

    let release = ["seat", "release", &seat, "--dry-run"];
    assert!(daemon.done(&release).contains("is vacant"));
    let assign = ["seat", "assign", &seat, "--account", "bob", "--dry-run"];
    let complaint = daemon.fails(1, &assign);
    assert!(complaint.contains("(seat_taken)"), "refused as it would be: {complaint}");
    let change = |command: &'static str| {
        [command, "ann", "--kind", "message", "--amount", "5", "--reason", "x", "--dry-run"]
    };
    assert!(daemon.done(&change("grant")).contains("ann has 5 more message credits"));
    assert!(daemon.done(&change("adjust")).contains("adjust"));
    // A key that was only foreseen is still free.
    let keyed = [&change("grant")[..], &["--idempotency-key", "k-1"]].concat();
    assert!(!daemon.done(&keyed).contains("done earlier"));
    assert!(!daemon.done(&keyed).contains("done earlier"));

    assert_eq!(daemon.ledger("ann").await, lines);
    assert_eq!(daemon.balance("ann").await["version"], version);
    assert_eq!(daemon.seat_of("team", "ann").await, seat);
}

async fn other_commands_rehearse_too(engine: Engine) {
    let mut daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let keys = parsed(&daemon.done(&["keys", "list", "--json"]));
    let key = keys[0]["id"].as_str().unwrap();
    let said = daemon.done(&["keys", "create", "--scope", "read", "--dry-run"]);
    assert_eq!(said, "dry run: a key for read would be made\n");
    let said = daemon.done(&["keys", "revoke", key, "--dry-run"]);
    assert_eq!(said, format!("dry run: {key} would be revoked\n"));
    daemon.fails(1, &["keys", "revoke", "ghost", "--dry-run"]);
    assert_eq!(parsed(&daemon.done(&["keys", "list", "--json"])), keys);

    assert_eq!(daemon.webhook("nonsense").await.status, 200);
    let listed = || parsed(&daemon.done(&["inbox", "list", "--json"]));
    let deadline = Instant::now() + PATIENCE;
    while listed()[0]["state"] != "parked" {
        assert!(Instant::now() < deadline, "{}", listed());
        sleep(Duration::from_millis(5)).await;
    }
    let before = listed();
    let id = before[0]["id"].as_str().unwrap();
    for words in
        [&["inbox", "replay", "--parked", "--dry-run"], &["inbox", "replay", id, "--dry-run"]]
    {
        assert_eq!(
            daemon.done(words),
            format!("dry run: 1 event would be applied once more\n{id}\n")
        );
    }
    assert_eq!(listed(), before);
    let said = daemon.done(&["outbox", "retry", "--parked", "--dry-run"]);
    assert_eq!(said, "dry run: 0 mails would be queued\n");
    let complaint = daemon.fails(1, &["outbox", "retry", "ghost", "--dry-run"]);
    assert!(complaint.contains("there is no parked mail ghost"), "{complaint}");

    assert!(daemon.done(&["migrate", "--dry-run"]).contains("nothing would be done"));
    let none = daemon.path("none.db");
    let mut command = daemon.invocation(&["migrate", "--dry-run"]);
    command.env("CREDITD__DATABASE__URL", format!("sqlite://{}", none.display()));
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("it would be made") && !none.exists(), "{said}");
    daemon.stop();
}
