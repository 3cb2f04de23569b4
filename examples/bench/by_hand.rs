//! The reference: what everyone writes.

use super::ACCOUNTS;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, Row, SqliteConnection};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// One database with one writing connection, as SQLite has it.
pub(super) struct ByHand {
    db: Arc<Mutex<SqliteConnection>>,
    next: Arc<AtomicUsize>,
}

impl ByHand {
    pub(super) async fn open(path: &Path) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let mut db = SqliteConnection::connect_with(&options).await.unwrap();
        let schema = "
            CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
            CREATE TABLE entry (
                key TEXT PRIMARY KEY, account INTEGER NOT NULL, amount INTEGER NOT NULL,
                after INTEGER NOT NULL, at INTEGER NOT NULL
            ) WITHOUT ROWID;";
        sqlx::raw_sql(schema).execute(&mut db).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        for id in 0..ACCOUNTS {
            sqlx::query("INSERT INTO account VALUES ($1, 1000000000000)")
                .bind(i64::try_from(id).unwrap())
                .execute(&mut *tx)
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
        Self { db: Arc::new(Mutex::new(db)), next: Arc::default() }
    }

    /// Debits a second with `clients` at once for `span`.
    pub(super) async fn run(&self, clients: usize, span: Duration) -> f64 {
        let began = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..clients {
            let (db, next) = (Arc::clone(&self.db), Arc::clone(&self.next));
            tasks.spawn(async move {
                let mut done = 0_u32;
                while began.elapsed() < span {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    debit(&mut *db.lock().await, number).await;
                    done += 1;
                }
                done
            });
        }
        let done: u32 = tasks.join_all().await.into_iter().sum();
        f64::from(done) / began.elapsed().as_secs_f64()
    }
}

async fn debit(db: &mut SqliteConnection, number: usize) {
    let account = i64::try_from((number as u64).wrapping_mul(7_919) % ACCOUNTS).unwrap();
    let mut tx = db.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let row = sqlx::query(
        "UPDATE account SET balance = balance - 300000
         WHERE id = $1 AND balance >= 300000 RETURNING balance",
    )
    .bind(account)
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    sqlx::query("INSERT INTO entry VALUES ($1, $2, -300000, $3, $4)")
        .bind(format!("key-{number:012}"))
        .bind(account)
        .bind(row.get::<i64, _>(0))
        .bind(i64::try_from(number).unwrap())
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}
