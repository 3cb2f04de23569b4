//! A server that is restarted, crashes, fails over or takes no more connections: 503 with the right
//! code at most, and daemons that go on by themselves.

use super::Crew;
use super::senders::{Enough, clients, persistent, rich};
use super::wire::Wire;
use crate::daemon::calls::accepted;
use crate::daemon::stripe::event;
use crate::daemon::{Daemon, PATIENCE, Setup};
use crate::engine::cluster;
use creditd_test_cluster::{Cluster, Durability, Version};
use serde_json::json;
use std::sync::Arc;
use tokio::join;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

/// Cuts off whoever is connected to a database but us.
const CUT_OFF: &str = "
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

/// Does something with a server, while the test's own tasks go on.
async fn does(server: &Arc<Cluster>, what: impl FnOnce(&Cluster) + Send + 'static) {
    let server = Arc::clone(server);
    spawn_blocking(move || what(&server)).await.unwrap();
}

#[tokio::test]
async fn debits_survive_restarts_crashes_and_sessions_that_are_ended() {
    let server = Arc::new(Cluster::start(Version::V15, Durability::Full));
    let database = server.database();
    let crew = Crew::on(&database.url, &vec![Setup::default(); 2]).await;
    rich(crew.any()).await;
    let (clients, enough, name) = (clients(&crew), Enough::default(), database.name.clone());
    let (known, ()) = join!(persistent(&clients, 50, 80, "k", &enough), async {
        enough.wait_for(500).await;
        does(&server, |server| server.stop()).await;
        does(&server, |server| server.run()).await;
        enough.wait_for(1_500).await;
        does(&server, |server| server.crash()).await;
        does(&server, |server| server.run()).await;
        for round in 1..6 {
            enough.wait_for(1_500 + round * 300).await;
            let name = name.clone();
            does(&server, move |server| drop(server.sql(&name, CUT_OFF))).await;
        }
    });
    assert_eq!(known.acknowledged.len(), 50 * 80);
    known.is_all_there_is(crew.any()).await;
}

#[tokio::test]
async fn debits_survive_a_failover_to_a_standby_behind_an_address_that_moves() {
    let primary = Arc::new(Cluster::start(Version::V15, Durability::Full));
    let wire = Wire::to(&primary);
    let database = primary.database();
    let standby = Arc::new(primary.standby());
    // What the standby does not have is not acknowledged.
    primary.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
    primary.sql("postgres", "SELECT pg_reload_conf()");
    let crew = Crew::on(&wire.url(&database), &vec![Setup::default(); 2]).await;
    rich(crew.any()).await;
    let (clients, enough) = (clients(&crew), Enough::default());
    let (known, ()) = join!(persistent(&clients, 50, 40, "k", &enough), async {
        enough.wait_for(500).await;
        does(&primary, |primary| primary.crash()).await;
        // The address moves before the standby is a primary.
        wire.lead_to(&standby);
        wire.cut_all();
        let chat = json!({ "action": "chat", "account": "p0" });
        crew.any().refuses("/v1/usage", chat, 503, "database_unavailable").await;
        does(&standby, |standby| standby.promote()).await;
    });
    assert_eq!(known.acknowledged.len(), 50 * 40);
    known.is_all_there_is(crew.any()).await;
    drop(crew);
    drop(wire);
    does(&primary, |primary| primary.run()).await;
    primary.sql("postgres", "ALTER SYSTEM RESET synchronous_standby_names");
    primary.sql("postgres", "SELECT pg_reload_conf()");
}

