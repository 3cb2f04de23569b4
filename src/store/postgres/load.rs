//! Loads what a batch touches: one statement that finds homes, one that loads, one more where a
//! team is needed.
//!
//! Each statement sees what was committed before it began. The first that reads a workspace reads
//! its version; whatever is committed to it later changes that, and then the batch is not written.

use super::PostgresStore;
use super::answers::{FoundAnswer, found_sql};
use super::bucket::bucket;
use super::guess::{Hand, Heard};
use super::record::{read, record_sql};
use super::statement::{Arrays, as_rows};
use crate::clock;
use crate::store::found::{FoundRows, teams};
use crate::store::row::people::{AccountRow, AppRow, GrantRow, RewardRow, WorkspaceRow};
use crate::store::row::plans::{SeatRow, SubscriptionRow};
use crate::store::row::{Column, Row as _, instant, maybe_instant};
use crate::store::{Home, Job, KeptAnswer, StoreResult};
use creditd_rules::command::Touch;
use creditd_rules::id::WorkspaceId;
use creditd_rules::{Instant, Workspace};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments as _, PgConnection, Row as _};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Instant as Moment;

/// What a loaded record is.
mod what {
    pub(super) const CLOCK: i32 = 0;
    pub(super) const WORKSPACE: i32 = 1;
    pub(super) const ACCOUNT: i32 = 2;
    pub(super) const SEAT: i32 = 3;
    pub(super) const GRANT: i32 = 4;
    pub(super) const ANSWER: i32 = 5;
    pub(super) const APP: i32 = 6;
    pub(super) const REWARD: i32 = 7;
    pub(super) const SUBSCRIPTION: i32 = 8;
}

/// Columns that lead keys, with the types of their arrays.
const BUCKET: (&str, &str) = ("bucket", "smallint[]");
/// See [`BUCKET`].
const WORKSPACE: (&str, &str) = ("workspace", "text[]");

/// What is found by each of the `keys`, rows that are given.
///
/// Statements are planned once, and tables grow. Where the planner takes a table for empty, it would
/// read all of it and compare each row with each key; `OFFSET 0` keeps it from turning the join around.
pub(super) fn by_each(keys: &str, found: &str) -> String {
    format!("{keys} CROSS JOIN LATERAL ({found} OFFSET 0) AS found")
}

/// The record of what of `table` is reached by `reached`.
fn thing(table: &str, columns: &[Column], reached: &str) -> String {
    format!("SELECT {} AS thing FROM {table} WHERE {reached}", record_sql(table, columns))
}

/// The clock; workspaces ($1, $2); answers ($3 to $5); and what belongs to people: themselves,
/// their live seats and live grants.
fn base_sql(people: &str) -> String {
    let workspaces = thing(
        "workspace",
        WorkspaceRow::COLUMNS,
        "workspace.bucket = wanted.bucket AND workspace.id = wanted.id",
    );
    let answers = format!(
        "SELECT {} AS thing FROM answer WHERE answer.bucket = wanted.bucket
             AND answer.workspace = wanted.workspace AND answer.key = wanted.key",
        found_sql()
    );
    format!(
        "SELECT {}, ROW(clock_timestamp(), (SELECT now FROM test_clock),
             statement_timestamp(), pg_postmaster_start_time()) AS thing
         UNION ALL SELECT {}, thing FROM {}
         UNION ALL SELECT {}, thing FROM {}
         {}",
        what::CLOCK,
        what::WORKSPACE,
        by_each(&as_rows([BUCKET, ("id", "text[]")], 1, "wanted"), &workspaces),
        what::ANSWER,
        by_each(&as_rows([BUCKET, WORKSPACE, ("key", "text[]")], 3, "wanted"), &answers),
        people_sql(people),
    )
}

