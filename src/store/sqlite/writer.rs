//! The one connection that writes.

use super::error::at_commit;
use crate::store::StoreResult;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Sqlite, Transaction};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Mutex, MutexGuard};

/// The connection that writes, for one transaction at a time.
///
/// It is no pool: a pool asks its connection whether it lives after every use, which a debit that
/// comes alone would wait for.
#[derive(Debug)]
pub(super) struct Writer {
    options: SqliteConnectOptions,
    connection: Mutex<SqliteConnection>,
    /// The last transaction has not been committed: it runs, or it failed.
    in_doubt: AtomicBool,
}

/// The right to write, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'w> {
    pub(super) connection: MutexGuard<'w, SqliteConnection>,
    in_doubt: &'w AtomicBool,
}

/// A transaction that holds the database's write lock. It is rolled back where it is dropped.
#[derive(Debug)]
pub(super) struct WriteTransaction<'t> {
    transaction: Transaction<'t, Sqlite>,
    in_doubt: &'t AtomicBool,
    was_in_doubt: bool,
}

impl Writer {
    pub(super) async fn connect(options: SqliteConnectOptions) -> Result<Self, sqlx::Error> {
        let connection = options.connect().await?;
        let in_doubt = AtomicBool::new(false);
        Ok(Self { options, connection: Mutex::new(connection), in_doubt })
    }

    /// Waits for the turn to write.
    ///
    /// SQLite ends a transaction by itself where the disk is full or fails; the driver still
    /// counts it as open, and no later one could begin. Such a connection is replaced, as is one
    /// whose thread is gone.
    pub(super) async fn turn(&self) -> Result<Turn<'_>, sqlx::Error> {
        let mut connection = self.connection.lock().await;
        if self.in_doubt.load(Ordering::Relaxed) {
            // A rollback that may be under way is done when the ping is answered.
            let answers = connection.ping().await.is_ok();
            if !answers || connection.is_in_transaction() {
                *connection = self.options.connect().await?;
            }
        }
        Ok(Turn { connection, in_doubt: &self.in_doubt })
    }

    /// Proves that the file can be written where the last transaction may have failed.
    pub(super) async fn prove(&self) -> StoreResult<()> {
        if !self.in_doubt.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut turn = self.turn().await?;
        if !self.in_doubt.load(Ordering::Relaxed) {
            // What ran meanwhile was committed.
            return Ok(());
        }
        let mut db = turn.begin().await?;
        let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *db).await?;
        let same = AssertSqlSafe(format!("PRAGMA user_version = {version}"));
        sqlx::raw_sql(same).execute(&mut *db).await?;
        db.commit().await
    }
}

impl Turn<'_> {
    /// Begins a transaction that may write.
    pub(super) async fn begin(&mut self) -> Result<WriteTransaction<'_>, sqlx::Error> {
        let was_in_doubt = self.in_doubt.swap(true, Ordering::Relaxed);
        let transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        Ok(WriteTransaction { transaction, in_doubt: self.in_doubt, was_in_doubt })
    }
}

impl WriteTransaction<'_> {
    /// Makes it durable.
    pub(super) async fn commit(self) -> StoreResult<()> {
        self.try_commit().await.map_err(at_commit)
    }

    /// The same, with SQLite's own error.
    pub(super) async fn try_commit(self) -> Result<(), sqlx::Error> {
        self.transaction.commit().await?;
        self.in_doubt.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Ends it where there is nothing to write, which proves nothing.
    pub(super) async fn give_up(self) -> Result<(), sqlx::Error> {
        self.transaction.rollback().await?;
        self.in_doubt.store(self.was_in_doubt, Ordering::Relaxed);
        Ok(())
    }
}

impl Deref for WriteTransaction<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.transaction
    }
}

impl DerefMut for WriteTransaction<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }
}
