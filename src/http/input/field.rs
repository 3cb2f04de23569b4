//! What the fields of requests can hold, each checked and described where it is defined.

use chrono::{DateTime, Utc};
use creditd_rules::id::{self, AccountId, ActionId, AppId, WorkspaceId};
use creditd_rules::state::{RewardStatus, SeatStatus};
use creditd_rules::{Amount, Kind};
use serde_json::Value;
use std::borrow::Cow;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{KnownFormat, RefOr, Schema, SchemaFormat};

/// What a value must be, said after the name of its field.
pub(crate) type Detail = Cow<'static, str>;

/// What an id must be.
pub(crate) const ID_RULE: &str = "must be 1 to 128 characters of A-Za-z0-9_.:@-";

/// A value that a field can hold.
pub(crate) trait Field: Sized {
    /// Reads it, or says what it must be.
    fn read(value: Value) -> Result<Self, Detail>;

    /// What the field means where it is not given; none where it must be.
    fn missing() -> Option<Self> {
        None
    }
}

impl<T: Field> Field for Option<T> {
    fn read(value: Value) -> Result<Self, Detail> {
        if value.is_null() { Ok(None) } else { T::read(value).map(Some) }
    }

    fn missing() -> Option<Self> {
        Some(None)
    }
}

/// A change of something optional: not given leaves it, null erases it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Patch<T>(pub(crate) Option<Option<T>>);

impl<T: Field> Field for Patch<T> {
    fn read(value: Value) -> Result<Self, Detail> {
        Option::<T>::read(value).map(|change| Self(Some(change)))
    }

    fn missing() -> Option<Self> {
        Some(Self(None))
    }
}

fn text(value: Value) -> Result<String, Detail> {
    match value {
        Value::String(text) => Ok(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err("must be a string".into())
        }
    }
}

macro_rules! id_fields {
    ($($id:ident)+) => {$(
        impl Field for $id {
            fn read(value: Value) -> Result<Self, Detail> {
                let text = text(value)?;
                if id::is_valid(&text) { Ok(text.into()) } else { Err(ID_RULE.into()) }
            }
        }
    )+};
}

id_fields! { AccountId ActionId AppId WorkspaceId }

/// Gives a field's type its description.
macro_rules! described {
    ($(@[$($generic:tt)*])? $type:ty, $name:expr, $schema:expr) => {
        impl $(<$($generic)*>)? utoipa::PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                $schema.into()
            }
        }

        impl $(<$($generic)*>)? utoipa::ToSchema for $type {
            fn name() -> Cow<'static, str> {
                $name.into()
            }
        }
    };
}

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// A text of 1 to `MAX` characters without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text<const MAX: usize>(pub(crate) String);

impl<const MAX: usize> Field for Text<MAX> {
    fn read(value: Value) -> Result<Self, Detail> {
        let text = text(value)?;
        if text.chars().any(char::is_control) {
            return Err("must have no control characters".into());
        }
        match text.chars().count() {
            0 => Err("must not be empty".into()),
            length if length > MAX => Err(format!("must have at most {MAX} characters").into()),
            _ => Ok(Self(text)),
        }
    }
}

described!(@[const MAX: usize] Text<MAX>, format!("Text{MAX}"),
    string().min_length(Some(1)).max_length(Some(MAX))
        .description(Some(format!("1 to {MAX} characters, no control characters"))));

/// Why something is done, in a person's words.
pub(crate) type ReasonText = Text<500>;

/// What people type to redeem credits; it can stand in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PromoCode(pub(crate) String);

impl Field for PromoCode {
    fn read(value: Value) -> Result<Self, Detail> {
        let text = text(value)?;
        if id::is_valid(&text) { Ok(Self(text)) } else { Err(ID_RULE.into()) }
    }
}

impl From<String> for PromoCode {
    fn from(text: String) -> Self {
        Self(text)
    }
}

described!(
    PromoCode,
    "PromoCode",
    string().pattern(Some("^[A-Za-z0-9_.:@-]{1,128}$")).examples(["SPRING-2027"])
);

/// An address for mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Email(pub(crate) String);

impl Field for Email {
    fn read(value: Value) -> Result<Self, Detail> {
        let text = text(value)?;
        let fits = text.len() <= 254 && !text.chars().any(char::is_control);
        if fits && text.parse::<lettre::Address>().is_ok() {
            Ok(Self(text))
        } else {
            Err("must be an address such as ann@example.com, of at most 254 characters".into())
        }
    }
}

described!(
    Email,
    "Email",
    string()
        .max_length(Some(254))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Email)))
        .examples(["ann@example.com"])
);

/// A language tag such as `en` or `pt-BR`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Locale(pub(crate) String);

impl Field for Locale {
    fn read(value: Value) -> Result<Self, Detail> {
        let text = text(value)?;
        let part = |part: &str| {
            (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
        };
        if text.len() <= 35 && text.split(['-', '_']).all(part) {
            Ok(Self(text))
        } else {
            Err("must be a language tag such as en or pt-BR".into())
        }
    }
}

described!(Locale, "Locale", string().max_length(Some(35)).examples(["pt-BR"]));

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Whole<const MIN: u64, const MAX: u64>(pub(crate) u64);

impl<const MIN: u64, const MAX: u64> Whole<MIN, MAX> {
    /// The number as a `u32`, which the range must fit.
    pub(crate) fn get(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }
}

impl<const MIN: u64, const MAX: u64> Field for Whole<MIN, MAX> {
    fn read(value: Value) -> Result<Self, Detail> {
        match value.as_u64() {
            Some(number) if (MIN..=MAX).contains(&number) => Ok(Self(number)),
            _ => Err(format!("must be a whole number from {MIN} to {MAX}").into()),
        }
    }
}

described!(@[const MIN: u64, const MAX: u64] Whole<MIN, MAX>, format!("Whole{MIN}To{MAX}"),
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(MIN)).maximum(Some(MAX)));

