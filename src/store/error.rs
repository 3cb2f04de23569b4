//! What the driver's errors mean, for every engine.

use super::row::Corrupt;
use super::{StoreError, postgres, sqlite};
use sqlx::postgres::PgDatabaseError;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let Some(answer) = error.as_database_error() else {
            // What is no answer of a database is a lost connection, pool or worker thread.
            return Self::Unavailable(error.to_string());
        };
        match answer.try_downcast_ref::<PgDatabaseError>() {
            Some(answer) => postgres::meaning(answer),
            None => sqlite::meaning(&error),
        }
    }
}

impl From<Corrupt> for StoreError {
    fn from(corrupt: Corrupt) -> Self {
        Self::Refused(corrupt.to_string())
    }
}

/// Rows that the database made and that do not read as what they must be.
pub(super) fn unreadable(error: &impl std::fmt::Display) -> StoreError {
    StoreError::Refused(format!("stored rows cannot be read: {error}"))
}
