//! The embedded engine: one SQLite file.
//!
//! | what | statements of a batch of any size |
//! |---|---|
//! | load | none where all is [`kept`](super::kept); else 1, and 1 more each for what is named and for teams |
//! | write | 1 for each table and kind of change; those of debits go together, and commit |
//!
//! One connection writes, in `BEGIN IMMEDIATE` transactions: that is the lock of every workspace.
//! Others read, each call from one snapshot. The file is in WAL mode with `synchronous = FULL`, so
//! that a commit is on disk when it returns.

mod answers;
mod backup;
mod batch;
mod checkpoint;
mod directory;
mod entries;
mod error;
mod inbox;
mod lists;
mod load;
mod mails;
mod marks;
mod promos;
mod proof;
mod row;
mod schema;
mod statement;
mod upkeep;
mod verify;
mod write;
mod writer;

#[cfg(test)]
mod tests;

pub use backup::{BackupError, BackupProgress, BackupStep, back_up, backup_size};
pub(super) use error::meaning;
pub(super) use schema::{is_copied, prove};

use super::kept::Kept;
use super::open::{OpenError, OpenOptions};
use super::{
    ApiKey, Decide, Depths, Due, EventState, Fault, Home, Job, KeptAnswer, LedgerQuery, Line,
    Loose, MailOutcome, MailState, NewEvent, Page, PageQuery, Promo, Reservation, Store,
    StoreResult, StoredEvent, StoredMail,
};
use crate::clock;
use async_trait::async_trait;
use checkpoint::Checkpoints;
use chrono::{DateTime, Utc};
use creditd_rules::command::Touch;
use creditd_rules::id::{
    AccountId, AppId, CustomerId, GrantId, PlanId, RewardId, SubscriptionId, WorkspaceId,
};
use creditd_rules::state::{RewardStatus, SeatStatus};
use creditd_rules::view::{AccountView, GrantView, RewardView, SeatView};
use creditd_rules::{Instant, Workspace};
use sqlx::SqlitePool;
use std::path::Path;
use std::sync::Mutex;
use writer::Writer;

/// A store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Writer,
    reader: SqlitePool,
    checkpoints: Checkpoints,
    clock: clock::Mode,
    kept: Mutex<Kept>,
}

impl SqliteStore {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// Says what is wrong with the file or its schema.
    pub async fn open(path: &Path, options: &OpenOptions) -> Result<Self, OpenError> {
        let schema::Opened { writer, reader, checkpoints } = schema::open(path, options).await?;
        let kept = Mutex::default();
        Ok(Self { writer, reader, checkpoints, clock: options.clock, kept })
    }

    /// Closes every connection, so that all is in the one file.
    pub(super) async fn close(self) -> StoreResult<()> {
        self.reader.close().await;
        self.writer.close().await?;
        Ok(())
    }

    /// Keeps everybody from writing as long as a transaction of it is open.
    pub(super) async fn turn(&self) -> StoreResult<writer::Turn<'_>> {
        Ok(self.writer.turn().await?)
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn transact(&self, jobs: &[Job], decide: &mut Decide<'_>) -> StoreResult<()> {
        self.run_batch(jobs, decide).await
    }

    async fn read(&self, home: &Home, touch: &Touch) -> StoreResult<Option<(Instant, Workspace)>> {
        let mut db = self.reader.begin().await?;
        let job = Job { home: home.clone(), touch: touch.clone(), key: None };
        let found = load::touched(&mut db, true, &[job], self.clock).await?;
        let workspace = found.workspaces.into_values().next();
        Ok(workspace
            .filter(|workspace| workspace.version > 0)
            .map(|workspace| (found.now.max(workspace.decided_at), workspace)))
    }

    async fn now(&self) -> StoreResult<Instant> {
        self.credit_clock().await
    }

    async fn set_test_clock(&self, now: Instant) -> StoreResult<Result<(), Instant>> {
        self.set_clock(now).await
    }

    async fn ping(&self) -> StoreResult<()> {
        sqlx::query("SELECT 1 FROM workspace LIMIT 1").fetch_optional(&self.reader).await?;
        self.writer.prove().await
    }

    async fn claim_account(&self, id: &AccountId, to: &WorkspaceId) -> StoreResult<WorkspaceId> {
        self.claim_home(&Home::Account(id.clone()), to).await
    }

    async fn claim_app(&self, id: &AppId, to: &WorkspaceId) -> StoreResult<WorkspaceId> {
        self.claim_home(&Home::App(id.clone()), to).await
    }

    async fn link_customer(
        &self, id: &CustomerId, to: &WorkspaceId, replace: bool,
    ) -> StoreResult<WorkspaceId> {
        self.link(id, to, replace).await
    }

    async fn workspace_of(&self, home: &Home) -> StoreResult<Option<WorkspaceId>> {
        self.find_workspace(home).await
    }

    async fn workspace_of_subscription(
        &self, id: &SubscriptionId,
    ) -> StoreResult<Option<WorkspaceId>> {
        self.find_subscription(id).await
    }

    async fn ledger(&self, workspace: &WorkspaceId, query: &LedgerQuery) -> StoreResult<Vec<Line>> {
        let mut db = self.reader.begin().await?;
        entries::ledger(&mut db, workspace, query).await
    }

    async fn accounts(
        &self, workspace: Option<&WorkspaceId>, page: &PageQuery,
    ) -> StoreResult<Page<AccountView>> {
        self.list_accounts(workspace, page).await
    }

