//! What keeps a move from being done.

use crate::store::{Fault, OpenError, StoreError};
use chrono::{DateTime, Utc};
use std::path::PathBuf;

/// Why nothing, or not everything, was moved.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// There is nothing to move.
    #[error("there is no database at {0}: database.url must name the one to move")]
    NoSource(PathBuf),
    /// A daemon serves the source.
    #[error("{0} is in use by another process: stop creditd first")]
    SourceInUse(PathBuf),
    /// The source cannot be opened.
    #[error("the source: {0}")]
    Source(OpenError),
    /// The source cannot be read.
    #[error("the source, {table}: {error}")]
    Reading {
        /// What was read.
        table: &'static str,
        /// What went wrong.
        error: StoreError,
    },
    /// The source's books do not add up.
    #[error("the source has {0} faults, and a copy would have them too: nothing was moved")]
    SourceFaults(usize, Vec<Fault>),
    /// The target cannot be opened.
    #[error("the target: {0}")]
    Target(OpenError),
    /// The target cannot be written.
    #[error("the target, {table}: {error}; nothing of this attempt stays, so run it again")]
    Writing {
        /// What was written.
        table: &'static str,
        /// What went wrong.
        error: StoreError,
    },
    /// The target's state cannot be read or told.
    #[error("the target: {0}; run it again")]
    TargetFails(StoreError),
    /// The target has credits of its own.
    #[error("the target has {0} already, which did not come from here: use an empty database")]
    Occupied(&'static str),
    /// The target was filled by a move that was finished.
    #[error(
        "{origin} was moved to the target on {at} and may have been used there since: nothing was \
         done; to move once more, use an empty database"
    )]
    MovedBefore {
        /// Where it came from.
        origin: String,
        /// When it was proven.
        at: DateTime<Utc>,
    },
    /// Somebody else is connected to the target.
    #[error("another creditd uses the target: stop it first")]
    TargetInUse,
    /// Another move was faster.
    #[error("another move fills the target, or somebody began to use it")]
    TargetContended,
    /// The copy's books do not add up.
    #[error("the copy has {0} faults and is not to be used: make the target anew, and move again")]
    TargetFaults(usize, Vec<Fault>),
    /// The copy differs.
    #[error(
        "the copy differs from the source and is not to be used: make the target anew, and move \
         again"
    )]
    Differs(Vec<String>),
}

impl MoveError {
    /// What a source that cannot be opened means.
    pub(super) fn of_source(error: OpenError) -> Self {
        if let OpenError::Locked(path) = error {
            return Self::SourceInUse(path);
        }
        Self::Source(error)
    }

    /// What it means that the target cannot be begun to be filled.
    pub(super) fn of_beginning(error: StoreError) -> Self {
        if matches!(error, StoreError::Conflict) {
            Self::TargetContended
        } else {
            Self::TargetFails(error)
        }
    }

    /// All that is wrong, one by one, where there is more than the error itself says.
    #[must_use]
    pub fn details(&self) -> Vec<String> {
        if let Self::SourceFaults(_, faults) | Self::TargetFaults(_, faults) = self {
            let said = |Fault { subject, detail }: &Fault| format!("{subject}: {detail}");
            return faults.iter().map(said).collect();
        }
        if let Self::Differs(differences) = self { differences.clone() } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the command line says it, with all that is behind it.
    #[test]
    fn what_is_behind_an_error_is_said_once() {
        let why = || OpenError::UnknownUrl("redis://x".to_owned());
        for error in [MoveError::Source(why()), MoveError::Target(why())] {
            let said = format!("{:#}", anyhow::Error::from(error));
            assert_eq!(said.matches("redis://x").count(), 1, "{said}");
        }
    }
}
