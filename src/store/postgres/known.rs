//! Workspaces of things that were looked up before.

use super::trust::Trust;
use crate::store::Home;
use crate::store::recent::Recent;
use creditd_rules::id::WorkspaceId;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// So many things are remembered at least, once as many were looked up, and twice as many at most:
/// about 10 MB.
const REMEMBERED: usize = 32_768;

/// What the directory said, which is for good: a thing never changes its workspace.
///
/// Customers are not remembered, since theirs can change, nor is anything that was not found. A
/// database that was restored may have forgotten things; connections break then, after which
/// nothing of this is trusted any more.
#[derive(Debug)]
pub(super) struct Known(Mutex<Remembered>);

#[derive(Debug)]
struct Remembered {
    /// Nothing of it was looked up before.
    since: Instant,
    homes: Recent<Home, WorkspaceId>,
}

impl Known {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Remembered { since: Instant::now(), homes: Recent::new(REMEMBERED) }))
    }

    /// For each of `homes` its workspace, where that is known.
    pub(super) fn find(&self, homes: &[&Home], trust: &Trust) -> Vec<Option<WorkspaceId>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !trust.holds_since(known.since) {
            known.since = Instant::now();
            known.homes.clear();
        }
        let find = |home: &&Home| match home {
            Home::Workspace(id) => Some(id.clone()),
            Home::Account(_)
            | Home::App(_)
            | Home::Seat(_)
            | Home::Grant(_)
            | Home::Reward(_)
            | Home::Customer(_) => known.homes.touch(*home).cloned(),
        };
        homes.iter().map(find).collect()
    }

    /// Remembers what was looked up since `began`.
    pub(super) fn remember<'h>(
        &self, found: impl IntoIterator<Item = (&'h Home, WorkspaceId)>, began: Instant,
        trust: &Trust,
    ) {
        if !trust.holds_since(began) {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (home, workspace) in found {
            if !matches!(home, Home::Customer(_) | Home::Workspace(_)) {
                known.homes.put(home.clone(), workspace);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use creditd_rules::id::AccountId;

    fn account(number: usize) -> Home {
        Home::Account(AccountId::from(format!("a{number}")))
    }

    #[test]
    fn a_workspace_is_known_by_itself_and_a_customer_never() {
        let (known, trust) = (Known::new(), Trust::new());
        let (workspace, customer) = (Home::Workspace("w".into()), Home::Customer("cus".into()));
        let began = Instant::now();
        known.remember([(&customer, "w".into()), (&account(1), "v".into())], began, &trust);
        let found = known.find(&[&workspace, &customer, &account(1), &account(2)], &trust);
        assert_eq!(found, [Some("w".into()), None, Some("v".into()), None]);
    }

    #[test]
    fn what_is_used_stays_and_the_rest_is_forgotten() {
        let (known, trust) = (Known::new(), Trust::new());
        let used = account(0);
        for number in 0..4 * REMEMBERED {
            known.remember([(&account(number), "w".into())], Instant::now(), &trust);
            assert_eq!(known.find(&[&used], &trust), [Some("w".into())]);
        }
        let remembered = known.0.lock().unwrap();
        assert!(remembered.homes.len() <= 2 * REMEMBERED);
        assert_eq!(remembered.homes.get(&account(1)), None);
    }

    #[test]
    fn after_a_connection_broke_nothing_is_trusted_that_was_known_before() {
        let (known, trust) = (Known::new(), Trust::new());
        let before = Instant::now();
        known.remember([(&account(1), "w".into())], before, &trust);
        trust.lose();
        assert_eq!(known.find(&[&account(1)], &trust), [None]);
        known.remember([(&account(1), "w".into())], before, &trust);
        assert_eq!(known.find(&[&account(1)], &trust), [None], "asked before it broke");
    }
}
