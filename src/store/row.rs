//! Rows of tables as every engine keeps them: read by serde, written cell by cell.
//!
//! A row names its columns once. SQLite reads it from a JSON array, PostgreSQL from a record. The
//! suffix says what a number is: `_us` an instant in microseconds since 1970 (UTC), which an engine
//! may keep in a type of its own under the name without it, `_uc` an amount in microcredits.

pub(super) mod answers;
pub(super) mod entries;
pub(super) mod events;
pub(super) mod mails;
pub(super) mod marks;
pub(super) mod people;
pub(super) mod plans;
pub(super) mod spent;

use chrono::DateTime;
use creditd_rules::{Amount, Instant};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// One column of a row, or the columns that one kind of credit has of its own.
#[derive(Debug, Clone, Copy)]
pub(super) enum Column {
    /// A column, and what its cells are.
    Plain(&'static str, CellKind),
    /// Columns of a kind: the prefix, and their names after it.
    Group(&'static str, &'static [Column]),
}

/// What the cells of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CellKind {
    /// A whole number; an instant where the column's name ends in `_us`.
    Int,
    /// True or false.
    Flag,
    /// A text.
    Text,
    /// A text that is JSON.
    Json,
    /// Bytes.
    Bytes,
}

/// A cell's value on its way into the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'v> {
    /// There is none.
    Null,
    /// A number, or a flag as 0 or 1.
    Int(i64),
    /// A text.
    Text(&'v str),
    /// Bytes.
    Bytes(&'v [u8]),
}

/// What can stand in a column.
pub(super) trait Cell {
    /// What it is.
    const KIND: CellKind;

    /// What is written of it.
    fn value(&self) -> Value<'_>;
}

/// A row of a table: read from an array of its cells, written in the order of `COLUMNS`.
pub(super) trait Row {
    /// The columns, in order; of a whole row the first is `id`.
    const COLUMNS: &'static [Column];

    /// Hands out its values in the order of the columns.
    fn give<'v>(&'v self, to: &mut impl FnMut(Value<'v>));
}

/// Declares a row: its fields are columns of the same name; those after `;` are groups.
macro_rules! row {
    ($(#[$doc:meta])* pub(super) struct $name:ident $(<$lt:lifetime>)? {
        $($field:ident: $ty:ty,)* $(; $($group:ident: $gty:ty,)+)?
    }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(in crate::store) struct $name $(<$lt>)? {
            $(pub(in crate::store) $field: $ty,)* $($(pub(in crate::store) $group: $gty,)+)?
        }

        impl $(<$lt>)? $crate::store::row::Row for $name $(<$lt>)? {
            const COLUMNS: &'static [$crate::store::row::Column] = &[
                $($crate::store::row::Column::Plain(
                    stringify!($field),
                    <$ty as $crate::store::row::Cell>::KIND,
                ),)*
                $($($crate::store::row::Column::Group(
                    stringify!($group),
                    <$gty as $crate::store::row::Row>::COLUMNS,
                ),)+)?
            ];

            fn give<'v>(&'v self, to: &mut impl FnMut($crate::store::row::Value<'v>)) {
                $(to($crate::store::row::Cell::value(&self.$field));)*
                $($(self.$group.give(to);)+)?
            }
        }

        impl<'de $(: $lt)? $(, $lt)?> serde::Deserialize<'de> for $name $(<$lt>)? {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                use $crate::store::row::{Row, cell};

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

/// The names of all columns.
pub(super) fn names(columns: &[Column]) -> Vec<String> {
    let of = |column: &Column| match column {
        Column::Plain(name, _) => vec![(*name).to_owned()],
        Column::Group(group, inner) => {
            names(inner).into_iter().map(|name| format!("{group}_{name}")).collect()
        }
    };
    columns.iter().flat_map(of).collect()
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

/// A text that is JSON.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub(super) struct Json<'a>(#[serde(borrow)] pub(super) Text<'a>);

/// Bytes; they are written by rows, and read otherwise.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub(super) struct Bytes<'a>(pub(super) Cow<'a, [u8]>);

/// True or false; 1 or 0 where an engine has no such type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(from = "u8")]
pub(super) struct Flag(pub(super) bool);

impl From<u8> for Flag {
    fn from(stored: u8) -> Self {
        Self(stored != 0)
    }
}

impl Cell for Text<'_> {
    const KIND: CellKind = CellKind::Text;

    fn value(&self) -> Value<'_> {
        Value::Text(self.as_str())
    }
}

impl Cell for Json<'_> {
    const KIND: CellKind = CellKind::Json;

    fn value(&self) -> Value<'_> {
        self.0.value()
    }
}

impl Cell for Flag {
    const KIND: CellKind = CellKind::Flag;

    fn value(&self) -> Value<'_> {
        Value::Int(i64::from(self.0))
    }
}

impl Cell for Bytes<'_> {
    const KIND: CellKind = CellKind::Bytes;

    fn value(&self) -> Value<'_> {
        Value::Bytes(&self.0)
    }
}

macro_rules! numbers {
    ($($ty:ty)+) => {$(
        impl Cell for $ty {
            const KIND: CellKind = CellKind::Int;

            fn value(&self) -> Value<'_> {
                Value::Int(i64::from(*self))
            }
        }
    )+};
}
numbers! { i64 u32 u16 u8 }

impl<T: Cell> Cell for Option<T> {
    const KIND: CellKind = T::KIND;

    fn value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, Cell::value)
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
        pub(super) struct Sample<'a> { id: Text<'a>, note: Option<Json<'a>>, told: Flag, ; message: Pair, }
    }

    #[test]
    fn a_row_is_read_from_an_array_in_the_order_of_its_columns() {
        let json = r#"["a","say \"hi\"",1,[1,-2]]"#;
        let row: Sample<'_> = serde_json::from_str(json).unwrap();
        assert_eq!((row.id.as_str(), row.note.unwrap().0.as_str()), ("a", "say \"hi\""));
        assert_eq!((row.told, row.message.day_us, row.message.used_uc), (Flag(true), 1, -2));
    }

    #[test]
    fn a_row_with_too_few_or_other_values_is_refused() {
        for json in [r#"["a",null,0,[1]]"#, r#"["a",null,0]"#, r#"[1,null,0,[1,2]]"#, "{}"] {
            assert!(serde_json::from_str::<Sample<'_>>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn columns_of_a_group_carry_its_name() {
        let expected = ["id", "note", "told", "message_day_us", "message_used_uc"];
        assert_eq!(names(Sample::COLUMNS), expected);
    }

    #[test]
    fn a_row_gives_a_value_for_each_column() {
        let message = Pair { day_us: 1, used_uc: 2 };
        let row = Sample { id: "a".into(), note: None, told: Flag(true), message };
        let mut values = Vec::new();
        row.give(&mut |value| values.push(value));
        let expected = [Value::Text("a"), Value::Null, Value::Int(1), Value::Int(1), Value::Int(2)];
        assert_eq!(values, expected);
    }
}
