//! Rows of SQLite as PostgreSQL's COPY takes them, and their sums.

use super::tables::Table;
use crate::store::postgres::{bucket, stored_name};
use crate::store::row::{Value, instant};
use crate::store::{StoreError, StoreResult};
use chrono::SecondsFormat;
use sqlx::sqlite::SqliteRow;
use sqlx::{Column as _, Row as _, TypeInfo as _, ValueRef as _};
use std::io::Write as _;

/// What a table holds, in numbers that both sides must agree on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many rows.
    pub rows: u64,
    /// For each column, as SQLite names it, the sum of its numbers or of its texts' lengths in bytes.
    pub sums: Vec<(String, i128)>,
}

impl Tally {
    /// The sum of a column.
    #[must_use]
    pub fn sum(&self, column: &str) -> i128 {
        self.sums.iter().find(|(name, _)| name == column).map_or(0, |(_, sum)| *sum)
    }
}

/// Rows of one table, gathered and counted.
#[derive(Debug)]
pub(super) struct Rows {
    table: &'static Table,
    /// Where the workspace stands in a row, once a row was seen.
    home: Option<usize>,
    pub(super) tally: Tally,
    /// Lines that were not sent yet.
    pub(super) lines: Vec<u8>,
}

impl Rows {
    pub(super) fn of(table: &'static Table) -> Self {
        Self { table, home: None, tally: Tally::default(), lines: Vec::new() }
    }

    /// The columns of the lines, in order; none before a row was seen.
    pub(super) fn columns(&self) -> Vec<&str> {
        let bucket = self.home.map(|_| "bucket");
        let named = self.tally.sums.iter().map(|(name, _)| stored_name(name));
        bucket.into_iter().chain(named).collect()
    }

    /// Adds a row.
    pub(super) fn add(&mut self, row: &SqliteRow) -> StoreResult<()> {
        if self.tally.rows == 0 {
            let names = row.columns().iter().map(|column| column.name().to_owned());
            self.tally.sums = names.map(|name| (name, 0)).collect();
            let is_home = |(name, _): &(String, i128)| Some(name.as_str()) == self.table.home;
            self.home = self.tally.sums.iter().position(is_home);
        }
        self.tally.rows = self.tally.rows.saturating_add(1);
        if let Some(home) = self.home {
            let workspace: &str = row.try_get(home)?;
            put(&mut self.lines, Value::Int(bucket(workspace).into()), false)?;
            self.lines.push(b'\t');
        }
        for (at, (name, sum)) in self.tally.sums.iter_mut().enumerate() {
            let value = value(row, at)?;
            *sum = sum.saturating_add(match value {
                Value::Null => 0,
                Value::Int(number) => number.into(),
                Value::Text(text) => length(text.as_bytes()),
                Value::Bytes(bytes) => length(bytes),
            });
            put(&mut self.lines, value, name.ends_with("_us"))?;
            self.lines.push(b'\t');
        }
        // The last tabulator ends the line.
        if let Some(last) = self.lines.last_mut() {
            *last = b'\n';
        }
        Ok(())
    }
}

fn length(bytes: &[u8]) -> i128 {
    i128::try_from(bytes.len()).unwrap_or(i128::MAX)
}

/// A cell, of whatever type it is stored as.
fn value(row: &SqliteRow, at: usize) -> StoreResult<Value<'_>> {
    let raw = row.try_get_raw(at)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    Ok(match raw.type_info().name() {
        "INTEGER" => Value::Int(row.try_get_unchecked(at)?),
        "TEXT" => Value::Text(row.try_get_unchecked(at)?),
        "BLOB" => Value::Bytes(row.try_get_unchecked(at)?),
        other => return Err(StoreError::Refused(format!("a cell of type {other}"))),
    })
}

/// Adds a cell in the text format of COPY.
fn put(line: &mut Vec<u8>, value: Value<'_>, is_instant: bool) -> StoreResult<()> {
    let written = match value {
        Value::Null => line.write_all(b"\\N"),
        Value::Int(us) if is_instant => {
            write!(line, "{}", instant(us)?.to_rfc3339_opts(SecondsFormat::Micros, true))
        }
        Value::Int(number) => write!(line, "{number}"),
        Value::Text(text) => {
            for byte in text.bytes() {
                match byte {
                    b'\\' => line.extend(b"\\\\"),
                    b'\t' => line.extend(b"\\t"),
                    b'\n' => line.extend(b"\\n"),
                    b'\r' => line.extend(b"\\r"),
                    other => line.push(other),
                }
            }
            Ok(())
        }
        Value::Bytes(bytes) => {
            line.extend(b"\\\\x");
            bytes.iter().try_for_each(|byte| write!(line, "{byte:02x}"))
        }
    };
    written.map_err(|error| StoreError::Refused(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: Value<'_>, is_instant: bool, expected: &str) {
        let mut line = Vec::new();
        put(&mut line, value, is_instant).unwrap();
        assert_eq!(String::from_utf8(line).unwrap(), expected);
    }

    #[test]
    fn cells_are_written_as_copy_reads_them() {
        check(Value::Null, true, "\\N");
        check(Value::Int(-7), false, "-7");
        check(Value::Int(1_500_000), true, "1970-01-01T00:00:01.500000Z");
        check(Value::Text("a\\N\tb\r\nŁ"), false, "a\\\\N\\tb\\r\\nŁ");
        check(Value::Text(""), false, "");
        check(Value::Bytes(&[0, 255]), false, "\\\\x00ff");
    }

    #[test]
    fn an_instant_that_no_calendar_has_is_refused() {
        assert!(put(&mut Vec::new(), Value::Int(i64::MAX), true).is_err());
    }
}
