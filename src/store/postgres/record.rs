//! Rows, read from records.
//!
//! What a statement finds is sent as records, `ROW(…)`, so that one statement can find things of
//! several kinds. A record says the type of each of its fields; that is enough for serde to read
//! the rows that all engines share.

use crate::store::StoreResult;
use crate::store::error::unreadable;
use crate::store::row::{Column, names};
use serde::de::value::Error;
use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

/// Microseconds from 1970 to 2000, where PostgreSQL's instants begin.
pub(super) const EPOCH_US: i64 = 946_684_800_000_000;

/// The SQL expression that makes the record of a row of `table`.
pub(super) fn record_sql(table: &str, columns: &[Column]) -> String {
    let fields: Vec<String> =
        names(columns).iter().map(|name| format!("{table}.{}", stored_name(name))).collect();
    format!("ROW({})", fields.join(", "))
}

/// The name of a column of ours in the database: instants have a type that says the unit.
pub(in crate::store) fn stored_name(name: &str) -> &str {
    name.strip_suffix("_us").unwrap_or(name)
}

/// Reads the record in column `index`.
pub(super) fn read<'de, T: Deserialize<'de>>(row: &'de PgRow, index: usize) -> StoreResult<T> {
    let value = row.try_get_raw(index)?;
    let bytes = value.as_bytes().map_err(|error| unreadable(&error))?;
    let mut fields = Fields::of(bytes).map_err(|error| unreadable(&error))?;
    T::deserialize(&mut fields).map_err(|error| unreadable(&error))
}

/// The fields of a record that are still to be read.
struct Fields<'de> {
    rest: &'de [u8],
    left: u32,
}

impl<'de> Fields<'de> {
    fn of(bytes: &'de [u8]) -> Result<Self, Error> {
        let mut fields = Self { rest: bytes, left: 0 };
        fields.left = fields.number()?;
        Ok(fields)
    }

    fn take(&mut self, length: usize) -> Result<&'de [u8], Error> {
        let (taken, rest) =
            self.rest.split_at_checked(length).ok_or_else(|| Error::custom("it ends early"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, Error> {
        self.take(4)?.try_into().map(u32::from_be_bytes).map_err(Error::custom)
    }

    /// The type and the bytes of the next field; none where it is null.
    fn next(&mut self) -> Result<(u32, Option<&'de [u8]>), Error> {
        let kind = self.number()?;
        let length = self.number()?;
        self.left = self.left.saturating_sub(1);
        let bytes = usize::try_from(length).ok().filter(|_| length != u32::MAX);
        Ok((kind, bytes.map(|length| self.take(length)).transpose()?))
    }

    fn next_is_null(&self) -> bool {
        self.rest.get(4..8) == Some(&[0xff; 4])
    }
}

/// A whole record.
impl<'de> Deserializer<'de> for &mut Fields<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
        ignored_any
    }
}

impl<'de> SeqAccess<'de> for Fields<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self, seed: T,
    ) -> Result<Option<T::Value>, Error> {
        if self.left == 0 { Ok(None) } else { seed.deserialize(Field(self)).map(Some) }
    }
}

/// The next field; or, for a group of columns, the next ones.
struct Field<'f, 'de>(&'f mut Fields<'de>);

impl<'de> Deserializer<'de> for Field<'_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let (kind, Some(bytes)) = self.0.next()? else { return visitor.visit_none() };
        let text = |bytes| std::str::from_utf8(bytes).map_err(Error::custom);
        match (kind, bytes) {
            (16, &[flag]) => visitor.visit_u8(flag),
            (17, bytes) => visitor.visit_borrowed_bytes(bytes),
            (20 | 21 | 23, bytes) => visitor.visit_i64(integer(bytes)?),
            (25 | 114 | 1_043, bytes) => visitor.visit_borrowed_str(text(bytes)?),
            (1_184, bytes) => {
                let since_2000 = integer(bytes)?;
                let us = since_2000.checked_add(EPOCH_US);
                visitor.visit_i64(us.ok_or_else(|| Error::custom("an instant without end"))?)
            }
            (3_802, &[1, ref json @ ..]) => visitor.visit_borrowed_str(text(json)?),
            (kind, _) => Err(Error::custom(format_args!("a field of type {kind}"))),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.next_is_null() {
            self.0.next()?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self, _: &'static str, visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(self.0)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple_struct map struct enum identifier ignored_any
    }
}

