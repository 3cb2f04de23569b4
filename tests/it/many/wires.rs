//! A connection that is lost while a command is on its way to be committed.

use super::wire::{Cut, Wire};
use super::{Crew, NOW};
use crate::daemon::calls::{accepted, refused};
use crate::daemon::stripe::event;
use crate::daemon::{Daemon, PATIENCE, Setup};
use crate::engine::{cluster, migrated};
use creditd::client::Response;
use creditd::store::PageQuery;
use creditd_test_cluster::Database;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::join;
use tokio::time::{Instant, sleep};

/// What ends a transaction, and not the level of isolation that begins one.
const COMMIT: &str = "COMMIT\0";

/// A daemon on a wire, and another one that needs none.
struct Wired {
    crew: Crew,
    wire: Wire,
    database: Database<'static>,
}

impl Wired {
    async fn new() -> Self {
        let database = cluster().copy(migrated());
        let wire = Wire::to(cluster());
        let mut crew = Crew::on(&wire.url(&database), &[Setup::default()]).await;
        crew.joins(&database.url, Setup::default()).await;
        crew.any().person("ann").await;
        Self { crew, wire, database }
    }

    fn wired(&self) -> &Daemon {
        &self.crew.daemons[0]
    }

    fn other(&self) -> &Daemon {
        &self.crew.daemons[1]
    }

    /// Sends a request through the wire, which is cut at a message that holds `text`.
    async fn cut(&self, cut: Cut, text: &str, spare: usize, request: &Request) -> Response {
        self.wire.cut_at(cut, text, spare);
        let answer = request.send(self.wired()).await;
        assert!(self.wire.is_cut(), "it is cut: {}", answer.body);
        answer
    }
}

/// A request under its key.
struct Request {
    path: &'static str,
    key: &'static str,
    body: Value,
}

impl Request {
    async fn send(&self, daemon: &Daemon) -> Response {
        daemon.client().post(self.path, self.key, &self.body).await.unwrap()
    }
}

fn chat(key: &'static str) -> Request {
    chat_of("ann", key)
}

fn chat_of(account: &str, key: &'static str) -> Request {
    Request { path: "/v1/usage", key, body: json!({ "action": "chat", "account": account }) }
}

#[tokio::test]
async fn a_debit_whose_answer_was_lost_is_looked_up_and_acknowledged() {
    let wired = Wired::new().await;
    let request = chat("key-lost");
    let answer = wired.cut(Cut::After, "key-lost", 0, &request).await;
    let first = accepted("lost", answer);
    assert_eq!(first["replayed"], false);
    for daemon in [wired.wired(), wired.other()] {
        let again = accepted("again", request.send(daemon).await);
        assert_eq!((&again["id"], &again["replayed"]), (&first["id"], &json!(true)));
    }
    assert_eq!(wired.other().spendable("ann").await, "4");
}

#[tokio::test]
async fn a_debit_that_never_arrived_is_decided_anew_and_counts_once() {
    let wired = Wired::new().await;
    let request = chat("key-gone");
    let answer = wired.cut(Cut::Before, "key-gone", 0, &request).await;
    let first = accepted("gone", answer);
    assert_eq!((&first["replayed"], &first["remaining"]), (&json!(false), &json!("4")));
    for daemon in [wired.other(), wired.wired()] {
        let again = accepted("again", request.send(daemon).await);
        assert_eq!((&again["id"], &again["replayed"]), (&first["id"], &json!(true)));
    }
}

#[tokio::test]
async fn r17_a_key_of_another_request_is_refused_though_the_connection_was_lost() {
    let wired = Wired::new().await;
    accepted("first", chat("key-used").send(wired.other()).await);
    let body = json!({ "action": "chat", "account": "ann", "quantity": 2 });
    let another = Request { path: "/v1/usage", key: "key-used", body };
    let answer = wired.cut(Cut::Before, "key-used", 0, &another).await;
    refused("another", answer, 422, "idempotency_mismatch");
    assert_eq!(wired.other().spendable("ann").await, "4");
}

#[tokio::test]
async fn a_connection_lost_before_anything_was_decided_is_noticed_by_nobody() {
    let wired = Wired::new().await;
    for (cut, key, account) in [(Cut::Before, "key-1", "bob"), (Cut::After, "key-2", "cid")] {
        // Whom the daemon does not know it loads first.
        wired.other().person(account).await;
        let answer = wired.cut(cut, key, 0, &chat_of(account, key)).await;
        assert_eq!(accepted(key, answer)["replayed"], false);
        assert_eq!(wired.other().spendable(account).await, "4");
    }
}

