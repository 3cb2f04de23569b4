//! One batch: decided on what is kept where that can be proved, else on what is loaded.

use super::proof::Proof;
use super::writer::Turn;
use super::{SqliteStore, load, write};
use crate::clock;
use crate::store::found::teams;
use crate::store::kept::{Guess, Kept};
use crate::store::{Decide, Job, Loaded, StoreResult};
use creditd_rules::id::WorkspaceId;
use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

impl SqliteStore {
    /// Decides and writes a batch.
    pub(super) async fn run_batch(&self, jobs: &[Job], decide: &mut Decide<'_>) -> StoreResult<()> {
        let mut turn = self.writer.turn().await?;
        let guess = self.kept().guess(jobs);
        if let Some(guess) = guess
            && self.guessed(&mut turn, guess, jobs, decide).await?
        {
            return Ok(());
        }
        let mut db = turn.begin_with_first();
        let load::Found { now, homes, workspaces, answers } =
            load::touched(&mut db, false, jobs, self.clock).await?;
        self.kept().keep_loaded(&workspaces);
        let changes = decide(Loaded { now, homes, workspaces, answers });
        if changes.is_empty() {
            return Ok(db.give_up().await?);
        }
        let proof = Proof::of_loaded(&changes);
        let written = write::changes(&mut db, &changes, now, clock::wall(), &proof, true).await;
        self.kept().keep_written(written.is_ok(), changes);
        written?;
        db.committed();
        self.checkpoints.committed();
        Ok(())
    }

    /// Tries to decide and write a batch on what is kept. Whether that was so; if not, nothing was
    /// written.
    async fn guessed(
        &self, turn: &mut Turn<'_>, guess: Guess, jobs: &[Job], decide: &mut Decide<'_>,
    ) -> StoreResult<bool> {
        let now = self.credit_clock().await?;
        let (homes, workspaces) = guess;
        if !teams(jobs, &homes, &workspaces, now).is_empty() {
            return Ok(false);
        }
        let versions: Vec<(WorkspaceId, u64)> =
            workspaces.iter().map(|(id, workspace)| (id.clone(), workspace.version)).collect();
        let loaded = Loaded { now, homes: homes.clone(), workspaces, answers: BTreeMap::new() };
        let changes = decide(loaded);
        let proof = Proof::of(&versions, jobs, &homes, &changes);
        let written = if changes.is_empty() {
            proof.run(&mut turn.connection, false).await
        } else {
            let mut db = turn.begin_with_first();
            let written =
                write::changes(&mut db, &changes, now, clock::wall(), &proof, false).await;
            if written.is_ok() {
                db.committed();
                self.checkpoints.committed();
            }
            written
        };
        self.kept().settle(written, &versions, changes)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
