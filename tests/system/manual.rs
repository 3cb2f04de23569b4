//! docs/OPERATING.md, RUNBOOKS.md and STRIPE.md, followed by somebody who has only them: their commands
//! are run as they stand there, and their files written as they stand there.

use crate::package::bring;
use crate::system::{API, OPS, System, all, person};
use crate::traffic::spent;
use bytes::Bytes;
use creditd::client::Client;
use creditd::clock;
use creditd::stripe::signature;
use hyper::Method;
use secrecy::SecretString;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tokio::runtime::Runtime;

const MANUAL: &str = include_str!("../../docs/OPERATING.md");

/// What to do at each alert.
const RUNBOOKS: &str = include_str!("../../docs/RUNBOOKS.md");

/// How Stripe is connected.
const STRIPE: &str = include_str!("../../docs/STRIPE.md");

/// The blocks of one kind under a heading, up to the next one: some at least.
fn blocks(heading: &str, kind: &str) -> Vec<&'static str> {
    let blocks = any_blocks(heading, kind);
    assert!(!blocks.is_empty(), "{heading} has no {kind}");
    blocks
}

/// The same, of which there may be none.
fn any_blocks(heading: &str, kind: &str) -> Vec<&'static str> {
    let part = |page: &'static str| page.split_once(&format!("\n{heading}\n"));
    let (_, text) =
        [MANUAL, RUNBOOKS, STRIPE].into_iter().find_map(part).expect("a page has this part");
    let text = text.split("\n## ").next().unwrap().split("\n### ").next().unwrap();
    let fence = format!("```{kind}\n");
    let blocks = text.split(&fence).skip(1);
    blocks.map(|block| block.split("```").next().unwrap()).collect()
}

/// Its commands.
pub(crate) fn commands(heading: &str) -> Vec<&'static str> {
    blocks(heading, "sh").into_iter().flat_map(str::lines).collect()
}

