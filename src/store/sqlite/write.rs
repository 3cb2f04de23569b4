//! Writes what a batch changed: only what differs, all rows of a table in one statement.

use super::answers;
use super::entries;
use super::mails;
use super::people::{AccountRow, AllowanceRow, AppRow, FreeRow, GrantRow, RewardRow, WorkspaceRow};
use super::plans::{SeatRow, SubscriptionRow};
use super::row::{row, stored_count, update_sql, upsert_sql};
use crate::store::{Change, StoreError, StoreResult};
use chrono::{DateTime, Utc};
use creditd_rules::state::{Account, Grant, Seat};
use creditd_rules::{Instant, Kind, Workspace};
use serde::Serialize;
use sqlx::SqliteConnection;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// New workspaces.
const MAKE_WORKSPACE: &str = "
    INSERT INTO workspace (id, owner, decided_at_us, version, next_seq)
    SELECT value->>0, value->>1, value->>2, value->>3, value->>4 FROM json_each(?1)";

/// Workspaces that exist, each guarded by the version that it was loaded with.
const CHANGE_WORKSPACE: &str = "
    UPDATE workspace
    SET owner = value->>'$[0][1]', decided_at_us = value->>'$[0][2]',
        version = value->>'$[0][3]', next_seq = value->>'$[0][4]'
    FROM json_each(?1)
    WHERE workspace.id = value->>'$[0][0]' AND workspace.version = value->>'$[1]'";

/// Seats that change hands are vacated first: two people may swap theirs in one batch.
const VACATE_SEAT: &str =
    "UPDATE seat SET holder = NULL WHERE id IN (SELECT value FROM json_each(?1))";

static PUT_ACCOUNT: LazyLock<String> = LazyLock::new(|| upsert_sql::<AccountRow>("account"));
static PUT_APP: LazyLock<String> = LazyLock::new(|| upsert_sql::<AppRow>("app"));
static PUT_SUBSCRIPTION: LazyLock<String> =
    LazyLock::new(|| upsert_sql::<SubscriptionRow>("subscription"));
static PUT_SEAT: LazyLock<String> = LazyLock::new(|| upsert_sql::<SeatRow>("seat"));
static PUT_GRANT: LazyLock<String> = LazyLock::new(|| upsert_sql::<GrantRow>("credit_grant"));
static PUT_REWARD: LazyLock<String> = LazyLock::new(|| upsert_sql::<RewardRow>("reward"));

static SPEND_FREE_MESSAGE: LazyLock<String> =
    LazyLock::new(|| update_sql::<FreeRow>("account", "message_"));
static SPEND_FREE_INTEGRATION: LazyLock<String> =
    LazyLock::new(|| update_sql::<FreeRow>("account", "integration_"));
static SPEND_SEAT_MESSAGE: LazyLock<String> =
    LazyLock::new(|| update_sql::<AllowanceRow>("seat", "message_"));
static SPEND_SEAT_INTEGRATION: LazyLock<String> =
    LazyLock::new(|| update_sql::<AllowanceRow>("seat", "integration_"));
static SPEND_GRANT: LazyLock<String> =
    LazyLock::new(|| update_sql::<GrantRest>("credit_grant", ""));

row! {
    /// What of a grant a debit changes.
    pub(super) struct GrantRest {
        balance_uc: i64,
        ended: u8,
    }
}

