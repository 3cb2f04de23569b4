use super::*;
use proptest::prelude::*;

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

/// Walks `count` boundaries from the first after `start` and compares the dates shown.
#[track_caller]
fn check(timeline: Timeline, expected: &[&str]) {
    let mut now = timeline.start;
    for wanted in expected {
        let cycle = timeline.cycle_at(now);
        assert_eq!(cycle.end, at(wanted), "after {now}");
        assert!(cycle.start <= now && now < cycle.end, "{cycle:?} holds {now}");
        now = cycle.end;
    }
}

fn bought(start: &str) -> Timeline {
    Timeline::new(at(start), at(start))
}

fn trial(start: &str, anchor: &str) -> Timeline {
    Timeline::new(at(start), at(anchor))
}

#[test]
fn r4_months_are_counted_from_the_anchor_and_clamped() {
    check(
        bought("2024-01-31T13:37:42Z"),
        &["2024-02-29T13:37:42Z", "2024-03-31T13:37:42Z", "2024-04-30T13:37:42Z"],
    );
    check(bought("2023-01-31T00:00:00Z"), &["2023-02-28T00:00:00Z", "2023-03-31T00:00:00Z"]);
    check(bought("2024-02-29T23:59:59Z"), &["2024-03-29T23:59:59Z", "2024-04-29T23:59:59Z"]);
    check(bought("2025-12-15T06:00:00Z"), &["2026-01-15T06:00:00Z", "2026-02-15T06:00:00Z"]);
}

#[test]
fn r4_a_day_given_by_stripe_decides_the_day() {
    let timeline = bought("2026-02-28T10:00:00Z").with_day(Some(31));
    check(timeline, &["2026-03-31T10:00:00Z", "2026-04-30T10:00:00Z", "2026-05-31T10:00:00Z"]);
    assert_eq!(bought("2026-02-28T10:00:00Z").with_day(Some(40)).day, 28);
}

#[test]
fn r4_a_trial_ends_with_its_anchor() {
    check(
        trial("2026-02-01T08:00:00Z", "2026-03-03T08:00:00Z"),
        &["2026-03-03T08:00:00Z", "2026-04-03T08:00:00Z"],
    );
    check(
        trial("2026-01-10T00:00:00Z", "2026-01-24T00:00:00Z"),
        &["2026-01-24T00:00:00Z", "2026-02-24T00:00:00Z"],
    );
    check(
        trial("2026-01-10T00:00:00Z", "2026-03-20T00:00:00Z"),
        &["2026-02-10T00:00:00Z", "2026-03-10T00:00:00Z", "2026-03-20T00:00:00Z"],
    );
    check(
        trial("2026-01-10T00:00:00Z", "2026-03-17T00:00:00Z"),
        &["2026-02-10T00:00:00Z", "2026-03-10T00:00:00Z", "2026-03-17T00:00:00Z"],
    );
    check(
        trial("2026-01-10T00:00:00Z", "2026-03-16T23:59:59Z"),
        &["2026-02-10T00:00:00Z", "2026-03-16T23:59:59Z"],
    );
}

#[test]
fn r4_an_anchor_before_the_start_gives_a_short_first_cycle() {
    check(
        trial("2026-03-20T00:00:00Z", "2026-01-05T00:00:00Z"),
        &["2026-04-05T00:00:00Z", "2026-05-05T00:00:00Z"],
    );
}

#[test]
fn r8_free_steps_are_24_hours_from_their_origin() {
    let origin = at("2026-05-05T05:05:05Z");
    let step = day_step(origin, at("2026-05-07T05:05:04.999999Z"));
    assert_eq!(step.start, at("2026-05-06T05:05:05Z"));
    assert_eq!(step.end, at("2026-05-07T05:05:05Z"));
    assert_eq!(day_step(origin, origin).start, origin);
    assert_eq!(month_after(at("2026-01-31T01:00:00Z")), at("2026-02-28T01:00:00Z"));
}

/// The k-th month after `anchor` by an independent calendar.
fn by_jiff(anchor: Instant, k: i64) -> Instant {
    let utc = jiff::tz::Offset::UTC;
    let civil =
        utc.to_datetime(jiff::Timestamp::from_microsecond(anchor.timestamp_micros()).unwrap());
    let moved = civil.checked_add(jiff::Span::new().months(k)).unwrap();
    let moved = utc.to_timestamp(moved).unwrap();
    Instant::from_timestamp_micros(moved.as_microsecond()).unwrap()
}

fn instants() -> impl Strategy<Value = Instant> {
    (0_i64..4_000_000_000_000_000).prop_map(|us| Instant::from_timestamp_micros(us).unwrap())
}

/// Any instant, and, as often, one on the last days of a month.
fn anchors() -> impl Strategy<Value = Instant> {
    let month_ends = (1970_i32..2090, 1_u32..=12, 27_u32..=31, 0_i64..86_400_000_000).prop_map(
        |(year, month, day, time_us)| {
            let first = NaiveDate::from_ymd_opt(year, month, 1).unwrap();
            let day = day.min(u32::from(first.num_days_in_month()));
            let date = first.with_day(day).unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc();
            date + TimeDelta::microseconds(time_us)
        },
    );
    prop_oneof![instants(), month_ends]
}

proptest! {
    #[test]
    fn r4_walking_equals_counting_from_the_anchor(anchor in anchors(), months in 1_i64..120) {
        let timeline = Timeline::new(anchor, anchor);
        let mut now = anchor;
        for k in 1..=months {
            now = timeline.next_after(now);
            prop_assert_eq!(now, by_jiff(anchor, k));
        }
    }

    #[test]
    fn r4_every_instant_lies_in_exactly_one_cycle(
        start in anchors(), anchor in anchors(), day in proptest::option::of(1_u32..=31),
        later_us in 0_i64..400_000_000_000_000,
    ) {
        let timeline = Timeline::new(start, anchor).with_day(day);
        let now = start + TimeDelta::microseconds(later_us);
        let cycle = timeline.cycle_at(now);
        prop_assert!(cycle.start <= now && now < cycle.end);
        prop_assert_eq!(timeline.next_after(cycle.start), cycle.end);
        prop_assert_eq!(timeline.cycle_at(cycle.end).start, cycle.end);
        prop_assert!(cycle.end - cycle.start <= TimeDelta::days(31 + 7));
    }
}

#[test]
fn r4_all_days_of_four_years_agree_with_an_independent_calendar() {
    let mut anchor = at("2023-12-31T11:22:33.456789Z");
    for _ in 0..(4 * 366) {
        let timeline = Timeline::new(anchor, anchor);
        for k in 1..=13 {
            assert_eq!(timeline.next_after(by_jiff(anchor, k - 1)), by_jiff(anchor, k));
        }
        anchor += TimeDelta::days(1);
    }
}

#[test]
fn r4_month_ends_agree_around_a_century_without_a_leap_day() {
    for month in 0..120 {
        let last = by_jiff(at("2095-01-31T23:59:59.999999Z"), month);
        let timeline = Timeline::new(last, last);
        for k in 1..=13 {
            assert_eq!(timeline.next_after(by_jiff(last, k - 1)), by_jiff(last, k));
        }
    }
}
