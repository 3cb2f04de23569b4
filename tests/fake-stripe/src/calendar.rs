//! When a subscription renews: boundaries counted from its anchor.

use chrono::{DateTime, Datelike, Months, NaiveDate, TimeDelta, Timelike, Utc};

/// An instant in whole seconds, as Stripe keeps it.
pub type Instant = DateTime<Utc>;

/// How often a price is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// Every so many days.
    Days(u32),
    /// Every so many months; a year is twelve.
    Months(u32),
}

/// The instant and, where it was given apart, the day of the month that periods are counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// `billing_cycle_anchor`.
    pub at: Instant,
    /// `billing_cycle_anchor_config.day_of_month`: the day wanted in months that have it, where
    /// the anchor itself had to be clamped.
    pub day: Option<u32>,
}

impl Anchor {
    /// Anchored at an instant, which decides the day.
    #[must_use]
    pub const fn at(at: Instant) -> Self {
        Self { at, day: None }
    }

    /// The boundary `steps` intervals after the anchor; before it, where below zero.
    ///
    /// Counted from the anchor and never from another boundary, so 31 January gives 28 February
    /// and then 31 March.
    #[must_use]
    pub fn boundary(&self, interval: Interval, steps: i64) -> Instant {
        match interval {
            Interval::Days(days) => self.at + TimeDelta::days(i64::from(days) * steps),
            Interval::Months(months) => self.months_later(i64::from(months) * steps),
        }
    }

    fn months_later(&self, months: i64) -> Instant {
        let first = self.at.with_day(1).unwrap_or(self.at);
        let by = Months::new(u32::try_from(months.abs()).unwrap_or(0));
        let month = if months < 0 { first - by } else { first + by };
        let wanted = self.day.unwrap_or_else(|| self.at.day());
        let day = wanted.min(days_of_month(month.year(), month.month()));
        month.with_day(day).unwrap_or(month)
    }

    /// The period `[start, end)` that holds an instant.
    #[must_use]
    pub fn period_at(&self, interval: Interval, at: Instant) -> (Instant, Instant) {
        let mut steps = match interval {
            Interval::Days(days) => (at - self.at).num_days() / i64::from(days.max(1)),
            Interval::Months(months) => {
                (month_number(at) - month_number(self.at)) / i64::from(months.max(1))
            }
        };
        while self.boundary(interval, steps) > at {
            steps -= 1;
        }
        while self.boundary(interval, steps + 1) <= at {
            steps += 1;
        }
        (self.boundary(interval, steps), self.boundary(interval, steps + 1))
    }

    /// The first boundary after an instant.
    #[must_use]
    pub fn boundary_after(&self, interval: Interval, at: Instant) -> Instant {
        self.period_at(interval, at).1
    }
}

/// `billing_cycle_anchor_config`: the day, and the time of day, that periods shall begin at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnchorConfig {
    /// 1 to 31; clamped in shorter months.
    pub day_of_month: u32,
    /// For prices by the year; 1 to 12.
    pub month: Option<u32>,
    /// 0 to 23; that of the creation where none is given.
    pub hour: Option<u32>,
    /// 0 to 59, likewise.
    pub minute: Option<u32>,
    /// 0 to 59, likewise.
    pub second: Option<u32>,
}

impl AnchorConfig {
    /// The first instant after `now` that matches.
    #[must_use]
    pub fn anchor_after(&self, now: Instant) -> Anchor {
        let months = (0..=12).filter_map(|ahead| {
            let month = now.with_day(1)? + Months::new(ahead);
            if self.month.is_some_and(|wanted| wanted != month.month()) {
                return None;
            }
            let day = self.day_of_month.min(days_of_month(month.year(), month.month()));
            let at = month.with_day(day)?;
            at.with_hour(self.hour.unwrap_or(now.hour()))?
                .with_minute(self.minute.unwrap_or(now.minute()))?
                .with_second(self.second.unwrap_or(now.second()))
        });
        let at = months.filter(|at| *at > now).min().unwrap_or(now);
        Anchor { at, day: Some(self.day_of_month) }
    }
}

