//! Sessions: for one statement, for one snapshot, for a transaction that writes.

use super::PostgresStore;
use super::connect::{Pooler, Transaction};
use super::error::in_flight;
use crate::store::{StoreError, StoreResult};
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres};
use std::ops::{Deref, DerefMut};

/// A connection for statements of which each may stand alone.
///
/// Behind a pooler they are one transaction all the same, since only that keeps the session.
#[derive(Debug)]
pub(super) enum Session {
    /// Each statement commits itself.
    Plain(PoolConnection<Postgres>),
    /// All of them commit with [`Session::finish`], and are undone without it.
    Transaction(Transaction),
}

/// A transaction that writes; undone where it is dropped.
#[derive(Debug)]
pub(super) struct WriteTransaction(Transaction);

impl PostgresStore {
    /// A session whose statements need not see the same.
    pub(super) async fn session(&self) -> StoreResult<Session> {
        let connections = &self.connections;
        Ok(match connections.pooler {
            Pooler::None => Session::Plain(connections.pool.acquire().await?),
            Pooler::Transaction => {
                Session::Transaction(connections.pool.begin_with(connections.begin.clone()).await?)
            }
        })
    }

    /// A session that reads, all of it from one snapshot.
    pub(super) async fn snapshot(&self) -> StoreResult<Session> {
        let connections = &self.connections;
        let transaction = connections.pool.begin_with(connections.begin_snapshot.clone()).await?;
        Ok(Session::Transaction(transaction))
    }

    /// A transaction that writes.
    pub(super) async fn begin(&self) -> StoreResult<WriteTransaction> {
        let connections = &self.connections;
        Ok(WriteTransaction(connections.pool.begin_with(connections.begin.clone()).await?))
    }
}

impl Session {
    /// What an error of a statement that writes means: one that stands alone may have been
    /// committed before its answer was lost.
    pub(super) fn meaning(&self, error: sqlx::Error) -> StoreError {
        match self {
            Self::Plain(_) => in_flight(error),
            Self::Transaction(_) => error.into(),
        }
    }

    /// Commits what has not been committed yet.
    pub(super) async fn finish(self) -> StoreResult<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Transaction(transaction) => transaction.commit().await.map_err(in_flight),
        }
    }
}

impl WriteTransaction {
    /// Makes it durable.
    pub(super) async fn commit(self) -> StoreResult<()> {
        self.0.commit().await.map_err(in_flight)
    }
}

impl Deref for Session {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        match self {
            Self::Plain(connection) => connection,
            Self::Transaction(transaction) => transaction,
        }
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut PgConnection {
        match self {
            Self::Plain(connection) => connection,
            Self::Transaction(transaction) => transaction,
        }
    }
}

impl Deref for WriteTransaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.0
    }
}

impl DerefMut for WriteTransaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0
    }
}
