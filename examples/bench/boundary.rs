//! Many seats due at one instant, and debits on them that go on.

use super::books::{Books, Have};
use super::load::Until;
use super::report::Round;
use super::rows::name;
use super::served::{Ask, Daemon, Setup};
use super::server::{Postgres, run};
use super::spread::Spread;
use super::stage::Stage;
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use creditd::clock;
use creditd::demo::bought_for;
use creditd::settings::Engine;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Seats that the reference resets.
const REFERENCE: usize = 200_000;
/// Debits a second that go on meanwhile.
const DEBITS: f64 = 500.0;
/// Connections that they come on.
const CONNECTIONS: usize = 64;
/// The number of seats that were posted, as the daemon counts them.
const POSTED: &str = "creditd_reset_lateness_seconds_count";

/// What everyone would write, if all that ours writes were to be written.
const RESET: &str = "
    WITH due AS MATERIALIZED (
        SELECT seat.*, workspace.next_seq FROM seat JOIN workspace
            ON workspace.bucket = seat.bucket AND workspace.id = seat.workspace
        WHERE due_at <= now()),
    counted AS (
        UPDATE workspace SET version = version + 1, next_seq = workspace.next_seq + 4,
            decided_at = now()
        FROM due WHERE workspace.bucket = due.bucket AND workspace.id = due.workspace),
    reset AS (
        UPDATE seat SET cycle_start = due.cycle_end, cycle_end = due.cycle_end + interval '1 month',
            due_at = due.cycle_end + interval '1 month',
            message_balance_uc = seat.message_month_limit_uc, message_used_uc = 0,
            integration_balance_uc = seat.integration_month_limit_uc, integration_used_uc = 0
        FROM due WHERE seat.bucket = due.bucket AND seat.workspace = due.workspace
            AND seat.id = due.id)
    INSERT INTO entry (bucket, workspace, account, seq, pot, kind, amount_uc, pot_after_uc, reason,
        cycle_started_at, effective_at, posted_at, cause)
    SELECT bucket, workspace, holder, next_seq + step, 'seat/' || id, kind, amount, rest, reason,
        cycle_end, cycle_end, now(), 'clock'
    FROM due CROSS JOIN LATERAL (VALUES
        (0, 'message', -message_balance_uc, 0::bigint, 'expire'),
        (1, 'message', message_month_limit_uc, message_month_limit_uc, 'allowance'),
        (2, 'integration', -integration_balance_uc, 0::bigint, 'expire'),
        (3, 'integration', integration_month_limit_uc, integration_month_limit_uc, 'allowance'))
        AS line (step, kind, amount, rest, reason)";

/// The books of one engine, and the reference's.
pub(super) struct Ground {
    ours: Books,
    setup: Setup,
    reference: Option<Books>,
}

impl Ground {
    async fn make(server: Option<&Postgres>, home: &Path, engine: Engine, due: usize) -> Self {
        let have = Have::Seat(clock::wall() - TimeDelta::days(3));
        let ours = Books::make(server, home, "boundary", due, have).await;
        let setup = Setup::make(&ours, home, &format!("boundary-{}", engine.as_str())).await;
        let reference = match server {
            Some(_) => Some(Books::make(server, home, "resets", REFERENCE, have).await),
            None => None,
        };
        Self { ours, setup, reference }
    }
}

/// Measures the reference and ours, on seats that are made to fall due.
pub(super) async fn measure(stage: &mut Stage, engine: Engine, round: &mut Round) {
    let (due, key) = (stage.sizes.due, engine.as_str());
    if !stage.boundaries.contains_key(key) {
        let ground = Ground::make(stage.server(engine), &stage.home, engine, due).await;
        stage.boundaries.insert(key, ground);
    }
    let (ground, server) = (&stage.boundaries[key], stage.server(engine));
    if let Some(reference) = &ground.reference {
        let now = clock::wall().trunc_subsecs(0);
        reference.fall_due(now).await;
        settle(server).await;
        let mut db = reference.postgres().await;
        let began = Instant::now();
        run(&mut db, RESET.to_owned()).await;
        round.insert("d".to_owned(), REFERENCE as f64 / began.elapsed().as_secs_f64());
    }
    // Making so many due takes a while, and must be over by then.
    let ahead = TimeDelta::seconds(8 + i64::try_from(due / 15_000).unwrap());
    let boundary = (clock::wall() + ahead).trunc_subsecs(0);
    ground.ours.fall_due(boundary).await;
    settle(server).await;
    let daemon = ground.setup.start().await;
    let early = (boundary - clock::wall()).to_std().expect("the seats were not made in time");
    tokio::time::sleep(early.saturating_sub(Duration::from_millis(5))).await;
    let (rate, p99_ms) = posted(&daemon, due, boundary).await;
    round.insert(name(engine, "boundary"), rate);
    round.insert(name(engine, "boundary-p99"), p99_ms);
    daemon.kill().await;
}

async fn settle(server: Option<&Postgres>) {
    if let Some(server) = server {
        server.settle().await;
    }
}

/// How many were posted in a second, and the p99 of debits meanwhile.
async fn posted(daemon: &Daemon, due: usize, boundary: DateTime<Utc>) -> (f64, f64) {
    let even = Ask::One(Spread::Even(u64::try_from(due).unwrap()));
    let all_posted = CancellationToken::new();
    let watch = async {
        while daemon.metric(POSTED).await < due as f64 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        all_posted.cancel();
        clock::wall()
    };
    let until = Until::Told(all_posted.clone());
    let debits = daemon.ask(&even, CONNECTIONS, until, Some(DEBITS));
    let (at, mut load) = tokio::join!(watch, debits);
    let took = (at - boundary).to_std().unwrap();
    (due as f64 / took.as_secs_f64(), load.quantile_ms(99))
}

impl Books {
    /// Makes the running cycle of all seats end at `boundary`.
    async fn fall_due(&self, boundary: DateTime<Utc>) {
        let bought_at = bought_for(boundary).unwrap();
        let month_before = boundary.checked_sub_months(chrono::Months::new(1)).unwrap();
        match self.engine {
            Engine::Postgres => {
                let mut db = self.postgres().await;
                let due = format!(
                    "UPDATE seat SET start = '{bought_at}', anchor = '{bought_at}',
                         anchor_day = extract(day FROM timestamptz '{bought_at}' AT TIME ZONE 'UTC'),
                         cycle_start = '{month_before}', cycle_end = '{boundary}',
                         due_at = '{boundary}'"
                );
                run(&mut db, due).await;
                run(&mut db, "VACUUM seat, workspace".to_owned()).await;
            }
            Engine::Sqlite => {
                let us = |at: DateTime<Utc>| at.timestamp_micros();
                self.in_sqlite(format!(
                    "UPDATE seat SET start_us = {0}, anchor_us = {0}, anchor_day = {1},
                         cycle_start_us = {2}, cycle_end_us = {3}, due_at_us = {3}",
                    us(bought_at),
                    chrono::Datelike::day(&bought_at),
                    us(month_before),
                    us(boundary)
                ))
                .await;
            }
        }
    }
}
