//! Reloads under systemd: taken whole or refused whole, and nobody notices.

use crate::system::{SETTINGS, System, person, wait_until};
use crate::traffic::{Connections, Traffic};
use creditd::client::Client;
use serde_json::{Value, json};
use std::fs;
use std::sync::Arc;
use tokio::runtime::Runtime;

const TEMPLATES: &str = "[mail]\ntemplates_dir = \"/etc/creditd/templates\"\n";

/// Uses up a person's integration credits of the day, and returns the mail that tells of it.
fn mail_of(system: &System, client: &Client, runtime: &Runtime, id: &str) -> String {
    runtime.block_on(async {
        person(client, id).await;
        let body =
            json!({ "action": "integration_call", "app": format!("{id}-app"), "quantity": 25 });
        let answer = client.post("/v1/usage", &format!("{id}-runs-out"), &body).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    });
    let address = format!("{id}@creditd.test");
    let mut found = None;
    wait_until("the mail is written", || {
        let Ok(files) = fs::read_dir(system.path("/var/lib/private/creditd/mail")) else {
            return false;
        };
        let paths = files.map(|file| file.unwrap().path());
        let mails = paths.filter(|path| path.extension().is_some_and(|end| end == "eml"));
        found = mails
            .map(|path| fs::read_to_string(path).unwrap())
            .find(|mail| mail.contains(&address));
        found.is_some()
    });
    found.unwrap()
}

/// Writes the settings anew, with these besides.
fn rewrite(system: &System, more: &str) {
    system.write("/etc/creditd/creditd.toml", &format!("{SETTINGS}\n{TEMPLATES}{more}"));
}

fn action(client: &Client, runtime: &Runtime, name: &str) -> Option<Value> {
    let listed = runtime.block_on(client.get("/v1/actions")).unwrap().body;
    listed["data"].as_array().unwrap().iter().find(|action| action["id"] == name).cloned()
}

#[test]
fn a_reload_under_load_brings_plans_templates_and_level_and_drops_no_call() {
    let system = Arc::new(System::with_creditd(TEMPLATES));
    fs::create_dir(system.path("/etc/creditd/templates")).unwrap();
    system.done("systemctl start creditd.service");
    let runtime = system.enter();
    let client = system.client();
    assert!(!mail_of(&system, &client, &runtime, "ben").contains("Subject: Nothing is left"));
    let traffic = Traffic::begin(&system, "ada", Connections::Kept);

    system.write("/etc/creditd/templates/run_out.subject.txt", "Nothing is left");
    let more = "[actions.draw]\nkind = \"message\"\ncost = \"2.5\"\n[logs]\nlevel = \"debug\"\n\
                [server]\nmax_requests = 77\n";
    rewrite(&system, more);
    system.done("systemctl reload creditd.service");
    traffic.goes_on();

    assert_eq!(action(&client, &runtime, "draw").unwrap()["cost"], "2.5");
    assert!(mail_of(&system, &client, &runtime, "eve").contains("Subject: Nothing is left"));
    wait_until("it logs finely", || {
        system.entries().iter().any(|entry| entry["PRIORITY"] == "6" && entry["_COMM"] == "creditd")
    });
    let journal = system.journal();
    assert!(journal.contains("changed settings that need a restart"), "{journal}");
    let entries = system.entries();
    let named = entries.iter().find(|entry| !entry["F_KEYS"].is_null()).unwrap();
    assert_eq!(named["F_KEYS"], "server.max_requests");
    for _ in 0..20 {
        system.done("systemctl reload creditd.service");
    }
    traffic.end_without_loss(&client, &runtime);
    assert_eq!(system.property("NRestarts"), "0");
}

#[test]
fn a_bad_reload_fails_says_all_that_is_wrong_and_changes_nothing() {
    let system = Arc::new(System::with_creditd(TEMPLATES));
    fs::create_dir(system.path("/etc/creditd/templates")).unwrap();
    system.done("systemctl start creditd.service");
    let runtime = system.enter();
    let client = system.client();
    let traffic = Traffic::begin(&system, "ada", Connections::Kept);

    system.write("/etc/creditd/templates/run_out.subject.txt", "{{ nonsense }}");
    rewrite(&system, "[actions.draw]\nkind = \"gold\"\ncost = \"2.5\"\n[logs]\nlevel = \"\"\n");
    let said = system.fails("systemctl reload creditd.service");
    assert!(said.contains("Job for creditd.service failed"), "{said}");
    let wrong = ["actions.draw.kind must be", "run_out.subject.txt", "logs.level"];
    let told = system.fails("creditd reload");
    let journal = system.journal();
    for wrong in wrong {
        assert!(told.contains(wrong), "{wrong} in {told}");
        let key = wrong.split(' ').next().unwrap();
        assert!(journal.contains(key), "{key} in {journal}");
    }
    assert!(journal.contains("the reload was refused; the old settings stay"), "{journal}");
    assert!(action(&client, &runtime, "draw").is_none());
    assert_eq!(system.property("ActiveState"), "active");
    assert!(system.property("StatusText").contains("the last reload was refused"));

    fs::remove_file(system.path("/etc/creditd/creditd.toml")).unwrap();
    assert!(system.fails("creditd reload").contains("cannot be read"));
    rewrite(&system, "");
    system.write("/etc/creditd/templates/run_out.subject.txt", "Nothing is left");
    system.done("systemctl reload creditd.service");
    assert_eq!(system.property("StatusText"), "serving");
    traffic.end_without_loss(&client, &runtime);
}
