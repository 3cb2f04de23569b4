//! What SQLite's result codes mean to a caller of the store.

use crate::store::StoreError;

/// The primary result codes after which the same call may succeed later.
const PASSING: [u32; 9] = [
    5,  // BUSY: another process writes
    6,  // LOCKED: the same within the process
    7,  // NOMEM
    8,  // READONLY: the file system was made read-only
    9,  // INTERRUPT
    10, // IOERR
    13, // FULL
    14, // CANTOPEN
    15, // PROTOCOL: a race for the lock
];

/// The primary code for a violated constraint, and those of two rows with one key.
const CONSTRAINT: u32 = 19;
const CONSTRAINT_PRIMARYKEY: u32 = 1555;
const CONSTRAINT_UNIQUE: u32 = 2067;

/// An error of a statement's own: one that computes is a proof, and it does not hold.
const ERROR: u32 = 1;
const OVERFLOW: &str = "integer overflow";

/// A sync that failed: whether the data reached the disk is not known.
const IOERR_FSYNC: u32 = 1034;

/// The extended result code of a database error.
pub(super) fn code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse().ok()
}

/// What an answer of SQLite means. Nothing of the transaction will be committed.
pub(in crate::store) fn meaning(error: &sqlx::Error) -> StoreError {
    let Some(code) = code(error) else { return StoreError::Unavailable(error.to_string()) };
    match code {
        ERROR if error.as_database_error().is_some_and(|own| own.message() == OVERFLOW) => {
            StoreError::Conflict
        }
        CONSTRAINT_PRIMARYKEY | CONSTRAINT_UNIQUE => StoreError::Conflict,
        _ if code & 0xff == CONSTRAINT => StoreError::Refused(error.to_string()),
        _ if PASSING.contains(&(code & 0xff)) => StoreError::Unavailable(error.to_string()),
        _ => StoreError::Refused(error.to_string()),
    }
}

/// What a failed commit means.
pub(super) fn at_commit(error: sqlx::Error) -> StoreError {
    match code(&error) {
        Some(IOERR_FSYNC) => StoreError::OutcomeUnknown,
        Some(_) => error.into(),
        None => StoreError::OutcomeUnknown,
    }
}
