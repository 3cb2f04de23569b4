//! A daemon that is frozen in the middle of a batch, and resumed when others have gone on.

use super::{Crew, count};
use crate::daemon::PATIENCE;
use crate::daemon::calls::{accepted, refused};
use rustix::process::Signal;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::join;
use tokio::time::{Instant, sleep};

const LOCK: &str = "BEGIN; SELECT 1 FROM workspace WHERE id = 'ann' FOR UPDATE";

/// The tests' own hand on the database.
async fn hand(crew: &Crew) -> PgConnection {
    let url = crew.any().database().replacen("owner@", "postgres@", 1);
    PgConnection::connect(&url).await.unwrap()
}

async fn does(db: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(db).await.unwrap();
}

/// Waits until so many daemons wait for a lock.
async fn waiting(crew: &Crew, count: i64) {
    let mut db = hand(crew).await;
    let sql = "SELECT count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND wait_event_type = 'Lock'";
    reaches(&mut db, sql, count).await;
    db.close().await.unwrap();
}

async fn reaches(db: &mut PgConnection, sql: &'static str, count: i64) {
    let deadline = Instant::now() + PATIENCE;
    while sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut *db).await.unwrap() != count {
        assert!(Instant::now() < deadline, "{sql} is never {count}");
        sleep(std::time::Duration::from_millis(5)).await;
    }
}

fn chat() -> Value {
    json!({ "action": "chat", "account": "ann" })
}

async fn crew_with_ann() -> Crew {
    let crew = Crew::of(2).await;
    crew.any().person("ann").await;
    crew.any().buys("ann", "ann", "price_starter").await;
    crew
}

/// 40 debits at once through the daemon that is not frozen.
async fn others_debit(crew: &Crew, name: &str) {
    let client = crew.daemons[1].client();
    let chat = chat();
    let sent = (0..40).map(|number| {
        let (key, chat) = (format!("{name}-{number}"), &chat);
        async move { client.post("/v1/usage", &key, chat).await }
    });
    let answers: Vec<_> =
        futures_util::future::join_all(sent).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(count(&answers, 200), 40, "{answers:?}");
}

#[tokio::test]
async fn a_daemon_frozen_while_its_batch_is_written_does_no_harm() {
    let crew = crew_with_ann().await;
    let frozen = &crew.daemons[0];
    let mut holder = hand(&crew).await;
    does(&mut holder, LOCK).await;
    let body = chat();
    let asked = frozen.client().post("/v1/usage", "frozen", &body);
    let meanwhile = async {
        waiting(&crew, 1).await;
        frozen.signal(Signal::STOP);
        does(&mut holder, "ROLLBACK").await;
        others_debit(&crew, "others").await;
        frozen.signal(Signal::CONT);
    };
    let (answer, ()) = join!(asked, meanwhile);
    let first = accepted("frozen", answer.unwrap());
    let again =
        accepted("again", frozen.client().post("/v1/usage", "frozen", &body).await.unwrap());
    assert_eq!((&again["id"], &again["replayed"]), (&first["id"], &json!(true)));
    for daemon in &crew.daemons {
        assert_eq!(daemon.spendable("ann").await, "59");
    }
}

#[tokio::test]
async fn a_daemon_frozen_with_a_lock_in_its_hand_stops_nobody_for_long_and_does_no_harm() {
    let crew = crew_with_ann().await;
    let frozen = &crew.daemons[0];
    let (mut first, mut second) = (hand(&crew).await, hand(&crew).await);
    // Its batch loses a race: the workspace is not as it was read. So it locks it the next time.
    does(&mut first, "BEGIN; UPDATE workspace SET version = version + 1 WHERE id = 'ann'").await;
    let body = chat();
    let asked = frozen.client().post("/v1/usage", "frozen", &body);
    let meanwhile = async {
        waiting(&crew, 1).await;
        let queued = does(&mut second, LOCK);
        let lose = async {
            waiting(&crew, 2).await;
            does(&mut first, "COMMIT").await;
        };
        join!(queued, lose);
        // Not the statement that lost, which may not have noticed yet.
        let locks = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
            AND wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE OF workspace%'";
        reaches(&mut hand(&crew).await, locks, 1).await;
        frozen.signal(Signal::STOP);
        does(&mut second, "ROLLBACK").await;
        let idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
            AND application_name = 'creditd' AND state = 'idle in transaction'";
        reaches(&mut second, idle, 1).await;
        others_debit(&crew, "others").await;
        frozen.signal(Signal::CONT);
    };
    let (answer, ()) = join!(asked, meanwhile);
    // Its transaction was ended in its absence.
    refused("frozen", answer.unwrap(), 503, "database_unavailable");
    let again =
        accepted("again", frozen.client().post("/v1/usage", "frozen", &body).await.unwrap());
    assert_eq!(again["replayed"], false);
    for daemon in &crew.daemons {
        assert_eq!(daemon.spendable("ann").await, "59");
    }
}