/// Accounts of `people`, with what each of them has to spend.
fn people_sql(people: &str) -> String {
    let own = |table: &str, columns, name: &str| {
        let reached = format!(
            "{table}.bucket = person.bucket AND {table}.workspace = person.workspace
                 AND {table}.{name} = person.id"
        );
        thing(table, columns, &reached)
    };
    let live = own("credit_grant", GrantRow::COLUMNS, "account") + " AND NOT credit_grant.ended";
    format!(
        "UNION ALL SELECT {}, thing FROM {}
         UNION ALL SELECT {}, thing FROM {}
         UNION ALL SELECT {}, thing FROM {}",
        what::ACCOUNT,
        by_each(people, &own("account", AccountRow::COLUMNS, "id")),
        what::SEAT,
        by_each(people, &own("seat", SeatRow::COLUMNS, "holder")),
        what::GRANT,
        by_each(people, &live),
    )
}

/// Debits on people's own accounts name nothing else.
pub(super) static PEOPLE: LazyLock<String> = LazyLock::new(|| base_sql(&keys_sql(6, "person")));

/// The same, with apps, seats, grants and claims by their ids, and all claims of accounts that
/// were not rejected; each brings its account.
pub(super) static NAMED: LazyLock<String> = LazyLock::new(|| {
    let by_id = |table: &str, alias: &str, first: usize| {
        let keys = keys_sql(first, "wanted");
        let found = format!(
            "SELECT * FROM {table} WHERE {table}.bucket = wanted.bucket
                 AND {table}.workspace = wanted.workspace AND {table}.id = wanted.id"
        );
        format!("{alias} AS MATERIALIZED (SELECT found.* FROM {})", by_each(&keys, &found))
    };
    let claims = "SELECT * FROM reward WHERE reward.bucket = wanted.bucket
         AND reward.workspace = wanted.workspace AND reward.account = wanted.id
         AND reward.status <> 'rejected'";
    format!(
        "WITH {}, {}, {}, {},
         claim AS MATERIALIZED (SELECT found.* FROM {}),
         person (bucket, workspace, id) AS MATERIALIZED (
             SELECT * FROM {}
             UNION SELECT bucket, workspace, owner FROM named_app
             UNION SELECT bucket, workspace, holder FROM named_seat WHERE holder IS NOT NULL
             UNION SELECT bucket, workspace, account FROM named_grant
             UNION SELECT bucket, workspace, account FROM named_reward)
         {}
         UNION ALL SELECT {}, {} FROM named_app
         UNION ALL SELECT {}, {} FROM named_seat
         UNION ALL SELECT {}, {} FROM named_grant
         UNION ALL SELECT {}, {} FROM named_reward
         UNION ALL SELECT {}, {} FROM claim",
        by_id("app", "named_app", 9),
        by_id("seat", "named_seat", 12),
        by_id("credit_grant", "named_grant", 15),
        by_id("reward", "named_reward", 18),
        by_each(&keys_sql(21, "wanted"), claims),
        keys_sql(6, "given"),
        base_sql("person"),
        what::APP,
        record_sql("named_app", AppRow::COLUMNS),
        what::SEAT,
        record_sql("named_seat", SeatRow::COLUMNS),
        what::GRANT,
        record_sql("named_grant", GrantRow::COLUMNS),
        what::REWARD,
        record_sql("named_reward", RewardRow::COLUMNS),
        what::REWARD,
        record_sql("claim", RewardRow::COLUMNS),
    )
});

/// Keys that are given as the parameters from `$first` on.
fn keys_sql(first: usize, alias: &str) -> String {
    as_rows([BUCKET, WORKSPACE, ("id", "text[]")], first, alias)
}

