//! Loads what a batch touches, with the answers kept under its keys: one statement for debits on
//! people's own accounts, one more where anything else is named, and one more where a team is
//! needed.

use super::answers::{FIND, Kept};
use super::row::array_sql;
use super::write::to_json;
use super::writer::BEGIN;
use crate::clock;
use crate::store::error::unreadable;
use crate::store::found::{FoundRows, teams};
use crate::store::row::people::{AccountRow, AppRow, GrantRow, RewardRow, WorkspaceRow};
use crate::store::row::plans::{SeatRow, SubscriptionRow};
use crate::store::row::{Row, instant, us};
use crate::store::wanted::Wanted;
use crate::store::{Home, Job, KeptAnswer, StoreResult};
use creditd_rules::id::WorkspaceId;
use creditd_rules::{Instant, Workspace};
use serde::Deserialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// What ids name other than accounts and workspaces.
static NAMED: LazyLock<Load> = LazyLock::new(|| {
    let app = array_sql("app", AppRow::COLUMNS);
    let seat = array_sql("seat", SeatRow::COLUMNS);
    let grant = array_sql("credit_grant", GrantRow::COLUMNS);
    let reward = array_sql("reward", RewardRow::COLUMNS);
    Load::new(format!(
        "SELECT
             (SELECT json_group_array({app}) FROM app
                 WHERE id IN (SELECT value FROM json_each(?1))),
             (SELECT json_group_array({seat}) FROM seat
                 WHERE id IN (SELECT value FROM json_each(?2))),
             (SELECT json_group_array({grant}) FROM credit_grant
                 WHERE id IN (SELECT value FROM json_each(?3))),
             (SELECT json_group_array({reward}) FROM reward
                 WHERE id IN (SELECT value FROM json_each(?4))),
             (SELECT json_group_array({reward}) FROM reward
                 WHERE account IN (SELECT value FROM json_each(?5)) AND status <> 'rejected'),
             (SELECT json_group_array(json_array(id, workspace)) FROM customer
                 WHERE id IN (SELECT value FROM json_each(?6)))"
    ))
});

/// Accounts, each with its workspace where that exists, their live seats and live grants; further
/// workspaces; the clock; kept answers. `CROSS JOIN` makes the ids the outer loop.
static PEOPLE: LazyLock<Load> = LazyLock::new(|| {
    let account = array_sql("account", AccountRow::COLUMNS);
    let seat = array_sql("seat", SeatRow::COLUMNS);
    let grant = array_sql("credit_grant", GrantRow::COLUMNS);
    let workspace = array_sql("workspace", WorkspaceRow::COLUMNS);
    Load::new(format!(
        "SELECT
             (SELECT now_us FROM test_clock),
             (SELECT json_group_array(json_array(
                     {account}, iif(workspace.id IS NULL, NULL, {workspace})))
                 FROM json_each(?1) AS wanted CROSS JOIN account ON account.id = wanted.value
                 LEFT JOIN workspace ON workspace.id = account.workspace),
             (SELECT json_group_array({seat})
                 FROM json_each(?1) AS wanted CROSS JOIN seat ON seat.holder = wanted.value),
             (SELECT json_group_array({grant})
                 FROM json_each(?1) AS wanted CROSS JOIN credit_grant
                 ON credit_grant.account = wanted.value AND credit_grant.ended = 0),
             (SELECT json_group_array({workspace})
                 FROM json_each(?2) AS wanted CROSS JOIN workspace ON workspace.id = wanted.value),
             {FIND}"
    ))
});

