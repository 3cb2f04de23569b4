//! What can be asked of the model, in types. [`api`](crate::api) reads the same from forms.

use crate::calendar::{AnchorConfig, Instant};
use crate::object::subscription::{MissingPayment, PauseCollection};
use crate::object::{Card, Metadata, Recurring};

/// A field of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Patch<T> {
    /// It stays.
    #[default]
    Keep,
    /// It is emptied.
    Clear,
    /// It becomes this.
    Set(T),
}

impl<T> Patch<T> {
    /// Applies it to a field that may be empty.
    pub fn apply(self, field: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *field = None,
            Self::Set(value) => *field = Some(value),
        }
    }

    /// The value that is set.
    #[must_use]
    pub fn value(self) -> Option<T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }
}

/// Metadata to be set; a key whose text is empty goes.
pub type MetadataChange = Vec<(String, String)>;

/// Applies a change of metadata.
pub(crate) fn merge(metadata: &mut Metadata, change: &[(String, String)]) {
    for (key, text) in change {
        if text.is_empty() {
            metadata.remove(key);
        } else {
            metadata.insert(key.clone(), text.clone());
        }
    }
}

/// A customer to be made or changed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CustomerChange {
    /// Its address.
    pub email: Patch<String>,
    /// Its name.
    pub name: Patch<String>,
    /// Its description.
    pub description: Patch<String>,
    /// Its metadata.
    pub metadata: MetadataChange,
    /// Its payment method, by id or as a new card.
    pub payment: Patch<Payment>,
    /// The test clock that it follows; only when it is made.
    pub test_clock: Option<String>,
}

/// A payment method that is there, or a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payment {
    /// One that is there.
    Id(String),
    /// A new card.
    Card(Card),
}

/// A price to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPrice {
    /// Its id; drawn where none is given.
    pub id: Option<String>,
    /// Its product; made where none is given.
    pub product: Option<String>,
    /// `usd`
    pub currency: String,
    /// In cents.
    pub unit_amount: i64,
    /// None for a price that is paid once.
    pub recurring: Option<Recurring>,
    /// `lookup_key`
    pub lookup_key: Option<String>,
    /// `nickname`
    pub nickname: Option<String>,
    /// Its metadata.
    pub metadata: Metadata,
}

impl NewPrice {
    /// A price in dollars, billed again and again.
    #[must_use]
    pub fn recurring(id: &str, unit_amount: i64, recurring: Recurring) -> Self {
        Self {
            id: Some(id.to_owned()),
            product: None,
            currency: "usd".to_owned(),
            unit_amount,
            recurring: Some(recurring),
            lookup_key: None,
            nickname: None,
            metadata: Metadata::new(),
        }
    }
}

/// An item to be added, changed or removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ItemChange {
    /// The item that is changed; a new one where none is given.
    pub id: Option<String>,
    /// What it buys from now on.
    pub price: Option<String>,
    /// How many from now on.
    pub quantity: Option<u64>,
    /// Whether it goes.
    pub deleted: bool,
    /// Metadata that it gets.
    pub metadata: Metadata,
}

impl ItemChange {
    /// So many of a price, as a new item.
    #[must_use]
    pub fn new(price: &str, quantity: u64) -> Self {
        Self { price: Some(price.to_owned()), quantity: Some(quantity), ..Self::default() }
    }

    /// Another quantity for an item.
    #[must_use]
    pub fn quantity(item: &str, quantity: u64) -> Self {
        Self { id: Some(item.to_owned()), quantity: Some(quantity), ..Self::default() }
    }

    /// Another price for an item.
    #[must_use]
    pub fn price(item: &str, price: &str) -> Self {
        Self { id: Some(item.to_owned()), price: Some(price.to_owned()), ..Self::default() }
    }

    /// The end of an item.
    #[must_use]
    pub fn removal(item: &str) -> Self {
        Self { id: Some(item.to_owned()), deleted: true, ..Self::default() }
    }
}

/// `proration_behavior`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Proration {
    /// Differences go onto the next invoice.
    #[default]
    Create,
    /// Differences are charged at once.
    Invoice,
    /// Differences are not charged.
    None,
}

/// `payment_behavior`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PaymentBehavior {
    /// A failure leaves it incomplete, or past due.
    #[default]
    AllowIncomplete,
    /// It begins incomplete, and waits for its payment.
    DefaultIncomplete,
    /// A failure changes nothing, and is the answer.
    ErrorIfIncomplete,
    /// A failure leaves the change waiting.
    PendingIfIncomplete,
}

/// An instant that may be now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Now.
    Now,
    /// Then.
    At(Instant),
}

/// `cancel_at`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelAt {
    /// Then.
    At(Instant),
    /// With the first period that ends.
    FirstPeriodEnd,
    /// With the last period that ends.
    LastPeriodEnd,
}

