//! Claims of the share reward, decided on the command line.

use super::{NOW, parsed};
use crate::daemon::Daemon;
use crate::daemon::calls::word;
use crate::engine::{Engine, on_each_engine};
use serde_json::{Value, json};

on_each_engine! {
    a_claim_is_approved_once
    a_rejected_post_is_free_again
}

async fn claims(daemon: &Daemon, account: &str, post: u32) -> String {
    let post = format!("https://www.linkedin.com/posts/{post}");
    let claim = json!({ "network": "linkedin", "post_url": post, "followers": 500 });
    word(&daemon.post(&format!("/v1/accounts/{account}/rewards"), claim).await["id"])
}

fn listed(daemon: &Daemon, status: &str) -> Value {
    parsed(&daemon.done(&["rewards", "list", "--status", status, "--json"]))
}

async fn a_claim_is_approved_once(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let claim = claims(&daemon, "ann", 1).await;
    let shown = listed(&daemon, "claimed");
    assert_eq!((&shown[0]["id"], &shown[0]["account"]), (&json!(claim), &json!("ann")));
    assert_eq!(parsed(&daemon.done(&["rewards", "list", "--json"])), shown);
    let table = daemon.done(&["rewards", "list"]);
    assert!(table.contains(&claim) && table.contains("/posts/1"), "{table}");

    let approve = ["rewards", "approve", &claim, "--by", "bea", "--idempotency-key", "r-1"];
    let said = daemon.done(&[&approve[..], &["--dry-run"]].concat());
    let first = format!("dry run, nothing is changed: claim {claim} is approved\n");
    assert!(said.starts_with(&first) && said.contains("20"), "{said}");
    let said = parsed(&daemon.done(&[&approve[..], &["--dry-run", "--json"]].concat()));
    assert_eq!(
        (&said["answer"]["status"], &said["entries"][0]["amount"]),
        (&json!("approved"), &json!("20"))
    );
    assert_eq!(listed(&daemon, "claimed"), shown);
    assert_eq!(daemon.spendable("ann").await, "5");

    assert_eq!(daemon.done(&approve), format!("claim {claim} is approved\n"));
    assert!(daemon.done(&approve).contains("(done earlier under this key)"));
    assert_eq!(daemon.spendable("ann").await, "25");
    let last = daemon.ledger("ann").await.pop().unwrap();
    assert_eq!(
        (&last["amount"], &last["cause"]),
        (&json!("20"), &json!("command line: bea, key r-1"))
    );
    let complaint = daemon.fails(1, &["rewards", "approve", &claim]);
    assert!(complaint.contains("(reward_already_decided)"), "{complaint}");
    let complaint = daemon.fails(1, &["rewards", "approve", "ghost"]);
    assert!(complaint.contains("ghost"), "{complaint}");
    assert_eq!(listed(&daemon, "approved")[0]["id"], json!(claim));
}

async fn a_rejected_post_is_free_again(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    daemon.person("bob").await;
    let claim = claims(&daemon, "ann", 1).await;
    let reject = ["rewards", "reject", &claim, "--reason", "not ann's post", "--by", "bea"];
    let said = daemon.done(&[&reject[..], &["--dry-run"]].concat());
    assert!(said.contains("is rejected"), "{said}");
    // Only foreseen, the post is still ann's.
    let path = "/v1/accounts/bob/rewards";
    let post = "https://www.linkedin.com/posts/1";
    let again = json!({ "network": "linkedin", "post_url": post, "followers": 500 });
    daemon.refuses(path, again, 409, "post_already_used").await;
    let rejected = parsed(&daemon.done(&[&reject[..], &["--json"]].concat()));
    assert_eq!(
        (&rejected["status"], &rejected["reason"]),
        (&json!("rejected"), &json!("not ann's post"))
    );
    claims(&daemon, "bob", 1).await;
    assert_eq!(daemon.spendable("ann").await, "5");
}
