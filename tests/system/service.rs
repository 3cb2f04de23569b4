//! The service under systemd: start, watchdog, stop, secrets, journal, memory.

use crate::system::{API, OPS, System, person, wait_until};
use crate::traffic::{Connections, Outcome, Traffic, spent};
use bytes::Bytes;
use creditd::client::Client;
use creditd::clock;
use creditd::stripe::signature;
use hyper::Method;
use secrecy::SecretString;
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::Arc;

#[test]
fn it_is_ready_only_when_it_serves_and_writes() {
    let system = System::with_creditd("");
    system.done("systemctl start creditd.service");
    let runtime = system.enter();
    let ready = runtime.block_on(Client::new(OPS.parse().unwrap(), "").get("/readyz")).unwrap();
    assert_eq!((ready.status.as_u16(), &ready.body["ready"]), (200, &json!(true)));
    let client = system.client();
    runtime.block_on(person(&client, "ada"));
    system.done("systemctl stop creditd.service");

    // A start that waits for the database is no start yet.
    let hold = "import sqlite3, sys\n\
                db = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
                db.execute('BEGIN IMMEDIATE')\nprint('held', flush=True)\nsys.stdin.read()\n";
    system.write("/root/hold.py", hold);
    let mut holder = system.command("python3 /root/hold.py /var/lib/creditd/creditd.db");
    let mut holder = holder.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut held = [0; 4];
    holder.stdout.as_mut().unwrap().read_exact(&mut held).unwrap();
    system.done("systemctl start --no-block creditd.service");
    wait_until("it starts", || system.property("MainPID") != "0");
    assert_eq!(system.property("ActiveState"), "activating");
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
    system.wait_for("ActiveState", "active");
    let client = system.client();
    assert_eq!(runtime.block_on(client.get("/v1/accounts/ada")).unwrap().status, 200);
}

#[test]
fn the_watchdog_ends_a_hung_process_and_a_new_one_goes_on() {
    let system = Arc::new(System::with_creditd(""));
    system.drop_in("WatchdogSec=3s");
    system.done("systemctl start creditd.service");
    let runtime = system.enter();
    let client = system.client();
    let traffic = Traffic::begin(&system, "ada", Connections::Fresh);
    let hung: i32 = system.property("MainPID").parse().unwrap();
    system.done(&format!("kill -STOP {hung}"));
    system.wait_for("NRestarts", "1");
    system.wait_for("ActiveState", "active");
    assert_ne!(system.property("MainPID"), hung.to_string());
    traffic.goes_on();
    let Outcome { accepted, failures } = traffic.end();
    assert!(!failures.is_empty(), "calls to a killed process fail");
    let journal = system.journal();
    assert!(journal.contains("Watchdog timeout"), "{journal}");
    // What was under way when it was killed may be in the books too; nothing acknowledged is missing.
    assert!(runtime.block_on(spent(&client, "ada")) >= accepted);
    system.done("creditd verify");
}

#[test]
fn it_stops_within_twenty_seconds_under_load_and_acknowledges_nothing_that_is_lost() {
    let system = Arc::new(System::with_creditd(""));
    // systemd kills what takes longer, and the unit has then failed.
    system.drop_in("TimeoutStopSec=20s");
    system.done("systemctl start creditd.service");
    let runtime = system.enter();
    let client = system.client();
    let traffic = Traffic::begin(&system, "ada", Connections::Kept);
    // Somebody who never finishes what they say.
    let mut half = TcpStream::connect(API).unwrap();
    half.write_all(b"POST /v1/usage HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{").unwrap();
    system.done("systemctl stop creditd.service");
    assert_eq!(system.property("ActiveState"), "inactive");
    assert_eq!(system.property("Result"), "success");
    let Outcome { accepted, .. } = traffic.end();
    system.done("systemctl start creditd.service");
    assert_eq!(runtime.block_on(spent(&client, "ada")), accepted);
}