/// A subscription to be made.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NewSubscription {
    /// Whose it is.
    pub customer: String,
    /// What is bought.
    pub items: Vec<ItemChange>,
    /// Its metadata.
    pub metadata: Metadata,
    /// Its description.
    pub description: Option<String>,
    /// When its trial ends.
    pub trial_end: Option<When>,
    /// Or how long its trial is.
    pub trial_period_days: Option<u32>,
    /// Takes the days of the trial from the price.
    pub trial_from_plan: bool,
    /// What happens at its end without a payment method.
    pub missing_payment: MissingPayment,
    /// `billing_cycle_anchor`, which lies ahead.
    pub anchor: Option<Instant>,
    /// `billing_cycle_anchor_config`
    pub anchor_config: Option<AnchorConfig>,
    /// `backdate_start_date`, which lies behind.
    pub backdate: Option<Instant>,
    /// When it ends.
    pub cancel_at: Option<CancelAt>,
    /// Whether it ends with its first period.
    pub cancel_at_period_end: bool,
    /// Its own payment method.
    pub payment_method: Option<String>,
    /// What a failed payment does.
    pub payment_behavior: PaymentBehavior,
    /// Whether a part of a period is charged.
    pub proration: Proration,
    /// Invoices are sent, not charged.
    pub sends_invoices: bool,
    /// `billing_mode`, where it is not the settings'.
    pub flexible: Option<bool>,
}

impl NewSubscription {
    /// So many of a price, from now on.
    #[must_use]
    pub fn of(customer: &str, price: &str, quantity: u64) -> Self {
        Self {
            customer: customer.to_owned(),
            items: vec![ItemChange::new(price, quantity)],
            ..Self::default()
        }
    }
}

/// What is changed of a subscription.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SubscriptionChange {
    /// Items added, changed and removed; others stay.
    pub items: Vec<ItemChange>,
    /// Metadata to be set.
    pub metadata: MetadataChange,
    /// All metadata goes first.
    pub clears_metadata: bool,
    /// Its description.
    pub description: Patch<String>,
    /// How differences are charged.
    pub proration: Proration,
    /// What a failed payment does.
    pub payment_behavior: PaymentBehavior,
    /// `billing_cycle_anchor=now`
    pub resets_anchor: bool,
    /// When the trial ends from now on.
    pub trial_end: Option<When>,
    /// What happens at the end of the trial without a payment method.
    pub missing_payment: Option<MissingPayment>,
    /// When it ends.
    pub cancel_at: Patch<CancelAt>,
    /// Whether it ends with the running period.
    pub cancel_at_period_end: Option<bool>,
    /// Whether charging is paused.
    pub pause_collection: Patch<PauseCollection>,
    /// Its own payment method.
    pub payment_method: Patch<String>,
    /// Invoices are sent, not charged.
    pub sends_invoices: Option<bool>,
}

/// How a subscription is ended at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cancellation {
    /// The last invoice is made at once.
    pub invoice_now: bool,
}

/// A phase of a schedule.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NewPhase {
    /// What is bought.
    pub items: Vec<ItemChange>,
    /// Its start, for the first one of an update.
    pub start: Option<When>,
    /// How long it lasts.
    pub length: PhaseLength,
    /// It is a trial from end to end.
    pub is_trial: bool,
    /// Until when it is a trial.
    pub trial_end: Option<Instant>,
    /// The anchor moves to its start.
    pub moves_anchor: bool,
    /// How differences are charged.
    pub proration: Proration,
    /// Metadata that the subscription gets.
    pub metadata: Metadata,
}

/// How long a phase lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhaseLength {
    /// So many periods of its first price.
    Iterations(u32),
    /// Until then.
    Until(Instant),
    /// So long.
    Lasting(crate::calendar::Interval),
}

impl Default for PhaseLength {
    fn default() -> Self {
        Self::Iterations(1)
    }
}

/// A schedule to be made.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NewSchedule {
    /// The running subscription that it takes over.
    pub from_subscription: Option<String>,
    /// Whose subscription it begins.
    pub customer: Option<String>,
    /// When it begins.
    pub start: Option<When>,
    /// Its phases.
    pub phases: Vec<NewPhase>,
    /// Whether the subscription ends with the last phase.
    pub cancels_at_end: bool,
    /// Its metadata.
    pub metadata: Metadata,
}

/// What is changed of a schedule.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScheduleChange {
    /// Its phases from now on, the running one included; they stay where there are none.
    pub phases: Vec<NewPhase>,
    /// Whether the subscription ends with the last phase.
    pub cancels_at_end: Option<bool>,
    /// Metadata to be set.
    pub metadata: MetadataChange,
}

/// A checkout session to be made.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NewCheckout {
    /// Sells something once, not a subscription.
    pub once: bool,
    /// What is bought, and how many.
    pub line_items: Vec<(String, u64)>,
    /// Who buys; made on completion where none is named.
    pub customer: Option<String>,
    /// Their address.
    pub customer_email: Option<String>,
    /// `client_reference_id`
    pub client_reference_id: Option<String>,
    /// Its metadata.
    pub metadata: Metadata,
    /// The metadata that the subscription will have.
    pub subscription_metadata: Metadata,
    /// The days of the subscription's trial.
    pub trial_period_days: Option<u32>,
    /// Where the buyer goes afterwards.
    pub success_url: Option<String>,
    /// Money comes later, as it does from a bank account.
    pub delayed: bool,
}
