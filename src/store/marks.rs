//! Objects of Stripe's that are to be fetched, and how far its lists have been read.
//!
//! A mark counts how often its object was marked. Whoever fetched it says which count was seen, and
//! the mark goes only if that is still the count: what was told meanwhile is fetched again. Several
//! daemons share the marks; a claim keeps an object to one of them for the time of a lease.

use super::{Page, PageQuery, StoreResult, StoredEvent};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use creditd_rules::id::{CustomerId, SubscriptionId, WorkspaceId};
use serde::Serialize;

/// A kind of object that Stripe can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the thing that its name says")]
pub enum MarkKind {
    Subscription,
    Schedule,
    Invoice,
    Checkout,
    Customer,
}

impl MarkKind {
    const ALL: [Self; 5] =
        [Self::Subscription, Self::Schedule, Self::Invoice, Self::Checkout, Self::Customer];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Subscription => "subscription",
            Self::Schedule => "schedule",
            Self::Invoice => "invoice",
            Self::Checkout => "checkout",
            Self::Customer => "customer",
        }
    }

    /// The kind of this word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// An object of Stripe's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectRef {
    /// What it is.
    pub kind: MarkKind,
    /// Stripe's id.
    pub id: String,
}

impl ObjectRef {
    /// A subscription.
    #[must_use]
    pub fn subscription(id: &SubscriptionId) -> Self {
        Self { kind: MarkKind::Subscription, id: id.to_string() }
    }
}

/// Where a mark stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkState {
    /// It is to be fetched.
    Dirty,
    /// It waits for something that is not known yet.
    Waiting,
    /// It cannot be fetched or applied and needs a person.
    Parked,
}

impl MarkState {
    const ALL: [Self; 3] = [Self::Dirty, Self::Waiting, Self::Parked];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dirty => "dirty",
            Self::Waiting => "waiting",
            Self::Parked => "parked",
        }
    }

    /// The state of this word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// An object that was marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The object.
    pub object: ObjectRef,
    /// How often it was marked since it was last clean.
    pub marked: u64,
    /// Where it stands.
    pub state: MarkState,
    /// When it is to be fetched next, by the wall; of a claimed one, until when it is claimed.
    pub due_at: DateTime<Utc>,
    /// How often it was tried in vain.
    pub attempts: u32,
    /// What it waits for.
    pub waits_for: Option<String>,
    /// What became of the last try.
    pub note: Option<String>,
    /// Since when it is marked, by the wall.
    pub marked_at: DateTime<Utc>,
}

/// What became of a claimed mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MarkOutcome {
    /// What Stripe says was applied.
    Applied,
    /// Try again then.
    Retry {
        /// When, by the wall.
        at: DateTime<Utc>,
        /// What went wrong.
        note: String,
    },
    /// It waits for this.
    Waits(String),
    /// A person has to look at it.
    Parked(String),
}

/// How far a list of Stripe's has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bookmark {
    /// The last id that was read; none: it is read from the start.
    pub value: Option<String>,
    /// Since when, by the wall.
    pub set_at: DateTime<Utc>,
}

/// What events and marks wait for, and how many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waits {
    /// `customer:…`, `account:…`, …
    pub waits_for: String,
    /// Events.
    pub events: u64,
    /// Marked objects.
    pub marks: u64,
    /// Since when the oldest event waits, by when it was received.
    pub oldest: Option<DateTime<Utc>>,
}

/// The part of a store that knows what is to be asked of Stripe.
#[async_trait]
pub trait Marks: Send + Sync {
    /// Marks an object as to be fetched, not before `due` by the wall. One that is to be fetched
    /// already keeps its time. An event that is named becomes `Marked` and belongs to the mark.
    /// Whether the object was clean before.
    async fn mark(
        &self, object: &ObjectRef, event: Option<&str>, due: DateTime<Utc>,
    ) -> StoreResult<bool>;

    /// Dirty marks whose time has come by the wall, oldest first; they are claimed until `lease`.
    async fn claim_marks(
        &self, wall: DateTime<Utc>, lease: DateTime<Utc>, limit: u32,
    ) -> StoreResult<Vec<Mark>>;

    /// When the next dirty mark is to be fetched, by the wall.
    async fn next_mark_at(&self) -> StoreResult<Option<DateTime<Utc>>>;

    /// Events that belong to a mark, in order of arrival.
    async fn marked_events(&self, id: &str) -> StoreResult<Vec<StoredEvent>>;

    /// Says what became of a claimed mark. Where it was marked again meanwhile, it is dirty again
    /// at `due`, unless it is to be retried anyway.
    async fn settle_mark(
        &self, seen: &Mark, outcome: &MarkOutcome, due: DateTime<Utc>,
    ) -> StoreResult<()>;

    /// The mark of an object; none for a clean one.
    async fn mark_of(&self, id: &str) -> StoreResult<Option<Mark>>;

    /// All marks by id.
    async fn marks(&self, page: &PageQuery) -> StoreResult<Page<Mark>>;

    /// What events and marks wait for.
    async fn waits(&self) -> StoreResult<Vec<Waits>>;

    /// Customers that are linked, by id.
    async fn customers(&self, page: &PageQuery) -> StoreResult<Page<(CustomerId, WorkspaceId)>>;

    /// All subscriptions, ended ones too, by id.
    async fn subscriptions(
        &self, page: &PageQuery,
    ) -> StoreResult<Page<(SubscriptionId, WorkspaceId)>>;

    /// How far a list has been read.
    async fn bookmark(&self, name: &str) -> StoreResult<Option<Bookmark>>;

    /// Says how far a list has been read.
    async fn set_bookmark(
        &self, name: &str, value: Option<&str>, wall: DateTime<Utc>,
    ) -> StoreResult<()>;

    /// Takes a list for one reader until `lease`; false where another one has it. A lease that is
    /// not after `wall` gives it back.
    async fn lease_bookmark(
        &self, name: &str, wall: DateTime<Utc>, lease: DateTime<Utc>,
    ) -> StoreResult<bool>;
}