/// All subscriptions and seats of workspaces, with owners, holders and buyers. Ended seats are
/// needed while their cycle runs, and where they carry over what was used.
static TEAM: LazyLock<String> = LazyLock::new(|| {
    let account = array_sql("account", AccountRow::COLUMNS);
    let seat = array_sql("seat", SeatRow::COLUMNS);
    let grant = array_sql("credit_grant", GrantRow::COLUMNS);
    let subscription = array_sql("subscription", SubscriptionRow::COLUMNS);
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

/// A statement that loads, by itself and as the first of a transaction that may write. One text
/// with both goes to the database's thread at once.
struct Load {
    alone: String,
    first: String,
}

impl Load {
    fn new(alone: String) -> Self {
        let first = format!("{BEGIN};\n{alone}");
        Self { alone, first }
    }

    fn text(&'static self, begun: bool) -> &'static str {
        if begun { &self.alone } else { &self.first }
    }
}

/// What was found for some jobs.
#[derive(Debug)]
pub(super) struct Found {
    /// The credit clock.
    pub(super) now: Instant,
    /// For each job, the workspace of its home.
    pub(super) homes: Vec<Option<WorkspaceId>>,
    /// The homes' workspaces with what was touched in them.
    pub(super) workspaces: BTreeMap<WorkspaceId, Workspace>,
    /// Answers kept under the jobs' keys.
    pub(super) answers: BTreeMap<(WorkspaceId, String), KeptAnswer>,
}

/// Loads what `jobs` touch, in a transaction, so that all statements see the same. Where it has
/// not `begun`, the first of them begins one that may write.
pub(super) async fn touched(
    db: &mut SqliteConnection, begun: bool, jobs: &[Job], mode: clock::Mode,
) -> StoreResult<Found> {
    let wanted = Wanted::of(jobs.iter().map(|job| (&job.home, &job.touch)));
    let (texts, begun) = named(db, begun, &wanted).await?;
    let mut rows = FoundRows {
        apps: texts.read(0)?,
        seats: texts.read(1)?,
        grants: texts.read(2)?,
        rewards: [texts.read(3)?, texts.read(4)?].into_iter().flatten().collect(),
        customers: texts.read(5)?,
        ..FoundRows::default()
    };
    let (people, homes) = rows.people(&wanted);
    let row = sqlx::query(PEOPLE.text(begun))
        .bind(ids(&people))
        .bind(ids(&homes))
        .bind(keys(&rows, jobs)?)
        .fetch_one(&mut *db)
        .await?;
    let now = match (mode, row.try_get::<Option<i64>, _>(0)?) {
        (clock::Mode::Test, Some(now_us)) => instant(now_us)?,
        (clock::Mode::Test, None) | (clock::Mode::System, _) => clock::wall(),
    };
    let texts = Texts::of(&row, 1)?;
    for (account, workspace) in texts.read::<(AccountRow<'_>, Option<WorkspaceRow<'_>>)>(0)? {
        rows.accounts.push(account);
        rows.workspaces.extend(workspace);
    }
    rows.seats.extend(texts.read(1)?);
    rows.grants.extend(texts.read(2)?);
    rows.workspaces.extend(texts.read(3)?);
    let answers = texts.read(4)?.into_iter().map(Kept::read).collect::<StoreResult<_>>()?;
    let homes = rows.homes(jobs);
    let mut workspaces: BTreeMap<WorkspaceId, Workspace> =
        homes.iter().flatten().map(|id| (id.clone(), Workspace::new(id.clone()))).collect();
    rows.place(&mut workspaces)?;
    let teams = teams(jobs, &homes, &workspaces, now);
    if !teams.is_empty() {
        team(db, &teams, now, &mut workspaces).await?;
    }
    Ok(Found { now, homes, workspaces, answers })
}

/// Finds what is wanted beside accounts and workspaces, and says whether the transaction has begun
/// now. A debit on one's own account wants none.
async fn named(
    db: &mut SqliteConnection, begun: bool, wanted: &Wanted<'_>,
) -> StoreResult<(Texts, bool)> {
    let Wanted { accounts: _, apps, seats, grants, rewards, customers, workspaces: _, claims } =
        wanted;
    let lists = [apps, seats, grants, rewards, claims, customers];
    if lists.iter().all(|list| list.is_empty()) {
        return Ok((Texts::default(), begun));
    }
    let query = sqlx::query(NAMED.text(begun));
    let query = lists.into_iter().fold(query, |query, list| query.bind(ids(list)));
    Ok((Texts::of(&query.fetch_one(db).await?, 0)?, true))
}

async fn team(
    db: &mut SqliteConnection, teams: &BTreeSet<WorkspaceId>, now: Instant,
    workspaces: &mut BTreeMap<WorkspaceId, Workspace>,
) -> StoreResult<()> {
    let teams: Vec<&str> = teams.iter().map(WorkspaceId::as_str).collect();
    let row = sqlx::query(TEAM.as_str()).bind(ids(&teams)).bind(us(now)).fetch_one(db).await?;
    let texts = Texts::of(&row, 0)?;
    let rows = FoundRows {
        accounts: texts.read(0)?,
        seats: texts.read(1)?,
        grants: texts.read(2)?,
        subscriptions: texts.read(3)?,
        ..FoundRows::default()
    };
    rows.place(workspaces)
}

/// The keys of jobs, each after its home: an account, or a workspace where that is known.
fn keys(rows: &FoundRows<'_>, jobs: &[Job]) -> StoreResult<String> {
    let homes = rows.homes(jobs);
    let keys = jobs.iter().zip(&homes).filter_map(|(job, workspace)| {
        let key = job.key.as_deref()?;
        let account = match &job.home {
            Home::Account(id) => Some(id.as_str()),
            Home::Workspace(_)
            | Home::App(_)
            | Home::Seat(_)
            | Home::Grant(_)
            | Home::Reward(_)
            | Home::Customer(_) => None,
        };
        Some((account, workspace.as_ref().map(WorkspaceId::as_str), key))
    });
    to_json(&keys.collect::<Vec<_>>())
}

/// Ids as a JSON array.
pub(super) fn ids(ids: &[&str]) -> String {
    serde_json::to_string(ids).unwrap_or_else(|_| "[]".to_owned())
}

/// The JSON texts of a loaded row.
#[derive(Debug, Default)]
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
