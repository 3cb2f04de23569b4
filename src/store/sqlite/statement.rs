//! Statements that write many rows at a time.

use super::error::at_commit;
use super::row::bind;
use super::writer::{BEGIN, COMMIT};
use crate::store::row::{Row, names};
use crate::store::{StoreError, StoreResult};
use futures_util::TryStreamExt as _;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Either, Executor as _, SqliteConnection};
use std::ops::Range;

/// The most rows that one execution takes.
const ROWS_MAX: usize = 256;

/// Up to so many rows, any number of them has a text of its own: a batch of that size is written in
/// one execution, each of which costs a change of threads and back. Beyond, and for parts that are
/// shorter than others, powers of two keep the prepared statements few.
const EXACT_MAX: usize = 64;

/// A statement with a list of rows as parameters, of any length.
///
/// `OR FAIL`: when a row fails, the transaction is rolled back whole, so SQLite need not keep a
/// journal by which it could take back the statement alone.
#[derive(Debug)]
pub(super) struct Statement {
    /// What stands before the rows, a row, and what stands after them.
    before: String,
    row: String,
    after: String,
}

impl Statement {
    /// Inserts rows.
    pub(super) fn insert<R: Row>(table: &str) -> Self {
        let names = names(R::COLUMNS);
        let before = format!("INSERT OR FAIL INTO {table} ({}) VALUES ", names.join(", "));
        Self::new(names.len(), before, String::new())
    }

    /// Inserts rows, or writes over all but the id of those that exist in the same workspace.
    pub(super) fn upsert<R: Row>(table: &str) -> Self {
        let names = names(R::COLUMNS);
        let others = names.iter().skip(1);
        let sets: Vec<String> = others.map(|name| format!("{name} = excluded.{name}")).collect();
        let before = format!("INSERT OR FAIL INTO {table} ({}) VALUES ", names.join(", "));
        let after = format!(
            " ON CONFLICT (id) DO UPDATE SET {} WHERE {table}.workspace = excluded.workspace",
            sets.join(", ")
        );
        Self::new(names.len(), before, after)
    }

    /// Changes rows that exist. `guards` are names in `R` whose values are not written: they must
    /// be what the column that is named with them holds.
    pub(super) fn update<R: Row>(table: &str, guards: &[(&str, &str)]) -> Self {
        let names = names(R::COLUMNS);
        let mut sets = Vec::new();
        let mut tests = Vec::new();
        for (name, at) in names.iter().zip(1..) {
            let guarded = guards.iter().find(|(given, _)| given == name);
            match guarded {
                Some((_, column)) => tests.push(format!("{table}.{column} = given.column{at}")),
                None => sets.push(format!("{name} = given.column{at}")),
            }
        }
        let before = format!("UPDATE OR FAIL {table} SET {} FROM (VALUES ", sets.join(", "));
        let after = format!(") AS given WHERE {}", tests.join(" AND "));
        Self::new(names.len(), before, after)
    }

    /// Any statement with rows between two texts, which name their columns `column1` and so on.
    pub(super) fn of<R: Row>(before: &str, after: &str) -> Self {
        Self::new(names(R::COLUMNS).len(), before.to_owned(), after.to_owned())
    }

    fn new(columns: usize, before: String, after: String) -> Self {
        Self { before, row: format!("({})", vec!["?"; columns].join(", ")), after }
    }

    /// Adds its text for so many rows.
    fn write(&self, rows: usize, to: &mut String) {
        to.push_str(&self.before);
        for at in 0..rows {
            to.push_str(if at == 0 { "" } else { ", " });
            to.push_str(&self.row);
        }
        to.push_str(&self.after);
    }

    /// Runs it over all rows; how many it wrote.
    pub(super) async fn run<R: Row + Sync>(
        &'static self, db: &mut SqliteConnection, rows: &Vec<R>,
    ) -> StoreResult<u64> {
        let parts = [Part { statement: self, rows }];
        let [written] = together(db, parts, Frame::default()).await?;
        Ok(written)
    }
}

/// A statement and the rows to run it over.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) statement: &'static Statement,
    pub(super) rows: &'a (dyn Rows + Sync),
}

impl Part<'_> {
    /// Whether fewer rows were written than there are.
    pub(super) fn missed(&self, written: u64) -> bool {
        written != self.rows.count() as u64
    }
}

/// Rows of any one kind.
pub(super) trait Rows {
    /// How many there are.
    fn count(&self) -> usize;

    /// Adds the values of some of them to the parameters of a statement.
    fn bind(&self, range: Range<usize>, to: &mut SqliteArguments) -> StoreResult<()>;
}

impl<R: Row> Rows for Vec<R> {
    fn count(&self) -> usize {
        self.len()
    }

    fn bind(&self, range: Range<usize>, to: &mut SqliteArguments) -> StoreResult<()> {
        for row in self.get(range).into_iter().flatten() {
            bind(row, to).map_err(|error| StoreError::Refused(error.to_string()))?;
        }
        Ok(())
    }
}

/// What goes to the database's thread in the same executions as the rows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Frame {
    /// The transaction begins before them.
    pub(super) begin: bool,
    /// It is committed after them.
    pub(super) commit: bool,
}

