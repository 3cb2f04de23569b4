//! Workspaces of things that were looked up before.

use super::trust::Trust;
use crate::store::Home;
use creditd_rules::id::WorkspaceId;
use std::collections::HashMap;
use std::mem;
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
pub(super) struct Known(Mutex<Generations>);

/// What was used lately, and before that. What is not used in either is forgotten.
#[derive(Debug)]
struct Generations {
    since: Instant,
    recent: HashMap<Home, WorkspaceId>,
    older: HashMap<Home, WorkspaceId>,
}

impl Known {
    pub(super) fn new() -> Self {
        let (recent, older) = (HashMap::new(), HashMap::new());
        Self(Mutex::new(Generations { since: Instant::now(), recent, older }))
    }

    /// For each of `homes` its workspace, where that is known.
    pub(super) fn find(&self, homes: &[&Home], trust: &Trust) -> Vec<Option<WorkspaceId>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !trust.holds_since(known.since) {
            *known = Generations {
                since: Instant::now(),
                recent: HashMap::new(),
                older: HashMap::new(),
            };
        }
        homes.iter().map(|home| known.find(home)).collect()
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
                known.put(home.clone(), workspace);
            }
        }
    }
}

impl Generations {
    fn find(&mut self, home: &Home) -> Option<WorkspaceId> {
        if let Home::Workspace(id) = home {
            return Some(id.clone());
        }
        if let Some(workspace) = self.recent.get(home) {
            return Some(workspace.clone());
        }
        let (home, workspace) = self.older.remove_entry(home)?;
        self.put(home, workspace.clone());
        Some(workspace)
    }

    fn put(&mut self, home: Home, workspace: WorkspaceId) {
        if self.recent.len() >= REMEMBERED {
            self.older = mem::take(&mut self.recent);
        }
        self.recent.insert(home, workspace);
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
        let generations = known.0.lock().unwrap();
        assert!(generations.recent.len() + generations.older.len() <= 2 * REMEMBERED);
        assert!(!generations.recent.contains_key(&account(1)));
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
