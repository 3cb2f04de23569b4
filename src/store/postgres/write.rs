//! Decides a batch, and writes what it changed.

use super::PostgresStore;
use super::bucket::bucket;
use super::directory;
use super::load::{touched, workspace_keys};
use super::parts::{AlertRow, Part, Parts, SeatAccountRow};
use super::patience::{AT_ONCE, late};
use super::statement::Arrays;
use super::transaction::Session;
use crate::clock;
use crate::store::changed::ChangedRows;
use crate::store::row::answers::answers;
use crate::store::row::entries::{lines, new_holders};
use crate::store::row::mails::mails;
use crate::store::row::{stored_count, us};
use crate::store::{Change, Decide, Job, Loaded, StoreError, StoreResult};
use chrono::{DateTime, Utc};
use creditd_rules::Instant;
use creditd_rules::command::Alert;
use creditd_rules::id::WorkspaceId;
use sqlx::postgres::PgArguments;
use sqlx::{PgConnection, Row as _, SqlStr};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant as Moment;
use tracing::debug;

/// Locks workspaces in key order, as every write does.
pub(super) const LOCK: &str = "
    SELECT count(*) FROM (
        SELECT 1 FROM unnest($1::smallint[], $2::text[]) AS wanted (bucket, id)
            JOIN workspace USING (bucket, id)
        ORDER BY bucket, id FOR UPDATE OF workspace) AS locked";

/// Seats that change hands are vacated first: two people may swap theirs in one batch.
pub(super) const VACATE_SEAT: &str = "
    UPDATE seat SET holder = NULL
    FROM unnest($1::smallint[], $2::text[], $3::text[]) AS given (bucket, workspace, id)
    WHERE seat.bucket = given.bucket AND seat.workspace = given.workspace AND seat.id = given.id";

impl PostgresStore {
    /// Decides and writes a batch. Whoever loses a race locks first the next time. Until it is
    /// decided nothing can have changed, so that a read which failed at once is tried again.
    pub(super) async fn run_batch(&self, jobs: &[Job], decide: &mut Decide<'_>) -> StoreResult<()> {
        if self.guessed(jobs, decide).await? {
            return Ok(());
        }
        let decided = AtomicBool::new(false);
        let mut decide = |loaded: Loaded| {
            decided.store(true, Ordering::Relaxed);
            decide(loaded)
        };
        let is_decided = || decided.load(Ordering::Relaxed);
        let began = Moment::now();
        let first = self.attempt_in_time(jobs, &mut decide, &is_decided).await;
        match first {
            Err(StoreError::Unavailable(cause)) if !is_decided() && began.elapsed() < AT_ONCE => {
                debug!(%cause, "a batch could not be read and is tried again");
                self.connections.trust.lose();
                self.attempt_in_time(jobs, &mut decide, &is_decided).await
            }
            settled => settled,
        }
    }

    async fn attempt_in_time(
        &self, jobs: &[Job], decide: &mut Decide<'_>, is_decided: &(dyn Fn() -> bool + Sync),
    ) -> StoreResult<()> {
        let mut touched = BTreeSet::new();
        let attempt = self.attempt(jobs, decide, &mut touched);
        let result = self.in_time(attempt, || late(is_decided())).await;
        match result {
            Ok(()) => self.contended.remove(&touched),
            Err(StoreError::Conflict) => self.contended.add(&touched),
            Err(_) => {}
        }
        result
    }

    async fn attempt(
        &self, jobs: &[Job], decide: &mut Decide<'_>, workspaces: &mut BTreeSet<WorkspaceId>,
    ) -> StoreResult<()> {
        let mut db = self.session().await?;
        let named: Vec<_> = jobs.iter().map(|job| &job.home).collect();
        let homes = self.homes(&mut db, &named).await?;
        workspaces.extend(homes.iter().flatten().cloned());
        if self.contended.any(&*workspaces) {
            drop(db);
            return self.locked(jobs, homes, decide, workspaces).await;
        }
        let Some((changes, now)) = self.decided(&mut db, jobs, homes, decide).await? else {
            return Ok(());
        };
        let batch = Batch::of(&changes, now)?;
        let written = self.write_unlocked(db, &changes, batch, workspaces).await;
        self.guesses().keep_written(&written, changes);
        written.map(|_| ())
    }

