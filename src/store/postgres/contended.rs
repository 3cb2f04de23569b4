//! Which workspaces are fought for just now.

use creditd_rules::id::WorkspaceId;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// So many are remembered at most; beyond that the oldest knowledge is of little use.
const REMEMBERED_MAX: usize = 4_096;

/// Workspaces that a batch lost a race for. Whoever touches one next locks it before reading it.
///
/// It is advice only: to forget one costs a lost race, to remember one too many a round trip.
#[derive(Debug, Default)]
pub(super) struct Contended(Mutex<BTreeSet<WorkspaceId>>);

impl Contended {
    /// Whether any of these is fought for.
    pub(super) fn any<'w>(&self, workspaces: impl IntoIterator<Item = &'w WorkspaceId>) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !known.is_empty() && workspaces.into_iter().any(|id| known.contains(id))
    }

    /// Remembers workspaces of a batch that lost a race.
    pub(super) fn add<'w>(&self, workspaces: impl IntoIterator<Item = &'w WorkspaceId>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > REMEMBERED_MAX {
            known.clear();
        }
        known.extend(workspaces.into_iter().cloned());
    }

    /// Forgets workspaces of a batch that was committed.
    pub(super) fn remove<'w>(&self, workspaces: impl IntoIterator<Item = &'w WorkspaceId>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for id in workspaces {
            known.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_fought_for_is_remembered_until_it_is_committed() {
        let (a, b) = (WorkspaceId::from("a"), WorkspaceId::from("b"));
        let contended = Contended::default();
        assert!(!contended.any([&a, &b]));
        contended.add([&a]);
        assert!(contended.any([&a, &b]) && !contended.any([&b]));
        contended.remove([&a]);
        assert!(!contended.any([&a]));
    }
}
