//! Writes what a batch changed: only what differs, all rows of a table in one statement.

use super::answers::{self, AnswerRow};
use super::entries::{self, EntryRow};
use super::load::ids;
use super::mails;
use super::people::{AccountRow, AllowanceRow, AppRow, FreeRow, GrantRow, RewardRow, WorkspaceRow};
use super::plans::{SeatRow, SubscriptionRow};
use super::row::{Row, Text, row, stored_count};
use super::statement::{Part, Statement, together};
use crate::store::{Change, StoreError, StoreResult};
use chrono::{DateTime, Utc};
use creditd_rules::state::{Account, Grant, Seat};
use creditd_rules::{Instant, Kind, Workspace};
use serde::Serialize;
use sqlx::SqliteConnection;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Seats that change hands are vacated first: two people may swap theirs in one batch.
const VACATE_SEAT: &str =
    "UPDATE seat SET holder = NULL WHERE id IN (SELECT value FROM json_each(?1))";

static MAKE_WORKSPACE: LazyLock<Statement> =
    LazyLock::new(|| Statement::insert::<WorkspaceRow>("workspace"));
static CHANGE_WORKSPACE: LazyLock<Statement> = LazyLock::new(|| {
    let guards = [("id", "id"), ("loaded_version", "version")];
    Statement::update::<ChangedWorkspace>("workspace", &guards)
});
static PUT_ACCOUNT: LazyLock<Statement> =
    LazyLock::new(|| Statement::upsert::<AccountRow>("account"));
static PUT_APP: LazyLock<Statement> = LazyLock::new(|| Statement::upsert::<AppRow>("app"));
static PUT_SUBSCRIPTION: LazyLock<Statement> =
    LazyLock::new(|| Statement::upsert::<SubscriptionRow>("subscription"));
static PUT_SEAT: LazyLock<Statement> = LazyLock::new(|| Statement::upsert::<SeatRow>("seat"));
static PUT_GRANT: LazyLock<Statement> =
    LazyLock::new(|| Statement::upsert::<GrantRow>("credit_grant"));
static PUT_REWARD: LazyLock<Statement> = LazyLock::new(|| Statement::upsert::<RewardRow>("reward"));

/// Rows are found by their id.
const BY_ID: [(&str, &str); 1] = [("id", "id")];

static SPEND_FREE_MESSAGE: LazyLock<Statement> =
    LazyLock::new(|| Statement::update::<FreeMessage>("account", &BY_ID));
static SPEND_FREE_INTEGRATION: LazyLock<Statement> =
    LazyLock::new(|| Statement::update::<FreeIntegration>("account", &BY_ID));
static SPEND_SEAT_MESSAGE: LazyLock<Statement> =
    LazyLock::new(|| Statement::update::<SeatMessage>("seat", &BY_ID));
static SPEND_SEAT_INTEGRATION: LazyLock<Statement> =
    LazyLock::new(|| Statement::update::<SeatIntegration>("seat", &BY_ID));
static SPEND_GRANT: LazyLock<Statement> =
    LazyLock::new(|| Statement::update::<GrantRest>("credit_grant", &BY_ID));

row! {
    /// A workspace that exists, with the version that it was loaded with.
    pub(super) struct ChangedWorkspace<'a> {
        id: Text<'a>,
        owner: Option<Text<'a>>,
        decided_at_us: i64,
        version: i64,
        next_seq: i64,
        loaded_version: i64,
    }
}

row! {
    /// What of an account a debit of message credits changes.
    pub(super) struct FreeMessage<'a> { id: Text<'a>, ; message: FreeRow<'a>, }
}

row! {
    /// What of an account a debit of integration credits changes.
    pub(super) struct FreeIntegration<'a> { id: Text<'a>, ; integration: FreeRow<'a>, }
}

row! {
    /// What of a seat a debit of message credits changes.
    pub(super) struct SeatMessage<'a> { id: Text<'a>, ; message: AllowanceRow, }
}

row! {
    /// What of a seat a debit of integration credits changes.
    pub(super) struct SeatIntegration<'a> { id: Text<'a>, ; integration: AllowanceRow, }
}

row! {
    /// What of a grant a debit changes.
    pub(super) struct GrantRest<'a> { id: Text<'a>, balance_uc: i64, ended: u8, }
}

