//! Which workspace a thing belongs to, and the credit clock.
//!
//! The directory is keyed by a thing's own id. What is in it stays as it is, but for the workspace
//! of a customer's new subscriptions, so that it may be read ahead of a batch, and be remembered
//! ([`super::known`]).

use super::PostgresStore;
use crate::clock;
use crate::store::{Change, Home, StoreError, StoreResult};
use chrono::{DateTime, Utc};
use creditd_rules::Instant;
use creditd_rules::id::{CustomerId, SubscriptionId, WorkspaceId};
use sqlx::{PgConnection, Row as _};
use std::collections::{BTreeSet, HashMap};

const CLAIM: &str = "INSERT INTO directory (kind, id, workspace) VALUES ($1, $2, $3)
     ON CONFLICT (kind, id) DO NOTHING";
const RELINK: &str = "INSERT INTO directory (kind, id, workspace) VALUES ('customer', $1, $2)
     ON CONFLICT (kind, id) DO UPDATE SET workspace = excluded.workspace";
const FIND: &str = "SELECT workspace FROM directory WHERE kind = $1 AND id = $2";
pub(super) const FIND_ALL: &str = "
    SELECT kind, id, workspace FROM unnest($1::text[], $2::text[]) AS wanted (kind, id)
    CROSS JOIN LATERAL (SELECT workspace FROM directory
        WHERE directory.kind = wanted.kind AND directory.id = wanted.id OFFSET 0) AS found";

/// Reserves ids for workspaces. Counts those that are theirs now and those of other workspaces;
/// what is neither was reserved by somebody else a moment ago, and is not seen yet.
pub(super) const RESERVE: &str = "
    WITH wanted AS MATERIALIZED (
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (kind, id, workspace)),
    made AS (
        INSERT INTO directory (kind, id, workspace) SELECT kind, id, workspace FROM wanted
        ON CONFLICT (kind, id) DO NOTHING RETURNING 1),
    seen AS MATERIALIZED (
        SELECT found.workspace = wanted.workspace AS own
        FROM wanted CROSS JOIN LATERAL (SELECT workspace FROM directory
            WHERE directory.kind = wanted.kind AND directory.id = wanted.id OFFSET 0) AS found)
    SELECT (SELECT count(*) FROM made) + (SELECT count(*) FROM seen WHERE own),
        (SELECT count(*) FROM seen WHERE NOT own)";

/// The kind and the id under which a home is in the directory; none for a workspace itself.
fn key(home: &Home) -> Option<(&'static str, &str)> {
    match home {
        Home::Workspace(_) => None,
        Home::Account(id) => Some(("account", id.as_str())),
        Home::App(id) => Some(("app", id.as_str())),
        Home::Seat(id) => Some(("seat", id.as_str())),
        Home::Grant(id) => Some(("grant", id.as_str())),
        Home::Reward(id) => Some(("reward", id.as_str())),
        Home::Customer(id) => Some(("customer", id.as_str())),
    }
}

/// The workspaces of homes, by the directory; none where there is no such thing.
async fn look_up(db: &mut PgConnection, homes: &[&Home]) -> StoreResult<Vec<Option<WorkspaceId>>> {
    let wanted: BTreeSet<(&str, &str)> = homes.iter().filter_map(|home| key(home)).collect();
    let (kinds, ids): (Vec<&str>, Vec<&str>) = wanted.into_iter().unzip();
    let rows = sqlx::query(FIND_ALL).bind(kinds).bind(ids).fetch_all(db).await?;
    let mut found: HashMap<(&str, &str), WorkspaceId> = HashMap::new();
    for row in &rows {
        let workspace: &str = row.try_get(2)?;
        found.insert((row.try_get(0)?, row.try_get(1)?), workspace.into());
    }
    Ok(homes.iter().map(|home| found.get(&key(home)?).cloned()).collect())
}

/// Reserves the ids of everything that `changes` make, before it is made.
///
/// What is reserved and then not made is found to be in its workspace, and not to exist there.
pub(super) async fn reserve(db: &mut PgConnection, changes: &[Change]) -> StoreResult<()> {
    let new: BTreeSet<_> = changes.iter().flat_map(new_things).collect();
    if new.is_empty() {
        return Ok(());
    }
    let wanted = i64::try_from(new.len()).unwrap_or(i64::MAX);
    let (mut kinds, mut ids, mut workspaces) = (Vec::new(), Vec::new(), Vec::new());
    for (kind, id, workspace) in new {
        kinds.push(kind);
        ids.push(id);
        workspaces.push(workspace);
    }
    let query = sqlx::query_as(RESERVE).bind(kinds).bind(ids).bind(workspaces);
    let (own, elsewhere): (i64, i64) = query.fetch_one(db).await?;
    if elsewhere > 0 {
        return Err(StoreError::Refused("what it names belongs to another workspace".to_owned()));
    }
    if own == wanted { Ok(()) } else { Err(StoreError::Conflict) }
}

/// Kind, id and workspace of what a change makes.
fn new_things(change: &Change) -> impl Iterator<Item = (&'static str, &str, &str)> {
    let Change { before, after, .. } = change;
    macro_rules! new {
        ($things:ident) => {
            after
                .$things
                .keys()
                .filter(|id| !before.$things.contains_key(*id))
                .map(|id| id.as_str())
        };
    }
    let named = |kind| move |id| (kind, id);
    new!(accounts)
        .map(named("account"))
        .chain(new!(apps).map(named("app")))
        .chain(new!(subscriptions).map(named("subscription")))
        .chain(new!(seats).map(named("seat")))
        .chain(new!(grants).map(named("grant")))
        .chain(new!(rewards).map(named("reward")))
        .map(|(kind, id)| (kind, id, after.id.as_str()))
}

