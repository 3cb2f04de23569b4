//! The ground: what is kept, as an interface of whole transactions.
//!
//! | what | transactions | order of locks |
//! |---|---|---|
//! | [`Store::transact`] | one for a batch of commands, or one guarded by versions | workspaces in key order, then everything else |
//! | inbox, [`Marks`], outbox, directories, promo codes, keys | one for each call | none beyond their own rows |
//! | reads | one snapshot for each call | none |
//!
//! There is one contract and several engines: [`sqlite`], [`postgres`] and, as the oracle of the
//! conformance suite, [`memory`]. An engine decides nothing about credits.

mod model;
mod open;
mod books;
mod wanted;
mod error;
mod recent;
mod kept;
mod unchanged;
mod row;
mod found;
mod changed;
mod page;
mod moving;
mod marks;
pub mod memory;
pub mod sqlite;
pub mod postgres;

#[cfg(test)]
mod guessing;
#[cfg(test)]
mod conformance;
#[cfg(test)]
pub(crate) mod partial;

pub use marks::{Bookmark, Mark, MarkKind, MarkOutcome, MarkState, Marks, ObjectRef, Waits};
pub use model::*;
pub use moving::{Credits, Move, MoveError, Moved, Outcome, Step, Tally};
pub use open::{
    OpenError, OpenOptions, ServeLock, is_copied_by_litestream, lock_for_serve, open, open_with,
    prove_commit,
};
pub use postgres::{Pooler, PostgresOptions, ServerFacts, server_facts};
pub use sqlite::{BackupError, BackupProgress, BackupStep, back_up, backup_size};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use creditd_rules::command::Touch;
use creditd_rules::id::{
    AccountId, AppId, CustomerId, GrantId, PlanId, RewardId, SubscriptionId, WorkspaceId,
};
use creditd_rules::state::{RewardStatus, SeatStatus};
use creditd_rules::view::{AccountView, GrantView, RewardView, SeatView};
use creditd_rules::{Instant, Workspace};

