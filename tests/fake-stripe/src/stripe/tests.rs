//! Lives of subscriptions, and what is told of them.

mod renewals;
mod trials;
mod payments;
mod changes;
mod ends;
mod schedules;
mod story;

use super::{Settings, Stripe};
use crate::calendar::{Instant, instant};
use crate::event::{Event, Subject};
use crate::object::{Card, Recurring, Subscription, Unit};
use crate::request::{ItemChange, NewPrice, NewSubscription, SubscriptionChange};
use std::sync::Arc;

/// A subscription in an account with some prices: `month` and `more` by the month, `year`, `week`,
/// and `metered`.
struct Life {
    stripe: Stripe,
    customer: String,
    id: String,
    seen: usize,
}

impl Life {
    /// One month's price, bought at `now` with a card that pays.
    fn at(now: &str) -> Self {
        Self::with(Settings { now: instant(now), ..Settings::default() }, Card::Pays, |_| {})
    }

    fn with(settings: Settings, card: Card, terms: impl FnOnce(&mut NewSubscription)) -> Self {
        let mut stripe = prices(settings);
        let customer = stripe.customer_with(card, &[("account", "ann")]).id.clone();
        let mut new = NewSubscription::of(&customer, "month", 1);
        terms(&mut new);
        let seen = stripe.events().len();
        let id = stripe.create_subscription(new).unwrap().id.clone();
        Self { stripe, customer, id, seen }
    }

    fn sub(&self) -> &Arc<Subscription> {
        self.stripe.subscription(&self.id).unwrap()
    }

    fn to(&mut self, at: &str) -> &mut Self {
        self.stripe.advance_to(instant(at));
        self
    }

    fn update(&mut self, edit: impl FnOnce(&mut SubscriptionChange)) -> &mut Self {
        let mut change = SubscriptionChange::default();
        edit(&mut change);
        self.stripe.update_subscription(&self.id, change).unwrap();
        self
    }

    fn item(&self) -> String {
        self.sub().items[0].id.clone()
    }

    fn status(&self) -> &'static str {
        self.sub().status.as_str()
    }

    fn period(&self) -> (Instant, Instant) {
        (self.sub().items[0].period_start, self.sub().items[0].period_end)
    }

    #[track_caller]
    fn check_period(&self, start: &str, end: &str) {
        assert_eq!(self.period(), (instant(start), instant(end)));
    }

    /// What was told of subscriptions and schedules since this was last asked, in short words.
    fn told(&mut self) -> Vec<String> {
        let new: Vec<_> = self.stripe.events_since(self.seen).map(|event| word(event)).collect();
        self.seen = self.stripe.events().len();
        new.into_iter().filter(|word| word.contains("sub")).collect()
    }

    /// What was told of invoices, likewise.
    fn billed(&mut self) -> Vec<String> {
        let new: Vec<_> = self.stripe.events_since(self.seen).map(|event| word(event)).collect();
        self.seen = self.stripe.events().len();
        new.into_iter().filter(|word| word.contains("invoice")).collect()
    }
}

/// An event's instant and type, and a subscription's status.
fn word(event: &Event) -> String {
    let kind = event.kind.replace("customer.subscription.", "sub.");
    let kind = kind.replace("subscription_schedule.", "sub_schedule.");
    let mut status = "";
    if let Subject::Subscription(sub) = &event.subject {
        status = sub.status.as_str();
    }
    if let Subject::Invoice(invoice) = &event.subject {
        status = invoice.status.as_str();
    }
    format!("{} {kind} {status}", event.created.format("%m-%d %H:%M")).trim_end().to_owned()
}

fn prices(settings: Settings) -> Stripe {
    let mut stripe = Stripe::new(settings);
    let every = |unit, metered| Recurring { unit, count: 1, metered, trial_period_days: None };
    for (id, amount, recurring) in [
        ("month", 2_000, Recurring::MONTHLY),
        ("more", 5_000, Recurring::MONTHLY),
        ("year", 20_000, Recurring::YEARLY),
        ("week", 600, every(Unit::Week, false)),
        ("metered", 1, every(Unit::Month, true)),
    ] {
        stripe.create_price(NewPrice::recurring(id, amount, recurring)).unwrap();
    }
    stripe
}