/// The rows to write, by statement.
#[derive(Default)]
struct Rows<'a> {
    made: Vec<WorkspaceRow<'a>>,
    changed: Vec<ChangedWorkspace<'a>>,
    accounts: Vec<AccountRow<'a>>,
    free_message: Vec<FreeMessage<'a>>,
    free_integration: Vec<FreeIntegration<'a>>,
    apps: Vec<AppRow<'a>>,
    subscriptions: Vec<SubscriptionRow<'a>>,
    vacated: Vec<&'a str>,
    seats: Vec<SeatRow<'a>>,
    seat_message: Vec<SeatMessage<'a>>,
    seat_integration: Vec<SeatIntegration<'a>>,
    grants: Vec<GrantRow<'a>>,
    spent_grants: Vec<GrantRest<'a>>,
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
    rows.put(db).await?;
    rows.spend(db, &entries::rows(changes, now), &answers::rows(changes, wall)?).await?;
    entries::remember_seats(db, changes).await?;
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
            let (id, row) = (account.id.as_str().into(), FreeRow::of(account, kind));
            match kind {
                Kind::Message => self.free_message.push(FreeMessage { id, message: row }),
                Kind::Integration => {
                    self.free_integration.push(FreeIntegration { id, integration: row });
                }
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
            let id = seat.id.as_str().into();
            let row = AllowanceRow::of(&seat.allowances[kind]);
            match kind {
                Kind::Message => self.seat_message.push(SeatMessage { id, message: row }),
                Kind::Integration => {
                    self.seat_integration.push(SeatIntegration { id, integration: row });
                }
            }
        }
    }

    fn add_grant(&mut self, workspace: &'a Workspace, old: Option<&'a Grant>, grant: &'a Grant) {
        let spent_only = old.is_some_and(|old| {
            Grant { balance: grant.balance, ended: grant.ended, ..old.clone() } == *grant
        });
        if spent_only {
            self.spent_grants.push(GrantRest {
                id: grant.id.as_str().into(),
                balance_uc: grant.balance.micros(),
                ended: u8::from(grant.ended),
            });
        } else {
            self.grants.push(GrantRow::of(workspace, grant));
        }
    }

    /// Writes what is new or changed in more than what was spent, what others refer to first.
    async fn put(&self, db: &mut SqliteConnection) -> StoreResult<()> {
        put(db, &MAKE_WORKSPACE, &self.made, raced).await?;
        put(db, &PUT_ACCOUNT, &self.accounts, elsewhere).await?;
        put(db, &PUT_APP, &self.apps, elsewhere).await?;
        put(db, &PUT_SUBSCRIPTION, &self.subscriptions, elsewhere).await?;
        if !self.vacated.is_empty() {
            sqlx::query(VACATE_SEAT).bind(ids(&self.vacated)).execute(&mut *db).await?;
        }
        put(db, &PUT_SEAT, &self.seats, elsewhere).await?;
        put(db, &PUT_GRANT, &self.grants, elsewhere).await?;
        put(db, &PUT_REWARD, &self.rewards, elsewhere).await
    }

    /// Writes all that a debit writes, in as few executions as can be.
    async fn spend(
        &self, db: &mut SqliteConnection, entries: &[EntryRow<'_>], answers: &[AnswerRow<'_>],
    ) -> StoreResult<()> {
        let parts = [
            Part { statement: &CHANGE_WORKSPACE, rows: &self.changed.as_slice() },
            Part { statement: &SPEND_FREE_MESSAGE, rows: &self.free_message.as_slice() },
            Part { statement: &SPEND_FREE_INTEGRATION, rows: &self.free_integration.as_slice() },
            Part { statement: &SPEND_SEAT_MESSAGE, rows: &self.seat_message.as_slice() },
            Part { statement: &SPEND_SEAT_INTEGRATION, rows: &self.seat_integration.as_slice() },
            Part { statement: &SPEND_GRANT, rows: &self.spent_grants.as_slice() },
            Part { statement: &entries::APPEND, rows: &entries },
            Part { statement: &answers::KEEP, rows: &answers },
        ];
        let written = together(db, parts).await?;
        let missed = parts.iter().zip(written).map(|(part, written)| part.missed(written));
        let mut missed = missed.enumerate().filter(|(_, missed)| *missed).map(|(at, _)| at);
        match missed.next() {
            None => Ok(()),
            Some(0) => Err(raced()),
            Some(_) => Err(elsewhere()),
        }
    }
}

/// Another writer was faster with a workspace.
fn raced() -> StoreError {
    StoreError::Conflict
}

/// A thing stays in its workspace.
fn elsewhere() -> StoreError {
    StoreError::Refused("what it names belongs to another workspace".to_owned())
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

/// Writes rows, all of them or it is an error.
async fn put<R: Row + Sync>(
    db: &mut SqliteConnection, statement: &'static Statement, rows: &[R],
    missed: fn() -> StoreError,
) -> StoreResult<()> {
    let written = statement.run(db, rows).await?;
    if written == rows.len() as u64 { Ok(()) } else { Err(missed()) }
}

/// Rows as one JSON array.
pub(super) fn to_json<T: Serialize + ?Sized>(rows: &T) -> StoreResult<String> {
    serde_json::to_string(rows).map_err(|error| StoreError::Refused(error.to_string()))
}
