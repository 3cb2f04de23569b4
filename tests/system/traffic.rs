//! Debits that go on while something is done to the daemon.

use crate::system::{API, System, person, wait_until};
use bytes::Bytes;
use creditd::client::Client;
use futures_util::future::join_all;
use hyper::Method;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{JoinHandle, spawn};

/// Callers at a time.
const CALLERS: u32 = 8;

/// How callers treat their connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connections {
    /// Each call has its own, as from clients that keep none.
    Fresh,
    /// They are kept and used again.
    Kept,
}

/// Debits of one credit each, from an account of their own, until they are told to end.
pub(crate) struct Traffic {
    shared: Arc<Shared>,
    account: &'static str,
    callers: JoinHandle<Vec<String>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    accepted: AtomicU32,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Debits that were acknowledged.
    pub(crate) accepted: u32,
    /// What happened to those that were not.
    pub(crate) failures: Vec<String>,
}

impl Traffic {
    /// Begins, and returns once it flows.
    pub(crate) fn begin(
        system: &Arc<System>, account: &'static str, connections: Connections,
    ) -> Self {
        let shared = Arc::new(Shared::default());
        let key = system.key();
        let (system, theirs) = (Arc::clone(system), Arc::clone(&shared));
        let callers = spawn(move || {
            let client = Client::new(API.parse().unwrap(), &key);
            system.enter().block_on(async {
                person(&client, account).await;
                let callers =
                    (0..CALLERS).map(|number| call(&client, number, account, connections, &theirs));
                join_all(callers).await.concat()
            })
        });
        let traffic = Self { shared, account, callers };
        traffic.goes_on();
        traffic
    }

    /// Waits until as much again is acknowledged as a moment brings.
    #[track_caller]
    pub(crate) fn goes_on(&self) {
        let accepted = || self.shared.accepted.load(Ordering::Relaxed);
        let wanted = accepted() + 10 * CALLERS;
        wait_until("debits go through", || self.callers.is_finished() || accepted() >= wanted);
        assert!(!self.callers.is_finished(), "all callers ended");
    }

    /// Ends it. Whatever was done to the daemon, no acknowledged debit may be lost.
    #[track_caller]
    pub(crate) fn end(self) -> Outcome {
        self.shared.stop.store(true, Ordering::Relaxed);
        let failures = self.callers.join().unwrap();
        Outcome { accepted: self.shared.accepted.load(Ordering::Relaxed), failures }
    }

    /// Ends it where every single debit must have gone through, and be in the books.
    #[track_caller]
    pub(crate) fn end_without_loss(self, client: &Client, runtime: &tokio::runtime::Runtime) {
        let account = self.account;
        let Outcome { accepted, failures } = self.end();
        assert!(failures.is_empty(), "{} of {accepted}: {failures:#?}", failures.len());
        assert_eq!(runtime.block_on(spent(client, account)), accepted);
    }
}

async fn call(
    client: &Client, number: u32, account: &str, connections: Connections, shared: &Shared,
) -> Vec<String> {
    let mut failures = Vec::new();
    let body = json!({ "action": "chat", "account": account }).to_string();
    for turn in 0_u32.. {
        if shared.stop.load(Ordering::Relaxed) {
            break;
        }
        let key = format!("{account}-{number}-{turn}");
        let mut headers = vec![("idempotency-key", key.as_str())];
        if connections == Connections::Fresh {
            headers.push(("connection", "close"));
        }
        let sent = client.send(Method::POST, "/v1/usage", &headers, Bytes::from(body.clone()));
        match sent.await {
            Ok(answer) if answer.status == 200 => {
                shared.accepted.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer) => failures.push(format!("{key}: {} {}", answer.status, answer.body)),
            Err(cause) => failures.push(format!("{key}: {cause}")),
        }
    }
    failures
}

/// Credits that an account of [`person`] has used of its grant and its free plan.
pub(crate) async fn spent(client: &Client, account: &str) -> u32 {
    let path = format!("/v1/accounts/{account}/ledger?kind=message&limit=1000");
    let (mut spent, mut cursor) = (0, String::new());
    loop {
        let page = client.get(&format!("{path}{cursor}")).await.unwrap().body;
        let rows = page["data"].as_array().unwrap();
        let uses = rows.iter().filter(|row| row["reason"] == "use");
        let amounts = uses.map(|row| row["amount"].as_str().unwrap().trim_start_matches('-'));
        spent += amounts.map(|amount| amount.parse::<u32>().unwrap()).sum::<u32>();
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return spent,
        }
    }
}
