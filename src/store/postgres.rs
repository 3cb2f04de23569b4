//! The engine for many daemons: one PostgreSQL database.
//!
//! | what | statements of a batch of any size |
//! |---|---|
//! | homes | none where all are known; else 1 |
//! | load | none where all is kept ([`guess`]); else 1, 1 more where a team is needed |
//! | reserve | 1 where things are new |
//! | write | 1, which commits |
//!
//! No call waits without end, and reads pass over connections that died in the pool ([`patience`]).
//!
//! No daemon leads and none holds a lock between statements. A batch is written by one statement
//! that is guarded by the `version` of each workspace as it was read first; where one differs,
//! nothing of the batch is written ([`StoreError::Conflict`](super::StoreError)). Whoever lost a
//! race locks its workspaces before it reads them again, in key order, so that nobody starves.

mod alone;
mod answers;
mod bucket;
mod connect;
mod contended;
mod directory;
mod due;
mod entries;
mod facts;
mod guess;
mod error;
mod inbox;
mod keys;
mod known;
mod lists;
mod load;
mod mails;
mod moving;
mod marks;
mod parts;
mod patience;
mod promos;
mod record;
mod schema;
mod statement;
mod transaction;
mod trust;
mod upkeep;
mod verify;
mod write;

#[cfg(test)]
mod reach;
#[cfg(test)]
mod statements;
#[cfg(test)]
mod tests;

pub(super) use bucket::bucket;
pub use connect::{Pooler, PostgresOptions};
pub(super) use error::meaning;
pub(super) use facts::prove;
pub use facts::{ServerFacts, server_facts};
pub(super) use moving::{Filling, Origin};
pub(super) use record::stored_name;

use super::open::{OpenError, OpenOptions};
use super::{
    ApiKey, Decide, Depths, Due, EventState, Fault, Home, Job, KeptAnswer, LedgerQuery, Line,
    Loose, MailOutcome, MailState, NewEvent, Page, PageQuery, Promo, Reservation, Store,
    StoreResult, StoredEvent, StoredMail,
};
use crate::clock;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use connect::{Connections, Work};
use contended::Contended;
use creditd_rules::command::Touch;
use creditd_rules::id::{
    AccountId, AppId, CustomerId, GrantId, PlanId, RewardId, SubscriptionId, WorkspaceId,
};
use creditd_rules::state::{RewardStatus, SeatStatus};
use creditd_rules::view::{AccountView, GrantView, RewardView, SeatView};
use creditd_rules::{Instant, Workspace};
use guess::Guesses;
use known::Known;
use std::sync::Mutex;

/// A store in a PostgreSQL database.
#[derive(Debug)]
pub struct PostgresStore {
    connections: Connections,
    clock: clock::Mode,
    /// Workspaces that a batch lost a race for; the next one locks them first.
    contended: Contended,
    known: Known,
    guesses: Mutex<Guesses>,
}

impl PostgresStore {
    /// Opens the database at `url`.
    ///
    /// # Errors
    /// Says what is wrong with the URL, the server, the database, its schema or our rights.
    pub async fn open(
        url: &str, options: &OpenOptions, postgres: &PostgresOptions,
    ) -> Result<Self, OpenError> {
        Self::open_for(Work::Use, url, options, postgres).await
    }

    /// Opens the database at `url` to move credits into it.
    pub(super) async fn open_to_fill(
        url: &str, options: &OpenOptions, postgres: &PostgresOptions,
    ) -> Result<Self, OpenError> {
        Self::open_for(Work::Fill, url, options, postgres).await
    }

