//! Credits as whole microcredits.

use alloc::string::{String, ToString};
use core::fmt;
use core::iter::Sum;
use core::ops::Neg;
use core::str::FromStr;

/// Microcredits in one credit.
const MICROS_PER_CREDIT: u64 = 1_000_000;

/// A signed amount of credits, held as whole microcredits (1 credit = 1,000,000).
///
/// It is shown and read as a decimal string without trailing zeros: `"0.3"`, `"99.7"`, `"-2"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(i64);

impl Amount {
    /// No credits.
    pub const ZERO: Self = Self(0);

    /// An amount of `micros` microcredits.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// An amount of whole credits, for constants; saturates at the ends of the range.
    #[must_use]
    pub const fn credits(credits: i64) -> Self {
        Self(credits.saturating_mul(1_000_000))
    }

    /// The amount in microcredits.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whether this is exactly no credits.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Whether this is below zero.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// The sum, or `None` where it does not fit.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The sum, held at the end of the range where it does not fit.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, held at the end of the range where it does not fit.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// What is left of `self` after `used`: the difference, never below zero.
    #[must_use]
    pub fn less(self, used: Self) -> Self {
        self.minus(used).max(Self::ZERO)
    }

    /// The same amount with the other sign.
    #[must_use]
    pub const fn negated(self) -> Self {
        Self(self.0.saturating_neg())
    }

    /// The product with a count, or `None` where it does not fit.
    #[must_use]
    pub fn checked_mul(self, count: u32) -> Option<Self> {
        self.0.checked_mul(i64::from(count)).map(Self)
    }
}

impl Neg for Amount {
    type Output = Self;

    fn neg(self) -> Self {
        self.negated()
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::plus)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let (whole, micros) = (magnitude / MICROS_PER_CREDIT, magnitude % MICROS_PER_CREDIT);
        if self.0 < 0 {
            f.write_str("-")?;
        }
        write!(f, "{whole}")?;
        if micros == 0 {
            return Ok(());
        }
        let digits = alloc::format!("{micros:06}");
        write!(f, ".{}", digits.trim_end_matches('0'))
    }
}

/// Why a text is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AmountError {
    /// It is not a decimal number such as `12` or `0.3`.
    NotDecimal,
    /// It has more than six digits after the point.
    TooFine,
    /// It does not fit.
    TooLarge,
}

impl fmt::Display for AmountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotDecimal => "must be a decimal number such as \"12\" or \"0.3\"",
            Self::TooFine => "must have at most 6 digits after the point",
            Self::TooLarge => "is too large",
        })
    }
}

impl core::error::Error for AmountError {}

impl FromStr for Amount {
    type Err = AmountError;

    /// Reads a decimal with an optional minus; no plus, no exponent, no blanks, no bare point.
    fn from_str(text: &str) -> Result<Self, AmountError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) {
            return Err(AmountError::NotDecimal);
        }
        if fraction.len() > 6 {
            return Err(AmountError::TooFine);
        }
        let mut micros: i64 = 0;
        let padding = core::iter::repeat_n(b'0', 6_usize.saturating_sub(fraction.len()));
        for digit in whole.bytes().chain(fraction.bytes()).chain(padding) {
            micros = micros
                .checked_mul(10)
                .and_then(|m| m.checked_add(i64::from(digit.wrapping_sub(b'0'))))
                .ok_or(AmountError::TooLarge)?;
        }
        Ok(Self(if negative { micros.saturating_neg() } else { micros }))
    }
}

impl From<Amount> for String {
    fn from(amount: Amount) -> Self {
        amount.to_string()
    }
}

#[cfg(feature = "openapi")]
mod as_schema {
    use super::Amount;
    use alloc::borrow::Cow;
    use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};

    impl utoipa::PartialSchema for Amount {
        fn schema() -> RefOr<Schema> {
            ObjectBuilder::new()
                .schema_type(Type::String)
                .pattern(Some(r"^-?\d+(\.\d{1,6})?$"))
                .description(Some("credits as a decimal string, at most 6 decimals"))
                .examples(["0.3"])
                .into()
        }
    }

    impl utoipa::ToSchema for Amount {
        fn name() -> Cow<'static, str> {
            Cow::Borrowed("Amount")
        }
    }
}

#[cfg(feature = "serde")]
mod as_text {
    use super::Amount;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    impl Serialize for Amount {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.collect_str(self)
        }
    }

    impl<'de> Deserialize<'de> for Amount {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            let text = alloc::borrow::Cow::<str>::deserialize(from)?;
            text.parse().map_err(de::Error::custom)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expected: Result<i64, AmountError>) {
        assert_eq!(text.parse::<Amount>().map(Amount::micros), expected, "{text}");
    }

    #[test]
    fn amounts_are_decimal_strings() {
        check("0.3", Ok(300_000));
        check("99.7", Ok(99_700_000));
        check("1", Ok(1_000_000));
        check("1.000001", Ok(1_000_001));
        check("-2.5", Ok(-2_500_000));
        check("007", Ok(7_000_000));
        check("9223372036854.775807", Ok(i64::MAX));
        check("9223372036854.775808", Err(AmountError::TooLarge));
        check("99999999999999999999", Err(AmountError::TooLarge));
        check("0.0000001", Err(AmountError::TooFine));
        for text in ["", "-", "+1", "1e3", "NaN", ".5", "5.", " 1", "1 ", "1,5", "--1", "٣", "1.-1"]
        {
            check(text, Err(AmountError::NotDecimal));
        }
    }

    #[test]
    fn amounts_show_no_trailing_zeros() {
        for text in ["0", "0.3", "99.7", "-2.5", "1200", "0.000001"] {
            assert_eq!(text.parse::<Amount>().unwrap().to_string(), text);
        }
        assert_eq!("1.500000".parse::<Amount>().unwrap().to_string(), "1.5");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(micros in -i64::MAX..=i64::MAX) {
            let amount = Amount::from_micros(micros);
            prop_assert_eq!(amount.to_string().parse::<Amount>(), Ok(amount));
        }
    }
}
