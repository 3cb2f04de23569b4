//! Rows as JSON arrays, both ways.
//!
//! A batch is loaded and written in a few statements, each of which carries all its rows as one
//! JSON text: SQLite makes and reads it faster than the driver moves rows one by one.

use chrono::DateTime;
use creditd_rules::{Amount, Instant};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// One column of a row, or the columns that one kind of credit has of its own.
#[derive(Debug, Clone, Copy)]
pub(super) enum Column {
    /// A column.
    Plain(&'static str),
    /// Columns of a kind: the prefix, and their names after it.
    Group(&'static str, &'static [Column]),
}

/// A row of a table, read from and written as a JSON array in the order of `COLUMNS`.
pub(super) trait Row {
    /// The columns, in order; of a whole row the first is `id`.
    const COLUMNS: &'static [Column];
}

/// Declares a row: its fields are columns of the same name; those after `;` are groups.
macro_rules! row {
    ($(#[$doc:meta])* pub(super) struct $name:ident $(<$lt:lifetime>)? {
        $($field:ident: $ty:ty,)* $(; $($group:ident: $gty:ty,)+)?
    }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) struct $name $(<$lt>)? {
            $(pub(super) $field: $ty,)* $($(pub(super) $group: $gty,)+)?
        }

        impl $(<$lt>)? $crate::store::sqlite::row::Row for $name $(<$lt>)? {
            const COLUMNS: &'static [$crate::store::sqlite::row::Column] = &[
                $($crate::store::sqlite::row::Column::Plain(stringify!($field)),)*
                $($($crate::store::sqlite::row::Column::Group(
                    stringify!($group),
                    <$gty as $crate::store::sqlite::row::Row>::COLUMNS,
                ),)+)?
            ];
        }

        impl $(<$lt>)? serde::Serialize for $name $(<$lt>)? {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeTuple as _;
                let columns = <Self as $crate::store::sqlite::row::Row>::COLUMNS;
                let mut tuple = to.serialize_tuple(columns.len())?;
                $(tuple.serialize_element(&self.$field)?;)*
                $($(tuple.serialize_element(&self.$group)?;)+)?
                tuple.end()
            }
        }

        impl<'de $(: $lt)? $(, $lt)?> serde::Deserialize<'de> for $name $(<$lt>)? {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                use $crate::store::sqlite::row::{Row, cell};

                struct Cells<T>(std::marker::PhantomData<T>);

                impl<'de $(: $lt)? $(, $lt)?> serde::de::Visitor<'de> for Cells<$name $(<$lt>)?> {
                    type Value = $name $(<$lt>)?;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(concat!("the array of a ", stringify!($name)))
                    }

                    fn visit_seq<A: serde::de::SeqAccess<'de>>(
                        self, mut cells: A,
                    ) -> Result<Self::Value, A::Error> {
                        Ok($name {
                            $($field: cell(&mut cells)?,)*
                            $($($group: cell(&mut cells)?,)+)?
                        })
                    }
                }

                from.deserialize_tuple(Self::COLUMNS.len(), Cells(std::marker::PhantomData))
            }
        }
    };
}
pub(super) use row;

/// The next value of a row's array.
pub(super) fn cell<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(
    cells: &mut A,
) -> Result<T, A::Error> {
    cells.next_element()?.ok_or_else(|| de::Error::custom("a row has too few values"))
}

/// The SQL expression that makes a row's JSON array.
pub(super) fn array_sql(columns: &[Column]) -> String {
    fn list(columns: &[Column], prefix: &str) -> String {
        let items: Vec<String> = columns
            .iter()
            .map(|column| match column {
                Column::Plain(name) => format!("{prefix}{name}"),
                Column::Group(group, inner) => list(inner, &format!("{prefix}{group}_")),
            })
            .collect();
        format!("json_array({})", items.join(", "))
    }
    list(columns, "")
}

/// All columns with the SQL that takes them out of one row's JSON array, `value`.
fn paths(columns: &[Column], prefix: &str, at: &str, out: &mut Vec<(String, String)>) {
    for (index, column) in columns.iter().enumerate() {
        let at = format!("{at}[{index}]");
        match column {
            Column::Plain(name) => {
                out.push((format!("{prefix}{name}"), format!("value->>'${at}'")))
            }
            Column::Group(group, inner) => paths(inner, &format!("{prefix}{group}_"), &at, out),
        }
    }
}

/// The columns of a row with the SQL that takes each out of the row's JSON array.
pub(super) fn columns<R: Row>() -> Vec<(String, String)> {
    let mut columns = Vec::new();
    paths(R::COLUMNS, "", "", &mut columns);
    columns
}

