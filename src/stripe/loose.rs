//! Values as Stripe's API versions write them: whole numbers that may come as floats, ids that may
//! come expanded into the objects that they name, and nulls where defaults are meant.

use chrono::{DateTime, Utc};
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::{Deserialize, de};
use std::collections::BTreeMap;
use std::fmt;

/// The largest number below which every whole number is its own float.
const FLOAT_WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// The last second of the year 9999: beyond it, instants have no RFC 3339 text.
const LAST_SECOND: i64 = 253_402_300_799;

/// A whole number, also where it is written `3.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Whole(pub(crate) i64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Wanted;
        impl Visitor<'_> for Wanted {
            type Value = Whole;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Whole, E> {
                Ok(Whole(number))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Whole, E> {
                let whole = i64::try_from(number);
                whole.map(Whole).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Whole, E> {
                let whole = number.fract() == 0.0 && number.abs() <= FLOAT_WHOLE_MAX;
                let digits = whole.then(|| format!("{number:.0}").parse().ok()).flatten();
                digits.map(Whole).ok_or_else(|| E::invalid_value(Unexpected::Float(number), &self))
            }
        }
        from.deserialize_any(Wanted)
    }
}

/// An instant in whole seconds since 1970, up to the year 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seconds(pub(crate) DateTime<Utc>);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Whole(seconds) = Whole::deserialize(from)?;
        instant(seconds).map(Self).ok_or_else(|| {
            let given = Unexpected::Signed(seconds);
            D::Error::invalid_value(given, &"seconds since 1970, up to the year 9999")
        })
    }
}

/// The instant so many seconds after 1970, where it lies between that year and 9999.
pub(crate) fn instant(seconds: i64) -> Option<DateTime<Utc>> {
    let known = (0..=LAST_SECOND).contains(&seconds);
    DateTime::from_timestamp(seconds, 0).filter(|_| known)
}

/// An id, alone or in the object that it names.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Named<T> {
    Id(String),
    Object(T),
}

/// An object of which only the id matters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Stub {
    pub(crate) id: String,
}

impl Named<Stub> {
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Id(id) | Self::Object(Stub { id }) => id,
        }
    }
}

/// Stripe's `metadata`. Values are texts; anything else is ignored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Metadata(BTreeMap<String, String>);

impl Metadata {
    /// A value that is not blank.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|text| !text.trim().is_empty())
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Some(all) = Option::<BTreeMap<String, serde_json::Value>>::deserialize(from)? else {
            return Ok(Self::default());
        };
        let texts =
            all.into_iter().filter_map(|(key, value)| Some((key, value.as_str()?.to_owned())));
        Ok(Self(texts.collect()))
    }
}

/// A list object, of which the first page came with its owner.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(bound = "T: de::DeserializeOwned")]
pub(crate) struct List<T> {
    #[serde(default, deserialize_with = "null_is_default")]
    pub(crate) data: Vec<T>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(crate) has_more: bool,
}

/// Reads null as the default; use with `#[serde(default)]`, which covers a missing field.
pub(crate) fn null_is_default<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::from_str;

    #[test]
    fn whole_numbers_may_be_written_as_floats() {
        for (text, expected) in [
            ("3", Some(3)),
            ("3.0", Some(3)),
            ("1.79e9", Some(1_790_000_000)),
            ("-7", Some(-7)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("1e300", None),
            ("3.5", None),
            ("\"3\"", None),
            ("null", None),
            ("true", None),
        ] {
            assert_eq!(from_str::<Whole>(text).ok(), expected.map(Whole), "{text}");
        }
    }

    #[test]
    fn instants_lie_between_1970_and_9999() {
        for (text, readable) in [
            ("0", true),
            ("1790000000.0", true),
            ("253402300799", true),
            ("253402300800", false),
            ("-1", false),
            ("9223372036854775807", false),
        ] {
            assert_eq!(from_str::<Seconds>(text).is_ok(), readable, "{text}");
        }
    }

    #[test]
    fn ids_may_come_expanded() {
        for text in [r#""cus_1""#, r#"{"id":"cus_1","deleted":true}"#] {
            assert_eq!(from_str::<Named<Stub>>(text).unwrap().id(), "cus_1");
        }
        assert!(from_str::<Named<Stub>>("7").is_err());
    }

    #[test]
    fn metadata_holds_texts_and_may_be_null() {
        let metadata: Metadata = from_str(r#"{"account":"ann","n":1,"blank":" "}"#).unwrap();
        assert_eq!(metadata.get("account"), Some("ann"));
        assert_eq!((metadata.get("n"), metadata.get("blank")), (None, None));
        assert_eq!(from_str::<Metadata>("null").unwrap(), Metadata::default());
    }
}
