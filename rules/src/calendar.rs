//! When a paid seat resets (R4).
//!
//! Every boundary is counted from the anchor itself, never from the boundary before it, so month
//! ends do not drift: 31 January, 28 February, 31 March, 30 April.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, TimeDelta, Utc};

/// A point in time, UTC, to the microsecond.
pub type Instant = DateTime<Utc>;

/// A free window and a seat's day: 86,400 seconds exactly.
pub const DAY: TimeDelta = TimeDelta::seconds(86_400);

/// A last step before an anchor that lies ahead is joined to the one before it when shorter.
const SHORTEST_STEP_BEFORE_ANCHOR: TimeDelta = TimeDelta::days(7);

/// The most months looked at in either direction: 200 years.
const MONTHS_MAX: i32 = 2_400;

/// A half-open span of time `[start, end)` in which one allowance holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Cycle {
    /// The first instant inside.
    pub start: Instant,
    /// The first instant after.
    pub end: Instant,
}

/// What decides all boundaries of a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Timeline {
    /// When the subscription began; its first cycle starts here.
    pub start: Instant,
    /// The instant from which boundaries are counted; it may lie ahead of `start` (a trial).
    pub anchor: Instant,
    /// The day of the month that boundaries fall on, 1 to 31, clamped to the month's last.
    pub day: u32,
}

impl Timeline {
    /// A timeline whose day of the month is the anchor's own.
    #[must_use]
    pub fn new(start: Instant, anchor: Instant) -> Self {
        Self { start, anchor, day: anchor.day() }
    }

    /// The same with the day of the month given, as Stripe's `billing_cycle_anchor_config` does.
    #[must_use]
    pub fn with_day(self, day: Option<u32>) -> Self {
        match day {
            Some(day @ 1..=31) => Self { day, ..self },
            _ => self,
        }
    }

    /// The anchor itself as a boundary: on the timeline's day of its month.
    #[must_use]
    pub fn first_anchor(&self) -> Instant {
        self.anchored(0)
    }

    /// The first boundary strictly after `now`.
    ///
    /// Before `start` that is the first boundary after `start`: the start is no boundary.
    #[must_use]
    pub fn next_after(&self, now: Instant) -> Instant {
        let from = now.max(self.start);
        let anchor = self.anchored(0);
        if from >= anchor {
            let months = months_between(anchor, from);
            return (months.saturating_sub(1)..)
                .map(|k| self.anchored(k))
                .find(|boundary| *boundary > from)
                .unwrap_or(Instant::MAX_UTC);
        }
        let months = months_between(self.start, from);
        (months.saturating_sub(1)..)
            .map(|k| add_months(self.start, k, self.start.day()))
            .find(|step| *step > from)
            .filter(|step| anchor.signed_duration_since(*step) >= SHORTEST_STEP_BEFORE_ANCHOR)
            .unwrap_or(anchor)
    }

    /// The cycle that contains `now`; the first one for any instant before it.
    #[must_use]
    pub fn cycle_at(&self, now: Instant) -> Cycle {
        let end = self.next_after(now);
        let from = now.max(self.start);
        let anchor = self.anchored(0);
        let start = if from >= anchor {
            let months = months_between(anchor, from);
            last_before((months.saturating_sub(1)..).map(|k| self.anchored(k)), from)
        } else {
            let months = months_between(self.start, from);
            let step = |k| add_months(self.start, k, self.start.day());
            let steps = (months.saturating_sub(1)..).map(step).take_while(|at| {
                *at == self.start
                    || anchor.signed_duration_since(*at) >= SHORTEST_STEP_BEFORE_ANCHOR
            });
            last_before(steps, from)
        };
        Cycle { start: start.map_or(self.start, |at| at.max(self.start)), end }
    }

    /// The boundary `months` after the anchor, at its time of day, on the timeline's day.
    fn anchored(&self, months: i32) -> Instant {
        add_months(self.anchor, months, self.day)
    }
}

/// The same day of the next month at the same time, clamped to the month's last (a free month).
#[must_use]
pub fn month_after(start: Instant) -> Instant {
    add_months(start, 1, start.day())
}

/// The step of `length_of` containing `now`, counted from `origin`: a free window in fixed steps.
#[must_use]
pub fn day_step(origin: Instant, now: Instant) -> Cycle {
    let elapsed = now.signed_duration_since(origin).num_microseconds().unwrap_or(0).max(0);
    let day = DAY.num_microseconds().unwrap_or(1);
    let into = TimeDelta::microseconds(elapsed.checked_rem(day).unwrap_or(0));
    let start = origin.max(now).checked_sub_signed(into).unwrap_or(origin);
    Cycle { start, end: later(start, DAY) }
}

/// The fixed month step containing `now`, counted from `origin` by R4's rule.
#[must_use]
pub fn month_step(origin: Instant, now: Instant) -> Cycle {
    Timeline::new(origin, origin).cycle_at(now)
}

/// `at` plus `span`, held at the calendar's end.
#[must_use]
pub fn later(at: Instant, span: TimeDelta) -> Instant {
    at.checked_add_signed(span).unwrap_or(Instant::MAX_UTC)
}

/// Counts `months` from `origin`, on `day` clamped to the month's last, at its time of day.
fn add_months(origin: Instant, months: i32, day: u32) -> Instant {
    let first = NaiveDate::from_ymd_opt(origin.year(), origin.month(), 1);
    let shift = Months::new(months.unsigned_abs());
    let month = first.and_then(|date| {
        if months < 0 { date.checked_sub_months(shift) } else { date.checked_add_months(shift) }
    });
    let Some(month) = month else { return Instant::MAX_UTC };
    let last = u64::from(month.num_days_in_month());
    let days = u64::from(day).min(last).saturating_sub(1);
    match month.checked_add_days(Days::new(days)) {
        Some(date) => date.and_time(origin.time()).and_utc(),
        None => Instant::MAX_UTC,
    }
}

/// Calendar months from `origin` to `now`, not looking at days; a start for a short search.
fn months_between(origin: Instant, now: Instant) -> i32 {
    let years = now.year().saturating_sub(origin.year());
    let month = |at: Instant| i32::try_from(at.month()).unwrap_or(0);
    let months = years.saturating_mul(12).saturating_add(month(now)).saturating_sub(month(origin));
    months.clamp(0, MONTHS_MAX)
}

/// The last of the rising `boundaries` that is not after `now`.
fn last_before(boundaries: impl Iterator<Item = Instant>, now: Instant) -> Option<Instant> {
    boundaries.take_while(|boundary| *boundary <= now).last()
}

#[cfg(test)]
mod tests;