#[tokio::test]
async fn a_server_without_a_free_connection_is_told_and_the_daemons_go_on_when_there_is_one() {
    let crew = Crew::of(2).await;
    let database = crew.database.as_ref().unwrap();
    crew.any().person("ann").await;
    crew.any().chats("ann", 1).await;
    let limit = |limit: i32| {
        cluster()
            .sql("postgres", &format!("ALTER DATABASE {} CONNECTION LIMIT {limit}", database.name));
    };
    limit(0);
    database.sql(CUT_OFF);
    let chat = json!({ "action": "chat", "account": "ann" });
    let told = event("evt_1", "invoice.paid", &json!({ "id": "in_1" }), crew.any().now).to_string();
    // Sent to be written at once, on what the daemon knows of the account.
    crew.any().refuses("/v1/usage", chat.clone(), 503, "outcome_unknown").await;
    for daemon in &crew.daemons {
        daemon.refuses("/v1/usage", chat.clone(), 503, "database_unavailable").await;
        let read = daemon.client().get("/v1/accounts/ann/balance").await.unwrap();
        assert_eq!((read.status.as_u16(), read.text("/code")), (503, "database_unavailable"));
        assert_eq!(daemon.webhook(&told).await.status.as_u16(), 503);
        assert_eq!(daemon.ops().get("/readyz").await.unwrap().status.as_u16(), 503);
    }
    limit(-1);
    for daemon in &crew.daemons {
        daemon.chats("ann", 1).await;
        accepted("webhook", daemon.webhook(&told).await);
        assert_eq!(daemon.ops().get("/readyz").await.unwrap().status.as_u16(), 200);
    }
    assert_eq!(crew.any().spendable("ann").await, "2");
}

/// As many requests at once as there are connections, so that all of them are in the pool.
async fn warm(daemon: &Daemon) {
    let balances = (0..24).map(|_| daemon.balance("ann"));
    futures_util::future::join_all(balances).await;
}

#[tokio::test]
async fn sessions_that_were_ended_in_the_pool_are_noticed_by_nobody() {
    let crew = Crew::of(1).await;
    let (daemon, database) = (crew.any(), crew.database.as_ref().unwrap());
    daemon.person("ann").await;
    daemon.grants("ann", "100", None).await;
    let promo = json!({ "code": "P", "kind": "message", "amount": "1", "limit": 9,
        "ends_at": "2100-01-01T00:00:00Z" });
    daemon.post("/v1/promo-codes", promo).await;
    let mut round = 0;
    let mut ended = async || {
        warm(daemon).await;
        round += 1;
        database.sql(CUT_OFF);
    };
    for _ in 0..10 {
        ended().await;
        daemon.chats("ann", 1).await;
    }
    ended().await;
    daemon.balance("ann").await;
    ended().await;
    daemon.ledger("ann").await;
    ended().await;
    daemon.post("/v1/accounts/ann/redeem", json!({ "code": "P" })).await;
    ended().await;
    let told = event("evt_1", "invoice.paid", &json!({ "id": "in_1" }), daemon.now).to_string();
    accepted("webhook", daemon.webhook(&told).await);
    ended().await;
    daemon.person("bob").await;
    assert_eq!(daemon.spendable("ann").await, "96");
}

#[tokio::test]
async fn workers_go_on_when_the_server_is_back() {
    let server = Arc::new(Cluster::start(Version::V15, Durability::Full));
    let database = server.database();
    let mut crew = Crew::on(&database.url, &vec![Setup::default(); 2]).await;
    crew.any().person("ann").await;
    crew.any().buys("ann", "ann", "price_starter").await;
    does(&server, |server| server.crash()).await;
    does(&server, |server| server.run()).await;
    // The schedule posts, the inbox applies, the outbox sends.
    crew.daemons[1].clock("2026-04-01T10:00:00Z").await;
    let deadline = Instant::now() + PATIENCE;
    while crew.any().ledger("ann").await.iter().any(|line| line["posted_at"].is_null()) {
        assert!(Instant::now() < deadline, "{:?}", crew.any().ledger("ann").await);
        sleep(std::time::Duration::from_millis(10)).await;
    }
    crew.any().person("bob").await;
    crew.any().buys("bob", "bob", "price_tiny").await;
    assert_eq!(crew.any().app_calls("bob", 5).await.status.as_u16(), 200);
    crew.any().mails(1).await;
}
