//! People who debit without a pause, each of whom knows what was acknowledged.

use crate::daemon::calls::accepted;
use crate::daemon::{Daemon, PATIENCE};
use creditd::client::Client;
use creditd_rules::Amount;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Those who are paid for, `p0` and on.
pub(crate) const PEOPLE: usize = 20;

/// Writers at work.
pub(crate) struct Writers {
    tasks: JoinSet<Option<Open>>,
    acknowledged: Arc<Mutex<BTreeSet<String>>>,
    count: watch::Sender<usize>,
    stop: watch::Sender<bool>,
}

/// A debit that got no answer: its key and its body.
pub(crate) type Open = (String, Value);

/// What they know when the daemon is gone, or they were asked to stop.
pub(crate) struct Known {
    /// The ids of the debits that were acknowledged.
    pub(crate) acknowledged: BTreeSet<String>,
    /// What each was in the middle of.
    pub(crate) open: Vec<Open>,
}

/// Makes [`PEOPLE`] who can pay.
pub(crate) async fn people(daemon: &Daemon) {
    for person in 0..PEOPLE {
        let name = format!("p{person}");
        daemon.person(&name).await;
        daemon.grants(&name, "100000", None).await;
    }
}

/// The ids of all debits in the ledgers, and how many credits they took.
pub(crate) async fn kept(daemon: &Daemon) -> (BTreeSet<String>, usize) {
    let (mut ids, mut micros) = (BTreeSet::new(), 0_i64);
    for person in 0..PEOPLE {
        for line in daemon.ledger(&format!("p{person}")).await {
            if line["reason"] == "use" {
                ids.insert(line["use"].as_str().unwrap().to_owned());
                let amount: Amount = line["amount"].as_str().unwrap().parse().unwrap();
                micros -= amount.micros();
            }
        }
    }
    assert_eq!(micros % 1_000_000, 0);
    (ids, usize::try_from(micros / 1_000_000).unwrap())
}

impl Writers {
    /// Lets so many debit at once. No other writers of this daemon have the same `name`.
    pub(crate) fn start(daemon: &Daemon, name: &str, writers: usize) -> Self {
        let (count, stop) = (watch::Sender::new(0), watch::Sender::new(false));
        let acknowledged = Arc::default();
        let mut tasks = JoinSet::new();
        for writer in 0..writers {
            let body = json!({ "action": "chat", "account": format!("p{}", writer % PEOPLE) });
            let writer = Writer {
                client: daemon.client().clone(),
                name: format!("{name}-{writer}"),
                body,
                acknowledged: Arc::clone(&acknowledged),
                count: count.clone(),
                stop: stop.subscribe(),
            };
            tasks.spawn(writer.debit());
        }
        Self { tasks, acknowledged, count, stop }
    }

    /// Waits until so many debits were acknowledged.
    pub(crate) async fn until(&self, acknowledged: usize) {
        let mut count = self.count.subscribe();
        while *count.borrow_and_update() < acknowledged {
            timeout(PATIENCE, count.changed()).await.expect("somebody debits").unwrap();
        }
    }

    /// What is acknowledged by now.
    pub(crate) fn acknowledged(&self) -> BTreeSet<String> {
        self.acknowledged.lock().unwrap().clone()
    }

    /// Waits until each has met the daemon's end.
    pub(crate) async fn meet_the_end(self) -> Known {
        let open = self.tasks.join_all().await.into_iter().flatten().collect();
        let acknowledged = std::mem::take(&mut *self.acknowledged.lock().unwrap());
        Known { acknowledged, open }
    }

    /// Lets each finish what it is in the middle of.
    pub(crate) async fn stop(self) -> BTreeSet<String> {
        self.stop.send_replace(true);
        let known = self.meet_the_end().await;
        assert!(known.open.is_empty(), "the daemon went away");
        known.acknowledged
    }
}

struct Writer {
    client: Client,
    name: String,
    body: Value,
    acknowledged: Arc<Mutex<BTreeSet<String>>>,
    count: watch::Sender<usize>,
    stop: watch::Receiver<bool>,
}

impl Writer {
    async fn debit(self) -> Option<Open> {
        for turn in 0.. {
            if *self.stop.borrow() {
                break;
            }
            let key = format!("{}-{turn}", self.name);
            let Ok(answer) = self.client.post("/v1/usage", &key, &self.body).await else {
                return Some((key, self.body));
            };
            let answer = accepted(&key, answer);
            let id = answer["id"].as_str().unwrap().to_owned();
            self.acknowledged.lock().unwrap().insert(id);
            self.count.send_modify(|count| *count += 1);
        }
        None
    }
}
