//! What an operator can get wrong: each has its clear message, and loses nothing.

use crate::system::{API, OPS, SETTINGS, System, person, wait_until};
use crate::traffic::spent;
use creditd::client::{Client, Response};
use serde_json::json;
use std::fs;
use std::net::TcpListener;
use tokio::runtime::Runtime;

/// A debit of one credit.
fn chat(runtime: &Runtime, client: &Client, key: &str) -> Response {
    let body = json!({ "action": "chat", "account": "ada" });
    runtime.block_on(client.post("/v1/usage", key, &body)).unwrap()
}

#[test]
fn settings_that_are_gone_stop_a_start_and_lose_nothing() {
    let system = System::with_creditd("");
    system.done("systemctl start creditd.service");
    let runtime = system.enter();
    let key = system.key();
    let client = Client::new(API.parse().unwrap(), &key);
    runtime.block_on(person(&client, "ada"));
    assert_eq!(chat(&runtime, &client, "one").status, 200);

    fs::remove_file(system.path("/etc/creditd/creditd.toml")).unwrap();
    system.fails("systemctl restart creditd.service");
    system.wait_for("ActiveState", "failed");
    // Wrong settings: it is not tried again and again.
    assert_eq!(system.property("ExecMainStatus"), "78");
    assert_eq!(system.property("NRestarts"), "0");
    let journal = system.journal();
    assert!(
        journal.contains("/etc/creditd/creditd.toml: cannot be read: No such file"),
        "{journal}"
    );

    system.write("/etc/creditd/creditd.toml", SETTINGS);
    system.done("systemctl start creditd.service");
    let client = Client::new(API.parse().unwrap(), &key);
    assert_eq!(runtime.block_on(spent(&client, "ada")), 1);
}

#[test]
fn a_credential_that_is_missing_is_told_and_waited_for() {
    let system = System::with_creditd("");
    system.drop_in("LoadCredential=stripe_api_key:/etc/creditd/stripe_api_key");
    system.fails("systemctl start creditd.service");
    let journal = system.journal();
    assert!(journal.contains("status=243/CREDENTIALS"), "{journal}");
    system.write("/etc/creditd/stripe_api_key", "sk_test_made_up");
    system.wait_for("ActiveState", "active");
}

#[test]
fn a_port_that_is_taken_is_named_and_waited_for() {
    let system = System::with_creditd("");
    system.enter();
    for (address, key) in [(API, "server.listen"), (OPS, "server.ops_listen")] {
        let taken = TcpListener::bind(address).unwrap();
        system.fails("systemctl start creditd.service");
        let journal = system.journal();
        let said = format!("{key}: {address} cannot be listened on: Address already in use");
        assert!(journal.contains(&said), "{said} in {journal}");
        drop(taken);
        system.wait_for("ActiveState", "active");
        system.done("systemctl stop creditd.service");
    }
}

#[test]
fn a_second_daemon_on_the_same_file_is_refused() {
    let system = System::with_creditd("");
    system.done("systemctl start creditd.service");
    let said = system.fails("creditd serve --config /etc/creditd/creditd.toml");
    assert!(said.contains("creditd.db is in use by another process"), "{said}");
    assert_eq!(system.property("ActiveState"), "active");
}

#[test]
fn a_full_disk_refuses_debits_keeps_what_was_acknowledged_and_needs_no_restart() {
    let system = System::with_creditd("");
    system.done("mkdir -p -m 700 /var/lib/private/creditd");
    system.done("mount -t tmpfs -o size=4m,mode=700 small /var/lib/private/creditd");
    system.drop_in("WatchdogSec=3s");
    system.done("systemctl start creditd.service");
    let runtime = system.enter();
    let client = system.client();
    runtime.block_on(person(&client, "ada"));
    assert_eq!(chat(&runtime, &client, "before").status, 200);

    let full = system.run("dd if=/dev/zero of=/var/lib/private/creditd/filler bs=4k");
    assert!(!full.status.success(), "{full:?}");
    let mut acknowledged = 1;
    let refused =
        (0..5_000).map(|turn| chat(&runtime, &client, &format!("full-{turn}"))).find(|answer| {
            acknowledged += u32::from(answer.status == 200);
            answer.status != 200
        });
    let refused = refused.unwrap();
    assert_eq!(refused.status, 503, "{refused:?}");
    let ops = Client::new(OPS.parse().unwrap(), "");
    assert_eq!(runtime.block_on(ops.get("/readyz")).unwrap().status, 503);
    assert_eq!(runtime.block_on(spent(&client, "ada")), acknowledged);
    // A database that fails does not stop the reports to the watchdog.
    for _ in 0..2 {
        let reported = system.property("WatchdogTimestampMonotonic");
        wait_until("it reports", || system.property("WatchdogTimestampMonotonic") != reported);
    }
    assert_eq!(runtime.block_on(ops.get("/readyz")).unwrap().status, 503);
    let journal = system.journal();
    assert!(journal.contains("a batch was not committed"), "{journal}");
    let why =
        system.entries().into_iter().find(|entry| entry["MESSAGE"] == "a batch was not committed");
    assert!(why.unwrap()["F_CAUSE"].as_str().unwrap().contains("full"));

    fs::remove_file(system.path("/var/lib/private/creditd/filler")).unwrap();
    wait_until("it is ready", || runtime.block_on(ops.get("/readyz")).unwrap().status == 200);
    assert_eq!(chat(&runtime, &client, "after").status, 200);
    assert_eq!(runtime.block_on(spent(&client, "ada")), acknowledged + 1);
    assert_eq!(system.property("NRestarts"), "0");
    system.done("creditd verify");
}

#[test]
fn a_disk_that_is_full_at_the_start_is_told_and_waited_for() {
    let system = System::with_creditd("");
    system.done("mkdir -p -m 700 /var/lib/private/creditd");
    system.done("mount -t tmpfs -o size=1m,mode=700 small /var/lib/private/creditd");
    system.run("dd if=/dev/zero of=/var/lib/private/creditd/filler bs=4k");
    system.fails("systemctl start creditd.service");
    let journal = system.journal();
    assert!(journal.contains("full") || journal.contains("No space left"), "{journal}");
    system.done("mount -o remount,size=8m /var/lib/private/creditd");
    system.wait_for("ActiveState", "active");
}