/// Runs statements over all their rows; how many rows each wrote.
///
/// Parts that have rows left for the same size go in one execution. So a part may be run over some
/// of its rows before an earlier part is run over the last of its own: no row may need a row of
/// another part.
///
/// # Errors
/// Where the frame commits, an error may leave open whether it did.
pub(super) async fn together<const N: usize>(
    db: &mut SqliteConnection, parts: [Part<'_>; N], frame: Frame,
) -> StoreResult<[u64; N]> {
    let mut written = [0_u64; N];
    let mut left = parts.map(|part| part.rows.count());
    let (mut is_first, mut was_exact) = (true, false);
    loop {
        let longest = left.into_iter().max().unwrap_or(0);
        let exact = longest <= EXACT_MAX && !was_exact;
        was_exact |= exact;
        let size = if exact { longest } else { power_of_two(longest) };
        let mut text = String::from(if frame.begin && is_first { BEGIN } else { "" });
        let mut values = SqliteArguments::default();
        let mut taken = Vec::with_capacity(N);
        for at in 0..N {
            if size == 0 || left[at] < size {
                continue;
            }
            text.push_str(if text.is_empty() { "" } else { ";\n" });
            parts[at].statement.write(size, &mut text);
            let from = parts[at].rows.count() - left[at];
            parts[at].rows.bind(from..from + size, &mut values)?;
            left[at] -= size;
            taken.push(at);
        }
        let is_last = left == [0; N];
        let commits = frame.commit && is_last;
        if commits {
            text.push_str(if text.is_empty() { COMMIT } else { ";\nCOMMIT" });
        }
        if text.is_empty() {
            return Ok(written);
        }
        let meaning = |error| if commits { at_commit(error) } else { error.into() };
        let mut results = db.fetch_many(sqlx::query_with(AssertSqlSafe(text), values));
        let begun = (frame.begin && is_first).then_some(None);
        let commit = commits.then_some(None);
        let mut whose = begun.into_iter().chain(taken.into_iter().map(Some)).chain(commit);
        while let Some(result) = results.try_next().await.map_err(meaning)? {
            if let Either::Left(done) = result
                && let Some(Some(at)) = whose.next()
            {
                written[at] += done.rows_affected();
            }
        }
        // The database's thread is gone where it fell silent before the last statement.
        if whose.next().is_some() {
            return Err(meaning(sqlx::Error::WorkerCrashed));
        }
        if is_last {
            return Ok(written);
        }
        is_first = false;
    }
}

/// The largest power of two that is neither above `count` nor above [`ROWS_MAX`].
fn power_of_two(count: usize) -> usize {
    1 << count.clamp(1, ROWS_MAX).ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::row::row;
    use sqlx::Connection as _;
    use std::sync::LazyLock;

    row! {
        /// A row.
        pub(super) struct Sample { id: i64, workspace: i64, used_uc: i64, }
    }

    fn text(statement: &Statement, rows: usize) -> String {
        let mut text = String::new();
        statement.write(rows, &mut text);
        text
    }

    #[test]
    fn rows_are_inserted() {
        let insert = Statement::insert::<Sample>("t");
        let one = "INSERT OR FAIL INTO t (id, workspace, used_uc) VALUES (?, ?, ?)";
        assert_eq!(text(&insert, 1), one);
        assert_eq!(text(&insert, 2), format!("{one}, (?, ?, ?)"));
    }

    #[test]
    fn a_row_that_exists_is_written_over_in_its_workspace() {
        assert_eq!(
            text(&Statement::upsert::<Sample>("t"), 1),
            "INSERT OR FAIL INTO t (id, workspace, used_uc) VALUES (?, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET workspace = excluded.workspace, \
             used_uc = excluded.used_uc WHERE t.workspace = excluded.workspace"
        );
    }

    #[test]
    fn an_update_is_guarded() {
        let guards = [("id", "id"), ("workspace", "home")];
        assert_eq!(
            text(&Statement::update::<Sample>("t", &guards), 1),
            "UPDATE OR FAIL t SET used_uc = given.column3 FROM (VALUES (?, ?, ?)) AS given \
             WHERE t.id = given.column1 AND t.home = given.column2"
        );
    }

    /// Parts of all lengths are written whole, each row once.
    #[tokio::test]
    async fn any_numbers_of_rows_are_written_together() {
        static A: LazyLock<Statement> = LazyLock::new(|| Statement::insert::<Sample>("a"));
        static B: LazyLock<Statement> = LazyLock::new(|| Statement::insert::<Sample>("b"));
        let mut db = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let tables = "CREATE TABLE a (id INTEGER PRIMARY KEY, workspace, used_uc);
                      CREATE TABLE b (id INTEGER PRIMARY KEY, workspace, used_uc)";
        sqlx::raw_sql(tables).execute(&mut db).await.unwrap();
        let mut wanted = [0, 0];
        let frame = Frame { begin: true, commit: true };
        for (a, b) in [(1, 1), (3, 0), (64, 63), (65, 1), (27, 12), (300, 1_000), (0, 0)] {
            let rows = |from: u64, count: u64| {
                let ids = from..from + count;
                ids.map(|id| Sample { id: id.cast_signed(), workspace: 0, used_uc: 0 }).collect()
            };
            let (in_a, in_b): (Vec<_>, Vec<_>) = (rows(wanted[0], a), rows(wanted[1], b));
            let parts = [Part { statement: &A, rows: &in_a }, Part { statement: &B, rows: &in_b }];
            assert_eq!(together(&mut db, parts, frame).await.unwrap(), [a, b]);
            wanted = [wanted[0] + a, wanted[1] + b];
            let sql = "SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)";
            let (a, b): (i64, i64) = sqlx::query_as(sql).fetch_one(&mut db).await.unwrap();
            assert_eq!([a, b].map(i64::cast_unsigned), wanted);
        }
    }
}
