//! Moves a stopped installation from SQLite to PostgreSQL.
//!
//! | step | what stands in the target if we end there |
//! |---|---|
//! | the source is proven | nothing |
//! | a word that a move began | nothing else; nobody may use it |
//! | everything is copied, in one transaction | all or nothing; nobody may use it |
//! | the copy is proven, and compared table by table | all; whoever comes may use it |
//!
//! So a move that was cut off is simply made again: it copies anew where the copy was not
//! committed, and goes on with the proof where it was. The source is only read, and locked as long.
//! No more is kept in memory than some megabytes of rows.

pub(super) mod rows;
pub(super) mod tables;
mod error;

use super::open::{OpenError, OpenOptions, lock_for_serve, sqlite_path};
use super::postgres::{Filling, Origin, PostgresOptions, PostgresStore};
use super::sqlite::SqliteStore;
use super::{Fault, Store, StoreError, StoreResult};
pub use error::MoveError;
use futures_util::TryStreamExt as _;
use rows::Rows;
pub use rows::Tally;
use sqlx::SqliteConnection;
use tables::{TABLES, Table};

/// Rows are sent when so many bytes of them have come together.
const LOT_BYTES: usize = 2 * 1024 * 1024;

/// What is moved, and where to.
#[derive(Debug)]
pub struct Move<'a> {
    /// The URL of the SQLite database.
    pub from: &'a str,
    /// The URL of the PostgreSQL database.
    pub to: &'a str,
    /// How to open both.
    pub options: OpenOptions,
    /// How PostgreSQL is reached.
    pub postgres: PostgresOptions,
    /// Only look: nothing of the target is changed.
    pub dry_run: bool,
}

/// What was moved.
#[derive(Debug)]
pub struct Moved {
    /// For each table, what people call its rows, and what it holds.
    pub tables: Vec<(&'static str, Tally)>,
    /// How it was done.
    pub outcome: Outcome,
}

/// How a move was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was copied and proven.
    Moved,
    /// It was copied by an earlier attempt, and is proven now.
    Finished,
    /// It would be copied.
    DryRun,
}

/// Credits that a table holds, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credits(pub i128);

impl Moved {
    /// Credits of a table: what pots hold, or what lines add up to; none where it has no credits.
    #[must_use]
    pub fn credits(rows: &str, tally: &Tally) -> Option<Credits> {
        let kinds = || tally.sum("message_balance_uc") + tally.sum("integration_balance_uc");
        match rows {
            "accounts" | "seats" => Some(Credits(kinds())),
            "grants" => Some(Credits(tally.sum("balance_uc"))),
            "ledger lines" => Some(Credits(tally.sum("amount_uc"))),
            _ => None,
        }
    }
}

/// How far a move has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// Something begins, of so many parts.
    Begin(&'a str, u64),
    /// So many of them are done.
    At(u64),
}

/// Whoever is told how far it has come.
type Tell<'t> = &'t (dyn Fn(Step<'_>) + Sync);

impl Move<'_> {
    /// Moves everything; may be repeated after any failure.
    ///
    /// # Errors
    /// Says what keeps it from being done. The source is never changed, and the target is not used
    /// before it is proven.
    pub async fn run(&self, tell: Tell<'_>) -> Result<Moved, MoveError> {
        let path = sqlite_path(self.from).map_err(MoveError::Source)?;
        if !path.exists() {
            return Err(MoveError::NoSource(path));
        }
        let _held = lock_for_serve(self.from).map_err(MoveError::of_source)?;
        let options = self.options.as_it_is();
        let source = SqliteStore::open(&path, &options).await.map_err(MoveError::of_source)?;
        let reading = |error| MoveError::Reading { table: "database", error };
        // Commands beside us that would write wait, and give up.
        let mut turn = source.turn().await.map_err(reading)?;
        let mut db = turn.begin().await.map_err(|error| reading(error.into()))?;
        let origin = path.canonicalize().unwrap_or(path).display().to_string();
        let target = self.open_target().await?;
        let known = match &target {
            Some(target) => look(target).await?,
            None => None,
        };
        let faults = prove(&source, "proving the source", tell).await.map_err(reading)?;
        if !faults.is_empty() {
            return Err(MoveError::SourceFaults(faults.len(), faults));
        }
        let Some(target) = target.filter(|_| !self.dry_run) else {
            let tables = copy(&mut db, None, "counting", tell).await?;
            return Ok(Moved { tables, outcome: Outcome::DryRun });
        };
        let (tables, outcome) = if known == Some(Progress::Copied) {
            (copy(&mut db, None, "counting", tell).await?, Outcome::Finished)
        } else {
            (fill(&mut db, &target, &origin, tell).await?, Outcome::Moved)
        };
        finish(&target, &tables, tell).await?;
        db.give_up().await.map_err(|error| reading(error.into()))?;
        Ok(Moved { tables, outcome })
    }

    /// The target; none where only a look is wanted and there is no schema yet.
    async fn open_target(&self) -> Result<Option<PostgresStore>, MoveError> {
        let migrate = self.options.migrate && !self.dry_run;
        let options = OpenOptions { migrate, create: true, ..self.options };
        match PostgresStore::open_to_fill(self.to, &options, &self.postgres).await {
            Ok(target) => Ok(Some(target)),
            Err(OpenError::OldSchema { found: 0, .. }) if self.dry_run => Ok(None),
            Err(error) => Err(MoveError::Target(error)),
        }
    }
}

/// How far an earlier attempt came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// It said that it began.
    Begun,
    /// It copied everything.
    Copied,
}

