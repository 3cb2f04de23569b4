//! Loads what a batch touches: one statement for almost every batch, two where a team is needed.

use super::error::unreadable;
use super::people::{AccountRow, AppRow, GrantRow, RewardRow, WorkspaceRow};
use super::plans::{SeatRow, SubscriptionRow};
use super::row::{Row, Text, array_sql, instant, us};
use crate::clock;
use crate::store::wanted::Wanted;
use crate::store::{Home, StoreResult};
use creditd_rules::command::Touch;
use creditd_rules::id::WorkspaceId;
use creditd_rules::{Instant, Workspace};
use serde::Deserialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

/// Everything that ids name, and what belongs to it: an app's owner, a seat's holder, a grant's
/// and a claim's account; of each account its live seat and grants; the homes' workspaces.
static TOUCHED: LazyLock<String> = LazyLock::new(|| {
    let account = array_sql(AccountRow::COLUMNS);
    let app = array_sql(AppRow::COLUMNS);
    let seat = array_sql(SeatRow::COLUMNS);
    let grant = array_sql(GrantRow::COLUMNS);
    let reward = array_sql(RewardRow::COLUMNS);
    let workspace = array_sql(WorkspaceRow::COLUMNS);
    format!(
        "WITH person (id) AS MATERIALIZED (
             SELECT value FROM json_each(?1)
             UNION SELECT owner FROM app
                 WHERE id IN (SELECT value FROM json_each(?2)) AND owner IS NOT NULL
             UNION SELECT holder FROM seat
                 WHERE id IN (SELECT value FROM json_each(?3)) AND holder IS NOT NULL
             UNION SELECT account FROM credit_grant WHERE id IN (SELECT value FROM json_each(?4))
             UNION SELECT account FROM reward WHERE id IN (SELECT value FROM json_each(?5)))
         SELECT
             (SELECT now_us FROM test_clock),
             (SELECT json_group_array({account}) FROM account WHERE id IN (SELECT id FROM person)),
             (SELECT json_group_array({app}) FROM app
                 WHERE id IN (SELECT value FROM json_each(?2))),
             (SELECT json_group_array({seat}) FROM seat
                 WHERE holder IN (SELECT id FROM person)),
             (SELECT json_group_array({seat}) FROM seat
                 WHERE id IN (SELECT value FROM json_each(?3))),
             (SELECT json_group_array({grant}) FROM credit_grant
                 WHERE account IN (SELECT id FROM person) AND ended = 0),
             (SELECT json_group_array({grant}) FROM credit_grant
                 WHERE id IN (SELECT value FROM json_each(?4))),
             (SELECT json_group_array({reward}) FROM reward
                 WHERE id IN (SELECT value FROM json_each(?5))),
             (SELECT json_group_array({reward}) FROM reward
                 WHERE account IN (SELECT value FROM json_each(?8)) AND status <> 'rejected'),
             (SELECT json_group_array(json_array(id, workspace)) FROM customer
                 WHERE id IN (SELECT value FROM json_each(?6))),
             (SELECT json_group_array({workspace}) FROM workspace WHERE id IN (
                 SELECT workspace FROM account WHERE id IN (SELECT value FROM json_each(?1))
                 UNION SELECT workspace FROM app WHERE id IN (SELECT value FROM json_each(?2))
                 UNION SELECT workspace FROM seat WHERE id IN (SELECT value FROM json_each(?3))
                 UNION SELECT workspace FROM credit_grant
                     WHERE id IN (SELECT value FROM json_each(?4))
                 UNION SELECT workspace FROM reward WHERE id IN (SELECT value FROM json_each(?5))
                 UNION SELECT workspace FROM customer WHERE id IN (SELECT value FROM json_each(?6))
                 UNION SELECT value FROM json_each(?7)))"
    )
});

/// All subscriptions and seats of workspaces, with owners, holders and buyers. Ended seats are
/// needed while their cycle runs, and where they carry over what was used.
static TEAM: LazyLock<String> = LazyLock::new(|| {
    let account = array_sql(AccountRow::COLUMNS);
    let seat = array_sql(SeatRow::COLUMNS);
    let grant = array_sql(GrantRow::COLUMNS);
    let subscription = array_sql(SubscriptionRow::COLUMNS);
    format!(
        "WITH home (id) AS MATERIALIZED (SELECT value FROM json_each(?1)),
         person (id) AS MATERIALIZED (
             SELECT owner FROM workspace WHERE id IN (SELECT id FROM home) AND owner IS NOT NULL
             UNION SELECT holder FROM seat
                 WHERE workspace IN (SELECT id FROM home) AND holder IS NOT NULL
             UNION SELECT buyer FROM subscription
                 WHERE workspace IN (SELECT id FROM home) AND buyer IS NOT NULL)
         SELECT
             (SELECT json_group_array({account}) FROM account WHERE id IN (SELECT id FROM person)),
             (SELECT json_group_array({seat}) FROM seat WHERE workspace IN (SELECT id FROM home)
                 AND (status <> 'ended' OR cycle_end_us > ?2 OR carries_used = 1)),
             (SELECT json_group_array({grant}) FROM credit_grant
                 WHERE account IN (SELECT id FROM person) AND ended = 0),
             (SELECT json_group_array({subscription}) FROM subscription
                 WHERE workspace IN (SELECT id FROM home))"
    )
});

/// What was found for some jobs.
#[derive(Debug)]
pub(super) struct Found {
    /// The credit clock.
    pub(super) now: Instant,
    /// For each job, the workspace of its home.
    pub(super) homes: Vec<Option<WorkspaceId>>,
    /// The homes' workspaces with what was touched in them.
    pub(super) workspaces: BTreeMap<WorkspaceId, Workspace>,
}

