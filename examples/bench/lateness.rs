//! How late resets are posted when all seats are due at the same instant.

use super::ACCOUNTS;
use super::ours::InProcess;
use chrono::{DurationRound, TimeDelta};
use creditd::clock::{self, Mode};
use creditd::demo::bought_for;
use creditd::schedule::Schedule;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How far ahead the boundary is when the seats are made.
const AHEAD: TimeDelta = TimeDelta::seconds(25);

/// Lets the seats of all accounts fall due in one second and prints how late they were posted.
pub(super) async fn measure(home: &Path) {
    let second = TimeDelta::seconds(1);
    let boundary = (clock::wall() + AHEAD).duration_trunc(second).unwrap();
    let bought_at = bought_for(boundary).unwrap();
    let (seats, ground) = InProcess::furnished(&home.join("lateness.db"), bought_at).await;
    let early = boundary.signed_duration_since(clock::wall());
    assert!(early > second, "the seats were not made in time");
    let metrics = Arc::clone(&ground.metrics);
    let schedule = Schedule {
        store: ground.store,
        writer: Arc::new(seats.writer()),
        metrics: ground.metrics,
        wakes: ground.wakes,
        clock_mode: Mode::System,
    };
    let stop = CancellationToken::new();
    let running = TaskTracker::new().spawn(schedule.run(stop.clone()));
    let posted = |text: &str| {
        let line =
            text.lines().find(|line| line.starts_with("creditd_reset_lateness_seconds_count"));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).unwrap_or(0)
    };
    let mut text = metrics.classic_text().unwrap();
    while posted(&text) < ACCOUNTS {
        tokio::time::sleep(Duration::from_millis(20)).await;
        text = metrics.classic_text().unwrap();
    }
    stop.cancel();
    running.await.unwrap();
    println!(
        "{ACCOUNTS} seats due at the same instant, {} s after they were made.\n",
        early.num_seconds()
    );
    println!("| posted within | seats |\n|---:|---:|");
    for line in
        text.lines().filter(|line| line.starts_with("creditd_reset_lateness_seconds_bucket"))
    {
        let (bucket, count) = line.rsplit_once(' ').unwrap();
        let bound = bucket.split('"').nth(1).unwrap();
        if count != "0" {
            println!("| {bound} s | {count} |");
        }
        if count == ACCOUNTS.to_string() {
            break;
        }
    }
}