/// Whether a target may be filled, and how far an earlier attempt came.
async fn look(target: &PostgresStore) -> Result<Option<Progress>, MoveError> {
    let fails = MoveError::TargetFails;
    let known = target.origin().await.map_err(fails)?;
    let progress = match known {
        Some(Origin { origin, proven_at: Some(at), .. }) => {
            return Err(MoveError::MovedBefore { origin, at });
        }
        Some(known) if known.copied_at.is_some() => Some(Progress::Copied),
        Some(_) => Some(Progress::Begun),
        None => None,
    };
    if progress != Some(Progress::Copied)
        && let Some(table) = target.occupied().await.map_err(fails)?
    {
        return Err(MoveError::Occupied(table.rows));
    }
    if target.is_in_use().await.map_err(fails)? {
        return Err(MoveError::TargetInUse);
    }
    Ok(progress)
}

/// Copies everything in one transaction.
pub(super) async fn fill(
    db: &mut SqliteConnection, target: &PostgresStore, origin: &str, tell: Tell<'_>,
) -> Result<Vec<(&'static str, Tally)>, MoveError> {
    let mut filling = target.fill(origin).await.map_err(MoveError::of_beginning)?;
    let tables = copy(db, Some(&mut filling), "copying", tell).await?;
    tell(Step::Begin("making it durable", 0));
    filling.commit().await.map_err(MoveError::TargetFails)?;
    Ok(tables)
}

/// Proves the copy, compares it with what was read of the source, and lets it be used.
async fn finish(
    target: &PostgresStore, tables: &[(&'static str, Tally)], tell: Tell<'_>,
) -> Result<(), MoveError> {
    let fails = MoveError::TargetFails;
    tell(Step::Begin("telling the planner", 0));
    target.analyze().await.map_err(fails)?;
    let faults = prove(target, "proving the copy", tell).await.map_err(fails)?;
    if !faults.is_empty() {
        return Err(MoveError::TargetFaults(faults.len(), faults));
    }
    let differences = compare(target, tables, tell).await.map_err(fails)?;
    if !differences.is_empty() {
        return Err(MoveError::Differs(differences));
    }
    target.set_proven().await.map_err(fails)
}

/// What is not the same in the target, in words.
pub(super) async fn compare(
    target: &PostgresStore, tables: &[(&'static str, Tally)], tell: Tell<'_>,
) -> StoreResult<Vec<String>> {
    tell(Step::Begin("comparing", TABLES.len() as u64));
    let mut differences = Vec::new();
    for ((table, (_, expected)), at) in TABLES.iter().zip(tables).zip(1..) {
        let found = target.tally(table, expected).await?;
        differences.extend(differences_of(table, expected, &found));
        tell(Step::At(at));
    }
    Ok(differences)
}

fn differences_of(table: &Table, expected: &Tally, found: &Tally) -> Vec<String> {
    let Table { name, rows, .. } = table;
    let mut said = Vec::new();
    if expected.rows != found.rows {
        said.push(format!("{rows}: {} in the source, {} in the copy", expected.rows, found.rows));
    }
    for ((column, expected), (_, found)) in expected.sums.iter().zip(&found.sums) {
        if expected != found {
            said.push(format!(
                "{rows}: {name}.{column} adds up to {expected} in the source, {found} in the copy"
            ));
        }
    }
    said
}

async fn prove(store: &dyn Store, what: &str, tell: Tell<'_>) -> StoreResult<Vec<Fault>> {
    let begun = std::sync::Once::new();
    store
        .verify(&|done, of| {
            begun.call_once(|| tell(Step::Begin(what, of)));
            tell(Step::At(done));
        })
        .await
}

/// Reads every table, and copies it where there is a target.
async fn copy(
    db: &mut SqliteConnection, mut filling: Option<&mut Filling>, verb: &str, tell: Tell<'_>,
) -> Result<Vec<(&'static str, Tally)>, MoveError> {
    let mut tables = Vec::with_capacity(TABLES.len());
    for table in &TABLES {
        let tally = copy_table(db, filling.as_deref_mut(), table, verb, tell).await?;
        tables.push((table.rows, tally));
    }
    Ok(tables)
}

async fn copy_table(
    db: &mut SqliteConnection, mut filling: Option<&mut Filling>, table: &'static Table,
    verb: &str, tell: Tell<'_>,
) -> Result<Tally, MoveError> {
    let reading = |error: StoreError| MoveError::Reading { table: table.rows, error };
    let count = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM ({})", table.select));
    let count: i64 = sqlx::query_scalar(count)
        .fetch_one(&mut *db)
        .await
        .map_err(|error| reading(error.into()))?;
    tell(Step::Begin(&format!("{verb} {}", table.rows), u64::try_from(count).unwrap_or(0)));
    let mut rows = Rows::of(table);
    let mut found = sqlx::query(table.select).fetch(db);
    while let Some(row) = found.try_next().await.map_err(|error| reading(error.into()))? {
        rows.add(&row).map_err(reading)?;
        if rows.lines.len() >= LOT_BYTES {
            send(&mut rows, filling.as_deref_mut(), table).await?;
            tell(Step::At(rows.tally.rows));
        }
    }
    send(&mut rows, filling, table).await?;
    tell(Step::At(rows.tally.rows));
    Ok(rows.tally)
}

/// Sends what has come together.
async fn send(
    rows: &mut Rows, filling: Option<&mut Filling>, table: &'static Table,
) -> Result<(), MoveError> {
    if let Some(filling) = filling.filter(|_| !rows.lines.is_empty()) {
        let writing = |error| MoveError::Writing { table: table.rows, error };
        filling.append(table, &rows.columns(), &rows.lines).await.map_err(writing)?;
    }
    rows.lines.clear();
    Ok(())
}

#[cfg(test)]
mod tests;
