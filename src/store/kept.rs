//! Workspaces as the last batches left them, so that the next need not load them.
//!
//! Others write to the same database: commands beside the daemon, and other daemons. So what is kept
//! is only a guess: a batch that was decided on it proves, in the transaction that writes it, that
//! each workspace still has the version that it was kept with. Every change of an account, seat,
//! grant or app that was created grows its workspace's version. Where one differs, nothing is
//! written, and the batch is loaded and decided anew.

use super::recent::Recent;
use super::{Change, Home, Job, StoreError, StoreResult};
use creditd_rules::command::Touch;
use creditd_rules::id::{AccountId, AppId, WorkspaceId};
use creditd_rules::state::{Account, App, Grant, Seat};
use creditd_rules::{Instant, Workspace};
use std::collections::BTreeMap;
use tracing::debug;

/// So many workspaces are kept at least, once as many were used, and twice as many at most: about
/// 2 KB each.
const KEPT: usize = 16_384;

/// The same of the accounts and apps that lead to them.
const HOMES: usize = 2 * KEPT;

/// The most things of a workspace that is kept.
const THINGS_MAX: usize = 32;

/// After a guess that was wrong, so many batches are loaded, and twice as many after each one that was
/// wrong again, up to [`CAUTION_MAX`]: where many keys come again, or many changes come from beside,
/// guessing costs more than it saves.
const CAUTION: u32 = 8;
/// See [`CAUTION`].
const CAUTION_MAX: u32 = 256;

/// What is kept. What was not used lately is forgotten.
#[derive(Debug)]
pub(super) struct Kept {
    workspaces: Recent<WorkspaceId, Held>,
    /// Where the accounts and apps of those workspaces are, and of some that are not here any more.
    homes: Recent<Home, WorkspaceId>,
    /// Batches that are still to be loaded.
    caution: u32,
    /// As many as after the next guess that is wrong.
    next_caution: u32,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            workspaces: Recent::new(KEPT),
            homes: Recent::new(HOMES),
            caution: 0,
            next_caution: CAUTION,
        }
    }
}

/// A small workspace without the room that a map's nodes leave empty, which is most of them.
#[derive(Debug)]
struct Held {
    owner: Option<AccountId>,
    decided_at: Instant,
    version: u64,
    next_seq: u64,
    accounts: Box<[Account]>,
    apps: Box<[App]>,
    seats: Box<[Seat]>,
    grants: Box<[Grant]>,
}

/// The workspaces of jobs, as they are kept.
pub(super) type Guess = (Vec<Option<WorkspaceId>>, BTreeMap<WorkspaceId, Workspace>);

impl Kept {
    /// All that `jobs` touch; none where any of it is not kept.
    pub(super) fn guess(&mut self, jobs: &[Job]) -> Option<Guess> {
        if self.caution > 0 {
            self.caution -= 1;
            return None;
        }
        let homes = jobs.iter().map(|job| Some(Some(self.home(job)?)));
        let homes: Vec<_> = homes.collect::<Option<_>>()?;
        let mut workspaces = BTreeMap::new();
        for id in homes.iter().flatten() {
            if !workspaces.contains_key(id) {
                workspaces.insert(id.clone(), self.workspaces.get(id)?.whole(id));
            }
        }
        Some((homes, workspaces))
    }

    /// Where a job's home is, if all that it touches is kept.
    fn home(&self, job: &Job) -> Option<WorkspaceId> {
        let Job { home, touch, key: _ } = job;
        let found = self.homes.get(home)?;
        self.workspaces.get(found).filter(|held| held.has(home, touch)).map(|_| found.clone())
    }

    /// Whether a workspace is small enough to be kept.
    fn takes(workspace: &Workspace) -> bool {
        let Workspace { accounts, apps, seats, grants, subscriptions, rewards, .. } = workspace;
        let things = accounts.len() + apps.len() + seats.len() + grants.len();
        things <= THINGS_MAX && subscriptions.is_empty() && rewards.is_empty()
    }

    /// Keeps what was loaded, each workspace from one snapshot or under its lock.
    pub(super) fn keep_loaded(&mut self, workspaces: &BTreeMap<WorkspaceId, Workspace>) {
        let exist = workspaces.values().filter(|workspace| workspace.version > 0);
        for workspace in exist.filter(|workspace| Self::takes(workspace)) {
            self.put(workspace.clone(), workspace.version);
        }
    }

    /// Keeps what was written, and forgets what may have been.
    pub(super) fn keep_written(&mut self, written: bool, changes: Vec<Change>) {
        for Change { before, after, .. } in changes {
            if written {
                self.put(after, before.version);
            } else {
                self.forget([&after.id]);
            }
        }
    }

