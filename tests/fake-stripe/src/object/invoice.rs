//! Invoices, as far as a subscription's life hangs on them.

use super::{Metadata, Price};
use crate::calendar::Instant;
use std::sync::Arc;

/// `status`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvoiceStatus {
    /// Not yet final.
    Draft,
    /// Final, to be paid.
    Open,
    /// Paid.
    Paid,
    /// Given up as lost.
    Uncollectible,
    /// Taken back.
    Void,
}

impl InvoiceStatus {
    /// Stripe's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Uncollectible => "uncollectible",
            Self::Void => "void",
        }
    }
}

/// Why there is an invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A subscription began.
    Create,
    /// It renewed.
    Cycle,
    /// It was changed.
    Update,
    /// Someone wrote it.
    Manual,
}

impl Reason {
    /// Stripe's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "subscription_create",
            Self::Cycle => "subscription_cycle",
            Self::Update => "subscription_update",
            Self::Manual => "manual",
        }
    }
}

/// What the fake itself does next with an invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Makes it final, and charges it.
    Finalize,
    /// Charges it again.
    Charge,
}

/// A line of an invoice.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// `il_…`
    pub id: String,
    /// In cents.
    pub amount: i64,
    /// What for.
    pub description: Option<String>,
    /// Which price.
    pub price: Option<Arc<Price>>,
    /// How many.
    pub quantity: Option<u64>,
    /// The item of the subscription.
    pub item: Option<String>,
    /// The item written by hand.
    pub invoice_item: Option<String>,
    /// From when.
    pub start: Instant,
    /// Until when.
    pub end: Instant,
}

/// An invoice.
#[derive(Debug, Clone, PartialEq)]
pub struct Invoice {
    /// `in_…`
    pub id: String,
    /// When it was made.
    pub created: Instant,
    /// Who pays.
    pub customer: String,
    /// For which subscription.
    pub subscription: Option<String>,
    /// The metadata of that subscription.
    pub subscription_metadata: Metadata,
    /// Its status.
    pub status: InvoiceStatus,
    /// Why there is one.
    pub reason: Reason,
    /// `usd`
    pub currency: String,
    /// Its lines.
    pub lines: Vec<Line>,
    /// Its number among the invoices.
    pub number: u64,
    /// How often it was charged in vain or not.
    pub attempts: u64,
    /// What comes next by itself, and when.
    pub next: Option<(Instant, Next)>,
    /// When it became final.
    pub finalized_at: Option<Instant>,
    /// When it was paid.
    pub paid_at: Option<Instant>,
    /// When it was voided.
    pub voided_at: Option<Instant>,
    /// When it was given up.
    pub uncollectible_at: Option<Instant>,
    /// Its metadata.
    pub metadata: Metadata,
    /// Its description.
    pub description: Option<String>,
    /// It is sent, not charged.
    pub is_sent: bool,
    /// The test clock of its customer.
    pub test_clock: Option<String>,
}

impl Invoice {
    /// In cents.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.lines.iter().map(|line| line.amount).sum()
    }

    /// What is to pay, in cents; credits are not paid out.
    #[must_use]
    pub fn due(&self) -> i64 {
        self.total().max(0)
    }

    /// Whether it may still be paid.
    #[must_use]
    pub const fn is_payable(&self) -> bool {
        matches!(
            self.status,
            InvoiceStatus::Draft | InvoiceStatus::Open | InvoiceStatus::Uncollectible
        )
    }
}
