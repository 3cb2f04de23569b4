//! Statements that write many rows at a time.

use super::row::bind;
use crate::store::row::{Row, names};
use crate::store::{StoreError, StoreResult};
use futures_util::TryStreamExt as _;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Either, Executor as _, SqliteConnection};
use std::ops::Range;

/// How many rows one execution takes, most first. Each is a prepared statement of its own; powers
/// of two, so that any number of rows takes few executions, each of which costs a change of threads.
const SIZES: [usize; 9] = [256, 128, 64, 32, 16, 8, 4, 2, 1];

/// A statement with a list of rows as parameters, in its sizes.
///
/// `OR FAIL`: when a row fails, the transaction is rolled back whole, so SQLite need not keep a
/// journal by which it could take back the statement alone.
#[derive(Debug)]
pub(super) struct Statement {
    /// The texts, one for each of `SIZES`.
    texts: [String; SIZES.len()],
}

impl Statement {
    /// Inserts rows.
    pub(super) fn insert<R: Row>(table: &str) -> Self {
        let names = names(R::COLUMNS);
        Self::new(names.len(), |rows| {
            format!("INSERT OR FAIL INTO {table} ({}) VALUES {rows}", names.join(", "))
        })
    }

    /// Inserts rows, or writes over all but the id of those that exist in the same workspace.
    pub(super) fn upsert<R: Row>(table: &str) -> Self {
        let names = names(R::COLUMNS);
        let others = names.iter().skip(1);
        let sets: Vec<String> = others.map(|name| format!("{name} = excluded.{name}")).collect();
        Self::new(names.len(), |rows| {
            format!(
                "INSERT OR FAIL INTO {table} ({}) VALUES {rows} ON CONFLICT (id) DO UPDATE SET {} \
                 WHERE {table}.workspace = excluded.workspace",
                names.join(", "),
                sets.join(", ")
            )
        })
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
        Self::new(names.len(), |rows| {
            format!(
                "UPDATE OR FAIL {table} SET {} FROM (VALUES {rows}) AS given WHERE {}",
                sets.join(", "),
                tests.join(" AND ")
            )
        })
    }

    fn new(columns: usize, text: impl Fn(&str) -> String) -> Self {
        let row = format!("({})", vec!["?"; columns].join(", "));
        Self { texts: SIZES.map(|size| text(&vec![row.as_str(); size].join(", "))) }
    }

    /// Runs it over all rows; how many it wrote.
    pub(super) async fn run<R: Row + Sync>(
        &'static self, db: &mut SqliteConnection, rows: &[R],
    ) -> StoreResult<u64> {
        let [written] = together(db, [Part { statement: self, rows: &rows }]).await?;
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

impl<R: Row> Rows for &[R] {
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

/// Runs statements over all their rows; how many rows each wrote.
///
/// Parts that have rows left for the same size go in one execution, since each costs a change of
/// threads and back. So a part may be run over some of its rows before an earlier part is run
/// over the last of its own: no row may need a row of another part.
pub(super) async fn together<const N: usize>(
    db: &mut SqliteConnection, parts: [Part<'_>; N],
) -> StoreResult<[u64; N]> {
    let mut written = [0_u64; N];
    let mut next = [0_usize; N];
    for (size_at, size) in SIZES.into_iter().enumerate() {
        loop {
            let mut values = SqliteArguments::default();
            let mut taken = Vec::with_capacity(N);
            for (at, (part, next)) in parts.iter().zip(&mut next).enumerate() {
                if part.rows.count() - *next >= size {
                    part.rows.bind(*next..*next + size, &mut values)?;
                    *next += size;
                    taken.push(at);
                }
            }
            if taken.is_empty() {
                break;
            }
            let texts: Vec<&str> =
                taken.iter().map(|at| parts[*at].statement.texts[size_at].as_str()).collect();
            let query = sqlx::query_with(AssertSqlSafe(texts.join(";\n")), values);
            let mut results = db.fetch_many(query);
            let mut at = taken.into_iter();
            while let Some(result) = results.try_next().await? {
                if let (Either::Left(done), Some(at)) = (result, at.next()) {
                    written[at] += done.rows_affected();
                }
            }
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::row::row;

    row! {
        /// A row.
        pub(super) struct Sample { id: i64, workspace: i64, used_uc: i64, }
    }

    #[test]
    fn each_size_has_its_text() {
        let insert = Statement::insert::<Sample>("t");
        let [.., two, one] = &insert.texts;
        assert_eq!(one, "INSERT OR FAIL INTO t (id, workspace, used_uc) VALUES (?, ?, ?)");
        assert_eq!((two.matches('?').count(), insert.texts[0].matches('?').count()), (6, 256 * 3));
    }

    #[test]
    fn a_row_that_exists_is_written_over_in_its_workspace() {
        let [.., one] = Statement::upsert::<Sample>("t").texts;
        assert_eq!(
            one,
            "INSERT OR FAIL INTO t (id, workspace, used_uc) VALUES (?, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET workspace = excluded.workspace, \
             used_uc = excluded.used_uc WHERE t.workspace = excluded.workspace"
        );
    }

    #[test]
    fn an_update_is_guarded() {
        let guards = [("id", "id"), ("workspace", "home")];
        let [.., one] = Statement::update::<Sample>("t", &guards).texts;
        assert_eq!(
            one,
            "UPDATE OR FAIL t SET used_uc = given.column3 FROM (VALUES (?, ?, ?)) AS given \
             WHERE t.id = given.column1 AND t.home = given.column2"
        );
    }
}
