//! Turns: what one account asks of directories and its workspace together goes one by one.

use super::Doors;
use super::keyed::{Done, Keyed};
use super::problem::Problem;
use crate::store::Home;
use creditd_rules::Command;
use creditd_rules::command::Touch;
use creditd_rules::id::{GrantId, RewardId};
use creditd_rules::state::RewardStatus;
use std::hash::{DefaultHasher, Hash, Hasher};
use tokio::sync::{Mutex, MutexGuard};

/// Shares of all accounts.
const TURNS: usize = 64;

/// One lock for each of a few shares of all accounts.
///
/// Within this process it keeps two requests of one account from finishing the same reservation.
/// Between processes the grant's id does: it is made once, and whoever comes second is told so.
#[derive(Debug)]
pub(crate) struct Turns([Mutex<()>; TURNS]);

impl Default for Turns {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::new(())))
    }
}

impl Turns {
    /// Waits for the turn of `subject`.
    pub(crate) async fn take(&self, subject: &str) -> MutexGuard<'_, ()> {
        let [first, others @ ..] = &self.0;
        let mut hasher = DefaultHasher::new();
        subject.hash(&mut hasher);
        let share = usize::try_from(hasher.finish() >> 58).unwrap_or(0);
        others.get(share).unwrap_or(first).lock().await
    }
}

impl Doors {
    /// The kept answer where the key is known, else `problem`: for what is refused before the
    /// writer sees it, since a key is looked at first (R17).
    pub(crate) async fn replay_or(
        &self, home: Home, keyed: &Keyed, problem: Problem,
    ) -> Result<Done, Problem> {
        // No grant has an empty id, so the writer refuses this unless it knows the key.
        let command = Command::Revoke { id: GrantId::from(""), reason: String::new() };
        match self.try_submit(home, command, Some(keyed.key.clone())).await? {
            Ok(done) => Ok(done),
            Err(_) => Err(problem),
        }
    }

    /// Whether a grant was made, ended or not.
    pub(crate) async fn grant_is_made(&self, id: &GrantId) -> Result<bool, Problem> {
        let touch = Touch { grants: vec![id.clone()], ..Touch::default() };
        let found = self.api.store.read(&Home::Grant(id.clone()), &touch).await?;
        Ok(found.is_some_and(|(_, workspace)| workspace.grants.contains_key(id)))
    }

    /// Where a claim stands; none where it was not made.
    pub(crate) async fn claim_status(
        &self, id: &RewardId,
    ) -> Result<Option<RewardStatus>, Problem> {
        let touch = Touch { rewards: vec![id.clone()], ..Touch::default() };
        let found = self.api.store.read(&Home::Reward(id.clone()), &touch).await?;
        Ok(found.and_then(|(_, workspace)| workspace.rewards.get(id).map(|claim| claim.status)))
    }
}