    /// Keeps a workspace as it is stored now. What is kept of it and not in here has not
    /// changed if it was kept with the version that this one was `loaded` with.
    fn put(&mut self, mut workspace: Workspace, loaded: u64) {
        let old = self.workspaces.remove(&workspace.id).filter(|old| old.version == loaded);
        if let Some(old) = old {
            join(&mut workspace.accounts, old.accounts, |account| account.id.clone());
            join(&mut workspace.apps, old.apps, |app| app.id.clone());
            join(&mut workspace.seats, old.seats, |seat| seat.id.clone());
            join(&mut workspace.grants, old.grants, |grant| grant.id.clone());
        }
        if !Self::takes(&workspace) {
            return;
        }
        let Workspace {
            id,
            owner,
            decided_at,
            version,
            next_seq,
            accounts,
            apps,
            seats,
            grants,
            ..
        } = workspace;
        let homes = accounts.keys().cloned().map(Home::Account);
        for home in homes.chain(apps.keys().cloned().map(Home::App)) {
            // What is known needs no place of its own again.
            if self.homes.touch(&home).is_none() {
                self.homes.put(home, id.clone());
            }
        }
        let held = Held {
            owner,
            decided_at,
            version,
            next_seq,
            accounts: accounts.into_values().collect(),
            apps: apps.into_values().collect(),
            seats: seats.into_values().collect(),
            grants: grants.into_values().collect(),
        };
        self.workspaces.put(id, held);
    }

    /// Forgets workspaces, which may have changed.
    fn forget<'w>(&mut self, ids: impl IntoIterator<Item = &'w WorkspaceId>) {
        for id in ids {
            self.workspaces.remove(id);
        }
    }

    /// Takes note of what became of a batch that was guessed on workspaces of these `versions`.
    /// Whether it stands; if not, nothing was written.
    ///
    /// # Errors
    /// What says nothing of the guess.
    pub(super) fn settle(
        &mut self, written: StoreResult<()>, versions: &[(WorkspaceId, u64)], changes: Vec<Change>,
    ) -> StoreResult<bool> {
        self.keep_written(written.is_ok(), changes);
        match written {
            Ok(()) => {
                self.was_right();
                Ok(true)
            }
            Err(StoreError::Conflict | StoreError::Refused(_)) => {
                debug!("what was kept is not what is stored, or a key is known already");
                self.forget(versions.iter().map(|(id, _)| id));
                self.was_wrong();
                Ok(false)
            }
            Err(cause) => Err(cause),
        }
    }

    /// Notes that a guess was wrong.
    fn was_wrong(&mut self) {
        self.caution = self.next_caution;
        self.next_caution = CAUTION_MAX.min(self.next_caution.saturating_mul(2));
    }

    /// Notes that a guess was right.
    fn was_right(&mut self) {
        self.next_caution = CAUTION;
    }
}

#[cfg(test)]
impl Kept {
    /// Forgets that a guess was wrong.
    pub(super) fn calm(&mut self) {
        self.caution = 0;
    }
}

/// Adds what is not there yet.
fn join<K: Ord, T>(to: &mut BTreeMap<K, T>, from: Box<[T]>, id: impl Fn(&T) -> K) {
    for thing in from {
        to.entry(id(&thing)).or_insert(thing);
    }
}

impl Held {
    /// It, as it was put.
    fn whole(&self, id: &WorkspaceId) -> Workspace {
        let Self { owner, decided_at, version, next_seq, accounts, apps, seats, grants } = self;
        Workspace {
            owner: owner.clone(),
            decided_at: *decided_at,
            version: *version,
            next_seq: *next_seq,
            accounts: accounts
                .iter()
                .map(|account| (account.id.clone(), account.clone()))
                .collect(),
            apps: apps.iter().map(|app| (app.id.clone(), app.clone())).collect(),
            seats: seats.iter().map(|seat| (seat.id.clone(), seat.clone())).collect(),
            grants: grants.iter().map(|grant| (grant.id.clone(), grant.clone())).collect(),
            ..Workspace::new(id.clone())
        }
    }

