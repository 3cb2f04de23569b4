//! Rows as SQLite reads and takes them.
//!
//! All rows that a statement finds are read as one JSON text, which SQLite makes several times
//! faster than the driver moves rows one by one. The other way round it is the opposite: taking
//! JSON apart costs SQLite more than parameters do.

use crate::store::row::{Column, Row, Value};
use sqlx::Arguments as _;
use sqlx::error::BoxDynError;
use sqlx::sqlite::SqliteArguments;

/// Adds a row's values to the parameters of a statement, in the order of its columns.
pub(super) fn bind<R: Row>(row: &R, to: &mut SqliteArguments) -> Result<(), BoxDynError> {
    let mut bound = Ok(());
    row.give(&mut |value| {
        let added = match value {
            Value::Null => to.add(None::<i64>),
            Value::Int(number) => to.add(number),
            Value::Text(text) => to.add(text),
            Value::Bytes(bytes) => to.add(bytes),
        };
        if added.is_err() {
            bound = added;
        }
    });
    bound
}

/// The SQL expression that makes the JSON array of a row of `table`.
pub(super) fn array_sql(table: &str, columns: &[Column]) -> String {
    fn list(columns: &[Column], prefix: &str) -> String {
        let items: Vec<String> = columns
            .iter()
            .map(|column| match column {
                Column::Plain(name, _) => format!("{prefix}{name}"),
                Column::Group(group, inner) => list(inner, &format!("{prefix}{group}_")),
            })
            .collect();
        format!("json_array({})", items.join(", "))
    }
    list(columns, &format!("{table}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::row::names;
    use crate::store::row::people::{AllowanceRow, FreeRow, WorkspaceRow};
    use creditd_rules::Workspace;

    #[test]
    fn a_group_is_an_array_in_the_array() {
        const COLUMNS: &[Column] = &[
            Column::Plain("id", crate::store::row::CellKind::Text),
            Column::Group("message", AllowanceRow::COLUMNS),
        ];
        let sql = array_sql("t", COLUMNS);
        assert!(sql.starts_with("json_array(t.id, json_array(t.message_day_limit_uc, "), "{sql}");
        assert_eq!(sql.matches(',').count() + 1, 1 + names(AllowanceRow::COLUMNS).len());
        assert!(names(FreeRow::COLUMNS).len() > names(AllowanceRow::COLUMNS).len());
    }

    #[test]
    fn a_row_binds_a_value_for_each_column() {
        let workspace = Workspace::new("w".into());
        let mut values = SqliteArguments::default();
        bind(&WorkspaceRow::of(&workspace), &mut values).unwrap();
        assert_eq!(sqlx::Arguments::len(&values), names(WorkspaceRow::COLUMNS).len());
    }
}