/// All subscriptions and seats of workspaces, with owners, holders and buyers. Ended seats are
/// needed while their cycle runs, and where they carry over what was used.
pub(super) static TEAM: LazyLock<String> = LazyLock::new(|| {
    let of_home = |what: &str, table: &str| {
        format!(
            "SELECT {what} FROM {table}
             WHERE {table}.bucket = home.bucket AND {table}.workspace = home.workspace"
        )
    };
    let owner = "SELECT owner FROM workspace
        WHERE workspace.bucket = home.bucket AND workspace.id = home.workspace";
    let subscription = record_sql("subscription", SubscriptionRow::COLUMNS) + " AS thing";
    let seat = record_sql("seat", SeatRow::COLUMNS) + " AS thing";
    let seats = of_home(&seat, "seat")
        + " AND (seat.status <> 'ended' OR seat.cycle_end > $3 OR seat.carries_used)";
    format!(
        "WITH home AS MATERIALIZED (
             SELECT * FROM {}),
         person (bucket, workspace, id) AS MATERIALIZED (
             SELECT bucket, workspace, owner FROM {} WHERE owner IS NOT NULL
             UNION SELECT bucket, workspace, holder FROM {} WHERE holder IS NOT NULL
             UNION SELECT bucket, workspace, buyer FROM {} WHERE buyer IS NOT NULL)
         SELECT {}, thing FROM {}
         UNION ALL SELECT {}, thing FROM {}
         {}",
        as_rows([BUCKET, WORKSPACE], 1, "home"),
        by_each("home", owner),
        by_each("home", &of_home("holder", "seat")),
        by_each("home", &of_home("buyer", "subscription")),
        what::SUBSCRIPTION,
        by_each("home", &of_home(&subscription, "subscription")),
        what::SEAT,
        by_each("home", &seats),
        people_sql("person"),
    )
});

/// What was found for some jobs.
#[derive(Debug)]
pub(super) struct Found {
    /// The credit clock.
    pub(super) now: Instant,
    /// The homes' workspaces with what was touched in them.
    pub(super) workspaces: BTreeMap<WorkspaceId, Workspace>,
    /// Answers kept under the jobs' keys.
    pub(super) answers: BTreeMap<(WorkspaceId, String), KeptAnswer>,
    /// What the server said of itself.
    pub(super) heard: Option<Heard>,
}

/// Loads what `jobs` touch, each in its home's workspace.
///
/// `whole` says whether teams may be loaded by a further statement. Without it, nothing is
/// returned where one is needed.
pub(super) async fn touched(
    db: &mut PgConnection, jobs: &[Job], homes: &[Option<WorkspaceId>], mode: clock::Mode,
    whole: bool,
) -> StoreResult<Option<Found>> {
    let wanted = Wanted::of(jobs, homes);
    let (sql, values) = wanted.statement()?;
    let sent = Moment::now();
    let rows = sqlx::query_with(sql, values).fetch_all(&mut *db).await?;
    let mut workspaces: BTreeMap<WorkspaceId, Workspace> =
        homes.iter().flatten().map(|id| (id.clone(), Workspace::new(id.clone()))).collect();
    let mut found = Things::default();
    found.take(&rows, mode)?;
    let Things { clock, answers, rows } = found;
    rows.place(&mut workspaces)?;
    let now = clock.map_or_else(clock::wall, |clock| clock.now);
    let heard = clock.and_then(|clock| clock.heard(mode, sent));
    let teams = teams(jobs, homes, &workspaces, now);
    if !teams.is_empty() {
        if !whole {
            return Ok(None);
        }
        team(db, &teams, now, &mut workspaces).await?;
    }
    Ok(Some(Found { now, workspaces, answers, heard }))
}

async fn team(
    db: &mut PgConnection, teams: &BTreeSet<WorkspaceId>, now: Instant,
    workspaces: &mut BTreeMap<WorkspaceId, Workspace>,
) -> StoreResult<()> {
    let mut values = PgArguments::default();
    workspace_keys(teams.iter()).bind(&mut values)?;
    values.add(now).map_err(|error| crate::store::StoreError::Refused(error.to_string()))?;
    let rows = sqlx::query_with(TEAM.as_str(), values).fetch_all(db).await?;
    let mut found = Things::default();
    found.take(&rows, clock::Mode::System)?;
    found.rows.place(workspaces)
}

