//! Sessions: for one statement, for one snapshot, for a transaction that writes.

use super::PostgresStore;
use super::connect::Pooler;
use super::error::in_flight;
use super::trust::Trust;
use crate::store::{StoreError, StoreResult};
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgTransactionManager;
use sqlx::{PgConnection, Postgres, SqlStr};
use sqlx_core::transaction::TransactionManager as _;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tracing::debug;

/// A connection while it is lent.
///
/// Its statements are one transaction, or each of them stands alone. Behind a pooler they are one
/// transaction in any case, since only that keeps the session. What was not committed is undone
/// when this is dropped; a connection of which it is not known how it stands is closed then.
#[derive(Debug)]
pub(super) struct Session {
    connection: PoolConnection<Postgres>,
    stands: Stands,
    lent_at: Instant,
    trust: Arc<Trust>,
}

/// As many as there are batches in flight.
const SPARES_MAX: usize = 3;

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// Each statement commits itself.
    Alone,
    /// A transaction was asked for and has not been confirmed. Whoever waited for it may be gone.
    Opening,
    /// In a transaction.
    Open,
}

impl PostgresStore {
    /// A session whose statements need not see the same.
    pub(super) async fn session(&self) -> StoreResult<Session> {
        match self.connections.pooler {
            Pooler::None => Ok(self.lend().await?),
            Pooler::Transaction => self.begin().await,
        }
    }

    /// A session that reads, all of it from one snapshot.
    pub(super) async fn snapshot(&self) -> StoreResult<Session> {
        self.opened(&self.connections.begin_snapshot).await
    }

    /// A transaction that writes.
    pub(super) async fn begin(&self) -> StoreResult<Session> {
        self.opened(&self.connections.begin).await
    }

    /// A transaction. Until one is open nothing can have changed, so a connection that died in the
    /// pool is passed over.
    async fn opened(&self, begin: &SqlStr) -> StoreResult<Session> {
        let mut session = self.lend().await?;
        let Err(cause) = session.open(begin).await else { return Ok(session) };
        debug!(%cause, "no transaction on this connection; another one is tried");
        self.connections.trust.lose();
        drop(session);
        let mut session = self.lend().await?;
        session.open(begin).await?;
        Ok(session)
    }

    /// Makes durable what a session wrote, and keeps its connection at hand for the next one.
    pub(super) async fn finish(&self, mut session: Session) -> StoreResult<()> {
        session.make_durable().await?;
        session.lent_at = Instant::now();
        self.connections.spares.put(session);
        Ok(())
    }

    async fn lend(&self) -> Result<Session, sqlx::Error> {
        if let Some(session) = self.connections.spares.take(&self.connections.trust) {
            return Ok(session);
        }
        let connection = self.connections.pool.acquire().await?;
        let (stands, lent_at) = (Stands::Alone, Instant::now());
        Ok(Session { connection, stands, lent_at, trust: Arc::clone(&self.connections.trust) })
    }
}

impl Session {
    async fn open(&mut self, begin: &SqlStr) -> Result<(), sqlx::Error> {
        self.stands = Stands::Opening;
        PgTransactionManager::begin(&mut self.connection, Some(begin.clone())).await?;
        self.stands = Stands::Open;
        Ok(())
    }

    /// What an error of a statement that writes means: one that stands alone may have been
    /// committed before its answer was lost.
    pub(super) fn meaning(&self, error: sqlx::Error) -> StoreError {
        match self.stands {
            Stands::Alone => self.in_flight(error),
            Stands::Opening | Stands::Open => error.into(),
        }
    }

    /// What an error of a statement that commits means. Where the connection is gone, others may be
    /// as well, and whoever tries again shall not be lent one of them.
    fn in_flight(&self, error: sqlx::Error) -> StoreError {
        let meaning = in_flight(error);
        if matches!(meaning, StoreError::OutcomeUnknown) {
            self.trust.lose();
        }
        meaning
    }

    /// Makes durable what is not yet.
    pub(super) async fn commit(mut self) -> StoreResult<()> {
        self.make_durable().await
    }

    async fn make_durable(&mut self) -> StoreResult<()> {
        if self.stands == Stands::Open {
            let done = PgTransactionManager::commit(&mut self.connection).await;
            done.map_err(|error| self.in_flight(error))?;
            self.stands = Stands::Alone;
        }
        Ok(())
    }
}

/// Sessions whose last statement succeeded, at hand for the next ones.
///
/// The pool asks every connection that comes back whether it lives, and the next one waits for that.
/// These were heard of a moment ago.
#[derive(Debug)]
pub(super) struct Spares {
    most: usize,
    sessions: Mutex<Vec<Session>>,
}

impl Spares {
    /// None yet, and never more than half of a pool's `connections`.
    pub(super) fn of(connections: u32) -> Self {
        let most = usize::try_from(connections / 2).unwrap_or(0).min(SPARES_MAX);
        Self { most, sessions: Mutex::default() }
    }

    /// A session that was heard of lately. Those that were not go back to the pool.
    fn take(&self, trust: &Trust) -> Option<Session> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(mut session) = sessions.pop() {
            if trust.spares(session.lent_at.elapsed()) {
                session.lent_at = Instant::now();
                return Some(session);
            }
        }
        None
    }

    fn put(&self, session: Session) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() < self.most {
            sessions.push(session);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.stands == Stands::Open {
            PgTransactionManager::start_rollback(&mut self.connection);
        }
        // A transaction that was opened behind our back would swallow the next one's writes; and a
        // server that keeps silent would keep the pool waiting for its last word.
        if self.stands == Stands::Opening || !self.trust.holds_since(self.lent_at) {
            self.connection.close_on_drop();
        }
    }
}

impl Deref for Session {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
