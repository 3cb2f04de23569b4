//! What of a batch's workspaces is to be written: only what differs, as rows, for every engine.

use super::row::people::{
    AccountRow, AllowanceRow, AppRow, FreeRow, GrantRow, RewardRow, WorkspaceRow,
};
use super::row::plans::{SeatRow, SubscriptionRow};
use super::row::spent::{
    ChangedWorkspace, FreeIntegration, FreeMessage, GrantRest, SeatIntegration, SeatMessage,
};
use super::row::{Flag, stored_count};
use super::{StoreError, StoreResult};
use creditd_rules::state::{Account, Grant, Seat};
use creditd_rules::{Kind, Workspace};
use std::collections::BTreeMap;

/// The rows to write, by table and kind of change. No row is in two of them.
#[derive(Debug, Default)]
pub(super) struct ChangedRows<'a> {
    /// Workspaces that are new.
    pub(super) made: Vec<WorkspaceRow<'a>>,
    pub(super) changed: Vec<ChangedWorkspace<'a>>,
    pub(super) accounts: Vec<AccountRow<'a>>,
    pub(super) free_message: Vec<FreeMessage<'a>>,
    pub(super) free_integration: Vec<FreeIntegration<'a>>,
    pub(super) apps: Vec<AppRow<'a>>,
    pub(super) subscriptions: Vec<SubscriptionRow<'a>>,
    /// Seats that their holders give up, which are in `seats` too.
    pub(super) vacated: Vec<(&'a str, &'a str)>,
    pub(super) seats: Vec<SeatRow<'a>>,
    pub(super) seat_message: Vec<SeatMessage<'a>>,
    pub(super) seat_integration: Vec<SeatIntegration<'a>>,
    pub(super) grants: Vec<GrantRow<'a>>,
    pub(super) spent_grants: Vec<GrantRest<'a>>,
    pub(super) rewards: Vec<RewardRow<'a>>,
}

impl<'a> ChangedRows<'a> {
    /// Adds what differs between a workspace as it was loaded and as it is now.
    ///
    /// # Errors
    /// Nothing is ever removed from a workspace; a change that does so is refused.
    pub(super) fn add(&mut self, before: &'a Workspace, after: &'a Workspace) -> StoreResult<()> {
        let Workspace {
            id: _,
            owner: _,
            decided_at: _,
            version: _,
            next_seq: _,
            accounts,
            apps,
            subscriptions,
            seats,
            grants,
            rewards,
            settled_at: _,
        } = after;
        let row = WorkspaceRow::of(after);
        match before.version {
            0 => self.made.push(row),
            loaded => self.changed.push(ChangedWorkspace {
                id: row.id,
                owner: row.owner,
                decided_at_us: row.decided_at_us,
                version: row.version,
                next_seq: row.next_seq,
                loaded_version: stored_count(loaded),
            }),
        }
        for (old, account) in differing(&before.accounts, accounts)? {
            self.add_account(after, old, account);
        }
        for (_, app) in differing(&before.apps, apps)? {
            self.apps.push(AppRow::of(after, app));
        }
        for (_, subscription) in differing(&before.subscriptions, subscriptions)? {
            self.subscriptions.push(SubscriptionRow::of(after, subscription));
        }
        for (old, seat) in differing(&before.seats, seats)? {
            self.add_seat(after, old, seat);
        }
        for (old, grant) in differing(&before.grants, grants)? {
            self.add_grant(after, old, grant);
        }
        for (_, reward) in differing(&before.rewards, rewards)? {
            self.rewards.push(RewardRow::of(after, reward));
        }
        Ok(())
    }

    /// Whether debits alone can have made them: only of rows that exist, and only what is spent.
    pub(super) fn are_spent(&self) -> bool {
        let Self {
            made,
            accounts,
            apps,
            subscriptions,
            vacated,
            seats,
            grants,
            rewards,
            changed: _,
            free_message: _,
            free_integration: _,
            seat_message: _,
            seat_integration: _,
            spent_grants: _,
        } = self;
        made.is_empty()
            && accounts.is_empty()
            && apps.is_empty()
            && subscriptions.is_empty()
            && vacated.is_empty()
            && seats.is_empty()
            && grants.is_empty()
            && rewards.is_empty()
    }