/// The keys of workspaces, in the order in which they are locked: the key's.
pub(super) fn workspace_keys<'w>(ids: impl Iterator<Item = &'w WorkspaceId>) -> Arrays {
    let mut keys: Vec<(i16, &str)> = ids.map(|id| (bucket(id.as_str()), id.as_str())).collect();
    keys.sort_unstable();
    let mut arrays = Arrays::workspaces();
    for (bucket, id) in keys {
        arrays.push_key(bucket, &[id]);
    }
    arrays
}

/// What statements found.
#[derive(Default)]
struct Things<'a> {
    clock: Option<Clock>,
    answers: BTreeMap<(WorkspaceId, String), KeptAnswer>,
    rows: FoundRows<'a>,
}

impl<'a> Things<'a> {
    fn take(&mut self, rows: &'a [PgRow], mode: clock::Mode) -> StoreResult<()> {
        for row in rows {
            match row.try_get::<i32, _>(0)? {
                what::WORKSPACE => self.rows.workspaces.push(read(row, 1)?),
                what::ACCOUNT => self.rows.accounts.push(read(row, 1)?),
                what::SEAT => self.rows.seats.push(read(row, 1)?),
                what::GRANT => self.rows.grants.push(read(row, 1)?),
                what::APP => self.rows.apps.push(read(row, 1)?),
                what::REWARD => self.rows.rewards.push(read(row, 1)?),
                what::SUBSCRIPTION => self.rows.subscriptions.push(read(row, 1)?),
                what::ANSWER => {
                    let (key, answer) = read::<FoundAnswer<'_>>(row, 1)?.read()?;
                    self.answers.insert(key, answer);
                }
                _ => {
                    self.clock = Some(Clock::read(row, mode)?);
                }
            }
        }
        Ok(())
    }
}

/// What a statement that loads says of the server.
#[derive(Debug, Clone, Copy)]
struct Clock {
    /// The credit clock.
    now: Instant,
    /// The test clock, where it counts and was set.
    test: Option<Instant>,
    /// When the server began the statement.
    began: Instant,
    /// When the server started.
    server: Instant,
}

impl Clock {
    fn read(row: &PgRow, mode: clock::Mode) -> StoreResult<Self> {
        let (now_us, test_us, began_us, server_us): (i64, Option<i64>, i64, i64) = read(row, 1)?;
        let test = maybe_instant(test_us.filter(|_| mode == clock::Mode::Test))?;
        let now = test.map_or_else(|| instant(now_us), Ok)?;
        Ok(Self { now, test, began: instant(began_us)?, server: instant(server_us)? })
    }

    /// What can be told of the clock later, of a statement that was `sent` then.
    fn heard(self, mode: clock::Mode, sent: Moment) -> Option<Heard> {
        let hand = match (mode, self.test) {
            (clock::Mode::Test, Some(at)) => Hand::Stands(at),
            // It may be set at any moment.
            (clock::Mode::Test, None) => return None,
            (clock::Mode::System, _) => Hand::Runs { shown: self.began, sent },
        };
        Some(Heard { server: self.server, hand })
    }
}

/// The keys of what jobs name, each once, in key order.
#[derive(Default)]
struct Wanted<'a> {
    workspaces: BTreeSet<&'a WorkspaceId>,
    answers: BTreeSet<(&'a str, &'a str)>,
    accounts: BTreeSet<(&'a str, &'a str)>,
    apps: BTreeSet<(&'a str, &'a str)>,
    seats: BTreeSet<(&'a str, &'a str)>,
    grants: BTreeSet<(&'a str, &'a str)>,
    rewards: BTreeSet<(&'a str, &'a str)>,
    /// Accounts of which all claims that are not rejected are needed.
    claims: BTreeSet<(&'a str, &'a str)>,
}