fn month_number(at: Instant) -> i64 {
    i64::from(at.year()) * 12 + i64::from(at.month0())
}

fn days_of_month(year: i32, month: u32) -> u32 {
    (28..=31).rev().find(|day| NaiveDate::from_ymd_opt(year, month, *day).is_some()).unwrap_or(28)
}

/// Reads `2026-01-31T10:00:00Z`; for tests, which know what they write.
///
/// # Panics
/// When it is no instant.
#[must_use]
#[track_caller]
pub fn instant(text: &str) -> Instant {
    match DateTime::parse_from_rfc3339(text) {
        Ok(at) => at.to_utc(),
        Err(cause) => panic!("{text} is no instant: {cause}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(anchor: &str, interval: Interval, expected: &[&str]) {
        let anchor = Anchor::at(instant(anchor));
        let found: Vec<_> =
            (1..).take(expected.len()).map(|k| anchor.boundary(interval, k)).collect();
        let expected: Vec<_> = expected.iter().map(|text| instant(text)).collect();
        assert_eq!(found, expected);
        for pair in expected.windows(2) {
            assert_eq!(anchor.period_at(interval, pair[0]), (pair[0], pair[1]));
            let last = pair[1] - TimeDelta::seconds(1);
            assert_eq!(anchor.period_at(interval, last), (pair[0], pair[1]));
        }
    }

    #[test]
    fn boundaries_are_counted_from_the_anchor_and_clamped_to_the_month() {
        let month = Interval::Months(1);
        check(
            "2026-01-31T10:20:30Z",
            month,
            &["2026-02-28T10:20:30Z", "2026-03-31T10:20:30Z", "2026-04-30T10:20:30Z"],
        );
        check("2028-01-31T00:00:00Z", month, &["2028-02-29T00:00:00Z", "2028-03-31T00:00:00Z"]);
        check("2026-12-30T23:59:59Z", month, &["2027-01-30T23:59:59Z", "2027-02-28T23:59:59Z"]);
        let year = Interval::Months(12);
        check(
            "2028-02-29T08:00:00Z",
            year,
            &[
                "2029-02-28T08:00:00Z",
                "2030-02-28T08:00:00Z",
                "2031-02-28T08:00:00Z",
                "2032-02-29T08:00:00Z",
            ],
        );
        check("2026-01-28T08:00:00Z", Interval::Days(7), &["2026-02-04T08:00:00Z"]);
        check("2026-01-31T08:00:00Z", Interval::Months(3), &["2026-04-30T08:00:00Z"]);
    }

    #[test]
    fn before_the_anchor_boundaries_are_counted_backwards() {
        let anchor = Anchor::at(instant("2026-03-31T12:00:00Z"));
        let at = instant("2026-03-01T00:00:00Z");
        let expected = (instant("2026-02-28T12:00:00Z"), anchor.at);
        assert_eq!(anchor.period_at(Interval::Months(1), at), expected);
    }

    #[test]
    fn a_configured_day_is_clamped_in_the_first_month_and_kept_in_the_next() {
        let config = |day_of_month, hour| AnchorConfig {
            day_of_month,
            month: None,
            hour,
            minute: None,
            second: None,
        };
        let anchor = config(31, None).anchor_after(instant("2026-02-10T13:02:03Z"));
        assert_eq!(anchor.at, instant("2026-02-28T13:02:03Z"));
        let next = anchor.boundary_after(Interval::Months(1), anchor.at);
        assert_eq!(next, instant("2026-03-31T13:02:03Z"));
        let early = config(5, Some(0)).anchor_after(instant("2026-02-10T13:02:03Z"));
        assert_eq!(early.at, instant("2026-03-05T00:02:03Z"));
    }
}
