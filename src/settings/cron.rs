//! Cron lines, for maintenance. Credits never reset by them.
//!
//! A line has five fields in UTC: minute, hour, day of month, month, day of week. Two things that
//! cron programs disagree about are refused instead of guessed: numbers for days of the week
//! (Sunday is 0, 1 or 7), and a day of the month together with a day of the week (both, or either).

use chrono::{DateTime, Utc};
use std::fmt;
use std::str::FromStr;

/// The times at which something is done.
#[derive(Debug, Clone)]
pub struct Schedule {
    line: String,
    times: cron::Schedule,
}

/// Why a line is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// It has not five fields.
    #[error(
        "must have five fields (minute, hour, day of month, month, day of week), such as \
         \"15 3 * * *\"; it has {0}"
    )]
    Fields(usize),
    /// A day of the week is given as a number.
    #[error(
        "must name days of the week (Mon, Tue, … Sun), not number them as in {0:?}: cron programs \
         disagree on which day 1 is"
    )]
    NumberedWeekday(String),
    /// Day of month and day of week are both given.
    #[error(
        "must have \"*\" for the day of the month or for the day of the week: cron programs \
         disagree on whether both must fit or either"
    )]
    BothDays,
    /// A field is not understood.
    #[error(
        "has a field that is out of range or not understood in {0:?}; a field is \"*\", a number, \
         a range \"1-5\", a step \"*/15\" or a list \"0,30\""
    )]
    NotUnderstood(String),
    /// It never comes, such as 30 February.
    #[error("never comes: no date fits {0:?}")]
    Never(String),
}

impl FromStr for Schedule {
    type Err = CronError;

    fn from_str(line: &str) -> Result<Self, CronError> {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [.., day_of_month, _, day_of_week] = fields.as_slice() else {
            return Err(CronError::Fields(fields.len()));
        };
        if fields.len() != 5 {
            return Err(CronError::Fields(fields.len()));
        }
        let step_of_all = |field: &str| field.strip_prefix("*/").map(str::to_owned);
        let numbered = step_of_all(day_of_week).is_some()
            || day_of_week.bytes().any(|byte| byte.is_ascii_digit());
        if numbered {
            return Err(CronError::NumberedWeekday((*day_of_week).to_owned()));
        }
        let all = |field: &str| field == "*" || field == "?";
        if !all(day_of_month) && !all(day_of_week) {
            return Err(CronError::BothDays);
        }
        let fields = fields.join(" ");
        let times = cron::Schedule::from_str(&format!("0 {fields}"))
            .map_err(|_| CronError::NotUnderstood(fields.clone()))?;
        let schedule = Self { line: fields, times };
        if schedule.next(DateTime::UNIX_EPOCH).is_none() {
            return Err(CronError::Never(schedule.line));
        }
        Ok(schedule)
    }
}

impl Schedule {
    /// The first time strictly after `after`; none once the calendar of the crate `cron` ends, in
    /// the year 2100.
    #[must_use]
    pub fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.times.after(&after).next()
    }

    /// The first `count` times after `after`.
    #[must_use]
    pub fn next_n(&self, after: DateTime<Utc>, count: usize) -> Vec<DateTime<Utc>> {
        self.times.after(&after).take(count).collect()
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        format!("{text}Z").parse().unwrap()
    }

    #[track_caller]
    fn check(line: &str, after: &str, expected: [&str; 3]) {
        let schedule: Schedule = line.parse().unwrap();
        assert_eq!(schedule.next_n(at(after), 3), expected.map(at), "{line}");
        assert_eq!(schedule.next(at(after)), Some(at(expected[0])), "{line}");
    }

    #[track_caller]
    fn refused(line: &str, expected: &CronError) {
        assert_eq!(line.parse::<Schedule>().err().as_ref(), Some(expected), "{line}");
    }

    #[test]
    fn five_fields_fire_when_they_say() {
        check(
            "15 3 * * *",
            "2026-02-27T12:00:00",
            ["2026-02-28T03:15:00", "2026-03-01T03:15:00", "2026-03-02T03:15:00"],
        );
        check(
            "*/20 * * * *",
            "2026-12-31T23:25:00",
            ["2026-12-31T23:40:00", "2027-01-01T00:00:00", "2027-01-01T00:20:00"],
        );
        check(
            "0 0 29 2 *",
            "2026-01-01T00:00:00",
            ["2028-02-29T00:00:00", "2032-02-29T00:00:00", "2036-02-29T00:00:00"],
        );
        check(
            "30 4 31 * *",
            "2026-03-31T04:30:00",
            ["2026-05-31T04:30:00", "2026-07-31T04:30:00", "2026-08-31T04:30:00"],
        );
        check(
            "0,30 9-10 * Jan *",
            "2026-01-31T10:00:00",
            ["2026-01-31T10:30:00", "2027-01-01T09:00:00", "2027-01-01T09:30:00"],
        );
    }

    #[test]
    fn named_weekdays_are_those_of_the_calendar() {
        // 2 November 2026 is a Monday.
        check(
            "0 3 * * Mon",
            "2026-11-01T00:00:00",
            ["2026-11-02T03:00:00", "2026-11-09T03:00:00", "2026-11-16T03:00:00"],
        );
        check(
            "0 3 * * Sat,Sun",
            "2026-11-02T00:00:00",
            ["2026-11-07T03:00:00", "2026-11-08T03:00:00", "2026-11-14T03:00:00"],
        );
        check(
            "0 3 * * Mon-Fri",
            "2026-11-05T03:00:00",
            ["2026-11-06T03:00:00", "2026-11-09T03:00:00", "2026-11-10T03:00:00"],
        );
    }

    #[test]
    fn a_time_is_strictly_after_the_question() {
        let schedule: Schedule = "0 0 * * *".parse().unwrap();
        assert_eq!(schedule.next(at("2026-01-01T00:00:00")), Some(at("2026-01-02T00:00:00")));
        assert_eq!(
            schedule.next(at("2025-12-31T23:59:59.999999")),
            Some(at("2026-01-01T00:00:00"))
        );
    }

    #[test]
    fn what_cron_programs_disagree_about_is_refused() {
        for days in ["1", "0", "7", "1-5", "Mon,2", "*/2"] {
            refused(&format!("0 3 * * {days}"), &CronError::NumberedWeekday(days.into()));
        }
        refused("0 3 1 * Mon", &CronError::BothDays);
        refused("0 3 */2 * Mon", &CronError::BothDays);
    }

    #[test]
    fn what_is_no_line_is_refused() {
        refused("", &CronError::Fields(0));
        refused("0 3 * *", &CronError::Fields(4));
        refused("0 0 3 * * *", &CronError::Fields(6));
        refused("@daily", &CronError::Fields(1));
        for line in
            ["60 3 * * *", "0 24 * * *", "0 3 32 * *", "0 3 * 13 *", "0 3 L * *", "a b * * *"]
        {
            refused(line, &CronError::NotUnderstood(line.into()));
        }
        refused("0 0 30 2 *", &CronError::Never("0 0 30 2 *".into()));
    }
}
