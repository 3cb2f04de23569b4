//! Instants as tests write them.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

/// The smallest step of time there is.
pub(crate) const MICROSECOND: TimeDelta = TimeDelta::microseconds(1);

/// The instant that a text names.
#[track_caller]
pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// An instant as the interface writes it.
pub(crate) fn text(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