#[test]
fn secrets_reach_the_daemon_and_nobody_else_and_events_stand_in_the_journal_with_their_fields() {
    const SECRET: &str = "whsec_only_for_the_daemon";
    let system = System::with_creditd("");
    system.write("/etc/creditd/stripe_webhook_secrets", SECRET);
    system.done("chmod 0600 /etc/creditd/stripe_webhook_secrets");
    system.drop_in("LoadCredential=stripe_webhook_secrets:/etc/creditd/stripe_webhook_secrets");
    system.done("systemctl start creditd.service");
    let runtime = system.enter();

    let event = json!({
        "id": "evt_journal", "object": "event", "type": "customer.created", "created": 1,
        "livemode": false, "api_version": "2026-09-30.endive",
        "data": { "object": { "id": "cus_1", "object": "customer" } },
    })
    .to_string();
    let signed = signature::header(&SecretString::from(SECRET), event.as_bytes(), clock::wall());
    let client = Client::new(API.parse().unwrap(), "");
    let headers = [("stripe-signature", signed.as_str())];
    let sent = client.send(Method::POST, "/webhooks/stripe", &headers, Bytes::from(event));
    assert_eq!(runtime.block_on(sent).unwrap().status, 200);

    let pid = system.property("MainPID");
    let credential = "/run/credentials/creditd.service/stripe_webhook_secrets";
    assert_eq!(system.done(&format!("cat {credential}")), SECRET);
    for file in [
        credential,
        "/etc/creditd/stripe_webhook_secrets",
        "/var/lib/creditd/creditd.db",
        "/run/creditd/control",
    ] {
        let said =
            system.fails(&format!("setpriv --reuid=65534 --regid=65534 --clear-groups cat {file}"));
        assert!(said.contains("Permission denied"), "{said}");
    }
    assert!(!system.read(&format!("/proc/{pid}/environ")).contains(SECRET));
    assert!(!system.read(&format!("/proc/{pid}/cmdline")).contains(SECRET));

    let entries = system.entries();
    let kept = entries.iter().find(|entry| entry["MESSAGE"] == "webhook kept").unwrap();
    for (field, value) in [
        ("F_EVENT", "evt_journal"),
        ("F_KIND", "customer.created"),
        ("SYSLOG_IDENTIFIER", "creditd"),
        ("PRIORITY", "5"),
        ("_SYSTEMD_UNIT", "creditd.service"),
    ] {
        assert_eq!(kept[field], value, "{field} of {kept}");
    }
    assert!(entries.iter().all(|entry| !entry.to_string().contains(SECRET)));
}

#[test]
fn what_takes_too_much_memory_is_ended_and_begins_anew() {
    let system = Arc::new(System::with_creditd(""));
    assert_eq!(system.property("MemoryMax"), (1_u64 << 30).to_string());
    system.drop_in("MemoryMax=96M\nMemorySwapMax=0");
    system.done("systemctl start creditd.service");
    let runtime = system.enter();
    let key = system.key();
    let client = Client::new(API.parse().unwrap(), &key);
    runtime.block_on(person(&client, "ada"));
    // Bodies of two megabytes that do not end.
    let head = format!(
        "POST /v1/usage/batch HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\nidempotency-key: x\r\ncontent-length: 2000000\r\n\r\n"
    );
    let half = vec![b' '; 1_900_000];
    let held: Vec<TcpStream> = (0..100)
        .map_while(|_| {
            let mut caller = TcpStream::connect(API).ok()?;
            caller.write_all(head.as_bytes()).ok()?;
            caller.write_all(&half).ok()?;
            Some(caller)
        })
        .collect();
    wait_until("it was ended", || system.property("NRestarts") == "1");
    drop(held);
    system.wait_for("ActiveState", "active");
    // Nobody else sends this signal; the old control groups do not tell systemd more.
    let journal = system.journal();
    assert!(journal.contains("code=killed, status=9/KILL"), "{journal}");
    let client = Client::new(API.parse().unwrap(), &key);
    assert_eq!(runtime.block_on(client.get("/v1/accounts/ada")).unwrap().status, 200);
}

#[test]
fn a_signal_reloads_too_and_the_shell_can_ask() {
    let system = System::with_creditd("");
    system.done("systemctl start creditd.service");
    system.done("systemctl kill --signal=HUP --kill-whom=main creditd.service");
    wait_until("it reloads", || system.journal().contains("the settings were reloaded"));
    assert!(system.done("creditd reload").contains("templates were read again"));
    system.done("systemctl stop creditd.service");
    let said = system.fails("creditd reload");
    assert!(
        said.contains("no daemon of this machine can be asked at /run/creditd/control"),
        "{said}"
    );
}

#[test]
fn what_is_traced_is_found_in_the_journal_by_its_trace() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    // Nobody listens there, which hinders nobody.
    let system = System::with_creditd("[traces]\nendpoint = \"http://127.0.0.1:4318\"\n");
    system.done("systemctl start creditd.service");
    let runtime = system.enter();
    let client = system.client();
    runtime.block_on(person(&client, "ada"));
    let body = json!({ "action": "integration_call", "app": "ada-app", "quantity": 25 });
    let traceparent = format!("00-{TRACE}-b7ad6b7169203331-01");
    let headers = [("idempotency-key", "last"), ("traceparent", &traceparent)];
    let sent = client.send(Method::POST, "/v1/usage", &headers, Bytes::from(body.to_string()));
    assert_eq!(runtime.block_on(sent).unwrap().status, 200);
    let found = format!("journalctl -u creditd F_TRACE_ID={TRACE} --output=cat --no-pager");
    wait_until("the mail's line names the trace", || {
        system.done("journalctl --sync");
        system.done(&found).contains("mail sent")
    });
    system.done("systemctl stop creditd.service");
    assert_eq!(system.property("Result"), "success");
}
