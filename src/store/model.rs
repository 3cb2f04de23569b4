//! What goes into the store and what comes out of it.

use crate::traces::Traceparent;
use chrono::{DateTime, Utc};
use creditd_rules::command::{Alert, Mail, Touch};
use creditd_rules::entry::Entry;
use creditd_rules::id::{AccountId, AppId, CustomerId, GrantId, RewardId, SeatId, WorkspaceId};
use creditd_rules::{Amount, Instant, Kind, Workspace};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing was changed; the same call may succeed later.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// Another writer was faster; decide anew from a fresh load.
    #[error("another writer changed the same data")]
    Conflict,
    /// The commit was sent and its outcome is not known.
    #[error("the connection was lost while committing")]
    OutcomeUnknown,
    /// The database refuses this data; the same call will fail again.
    #[error("the database refuses the data: {0}")]
    Refused(String),
}

/// The result of a store call.
pub type StoreResult<T> = Result<T, StoreError>;

/// The thing whose workspace a command or a read belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the thing that its name says")]
pub enum Home {
    /// The workspace itself, known to the caller; it need not exist yet.
    Workspace(WorkspaceId),
    Account(AccountId),
    App(AppId),
    Seat(SeatId),
    Grant(GrantId),
    Reward(RewardId),
    Customer(CustomerId),
}

/// What it is, and its id: `account ann`.
impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::Workspace(_) => "workspace",
            Self::Account(_) => "account",
            Self::App(_) => "app",
            Self::Seat(_) => "seat",
            Self::Grant(_) => "grant",
            Self::Reward(_) => "reward claim",
            Self::Customer(_) => "customer",
        };
        write!(f, "{what} {}", self.id())
    }
}

impl Home {
    /// The id of the thing.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Workspace(id) => id.as_str(),
            Self::Account(id) => id.as_str(),
            Self::App(id) => id.as_str(),
            Self::Seat(id) => id.as_str(),
            Self::Grant(id) => id.as_str(),
            Self::Reward(id) => id.as_str(),
            Self::Customer(id) => id.as_str(),
        }
    }
}

/// What one command of a batch needs to have loaded.
#[derive(Debug, Clone)]
pub struct Job {
    /// Whose workspace it is decided in.
    pub home: Home,
    /// What it must find there.
    pub touch: Touch,
    /// The idempotency key that it came with; looked up in the home's workspace.
    pub key: Option<String>,
}

/// An answer kept under an idempotency key (R17).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// SHA-256 of method, path and body.
    pub fingerprint: [u8; 32],
    /// The HTTP status, always 2xx.
    pub status: u16,
    /// The body, a JSON object.
    pub body: Vec<u8>,
}

/// What a batch is decided on. Nothing of the batch is written unless its workspaces still have these
/// versions then.
#[derive(Debug)]
pub struct Loaded {
    /// The credit clock, read once.
    pub now: Instant,
    /// For each job, the workspace of its home; none where there is no such thing.
    pub homes: Vec<Option<WorkspaceId>>,
    /// All workspaces of the batch, each holding what its jobs touch. A workspace that does not
    /// exist yet is empty, with version 0.
    pub workspaces: BTreeMap<WorkspaceId, Workspace>,
    /// Answers kept under the jobs' keys.
    pub answers: BTreeMap<(WorkspaceId, String), KeptAnswer>,
}

/// One workspace that a batch changed.
#[derive(Debug)]
pub struct Change {
    /// As it was loaded. The store writes only what differs, guarded by its `version`.
    pub before: Workspace,
    /// As it is now; its version is one higher.
    pub after: Workspace,
    /// New lines of its ledger; the first has `seq` `before.next_seq`, the others follow.
    pub entries: Vec<Entry>,
    /// Answers to keep.
    pub answers: Vec<(String, KeptAnswer)>,
    /// Mails to promise.
    pub mails: Vec<Promised>,
    /// Closed accounts whose unsent mails are dropped and whose sent ones are erased.
    pub erased: Vec<AccountId>,
    /// Alerts for the operator.
    pub alerts: Vec<Alert>,
}

