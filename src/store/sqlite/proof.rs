//! The proof that what a batch was decided on is what the file holds.

use super::statement::{Frame, Part, Statement, together};
use crate::store::row::{Text, row, stored_count};
use crate::store::unchanged::Unchanged;
use crate::store::{Change, Job, StoreResult};
use creditd_rules::id::WorkspaceId;
use sqlx::SqliteConnection;
use std::sync::LazyLock;

row! {
    /// A workspace and the version that it must have.
    pub(super) struct Version<'a> { id: Text<'a>, version: i64, }
}

row! {
    /// A key under which no answer may be kept.
    pub(super) struct NewKey<'a> { key: Text<'a>, workspace: Text<'a>, }
}

/// Fails where a workspace has another version: the least of all numbers has no absolute value.
static SAME_VERSIONS: LazyLock<Statement> = LazyLock::new(|| {
    Statement::of::<Version<'_>>(
        "SELECT abs(-9223372036854775807 - (count(*) > count(workspace.id))) FROM (VALUES ",
        ") AS given LEFT JOIN workspace
         ON workspace.id = given.column1 AND workspace.version = given.column2",
    )
});

/// Fails where an answer is kept under a key.
static NEW_KEYS: LazyLock<Statement> = LazyLock::new(|| {
    Statement::of::<NewKey<'_>>(
        "SELECT abs(-9223372036854775807 - (count(*) > 0)) FROM (VALUES ",
        ") AS given CROSS JOIN answer
         ON answer.key = given.column1 AND answer.workspace = given.column2",
    )
});

fn version(id: &WorkspaceId, version: u64) -> Version<'_> {
    Version { id: id.as_str().into(), version: stored_count(version) }
}

/// What must be so for a batch's outcomes to stand.
#[derive(Debug, Default)]
pub(super) struct Proof<'a> {
    versions: Vec<Version<'a>>,
    keys: Vec<NewKey<'a>>,
}

impl<'a> Proof<'a> {
    /// That the workspaces of `changes` have the versions that they were loaded with. Answers that
    /// are kept under keys were loaded with them.
    pub(super) fn of_loaded(changes: &'a [Change]) -> Self {
        let loaded =
            changes.iter().map(|change| &change.before).filter(|before| before.version > 0);
        let versions = loaded.map(|before| version(&before.id, before.version));
        Self { versions: versions.collect(), keys: Vec::new() }
    }

    /// That workspaces have these versions, and that no answer is kept under the keys of `jobs`.
    /// Those under which `changes` keep answers need no proof: no key is kept twice.
    pub(super) fn of(
        versions: &'a [(WorkspaceId, u64)], jobs: &'a [Job], homes: &'a [Option<WorkspaceId>],
        changes: &'a [Change],
    ) -> Self {
        let Unchanged { versions, keys } = Unchanged::of(versions, jobs, homes, changes);
        let new_key = |(workspace, key): (&'a str, &'a str)| NewKey {
            key: key.into(),
            workspace: workspace.into(),
        };
        // Those of changes first, and in their order: a workspace is proved in the execution that
        // changes it, or before.
        let changed = changes.iter().map(|change| (&change.before.id, change.before.version));
        let all = changed.chain(versions);
        Self {
            versions: all.map(|(id, known)| version(id, known)).collect(),
            keys: keys.into_iter().map(new_key).collect(),
        }
    }

    /// The statements, which write nothing.
    pub(super) fn parts(&self) -> [Part<'_>; 2] {
        [
            Part { statement: &SAME_VERSIONS, rows: &self.versions },
            Part { statement: &NEW_KEYS, rows: &self.keys },
        ]
    }

    /// Runs them by themselves.
    ///
    /// # Errors
    /// What does not hold is a conflict.
    pub(super) async fn run(&self, db: &mut SqliteConnection, begin: bool) -> StoreResult<()> {
        together(db, self.parts(), Frame { begin, commit: false }).await?;
        Ok(())
    }
}
