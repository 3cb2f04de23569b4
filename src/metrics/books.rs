//! The database, and whether its books add up.

use super::making::{Making, SecondsGauge};
use prometheus_client::metrics::gauge::Gauge;

/// What is known of the database and its books.
#[derive(Debug)]
pub struct Books {
    /// 1 while the database answers, as the last scrape found.
    pub up: Gauge,
    /// What the last check found to be wrong.
    pub faults: Gauge,
    /// When the last check ended, whatever it found: seconds since 1970. 0 before the first one.
    pub verified_at: SecondsGauge,
}

impl Books {
    pub(super) fn new(making: &mut Making<'_>) -> Self {
        let up = "1 while the database answers, as found when this page was asked for";
        Self {
            up: making.gauge("database_up", up),
            faults: making.gauge("books_faults", "Faults that the last check of the books found"),
            verified_at: making.seconds_gauge(
                "books_verified_timestamp",
                "When the last check of the books ended",
            ),
        }
    }
}