/// A mail that a decision calls for.
#[derive(Debug, Clone, PartialEq)]
pub struct Promised {
    /// What to send.
    pub mail: Mail,
    /// The trace of what called for it; none where it was not traced.
    pub trace: Option<Traceparent>,
}

impl From<Mail> for Promised {
    fn from(mail: Mail) -> Self {
        Self { mail, trace: None }
    }
}

/// The pure part of a transaction: from what was loaded to what is to be written.
pub type Decide<'a> = dyn FnMut(Loaded) -> Vec<Change> + Send + 'a;

/// A stored ledger line, as shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number in the workspace; none for one that is due and not posted.
    pub seq: Option<u64>,
    /// When it was posted.
    pub posted_at: Option<Instant>,
    /// The line.
    pub entry: Entry,
}

/// Which lines of the ledger to read, newest first.
#[derive(Debug, Clone, Default)]
pub struct LedgerQuery {
    /// Of one account.
    pub account: Option<AccountId>,
    /// Of one seat.
    pub seat: Option<SeatId>,
    /// Of one kind.
    pub kind: Option<Kind>,
    /// `effective_at` not before.
    pub from: Option<Instant>,
    /// `effective_at` before.
    pub to: Option<Instant>,
    /// Only lines with a lower `seq`.
    pub before_seq: Option<u64>,
    /// All but debits.
    pub without_uses: bool,
    /// At most so many.
    pub limit: u32,
}

/// What falls due at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// A seat's boundary, suspension or end.
    Seat(WorkspaceId, SeatId, Instant),
    /// The end of a grant of this account.
    Grant(WorkspaceId, AccountId, Instant),
}

impl Due {
    /// The instant at which it falls due.
    #[must_use]
    pub const fn at(&self) -> Instant {
        match self {
            Self::Seat(_, _, at) | Self::Grant(_, _, at) => *at,
        }
    }
}

/// What became of an event of the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventState {
    /// It waits for its turn.
    Pending,
    /// It was applied.
    Done,
    /// There is nothing to do for it: unknown type, other mode, no subscription.
    Ignored,
    /// It waits for something that is not known yet, named in `waits_for`.
    Waiting,
    /// It could not be read or applied and needs a person.
    Parked,
    /// It marked an object of Stripe's, named in `waits_for`, and is done once that was fetched.
    Marked,
}

impl EventState {
    /// Its name, as the store, metrics and commands have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Ignored => "ignored",
            Self::Waiting => "waiting",
            Self::Parked => "parked",
            Self::Marked => "marked",
        }
    }
}

/// A webhook body that passed its signature, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Stripe's id, or `sha256:…` of a body without one.
    pub id: String,
    /// Stripe's type; empty where unreadable.
    pub kind: String,
    /// When Stripe says it happened.
    pub created: Option<DateTime<Utc>>,
    /// The API version that it is rendered in.
    pub api_version: Option<String>,
    /// Live or test.
    pub livemode: Option<bool>,
    /// The state to begin in: `Pending`, `Ignored` or `Parked`.
    pub state: EventState,
    /// Why it is not pending.
    pub note: Option<String>,
    /// The raw body.
    pub body: Vec<u8>,
    /// When it was received, by the wall.
    pub received_at: DateTime<Utc>,
    /// The trace of its arrival; none where it was not traced.
    pub trace: Option<Traceparent>,
}

/// An event of the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// What was stored; `state` and `note` are as they are now.
    pub event: NewEvent,
    /// Its place in the order of arrival.
    pub arrival: u64,
    /// How often it was tried.
    pub attempts: u32,
    /// What it waits for: `customer:…`, `account:…`, `workspace:…`; of a marked one the object's id.
    pub waits_for: Option<String>,
    /// When it was last dealt with, by the wall.
    pub handled_at: Option<DateTime<Utc>>,
}

/// A mail of the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredMail {
    /// Its id, which makes its Message-ID.
    pub id: String,
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// What to send; address and name are erased when its account is closed.
    pub mail: Mail,
    /// When it was promised, by the credit clock.
    pub created_at: Instant,
    /// Where it stands.
    pub state: MailState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is to be tried next, by the wall.
    pub next_attempt_at: DateTime<Utc>,
    /// What the server last said.
    pub last_error: Option<String>,
    /// When it was sent, by the wall.
    pub sent_at: Option<DateTime<Utc>>,
    /// The trace of what promised it; none where it was not traced.
    pub trace: Option<Traceparent>,
}

