//! When the demonstration's plan was bought.

use chrono::{DateTime, Datelike, Months, Utc};

/// A purchase instant two months or more before `boundary`, so that `boundary` is one of its
/// monthly resets by R4: the same day of an earlier month that has such a day.
#[must_use]
pub fn bought_for(boundary: DateTime<Utc>) -> Option<DateTime<Utc>> {
    (2..=12)
        .filter_map(|months| boundary.checked_sub_months(Months::new(months)))
        .find(|bought| bought.day() == boundary.day())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use creditd_rules::calendar::Timeline;

    #[test]
    fn r4_every_day_of_four_years_has_a_purchase_that_resets_on_it() {
        let mut boundary: DateTime<Utc> = "2024-01-01T09:30:15.000007Z".parse().unwrap();
        for _ in 0..(4 * 365 + 1) {
            let bought = bought_for(boundary).unwrap();
            let timeline = Timeline::new(bought, bought);
            let just_before = boundary - TimeDelta::microseconds(1);
            assert_eq!(timeline.next_after(just_before), boundary, "bought {bought}");
            assert!(boundary - bought >= TimeDelta::days(59), "bought {bought}");
            boundary += TimeDelta::days(1);
        }
    }
}
