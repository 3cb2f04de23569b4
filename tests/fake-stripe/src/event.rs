//! What happened, kept with the object as it was then.

use crate::calendar::Instant;
use crate::object::{
    CheckoutSession, Customer, Invoice, InvoiceItem, PaymentMethod, Price, Product, Schedule,
    Subscription, TestClock,
};
use serde_json::Value;
use std::sync::Arc;

/// The object that an event tells of.
#[derive(Debug, Clone, PartialEq)]
pub enum Subject {
    /// A customer.
    Customer(Arc<Customer>),
    /// A payment method.
    PaymentMethod(Arc<PaymentMethod>),
    /// A product.
    Product(Arc<Product>),
    /// A price.
    Price(Arc<Price>),
    /// A subscription.
    Subscription(Arc<Subscription>),
    /// A subscription schedule.
    Schedule(Arc<Schedule>),
    /// An invoice.
    Invoice(Arc<Invoice>),
    /// An invoice item.
    InvoiceItem(Arc<InvoiceItem>),
    /// A checkout session.
    Checkout(Arc<CheckoutSession>),
    /// A test clock.
    TestClock(Arc<TestClock>),
    /// Anything else that a test wants told, the same in every version.
    Other(Value),
}

impl Subject {
    /// Its id; empty where it has none.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Customer(it) => &it.id,
            Self::PaymentMethod(it) => &it.id,
            Self::Product(it) => &it.id,
            Self::Price(it) => &it.id,
            Self::Subscription(it) => &it.id,
            Self::Schedule(it) => &it.id,
            Self::Invoice(it) => &it.id,
            Self::InvoiceItem(it) => &it.id,
            Self::Checkout(it) => &it.id,
            Self::TestClock(it) => &it.id,
            Self::Other(it) => it["id"].as_str().unwrap_or_default(),
        }
    }

    /// What Stripe calls its kind, and the path that it is fetched from.
    #[must_use]
    pub fn kind_and_path(&self) -> (&str, String) {
        let (kind, folder) = match self {
            Self::Customer(_) => ("customer", "customers"),
            Self::PaymentMethod(_) => ("payment_method", "payment_methods"),
            Self::Product(_) => ("product", "products"),
            Self::Price(_) => ("price", "prices"),
            Self::Subscription(_) => ("subscription", "subscriptions"),
            Self::Schedule(_) => ("subscription_schedule", "subscription_schedules"),
            Self::Invoice(_) => ("invoice", "invoices"),
            Self::InvoiceItem(_) => ("invoiceitem", "invoiceitems"),
            Self::Checkout(_) => ("checkout.session", "checkout/sessions"),
            Self::TestClock(_) => ("test_helpers.test_clock", "test_helpers/test_clocks"),
            Self::Other(it) => (it["object"].as_str().unwrap_or_default(), "others"),
        };
        (kind, format!("/v1/{folder}/{}", self.id()))
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// `evt_…`
    pub id: String,
    /// The id of its thin twin.
    pub thin_id: String,
    /// Its type, such as `customer.subscription.updated`.
    pub kind: String,
    /// When it happened. Many events share a second.
    pub created: Instant,
    /// The object, as it was then.
    pub subject: Subject,
    /// The object before, where the event tells of a change.
    pub before: Option<Subject>,
    /// The idempotency key of the request that did it; none where time did.
    pub request: Option<String>,
    /// Whether it was delivered, as far as the test says.
    pub is_delivered: bool,
}
