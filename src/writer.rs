//! The only thing that changes an account: commands queue up, one transaction takes them all.

use crate::store::Home;
use creditd_rules::command::{Answer, Rejection};
use creditd_rules::{Cause, Command, Instant, Workspace};

/// The idempotency key of a request, and what the request was (R17).
#[derive(Debug, Clone)]
pub struct Key {
    /// The key as given.
    pub key: String,
    /// SHA-256 of method, path and body.
    pub fingerprint: [u8; 32],
}

/// One command on its way to a workspace.
#[derive(Debug, Clone)]
pub struct Request {
    /// Whose workspace it is decided in.
    pub home: Home,
    /// What is asked.
    pub command: Command,
    /// What brought it about.
    pub cause: Cause,
    /// The key that makes a repetition answer the same.
    pub key: Option<Key>,
    /// Makes the answer's JSON body from the accepted answer; it is kept under the key.
    pub render: fn(&Rendering<'_>) -> serde_json::Value,
}

/// What an answer's body is made of.
#[derive(Debug)]
pub struct Rendering<'a> {
    /// What was answered.
    pub answer: &'a Answer,
    /// The workspace as it is after the command.
    pub workspace: &'a Workspace,
    /// The instant of the decision.
    pub now: Instant,
}

/// A committed outcome.
#[derive(Debug, Clone)]
pub enum Reply {
    /// It was done, now or by an earlier request with the same key; the body as kept, a JSON object.
    Done {
        /// The JSON body.
        body: Vec<u8>,
        /// It was done earlier.
        replayed: bool,
    },
    /// It was refused, and nothing was taken.
    Rejected(Rejection),
}

/// Why a command has no outcome.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SubmitError {
    /// There is no such account, app, seat, grant, claim or customer.
    #[error("there is no such {0:?}")]
    NoHome(Home),
    /// The key was used for another request.
    #[error("this key was used for another request")]
    KeyMismatch,
    /// Too much waits already; nothing was changed.
    #[error("too many requests wait")]
    Overloaded,
    /// The daemon stops; nothing was changed.
    #[error("the daemon is stopping")]
    Stopping,
    /// The database does not answer; nothing was changed.
    #[error("the database is unavailable")]
    Unavailable,
    /// Whether it was done is not known; the same key tells.
    #[error("whether the request was done is not known")]
    OutcomeUnknown,
    /// The database refuses this one command.
    #[error("the request cannot be stored: {0}")]
    Refused(String),
}
