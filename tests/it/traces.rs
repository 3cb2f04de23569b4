//! Traces, as a collector gets them: read by OpenTelemetry's own types for Python.

mod collector;

use crate::asked::Pair;
use crate::daemon::{Daemon, PATIENCE, Setup};
use crate::engine::{Engine, on_each_engine};
use collector::{Collector, Span};
use fake_stripe::post::Writing;
use hyper::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, sleep};

on_each_engine! {
    on threads:
    one_trace_leads_from_a_webhook_to_the_mail
    a_mail_is_part_of_the_webhooks_trace_or_linked_to_it
    a_debit_is_traced_by_whom_its_caller_names
    a_collector_that_is_down_stops_nobody
}

const NOW: &str = "2026-03-01T10:00:00Z";

/// The trace of a caller, and its step.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const STEP: &str = "b7ad6b7169203331";

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{STEP}-{flags}")
}

/// Settings with which everything is told to a collector.
fn telling(url: &str) -> String {
    format!("[traces]\nendpoint = \"{url}\"\n")
}

/// Every line of the log that names a trace, by what it says.
fn logged(daemon: &Daemon, trace: &str) -> BTreeSet<String> {
    let log = daemon.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let those = lines.filter(|line| line["span"]["trace_id"] == trace);
    those.map(|line| line["message"].as_str().unwrap().to_owned()).collect()
}

/// Spends the last integration credit as part of a caller's trace, so that a mail is promised.
async fn runs_out(daemon: &Daemon, account: &str, quantity: u32, caller: &str) {
    let app = format!("{account}-app");
    let body = json!({ "action": "integration_call", "app": app, "quantity": quantity });
    let headers = [("idempotency-key", &*app), ("traceparent", caller)];
    let answer = daemon.call_with(Method::POST, "/v1/usage", &headers, &body).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.body);
}

/// What the steps of a trace are called, each below its parent's name.
fn tree(spans: &[Span]) -> BTreeSet<String> {
    let name_of = |id: &str| spans.iter().find(|span| span.span == id).map(|span| &*span.name);
    spans
        .iter()
        .map(|span| format!("{} < {}", span.name, name_of(&span.parent).unwrap_or("-")))
        .collect()
}

async fn one_trace_leads_from_a_webhook_to_the_mail(engine: Engine) {
    let collector = Collector::start();
    let mut pair = Pair::start_with(engine, &telling(&collector.url())).await;
    pair.daemon.person("ann").await;
    pair.buys("price_starter", &[("account", "ann")]);
    // A gateway names the trace on the way in, as the host does when the credits are used up.
    pair.deliver_with(Writing::Whole, &[("traceparent", &traceparent("01"))]).await;
    pair.stands("ann", "starter: 0 used, 100 left").await;
    runs_out(&pair.daemon, "ann", 2_000, &traceparent("01")).await;
    pair.daemon.mails(1).await;

    let spans = collector.spans_when(|span| span.name == "send mail").await;
    let ours: Vec<Span> = spans.into_iter().filter(|span| span.trace == TRACE).collect();
    let expected = [
        "POST /webhooks/stripe < -",
        "keep event < POST /webhooks/stripe",
        "apply event < POST /webhooks/stripe",
        "fetch from Stripe < POST /webhooks/stripe",
        "ask Stripe < fetch from Stripe",
        "commit < fetch from Stripe",
        "POST /v1/usage < -",
        "commit < POST /v1/usage",
        "send mail < commit",
    ];
    let tree = tree(&ours);
    for step in expected {
        assert!(tree.contains(step), "{step} is not in {tree:?}");
    }
    for span in &ours {
        assert_eq!((span.unknown, span.flags), (0, 1), "{span:?}");
        assert_eq!((&*span.scope, &span.service["service.name"]), ("creditd", &json!("creditd")));
        assert!(span.failure.is_none() && span.took > 0, "{span:?}");
    }
    let arrived = ours.iter().filter(|span| span.name.starts_with("POST ")).collect::<Vec<_>>();
    assert!(arrived.iter().all(|span| span.parent == STEP && span.kind == "SPAN_KIND_SERVER"));
    let logged = logged(&pair.daemon, TRACE);
    for line in ["webhook kept", "event handled", "fetched", "mail sent"] {
        assert!(logged.contains(line), "{line} is not in {logged:?}");
    }
    for queue in ["inbox", "outbox"] {
        let listed = pair.daemon.done(&[queue, "list", "--json"]);
        let listed: Value = serde_json::from_str(&listed).unwrap();
        assert!(listed.as_array().unwrap().iter().all(|row| row["trace_id"] == TRACE), "{listed}");
        assert!(!listed.as_array().unwrap().is_empty(), "{queue}");
    }
    pair.daemon.stop();
    let batches = collector.spans();
    let batches: Vec<&Span> = batches.iter().filter(|span| span.name == "commit batch").collect();
    assert!(batches.iter().any(|batch| batch.links.contains(&TRACE.to_owned())), "{batches:?}");
    assert!(batches.iter().all(|batch| batch.trace != TRACE), "{batches:?}");
    pair.daemon.run().await;
}