    /// Whether it holds all that is touched. An account that is in it is complete; of an app, its
    /// owner must be in it too.
    fn has(&self, home: &Home, touch: &Touch) -> bool {
        let Touch { accounts, apps, seats, grants, rewards, claims, team } = touch;
        let no_more =
            seats.is_empty() && grants.is_empty() && rewards.is_empty() && !claims && !team;
        let account = |id: &AccountId| self.accounts.iter().any(|account| account.id == *id);
        let app = |id: &AppId| self.apps.iter().any(|app| app.id == *id && account(&app.owner));
        let at_home = match home {
            Home::Account(id) => account(id),
            Home::App(id) => app(id),
            Home::Workspace(_)
            | Home::Seat(_)
            | Home::Grant(_)
            | Home::Reward(_)
            | Home::Customer(_) => false,
        };
        no_more && at_home && accounts.iter().all(account) && apps.iter().all(app)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(id: &str, version: u64, people: &[&str]) -> Workspace {
        let account = |id: &&str| (**id).into();
        let accounts =
            people.iter().map(|id| (account(id), Account::new(account(id), Instant::UNIX_EPOCH)));
        let accounts = accounts.collect();
        Workspace { version, accounts, ..Workspace::new(id.into()) }
    }

    fn of_account(id: &str) -> Job {
        let touch = Touch { accounts: vec![id.into()], ..Touch::default() };
        Job { home: Home::Account(id.into()), touch, key: None }
    }

    fn of_app(id: &str) -> Job {
        let touch = Touch { apps: vec![id.into()], ..Touch::default() };
        Job { home: Home::App(id.into()), touch, key: None }
    }

    fn versions(kept: &mut Kept, jobs: &[Job]) -> Option<Vec<u64>> {
        let (_, workspaces) = kept.guess(jobs)?;
        Some(workspaces.values().map(|workspace| workspace.version).collect())
    }

    #[test]
    fn jobs_are_guessed_if_all_that_they_touch_is_kept() {
        let mut kept = Kept::default();
        kept.put(workspace("v", 3, &["a"]), 2);
        let mut with_apps = workspace("w", 7, &["b"]);
        for (app, owner) in [("mine", "b"), ("theirs", "c")] {
            with_apps.apps.insert(app.into(), App { id: app.into(), owner: owner.into() });
        }
        kept.put(with_apps, 7);
        assert_eq!(versions(&mut kept, &[of_account("a"), of_app("mine")]), Some(vec![3, 7]));
        assert_eq!(versions(&mut kept, &[of_account("a"), of_account("c")]), None);
        assert_eq!(versions(&mut kept, &[of_app("theirs")]), None, "its owner is not here");
        let mut with_team = of_account("a");
        with_team.touch.team = true;
        assert_eq!(versions(&mut kept, &[with_team]), None);
        kept.forget([&"v".into()]);
        assert_eq!(versions(&mut kept, &[of_account("a")]), None);
    }

    #[test]
    fn people_of_one_workspace_are_kept_together_while_nothing_came_between() {
        let mut kept = Kept::default();
        kept.put(workspace("w", 3, &["a"]), 2);
        kept.put(workspace("w", 4, &["b"]), 3);
        assert_eq!(versions(&mut kept, &[of_account("a"), of_account("b")]), Some(vec![4]));
        kept.put(workspace("w", 9, &["b"]), 8);
        assert_eq!(versions(&mut kept, &[of_account("a")]), None, "what is kept of a may be old");
    }

    #[test]
    fn large_workspaces_are_not_kept_and_of_all_others_those_used_lately() {
        let mut kept = Kept::default();
        let people: Vec<String> = (0..=THINGS_MAX).map(|number| format!("p{number}")).collect();
        let people: Vec<&str> = people.iter().map(String::as_str).collect();
        kept.put(workspace("large", 1, &people), 0);
        assert_eq!(versions(&mut kept, &[of_account("p0")]), None);
        for number in 0..4 * KEPT {
            let (id, person) = (format!("w{number}"), format!("a{number}"));
            kept.put(workspace(&id, 1, &[&person]), 0);
        }
        assert!(kept.workspaces.len() <= 2 * KEPT);
        assert!(versions(&mut kept, &[of_account(&format!("a{}", 4 * KEPT - 1))]).is_some());
        assert_eq!(versions(&mut kept, &[of_account("a0")]), None);
    }

    #[test]
    fn after_a_wrong_guess_some_batches_are_loaded() {
        let mut kept = Kept::default();
        kept.put(workspace("w", 1, &["a"]), 0);
        kept.was_wrong();
        for _ in 0..CAUTION {
            assert_eq!(versions(&mut kept, &[of_account("a")]), None);
        }
        assert_eq!(versions(&mut kept, &[of_account("a")]), Some(vec![1]));
        for (right, loaded) in [(false, 2 * CAUTION), (false, 4 * CAUTION), (true, CAUTION)] {
            if right {
                kept.was_right();
            }
            kept.was_wrong();
            assert_eq!(kept.caution, loaded);
            kept.calm();
        }
    }
}
