//! Purchases, failed payments and ends as localstripe tells of them, a stand-in for Stripe that
//! others made. `scripts/test-tools` installs it.

use crate::daemon::{Daemon, SECRET, Setup};
use crate::engine::{Engine, on_each_engine};
use crate::stripe_tools::{sdk_script, tool};
use serde_json::Value;
use tokio::process::Command;

on_each_engine! {
    what_localstripe_sells_ends_and_fails_to_charge_is_followed
}

async fn what_localstripe_sells_ends_and_fails_to_charge_is_followed(engine: Engine) {
    let setup = Setup { system_clock: true, ..Setup::default() };
    let daemon = Daemon::with(engine, "", setup).await;
    let output = Command::new(tool("venv/bin/python"))
        .arg(sdk_script("localstripe.py"))
        .args(["drive", "--daemon", &format!("http://{}", daemon.api())])
        .args(["--key", daemon.key(), "--secret", SECRET])
        .output()
        .await
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{complaints}");
    let expected: Vec<Value> =
        told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(expected.len(), 8, "{told}");
    assert!(expected.iter().all(|step| step["ok"] == true), "{told}");
}
