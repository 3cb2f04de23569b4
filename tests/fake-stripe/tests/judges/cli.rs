//! Stripe's command line, whose `trigger` plays scripts of requests until an event comes of them.

use crate::tool;
use fake_stripe::api::Account;
use fake_stripe::server::Server;
use fake_stripe::{Settings, Stripe};
use std::path::PathBuf;
use tokio::process::Command;
use tokio_util::task::TaskTracker;

/// The triggers that are about subscriptions, and those for the objects around them. The event that
/// each is named after must come, but for those whose scripts are named after another.
const TRIGGERS: [(&str, &str); 36] = [
    ("customer.subscription.created", ""),
    ("customer.subscription.updated", ""),
    ("customer.subscription.deleted", ""),
    ("customer.subscription.paused", ""),
    ("customer.subscription.trial_will_end", ""),
    ("subscription.payment_succeeded", "invoice.payment_succeeded"),
    ("subscription.payment_failed", "invoice.payment_failed"),
    ("subscription_schedule.created", ""),
    ("subscription_schedule.updated", ""),
    ("subscription_schedule.canceled", ""),
    ("subscription_schedule.released", ""),
    ("subscription_schedule.aborted", "subscription_schedule.canceled"),
    ("subscription_schedule.completed", ""),
    ("subscription_schedule.expiring", "subscription_schedule.created"),
    ("invoice.created", ""),
    ("invoice.deleted", ""),
    ("invoice.finalized", ""),
    ("invoice.marked_uncollectible", ""),
    ("invoice.paid", ""),
    ("invoice.payment_action_required", ""),
    ("invoice.payment_failed", ""),
    ("invoice.payment_succeeded", ""),
    ("invoice.sent", ""),
    ("invoice.updated", ""),
    ("invoice.voided", ""),
    ("invoiceitem.created", ""),
    ("checkout.session.completed", ""),
    ("checkout.session.expired", ""),
    ("customer.created", ""),
    ("customer.updated", ""),
    ("customer.deleted", ""),
    ("product.updated", ""),
    ("price.created", ""),
    ("price.updated", ""),
    ("test_helpers.test_clock.advancing", ""),
    ("test_helpers.test_clock.ready", ""),
];

fn program() -> PathBuf {
    let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    tool(&format!("node/node_modules/@stripe/cli-linux-{machine}/bin/stripe"))
}

#[tokio::test]
async fn the_command_line_triggers_every_event_of_subscriptions() {
    const KEY: &str = "sk_test_000000000000000000000000";
    let account = Account::new(Stripe::new(Settings::default()), vec![KEY.to_owned()]);
    let server = Server::start(account, &TaskTracker::new()).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    for (trigger, told) in TRIGGERS {
        let expected = if told.is_empty() { trigger } else { told };
        let seen = server.with(|stripe| stripe.events().len());
        // It asks for its newest version at each start; a proxy that is not there keeps it here.
        let output = Command::new(program())
            .args(["trigger", trigger, "--api-key", KEY, "--api-base", &server.url()])
            .env("HTTPS_PROXY", "http://127.0.0.1:9")
            .env("STRIPE_CLI_TELEMETRY_OPTOUT", "1")
            .env("XDG_CONFIG_HOME", home.path())
            .env("HOME", home.path())
            .output()
            .await
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{trigger}: {told}\n{complaints}");
        let kinds: Vec<_> = server
            .with(|stripe| stripe.events_since(seen).map(|event| event.kind.clone()).collect());
        assert!(kinds.iter().any(|kind| kind == expected), "{trigger}: {kinds:?}\n{told}");
    }
}
