//! Servers and poolers in front of them as operators run them.

use crate::daemon::{Daemon, PATIENCE, Setup};
use crate::engine::{Books, cluster, migrated, pooler};
use crate::faults::start::unprepared;
use creditd_test_cluster::{Cluster, Durability, Version};
use std::time::Instant;

const NOW: &str = "2026-03-01T10:00:00Z";

#[tokio::test]
async fn defaults_of_the_database_that_would_change_what_we_see_do_no_harm() {
    let database = cluster().copy(migrated());
    for default in [
        "default_transaction_isolation = 'serializable'",
        "timezone = 'Asia/Kathmandu'",
        "datestyle = 'SQL, DMY'",
        "intervalstyle = 'postgres_verbose'",
        "bytea_output = 'escape'",
        "standard_conforming_strings = off",
        "synchronous_commit = off",
    ] {
        let name = &database.name;
        cluster().sql("postgres", &format!("ALTER DATABASE {name} SET {default}"));
    }
    let mut daemon = Daemon::prepare_on(Books::on(database, ""), Setup::default());
    daemon.run().await;
    daemon.clock(NOW).await;
    daemon.person("ann").await;
    daemon.buys("ann", "ann", "price_starter").await;
    let answers = daemon
        .at_once(60, "/v1/usage", |number| {
            let chat = serde_json::json!({ "action": "chat", "account": "ann" });
            (format!("k{number}"), chat)
        })
        .await;
    assert!(answers.iter().all(|answer| answer.status.as_u16() == 200));
    assert_eq!(daemon.standing("ann").await, "starter: 60 used, 40 left");
}

#[test]
fn a_standby_is_refused_until_it_is_promoted() {
    let primary = Cluster::start(Version::V15, Durability::Fast);
    let books = primary.database();
    unprepared(&books.url).done("migrate");
    let standby = primary.standby();
    let url = standby.url("owner", &books.name);
    for word in ["serve", "migrate"] {
        let said = unprepared(&url).fails(1, word);
        assert!(said.contains("standby"), "{word}: {said}");
    }
    primary.stop();
    standby.promote();
    unprepared(&url).done("migrate");
    primary.run();
}

#[test]
fn a_pooler_that_nobody_mentioned_is_named() {
    let database = cluster().copy(migrated());
    let url = pooler().url("owner", &database.name);
    let said = unprepared(&url).fails(1, "serve");
    assert!(said.contains("set database.pooler = \"transaction\""), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_daemons_that_start_at_once_on_an_empty_database_both_come_up() {
    let database = cluster().database();
    let url = database.url.clone();
    let kept = Books::on(database, "");
    let one = |url: String| {
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let mut daemon = Daemon::prepare_on(Books::at(url), Setup::default());
                daemon.run().await;
            });
        })
    };
    let both = [one(url.clone()), one(url)];
    tokio::task::block_in_place(|| {
        for one in both {
            one.join().unwrap();
        }
    });
    drop(kept);
}

#[tokio::test]
async fn a_daemon_goes_on_when_its_server_crashed_and_came_back() {
    let server = Cluster::start(Version::V18, Durability::Full);
    let database = server.database();
    let mut daemon = Daemon::prepare_on(Books::at(database.url.clone()), Setup::default());
    daemon.run().await;
    daemon.clock(NOW).await;
    daemon.person("ann").await;
    daemon.chats("ann", 1).await;
    server.crash();
    let chat = serde_json::json!({ "action": "chat", "account": "ann" });
    // The first is sent to be written at once, on what the daemon knows of the account.
    for code in ["outcome_unknown", "database_unavailable"] {
        daemon.refuses("/v1/usage", chat.clone(), 503, code).await;
    }
    server.run();
    // Connections that died with it may be found dead first.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = daemon.client().post("/v1/usage", "k", &chat).await.unwrap();
        if answer.status.as_u16() == 200 {
            break;
        }
        assert_eq!(answer.status.as_u16(), 503, "{}", answer.body);
        assert!(Instant::now() < deadline, "{}", answer.body);
    }
    assert_eq!(daemon.spendable("ann").await, "3");
}
