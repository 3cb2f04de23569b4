//! The one connection that writes.

use super::error::{at_commit, code};
use crate::store::StoreResult;
use futures_util::FutureExt as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Mutex, MutexGuard};

/// Takes the database's lock for a transaction that may write. A batch sends it together with
/// what it loads first.
pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";

/// Makes a transaction durable. A batch sends it together with what it writes last.
pub(super) const COMMIT: &str = "COMMIT";

/// What SQLite answers to a `ROLLBACK` without a transaction.
const NO_TRANSACTION: u32 = 1;

/// The connection that writes, for one transaction at a time.
///
/// It is no pool: a pool asks its connection whether it lives after every use, which a debit that
/// comes alone would wait for. Nor are its transactions the driver's, which sends `BEGIN` and
/// `COMMIT` each by itself and waits, and which counts a transaction as open that SQLite has
/// ended by itself because the disk was full or failed.
#[derive(Debug)]
pub(super) struct Writer {
    options: SqliteConnectOptions,
    connection: Mutex<SqliteConnection>,
    /// The last transaction has not been committed: it runs, or it failed.
    in_doubt: AtomicBool,
}

/// The right to write, until it is dropped.
#[derive(Debug)]
pub(in crate::store) struct Turn<'w> {
    pub(super) connection: MutexGuard<'w, SqliteConnection>,
    in_doubt: &'w AtomicBool,
}

/// A transaction that holds the database's write lock. It is rolled back where it is dropped.
#[derive(Debug)]
pub(in crate::store) struct WriteTransaction<'t> {
    connection: &'t mut SqliteConnection,
    in_doubt: &'t AtomicBool,
    was_in_doubt: bool,
    open: bool,
}

impl Writer {
    pub(super) async fn connect(options: SqliteConnectOptions) -> Result<Self, sqlx::Error> {
        let connection = options.connect().await?;
        let in_doubt = AtomicBool::new(false);
        Ok(Self { options, connection: Mutex::new(connection), in_doubt })
    }

    /// Closes the connection.
    pub(super) async fn close(self) -> Result<(), sqlx::Error> {
        self.connection.into_inner().close().await
    }

    /// Waits for the turn to write. Whatever an earlier one may have left open is rolled back; a
    /// connection that cannot do that, since its thread is gone, is replaced.
    pub(super) async fn turn(&self) -> Result<Turn<'_>, sqlx::Error> {
        let mut connection = self.connection.lock().await;
        if self.in_doubt.load(Ordering::Relaxed)
            && let Err(error) = connection.execute("ROLLBACK").await
            && code(&error) != Some(NO_TRANSACTION)
        {
            *connection = self.options.connect().await?;
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
    pub(in crate::store) async fn begin(&mut self) -> Result<WriteTransaction<'_>, sqlx::Error> {
        let transaction = self.begin_with_first();
        transaction.connection.execute(BEGIN).await?;
        Ok(transaction)
    }

    /// The same, where the first statement brings [`BEGIN`] with it.
    pub(super) fn begin_with_first(&mut self) -> WriteTransaction<'_> {
        let was_in_doubt = self.in_doubt.swap(true, Ordering::Relaxed);
        let connection = &mut *self.connection;
        WriteTransaction { connection, in_doubt: self.in_doubt, was_in_doubt, open: true }
    }
}

impl WriteTransaction<'_> {
    /// Makes it durable.
    pub(super) async fn commit(self) -> StoreResult<()> {
        self.try_commit().await.map_err(at_commit)
    }

    /// The same, with SQLite's own error.
    pub(super) async fn try_commit(self) -> Result<(), sqlx::Error> {
        self.connection.execute(COMMIT).await?;
        self.committed();
        Ok(())
    }

    /// Notes that a statement has brought [`COMMIT`] with it, and went through.
    pub(super) fn committed(mut self) {
        self.open = false;
        self.in_doubt.store(false, Ordering::Relaxed);
    }

    /// Ends it where there is nothing to write, which proves nothing.
    pub(in crate::store) async fn give_up(mut self) -> Result<(), sqlx::Error> {
        self.connection.execute("ROLLBACK").await?;
        self.open = false;
        self.in_doubt.store(self.was_in_doubt, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for WriteTransaction<'_> {
    /// Sends a rollback, so that the lock is let go at once, and waits for nothing. Whether it
    /// came through shows when the next turn begins.
    fn drop(&mut self) {
        if self.open {
            drop(self.connection.execute("ROLLBACK").now_or_never());
        }
    }
}

impl Deref for WriteTransaction<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        self.connection
    }
}

impl DerefMut for WriteTransaction<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        self.connection
    }
}
