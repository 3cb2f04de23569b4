//! Resets at their instant.

use super::making::{Making, SecondsGauge};
use chrono::TimeDelta;
use creditd_rules::Instant;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

/// What is due for longer than this is overdue.
const OVERDUE_AFTER: TimeDelta = TimeDelta::seconds(60);

/// What is known of resets.
#[derive(Debug)]
pub struct Resets {
    /// How late a due reset was posted.
    pub lateness: Histogram,
    /// Seats and grants that are due and not posted, counted up to a limit.
    pub due: Gauge,
    /// Those of them that have been due for more than a minute.
    overdue: Gauge,
    oldest_age: SecondsGauge,
    next: SecondsGauge,
}

impl Resets {
    pub(super) fn new(making: &mut Making<'_>) -> Self {
        let overdue = "Seats and grants that have been due for more than a minute";
        let oldest = "How long the earliest of what is due and not posted has been due";
        Self {
            // From half a millisecond to 17 minutes.
            lateness: making.durations(
                "reset_lateness",
                "How late a due reset was posted",
                0.000_5,
                22,
            ),
            due: making.gauge("due", "Seats and grants that are due and not posted, up to 10000"),
            overdue: making.gauge("overdue", overdue),
            oldest_age: making.seconds_gauge("due_oldest_age", oldest),
            next: making
                .seconds_gauge("next_due_timestamp", "When the next seat or grant falls due"),
        }
    }

    /// Shows what is due at `now`: all of it, earliest first, and when the next thing falls due.
    pub fn show(&self, now: Instant, due: &[Instant], next: Option<Instant>) {
        let overdue = due.iter().filter(|at| now.signed_duration_since(**at) > OVERDUE_AFTER);
        self.due.set(i64::try_from(due.len()).unwrap_or(i64::MAX));
        self.overdue.set(i64::try_from(overdue.count()).unwrap_or(i64::MAX));
        let age = due.first().and_then(|at| now.signed_duration_since(*at).to_std().ok());
        self.oldest_age.set(age.unwrap_or_default().as_secs_f64());
        self.next.set(next.map_or(0.0, super::timestamp));
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::Metrics;
    use chrono::DateTime;

    fn at(seconds: i64) -> creditd_rules::Instant {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn what_is_due_for_more_than_a_minute_is_overdue() {
        let metrics = Metrics::new("sqlite");
        let (now, due) = (at(1_000), [at(900), at(939), at(940), at(1_000)]);
        metrics.resets.show(now, &due, Some(at(900)));
        let page = metrics.classic_text().unwrap();
        for series in ["creditd_due 4", "creditd_overdue 2", "creditd_due_oldest_age_seconds 100"] {
            assert!(page.lines().any(|line| line.starts_with(series)), "{series} in {page}");
        }
        metrics.resets.show(now, &[], None);
        let page = metrics.classic_text().unwrap();
        assert!(page.contains("creditd_due 0\n") && page.contains("creditd_overdue 0\n"), "{page}");
    }
}
