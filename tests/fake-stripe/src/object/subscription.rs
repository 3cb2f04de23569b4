//! A subscription and its items.

use super::{Metadata, Price, times};
use crate::calendar::{Anchor, AnchorConfig, Instant};
use crate::request::{ItemChange, SubscriptionChange};
use std::sync::Arc;

/// `status`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// The first payment failed or waits; 23 hours are left for it.
    Incomplete,
    /// The first payment never came.
    IncompleteExpired,
    /// In a trial.
    Trialing,
    /// Paid.
    Active,
    /// A renewal was not paid; it is tried again.
    PastDue,
    /// A renewal was not paid and is not tried again.
    Unpaid,
    /// Ended.
    Canceled,
    /// Paused.
    Paused,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Incomplete,
        Self::IncompleteExpired,
        Self::Trialing,
        Self::Active,
        Self::PastDue,
        Self::Unpaid,
        Self::Canceled,
        Self::Paused,
    ];

    /// Stripe's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Incomplete => "incomplete",
            Self::IncompleteExpired => "incomplete_expired",
            Self::Trialing => "trialing",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Unpaid => "unpaid",
            Self::Canceled => "canceled",
            Self::Paused => "paused",
        }
    }

    /// Whether nothing follows it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Canceled | Self::IncompleteExpired)
    }

    /// Whether its periods go on.
    #[must_use]
    pub const fn renews(self) -> bool {
        matches!(self, Self::Trialing | Self::Active | Self::PastDue | Self::Unpaid)
    }
}

/// What becomes of invoices while collection is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseBehavior {
    /// They stay drafts.
    KeepAsDraft,
    /// They are written off.
    MarkUncollectible,
    /// They are voided.
    Void,
}

impl PauseBehavior {
    /// Stripe's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeepAsDraft => "keep_as_draft",
            Self::MarkUncollectible => "mark_uncollectible",
            Self::Void => "void",
        }
    }
}

/// `pause_collection`: the subscription goes on, but nothing is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PauseCollection {
    /// What becomes of its invoices.
    pub behavior: PauseBehavior,
    /// When charging begins again by itself.
    pub resumes_at: Option<Instant>,
}

/// What happens at the end of a trial without a payment method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingPayment {
    /// The subscription becomes active and its invoice fails.
    #[default]
    CreateInvoice,
    /// It is canceled.
    Cancel,
    /// It is paused.
    Pause,
}

impl MissingPayment {
    /// Stripe's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreateInvoice => "create_invoice",
            Self::Cancel => "cancel",
            Self::Pause => "pause",
        }
    }
}

/// Since when it is paused, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paused {
    /// Since when.
    pub at: Instant,
    /// `pause_requested` or `trial_end_without_payment_method`.
    pub reason: &'static str,
}

/// A change that waits for its payment (`payment_behavior=pending_if_incomplete`).
#[derive(Debug, Clone, PartialEq)]
pub struct PendingUpdate {
    /// When it is given up.
    pub expires_at: Instant,
    /// The items that it would bring.
    pub items: Vec<Item>,
    /// What was asked for.
    pub change: SubscriptionChange,
    /// The invoice that pays for it.
    pub invoice: String,
}

/// One item.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// `si_…`
    pub id: String,
    /// When it was made.
    pub created: Instant,
    /// What is bought.
    pub price: Arc<Price>,
    /// How many; none for a metered price.
    pub quantity: Option<u64>,
    /// When its period began.
    pub period_start: Instant,
    /// When it ends.
    pub period_end: Instant,
    /// Its metadata.
    pub metadata: Metadata,
}

impl Item {
    /// What one period costs, in cents.
    #[must_use]
    pub fn amount(&self) -> i64 {
        times(self.price.unit_amount, self.quantity.unwrap_or(0))
    }
}

/// A subscription.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscription {
    /// `sub_…`
    pub id: String,
    /// Whose it is.
    pub customer: String,
    /// When it was made.
    pub created: Instant,
    /// When it began; earlier where it was backdated.
    pub start_date: Instant,
    /// What its periods are counted from.
    pub anchor: Anchor,
    /// `billing_cycle_anchor_config`
    pub anchor_config: Option<AnchorConfig>,
    /// Its status.
    pub status: Status,
    /// What is bought.
    pub items: Vec<Item>,
    /// Its metadata.
    pub metadata: Metadata,
    /// Its description.
    pub description: Option<String>,
    /// When its trial began.
    pub trial_start: Option<Instant>,
    /// When its trial ends, or ended.
    pub trial_end: Option<Instant>,
    /// Whether the coming end was announced.
    pub trial_end_told: bool,
    /// What happens at that end without a payment method.
    pub missing_payment: MissingPayment,
    /// When it will end.
    pub cancel_at: Option<Instant>,
    /// Whether that is the end of the running period.
    pub cancel_at_period_end: bool,
    /// When its end was asked for.
    pub canceled_at: Option<Instant>,
    /// When it ended.
    pub ended_at: Option<Instant>,
    /// `cancellation_requested` or `payment_failed`.
    pub cancel_reason: Option<&'static str>,
    /// Whether charging is paused.
    pub pause_collection: Option<PauseCollection>,
    /// Whether it is paused itself.
    pub paused: Option<Paused>,
    /// A change that waits for its payment.
    pub pending_update: Option<Box<PendingUpdate>>,
    /// The schedule that steers it.
    pub schedule: Option<String>,
    /// Its last invoice.
    pub latest_invoice: Option<String>,
    /// Its own payment method, before the customer's.
    pub payment_method: Option<String>,
    /// Invoices are sent, not charged.
    pub sends_invoices: bool,
    /// `billing_mode`: `flexible`, or `classic`, where a new interval moves the anchor.
    pub flexible: bool,
    /// The test clock of its customer.
    pub test_clock: Option<String>,
}

impl Subscription {
    /// Whether it is live.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !self.status.is_final()
    }

    /// What one period costs, in cents.
    #[must_use]
    pub fn amount(&self) -> i64 {
        self.items.iter().map(Item::amount).sum()
    }

    /// The end of the longest running period.
    #[must_use]
    pub fn period_end(&self) -> Option<Instant> {
        self.items.iter().map(|item| item.period_end).max()
    }

    /// Whether the trial still runs.
    #[must_use]
    pub fn in_trial(&self) -> bool {
        self.status == Status::Trialing
    }

    /// Lays all periods anew: those that hold `now`, none beginning before `from`.
    pub(crate) fn lay_periods(&mut self, now: Instant, from: Instant) {
        let (anchor, trial_end) = (self.anchor, self.trial_end.filter(|_| self.in_trial()));
        for item in &mut self.items {
            let (start, end) = anchor.period_at(item.price.interval(), now);
            item.period_start = start.max(from).min(now);
            item.period_end = trial_end.unwrap_or(end);
        }
    }

    /// Counts periods from another instant, which decides the day from now on.
    pub(crate) fn move_anchor(&mut self, to: Instant) {
        self.anchor = Anchor::at(to);
        self.anchor_config = None;
    }

    /// `cancel_at` follows the period where the end of that is meant.
    pub(crate) fn follow_period(&mut self) {
        if self.cancel_at_period_end {
            self.cancel_at = self.period_end();
        }
    }
}

impl From<&Item> for ItemChange {
    fn from(item: &Item) -> Self {
        Self {
            price: Some(item.price.id.clone()),
            quantity: item.quantity,
            metadata: item.metadata.clone(),
            ..Self::default()
        }
    }
}