    fn add_account(
        &mut self, workspace: &'a Workspace, old: Option<&'a Account>, account: &'a Account,
    ) {
        let spent_only = old.filter(|old| {
            let run_out = account.run_out.clone();
            Account { free: account.free, run_out, ..(*old).clone() } == *account
        });
        let differs = |old: &Account, kind| {
            old.free[kind] != account.free[kind] || old.run_out[kind] != account.run_out[kind]
        };
        let [message, integration] =
            Kind::ALL.map(|kind| spent_only.is_some_and(|old| differs(old, kind)));
        let (id, home) = (account.id.as_str().into(), workspace.id.as_str().into());
        match (message, integration) {
            (true, false) => {
                let message = FreeRow::of(account, Kind::Message);
                self.free_message.push(FreeMessage { id, workspace: home, message });
            }
            (false, true) => {
                let integration = FreeRow::of(account, Kind::Integration);
                self.free_integration.push(FreeIntegration { id, workspace: home, integration });
            }
            (true, true) | (false, false) => {
                self.accounts.push(AccountRow::of(workspace, account));
            }
        }
    }

    fn add_seat(&mut self, workspace: &'a Workspace, old: Option<&'a Seat>, seat: &'a Seat) {
        if old.is_some_and(|old| old.holder.is_some() && old.holder != seat.holder) {
            self.vacated.push((workspace.id.as_str(), seat.id.as_str()));
        }
        let spent_only =
            old.filter(|old| Seat { allowances: seat.allowances, ..(*old).clone() } == *seat);
        let [message, integration] = Kind::ALL.map(|kind| {
            spent_only.is_some_and(|old| old.allowances[kind] != seat.allowances[kind])
        });
        let (id, home) = (seat.id.as_str().into(), workspace.id.as_str().into());
        let allowance = |kind| AllowanceRow::of(&seat.allowances[kind]);
        match (message, integration) {
            (true, false) => {
                let message = allowance(Kind::Message);
                self.seat_message.push(SeatMessage { id, workspace: home, message });
            }
            (false, true) => {
                let integration = allowance(Kind::Integration);
                self.seat_integration.push(SeatIntegration { id, workspace: home, integration });
            }
            (true, true) | (false, false) => self.seats.push(SeatRow::of(workspace, seat)),
        }
    }

    fn add_grant(&mut self, workspace: &'a Workspace, old: Option<&'a Grant>, grant: &'a Grant) {
        let spent_only = old.is_some_and(|old| {
            Grant { balance: grant.balance, ended: grant.ended, ..old.clone() } == *grant
        });
        if spent_only {
            self.spent_grants.push(GrantRest {
                id: grant.id.as_str().into(),
                workspace: workspace.id.as_str().into(),
                balance_uc: grant.balance.micros(),
                ended: Flag(grant.ended),
            });
        } else {
            self.grants.push(GrantRow::of(workspace, grant));
        }
    }
}

/// What is new or differs, with what it was.
///
/// # Errors
/// Nothing is ever removed from a workspace; a change that does so is refused.
fn differing<'a, K: Ord + std::fmt::Debug, T: PartialEq>(
    before: &'a BTreeMap<K, T>, after: &'a BTreeMap<K, T>,
) -> StoreResult<Vec<(Option<&'a T>, &'a T)>> {
    if let Some(lost) = before.keys().find(|id| !after.contains_key(*id)) {
        return Err(StoreError::Refused(format!("{lost:?} was removed, which nothing can be")));
    }
    let pairs = after.iter().map(|(id, now)| (before.get(id), now));
    Ok(pairs.filter(|(old, now)| *old != Some(*now)).collect())
}
