//! API versions: dates, the later ones with a name.

use std::fmt;

/// An API version, such as `2020-08-27` or `2025-03-31.basil`. They are ordered by date.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion(String);

/// The version that the daemon's API client speaks, and the default of the fake.
pub const CURRENT: &str = "2026-09-30.endive";

/// Versions that differ in what is read of a subscription, oldest first.
pub const SPOKEN: [&str; 9] = [
    "2020-08-27",
    "2022-11-15",
    "2023-10-16",
    "2024-06-20",
    "2025-02-24.acacia",
    "2025-03-31.basil",
    "2025-10-29.clover",
    "2026-03-25.dahlia",
    CURRENT,
];

impl ApiVersion {
    /// Reads a version; none where the text is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let date = text.split('.').next()?;
        let digits = date.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
        (date.len() == 10 && digits).then(|| Self(text.to_owned()))
    }

    /// Whether it is of that date or later.
    #[must_use]
    pub fn since(&self, date: &str) -> bool {
        self.0.as_str() >= date
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// All of [`SPOKEN`].
    pub fn spoken() -> impl Iterator<Item = Self> {
        SPOKEN.iter().map(|text| Self((*text).to_owned()))
    }
}

impl Default for ApiVersion {
    fn default() -> Self {
        Self(CURRENT.to_owned())
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_dates_and_ordered_by_them() {
        for text in SPOKEN {
            assert_eq!(
                ApiVersion::parse(text).map(|version| version.to_string()),
                Some(text.into())
            );
        }
        for text in ["", "basil", "2025-3-31", "20250331", "2025-03-3a.basil"] {
            assert_eq!(ApiVersion::parse(text), None, "{text}");
        }
        assert!(ApiVersion::spoken().is_sorted());
        assert!(ApiVersion::default().since("2025-03-31"));
        assert!(ApiVersion::spoken().nth(5).is_some_and(|basil| basil.since("2025-03-31")));
    }
}