fn amount(value: Value) -> Result<Amount, Detail> {
    match value {
        Value::String(text) => text.parse().map_err(|error| format!("{error}").into()),
        Value::Number(_) => {
            Err("must be a decimal string such as \"0.3\", not a JSON number".into())
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err("must be a decimal string such as \"0.3\"".into())
        }
    }
}

/// An amount above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Credits(pub(crate) Amount);

impl Field for Credits {
    fn read(value: Value) -> Result<Self, Detail> {
        let amount = amount(value)?;
        if amount > Amount::ZERO { Ok(Self(amount)) } else { Err("must be above zero".into()) }
    }
}

described!(
    Credits,
    "Credits",
    string()
        .pattern(Some(r"^\d+(\.\d{1,6})?$"))
        .description(Some("credits above zero as a decimal string, at most 6 decimals"))
        .examples(["20"])
);

/// An amount added or, with a minus, taken; not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SignedCredits(pub(crate) Amount);

impl Field for SignedCredits {
    fn read(value: Value) -> Result<Self, Detail> {
        let amount = amount(value)?;
        if amount.is_zero() { Err("must not be zero".into()) } else { Ok(Self(amount)) }
    }
}

described!(
    SignedCredits,
    "SignedCredits",
    string()
        .pattern(Some(r"^-?\d+(\.\d{1,6})?$"))
        .description(Some("credits to add or, with a minus, to take; at most 6 decimals"))
        .examples(["-2.5"])
);

impl Field for DateTime<Utc> {
    fn read(value: Value) -> Result<Self, Detail> {
        const RULE: &str = "must be an RFC 3339 instant such as 2027-03-01T10:00:00Z";
        let instant = DateTime::parse_from_rfc3339(&text(value)?).map_err(|_| RULE)?;
        // A leap second is the second after it everywhere else, so it is here from the start.
        DateTime::from_timestamp_micros(instant.timestamp_micros()).ok_or(RULE.into())
    }
}

/// Fields that hold one of a few words.
macro_rules! word_fields {
    ($($type:ty: $($word:literal => $value:ident),+;)+) => {$(
        impl Field for $type {
            fn read(value: Value) -> Result<Self, Detail> {
                match value.as_str() {
                    $(Some($word) => Ok(Self::$value),)+
                    _ => Err(concat!("must be one of:" $(, " ", $word)+).into()),
                }
            }
        }
    )+};
}

/// Where a post was shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Network {
    /// linkedin.com.
    Linkedin,
    /// x.com, formerly twitter.com.
    X,
}

impl Network {
    /// The name in API and store.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Linkedin => "linkedin",
            Self::X => "x",
        }
    }
}

word_fields! {
    Kind: "message" => Message, "integration" => Integration;
    Network: "linkedin" => Linkedin, "x" => X;
    SeatStatus: "active" => Active, "suspended" => Suspended, "ended" => Ended;
    RewardStatus: "claimed" => Claimed, "approved" => Approved, "rejected" => Rejected;
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check<T: Field>(good: &[Value], bad: &[Value]) {
        for value in good {
            assert!(T::read(value.clone()).is_ok(), "{value}");
        }
        for value in bad {
            assert!(T::read(value.clone()).is_err(), "{value}");
        }
    }

    #[test]
    fn amounts_are_strings_and_their_signs_are_watched() {
        check::<Credits>(&[json!("0.3"), json!("20")], &[json!("0"), json!("-1"), json!(5)]);
        check::<SignedCredits>(&[json!("-2"), json!("0.000001")], &[json!("0"), json!("1e3")]);
    }

    #[test]
    fn quantities_are_whole_and_in_range() {
        let bad = [json!(0), json!(1_000_001), json!(1.5), json!("2"), json!(-1), json!(1.0)];
        check::<Whole<1, 1_000_000>>(&[json!(1), json!(1_000_000)], &bad);
    }

    #[test]
    fn texts_have_no_control_characters_and_an_end() {
        let bad = [json!(""), json!("a\0"), json!("a\nb"), json!("x".repeat(6)), json!(7)];
        check::<Text<5>>(&[json!("ä b"), json!("xxxxx")], &bad);
    }

    #[test]
    fn addresses_look_like_addresses() {
        let long = format!("{}@example.com", "x".repeat(250));
        check::<Email>(
            &[json!("ann@example.com"), json!("a+b@localhost")],
            &[json!("ann"), json!("a b@example.com"), json!("ann@example.com\n"), json!(long)],
        );
        check::<Locale>(&[json!("en"), json!("pt-BR"), json!("de_AT")], &[json!(""), json!("e n")]);
    }

    #[test]
    fn a_change_is_told_from_none() {
        assert_eq!(Patch::<Email>::missing(), Some(Patch(None)));
        assert_eq!(Patch::<Email>::read(Value::Null), Ok(Patch(Some(None))));
    }

    #[test]
    fn instants_are_utc_to_the_microsecond() {
        let read = DateTime::<Utc>::read(json!("2027-03-01T12:00:00.1234567+02:00")).unwrap();
        assert_eq!(read.to_rfc3339(), "2027-03-01T10:00:00.123456+00:00");
        let leap = DateTime::<Utc>::read(json!("2026-12-31T23:59:60Z")).unwrap();
        assert_eq!(leap.to_rfc3339(), "2027-01-01T00:00:00+00:00");
        check::<DateTime<Utc>>(&[], &[json!("2027-03-01"), json!("now"), json!(1)]);
    }
}
