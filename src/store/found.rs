//! Rows that were found of any workspaces, put into their workspaces, for every engine.

use super::row::Text;
use super::row::people::{AccountRow, AppRow, GrantRow, RewardRow, WorkspaceRow};
use super::row::plans::{SeatRow, SubscriptionRow};
use super::wanted::Wanted;
use super::{Home, Job, StoreResult};
use creditd_rules::id::WorkspaceId;
use creditd_rules::{Instant, Workspace};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Rows of any workspaces.
#[derive(Debug, Default)]
pub(super) struct FoundRows<'a> {
    pub(super) workspaces: Vec<WorkspaceRow<'a>>,
    pub(super) accounts: Vec<AccountRow<'a>>,
    pub(super) apps: Vec<AppRow<'a>>,
    pub(super) subscriptions: Vec<SubscriptionRow<'a>>,
    pub(super) seats: Vec<SeatRow<'a>>,
    pub(super) grants: Vec<GrantRow<'a>>,
    pub(super) rewards: Vec<RewardRow<'a>>,
    /// Which workspace a customer pays for.
    pub(super) customers: Vec<(Text<'a>, Text<'a>)>,
}

impl FoundRows<'_> {
    /// The accounts that are needed with what was found, and workspaces of things found.
    pub(super) fn people<'w>(&'w self, wanted: &Wanted<'w>) -> (Vec<&'w str>, Vec<&'w str>) {
        let Self { apps, seats, grants, rewards, customers, .. } = self;
        let mut people = wanted.accounts.clone();
        people.extend(apps.iter().filter_map(|row| row.owner.as_ref()).map(Text::as_str));
        people.extend(seats.iter().filter_map(|row| row.holder.as_ref()).map(Text::as_str));
        people.extend(grants.iter().map(|row| row.account.as_str()));
        people.extend(rewards.iter().map(|row| row.account.as_str()));
        let mut homes = wanted.workspaces.clone();
        homes.extend(apps.iter().map(|row| row.workspace.as_str()));
        homes.extend(seats.iter().map(|row| row.workspace.as_str()));
        homes.extend(grants.iter().map(|row| row.workspace.as_str()));
        homes.extend(rewards.iter().map(|row| row.workspace.as_str()));
        homes.extend(customers.iter().map(|(_, workspace)| workspace.as_str()));
        for ids in [&mut people, &mut homes] {
            ids.sort_unstable();
            ids.dedup();
        }
        (people, homes)
    }

    /// For each job, the workspace of its home.
    pub(super) fn homes(&self, jobs: &[Job]) -> Vec<Option<WorkspaceId>> {
        let accounts = directory(self.accounts.iter().map(|row| (&row.id, &row.workspace)));
        let apps = directory(self.apps.iter().map(|row| (&row.id, &row.workspace)));
        let seats = directory(self.seats.iter().map(|row| (&row.id, &row.workspace)));
        let grants = directory(self.grants.iter().map(|row| (&row.id, &row.workspace)));
        let rewards = directory(self.rewards.iter().map(|row| (&row.id, &row.workspace)));
        let customers = directory(self.customers.iter().map(|(id, workspace)| (id, workspace)));
        jobs.iter()
            .map(|job| {
                let found = match &job.home {
                    Home::Workspace(id) => return Some(id.clone()),
                    Home::Account(id) => accounts.get(id.as_str()),
                    Home::App(id) => apps.get(id.as_str()),
                    Home::Seat(id) => seats.get(id.as_str()),
                    Home::Grant(id) => grants.get(id.as_str()),
                    Home::Reward(id) => rewards.get(id.as_str()),
                    Home::Customer(id) => customers.get(id.as_str()),
                };
                found.map(|id| WorkspaceId::from(*id))
            })
            .collect()
    }

    /// Puts each row into its workspace; rows of other workspaces than these are left out.
    pub(super) fn place(
        self, workspaces: &mut BTreeMap<WorkspaceId, Workspace>,
    ) -> StoreResult<()> {
        let Self {
            workspaces: own,
            accounts,
            apps,
            subscriptions,
            seats,
            grants,
            rewards,
            customers: _,
        } = self;
        for row in own {
            if let Some(workspace) = workspaces.get_mut(row.id.as_str()) {
                row.fill(workspace)?;
            }
        }
        for row in accounts {
            let Some(workspace) = workspaces.get_mut(row.workspace.as_str()) else { continue };
            if let Some(account) = row.read()? {
                workspace.accounts.insert(account.id.clone(), account);
            }
        }
        for row in apps {
            let Some(workspace) = workspaces.get_mut(row.workspace.as_str()) else { continue };
            if let Some(app) = row.read() {
                workspace.apps.insert(app.id.clone(), app);
            }
        }
        for row in subscriptions {
            let Some(workspace) = workspaces.get_mut(row.workspace.as_str()) else { continue };
            let subscription = row.read()?;
            workspace.subscriptions.insert(subscription.id.clone(), subscription);
        }
        for row in seats {
            let Some(workspace) = workspaces.get_mut(row.workspace.as_str()) else { continue };
            let seat = row.read()?;
            workspace.seats.insert(seat.id.clone(), seat);
        }
        for row in grants {
            let Some(workspace) = workspaces.get_mut(row.workspace.as_str()) else { continue };
            let grant = row.read()?;
            workspace.grants.insert(grant.id.clone(), grant);
        }
        for row in rewards {
            let Some(workspace) = workspaces.get_mut(row.workspace.as_str()) else { continue };
            let reward = row.read()?;
            workspace.rewards.insert(reward.id.clone(), reward);
        }
        Ok(())
    }
}

fn directory<'a>(
    rows: impl Iterator<Item = (&'a Text<'a>, &'a Text<'a>)>,
) -> HashMap<&'a str, &'a str> {
    rows.map(|(id, workspace)| (id.as_str(), workspace.as_str())).collect()
}

/// The workspaces that are needed whole: those of jobs that say so, and those in which a seat
/// ends because the quantity fell, since its buyer may be given another.
pub(super) fn teams(
    jobs: &[Job], homes: &[Option<WorkspaceId>], workspaces: &BTreeMap<WorkspaceId, Workspace>,
    now: Instant,
) -> BTreeSet<WorkspaceId> {
    let asked = jobs
        .iter()
        .zip(homes)
        .filter(|(job, _)| job.touch.team)
        .filter_map(|(_, home)| home.as_ref());
    let falling = workspaces.values().filter(|workspace| {
        let now = now.max(workspace.decided_at);
        workspace.seats.values().any(|seat| seat.ends_at.is_some_and(|ends_at| ends_at <= now))
    });
    asked.chain(falling.map(|workspace| &workspace.id)).cloned().collect()
}