/// Everything that creditd keeps. See the module's page for order and isolation.
#[async_trait]
pub trait Store: Marks + 'static {
    /// Decides and commits a batch as one transaction, durable when this returns `Ok`.
    ///
    /// What is decided on is what holds when it is committed. An engine locks the homes' workspaces
    /// first, in key order, then takes `now`, then loads; or it loads first, and guards what it
    /// writes by the `version` of each workspace as it found it. `decide` may be called a second
    /// time, where what it was first given turns out to be old; only what it says last counts. When
    /// it returns no change, nothing is written. Accounts, apps and grants that a job touches and
    /// that belong to another workspace are not loaded.
    ///
    /// # Errors
    /// On any error but `OutcomeUnknown` nothing was changed.
    async fn transact(&self, jobs: &[Job], decide: &mut Decide<'_>) -> StoreResult<()>;

    /// Loads what `touch` names around `home` from one snapshot, with the credit clock's instant
    /// (never before what the workspace was decided at); none where there is no such home.
    async fn read(&self, home: &Home, touch: &Touch) -> StoreResult<Option<(Instant, Workspace)>>;

    /// The credit clock.
    async fn now(&self) -> StoreResult<Instant>;

    /// Sets the test clock; `Err(latest)` where that would go back.
    async fn set_test_clock(&self, now: Instant) -> StoreResult<Result<(), Instant>>;

    /// Whether the database answers; where a write has not been committed lately, by another write.
    async fn ping(&self) -> StoreResult<()>;

    // --- Directories: keyed by their own id, first write wins -------------------------------

    /// Gives an account its workspace unless it has one; returns the one that it has.
    async fn claim_account(&self, id: &AccountId, to: &WorkspaceId) -> StoreResult<WorkspaceId>;

    /// Gives an app its workspace unless it has one; returns the one that it has.
    async fn claim_app(&self, id: &AppId, to: &WorkspaceId) -> StoreResult<WorkspaceId>;

    /// Links a customer to a workspace. Without `replace` the first link stays; returns the link
    /// that holds afterwards.
    async fn link_customer(
        &self, id: &CustomerId, to: &WorkspaceId, replace: bool,
    ) -> StoreResult<WorkspaceId>;

    /// The workspace of a home.
    async fn workspace_of(&self, home: &Home) -> StoreResult<Option<WorkspaceId>>;

    /// The workspace that a subscription lives in, once it was applied.
    async fn workspace_of_subscription(
        &self, id: &SubscriptionId,
    ) -> StoreResult<Option<WorkspaceId>>;

    // --- Lists --------------------------------------------------------------------------------

    /// Posted lines of a workspace's ledger, newest first.
    async fn ledger(&self, workspace: &WorkspaceId, query: &LedgerQuery) -> StoreResult<Vec<Line>>;

    /// Accounts by id, of one workspace or of all.
    async fn accounts(
        &self, workspace: Option<&WorkspaceId>, page: &PageQuery,
    ) -> StoreResult<Page<AccountView>>;

    /// Seats of a workspace with this status; without one, active and suspended ones.
    async fn seats(
        &self, workspace: &WorkspaceId, status: Option<SeatStatus>, page: &PageQuery,
    ) -> StoreResult<Page<SeatView>>;

    /// Grants of an account, newest first, ended ones too.
    async fn grants(&self, account: &AccountId, page: &PageQuery) -> StoreResult<Page<GrantView>>;

    /// Claims by id, of one status or of all.
    async fn rewards(
        &self, status: Option<RewardStatus>, page: &PageQuery,
    ) -> StoreResult<Page<RewardView>>;

    /// Plans that seats which have not ended have, or get at their next boundary; each once, by id.
    async fn held_plans(&self) -> StoreResult<Vec<PlanId>>;

    // --- Schedule -----------------------------------------------------------------------------

    /// When the next thing falls due.
    async fn next_due(&self) -> StoreResult<Option<Instant>>;

    /// What is due at `now`, earliest first, at most `limit` of it.
    async fn due(&self, now: Instant, limit: u32) -> StoreResult<Vec<Due>>;

    // --- Inbox --------------------------------------------------------------------------------

    /// Stores verified events, each once by id; for each, whether it is new.
    async fn keep_events(&self, events: &[NewEvent]) -> StoreResult<Vec<bool>>;

    /// Pending events in order of arrival.
    async fn pending_events(&self, limit: u32) -> StoreResult<Vec<StoredEvent>>;

    /// Says what became of an event; counts the attempt.
    async fn mark_event(
        &self, id: &str, state: EventState, note: Option<&str>, waits_for: Option<&str>,
    ) -> StoreResult<()>;

    /// Makes events pending, and marks dirty, that wait for this; returns how many.
    async fn release_events(&self, waits_for: &str) -> StoreResult<u64>;

    /// Events, newest first, of one state or of all.
    async fn events(
        &self, state: Option<EventState>, page: &PageQuery,
    ) -> StoreResult<Page<StoredEvent>>;

    /// One event.
    async fn event(&self, id: &str) -> StoreResult<Option<StoredEvent>>;

    // --- Outbox -------------------------------------------------------------------------------

    /// Queued mails whose time has come by the wall, oldest first. They are claimed until `lease`
    /// (their `next_attempt_at` is set to it), so that no other daemon takes them meanwhile.
    async fn claim_mails(
        &self, wall: DateTime<Utc>, lease: DateTime<Utc>, limit: u32,
    ) -> StoreResult<Vec<StoredMail>>;

    /// When the next queued mail is to be tried, by the wall.
    async fn next_mail_at(&self) -> StoreResult<Option<DateTime<Utc>>>;

    /// Says what became of an attempt.
    async fn mark_mail(
        &self, id: &str, outcome: &MailOutcome, wall: DateTime<Utc>,
    ) -> StoreResult<()>;

    /// Queues a parked mail again; whether there was one.
    async fn retry_mail(&self, id: &str, wall: DateTime<Utc>) -> StoreResult<bool>;

    /// Mails, newest first, of one state or of all.
    async fn mails(
        &self, state: Option<MailState>, page: &PageQuery,
    ) -> StoreResult<Page<StoredMail>>;

    // --- Promo codes and post addresses: reserved under their own key -------------------------

    /// Makes a promo code under an idempotency key of the space without a workspace. Answers the
    /// kept answer where the key is known, whether or not the fingerprint is the same, and
    /// otherwise keeps `answer`; `Err(())` where the code exists.
    async fn create_promo(
        &self, promo: &Promo, key: &str, answer: &KeptAnswer,
    ) -> StoreResult<Result<Option<KeptAnswer>, ()>>;

    /// Ends a promo code, under the same kind of key; none where there is no such code. `answer`
    /// makes the answer to keep.
    async fn end_promo(
        &self, code: &str, at: Instant, key: &str,
        answer: &(dyn for<'p> Fn(&'p Promo) -> KeptAnswer + Sync),
    ) -> StoreResult<Option<(KeptAnswer, bool)>>;

    /// One promo code.
    async fn promo(&self, code: &str) -> StoreResult<Option<Promo>>;

    /// Promo codes by code.
    async fn promos(&self, page: &PageQuery) -> StoreResult<Page<Promo>>;

    /// Holds one redemption of a code for an account: never more than its limit, once for each
    /// account, not after its end. `grant` is the id of the grant to be made; the one held already
    /// is returned where there is one.
    async fn reserve_promo(
        &self, code: &str, account: &AccountId, grant: &GrantId, now: Instant,
    ) -> StoreResult<Reservation<GrantId>>;

    /// The redemption's grant was made (`true`), or will not be made and the place is free again.
    async fn settle_promo(&self, code: &str, account: &AccountId, made: bool) -> StoreResult<()>;

    /// Holds a post address for a claim.
    async fn reserve_post(
        &self, post_url: &str, account: &AccountId, reward: &RewardId, now: Instant,
    ) -> StoreResult<Reservation<RewardId>>;

    /// The claim was made (`true`), or was not made or was rejected and the address is free again.
    async fn settle_post(&self, post_url: &str, reward: &RewardId, made: bool) -> StoreResult<()>;

    /// Reservations older than `before` that were neither confirmed nor freed, and addresses that
    /// are held for a claim that was rejected.
    async fn loose_reservations(&self, before: Instant) -> StoreResult<Vec<Loose>>;

    // --- API keys -----------------------------------------------------------------------------

    /// Keeps a key.
    async fn add_api_key(&self, key: &ApiKey) -> StoreResult<()>;

    /// The key with this hash, revoked ones too.
    async fn api_key(&self, hash: &[u8; 32]) -> StoreResult<Option<ApiKey>>;

    /// All keys, newest first.
    async fn api_keys(&self) -> StoreResult<Vec<ApiKey>>;

    /// Revokes a key; whether there was one.
    async fn revoke_api_key(&self, id: &str, wall: DateTime<Utc>) -> StoreResult<bool>;

    // --- Upkeep -------------------------------------------------------------------------------

    /// How full the queues are.
    async fn depths(&self) -> StoreResult<Depths>;

    /// Forgets answers kept since before `answers`, and handled events and sent mails since before
    /// `handled`, both by the wall; returns how many rows went.
    async fn prune(&self, answers: DateTime<Utc>, handled: DateTime<Utc>) -> StoreResult<u64>;

    /// Checks the whole database against R18 and the rules' audit; what is wrong. `progress` is
    /// told how many workspaces are done of how many.
    async fn verify(&self, progress: &(dyn Fn(u64, u64) + Sync)) -> StoreResult<Vec<Fault>>;
}
