//! A database that takes nothing: refusals that say so, and recovery without a restart.

use crate::daemon::Daemon;
use crate::daemon::calls::{accepted, refused};
use crate::daemon::stripe::event;
use crate::engine::{Engine, on_each_engine};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::json;

on_each_engine! {
    while_the_books_cannot_be_written_nothing_is_allowed_and_then_all_goes_on
    more_requests_than_it_takes_are_refused_early
}

const NOW: &str = "2026-03-01T10:00:00Z";

async fn while_the_books_cannot_be_written_nothing_is_allowed_and_then_all_goes_on(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let chat = json!({ "action": "chat", "account": "ann" });
    let told = event("evt_1", "invoice.paid", &json!({ "id": "in_1" }), daemon.now).to_string();
    let held = engine.hold(daemon.database()).await;
    let client = daemon.client();
    let (debit, webhook, read) = tokio::join!(
        client.post("/v1/usage", "k", &chat),
        daemon.webhook(&told),
        client.get("/v1/accounts/ann/balance"),
    );
    refused("debit", debit.unwrap(), 503, "database_unavailable");
    refused("webhook", webhook, 503, "database_unavailable");
    assert_eq!(read.unwrap().text("/message/spendable"), "5", "reading goes on");
    held.let_go().await;
    let debit = accepted("debit", client.post("/v1/usage", "k", &chat).await.unwrap());
    assert_eq!((&debit["replayed"], &debit["remaining"]), (&json!(false), &json!("4")));
    accepted("webhook", daemon.webhook(&told).await);
}

async fn more_requests_than_it_takes_are_refused_early(engine: Engine) {
    let mut daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let chat = json!({ "action": "chat", "account": "ann" });
    daemon.stop();
    let file = daemon.path("creditd.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    let few = settings.replace("[server]\n", "[server]\nmax_requests = 1\n");
    std::fs::write(file, few).unwrap();
    daemon.run().await;
    let held = engine.hold(daemon.database()).await;
    let one = |number: u32| {
        let (client, chat) = (daemon.client().clone(), &chat);
        async move { client.post("/v1/usage", &format!("k{number}"), chat).await.unwrap() }
    };
    // One of them waits for the books as long as they are held; no other gets in.
    let mut answers: FuturesUnordered<_> = (0..20).map(one).collect();
    for _ in 1..20 {
        refused("another", answers.next().await.unwrap(), 503, "overloaded");
    }
    held.let_go().await;
    accepted("the one", answers.next().await.unwrap());
}
