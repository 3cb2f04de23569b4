//! Our signatures against those of Stripe's own SDKs, and our reading of webhooks against those of
//! localstripe, a stand-in for Stripe. `scripts/test-tools` installs them.

use chrono::{DateTime, Utc};
use creditd::store::EventState;
use creditd::stripe::envelope::{Content, Envelope, receive};
use creditd::stripe::signature::{self, SignatureError, TOLERANCE, Verifier};
use creditd::stripe::snapshot::{PriceRef, Subscription};
use creditd_rules::command::{ItemPlan, Source};
use creditd_rules::id::PlanId;
use creditd_rules::state::Status;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const TIME: i64 = 1_790_000_000;

/// Bodies as Stripe sends them and as it might, all of them text.
const BODIES: [&str; 5] = [
    r#"{"id":"evt_1","object":"event"}"#,
    "{\n  \"id\": \"evt_1\",\n  \"name\": \"Zoë\u{a0}—“€” 🦀\"\n}\n",
    r#"{"odd":"\u0000\ud83d"}"#,
    "not json, with a dot. and, a comma=",
    "",
];

const SECRETS: [&str; 3] = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "no prefix", "whsec_ünïcode"];

/// A tool under target/test-tools.
#[track_caller]
pub(crate) fn tool(path: &str) -> PathBuf {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools").join(path);
    assert!(tool.exists(), "{} is missing: run scripts/test-tools", tool.display());
    tool
}

pub(crate) fn sdk_script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk").join(name)
}

fn python() -> Command {
    let mut command = Command::new(tool("venv/bin/python"));
    command.arg(sdk_script("sign.py"));
    command
}

fn node() -> Command {
    let mut command = Command::new(tool("venv/bin/node"));
    command.arg(sdk_script("sign.mjs")).arg(tool("node"));
    command
}

/// The answers of one run of an SDK's script, one for each request.
#[track_caller]
fn ask(mut sdk: Command, requests: &[Value]) -> Vec<Value> {
    let mut child = sdk.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for request in requests {
        writeln!(stdin, "{request}").unwrap();
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{sdk:?} ended with {}", output.status);
    let answers = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<_> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), requests.len());
    answers
}

fn at(time: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(time, 0).unwrap()
}

fn all_cases() -> Vec<(&'static str, &'static str)> {
    BODIES.iter().flat_map(|body| SECRETS.iter().map(move |secret| (*body, *secret))).collect()
}

/// Our verifier takes what the SDK signed, and only with that body and secret.
#[track_caller]
fn check_sdk_signs(sdk: Command) {
    let cases = all_cases();
    let requests: Vec<_> = cases
        .iter()
        .map(|(body, secret)| json!({ "body": body, "secret": secret, "time": TIME }))
        .collect();
    for ((body, secret), answer) in cases.iter().zip(ask(sdk, &requests)) {
        let header = answer["header"].as_str().unwrap();
        let verify = |secret: &str, body: &[u8]| {
            let secrets = vec![SecretString::from(secret)];
            let verifier = Verifier::try_new(secrets, TOLERANCE).unwrap();
            verifier.verify(Some(header), body, at(TIME)).map(|verified| verified.skew)
        };
        assert_eq!(verify(secret, body.as_bytes()), Ok(chrono::TimeDelta::zero()), "{body:?}");
        let changed = [body.as_bytes(), b" "].concat();
        assert_eq!(verify(secret, &changed), Err(SignatureError::NoMatch));
        assert_eq!(verify("whsec_another", body.as_bytes()), Err(SignatureError::NoMatch));
    }
}

/// The SDK takes what we signed.
#[track_caller]
fn check_sdk_verifies(sdk: Command) {
    // The SDKs refuse an empty body before they look at its signature.
    let cases: Vec<_> = all_cases().into_iter().filter(|(body, _)| !body.is_empty()).collect();
    let now = creditd::clock::wall();
    let requests: Vec<_> = cases
        .iter()
        .map(|(body, secret)| {
            let header = signature::header(&SecretString::from(*secret), body.as_bytes(), now);
            json!({ "body": body, "secret": secret, "header": header })
        })
        .collect();
    for (case, answer) in cases.iter().zip(ask(sdk, &requests)) {
        assert_eq!(answer, json!({ "accepted": true }), "{case:?}");
    }
}

#[test]
fn headers_of_the_python_sdk_are_verified() {
    check_sdk_signs(python());
}

#[test]
fn headers_of_the_node_sdk_are_verified() {
    check_sdk_signs(node());
}

#[test]
fn the_python_sdk_verifies_our_headers() {
    check_sdk_verifies(python());
}

#[test]
fn the_node_sdk_verifies_our_headers() {
    check_sdk_verifies(node());
}

/// The webhooks that localstripe sends for a purchase, one that cannot be paid, and their ends.
fn localstripe_webhooks() -> Vec<(String, String)> {
    let mut drive = Command::new(tool("venv/bin/python"));
    let output = drive.arg(sdk_script("localstripe.py")).arg("record").output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "localstripe.py ended with {}: {complaints}", output.status);
    let sent = String::from_utf8(output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let lines = sent.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| (text(&line["header"]), text(&line["body"]))).collect()
}

#[test]
fn webhooks_of_localstripe_are_verified_and_read() {
    let secrets = vec![SecretString::from("whsec_localstripe")];
    let verifier = Verifier::try_new(secrets, TOLERANCE).unwrap();
    let prices =
        |price: &PriceRef<'_>| (price.id == "price_builder").then(|| PlanId::from("builder"));
    let mut told = Vec::new();
    for (header, body) in localstripe_webhooks() {
        let now = creditd::clock::wall();
        let verified = verifier.verify(Some(&header), body.as_bytes(), now);
        assert!(verified.is_ok(), "{header}: {verified:?}");
        let event = receive(body.as_bytes(), now, false);
        assert_ne!(event.state, EventState::Parked, "{:?}", event.note);
        if !event.kind.starts_with("customer.subscription.") {
            continue;
        }
        let Content::Snapshot(object) = Envelope::read(body.as_bytes()).unwrap().content else {
            panic!("{} brings no object", event.kind)
        };
        let subscription = Subscription::read(object.get()).unwrap();
        let account = subscription.metadata("account").map(String::from);
        let source = Source::Event { rank: 1 };
        let created = event.created.unwrap();
        let snapshot = subscription.snapshot(&prices, None, created, source).unwrap();
        assert_eq!(snapshot.timeline.anchor, snapshot.timeline.start);
        let [item] = &snapshot.items[..] else { panic!("{:?}", snapshot.items) };
        assert_eq!(item.plan, ItemPlan::Plan(PlanId::from("builder")));
        told.push((account.unwrap(), snapshot.status));
    }
    let word = |account: &str, status| (account.to_owned(), Some(status));
    told.sort_by_key(|(account, status)| format!("{account} {status:?}"));
    let [bought, ended, unpaid] = &told[..] else { panic!("{told:?}") };
    assert_eq!(*bought, word("ann", Status::Active));
    assert_eq!(*ended, word("ann", Status::Canceled));
    assert_eq!(*unpaid, word("bob", Status::Incomplete));
}