impl<'a> Wanted<'a> {
    fn of(jobs: &'a [Job], homes: &'a [Option<WorkspaceId>]) -> Self {
        let mut wanted = Self::default();
        for (Job { home, touch, key }, workspace) in jobs.iter().zip(homes) {
            let Some(workspace) = workspace else { continue };
            wanted.workspaces.insert(workspace);
            let own = workspace.as_str();
            wanted.answers.extend(key.as_deref().map(|key| (own, key)));
            wanted.add_home(own, home);
            wanted.add_touch(own, touch);
        }
        wanted
    }

    fn add_home(&mut self, own: &'a str, home: &'a Home) {
        let (things, id) = match home {
            Home::Workspace(_) | Home::Customer(_) => return,
            Home::Account(id) => (&mut self.accounts, id.as_str()),
            Home::App(id) => (&mut self.apps, id.as_str()),
            Home::Seat(id) => (&mut self.seats, id.as_str()),
            Home::Grant(id) => (&mut self.grants, id.as_str()),
            Home::Reward(id) => (&mut self.rewards, id.as_str()),
        };
        things.insert((own, id));
    }

    fn add_touch(&mut self, own: &'a str, touch: &'a Touch) {
        let Touch { accounts, apps, seats, grants, rewards, claims, team: _ } = touch;
        let people = accounts.iter().map(|id| (own, id.as_str()));
        if *claims {
            self.claims.extend(people.clone());
        }
        self.accounts.extend(people);
        self.apps.extend(apps.iter().map(|id| (own, id.as_str())));
        self.seats.extend(seats.iter().map(|id| (own, id.as_str())));
        self.grants.extend(grants.iter().map(|id| (own, id.as_str())));
        self.rewards.extend(rewards.iter().map(|id| (own, id.as_str())));
    }

    /// The statement that loads them, and its parameters.
    fn statement(&self) -> StoreResult<(&'static str, PgArguments)> {
        let mut values = PgArguments::default();
        workspace_keys(self.workspaces.iter().copied()).bind(&mut values)?;
        let Self { workspaces: _, answers, accounts, apps, seats, grants, rewards, claims } = self;
        for keys in [answers, accounts] {
            thing_keys(keys).bind(&mut values)?;
        }
        let named = [apps, seats, grants, rewards, claims];
        if named.iter().all(|keys| keys.is_empty()) {
            return Ok((PEOPLE.as_str(), values));
        }
        for keys in named {
            thing_keys(keys).bind(&mut values)?;
        }
        Ok((NAMED.as_str(), values))
    }
}

fn thing_keys(keys: &BTreeSet<(&str, &str)>) -> Arrays {
    let mut arrays = Arrays::keys();
    for (workspace, id) in keys {
        arrays.push_key(bucket(workspace), &[workspace, id]);
    }
    arrays
}

impl PostgresStore {
    /// Loads what `touch` names around `home`. One statement that loads is one snapshot; where
    /// there must be two, they share a transaction's.
    pub(super) async fn read_one(
        &self, home: &Home, touch: &Touch,
    ) -> StoreResult<Option<(Instant, Workspace)>> {
        let job = [Job { home: home.clone(), touch: touch.clone(), key: None }];
        if !touch.team {
            let mut db = self.session().await?;
            let homes = self.homes(&mut db, &[home]).await?;
            if let Some(found) = touched(&mut db, &job, &homes, self.clock, false).await? {
                return Ok(found.one());
            }
        }
        let mut db = self.snapshot().await?;
        let homes = self.homes(&mut db, &[home]).await?;
        let found = touched(&mut db, &job, &homes, self.clock, true).await?;
        Ok(found.and_then(Found::one))
    }
}

impl Found {
    /// The one workspace that was asked for, with the instant of its reading, if it exists.
    fn one(self) -> Option<(Instant, Workspace)> {
        let workspace = self.workspaces.into_values().find(|workspace| workspace.version > 0)?;
        Some((self.now.max(workspace.decided_at), workspace))
    }
}