/// A webhook names one trace, the debit another or none: the mail leads back to both.
async fn a_mail_is_part_of_the_webhooks_trace_or_linked_to_it(engine: Engine) {
    let collector = Collector::start();
    let settings = telling(&collector.url()) + "one_in = 1000000\n";
    let mut pair = Pair::start_with(engine, &settings).await;
    for account in ["ann", "bob"] {
        pair.daemon.person(account).await;
        pair.buys("price_starter", &[("account", account)]);
    }
    pair.deliver_with(Writing::Whole, &[("traceparent", &traceparent("01"))]).await;
    let debit = "00-11111111111111111111111111111111-2222222222222222-0";
    for (account, sampled) in [("ann", "1"), ("bob", "0")] {
        pair.stands(account, "starter: 0 used, 100 left").await;
        runs_out(&pair.daemon, account, 2_000, &format!("{debit}{sampled}")).await;
    }
    pair.daemon.mails(2).await;
    pair.daemon.stop();
    let spans = collector.spans();
    let mails: Vec<&Span> = spans.iter().filter(|span| span.name == "send mail").collect();
    let linked = mails.iter().find(|span| span.trace == "1".repeat(32)).unwrap();
    assert!(linked.links.iter().all(|link| link == TRACE) && !linked.links.is_empty());
    let within = mails.iter().find(|span| span.trace == TRACE).unwrap();
    let webhook = spans.iter().find(|span| span.span == within.parent).unwrap();
    assert_eq!((mails.len(), &*webhook.name), (2, "POST /webhooks/stripe"), "{mails:?}");
    pair.daemon.run().await;
}

async fn a_debit_is_traced_by_whom_its_caller_names(engine: Engine) {
    let collector = Collector::start();
    let settings = telling(&collector.url()) + "headers = [\"x-token: s3cret\"]\n";
    let mut daemon = Daemon::with(engine, NOW, Setup { settings, ..Setup::default() }).await;
    daemon.person("ann").await;
    for (key, caller) in [("unsampled", traceparent("00")), ("nonsense", "00-zz".to_owned())] {
        let headers = [("idempotency-key", key), ("traceparent", &caller)];
        let body = json!({ "action": "chat", "account": "ann" });
        daemon.call_with(Method::POST, "/v1/usage", &headers, &body).await;
    }
    daemon.chats("ann", 1).await;
    daemon.cannot_chat("ann", 9).await;
    // A stop sends what is left.
    daemon.stop();
    let spans = collector.spans();
    let debits: Vec<&Span> = spans.iter().filter(|span| span.name == "POST /v1/usage").collect();
    // Nobody's trace is begun anew; one that is not to be recorded is not.
    assert_eq!(debits.len(), 3, "{debits:?}");
    let traces: BTreeSet<&str> = debits.iter().map(|span| &*span.trace).collect();
    assert!(traces.len() == 3 && !traces.contains(TRACE), "{debits:?}");
    assert!(debits.iter().all(|span| span.parent.is_empty()), "{debits:?}");
    let refused = debits.iter().find(|span| span.values["http.response.status_code"] == 402);
    let refused = refused.unwrap();
    assert_eq!(refused.values["error.type"], "message_credits_exhausted");
    assert!(refused.failure.is_none(), "a refusal is an answer and no fault");
    assert!(collector.headers().iter().all(|head| head.contains("x-token: s3cret")));
    assert!(
        !daemon.log().contains("s3cret") && !daemon.done(&["config", "show"]).contains("s3cret")
    );
    daemon.run().await;
}

async fn a_collector_that_is_down_stops_nobody(engine: Engine) {
    let collector = Collector::start();
    let settings = telling(&collector.url());
    let mut daemon = Daemon::with(engine, NOW, Setup { settings, ..Setup::default() }).await;
    collector.answer(503);
    daemon.person("ann").await;
    daemon.chats("ann", 1).await;
    assert!(doctor(&daemon).contains("warn  traces"), "{}", doctor(&daemon));
    let lost = "creditd_spans_total{outcome=\"unreachable\"}";
    until(&daemon, lost).await;
    assert!(daemon.log().contains("the collector does not take spans"));
    collector.answer(400);
    daemon.chats("ann", 1).await;
    until(&daemon, "creditd_spans_total{outcome=\"refused\"}").await;
    collector.answer(200);
    assert!(doctor(&daemon).contains("ok    traces"), "{}", doctor(&daemon));
    daemon.chats("ann", 1).await;
    until(&daemon, "creditd_spans_total{outcome=\"exported\"}").await;
    assert!(daemon.log().contains("the collector takes spans again"));
    // One that never answers does not keep a stop waiting.
    collector.hang();
    daemon.chats("ann", 1).await;
    daemon.stop();
    assert!(daemon.log().contains("the last spans could not be sent in time"));
    daemon.run().await;
}