/// Runs a line in root's home, which must succeed; its standard output.
#[track_caller]
pub(crate) fn run(system: &System, line: &str) -> String {
    let mut shell = system.command("bash -c");
    shell.arg(format!("cd /root && {line}")).env("HOME", "/root");
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{line}: {}", all(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// What a person does in an editor that the manual opens.
pub(crate) fn edit(system: &System, line: &str) -> bool {
    match line.split('#').next().unwrap().trim() {
        "editor /etc/creditd/creditd.toml" => {}
        "editor /etc/creditd/stripe_webhook_secrets" => {
            system.write("/etc/creditd/stripe_webhook_secrets", "whsec_of_the_manual\n");
        }
        "systemctl edit creditd.service" => {
            let all = blocks("## Install", "ini").remove(0);
            let there = all.lines().filter(|line| {
                line.split_once(':').is_none_or(|(_, file)| system.path(file).exists())
            });
            system.drop_in(&there.skip(1).collect::<Vec<_>>().join("\n"));
        }
        _ => return false,
    }
    true
}

/// Follows the part that tells of the installation; the key that it ends with.
pub(crate) fn install(system: &System) -> String {
    bring(system, "1.0-1");
    let mut said = String::new();
    for line in commands("## Install") {
        if !edit(system, line) {
            said = run(system, line);
        }
    }
    said.trim().to_owned()
}

fn chat(runtime: &Runtime, key: &str, number: u32) {
    let client = Client::new(API.parse().unwrap(), key);
    let body = json!({ "action": "chat", "account": "ada" });
    let answer = runtime.block_on(client.post("/v1/usage", &format!("k{number}"), &body)).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn used(runtime: &Runtime, key: &str) -> u32 {
    runtime.block_on(spent(&Client::new(API.parse().unwrap(), key), "ada"))
}

#[test]
fn from_an_empty_machine_to_a_running_service_and_on_to_the_next_version() {
    let system = System::bare();
    let key = install(&system);
    let runtime = system.enter();
    let ops = Client::new(OPS.parse().unwrap(), "");
    let ready = runtime.block_on(ops.get("/readyz")).unwrap();
    assert_eq!(ready.status, 200);
    assert!(!ready.body.to_string().contains("webhooks_not_configured"), "{}", ready.body);
    runtime.block_on(person(&Client::new(API.parse().unwrap(), &key), "ada"));
    chat(&runtime, &key, 0);
    for line in commands("## Reload") {
        run(&system, line);
    }

    let running = system.property("MainPID");
    std::fs::remove_file(system.path("/root/creditd_1.0-1.deb")).unwrap();
    bring(&system, "1.1-1");
    for line in commands("## Upgrade") {
        run(&system, line);
    }
    assert_ne!(system.property("MainPID"), running);
    assert_eq!(used(&runtime, &key), 1);
    chat(&runtime, &key, 1);
}

/// Puts Litestream where its own package would.
fn bring_litestream(system: &System) {
    let program =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools/venv/bin/litestream");
    let to = system.path("/usr/bin/litestream");
    std::fs::copy(program, &to).expect("scripts/test-tools was run");
    std::fs::set_permissions(to, PermissionsExt::from_mode(0o755)).unwrap();
    system.write(
        "/etc/systemd/system/litestream.service",
        "[Service]\nExecStart=/usr/bin/litestream replicate\n[Install]\nWantedBy=multi-user.target\n",
    );
    let settings = blocks("### SQLite: all the time, with Litestream", "yaml").remove(0);
    system.write("/etc/litestream.yml", settings);
}

#[test]
fn books_in_a_file_come_back_from_litestream_and_from_one_copy() {
    let system = System::bare();
    let key = install(&system);
    let runtime = system.enter();
    runtime.block_on(person(&Client::new(API.parse().unwrap(), &key), "ada"));
    bring_litestream(&system);
    chat(&runtime, &key, 0);
    for line in commands("### SQLite: one copy") {
        run(&system, line);
    }
    chat(&runtime, &key, 1);
    let ours = blocks("### SQLite: all the time, with Litestream", "toml").remove(0);
    let settings = system.read("/etc/creditd/creditd.toml");
    system.write("/etc/creditd/creditd.toml", &settings.replacen("[database]\n", ours, 1));
    for line in commands("### SQLite: all the time, with Litestream") {
        // Litestream takes a moment until it can be asked.
        crate::system::wait_until(line, || {
            let mut shell = system.command("bash -c");
            shell.arg(line).output().unwrap().status.success()
        });
    }

    let restore = commands("### SQLite: restore");
    let copy = "cp /var/backups/creditd/creditd.db /var/lib/creditd/creditd.db";
    assert!(MANUAL.contains(copy));
    let mut turn = 100;
    // After the copy, Litestream has more than the file, and must begin anew.
    for (from, expected) in [("litestream", 2), ("one copy", 1), ("litestream", 2)] {
        for &line in &restore {
            // There is no Stripe here.
            if line.starts_with("creditd sync") {
                continue;
            }
            let with_copy = from == "one copy" && line.starts_with("litestream restore");
            run(&system, if with_copy { copy } else { line });
        }
        assert_eq!(used(&runtime, &key), expected, "{from}");
        turn += 1;
        chat(&runtime, &key, turn);
        run(&system, "rm -r /root/lost");
    }
}

/// A server of Debian's, with the roles and the database of the manual; everybody's password is the
/// one that stands there.
fn start_postgres(system: &System) {
    system.write("/etc/hosts", "127.0.0.1 localhost db.example.com\n");
    if !system.path("/etc/postgresql/15/main").exists() {
        run(system, "pg_createcluster 15 main");
    }
    run(system, "pg_ctlcluster 15 main start");
    let roles = blocks("## PostgreSQL", "sql").remove(0);
    system.write("/tmp/roles.sql", &format!("{roles}ALTER ROLE postgres PASSWORD '…';\n"));
    run(system, "runuser -u postgres -- psql -q -v ON_ERROR_STOP=1 -f /tmp/roles.sql");
    system.write("/root/.pgpass", "db.example.com:*:*:*:…\n");
    run(system, "chmod 600 /root/.pgpass");
}

/// Lets the installed daemon keep its books there.
fn move_to_postgres(system: &System) -> String {
    let url = "postgres://creditd@db.example.com/credits";
    let owner = "CREDITD__DATABASE__MIGRATION_URL=postgres://creditd_owner@db.example.com/credits";
    run(system, &format!("CREDITD__DATABASE__URL={url} {owner} creditd migrate"));
    for line in commands("## PostgreSQL") {
        run(system, line);
    }
    system.write(
        "/etc/creditd/creditd.toml",
        &format!("[database]\nurl = \"{url}\"\nmigrate = false\n"),
    );
    let secret = url.replace("creditd@", "creditd:%E2%80%A6@");
    system.write("/etc/creditd/database_url", &secret);
    system.drop_in("LoadCredential=database_url:/etc/creditd/database_url");
    run(system, "systemctl start creditd.socket creditd.service");
    let scopes = "--scope usage --scope read --scope manage";
    run(system, &format!("creditd keys create {scopes}")).trim().to_owned()
}

#[test]
fn books_on_a_server_come_back_from_a_dump_and_from_the_archive() {
    let system = System::bare();
    install(&system);
    start_postgres(&system);
    let key = move_to_postgres(&system);
    let runtime = system.enter();
    runtime.block_on(person(&Client::new(API.parse().unwrap(), &key), "ada"));
    chat(&runtime, &key, 0);
    let [who] = commands("## CreditdWriterStuck")[..] else { panic!("who holds the lock") };
    let told = run(&system, who);
    assert!(told.contains("creditd"), "{told}");
    let [dump, archive, restore] = blocks("### PostgreSQL", "sh")[..] else {
        panic!("a dump, an archive, and how to restore from that");
    };
    for line in dump.lines() {
        run(&system, line);
    }
    let settings = blocks("### PostgreSQL", "ini").remove(0);
    let file = "/etc/postgresql/15/main/postgresql.conf";
    system.write(file, &format!("{}\n{settings}", system.read(file)));
    for line in archive.lines() {
        if line.contains("pg_basebackup") {
            run(&system, "pg_ctlcluster 15 main restart");
        }
        run(&system, line);
    }
    crate::system::wait_until("it is well again", || {
        let ops = Client::new(OPS.parse().unwrap(), "");
        runtime.block_on(ops.get("/readyz")).unwrap().status == 200
    });
    chat(&runtime, &key, 1);
    let ask = "runuser -u postgres -- psql -q -At -c";
    let segment = run(&system, &format!("{ask} 'SELECT pg_walfile_name(pg_switch_wal())'"));
    let archived = system.path(&format!("/var/backups/postgresql/wal/{}", segment.trim()));
    crate::system::wait_until("the log is archived", || archived.exists());

    run(&system, "pg_ctlcluster 15 main stop -m immediate");
    let today = run(&system, "date +%F");
    for line in restore.lines() {
        run(&system, &line.replace("2026-03-01", today.trim()));
    }
    crate::system::wait_until("it is well again", || {
        let ops = Client::new(OPS.parse().unwrap(), "");
        runtime.block_on(ops.get("/readyz")).unwrap().status == 200
    });
    assert_eq!(used(&runtime, &key), 2);
    chat(&runtime, &key, 2);
    scale_out(&system);
    assert_eq!(used(&runtime, &key), 3);
    chat(&runtime, &key, 3);
    let take_out = "systemctl disable --now creditd.socket creditd.service";
    assert!(MANUAL.contains(take_out));
    run(&system, take_out);
}

/// Makes this machine another one, which has the first one's files in /etc and nothing else of it, and
/// lets that serve the same books as the manual says.
fn scale_out(system: &System) {
    run(system, "apt-get remove -y creditd");
    run(system, "rm -r /var/lib/creditd /var/lib/private/creditd");
    for line in commands("## Scaling out") {
        run(system, line);
    }
}

/// What takes a server of PostgreSQL, where another test tries it, or a program that not every
/// machine has.
const ELSEWHERE: [&str; 2] = ["runuser -u postgres", "chronyc"];

/// Sends an event of Stripe's, signed with the secret of the manual.
pub(crate) fn event(runtime: &Runtime, id: &str, object: &serde_json::Value) {
    let body = json!({
        "id": id, "object": "event", "type": "customer.subscription.created", "created": 1,
        "livemode": false, "api_version": "2026-09-30.endive", "data": { "object": object },
    })
    .to_string();
    let secret = SecretString::from("whsec_of_the_manual");
    let signed = signature::header(&secret, body.as_bytes(), clock::wall());
    let client = Client::new(API.parse().unwrap(), "");
    let headers = [("stripe-signature", signed.as_str())];
    let sent = client.send(Method::POST, "/webhooks/stripe", &headers, Bytes::from(body));
    assert_eq!(runtime.block_on(sent).unwrap().status, 200);
}

#[test]
fn what_each_alert_says_to_do_can_be_done() {
    let system = System::bare();
    install(&system);
    let runtime = system.enter();
    // An event that nobody can read, and so a reason for most of it.
    event(&runtime, "evt_parked", &json!({ "id": "sub_1", "object": "subscription" }));
    crate::system::wait_until("it is parked", || {
        run(&system, "creditd inbox list --state parked").contains("evt_parked")
    });
    let alerts = RUNBOOKS.lines().filter(|line| line.starts_with("## Creditd"));
    let mut tried = 0;
    for heading in alerts {
        for line in any_blocks(heading, "sh").into_iter().flat_map(str::lines) {
            if ELSEWHERE.iter().any(|program| line.starts_with(program)) {
                continue;
            }
            // Looking for lines that are not there is no failure of the manual.
            let anyway = if line.contains("| grep") { " || true" } else { "" };
            run(&system, &format!("{}{anyway}", line.replace("evt_…", "evt_parked")));
            tried += 1;
        }
    }
    assert!(tried > 12, "{tried}");
}
