//! How answers are printed: rows under headings, each column as wide as its widest cell, or JSON.

use serde::Serialize;
use std::io::{self, Write};

/// Writes a table; nothing is cut, and nothing stands behind the last cell of a row.
pub(super) fn write<const N: usize>(
    out: &mut dyn Write, headings: [&str; N], rows: &[[String; N]],
) -> io::Result<()> {
    let headings = headings.map(str::to_owned);
    let all = || std::iter::once(&headings).chain(rows);
    let width = |column: usize| {
        all().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    for row in all() {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// Writes a value as JSON, laid out for people.
pub(super) fn json(out: &mut dyn Write, value: &impl Serialize) -> anyhow::Result<()> {
    writeln!(out, "{}", serde_json::to_string_pretty(value)?)?;
    Ok(())
}

/// An instant as people and `date` read it; a dash for none.
pub(super) fn instant(at: Option<chrono::DateTime<chrono::Utc>>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at.format("%F %T%.fZ").to_string())
}

/// A text, or a dash for none.
pub(super) fn text(text: Option<&str>) -> String {
    text.unwrap_or("-").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_nothing_trails() {
        let mut out = Vec::new();
        let rows = [["a".to_owned(), "x".to_owned()], ["äöü-4".to_owned(), String::new()]];
        write(&mut out, ["id", "state"], &rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "id     state\na      x\näöü-4\n");
    }
}
