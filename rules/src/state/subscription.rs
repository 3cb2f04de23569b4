//! What is remembered of a subscription.

use crate::calendar::{Instant, Timeline};
use crate::id::{AccountId, CustomerId, PlanId, SubscriptionId};
use alloc::string::String;
use alloc::vec::Vec;

/// A subscription's state as Stripe reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[expect(missing_docs, reason = "Stripe's own words")]
pub enum Status {
    Active,
    Trialing,
    PastDue,
    Unpaid,
    Paused,
    Incomplete,
    IncompleteExpired,
    Canceled,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Active,
        Self::Trialing,
        Self::PastDue,
        Self::Unpaid,
        Self::Paused,
        Self::Incomplete,
        Self::IncompleteExpired,
        Self::Canceled,
    ];

    /// Stripe's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Trialing => "trialing",
            Self::PastDue => "past_due",
            Self::Unpaid => "unpaid",
            Self::Paused => "paused",
            Self::Incomplete => "incomplete",
            Self::IncompleteExpired => "incomplete_expired",
            Self::Canceled => "canceled",
        }
    }

    /// The state with Stripe's word `text`; none for a word that is not known.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether it never changes again.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Canceled | Self::IncompleteExpired)
    }

    /// Whether it counts as paid.
    #[must_use]
    pub const fn is_paid(self) -> bool {
        matches!(self, Self::Active | Self::Trialing)
    }
}

/// How many places of one plan a subscription's item buys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Item {
    /// Stripe's item.
    pub id: String,
    /// The plan that its price is mapped to.
    pub plan: PlanId,
    /// The number of seats.
    pub quantity: u32,
}

/// A subscription's first trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Trial {
    /// There was none yet.
    None,
    /// It runs.
    Running,
    /// It is over.
    Over,
}

/// A change of anchor whose first boundary has not been accounted for (R4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AnchorMove {
    /// The first boundary under the changed anchor.
    pub boundary: Instant,
    /// It grants a full allowance that counts against the next 28 days.
    pub counts: bool,
    /// It grants only what was not used.
    pub carries_used: bool,
}

/// The event that a subscription was last told from; later ones win (DESIGN, snapshots).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Told {
    /// The event's `created`.
    pub created: Instant,
    /// Among events of one second: deleted 2, updates 1, created 0.
    pub rank: u8,
}

/// Our normalised copy of Stripe's subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Stripe's id.
    pub id: SubscriptionId,
    /// Stripe's customer.
    pub customer: CustomerId,
    /// Who bought it: `metadata.account`, else the workspace's owner when it was first seen.
    pub buyer: Option<AccountId>,
    /// Its status.
    pub status: Status,
    /// What it buys, as Stripe has it.
    pub items: Vec<Item>,
    /// What decides its boundaries.
    pub timeline: Timeline,
    /// Since when payment has failed.
    pub past_due_since: Option<Instant>,
    /// The instant at which it was asked to end.
    pub cancel_at: Option<Instant>,
    /// Seats made so far; the next one's place follows.
    pub places_made: u32,
    /// It has counted at least once.
    pub begun: bool,
    /// Its first trial.
    pub trial: Trial,
    /// The last first boundary under a changed anchor that granted in full.
    pub anchor_full_at: Option<Instant>,
    /// A change of anchor whose first boundary is ahead, or has just passed.
    pub anchor_move: Option<AnchorMove>,
    /// A schedule announced these items from this instant on.
    pub announced: Option<(Instant, Vec<Item>)>,
    /// The event that it was last told from.
    pub told: Told,
    /// When it ended.
    pub ended_at: Option<Instant>,
}