/// What the doctor says.
fn doctor(daemon: &Daemon) -> String {
    String::from_utf8(daemon.command(&["doctor"]).stdout).unwrap()
}

/// Waits until a metric has moved.
async fn until(daemon: &Daemon, metric: &str) {
    let deadline = Instant::now() + PATIENCE;
    while daemon.metric(metric).await == 0.0 {
        assert!(Instant::now() < deadline, "{metric} stays at zero");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn without_an_endpoint_nothing_is_traced() {
    let daemon = Daemon::start(Engine::Sqlite, NOW).await;
    daemon.person("ann").await;
    let body = json!({ "action": "chat", "account": "ann" });
    let headers = [("idempotency-key", "one"), ("traceparent", &traceparent("01"))];
    let answer = daemon.call_with(Method::POST, "/v1/usage", &headers, &body).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.body);
    assert!(!daemon.log().contains("trace_id"));
    for outcome in ["exported", "dropped", "unreachable", "refused"] {
        let metric = format!("creditd_spans_total{{outcome=\"{outcome}\"}}");
        assert_eq!(daemon.metric(&metric).await, 0.0, "{outcome}");
    }
}

#[tokio::test]
async fn a_trace_that_was_stored_goes_on_after_a_restart() {
    let collector = Collector::start();
    let settings = telling(&collector.url()) + "one_in = 1000000\n";
    // Nobody can be reached by mail before the restart.
    let nobody = Setup {
        settings: settings.clone(),
        mail: String::from("smtp_url = \"smtp://127.0.0.1:1\"\nretry = [\"1ms\"]"),
        ..Setup::default()
    };
    let mut daemon = Daemon::with(Engine::Sqlite, NOW, nobody).await;
    daemon.person("ann").await;
    runs_out(&daemon, "ann", 25, &traceparent("01")).await;
    let parked = |span: &Span| span.failure.as_deref() == Some("parked");
    let failed = collector.spans_when(parked).await;
    let [first, second] = ["not sent, will retry", "parked"].map(|failure| {
        failed.iter().find(|span| span.failure.as_deref() == Some(failure)).unwrap()
    });
    assert_eq!((&first.name, &first.parent), (&second.name, &second.parent));
    daemon.restart_with(Setup { settings, ..Setup::default() }).await;
    daemon.done(&["outbox", "retry", "--parked"]);
    daemon.mails(1).await;
    daemon.stop();
    let spans = collector.spans();
    let sent = spans.iter().filter(|span| span.name == "send mail" && span.failure.is_none());
    let sent: Vec<&Span> = sent.collect();
    assert_eq!(sent.len(), 1, "{spans:?}");
    assert_eq!((&*sent[0].trace, &sent[0].parent), (TRACE, &first.parent));
    assert_eq!(sent[0].values["creditd.mail.tries"], json!(3));
    daemon.run().await;
}

#[test]
fn what_can_be_no_collector_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let complaint = |settings: &str| {
        let file = dir.path().join("creditd.toml");
        std::fs::write(&file, format!("[traces]\n{settings}\n")).unwrap();
        let mut check = crate::daemon::program(dir.path());
        let output = check.args(["check-config", "--config"]).arg(&file).output().unwrap();
        assert_eq!(output.status.code(), Some(78), "{settings}");
        String::from_utf8(output.stderr).unwrap()
    };
    let long = "headers = [\"authorization: Bearer s3cret\"]\nendpoint = \"http://collector:4318\"";
    for (settings, said) in [
        ("endpoint = \"127.0.0.1:4318\"", "traces.endpoint must be a URL such as"),
        ("endpoint = \"grpc://collector\"", "traces.endpoint must begin with https://"),
        ("headers = [\"s3cret\"]", "traces.headers must be a list of headers such as"),
        ("headers = [\"a b: s3cret\"]", "traces.headers must be a list of headers such as"),
        (long, "traces.headers are secrets, so that traces.endpoint must begin with https://"),
        ("one_in = 0", "traces.one_in must be a whole number from 1 to 1000000"),
        ("sample = 1", "traces.sample"),
    ] {
        let complaint = complaint(settings);
        assert!(complaint.contains(said), "{settings}: {complaint}");
        assert!(!complaint.contains("s3cret"), "{complaint}");
    }
}