    /// Writes a batch that is guarded by the versions of its workspaces.
    pub(super) async fn write_unlocked(
        &self, mut db: Session, changes: &[Change], batch: Batch,
        workspaces: &BTreeSet<WorkspaceId>,
    ) -> StoreResult<Written> {
        directory::reserve(&mut db, changes).await?;
        if batch.vacated.is_some() {
            // Two statements that must be one: what was read is guarded by its version.
            db.commit().await?;
            let mut db = self.begin().await?;
            lock(&mut db, workspaces).await?;
            let written = batch.write(&mut db).await?;
            self.finish(db).await?;
            return Ok(written);
        }
        let written = batch.write(&mut db).await.map_err(|error| db.meaning(error))?;
        self.finish(db).await?;
        Ok(written)
    }

    /// The same, with the workspaces locked before they are read.
    async fn locked(
        &self, jobs: &[Job], homes: Vec<Option<WorkspaceId>>, decide: &mut Decide<'_>,
        workspaces: &BTreeSet<WorkspaceId>,
    ) -> StoreResult<()> {
        let mut db = self.begin().await?;
        lock(&mut db, workspaces).await?;
        let Some((changes, now)) = self.decided(&mut db, jobs, homes, decide).await? else {
            return Ok(());
        };
        directory::reserve(&mut db, &changes).await?;
        let written = Batch::of(&changes, now)?.write(&mut db).await?;
        self.finish(db).await?;
        self.guesses().keep_written(&Ok(written), changes);
        Ok(())
    }

    /// Loads what the jobs touch and decides; nothing where nothing changes.
    async fn decided(
        &self, db: &mut PgConnection, jobs: &[Job], homes: Vec<Option<WorkspaceId>>,
        decide: &mut Decide<'_>,
    ) -> StoreResult<Option<(Vec<Change>, Instant)>> {
        let found = touched(db, jobs, &homes, self.clock, true).await?;
        let Some(found) = found else { return Ok(None) };
        self.guesses().keep_loaded(&found);
        let (now, workspaces, answers) = (found.now, found.workspaces, found.answers);
        let changes = decide(Loaded { now, homes, workspaces, answers });
        Ok((!changes.is_empty()).then_some((changes, now)))
    }
}

async fn lock(db: &mut PgConnection, workspaces: &BTreeSet<WorkspaceId>) -> StoreResult<()> {
    workspace_keys(workspaces.iter()).query(LOCK)?.execute(db).await?;
    Ok(())
}

/// The server's clock when it began a statement that wrote, which was sent then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    pub(super) shown: Instant,
    pub(super) sent: Moment,
}

/// A batch, ready to be written.
pub(super) struct Batch {
    /// The keys of seats to vacate, where there are any.
    vacated: Option<PgArguments>,
    sql: SqlStr,
    values: PgArguments,
}

impl Batch {
    /// What `changes` write, which were decided at `now` on what was loaded.
    fn of(changes: &[Change], now: Instant) -> StoreResult<Self> {
        Self::with(changes, now, |_| ())
    }

    /// What `changes` write that were decided on a guess, with what proves it; none where that takes
    /// more than one statement.
    pub(super) fn proved(
        changes: &[Change], now: Instant, add_proof: impl FnOnce(&mut Parts),
    ) -> StoreResult<Option<Self>> {
        let batch = Self::with(changes, now, add_proof)?;
        Ok(Some(batch).filter(|batch| batch.vacated.is_none()))
    }

