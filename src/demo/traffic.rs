//! Traffic that is cut off in its middle, and what is left of it.

use super::daemon::Daemon;
use super::stage::Stage;
use crate::client::Client;
use anyhow::{Context, ensure};
use creditd_rules::Amount;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Debits going on at once.
const AT_ONCE: usize = 48;
/// Debits that must be acknowledged before the daemon is killed.
const ENOUGH: usize = 600;
/// The most debits that one client sends.
const EACH_MAX: usize = 2_000;

/// What the clients know when the daemon is dead.
#[derive(Default)]
struct Known {
    /// The ids of acknowledged debits.
    acknowledged: BTreeSet<String>,
    /// The keys of debits without an answer.
    open: Vec<String>,
}

/// Kills the daemon in the middle of traffic, restarts it, and checks that nothing is lost and
/// nothing is there twice.
pub(super) async fn survives_a_kill(daemon: &mut Daemon, stage: &Stage) -> anyhow::Result<()> {
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for number in 0..AT_ONCE {
        clients.spawn(spend_until_dead(daemon.client(), number, Arc::clone(&acknowledged)));
    }
    let enough = async {
        while acknowledged.load(Ordering::Relaxed) < ENOUGH {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(15), enough).await.context("the traffic did not get going")?;
    daemon.kill().await?;
    let mut known = Known::default();
    while let Some(client) = clients.join_next().await {
        let theirs = client??;
        known.acknowledged.extend(theirs.acknowledged);
        known.open.extend(theirs.open);
    }
    let (done, open) = (known.acknowledged.len(), known.open.len());
    stage.say(&format!("kill -9 after {done} acknowledged debits, {open} still without an answer"));

    let took = daemon.start().await?;
    stage.say(&format!("restarted and ready after {} ms", took.as_millis()));
    let client = daemon.client();
    for key in &known.open {
        let answer = client.post("/v1/usage", key, &debit()).await?;
        ensure!(answer.status.is_success(), "a repeated debit was answered {}", answer.status);
        known.acknowledged.insert(answer.text("/id").to_owned());
    }
    let (ids, spent) = debits_of(&client, "carol").await?;
    let lost = known.acknowledged.difference(&ids).count();
    stage.check(lost == 0, &format!("all {done} acknowledged debits are in the ledger"))?;
    let kept = known.acknowledged.len();
    let once_each = Amount::from_micros(300_000).checked_mul(u32::try_from(kept)?);
    stage.check(
        kept == done + open && ids.len() == kept && Some(spent) == once_each,
        &format!("the {open} open ones, sent again with their keys, are there once: {spent} spent"),
    )
}

/// The cheapest debit there is.
fn debit() -> Value {
    json!({ "action": "discuss", "account": "carol" })
}

async fn spend_until_dead(
    client: Client, number: usize, acknowledged: Arc<AtomicUsize>,
) -> anyhow::Result<Known> {
    let mut known = Known::default();
    for turn in 0..EACH_MAX {
        let key = format!("traffic-{number}-{turn}");
        match client.post("/v1/usage", &key, &debit()).await {
            Ok(answer) if answer.status.is_success() => {
                known.acknowledged.insert(answer.text("/id").to_owned());
                acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer) => anyhow::bail!("a debit was answered {} {}", answer.status, answer.body),
            Err(_) => {
                known.open.push(key);
                break;
            }
        }
    }
    Ok(known)
}

/// The ids of all debits in an account's ledger, and what they took together.
async fn debits_of(client: &Client, account: &str) -> anyhow::Result<(BTreeSet<String>, Amount)> {
    let (mut ids, mut spent) = (BTreeSet::new(), Amount::ZERO);
    let mut cursor = String::new();
    loop {
        let path = format!("/v1/accounts/{account}/ledger?limit=1000{cursor}");
        let page = client.get(&path).await?;
        let rows = page.body["data"].as_array().context("the ledger is not a list")?;
        for row in rows.iter().filter(|row| row["reason"] == "use") {
            ids.insert(row["use"].as_str().unwrap_or_default().to_owned());
            let amount: Amount = row["amount"].as_str().unwrap_or_default().parse()?;
            spent = spent.minus(amount);
        }
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok((ids, spent)),
        }
    }
}