/// Where a mail stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailState {
    /// To be sent.
    Queued,
    /// The server took it.
    Sent,
    /// It was refused for good, or tried too often; a person may retry it.
    Parked,
    /// Its account was closed before it was sent.
    Dropped,
}

/// What became of one attempt to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailOutcome {
    /// The server took it.
    Sent,
    /// Try again then.
    Retry {
        /// When.
        next_attempt_at: DateTime<Utc>,
        /// What went wrong.
        error: String,
    },
    /// Give up.
    Park {
        /// What went wrong.
        error: String,
    },
}

/// A promo code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Promo {
    /// What people type.
    pub code: String,
    /// The kind of credit.
    pub kind: Kind,
    /// How many each redemption brings.
    pub amount: Amount,
    /// How often it may be redeemed in all.
    pub limit: u32,
    /// How often it was.
    pub redeemed: u32,
    /// When it can no longer be redeemed.
    pub ends_at: DateTime<Utc>,
    /// When what it granted expires.
    pub grant_expires_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// The answer to the reservation of a promo code or a post address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reservation<T> {
    /// It is held until confirmed or freed.
    Held(T),
    /// This very holder has it already, confirmed or not.
    Already(T),
    /// Somebody else has it, or nothing is left.
    Taken,
    /// The code has ended.
    Ended,
    /// There is no such code.
    Unknown,
}

impl Promo {
    /// Why nobody redeems it any more; none while it can be redeemed.
    pub(crate) fn closed<T>(&self, now: Instant) -> Option<Reservation<T>> {
        if self.ends_at <= now {
            return Some(Reservation::Ended);
        }
        (self.redeemed >= self.limit).then_some(Reservation::Taken)
    }
}

impl<T> Reservation<T> {
    /// What is held already, by `holder`, for `account` that asks for it.
    pub(crate) fn held(holder: &str, account: &AccountId, by: T) -> Self {
        if holder == account.as_str() { Self::Already(by) } else { Self::Taken }
    }
}

/// A reservation that was never confirmed or freed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loose {
    #[expect(missing_docs, reason = "named by their types")]
    /// A promo code, for this account; the grant that was to be made.
    Promo { code: String, account: AccountId, grant: GrantId },
    #[expect(missing_docs, reason = "named by their types")]
    /// A post address, for this claim of this account.
    Post { post_url: String, account: AccountId, reward: RewardId },
}

/// An API key; only its hash is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiKey {
    /// Its public name.
    pub id: String,
    /// SHA-256 of the key.
    #[serde(skip)]
    pub hash: [u8; 32],
    /// Its scopes: `usage`, `read`, `manage`, `admin`.
    pub scopes: Vec<String>,
    /// When it was made, by the wall.
    pub created_at: DateTime<Utc>,
    /// When it was revoked, by the wall.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A page of a list, and the cursor of the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// What to ask for the page after this one; none on the last.
    pub next: Option<String>,
}

/// How many rows, and from where.
#[derive(Debug, Clone, Default)]
pub struct PageQuery {
    /// At most so many.
    pub limit: u32,
    /// The `next` of the page before.
    pub cursor: Option<String>,
}

/// How full the queues are, for metrics and `/readyz`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Depths {
    /// Events by state.
    pub inbox: BTreeMap<&'static str, u64>,
    /// When the oldest pending event was received.
    pub inbox_oldest: Option<DateTime<Utc>>,
    /// Marked objects of Stripe's by state.
    pub marks: BTreeMap<&'static str, u64>,
    /// Mails by state.
    pub outbox: BTreeMap<&'static str, u64>,
    /// When the oldest queued mail was promised.
    pub outbox_oldest: Option<DateTime<Utc>>,
}

/// One thing that `verify` found to be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What it concerns: a pot, an account, a seat.
    pub subject: String,
    /// What is wrong with it.
    pub detail: String,
}
