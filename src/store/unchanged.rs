//! What a batch that was decided on a guess rests on without changing it.

use super::{Change, Job};
use creditd_rules::id::WorkspaceId;
use std::collections::BTreeSet;

/// What must be so for the outcomes of a batch to stand, beside what its changes prove themselves:
/// a changed workspace is guarded by its version, and no key is kept twice.
#[derive(Debug, Default)]
pub(super) struct Unchanged<'a> {
    /// Workspaces that were read only, and their versions.
    pub(super) versions: Vec<(&'a WorkspaceId, u64)>,
    /// Workspaces, and keys under which no answer may be kept in them.
    pub(super) keys: BTreeSet<(&'a str, &'a str)>,
}

impl<'a> Unchanged<'a> {
    /// What `jobs` rest on that were decided on workspaces of these `versions` and made `changes`.
    pub(super) fn of(
        versions: &'a [(WorkspaceId, u64)], jobs: &'a [Job], homes: &'a [Option<WorkspaceId>],
        changes: &'a [Change],
    ) -> Self {
        let changing: BTreeSet<_> = changes.iter().map(|change| &change.before.id).collect();
        let kept: BTreeSet<(&str, &str)> = changes
            .iter()
            .flat_map(|change| {
                change.answers.iter().map(|(key, _)| (change.after.id.as_str(), key.as_str()))
            })
            .collect();
        let asked = jobs.iter().zip(homes);
        let asked =
            asked.filter_map(|(job, home)| Some((home.as_ref()?.as_str(), job.key.as_deref()?)));
        let read_only = versions.iter().filter(|(id, _)| !changing.contains(id));
        Self {
            versions: read_only.map(|(id, version)| (id, *version)).collect(),
            keys: asked.filter(|key| !kept.contains(key)).collect(),
        }
    }
}
