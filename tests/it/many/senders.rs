//! Many senders at once, who know what was acknowledged.

use super::Crew;
use crate::daemon::Daemon;
use crate::daemon::PATIENCE;
use crate::daemon::calls::accepted;
use creditd::client::Client;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

/// People whose credits are debited.
const PEOPLE: usize = 20;

/// What was asked and what came back.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The ids of debits that were acknowledged.
    pub(super) acknowledged: BTreeSet<String>,
    /// Keys and bodies of those that were not.
    pub(super) open: Vec<(String, Value)>,
}

/// When something is to happen to the senders' world.
#[derive(Default)]
pub(super) struct Enough {
    count: AtomicUsize,
    reached: Notify,
}

impl Enough {
    /// Waits until so many debits were acknowledged.
    pub(super) async fn wait_for(&self, count: usize) {
        while self.count.load(Ordering::Relaxed) < count {
            let more = tokio::time::timeout(PATIENCE, self.reached.notified()).await;
            assert!(more.is_ok(), "only {:?} of {count}", self.count);
        }
    }

    fn one_more(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.reached.notify_one();
    }
}

/// People with enough to spend.
pub(super) async fn rich(daemon: &Daemon) {
    for number in 0..PEOPLE {
        let name = format!("p{number}");
        daemon.person(&name).await;
        daemon.grants(&name, "100000", None).await;
    }
}

fn debit(sender: usize) -> Value {
    json!({ "action": "chat", "account": format!("p{}", sender % PEOPLE) })
}

/// Debits one after the other until one is not acknowledged.
pub(super) async fn until_lost(
    clients: &[Client], senders: usize, name: &str, enough: &Enough,
) -> Known {
    let one = async |sender: usize| {
        let (client, body) = (&clients[sender % clients.len()], debit(sender));
        let mut known = Known::default();
        for turn in 0.. {
            let key = format!("{name}-{sender}-{turn}");
            match client.post("/v1/usage", &key, &body).await {
                Ok(answer) if answer.status.as_u16() == 200 => {
                    known.acknowledged.insert(answer.text("/id").to_owned());
                    enough.one_more();
                }
                Ok(answer) => {
                    assert_eq!(answer.status.as_u16(), 503, "{}", answer.body);
                    known.open.push((key, body));
                    break;
                }
                Err(_) => {
                    known.open.push((key, body));
                    break;
                }
            }
        }
        known
    };
    let mut all = Known::default();
    for known in join_all((0..senders).map(one)).await {
        all.acknowledged.extend(known.acknowledged);
        all.open.extend(known.open);
    }
    all
}

/// Makes so many debits each, and repeats each under its key until it is acknowledged.
pub(super) async fn persistent(
    clients: &[Client], senders: usize, turns: usize, name: &str, enough: &Enough,
) -> Known {
    let one = async |sender: usize| {
        let (mut known, body) = (Known::default(), debit(sender));
        for turn in 0..turns {
            let key = format!("{name}-{sender}-{turn}");
            let deadline = Instant::now() + PATIENCE;
            // Whoever gets no answer tries the next daemon.
            for client in clients.iter().cycle().skip(sender) {
                let answer = client.post("/v1/usage", &key, &body).await.unwrap();
                if answer.status.as_u16() == 200 {
                    assert!(known.acknowledged.insert(answer.text("/id").to_owned()));
                    enough.one_more();
                    break;
                }
                assert_eq!(answer.status.as_u16(), 503, "{}", answer.body);
                let code = answer.text("/code");
                assert!(["database_unavailable", "outcome_unknown"].contains(&code), "{code}");
                assert!(Instant::now() < deadline, "{key}: {}", answer.body);
                sleep(std::time::Duration::from_millis(20)).await;
            }
        }
        known
    };
    let mut all = Known::default();
    for known in join_all((0..senders).map(one)).await {
        all.acknowledged.extend(known.acknowledged);
    }
    all
}

impl Known {
    /// Repeats what is open, which must be acknowledged now; each is another debit.
    pub(super) async fn repeat(&mut self, daemon: &Daemon) {
        for (key, body) in std::mem::take(&mut self.open) {
            let answer = daemon.client().post("/v1/usage", &key, &body).await.unwrap();
            let answer = accepted(&key, answer);
            assert!(self.acknowledged.insert(answer["id"].as_str().unwrap().to_owned()), "{key}");
        }
    }

    /// All that was acknowledged is in the ledger, once, and nothing else.
    pub(super) async fn is_all_there_is(&self, daemon: &Daemon) {
        let (mut ids, mut lines) = (BTreeSet::new(), 0);
        for number in 0..PEOPLE {
            for line in daemon.ledger(&format!("p{number}")).await {
                if line["reason"] == "use" {
                    ids.insert(line["use"].as_str().unwrap().to_owned());
                    lines += 1;
                }
            }
        }
        assert!(self.open.is_empty());
        assert_eq!(ids, self.acknowledged);
        assert_eq!(lines, ids.len(), "each of them once");
    }
}

/// The clients of all daemons.
pub(super) fn clients(crew: &Crew) -> Vec<Client> {
    crew.daemons.iter().map(|daemon| daemon.client().clone()).collect()
}
