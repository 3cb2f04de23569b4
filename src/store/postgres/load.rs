//! Loads what a batch touches: one statement that finds homes, one that loads, one more where a
//! team is needed.
//!
//! Each statement sees what was committed before it began. The first that reads a workspace reads
//! its version; whatever is committed to it later changes that, and then the batch is not written.

use super::PostgresStore;
use super::answers::{FoundAnswer, found_sql};
use super::bucket::bucket;
use super::record::{read, record_sql};
use super::statement::Arrays;
use crate::clock;
use crate::store::found::{FoundRows, teams};
use crate::store::row::people::{AccountRow, AppRow, GrantRow, RewardRow, WorkspaceRow};
use crate::store::row::plans::{SeatRow, SubscriptionRow};
use crate::store::row::{Row as _, instant};
use crate::store::{Home, Job, KeptAnswer, StoreResult};
use creditd_rules::command::Touch;
use creditd_rules::id::WorkspaceId;
use creditd_rules::{Instant, Workspace};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments as _, PgConnection, Row as _};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

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

/// The clock; workspaces ($1, $2); answers ($3 to $5); and what belongs to people: themselves,
/// their live seats and live grants.
fn base_sql(people: &str) -> String {
    format!(
        "SELECT {}, ROW(clock_timestamp(), (SELECT now FROM test_clock)) AS thing
         UNION ALL SELECT {}, {}
         FROM unnest($1::smallint[], $2::text[]) AS wanted (bucket, id)
             JOIN workspace USING (bucket, id)
         UNION ALL SELECT {}, {}
         FROM unnest($3::smallint[], $4::text[], $5::text[]) AS wanted (bucket, workspace, key)
             JOIN answer USING (bucket, workspace, key)
         {}",
        what::CLOCK,
        what::WORKSPACE,
        record_sql("workspace", WorkspaceRow::COLUMNS),
        what::ANSWER,
        found_sql(),
        people_sql(people),
    )
}

/// Accounts of `people`, with what each of them has to spend.
fn people_sql(people: &str) -> String {
    format!(
        "UNION ALL SELECT {}, {} FROM {people} JOIN account USING (bucket, workspace, id)
         UNION ALL SELECT {}, {} FROM {people} JOIN seat ON seat.bucket = person.bucket
             AND seat.workspace = person.workspace AND seat.holder = person.id
         UNION ALL SELECT {}, {} FROM {people} JOIN credit_grant
             ON credit_grant.bucket = person.bucket AND credit_grant.workspace = person.workspace
             AND credit_grant.account = person.id AND NOT credit_grant.ended",
        what::ACCOUNT,
        record_sql("account", AccountRow::COLUMNS),
        what::SEAT,
        record_sql("seat", SeatRow::COLUMNS),
        what::GRANT,
        record_sql("credit_grant", GrantRow::COLUMNS),
    )
}

/// Debits on people's own accounts name nothing else.
pub(super) static PEOPLE: LazyLock<String> = LazyLock::new(|| {
    base_sql("unnest($6::smallint[], $7::text[], $8::text[]) AS person (bucket, workspace, id)")
});

/// The same, with apps, seats, grants and claims by their ids, and all claims of accounts that
/// were not rejected; each brings its account.
pub(super) static NAMED: LazyLock<String> = LazyLock::new(|| {
    let by_id = |table: &str, alias: &str, first: usize| {
        let (workspaces, ids) = (first + 1, first + 2);
        format!(
            "{alias} AS MATERIALIZED (SELECT {table}.* FROM
                 unnest(${first}::smallint[], ${workspaces}::text[], ${ids}::text[])
                     AS wanted (bucket, workspace, id)
                 JOIN {table} USING (bucket, workspace, id))"
        )
    };
    format!(
        "WITH {}, {}, {}, {},
         claim AS MATERIALIZED (SELECT reward.* FROM
             unnest($21::smallint[], $22::text[], $23::text[]) AS wanted (bucket, workspace, id)
             JOIN reward ON reward.bucket = wanted.bucket AND reward.workspace = wanted.workspace
                 AND reward.account = wanted.id AND reward.status <> 'rejected'),
         person (bucket, workspace, id) AS MATERIALIZED (
             SELECT * FROM unnest($6::smallint[], $7::text[], $8::text[])
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

/// All subscriptions and seats of workspaces, with owners, holders and buyers. Ended seats are
/// needed while their cycle runs, and where they carry over what was used.
pub(super) static TEAM: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH home AS MATERIALIZED (
             SELECT * FROM unnest($1::smallint[], $2::text[]) AS home (bucket, workspace)),
         person (bucket, workspace, id) AS MATERIALIZED (
             SELECT home.bucket, home.workspace, owner FROM home JOIN workspace
                 ON workspace.bucket = home.bucket AND workspace.id = home.workspace
                 WHERE owner IS NOT NULL
             UNION SELECT bucket, workspace, holder FROM home JOIN seat USING (bucket, workspace)
                 WHERE holder IS NOT NULL
             UNION SELECT bucket, workspace, buyer
                 FROM home JOIN subscription USING (bucket, workspace) WHERE buyer IS NOT NULL)
         SELECT {}, {} AS thing FROM home JOIN subscription USING (bucket, workspace)
         UNION ALL SELECT {}, {} FROM home JOIN seat USING (bucket, workspace)
             WHERE seat.status <> 'ended' OR seat.cycle_end > $3 OR seat.carries_used
         {}",
        what::SUBSCRIPTION,
        record_sql("subscription", SubscriptionRow::COLUMNS),
        what::SEAT,
        record_sql("seat", SeatRow::COLUMNS),
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
    let rows = sqlx::query_with(sql, values).fetch_all(&mut *db).await?;
    let mut workspaces: BTreeMap<WorkspaceId, Workspace> =
        homes.iter().flatten().map(|id| (id.clone(), Workspace::new(id.clone()))).collect();
    let mut found = Things::default();
    found.take(&rows, mode)?;
    let Things { now, answers, rows } = found;
    rows.place(&mut workspaces)?;
    let now = now.unwrap_or_else(clock::wall);
    let teams = teams(jobs, homes, &workspaces, now);
    if !teams.is_empty() {
        if !whole {
            return Ok(None);
        }
        team(db, &teams, now, &mut workspaces).await?;
    }
    Ok(Some(Found { now, workspaces, answers }))
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
    now: Option<Instant>,
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
                    let (now_us, test_us): (i64, Option<i64>) = read(row, 1)?;
                    let test_us = test_us.filter(|_| mode == clock::Mode::Test);
                    self.now = Some(instant(test_us.unwrap_or(now_us))?);
                }
            }
        }
        Ok(())
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