    async fn open_for(
        work: Work, url: &str, options: &OpenOptions, postgres: &PostgresOptions,
    ) -> Result<Self, OpenError> {
        let connections = schema::open(url, options, postgres, work).await?;
        Ok(Self {
            connections,
            clock: options.clock,
            contended: Contended::default(),
            known: Known::new(),
            guesses: Mutex::default(),
        })
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn transact(&self, jobs: &[Job], decide: &mut Decide<'_>) -> StoreResult<()> {
        self.run_batch(jobs, decide).await
    }

    async fn read(&self, home: &Home, touch: &Touch) -> StoreResult<Option<(Instant, Workspace)>> {
        self.reading(|| self.read_one(home, touch)).await
    }

    async fn now(&self) -> StoreResult<Instant> {
        self.reading(|| self.credit_clock()).await
    }

    async fn set_test_clock(&self, now: Instant) -> StoreResult<Result<(), Instant>> {
        self.writing(self.set_clock(now)).await
    }

    async fn ping(&self) -> StoreResult<()> {
        self.reading(|| self.prove()).await
    }

    async fn claim_account(&self, id: &AccountId, to: &WorkspaceId) -> StoreResult<WorkspaceId> {
        self.repeatable(async || self.claim_home(&Home::Account(id.clone()), to).await).await
    }

    async fn claim_app(&self, id: &AppId, to: &WorkspaceId) -> StoreResult<WorkspaceId> {
        self.repeatable(async || self.claim_home(&Home::App(id.clone()), to).await).await
    }

    async fn link_customer(
        &self, id: &CustomerId, to: &WorkspaceId, replace: bool,
    ) -> StoreResult<WorkspaceId> {
        self.repeatable(async || self.link(id, to, replace).await).await
    }

    async fn workspace_of(&self, home: &Home) -> StoreResult<Option<WorkspaceId>> {
        self.reading(|| self.find_workspace(home)).await
    }

    async fn workspace_of_subscription(
        &self, id: &SubscriptionId,
    ) -> StoreResult<Option<WorkspaceId>> {
        self.reading(|| self.find_subscription(id)).await
    }

    async fn ledger(&self, workspace: &WorkspaceId, query: &LedgerQuery) -> StoreResult<Vec<Line>> {
        self.reading(async || entries::ledger(&mut *self.snapshot().await?, workspace, query).await)
            .await
    }

    async fn accounts(
        &self, workspace: Option<&WorkspaceId>, page: &PageQuery,
    ) -> StoreResult<Page<AccountView>> {
        self.reading(|| self.list_accounts(workspace, page)).await
    }

    async fn seats(
        &self, workspace: &WorkspaceId, status: Option<SeatStatus>, page: &PageQuery,
    ) -> StoreResult<Page<SeatView>> {
        self.reading(|| self.list_seats(workspace, status, page)).await
    }

    async fn grants(&self, account: &AccountId, page: &PageQuery) -> StoreResult<Page<GrantView>> {
        self.reading(|| self.list_grants(account, page)).await
    }

    async fn rewards(
        &self, status: Option<RewardStatus>, page: &PageQuery,
    ) -> StoreResult<Page<RewardView>> {
        self.reading(|| self.list_rewards(status, page)).await
    }

    async fn next_due(&self) -> StoreResult<Option<Instant>> {
        self.reading(|| self.first_due()).await
    }

    async fn due(&self, now: Instant, limit: u32) -> StoreResult<Vec<Due>> {
        self.reading(|| self.list_due(now, limit)).await
    }

    async fn keep_events(&self, events: &[NewEvent]) -> StoreResult<Vec<bool>> {
        self.writing(self.keep_all_events(events)).await
    }

    async fn pending_events(&self, limit: u32) -> StoreResult<Vec<StoredEvent>> {
        self.reading(|| self.list_pending(limit)).await
    }

    async fn mark_event(
        &self, id: &str, state: EventState, note: Option<&str>, waits_for: Option<&str>,
    ) -> StoreResult<()> {
        self.writing(self.set_event(id, state, note, waits_for)).await
    }

    async fn release_events(&self, waits_for: &str) -> StoreResult<u64> {
        self.writing(self.release(waits_for)).await
    }

    async fn events(
        &self, state: Option<EventState>, page: &PageQuery,
    ) -> StoreResult<Page<StoredEvent>> {
        self.reading(|| self.list_events(state, page)).await
    }

    async fn event(&self, id: &str) -> StoreResult<Option<StoredEvent>> {
        self.reading(|| self.find_event(id)).await
    }

    async fn claim_mails(
        &self, wall: DateTime<Utc>, lease: DateTime<Utc>, limit: u32,
    ) -> StoreResult<Vec<StoredMail>> {
        self.writing(self.claim(wall, lease, limit)).await
    }

    async fn next_mail_at(&self) -> StoreResult<Option<DateTime<Utc>>> {
        self.reading(|| self.next_mail()).await
    }

    async fn mark_mail(
        &self, id: &str, outcome: &MailOutcome, wall: DateTime<Utc>,
    ) -> StoreResult<()> {
        self.writing(self.mark_sent(id, outcome, wall)).await
    }

    async fn retry_mail(&self, id: &str, wall: DateTime<Utc>) -> StoreResult<bool> {
        self.writing(self.unpark_mail(id, wall)).await
    }

    async fn mails(
        &self, state: Option<MailState>, page: &PageQuery,
    ) -> StoreResult<Page<StoredMail>> {
        self.reading(|| self.list_mails(state, page)).await
    }

    async fn create_promo(
        &self, promo: &Promo, key: &str, answer: &KeptAnswer,
    ) -> StoreResult<Result<Option<KeptAnswer>, ()>> {
        self.writing(self.make_promo(promo, key, answer)).await
    }

    async fn end_promo(
        &self, code: &str, at: Instant, key: &str,
        answer: &(dyn for<'p> Fn(&'p Promo) -> KeptAnswer + Sync),
    ) -> StoreResult<Option<(KeptAnswer, bool)>> {
        self.writing(self.stop_promo(code, at, key, answer)).await
    }

