//! What PostgreSQL's error codes mean to a caller of the store.

use crate::store::StoreError;
use sqlx::postgres::PgDatabaseError;

/// Raised by our own statement where a workspace was not as it was read: a division by zero.
const RACE_LOST: &str = "22012";

/// Constraints that no race can violate, since workspaces are written by one at a time.
const NO_RACE: [&str; 2] = ["seat_holder", "entry_pkey"];

/// What an answer of the server means. It was rolled back.
pub(in crate::store) fn meaning(error: &PgDatabaseError) -> StoreError {
    let text = || error.message().to_owned();
    match error.code() {
        // Serialization failure, deadlock; a lock that was not to be had in time.
        RACE_LOST | "40001" | "40P01" | "55P03" => StoreError::Conflict,
        "23505" if !error.constraint().is_some_and(|name| NO_RACE.contains(&name)) => {
            StoreError::Conflict
        }
        // The data itself, or a rule of the tables.
        code if code.starts_with("22") || code.starts_with("23") => StoreError::Refused(text()),
        // A text that is too long for an index, a statement beyond a limit.
        code if code.starts_with("54") => StoreError::Refused(text()),
        // Connections, resources, shutdowns, cancelled statements, rights, a standby, a schema
        // that is not there: none of it is this call's fault.
        _ => StoreError::Unavailable(text()),
    }
}

/// What an error means of a statement that commits: without an answer, nobody knows.
///
/// A server that is told to stop may end the session between the commit and its answer.
pub(super) fn in_flight(error: sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(|error| error.code());
    match code.as_deref() {
        None if matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) => {
            error.into()
        }
        None => StoreError::OutcomeUnknown,
        Some(code) if code.starts_with("08") || code.starts_with("57P") => {
            StoreError::OutcomeUnknown
        }
        Some(_) => error.into(),
    }
}
