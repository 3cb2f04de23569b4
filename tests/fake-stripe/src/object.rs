//! What the model keeps: Stripe's objects, reduced to what matters to a subscription's life.

pub mod subscription;
pub mod invoice;
pub mod schedule;
pub mod table;

use crate::calendar::{Instant, Interval};
use std::collections::BTreeMap;
use std::sync::Arc;

pub use invoice::Invoice;
pub use schedule::Schedule;
pub use subscription::{Item, Status, Subscription};
pub use table::{Object, Table};

/// `metadata`.
pub type Metadata = BTreeMap<String, String>;

/// A customer.
#[derive(Debug, Clone, PartialEq)]
pub struct Customer {
    /// `cus_…`
    pub id: String,
    /// When it was made.
    pub created: Instant,
    /// Its address.
    pub email: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// Its metadata.
    pub metadata: Metadata,
    /// `invoice_settings.default_payment_method`, or the default source.
    pub payment_method: Option<String>,
    /// The test clock that its time follows, instead of the fake's own.
    pub test_clock: Option<String>,
    /// Whether it was deleted; then only a stub is shown.
    pub deleted: bool,
}

/// What happens to a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Card {
    /// It is paid.
    #[default]
    Pays,
    /// It is declined.
    Declines,
    /// The customer has to confirm it, and until then it fails.
    Confirms,
}

/// A payment method.
#[derive(Debug, Clone, PartialEq)]
pub struct PaymentMethod {
    /// `pm_…`
    pub id: String,
    /// When it was made.
    pub created: Instant,
    /// `card`, or another type; all behave as cards.
    pub kind: String,
    /// What happens to charges.
    pub card: Card,
    /// Whose it is.
    pub customer: Option<String>,
    /// The address of the person who pays.
    pub email: Option<String>,
}

/// A product.
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    /// `prod_…`
    pub id: String,
    /// When it was made.
    pub created: Instant,
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// Whether it is sold.
    pub active: bool,
    /// Its metadata.
    pub metadata: Metadata,
}

/// How a price is billed again and again.
#[derive(Debug, Clone, PartialEq)]
pub struct Recurring {
    /// `day`, `week`, `month` or `year`.
    pub unit: Unit,
    /// Every so many of them.
    pub count: u32,
    /// By what was used, not by quantity.
    pub metered: bool,
    /// The trial that comes with it where `trial_from_plan` is asked for.
    pub trial_period_days: Option<u32>,
}

/// A unit of billing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// `day`
    Day,
    /// `week`
    Week,
    /// `month`
    Month,
    /// `year`
    Year,
}

impl Unit {
    /// Stripe's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// Reads Stripe's word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Day, Self::Week, Self::Month, Self::Year]
            .into_iter()
            .find(|unit| unit.as_str() == text)
    }

    /// So many of it.
    #[must_use]
    pub const fn times(self, count: u32) -> Interval {
        match self {
            Self::Day => Interval::Days(count),
            Self::Week => Interval::Days(count * 7),
            Self::Month => Interval::Months(count),
            Self::Year => Interval::Months(count * 12),
        }
    }
}

impl Recurring {
    /// Every month.
    pub const MONTHLY: Self = Self::every(Unit::Month);
    /// Every year.
    pub const YEARLY: Self = Self::every(Unit::Year);

    const fn every(unit: Unit) -> Self {
        Self { unit, count: 1, metered: false, trial_period_days: None }
    }

    /// How often.
    #[must_use]
    pub const fn interval(&self) -> Interval {
        self.unit.times(self.count)
    }
}

/// A price.
#[derive(Debug, Clone, PartialEq)]
pub struct Price {
    /// `price_…`, or whatever the test calls it.
    pub id: String,
    /// When it was made.
    pub created: Instant,
    /// Of which product.
    pub product: String,
    /// Whether it is sold.
    pub active: bool,
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

impl Price {
    /// How often it is billed; monthly where it is paid once, which no subscription holds.
    #[must_use]
    pub fn interval(&self) -> Interval {
        self.recurring.as_ref().map_or(Interval::Months(1), Recurring::interval)
    }

    /// Whether it is billed by what was used.
    #[must_use]
    pub fn is_metered(&self) -> bool {
        self.recurring.as_ref().is_some_and(|recurring| recurring.metered)
    }
}

/// A test clock: a time of its own for the customers that follow it.
#[derive(Debug, Clone, PartialEq)]
pub struct TestClock {
    /// `clock_…`
    pub id: String,
    /// When it was made, by the fake's own clock.
    pub created: Instant,
    /// Where it stands.
    pub frozen_time: Instant,
    /// Its name.
    pub name: Option<String>,
    /// `advancing` in the event that says so, else `ready`.
    pub is_advancing: bool,
}

/// A line of an invoice to come.
#[derive(Debug, Clone, PartialEq)]
pub struct InvoiceItem {
    /// `ii_…`
    pub id: String,
    /// When it was made.
    pub created: Instant,
    /// Who pays.
    pub customer: String,
    /// In cents.
    pub amount: i64,
    /// `usd`
    pub currency: String,
    /// What for.
    pub description: Option<String>,
    /// The invoice that took it in.
    pub invoice: Option<String>,
}

/// What a checkout session sells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckoutMode {
    /// A subscription.
    Subscription,
    /// Something paid once.
    Payment,
}

/// A checkout session.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckoutSession {
    /// `cs_test_…`
    pub id: String,
    /// When it was made.
    pub created: Instant,
    /// What it sells.
    pub mode: CheckoutMode,
    /// `open`, `complete` or `expired`.
    pub status: &'static str,
    /// Whether money came.
    pub paid: bool,
    /// Who buys; made on completion where none was named.
    pub customer: Option<String>,
    /// Their address, where given.
    pub customer_email: Option<String>,
    /// What came of it.
    pub subscription: Option<String>,
    /// Its invoice.
    pub invoice: Option<String>,
    /// `client_reference_id`
    pub client_reference_id: Option<String>,
    /// Its metadata.
    pub metadata: Metadata,
    /// The metadata that the subscription will have.
    pub subscription_metadata: Metadata,
    /// The days of the subscription's trial.
    pub trial_period_days: Option<u32>,
    /// What is bought, and how many.
    pub line_items: Vec<(Arc<Price>, u64)>,
    /// Where the buyer goes afterwards.
    pub success_url: Option<String>,
    /// Whether money comes later.
    pub delayed: bool,
}

impl CheckoutSession {
    /// The price of everything, in cents.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.line_items.iter().map(|(price, quantity)| times(price.unit_amount, *quantity)).sum()
    }
}

/// An amount so many times.
pub(crate) fn times(amount: i64, quantity: u64) -> i64 {
    amount.saturating_mul(i64::try_from(quantity).unwrap_or(i64::MAX))
}