/// A big-endian number of 2, 4 or 8 bytes.
fn integer(bytes: &[u8]) -> Result<i64, Error> {
    match *bytes {
        [a, b] => Ok(i64::from(i16::from_be_bytes([a, b]))),
        [a, b, c, d] => Ok(i64::from(i32::from_be_bytes([a, b, c, d]))),
        [a, b, c, d, e, f, g, h] => Ok(i64::from_be_bytes([a, b, c, d, e, f, g, h])),
        _ => Err(Error::custom("a number of unknown length")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::row::{Flag, Json, Row as _, Text, row};

    row! {
        /// Two numbers.
        pub(super) struct Pair { at_us: i64, used_uc: Option<i64>, }
    }
    row! {
        /// A row with a group.
        pub(super) struct Sample<'a> {
            id: Text<'a>,
            note: Option<Json<'a>>,
            told: Flag,
            ;
            message: Pair,
        }
    }

    fn record(fields: &[(u32, Option<&[u8]>)]) -> Vec<u8> {
        let mut bytes = u32::try_from(fields.len()).unwrap().to_be_bytes().to_vec();
        for (kind, field) in fields {
            let length = field.map_or(u32::MAX, |field| u32::try_from(field.len()).unwrap());
            bytes.extend(kind.to_be_bytes());
            bytes.extend(length.to_be_bytes());
            bytes.extend(field.unwrap_or_default());
        }
        bytes
    }

    fn sample(bytes: &[u8]) -> Result<Sample<'_>, Error> {
        Sample::deserialize(&mut Fields::of(bytes)?)
    }

    #[test]
    fn a_record_is_read_as_a_row() {
        let at = 5_i64.to_be_bytes();
        let fields: [(u32, Option<&[u8]>); 5] = [
            (25, Some("ł".as_bytes())),
            (3_802, Some(b"\x01{}")),
            (16, Some(&[1])),
            (1_184, Some(&at)),
            (20, None),
        ];
        let bytes = record(&fields);
        let row = sample(&bytes).unwrap();
        assert_eq!((row.id.as_str(), row.note.unwrap().0.as_str()), ("ł", "{}"));
        assert_eq!(
            (row.told, row.message.at_us, row.message.used_uc),
            (Flag(true), EPOCH_US + 5, None)
        );
    }

    #[test]
    fn a_record_that_is_none_of_ours_is_refused() {
        let at = i64::MAX.to_be_bytes();
        for fields in [
            vec![(25, Some(b"a".as_slice()))],
            vec![(25, None), (3_802, None), (16, Some(&[1])), (1_184, Some(&at)), (20, None)],
            vec![(25, Some(b"a")), (3_802, None), (16, Some(&[1])), (1_184, Some(&at)), (20, None)],
            vec![(25, Some(&[0xff])), (3_802, None), (16, None), (1_184, None), (20, None)],
            vec![(25, Some(b"a")), (600, Some(b"x")), (16, Some(&[1]))],
        ] {
            assert!(sample(&record(&fields)).is_err(), "{fields:?}");
        }
        assert!(sample(&[0, 0, 0, 5, 0]).is_err());
    }

    #[test]
    fn instants_are_stored_under_their_plain_name() {
        let sql = record_sql("t", Sample::COLUMNS);
        assert_eq!(sql, "ROW(t.id, t.note, t.told, t.message_at, t.message_used_uc)");
    }
}
