//! Rows of tables, read from JSON arrays and bound as parameters.
//!
//! All rows that a statement finds are read as one JSON text, which SQLite makes several times
//! faster than the driver moves rows one by one. The other way round it is the opposite: taking
//! JSON apart costs SQLite more than parameters do.

use chrono::DateTime;
use creditd_rules::{Amount, Instant};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use sqlx::Type;
use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteArgumentsBuffer, SqliteTypeInfo};
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

/// A row of a table, read from a JSON array and bound in the order of `COLUMNS`.
pub(super) trait Row {
    /// The columns, in order; of a whole row the first is `id`.
    const COLUMNS: &'static [Column];

    /// Adds its values to the parameters of a statement.
    fn bind(&self, to: &mut SqliteArguments) -> Result<(), BoxDynError>;
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

            fn bind(
                &self, to: &mut sqlx::sqlite::SqliteArguments,
            ) -> Result<(), sqlx::error::BoxDynError> {
                $(sqlx::Arguments::add(to, &self.$field)?;)*
                $($(self.$group.bind(to)?;)+)?
                Ok(())
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

/// The SQL expression that makes the JSON array of a row of `table`.
pub(super) fn array_sql(table: &str, columns: &[Column]) -> String {
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
    list(columns, &format!("{table}."))
}

/// The names of all columns.
pub(super) fn names(columns: &[Column]) -> Vec<String> {
    let of = |column: &Column| match column {
        Column::Plain(name) => vec![(*name).to_owned()],
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

impl Type<Sqlite> for Text<'_> {
    fn type_info() -> SqliteTypeInfo {
        <str as Type<Sqlite>>::type_info()
    }
}

impl Encode<'_, Sqlite> for Text<'_> {
    fn encode_by_ref(&self, to: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        self.as_str().encode_by_ref(to)
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
    fn a_row_is_read_from_an_array_in_the_order_of_its_columns() {
        let json = r#"["a","say \"hi\"",[1,-2]]"#;
        let row: Sample<'_> = serde_json::from_str(json).unwrap();
        assert_eq!((row.id.as_str(), row.note.unwrap().as_str()), ("a", "say \"hi\""));
        assert_eq!((row.message.day_us, row.message.used_uc), (1, -2));
    }

    #[test]
    fn a_row_with_too_few_or_other_values_is_refused() {
        for json in [r#"["a",null,[1]]"#, r#"["a",null]"#, r#"[1,null,[1,2]]"#, "{}"] {
            assert!(serde_json::from_str::<Sample<'_>>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn columns_of_a_group_carry_its_name() {
        assert_eq!(
            array_sql("t", Sample::COLUMNS),
            "json_array(t.id, t.note, json_array(t.message_day_us, t.message_used_uc))"
        );
        assert_eq!(names(Sample::COLUMNS), ["id", "note", "message_day_us", "message_used_uc"]);
    }

    #[test]
    fn a_row_binds_a_value_for_each_column() {
        let message = Pair { day_us: 1, used_uc: 2 };
        let mut values = SqliteArguments::default();
        Sample { id: "a".into(), note: None, message }.bind(&mut values).unwrap();
        assert_eq!(sqlx::Arguments::len(&values), names(Sample::COLUMNS).len());
    }
}