    fn with(
        changes: &[Change], now: Instant, add_proof: impl FnOnce(&mut Parts),
    ) -> StoreResult<Self> {
        let mut rows = ChangedRows::default();
        for Change { before, after, .. } in changes {
            rows.add(before, after)?;
        }
        let mut vacated = None;
        if !rows.vacated.is_empty() {
            let mut keys = Arrays::keys();
            for (workspace, seat) in &rows.vacated {
                keys.push_key(bucket(workspace), &[workspace, seat]);
            }
            keys.bind(vacated.insert(PgArguments::default()))?;
        }
        let mut parts = Parts::default();
        add_proof(&mut parts);
        rows.fill(&mut parts);
        let wall = clock::wall();
        for change in changes {
            add_rest(&mut parts, change, now, wall)?;
        }
        let (sql, values) = parts.statement()?;
        Ok(Self { vacated, sql, values })
    }

    /// Writes it; an error undoes it whole.
    async fn write(self, db: &mut PgConnection) -> Result<Written, sqlx::Error> {
        if let Some(seats) = self.vacated {
            sqlx::query_with(VACATE_SEAT, seats).execute(&mut *db).await?;
        }
        let sent = Moment::now();
        let row = sqlx::query_with(self.sql, self.values).fetch_one(db).await?;
        Ok(Written { shown: row.try_get(0)?, sent })
    }
}

impl ChangedRows<'_> {
    /// Puts the rows into their parts; workspaces in the order in which they are locked.
    fn fill(&mut self, parts: &mut Parts) {
        let key = |id: &str| (bucket(id), id.to_owned());
        self.changed.sort_by_cached_key(|row| key(row.id.as_str()));
        self.made.sort_by_cached_key(|row| key(row.id.as_str()));
        parts.add(Part::Changed, &self.changed, |row| bucket(row.id.as_str()));
        parts.add(Part::Made, &self.made, |row| bucket(row.id.as_str()));
        macro_rules! add {
            ($($part:ident: $rows:ident,)+) => {
                $(parts.add(Part::$part, &self.$rows, |row| bucket(row.workspace.as_str()));)+
            };
        }
        add! {
            Accounts: accounts,
            FreeMessage: free_message,
            FreeIntegration: free_integration,
            Apps: apps,
            Subscriptions: subscriptions,
            Seats: seats,
            SeatMessage: seat_message,
            SeatIntegration: seat_integration,
            Grants: grants,
            SpentGrants: spent_grants,
            Rewards: rewards,
        }
    }
}

/// Puts what a change says beside its workspace into parts.
fn add_rest(
    parts: &mut Parts, change: &Change, now: Instant, wall: DateTime<Utc>,
) -> StoreResult<()> {
    let workspace = change.after.id.as_str();
    let own = bucket(workspace);
    parts.add(Part::Entries, &lines(change, now).collect::<Vec<_>>(), |_| own);
    let holders: BTreeSet<_> = new_holders(change).collect();
    let holders: Vec<_> = holders
        .into_iter()
        .map(|(seat, account)| SeatAccountRow {
            workspace: workspace.into(),
            seat: seat.into(),
            account: account.into(),
        })
        .collect();
    parts.add(Part::SeatAccounts, &holders, |_| own);
    parts.add(Part::Answers, &answers(change, wall).collect::<StoreResult<Vec<_>>>()?, |_| own);
    for account in &change.erased {
        parts.add_key(Part::Erased, own, workspace, account.as_str());
    }
    parts.add(Part::Mails, &mails(change, now, wall).collect::<Vec<_>>(), |_| own);
    let alerts: Vec<_> = (1..)
        .zip(&change.alerts)
        .map(|(number, Alert { code, subject, detail })| AlertRow {
            workspace: workspace.into(),
            version: stored_count(change.after.version),
            number,
            at_us: us(now),
            code: (*code).into(),
            subject: subject.as_str().into(),
            detail: detail.as_str().into(),
        })
        .collect();
    parts.add(Part::Alerts, &alerts, |_| own);
    Ok(())
}