    async fn promo(&self, code: &str) -> StoreResult<Option<Promo>> {
        self.reading(|| self.find_promo(code)).await
    }

    async fn promos(&self, page: &PageQuery) -> StoreResult<Page<Promo>> {
        self.reading(|| self.list_promos(page)).await
    }

    async fn reserve_promo(
        &self, code: &str, account: &AccountId, grant: &GrantId, now: Instant,
    ) -> StoreResult<Reservation<GrantId>> {
        self.writing(self.hold_promo(code, account, grant, now)).await
    }

    async fn settle_promo(&self, code: &str, account: &AccountId, made: bool) -> StoreResult<()> {
        self.writing(self.finish_promo(code, account, made)).await
    }

    async fn reserve_post(
        &self, post_url: &str, account: &AccountId, reward: &RewardId, now: Instant,
    ) -> StoreResult<Reservation<RewardId>> {
        self.writing(self.hold_post(post_url, account, reward, now)).await
    }

    async fn settle_post(&self, post_url: &str, reward: &RewardId, made: bool) -> StoreResult<()> {
        self.writing(self.finish_post(post_url, reward, made)).await
    }

    async fn loose_reservations(&self, before: Instant) -> StoreResult<Vec<Loose>> {
        self.reading(|| self.list_loose(before)).await
    }

    async fn add_api_key(&self, key: &ApiKey) -> StoreResult<()> {
        self.writing(self.keep_key(key)).await
    }

    async fn api_key(&self, hash: &[u8; 32]) -> StoreResult<Option<ApiKey>> {
        self.reading(|| self.find_key(hash)).await
    }

    async fn api_keys(&self) -> StoreResult<Vec<ApiKey>> {
        self.reading(|| self.list_keys()).await
    }

    async fn revoke_api_key(&self, id: &str, wall: DateTime<Utc>) -> StoreResult<bool> {
        self.writing(self.revoke_key(id, wall)).await
    }

    async fn held_plans(&self) -> StoreResult<Vec<PlanId>> {
        self.reading(|| self.list_held_plans()).await
    }

    async fn depths(&self) -> StoreResult<Depths> {
        self.reading(|| self.count_depths()).await
    }

    async fn prune(&self, answers: DateTime<Utc>, handled: DateTime<Utc>) -> StoreResult<u64> {
        self.forget(answers, handled).await
    }

    async fn verify(&self, progress: &(dyn Fn(u64, u64) + Sync)) -> StoreResult<Vec<Fault>> {
        self.check(progress).await
    }
}