    async fn seats(
        &self, workspace: &WorkspaceId, status: Option<SeatStatus>, page: &PageQuery,
    ) -> StoreResult<Page<SeatView>> {
        self.list_seats(workspace, status, page).await
    }

    async fn grants(&self, account: &AccountId, page: &PageQuery) -> StoreResult<Page<GrantView>> {
        self.list_grants(account, page).await
    }

    async fn rewards(
        &self, status: Option<RewardStatus>, page: &PageQuery,
    ) -> StoreResult<Page<RewardView>> {
        self.list_rewards(status, page).await
    }

    async fn next_due(&self) -> StoreResult<Option<Instant>> {
        self.first_due().await
    }

    async fn due(&self, now: Instant, limit: u32) -> StoreResult<Vec<Due>> {
        self.list_due(now, limit).await
    }

    async fn keep_events(&self, events: &[NewEvent]) -> StoreResult<Vec<bool>> {
        self.keep_all_events(events).await
    }

    async fn pending_events(&self, limit: u32) -> StoreResult<Vec<StoredEvent>> {
        self.list_pending(limit).await
    }

    async fn mark_event(
        &self, id: &str, state: EventState, note: Option<&str>, waits_for: Option<&str>,
    ) -> StoreResult<()> {
        self.set_event(id, state, note, waits_for).await
    }

    async fn release_events(&self, waits_for: &str) -> StoreResult<u64> {
        self.release(waits_for).await
    }

    async fn events(
        &self, state: Option<EventState>, page: &PageQuery,
    ) -> StoreResult<Page<StoredEvent>> {
        self.list_events(state, page).await
    }

    async fn event(&self, id: &str) -> StoreResult<Option<StoredEvent>> {
        self.find_event(id).await
    }

    async fn claim_mails(
        &self, wall: DateTime<Utc>, lease: DateTime<Utc>, limit: u32,
    ) -> StoreResult<Vec<StoredMail>> {
        self.claim(wall, lease, limit).await
    }

    async fn next_mail_at(&self) -> StoreResult<Option<DateTime<Utc>>> {
        self.next_mail().await
    }

    async fn mark_mail(
        &self, id: &str, outcome: &MailOutcome, wall: DateTime<Utc>,
    ) -> StoreResult<()> {
        self.mark_sent(id, outcome, wall).await
    }

    async fn retry_mail(&self, id: &str, wall: DateTime<Utc>) -> StoreResult<bool> {
        self.unpark_mail(id, wall).await
    }

    async fn mails(
        &self, state: Option<MailState>, page: &PageQuery,
    ) -> StoreResult<Page<StoredMail>> {
        self.list_mails(state, page).await
    }

    async fn create_promo(
        &self, promo: &Promo, key: &str, answer: &KeptAnswer,
    ) -> StoreResult<Result<Option<KeptAnswer>, ()>> {
        self.make_promo(promo, key, answer).await
    }

    async fn end_promo(
        &self, code: &str, at: Instant, key: &str,
        answer: &(dyn for<'p> Fn(&'p Promo) -> KeptAnswer + Sync),
    ) -> StoreResult<Option<(KeptAnswer, bool)>> {
        self.stop_promo(code, at, key, answer).await
    }

    async fn promo(&self, code: &str) -> StoreResult<Option<Promo>> {
        self.find_promo(code).await
    }

    async fn promos(&self, page: &PageQuery) -> StoreResult<Page<Promo>> {
        self.list_promos(page).await
    }

    async fn reserve_promo(
        &self, code: &str, account: &AccountId, grant: &GrantId, now: Instant,
    ) -> StoreResult<Reservation<GrantId>> {
        self.hold_promo(code, account, grant, now).await
    }

    async fn settle_promo(&self, code: &str, account: &AccountId, made: bool) -> StoreResult<()> {
        self.finish_promo(code, account, made).await
    }

    async fn reserve_post(
        &self, post_url: &str, account: &AccountId, reward: &RewardId, now: Instant,
    ) -> StoreResult<Reservation<RewardId>> {
        self.hold_post(post_url, account, reward, now).await
    }

    async fn settle_post(&self, post_url: &str, reward: &RewardId, made: bool) -> StoreResult<()> {
        self.finish_post(post_url, reward, made).await
    }

    async fn loose_reservations(&self, before: Instant) -> StoreResult<Vec<Loose>> {
        self.list_loose(before).await
    }

    async fn add_api_key(&self, key: &ApiKey) -> StoreResult<()> {
        self.keep_key(key).await
    }

    async fn api_key(&self, hash: &[u8; 32]) -> StoreResult<Option<ApiKey>> {
        self.find_key(hash).await
    }

    async fn api_keys(&self) -> StoreResult<Vec<ApiKey>> {
        self.list_keys().await
    }

    async fn revoke_api_key(&self, id: &str, wall: DateTime<Utc>) -> StoreResult<bool> {
        self.revoke_key(id, wall).await
    }

    async fn held_plans(&self) -> StoreResult<Vec<PlanId>> {
        self.list_held_plans().await
    }

    async fn depths(&self) -> StoreResult<Depths> {
        self.count_depths().await
    }

    async fn prune(&self, answers: DateTime<Utc>, handled: DateTime<Utc>) -> StoreResult<u64> {
        self.forget(answers, handled).await
    }

    async fn verify(&self, progress: &(dyn Fn(u64, u64) + Sync)) -> StoreResult<Vec<Fault>> {
        self.check(progress).await
    }
}
