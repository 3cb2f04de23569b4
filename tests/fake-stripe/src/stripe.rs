//! The model: what is kept, what happened, and what comes next by itself.
//!
//! | part | what it does |
//! |---|---|
//! | `customers`, `catalogue` | the objects around a subscription |
//! | `subscribe`, `change`, `end` | what a request does to a subscription |
//! | `schedules`, `checkout` | what else makes or changes one |
//! | `billing` | invoices, charges, retries |
//! | `time` | what happens by itself, each at its own instant |

mod customers;
mod catalogue;
mod subscribe;
mod change;
mod end;
mod schedules;
mod checkout;
mod billing;
mod time;

use crate::calendar::Instant;
use crate::event::{Event, Subject};
use crate::object::{
    CheckoutSession, Customer, Invoice, InvoiceItem, PaymentMethod, Price, Product, Schedule,
    Subscription, Table, TestClock,
};
use crate::seed::Seed;
use crate::version::ApiVersion;
use chrono::{DateTime, TimeDelta};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// What becomes of a subscription whose renewal is not paid after all retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AfterRetries {
    /// It is canceled.
    #[default]
    Cancel,
    /// It becomes unpaid.
    MarkUnpaid,
    /// It stays past due.
    LeavePastDue,
}

/// How a fake behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Decides all ids.
    pub seed: u64,
    /// Where its clock stands at first.
    pub now: Instant,
    /// Whether its objects are live ones.
    pub livemode: bool,
    /// The account's API version: what events are kept in, and answers without a version.
    pub version: ApiVersion,
    /// `billing_mode` of new subscriptions.
    pub flexible: bool,
    /// The days from each failed charge of a renewal to the next try.
    pub retry_days: Vec<u32>,
    /// What happens after the last one.
    pub after_retries: AfterRetries,
    /// How long a renewal's invoice stays a draft.
    pub draft_time: TimeDelta,
    /// How long after its instant a renewal, the end of a trial or period, or the turn of a phase
    /// is done and told. Periods keep their exact ends.
    pub lag: TimeDelta,
    /// The most items that come with a subscription; the rest is on further pages.
    pub embedded_items: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            now: DateTime::from_timestamp(1_767_225_600, 0).unwrap_or_default(),
            livemode: false,
            version: ApiVersion::default(),
            flexible: true,
            retry_days: vec![3, 5, 7],
            after_retries: AfterRetries::default(),
            draft_time: TimeDelta::hours(1),
            lag: TimeDelta::zero(),
            embedded_items: 10,
        }
    }
}

/// Something that happens by itself. Where several fall on one instant, they happen in this order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Job {
    Subscription(String),
    Schedule(String),
    Invoice(String),
}

/// A Stripe account.
#[derive(Debug, Clone)]
pub struct Stripe {
    /// How it behaves.
    pub settings: Settings,
    seed: Seed,
    now: Instant,
    customers: Table<Customer>,
    payment_methods: Table<PaymentMethod>,
    products: Table<Product>,
    prices: Table<Price>,
    subscriptions: Table<Subscription>,
    schedules: Table<Schedule>,
    invoices: Table<Invoice>,
    invoice_items: Table<InvoiceItem>,
    checkouts: Table<CheckoutSession>,
    test_clocks: Table<TestClock>,
    events: Table<Event>,
    /// What comes next, for the fake's own clock and each test clock.
    agenda: BTreeMap<Option<String>, BTreeSet<(Instant, Job)>>,
    due: HashMap<Job, Instant>,
    /// The idempotency key of the request that runs.
    request: Option<String>,
}

/// Reads of objects, and all of a kind, the oldest first.
macro_rules! reads {
    ($($one:ident, $all:ident: $kind:ty),+ $(,)?) => {
        impl Stripe {
            $(
                #[doc = concat!("One of the ", stringify!($all), ".")]
                #[must_use]
                pub fn $one(&self, id: &str) -> Option<&Arc<$kind>> {
                    self.$all.get(id)
                }

                #[doc = concat!("All ", stringify!($all), ", the oldest first.")]
                #[must_use]
                pub const fn $all(&self) -> &Table<$kind> {
                    &self.$all
                }
            )+
        }
    };
}

