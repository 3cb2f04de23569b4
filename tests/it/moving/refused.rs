//! Moves that are refused: each says why, and changes neither side.

use super::{NOW, empty};
use crate::daemon::{Daemon, Setup};
use crate::engine::{Books, Engine, cluster};
use sqlx::{Connection, Executor, SqliteConnection};

/// A stopped daemon on SQLite with a person in its books.
async fn stopped() -> Daemon {
    let mut daemon = Daemon::start(Engine::Sqlite, NOW).await;
    daemon.person("ann").await;
    daemon.chats("ann", 2).await;
    daemon.stop();
    daemon
}

#[track_caller]
fn refused(daemon: &Daemon, to: &str, reason: &str) {
    for words in [&["move", "--to", to][..], &["move", "--to", to, "--dry-run"]] {
        let said = daemon.fails(1, words);
        assert!(said.contains(reason), "{reason} is not in {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[tokio::test]
async fn a_source_that_is_served_is_not_moved() {
    let mut daemon = Daemon::start(Engine::Sqlite, NOW).await;
    let database = empty();
    refused(&daemon, &database.url, "creditd.db is in use by another process: stop creditd first");
    daemon.stop();
    daemon.done(&["move", "--to", &database.url]);
}

#[tokio::test]
async fn a_source_that_cannot_be_moved_is_named() {
    let database = empty();
    let daemon = Daemon::prepare(Engine::Sqlite, Setup::default());
    let file = daemon.path("creditd.db");
    let mut db = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    db.execute("PRAGMA user_version = 99").await.unwrap();
    refused(&daemon, &database.url, "the source: the database has schema 99");
    db.execute("PRAGMA user_version = 1; PRAGMA application_id = 7").await.unwrap();
    refused(&daemon, &database.url, "the source: ");
    db.execute("PRAGMA application_id = 0x63726564").await.unwrap();
    db.close().await.unwrap();
    std::fs::rename(&file, daemon.path("elsewhere")).unwrap();
    refused(&daemon, &database.url, "there is no database at ");
    assert!(!file.exists());
    std::fs::rename(daemon.path("elsewhere"), &file).unwrap();
    assert_eq!(database.sql("SELECT count(*) FROM moved"), "0\n");
}

#[tokio::test]
async fn a_source_whose_books_are_wrong_is_not_moved() {
    let mut daemon = stopped().await;
    let database = empty();
    let more = "UPDATE account SET message_balance_uc = message_balance_uc + 1";
    Engine::Sqlite.tamper(daemon.database(), more).await;
    daemon.books_are_spoilt();
    let output = daemon.command(&["move", "--to", &database.url]);
    let said = String::from_utf8(output.stdout).unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint.contains("nothing was moved"), "{complaint}");
    assert!(said.contains("free/ann"), "each fault is named: {said}");
    assert_eq!(database.sql("SELECT count(*) FROM moved"), "0\n");
}

#[tokio::test]
async fn a_target_that_is_somebody_elses_is_left_alone() {
    let daemon = stopped().await;
    let foreign = cluster().database();
    foreign.sql("CREATE TABLE notes AS SELECT 'buy milk' AS note");
    refused(&daemon, &foreign.url, "the target: the database belongs to something else");
    let mut other = Daemon::start(Engine::Postgres, NOW).await;
    other.person("bob").await;
    refused(&daemon, other.database(), "the target has workspaces already");
    other.stop();
    other.run().await;
    assert_eq!(other.standing("bob").await, "free: 0 used, 5 left");

    let database = empty();
    daemon.done(&["move", "--to", &database.url]);
    refused(&daemon, &database.url, "was moved to the target on 20");
}

#[tokio::test]
async fn a_target_that_is_served_is_refused() {
    let daemon = stopped().await;
    let mut other = Daemon::prepare_on(Books::on(cluster().database(), ""), Setup::default());
    other.run().await;
    cluster().sql(&name_of(other.database()), "DELETE FROM api_key");
    refused(&daemon, other.database(), "another creditd uses the target: stop it first");
    other.stop();
    daemon.done(&["move", "--to", other.database()]);
}

/// The database in a URL.
fn name_of(url: &str) -> String {
    url.rsplit('/').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_target_that_cannot_be_reached_or_is_none_is_told() {
    let daemon = stopped().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("postgres://owner:hunter2@{free}/books");
    refused(&daemon, &nobody, "the target: the database does not answer");
    let locked = cluster().database();
    refused(&daemon, &locked.url_for("locked:hunter2"), "password");
    refused(&daemon, &cluster().url("owner", "no_such_books"), "no_such_books");
    refused(&daemon, "mysql://root:hunter2@host/books", "--to must begin with");
    refused(&daemon, "sqlite:///tmp/hunter2.db", "--to must begin with postgres://");
    let said = daemon.fails(1, &["move"]);
    assert!(said.contains("--to postgres://") && said.contains("database_move_to"), "{said}");
    let on_postgres = Daemon::prepare(Engine::Postgres, Setup::default());
    refused(&on_postgres, &locked.url, "database.url names PostgreSQL");
}