impl PostgresStore {
    /// For each home its workspace; a workspace that is named need not exist. What is known from
    /// before is not asked for.
    pub(super) async fn homes(
        &self, db: &mut PgConnection, homes: &[&Home],
    ) -> StoreResult<Vec<Option<WorkspaceId>>> {
        let trust = &self.connections.trust;
        let mut known = self.known.find(homes, trust);
        let unknown: Vec<usize> = (0..homes.len()).filter(|at| known[*at].is_none()).collect();
        if unknown.is_empty() {
            return Ok(known);
        }
        let began = std::time::Instant::now();
        let asked: Vec<&Home> = unknown.iter().map(|at| homes[*at]).collect();
        let found = look_up(db, &asked).await?;
        let new = asked.into_iter().zip(&found);
        let new = new.filter_map(|(home, workspace)| Some((home, workspace.clone()?)));
        self.known.remember(new, began, trust);
        for (at, workspace) in unknown.into_iter().zip(found) {
            known[at] = workspace;
        }
        Ok(known)
    }

    /// Gives an account, app or customer its workspace unless it has one.
    pub(super) async fn claim_home(
        &self, home: &Home, to: &WorkspaceId,
    ) -> StoreResult<WorkspaceId> {
        if let Some(found) = self.find_workspace(home).await? {
            return Ok(found);
        }
        let Some((kind, id)) = key(home) else { return Ok(to.clone()) };
        let mut db = self.session().await?;
        let done = sqlx::query(CLAIM).bind(kind).bind(id).bind(to.as_str()).execute(&mut *db).await;
        let done = done.map_err(|error| db.meaning(error))?;
        db.commit().await?;
        if done.rows_affected() > 0 {
            return Ok(to.clone());
        }
        Ok(self.find_workspace(home).await?.unwrap_or_else(|| to.clone()))
    }

    pub(super) async fn link(
        &self, id: &CustomerId, to: &WorkspaceId, replace: bool,
    ) -> StoreResult<WorkspaceId> {
        if !replace {
            return self.claim_home(&Home::Customer(id.clone()), to).await;
        }
        let mut db = self.session().await?;
        let done = sqlx::query(RELINK).bind(id.as_str()).bind(to.as_str()).execute(&mut *db).await;
        done.map_err(|error| db.meaning(error))?;
        db.commit().await?;
        Ok(to.clone())
    }

    pub(super) async fn find_workspace(&self, home: &Home) -> StoreResult<Option<WorkspaceId>> {
        match key(home) {
            Some((kind, id)) => self.find_in_directory(kind, id).await,
            None => {
                let Home::Workspace(id) = home else { return Ok(None) };
                let sql = "SELECT id FROM workspace WHERE bucket = $1 AND id = $2";
                let query = sqlx::query_scalar(sql)
                    .bind(super::bucket::bucket(id.as_str()))
                    .bind(id.as_str());
                let found: Option<String> =
                    query.fetch_optional(&mut *self.session().await?).await?;
                Ok(found.map(WorkspaceId::from))
            }
        }
    }

    pub(super) async fn find_subscription(
        &self, id: &SubscriptionId,
    ) -> StoreResult<Option<WorkspaceId>> {
        self.find_in_directory("subscription", id.as_str()).await
    }

    async fn find_in_directory(&self, kind: &str, id: &str) -> StoreResult<Option<WorkspaceId>> {
        let query = sqlx::query_scalar(FIND).bind(kind).bind(id);
        let found: Option<String> = query.fetch_optional(&mut *self.session().await?).await?;
        Ok(found.map(WorkspaceId::from))
    }

    /// The database's clock is that of all daemons.
    pub(super) async fn credit_clock(&self) -> StoreResult<Instant> {
        let sql = "SELECT clock_timestamp(), (SELECT now FROM test_clock)";
        let (now, test): (DateTime<Utc>, Option<DateTime<Utc>>) =
            sqlx::query_as(sql).fetch_one(&mut *self.session().await?).await?;
        Ok(test.filter(|_| self.clock == clock::Mode::Test).unwrap_or(now))
    }

    pub(super) async fn set_clock(&self, now: Instant) -> StoreResult<Result<(), Instant>> {
        let mut db = self.begin().await?;
        let latest = "SELECT greatest(
            (SELECT now FROM test_clock), (SELECT max(decided_at) FROM workspace))";
        let latest: Option<DateTime<Utc>> = sqlx::query_scalar(latest).fetch_one(&mut *db).await?;
        if let Some(latest) = latest.filter(|latest| now < *latest) {
            return Ok(Err(latest));
        }
        let sql = "INSERT INTO test_clock (one, now) VALUES (1, $1)
                   ON CONFLICT (one) DO UPDATE SET now = excluded.now";
        sqlx::query(sql).bind(now).execute(&mut *db).await?;
        db.commit().await?;
        Ok(Ok(()))
    }

    /// Whether the database answers, and is one that can be written.
    pub(super) async fn prove(&self) -> StoreResult<()> {
        let sql = "SELECT pg_is_in_recovery(), EXISTS (SELECT 1 FROM workspace LIMIT 1)";
        let (standby, _): (bool, bool) =
            sqlx::query_as(sql).fetch_one(&mut *self.session().await?).await?;
        if standby {
            let text = "the server is a standby, which only reads".to_owned();
            return Err(StoreError::Unavailable(text));
        }
        Ok(())
    }
}
