//! `creditd backup`, beside a daemon at work.

use super::{NOW, parsed};
use crate::daemon::{Daemon, Setup};
use crate::engine::{Books, Engine};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What `verify` says of a database elsewhere.
fn verified(daemon: &Daemon, file: &Path) -> String {
    let url = format!("sqlite://{}", file.display());
    let output =
        daemon.invocation(&["verify"]).env("CREDITD__DATABASE__URL", url).output().unwrap();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_whole_while_others_write() {
    let mut daemon = Daemon::start(Engine::Sqlite, NOW).await;
    daemon.team("team", &["ann", "bob"]).await;
    daemon.buys("team", "ann", "price_builder").await;
    let copy = daemon.path("copy.db");
    let words = ["backup", copy.to_str().unwrap()];
    let said = daemon.done(&[&words[..], &["--dry-run"]].concat());
    assert!(said.starts_with("dry run: about ") && !copy.exists(), "{said}");

    let command = daemon.invocation(&words).spawn().unwrap();
    let spent = daemon.at_once(200, "/v1/usage", |at| {
        let body = json!({ "action": "chat", "account": if at % 2 == 0 { "ann" } else { "bob" } });
        (format!("busy-{at}"), body)
    });
    let (spent, output) = tokio::join!(spent, async {
        tokio::task::spawn_blocking(|| command.wait_with_output().unwrap()).await.unwrap()
    });
    assert!(output.status.success());
    assert!(spent.iter().any(|answer| answer.status == 200));
    assert_eq!(verified(&daemon, &copy), "1 workspace verified\n");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let left = fs::read_dir(daemon.path("")).unwrap();
    let left: Vec<_> = left.map(|file| file.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with(".creditd")), "{left:?}");

    let complaint = daemon.fails(1, &words);
    assert!(complaint.contains("is there already, and no backup is overwritten"), "{complaint}");

    // The newest copy in the place of the books has all that was acknowledged before it.
    let (balance, ledger) = (daemon.balance("ann").await, daemon.ledger("ann").await);
    let newest = daemon.path("newest.db");
    let said = parsed(&daemon.done(&["backup", newest.to_str().unwrap(), "--json"]));
    assert_eq!((&said["workspaces"], &said["to"]), (&json!(1), &json!(newest)));
    assert_eq!(said["bytes"], fs::metadata(&newest).unwrap().len());
    daemon.stop();
    daemon.rebase(Books::at(format!("sqlite://{}", newest.display())));
    daemon.run().await;
    assert_eq!(daemon.balance("ann").await, balance);
    assert_eq!(daemon.ledger("ann").await, ledger);
}

#[tokio::test]
async fn a_copy_that_cannot_be_proven_is_not_kept() {
    let mut daemon = Daemon::start(Engine::Sqlite, NOW).await;
    daemon.person("ann").await;
    daemon.buys("ann", "ann", "price_starter").await;
    let more = "UPDATE seat SET message_balance_uc = message_balance_uc + 1";
    Engine::Sqlite.tamper(daemon.database(), more).await;
    daemon.books_are_spoilt();
    let copy = daemon.path("copy.db");
    let words = ["backup", copy.to_str().unwrap()];
    let complaint = daemon.fails(1, &words);
    assert!(complaint.contains("the books are wrong, and no copy was kept"), "{complaint}");
    assert!(!copy.exists());
    let said = daemon.done(&[&words[..], &["--no-verify"]].concat());
    assert!(said.ends_with(", not verified\n") && copy.exists(), "{said}");
    let complaint = daemon.fails(1, &["backup", "/nowhere/at/all/copy.db"]);
    assert!(complaint.contains("/nowhere/at/all/copy.db cannot be written"), "{complaint}");
}

#[tokio::test]
async fn postgresql_has_tools_of_its_own() {
    let daemon = Daemon::prepare(Engine::Postgres, Setup::default());
    let complaint = daemon.fails(1, &["backup", "/backup/credits.dump"]);
    assert!(complaint.contains("pg_dump -Fc -d postgres://"), "{complaint}");
    assert!(complaint.contains("-f /backup/credits.dump"), "{complaint}");
}

#[tokio::test]
async fn there_must_be_something_to_copy() {
    let daemon = Daemon::prepare(Engine::Sqlite, Setup::default());
    let (copy, none) = (daemon.path("copy.db"), daemon.path("none.db"));
    let mut command = daemon.invocation(&["backup", copy.to_str().unwrap()]);
    command.env("CREDITD__DATABASE__URL", format!("sqlite://{}", none.display()));
    let output = command.output().unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.contains("there is no database at"), "{complaint}");
    assert!(!copy.exists() && !none.exists());
}
