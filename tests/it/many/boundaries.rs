//! A boundary that comes while the schedules of all daemons sleep until it.

use super::Crew;
use crate::daemon::calls::word;
use crate::daemon::stripe::Subscription;
use crate::daemon::time::text;
use crate::daemon::{PATIENCE, Setup};
use crate::engine::{cluster, migrated};
use chrono::{DateTime, Months, SubsecRound, TimeDelta, Utc};
use creditd::clock;
use std::collections::BTreeMap;
use tokio::time::{Instant, sleep};

const TEAMS: usize = 12;
const SEATS: u32 = 5;

/// Subscriptions whose next boundary comes at `boundary`, in the middle of their lives.
pub(super) async fn bought(crew: &mut Crew, boundary: DateTime<Utc>, teams: usize, seats: u32) {
    // Of the 31st, a month before may be the 28th, and that is no anchor for it.
    let anchors = (1..12).map(Months::new).map(|months| (boundary - months, months));
    let anchor = anchors.into_iter().find(|(anchor, months)| *anchor + *months == boundary);
    let start = anchor.unwrap().0;
    for number in 0..teams {
        let (team, owner) = (format!("w{number}"), format!("p{number}"));
        crew.any().team(&team, &[&owner]).await;
        let id = format!("sub_{number}");
        let sub = Subscription::new(&id, &team, &owner, "", &text(start));
        let sub = sub.items(&[("price_starter", seats)]);
        crew.any().told_at(start, "created", &sub).await;
    }
}

/// An instant some seconds ahead.
pub(super) fn soon(seconds: i64) -> DateTime<Utc> {
    clock::wall().trunc_subsecs(0) + TimeDelta::seconds(seconds)
}

#[tokio::test]
async fn r6_a_boundary_is_posted_once_while_all_schedules_wake_at_its_instant() {
    let database = cluster().copy(migrated());
    let setup = Setup { system_clock: true, ..Setup::default() };
    let mut crew = Crew::on(&database.url, std::slice::from_ref(&setup)).await;
    // Long enough for the others to be there in time.
    let boundary = soon(10);
    bought(&mut crew, boundary, TEAMS, SEATS).await;
    for _ in 0..2 {
        crew.joins(&database.url, setup.clone()).await;
    }
    assert!(clock::wall() < boundary, "all of them sleep");

    let seats = TEAMS * usize::try_from(SEATS).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let mut resets = 0.0;
    while resets < f64::from(u32::try_from(seats).unwrap()) {
        assert!(Instant::now() < deadline, "{resets} resets");
        sleep(std::time::Duration::from_millis(20)).await;
        resets = 0.0;
        for daemon in &crew.daemons {
            resets += daemon.metric("creditd_reset_lateness_seconds_count").await;
        }
    }
    assert_eq!(resets, f64::from(u32::try_from(seats).unwrap()), "each posted by one of them");
    for number in 0..TEAMS {
        for seat in crew.any().seats(&format!("w{number}")).await {
            let path = format!("/v1/seats/{}/ledger", word(&seat["id"]));
            let mut lines: BTreeMap<String, usize> = BTreeMap::new();
            for line in crew.any().pages(&path).await {
                assert!(line["posted_at"].is_string(), "{line}");
                let at = word(&line["effective_at"]);
                let what = [&line["kind"], &line["reason"]].map(word).join(" ");
                *lines.entry(format!("{at} {what}")).or_default() += 1;
            }
            let (start, end) = (text(boundary - Months::new(1)), text(boundary));
            let expected = [
                (&start, "integration allowance"),
                (&start, "message allowance"),
                (&end, "integration allowance"),
                (&end, "integration expire"),
                (&end, "message allowance"),
                (&end, "message expire"),
            ];
            let expected: BTreeMap<_, _> =
                expected.into_iter().map(|(at, what)| (format!("{at} {what}"), 1)).collect();
            assert_eq!(lines, expected);
        }
    }
    drop(crew);
    drop(database);
}
