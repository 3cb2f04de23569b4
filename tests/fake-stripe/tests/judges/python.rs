//! Stripe's SDK for Python as a client, through lives of subscriptions.

use crate::{root, tool};
use fake_stripe::api::Account;
use fake_stripe::calendar::instant;
use fake_stripe::server::Server;
use fake_stripe::{Settings, Stripe};
use serde_json::Value;
use tokio_util::task::TaskTracker;

#[tokio::test]
async fn the_python_sdk_leads_subscriptions_through_their_lives() {
    let now = instant("2026-01-31T10:20:30Z");
    let stripe = Stripe::new(Settings { now, ..Settings::default() });
    let account = Account::new(stripe, vec!["sk_test_good".to_owned()]);
    let server = Server::start(account, &TaskTracker::new()).await.unwrap();
    let output = tokio::process::Command::new(tool("venv/bin/python"))
        .arg(root().join("tests/sdk/fake_stripe.py"))
        .args([&server.url(), "sk_test_good"])
        .output()
        .await
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    let steps: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(steps.iter().all(|step| step["ok"] == true), "{told}");
    assert_eq!(steps.len(), 14, "{told}");
    server.with(|stripe| assert!(stripe.events().len() > 40));
}
