//! What is done at set times, by `cron` lines: never anything about credits.

use crate::clock;
use crate::metrics::{Metrics, timestamp};
use crate::settings::Settings;
use crate::settings::cron::Schedule;
use crate::store::{Home, Loose, Store, StoreResult};
use chrono::{DateTime, TimeDelta, Utc};
use creditd_rules::command::Touch;
use creditd_rules::id::RewardId;
use creditd_rules::state::RewardStatus;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// The longest sleep, after which the clock is looked at again: it may have jumped.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// A reservation older than this was cut off: whoever made it is gone.
const CUT_OFF_AFTER: TimeDelta = TimeDelta::minutes(10);

/// The worker for upkeep.
pub(super) struct Maintenance {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    prune: Schedule,
    verify: Schedule,
    answers_kept: TimeDelta,
    handled_kept: TimeDelta,
}

impl Maintenance {
    pub(super) fn new(settings: &Settings, store: &Arc<dyn Store>, metrics: &Arc<Metrics>) -> Self {
        Self {
            store: Arc::clone(store),
            metrics: Arc::clone(metrics),
            prune: settings.maintenance.prune.clone(),
            verify: settings.maintenance.verify.clone(),
            answers_kept: TimeDelta::days(i64::from(settings.idempotency_days)),
            handled_kept: TimeDelta::days(i64::from(settings.maintenance.handled_days)),
        }
    }

    /// Does each thing at its times until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        // What was cut off by the last stop is finished now, not at night.
        self.finish_reservations().await;
        let mut seen = clock::wall();
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(self.until_next(seen)) => {}
            }
            let now = clock::wall();
            if fell_due(&self.prune, seen, now) {
                self.prune().await;
                self.finish_reservations().await;
            }
            if fell_due(&self.verify, seen, now) {
                self.verify().await;
            }
            seen = now;
        }
    }

    fn until_next(&self, now: DateTime<Utc>) -> Duration {
        let next = [self.prune.next(now), self.verify.next(now)].into_iter().flatten().min();
        let wait = next.and_then(|at| at.signed_duration_since(clock::wall()).to_std().ok());
        // A line that just fell due is seen a moment later, never skipped.
        wait.unwrap_or(SLEEP_MAX).clamp(Duration::from_millis(50), SLEEP_MAX)
    }

    async fn prune(&self) {
        let now = clock::wall();
        match self.store.prune(now - self.answers_kept, now - self.handled_kept).await {
            Ok(rows) => info!(rows, "pruned"),
            Err(cause) => warn!(%cause, "pruning failed; it will be tried at its next time"),
        }
    }

    async fn verify(&self) {
        match self.store.verify(&|_, _| {}).await {
            Ok(faults) if faults.is_empty() => {
                self.verified(0);
                info!("verified: every pot adds up");
            }
            Ok(faults) => {
                self.verified(faults.len());
                for fault in faults {
                    error!(subject = %fault.subject, "the books are wrong: {}", fault.detail);
                }
            }
            Err(cause) => warn!(%cause, "verifying failed; it will be tried at its next time"),
        }
    }

    fn verified(&self, faults: usize) {
        let books = &self.metrics.books;
        books.faults.set(i64::try_from(faults).unwrap_or(i64::MAX));
        books.verified_at.set(timestamp(clock::wall()));
    }

    /// Confirms or frees reservations whose maker was cut off between the steps (R15).
    async fn finish_reservations(&self) {
        match finish_loose(&*self.store).await {
            Ok(0) => {}
            Ok(finished) => info!(finished, "reservations that were cut off are finished"),
            Err(cause) => warn!(%cause, "reservations could not be finished"),
        }
    }
}

async fn finish_loose(store: &dyn Store) -> StoreResult<usize> {
    let before = store.now().await? - CUT_OFF_AFTER;
    let loose = store.loose_reservations(before).await?;
    let found = loose.len();
    for reservation in loose {
        match reservation {
            Loose::Promo { code, account, grant } => {
                let made = exists(store, &Home::Grant(grant)).await?;
                store.settle_promo(&code, &account, made).await?;
            }
            Loose::Post { post_url, reward, .. } => {
                let made = holds_its_post(store, &reward).await?;
                store.settle_post(&post_url, &reward, made).await?;
            }
        }
    }
    Ok(found)
}

/// Whether a claim was made and not rejected.
async fn holds_its_post(store: &dyn Store, id: &RewardId) -> StoreResult<bool> {
    let touch = Touch { rewards: vec![id.clone()], ..Touch::default() };
    let found = store.read(&Home::Reward(id.clone()), &touch).await?;
    let claim = found.and_then(|(_, workspace)| workspace.rewards.get(id).cloned());
    Ok(claim.is_some_and(|claim| claim.status != RewardStatus::Rejected))
}

async fn exists(store: &dyn Store, home: &Home) -> StoreResult<bool> {
    Ok(store.read(home, &Touch::default()).await?.is_some())
}

/// Whether a line fell due after `seen` and not after `now`.
fn fell_due(line: &Schedule, seen: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    line.next(seen).is_some_and(|at| at <= now)
}

#[cfg(test)]
mod tests;
