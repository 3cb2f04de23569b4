//! The process is killed in the middle of traffic: what was acknowledged is there, and nothing is
//! there twice.

use crate::daemon::Daemon;
use crate::daemon::calls::accepted;
use crate::engine::{Engine, on_each_engine};
use creditd::client::Client;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::task::JoinSet;

on_each_engine! {
    kill_9_under_200_writers_loses_nothing
}

const WRITERS: usize = 200;
const PEOPLE: usize = 20;
/// Debits that must be acknowledged before the kill.
const ENOUGH: usize = 1_000;

/// What one writer knows when the daemon is dead.
#[derive(Default)]
struct Known {
    acknowledged: BTreeSet<String>,
    /// The key of the debit that got no answer, and its body.
    open: Vec<(String, Value)>,
}

async fn kill_9_under_200_writers_loses_nothing(engine: Engine) {
    let mut daemon = Daemon::start(engine, "2026-03-01T10:00:00Z").await;
    for person in 0..PEOPLE {
        let name = format!("p{person}");
        daemon.person(&name).await;
        daemon.grants(&name, "100000", None).await;
    }
    daemon.buys("p0", "p0", "price_starter").await;
    let mut acknowledged = BTreeSet::new();
    for round in 0..2 {
        let known = cut_off(&mut daemon, round).await;
        daemon.run().await;
        let mut again = BTreeSet::new();
        for (key, body) in &known.open {
            let answer = daemon.client().post("/v1/usage", key, body).await.unwrap();
            let answer = accepted(key, answer);
            assert!(again.insert(answer["id"].as_str().unwrap().to_owned()));
        }
        assert!(again.is_disjoint(&known.acknowledged));
        acknowledged.extend(known.acknowledged);
        acknowledged.extend(again);
        let (debits, spent) = kept(&daemon).await;
        assert_eq!(debits, acknowledged, "all that was acknowledged, and nothing else");
        assert_eq!(spent, acknowledged.len(), "each of them once");
        daemon.done(&["verify"]);
    }
}

/// Lets 200 writers debit, and kills the daemon in their midst.
async fn cut_off(daemon: &mut Daemon, round: usize) -> Known {
    let count = Arc::new(AtomicUsize::new(0));
    let enough = Arc::new(tokio::sync::Notify::new());
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (client, count, enough) =
            (daemon.client().clone(), Arc::clone(&count), Arc::clone(&enough));
        writers.spawn(debit_until_dead(
            client,
            format!("{round}-{writer}"),
            writer % PEOPLE,
            count,
            enough,
        ));
    }
    enough.notified().await;
    daemon.kill();
    let mut known = Known::default();
    while let Some(theirs) = writers.join_next().await {
        let theirs = theirs.unwrap();
        known.acknowledged.extend(theirs.acknowledged);
        known.open.extend(theirs.open);
    }
    assert!(known.acknowledged.len() >= ENOUGH);
    assert_eq!(known.open.len(), WRITERS, "each was in the middle of one");
    known
}

async fn debit_until_dead(
    client: Client, name: String, person: usize, count: Arc<AtomicUsize>,
    enough: Arc<tokio::sync::Notify>,
) -> Known {
    let mut known = Known::default();
    let body = json!({ "action": "chat", "account": format!("p{person}") });
    for turn in 0.. {
        let key = format!("{name}-{turn}");
        let Ok(answer) = client.post("/v1/usage", &key, &body).await else {
            known.open.push((key, body));
            break;
        };
        let answer = accepted(&key, answer);
        known.acknowledged.insert(answer["id"].as_str().unwrap().to_owned());
        if count.fetch_add(1, Ordering::Relaxed) == ENOUGH {
            enough.notify_one();
        }
    }
    known
}

/// The ids of all debits in the ledgers, and how many credits they took.
async fn kept(daemon: &Daemon) -> (BTreeSet<String>, usize) {
    let (mut ids, mut micros) = (BTreeSet::new(), 0_i64);
    for person in 0..PEOPLE {
        for line in daemon.ledger(&format!("p{person}")).await {
            if line["reason"] == "use" {
                ids.insert(line["use"].as_str().unwrap().to_owned());
                let amount: creditd_rules::Amount =
                    line["amount"].as_str().unwrap().parse().unwrap();
                micros -= amount.micros();
            }
        }
    }
    assert_eq!(micros % 1_000_000, 0);
    (ids, usize::try_from(micros / 1_000_000).unwrap())
}