#[tokio::test]
async fn a_debit_that_the_server_still_works_on_is_decided_anew_and_counts_once() {
    let wired = Wired::new().await;
    let mut holder = PgConnection::connect(&wired.database.url).await.unwrap();
    let lock = "BEGIN; SELECT 1 FROM workspace WHERE id = 'ann' FOR UPDATE";
    sqlx::raw_sql(lock).execute(&mut holder).await.unwrap();
    let request = chat("key-slow");
    let (answer, ()) = join!(request.send(wired.wired()), async {
        let waiting = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        reaches(&wired.database, waiting, 1).await;
        wired.wire.cut_all();
        // Both are about to write the same key, on the same version.
        reaches(&wired.database, waiting, 2).await;
        sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    });
    let first = accepted("slow", answer);
    assert_eq!(first["remaining"], "4");
    let again = accepted("again", request.send(wired.other()).await);
    assert_eq!((&again["id"], &again["replayed"]), (&first["id"], &json!(true)));
    assert_eq!(wired.other().spendable("ann").await, "4");
}

/// Waits until a count in the database is this.
async fn reaches(database: &Database<'_>, sql: &'static str, count: i64) {
    let mut db = PgConnection::connect(&database.url).await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    while sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut db).await.unwrap() != count {
        assert!(Instant::now() < deadline, "{sql} is never {count}");
        sleep(std::time::Duration::from_millis(5)).await;
    }
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_commit_that_was_lost_is_looked_up_or_done_anew() {
    let wired = Wired::new().await;
    for name in ["bob", "eve"] {
        wired.other().put(&format!("/v1/accounts/{name}"), json!({ "workspace": "ann" })).await;
    }
    wired.wired().buys("ann", "ann", "price_starter").await;
    let seat = wired.wired().seat_of("ann", "ann").await;
    // A seat that changes hands takes two statements, and a COMMIT.
    let path: &'static str = format!("/v1/seats/{seat}/transfer").leak();
    let to_bob = Request { path, key: "to-bob", body: json!({ "to": "bob" }) };
    let done = accepted("lost", wired.cut(Cut::After, COMMIT, 0, &to_bob).await);
    assert_eq!((&done["holder"], &done["replayed"]), (&json!("bob"), &json!(false)));
    let to_eve = Request { path, key: "to-eve", body: json!({ "to": "eve" }) };
    let done = accepted("gone", wired.cut(Cut::Before, COMMIT, 0, &to_eve).await);
    assert_eq!((&done["holder"], &done["replayed"]), (&json!("eve"), &json!(false)));
    let handed = wired.other().lines("bob").await;
    let expected = ["seat_in 100 -> 100", "seat_out -100 -> 0"];
    assert_eq!(handed, expected.map(|line| format!("{NOW} {line}")));
}

#[tokio::test]
async fn r15_a_reservation_whose_commit_was_lost_is_finished_under_its_key() {
    let wired = Wired::new().await;
    let promo = json!({ "code": "P", "kind": "message", "amount": "10", "limit": 1,
        "ends_at": "2100-01-01T00:00:00Z" });
    wired.other().post("/v1/promo-codes", promo).await;
    let path = "/v1/accounts/ann/redeem";
    let redeem = Request { path, key: "redeem", body: json!({ "code": "P" }) };
    let answer = wired.cut(Cut::After, COMMIT, 0, &redeem).await;
    refused("lost", answer, 503, "outcome_unknown");
    let done = accepted("again", redeem.send(wired.other()).await);
    assert_eq!((&done["amount"], &done["replayed"]), (&json!("10"), &json!(false)));
    assert_eq!(wired.other().spendable("ann").await, "15");
    let promo = wired.other().get("/v1/promo-codes").await["data"][0].clone();
    assert_eq!(promo["redeemed"], 1);
}

#[tokio::test]
async fn a_webhook_whose_commit_was_lost_is_kept_once_and_answered() {
    let wired = Wired::new().await;
    for (number, cut) in [Cut::Before, Cut::After].into_iter().enumerate() {
        let id = format!("evt_cut_{number}");
        let told = event(&id, "invoice.paid", &json!({ "id": "in_1" }), wired.wired().now);
        wired.wire.cut_at(cut, &id, 0);
        accepted("webhook", wired.wired().webhook(&told.to_string()).await);
        assert!(wired.wire.is_cut());
        accepted("again", wired.other().webhook(&told.to_string()).await);
        wired.other().dealt_with(&id).await;
    }
    let all = PageQuery { limit: 1_000, cursor: None };
    let kept = wired.other().store().await.events(None, &all).await.unwrap();
    assert_eq!(kept.rows.len(), 2);
}