/// The rows to write, by statement.
#[derive(Default)]
struct Rows<'a> {
    made: Vec<WorkspaceRow<'a>>,
    changed: Vec<(WorkspaceRow<'a>, i64)>,
    accounts: Vec<AccountRow<'a>>,
    free_message: Vec<(&'a str, FreeRow<'a>)>,
    free_integration: Vec<(&'a str, FreeRow<'a>)>,
    apps: Vec<AppRow<'a>>,
    subscriptions: Vec<SubscriptionRow<'a>>,
    vacated: Vec<&'a str>,
    seats: Vec<SeatRow<'a>>,
    seat_message: Vec<(&'a str, AllowanceRow)>,
    seat_integration: Vec<(&'a str, AllowanceRow)>,
    grants: Vec<GrantRow<'a>>,
    spent_grants: Vec<(&'a str, GrantRest)>,
    rewards: Vec<RewardRow<'a>>,
}

/// Writes `changes` that were decided at `now`. The connection must be in a transaction.
pub(super) async fn changes(
    db: &mut SqliteConnection, changes: &[Change], now: Instant, wall: DateTime<Utc>,
) -> StoreResult<()> {
    let mut rows = Rows::default();
    for Change { before, after, .. } in changes {
        rows.add(before, after)?;
    }
    rows.write(db).await?;
    entries::append(db, changes, now).await?;
    answers::keep(db, changes, wall).await?;
    mails::promise(db, changes, now, wall).await
}

impl<'a> Rows<'a> {
    fn add(&mut self, before: &'a Workspace, after: &'a Workspace) -> StoreResult<()> {
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
            version => self.changed.push((row, stored_count(version))),
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

    fn add_account(
        &mut self, workspace: &'a Workspace, old: Option<&'a Account>, account: &'a Account,
    ) {
        let spent_only = old.filter(|old| {
            let run_out = account.run_out.clone();
            Account { free: account.free, run_out, ..(*old).clone() } == *account
        });
        let Some(old) = spent_only else {
            self.accounts.push(AccountRow::of(workspace, account));
            return;
        };
        for kind in Kind::ALL {
            if old.free[kind] == account.free[kind] && old.run_out[kind] == account.run_out[kind] {
                continue;
            }
            let row = (account.id.as_str(), FreeRow::of(account, kind));
            match kind {
                Kind::Message => self.free_message.push(row),
                Kind::Integration => self.free_integration.push(row),
            }
        }
    }

    fn add_seat(&mut self, workspace: &'a Workspace, old: Option<&'a Seat>, seat: &'a Seat) {
        if old.is_some_and(|old| old.holder.is_some() && old.holder != seat.holder) {
            self.vacated.push(seat.id.as_str());
        }
        let spent_only =
            old.filter(|old| Seat { allowances: seat.allowances, ..(*old).clone() } == *seat);
        let Some(old) = spent_only else {
            self.seats.push(SeatRow::of(workspace, seat));
            return;
        };
        for kind in Kind::ALL {
            if old.allowances[kind] == seat.allowances[kind] {
                continue;
            }
            let row = (seat.id.as_str(), AllowanceRow::of(&seat.allowances[kind]));
            match kind {
                Kind::Message => self.seat_message.push(row),
                Kind::Integration => self.seat_integration.push(row),
            }
        }
    }

    fn add_grant(&mut self, workspace: &'a Workspace, old: Option<&'a Grant>, grant: &'a Grant) {
        let spent_only = old.is_some_and(|old| {
            Grant { balance: grant.balance, ended: grant.ended, ..old.clone() } == *grant
        });
        if spent_only {
            let rest =
                GrantRest { balance_uc: grant.balance.micros(), ended: u8::from(grant.ended) };
            self.spent_grants.push((grant.id.as_str(), rest));
        } else {
            self.grants.push(GrantRow::of(workspace, grant));
        }
    }

    /// Writes them, what others refer to first.
    async fn write(&self, db: &mut SqliteConnection) -> StoreResult<()> {
        write(db, MAKE_WORKSPACE, &self.made, StoreError::Conflict).await?;
        write(db, CHANGE_WORKSPACE, &self.changed, StoreError::Conflict).await?;
        put(db, &PUT_ACCOUNT, "an account", &self.accounts).await?;
        put(db, &SPEND_FREE_MESSAGE, "an account", &self.free_message).await?;
        put(db, &SPEND_FREE_INTEGRATION, "an account", &self.free_integration).await?;
        put(db, &PUT_APP, "an app", &self.apps).await?;
        put(db, &PUT_SUBSCRIPTION, "a subscription", &self.subscriptions).await?;
        put(db, VACATE_SEAT, "a seat", &self.vacated).await?;
        put(db, &PUT_SEAT, "a seat", &self.seats).await?;
        put(db, &SPEND_SEAT_MESSAGE, "a seat", &self.seat_message).await?;
        put(db, &SPEND_SEAT_INTEGRATION, "a seat", &self.seat_integration).await?;
        put(db, &PUT_GRANT, "a grant", &self.grants).await?;
        put(db, &SPEND_GRANT, "a grant", &self.spent_grants).await?;
        put(db, &PUT_REWARD, "a claim", &self.rewards).await
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

/// Writes rows of things that stay in their workspace.
async fn put<T: Serialize>(
    db: &mut SqliteConnection, sql: &'static str, what: &str, rows: &[T],
) -> StoreResult<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let elsewhere = StoreError::Refused(format!("{what} belongs to another workspace"));
    write(db, sql, rows, elsewhere).await
}

/// Runs a statement over rows; `short` where it did not change as many.
async fn write<T: Serialize>(
    db: &mut SqliteConnection, sql: &'static str, rows: &[T], short: StoreError,
) -> StoreResult<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let done = sqlx::query(sql).bind(to_json(rows)?).execute(db).await?;
    if done.rows_affected() == rows.len() as u64 { Ok(()) } else { Err(short) }
}

/// Rows as one JSON array.
pub(super) fn to_json<T: Serialize + ?Sized>(rows: &T) -> StoreResult<String> {
    serde_json::to_string(rows).map_err(|error| StoreError::Refused(error.to_string()))
}