/// Inserts rows, or writes over all but the key of those that exist in the same workspace.
pub(super) fn upsert_sql<R: Row>(table: &str) -> String {
    let columns = columns::<R>();
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let values: Vec<&str> = columns.iter().map(|(_, value)| value.as_str()).collect();
    let sets: Vec<String> =
        names.iter().skip(1).map(|name| format!("{name} = excluded.{name}")).collect();
    format!(
        "INSERT INTO {table} ({}) SELECT {} FROM json_each(?1) WHERE true \
         ON CONFLICT (id) DO UPDATE SET {} WHERE {table}.workspace = excluded.workspace",
        names.join(", "),
        values.join(", "),
        sets.join(", ")
    )
}

/// Changes the columns of `R`, whose names get `prefix`, of rows that exist. Each row of the
/// parameter is an array of the key and an array for `R`.
pub(super) fn update_sql<R: Row>(table: &str, prefix: &str) -> String {
    let mut columns = Vec::new();
    paths(R::COLUMNS, prefix, "[1]", &mut columns);
    let sets: Vec<String> =
        columns.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    format!(
        "UPDATE {table} SET {} FROM json_each(?1) WHERE {table}.id = value->>'$[0]'",
        sets.join(", ")
    )
}

/// A stored value that cannot be what it stands for.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{what} is stored as {value:?}, which it cannot be")]
pub(super) struct Corrupt {
    what: &'static str,
    value: String,
}

impl Corrupt {
    pub(super) fn new(what: &'static str, value: impl fmt::Display) -> Self {
        Self { what, value: value.to_string() }
    }
}

/// A text of a row, borrowed where the JSON allows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn into_string(self) -> String {
        self.0.into_owned()
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Borrowing;

        impl<'de> Visitor<'de> for Borrowing {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        from.deserialize_str(Borrowing)
    }
}

/// An instant as stored.
pub(super) const fn us(at: Instant) -> i64 {
    at.timestamp_micros()
}

/// An instant, read.
pub(super) fn instant(us: i64) -> Result<Instant, Corrupt> {
    DateTime::from_timestamp_micros(us).ok_or_else(|| Corrupt::new("an instant", us))
}

/// An instant that may be missing, read.
pub(super) fn maybe_instant(us: Option<i64>) -> Result<Option<Instant>, Corrupt> {
    us.map(instant).transpose()
}

/// A count as stored.
pub(super) fn stored_count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A count, read.
pub(super) fn count<N: TryFrom<i64>>(what: &'static str, stored: i64) -> Result<N, Corrupt> {
    N::try_from(stored).map_err(|_| Corrupt::new(what, stored))
}

/// An amount that may be missing, as stored.
pub(super) fn uc(amount: Option<Amount>) -> Option<i64> {
    amount.map(Amount::micros)
}

/// An amount that may be missing, read.
pub(super) fn amount(uc: Option<i64>) -> Option<Amount> {
    uc.map(Amount::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    row! {
        /// Two numbers.
        pub(super) struct Pair { day_us: i64, used_uc: i64, }
    }
    row! {
        /// A row with a group.
        pub(super) struct Sample<'a> { id: Text<'a>, note: Option<Text<'a>>, ; message: Pair, }
    }

    #[test]
    fn a_row_is_an_array_in_the_order_of_its_columns() {
        let sample = Sample {
            id: "a".into(),
            note: Some("say \"hi\"".into()),
            message: Pair { day_us: 1, used_uc: -2 },
        };
        let json = serde_json::to_string(&sample).unwrap();
        assert_eq!(json, r#"["a","say \"hi\"",[1,-2]]"#);
        let back: Sample<'_> = serde_json::from_str(&json).unwrap();
        assert_eq!((back.note.unwrap().as_str(), back.message.used_uc), ("say \"hi\"", -2));
    }

    #[test]
    fn columns_of_a_group_carry_its_name() {
        assert_eq!(
            array_sql(Sample::COLUMNS),
            "json_array(id, note, json_array(message_day_us, message_used_uc))"
        );
        assert_eq!(
            upsert_sql::<Sample<'_>>("t"),
            "INSERT INTO t (id, note, message_day_us, message_used_uc) SELECT value->>'$[0]', \
             value->>'$[1]', value->>'$[2][0]', value->>'$[2][1]' FROM json_each(?1) WHERE true \
             ON CONFLICT (id) DO UPDATE SET note = excluded.note, \
             message_day_us = excluded.message_day_us, message_used_uc = excluded.message_used_uc \
             WHERE t.workspace = excluded.workspace"
        );
        assert_eq!(
            update_sql::<Pair>("t", "message_"),
            "UPDATE t SET message_day_us = value->>'$[1][0]', message_used_uc = value->>'$[1][1]' \
             FROM json_each(?1) WHERE t.id = value->>'$[0]'"
        );
    }
}
