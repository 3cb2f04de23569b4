//! A batch that is decided on what is kept, and proved by the one statement that writes it.
//!
//! Nothing is loaded then: a batch is one round trip. The statement proves the versions of all
//! workspaces, that no answer is kept under a key that was not answered anew, that the instant of the
//! decision is not ahead of the server's clock, and that the server is the one that all this was
//! heard from: one that was restored has started since.

use super::PostgresStore;
use super::load::Found;
use super::parts::{Part, Parts};
use super::patience::late;
use super::write::{Batch, Written};
use crate::store::found::teams;
use crate::store::kept::{Guess, Kept};
use crate::store::unchanged::Unchanged;
use crate::store::{Change, Decide, Job, Loaded, StoreError, StoreResult};
use chrono::{SubsecRound as _, TimeDelta};
use creditd_rules::Instant;
use creditd_rules::id::WorkspaceId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant as Moment};
use tracing::debug;

/// What a server's clock showed so long ago tells nothing any more: it may have been set.
const HEARD_MAX: Duration = Duration::from_millis(250);

/// A clock that is brought in line runs faster by one in so many at most.
const DRIFT: u32 = 2_000;

/// What is kept of a server, and what its clock shows.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    kept: Kept,
    heard: Option<Heard>,
}

/// What a server said of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    /// When it started.
    pub(super) server: Instant,
    pub(super) hand: Hand,
}

/// What shows the credit clock.
#[derive(Debug, Clone, Copy)]
pub(super) enum Hand {
    /// The server's clock, which showed this when it began a statement that was sent then.
    Runs { shown: Instant, sent: Moment },
    /// The test clock.
    Stands(Instant),
}

impl Hand {
    /// The credit clock: not before what the server's shows, and ahead of it by no more than the
    /// statement took to reach the server; none where that is too long ago to tell.
    fn now(self) -> Option<Instant> {
        match self {
            Self::Stands(at) => Some(at),
            Self::Runs { shown, sent } => {
                let since = sent.elapsed();
                if since > HEARD_MAX {
                    return None;
                }
                let since = TimeDelta::from_std(since + since / DRIFT).ok()?;
                Some((shown + since + TimeDelta::microseconds(1)).trunc_subsecs(6))
            }
        }
    }

    const fn proof(self) -> Part {
        match self {
            Self::Runs { .. } => Part::Since,
            Self::Stands(_) => Part::TestNow,
        }
    }
}

impl Guesses {
    /// Keeps what was loaded by one statement.
    pub(super) fn keep_loaded(&mut self, found: &Found) {
        let Some(heard) = found.heard else { return };
        if self.heard.is_some_and(|before| before.server != heard.server) {
            self.kept = Kept::default();
        }
        self.heard = Some(heard);
        self.kept.keep_loaded(&found.workspaces);
    }

    /// Keeps what was written, and forgets what may have been.
    pub(super) fn keep_written(&mut self, written: &StoreResult<Written>, changes: Vec<Change>) {
        self.hear(written);
        self.kept.keep_written(written.is_ok(), changes);
    }

    /// Takes note of what the server's clock showed.
    fn hear(&mut self, written: &StoreResult<Written>) {
        if let Ok(Written { shown, sent }) = *written
            && let Some(Heard { hand: hand @ Hand::Runs { .. }, .. }) = &mut self.heard
        {
            *hand = Hand::Runs { shown, sent };
        }
    }
}

/// What a guess rests on beside its changes.
struct Proof<'a> {
    unchanged: Unchanged<'a>,
    heard: Heard,
    now: Instant,
}

impl Proof<'_> {
    fn add_to(&self, parts: &mut Parts) {
        let Self { unchanged: Unchanged { versions, keys }, heard, now } = self;
        parts.add_versions(versions.iter().copied());
        for (workspace, key) in keys {
            parts.add_key(Part::NewKeys, super::bucket(workspace), workspace, key);
        }
        parts.add_instant(Part::Server, heard.server);
        parts.add_instant(heard.hand.proof(), *now);
    }
}

impl PostgresStore {
    /// Tries to decide and write a batch on what is kept. Whether that was so; if not, nothing was
    /// written.
    pub(super) async fn guessed(&self, jobs: &[Job], decide: &mut Decide<'_>) -> StoreResult<bool> {
        let Some(((homes, workspaces), heard, now)) = self.guess(jobs) else { return Ok(false) };
        if self.contended.any(workspaces.keys())
            || !teams(jobs, &homes, &workspaces, now).is_empty()
        {
            return Ok(false);
        }
        let versions: Vec<(WorkspaceId, u64)> =
            workspaces.iter().map(|(id, workspace)| (id.clone(), workspace.version)).collect();
        let loaded = Loaded { now, homes: homes.clone(), workspaces, answers: BTreeMap::new() };
        let changes = decide(loaded);
        let unchanged = Unchanged::of(&versions, jobs, &homes, &changes);
        let proof = Proof { unchanged, heard, now };
        let Some(batch) = Batch::proved(&changes, now, |parts| proof.add_to(parts))? else {
            return Ok(false);
        };
        let write = async {
            self.write_unlocked(self.session().await?, &changes, batch, &BTreeSet::new()).await
        };
        let written = self.in_time(write, || late(true)).await;
        let mut guesses = self.guesses();
        guesses.hear(&written);
        match guesses.kept.settle(written.map(|_| ()), &versions, changes) {
            Err(StoreError::Unavailable(cause)) => {
                debug!(%cause, "a batch that was guessed was not written and is loaded");
                Ok(false)
            }
            settled => settled,
        }
    }

    /// What jobs touch as it is kept, whom it was heard from, and the credit clock.
    fn guess(&self, jobs: &[Job]) -> Option<(Guess, Heard, Instant)> {
        let mut guesses = self.guesses();
        let heard = guesses.heard?;
        let now = heard.hand.now()?;
        Some((guesses.kept.guess(jobs)?, heard, now))
    }

    pub(super) fn guesses(&self) -> MutexGuard<'_, Guesses> {
        self.guesses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
