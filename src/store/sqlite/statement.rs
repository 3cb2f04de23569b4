//! Statements that write many rows at a time.

use super::row::{Row, names};
use crate::store::{StoreError, StoreResult};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteArguments;

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
    pub(super) async fn run<R: Row>(
        &'static self, db: &mut SqliteConnection, mut rows: &[R],
    ) -> StoreResult<u64> {
        let mut written: u64 = 0;
        for (size, text) in SIZES.into_iter().zip(&self.texts) {
            while let Some((some, rest)) = rows.split_at_checked(size) {
                rows = rest;
                let mut values = SqliteArguments::default();
                for row in some {
                    row.bind(&mut values).map_err(|e| StoreError::Refused(e.to_string()))?;
                }
                let done = sqlx::query_with(text.as_str(), values).execute(&mut *db).await?;
                written = written.saturating_add(done.rows_affected());
            }
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::row;
    use super::*;

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
