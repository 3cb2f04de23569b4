//! Daemons whose systems' clocks differ: the database's is the one that counts (R5).

use super::Crew;
use super::boundaries::{bought, soon};
use crate::daemon::calls::word;
use crate::daemon::time::at;
use crate::daemon::{Daemon, PATIENCE, Setup};
use crate::engine::{cluster, migrated};
use chrono::{DateTime, TimeDelta, Utc};
use creditd::clock;
use serde_json::Value;
use std::path::Path;
use tokio::time::Instant;

/// A setup whose process sees the system's time moved by so many seconds.
fn shifted(seconds: i32) -> Setup {
    let library =
        format!("/usr/lib/{}-linux-gnu/faketime/libfaketime.so.1", std::env::consts::ARCH);
    assert!(Path::new(&library).exists(), "libfaketime is missing: run scripts/test-servers");
    let environment = vec![
        ("LD_PRELOAD", library),
        ("FAKETIME", format!("{seconds:+}s")),
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    Setup { system_clock: true, environment, ..Setup::default() }
}

/// By how much a daemon's clock is off, as its log tells.
fn off_by(daemon: &Daemon) -> TimeDelta {
    let log = daemon.log();
    let line: Value = log.lines().find_map(|line| serde_json::from_str(line).ok()).unwrap();
    word(&line["timestamp"]).parse::<DateTime<Utc>>().unwrap() - clock::wall()
}

#[tokio::test]
async fn r5_daemons_whose_clocks_differ_by_seconds_agree_on_every_balance() {
    let database = cluster().copy(migrated());
    let mut crew = Crew::on(&database.url, &[shifted(7)]).await;
    assert!(off_by(crew.any()) > TimeDelta::seconds(4), "its clock is ahead");
    let boundary = soon(8);
    bought(&mut crew, boundary, 1, 1).await;
    crew.joins(&database.url, shifted(-20)).await;
    assert!(off_by(&crew.daemons[1]) < TimeDelta::seconds(-15), "its clock is behind");
    crew.joins(&database.url, shifted(0)).await;

    let deadline = Instant::now() + PATIENCE;
    let (mut last, mut used) = (DateTime::UNIX_EPOCH, 0);
    let mut seen = [0, 0];
    while last < boundary + TimeDelta::seconds(1) {
        assert!(Instant::now() < deadline, "it is only {last}");
        for daemon in &crew.daemons {
            let balance = daemon.balance("p0").await;
            let as_of = at(&word(&balance["as_of"]));
            assert!(as_of >= last, "{as_of} after {last}: their clocks are not one");
            if last < boundary && as_of >= boundary {
                used = 0;
            }
            last = as_of;
            assert_eq!(word(&balance["message"]["used"]), used.to_string(), "at {as_of}");
            seen[usize::from(as_of >= boundary)] += 1;
            if used < 90 {
                let debit = daemon.chats("p0", 1).await;
                let now_used = 100 - word(&debit["remaining"]).parse::<i32>().unwrap();
                if now_used != used + 1 {
                    // The boundary came between the two.
                    assert_eq!(now_used, 1);
                    last = last.max(boundary);
                }
                used = now_used;
            }
        }
    }
    assert!(seen.into_iter().all(|count| count > 3), "{seen:?}");
    let lines = crew.any().ledger("p0").await;
    let posted: Vec<_> = lines.iter().map(|line| at(&word(&line["posted_at"]))).collect();
    assert!(posted.is_sorted(), "the ledger's order is that of the one clock");
    let resets = lines.iter().filter(|line| line["reason"] == "allowance").count();
    assert_eq!(resets, 2);
    drop(crew);
    drop(database);
}