/// Loads what `jobs` touch. The connection must be in a transaction, so that both statements see
/// the same.
pub(super) async fn touched(
    db: &mut SqliteConnection, jobs: &[(&Home, &Touch)], mode: clock::Mode,
) -> StoreResult<Found> {
    let wanted = Wanted::of(jobs.iter().copied());
    let row = sqlx::query(TOUCHED.as_str())
        .bind(ids(&wanted.accounts))
        .bind(ids(&wanted.apps))
        .bind(ids(&wanted.seats))
        .bind(ids(&wanted.grants))
        .bind(ids(&wanted.rewards))
        .bind(ids(&wanted.customers))
        .bind(ids(&wanted.workspaces))
        .bind(ids(&wanted.claims))
        .fetch_one(&mut *db)
        .await?;
    let now = match (mode, row.try_get::<Option<i64>, _>(0)?) {
        (clock::Mode::Test, Some(now_us)) => instant(now_us)?,
        (clock::Mode::Test, None) | (clock::Mode::System, _) => clock::wall(),
    };
    let texts = Texts::of(&row, 1)?;
    let rows = Rows {
        accounts: texts.read(0)?,
        apps: texts.read(1)?,
        seats: [texts.read(2)?, texts.read(3)?].into_iter().flatten().collect(),
        grants: [texts.read(4)?, texts.read(5)?].into_iter().flatten().collect(),
        rewards: [texts.read(6)?, texts.read(7)?].into_iter().flatten().collect(),
        customers: texts.read(8)?,
        workspaces: texts.read(9)?,
        subscriptions: Vec::new(),
    };
    let homes = rows.homes(jobs);
    let mut workspaces: BTreeMap<WorkspaceId, Workspace> =
        homes.iter().flatten().map(|id| (id.clone(), Workspace::new(id.clone()))).collect();
    rows.place(&mut workspaces)?;
    let teams = teams(jobs, &homes, &workspaces, now);
    if !teams.is_empty() {
        team(db, &teams, now, &mut workspaces).await?;
    }
    Ok(Found { now, homes, workspaces })
}

/// The workspaces that are needed whole: those of jobs that say so, and those in which a seat
/// ends because the quantity fell, since its buyer may be given another.
fn teams(
    jobs: &[(&Home, &Touch)], homes: &[Option<WorkspaceId>],
    workspaces: &BTreeMap<WorkspaceId, Workspace>, now: Instant,
) -> BTreeSet<WorkspaceId> {
    let asked = jobs
        .iter()
        .zip(homes)
        .filter(|((_, touch), _)| touch.team)
        .filter_map(|(_, home)| home.as_ref());
    let falling = workspaces.values().filter(|workspace| {
        let now = now.max(workspace.decided_at);
        workspace.seats.values().any(|seat| seat.ends_at.is_some_and(|ends_at| ends_at <= now))
    });
    asked.chain(falling.map(|workspace| &workspace.id)).cloned().collect()
}

async fn team(
    db: &mut SqliteConnection, teams: &BTreeSet<WorkspaceId>, now: Instant,
    workspaces: &mut BTreeMap<WorkspaceId, Workspace>,
) -> StoreResult<()> {
    let teams: Vec<&str> = teams.iter().map(WorkspaceId::as_str).collect();
    let row = sqlx::query(TEAM.as_str()).bind(ids(&teams)).bind(us(now)).fetch_one(db).await?;
    let texts = Texts::of(&row, 0)?;
    let rows = Rows {
        accounts: texts.read(0)?,
        seats: texts.read(1)?,
        grants: texts.read(2)?,
        subscriptions: texts.read(3)?,
        ..Rows::default()
    };
    rows.place(workspaces)
}

/// Ids as a JSON array.
pub(super) fn ids(ids: &[&str]) -> String {
    serde_json::to_string(ids).unwrap_or_else(|_| "[]".to_owned())
}

/// The JSON texts of a loaded row.
pub(super) struct Texts(Vec<String>);

impl Texts {
    /// Those from column `first` on.
    pub(super) fn of(row: &SqliteRow, first: usize) -> StoreResult<Self> {
        let texts: Result<_, sqlx::Error> =
            (first..row.len()).map(|index| row.try_get(index)).collect();
        Ok(Self(texts?))
    }

    /// The rows of one of them.
    pub(super) fn read<'a, T: Deserialize<'a>>(&'a self, index: usize) -> StoreResult<Vec<T>> {
        let text = self.0.get(index).map_or("[]", String::as_str);
        serde_json::from_str(text).map_err(|error| unreadable(&error))
    }
}

/// Reads one JSON value made by SQLite.
pub(super) fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> StoreResult<T> {
    serde_json::from_str(text).map_err(|error| unreadable(&error))
}

/// Rows of any workspaces.
#[derive(Debug, Default)]
pub(super) struct Rows<'a> {
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

impl Rows<'_> {
    /// For each job, the workspace of its home.
    fn homes(&self, jobs: &[(&Home, &Touch)]) -> Vec<Option<WorkspaceId>> {
        let accounts = directory(self.accounts.iter().map(|row| (&row.id, &row.workspace)));
        let apps = directory(self.apps.iter().map(|row| (&row.id, &row.workspace)));
        let seats = directory(self.seats.iter().map(|row| (&row.id, &row.workspace)));
        let grants = directory(self.grants.iter().map(|row| (&row.id, &row.workspace)));
        let rewards = directory(self.rewards.iter().map(|row| (&row.id, &row.workspace)));
        let customers = directory(self.customers.iter().map(|(id, workspace)| (id, workspace)));
        jobs.iter()
            .map(|(home, _)| {
                let found = match home {
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
