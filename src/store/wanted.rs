//! What a batch needs, gathered from its jobs: the ids to look up, each once.

use super::Home;
use creditd_rules::command::Touch;

/// The ids that jobs name, sorted, each once.
#[derive(Debug, Default)]
pub(super) struct Wanted<'a> {
    /// Homes and touched accounts.
    pub(super) accounts: Vec<&'a str>,
    /// Homes and touched apps.
    pub(super) apps: Vec<&'a str>,
    /// Homes and touched seats.
    pub(super) seats: Vec<&'a str>,
    /// Homes and touched grants.
    pub(super) grants: Vec<&'a str>,
    /// Homes and touched claims.
    pub(super) rewards: Vec<&'a str>,
    /// Homes.
    pub(super) customers: Vec<&'a str>,
    /// Homes that are workspaces.
    pub(super) workspaces: Vec<&'a str>,
    /// Accounts of which all claims that are not rejected are needed.
    pub(super) claims: Vec<&'a str>,
}

impl<'a> Wanted<'a> {
    /// All that these homes and touches name.
    pub(super) fn of(jobs: impl IntoIterator<Item = (&'a Home, &'a Touch)>) -> Self {
        let mut wanted = Self::default();
        for (home, touch) in jobs {
            wanted.add_home(home);
            wanted.add_touch(touch);
        }
        let Self { accounts, apps, seats, grants, rewards, customers, workspaces, claims } =
            &mut wanted;
        for ids in [accounts, apps, seats, grants, rewards, customers, workspaces, claims] {
            ids.sort_unstable();
            ids.dedup();
        }
        wanted
    }

    fn add_home(&mut self, home: &'a Home) {
        match home {
            Home::Workspace(id) => self.workspaces.push(id.as_str()),
            Home::Account(id) => self.accounts.push(id.as_str()),
            Home::App(id) => self.apps.push(id.as_str()),
            Home::Seat(id) => self.seats.push(id.as_str()),
            Home::Grant(id) => self.grants.push(id.as_str()),
            Home::Reward(id) => self.rewards.push(id.as_str()),
            Home::Customer(id) => self.customers.push(id.as_str()),
        }
    }

    fn add_touch(&mut self, touch: &'a Touch) {
        let Touch { accounts, apps, seats, grants, rewards, claims, team: _ } = touch;
        self.accounts.extend(accounts.iter().map(|id| id.as_str()));
        self.apps.extend(apps.iter().map(|id| id.as_str()));
        self.seats.extend(seats.iter().map(|id| id.as_str()));
        self.grants.extend(grants.iter().map(|id| id.as_str()));
        self.rewards.extend(rewards.iter().map(|id| id.as_str()));
        if *claims {
            self.claims.extend(accounts.iter().map(|id| id.as_str()));
        }
    }
}