reads! {
    customer, customers: Customer,
    payment_method, payment_methods: PaymentMethod,
    product, products: Product,
    price, prices: Price,
    subscription, subscriptions: Subscription,
    schedule, schedules: Schedule,
    invoice, invoices: Invoice,
    invoice_item, invoice_items: InvoiceItem,
    checkout, checkouts: CheckoutSession,
    test_clock, test_clocks: TestClock,
    event, events: Event,
}

impl Stripe {
    /// An account with nothing in it.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            seed: Seed::new(settings.seed),
            now: settings.now,
            settings,
            customers: Table::default(),
            payment_methods: Table::default(),
            products: Table::default(),
            prices: Table::default(),
            subscriptions: Table::default(),
            schedules: Table::default(),
            invoices: Table::default(),
            invoice_items: Table::default(),
            checkouts: Table::default(),
            test_clocks: Table::default(),
            events: Table::default(),
            agenda: BTreeMap::new(),
            due: HashMap::new(),
            request: None,
        }
    }

    /// Where its clock stands.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The events after the first `seen`, in the order in which they happened.
    pub fn events_since(&self, seen: usize) -> impl Iterator<Item = &Arc<Event>> {
        self.events.iter().skip(seen)
    }

    /// Tells of anything: an event of a type that the model does not make by itself. The object
    /// is rendered as it is given.
    pub fn tell(&mut self, kind: &str, object: Value) -> Arc<Event> {
        self.emit(self.now, kind, Subject::Other(object), None)
    }

    /// Says that an event was delivered; see `delivery_success` of the list of events.
    pub fn mark_delivered(&mut self, id: &str) {
        if let Some(event) = self.events.get_mut(id) {
            event.is_delivered = true;
        }
    }

    /// The idempotency key of the request that runs from now on.
    pub(crate) fn begin_request(&mut self, key: Option<String>) {
        self.request = key;
    }

    fn now_of(&self, clock: Option<&str>) -> Instant {
        let clock = clock.and_then(|id| self.test_clocks.get(id));
        clock.map_or(self.now, |clock| clock.frozen_time)
    }

    fn emit(
        &mut self, now: Instant, kind: &str, subject: Subject, before: Option<Subject>,
    ) -> Arc<Event> {
        let event = Event {
            id: self.seed.id("evt"),
            thin_id: self.seed.id("evt_65"),
            kind: kind.to_owned(),
            created: now,
            subject,
            before,
            request: self.request.clone(),
            is_delivered: false,
        };
        self.events.put(event)
    }

    /// Replaces a subscription, tells of it where it differs, and plans what comes next.
    fn store(&mut self, now: Instant, mut changed: Subscription) -> Arc<Subscription> {
        changed.follow_period();
        let before = self.subscriptions.get(&changed.id).cloned();
        let after = self.subscriptions.put(changed);
        if let Some(before) = before.filter(|before| *before != after) {
            let (subject, before) =
                (Subject::Subscription(Arc::clone(&after)), Subject::Subscription(before));
            self.emit(now, "customer.subscription.updated", subject, Some(before));
        }
        self.plan_subscription(&after.id);
        after
    }

    /// Changes a subscription and tells of it.
    fn edit(&mut self, now: Instant, id: &str, edit: impl FnOnce(&mut Subscription)) {
        if let Some(found) = self.subscriptions.get(id) {
            let mut changed = Subscription::clone(found);
            edit(&mut changed);
            self.store(now, changed);
        }
    }

    fn tell_subscription(&mut self, now: Instant, kind: &str, id: &str) {
        if let Some(found) = self.subscriptions.get(id).cloned() {
            self.emit(now, kind, Subject::Subscription(found), None);
        }
    }

    /// Plans when something next happens by itself; never again, where that is none. What should
    /// have happened already happens as soon as the clock moves.
    fn plan(&mut self, job: Job, clock: Option<&str>, at: Option<Instant>) {
        let now = self.now_of(clock);
        let clock = clock.map(str::to_owned);
        let agenda = self.agenda.entry(clock).or_default();
        if let Some(old) = self.due.remove(&job) {
            agenda.remove(&(old, job.clone()));
        }
        if let Some(at) = at.map(|at| at.max(now)) {
            agenda.insert((at, job.clone()));
            self.due.insert(job, at);
        }
    }
}

pub(crate) use billing::currency;
pub use catalogue::CatalogueChange;

#[cfg(test)]
mod tests;
