//! Random lives of subscriptions, repeated by their seed.

use crate::calendar::{AnchorConfig, Instant};
use crate::fault::Fault;
use crate::object::subscription::{MissingPayment, PauseBehavior, PauseCollection};
use crate::object::{Card, Recurring, Status, Subscription, Unit};
use crate::request::{
    CancelAt, Cancellation, ItemChange, NewPhase, NewPrice, NewSchedule, NewSubscription, Patch,
    PaymentBehavior, Proration, ScheduleChange, SubscriptionChange, When,
};
use crate::seed::Seed;
use crate::stripe::Stripe;
use chrono::TimeDelta;

/// The prices that lives are made of, and how each is billed.
pub const PRICES: [(&str, i64, Unit, bool); 5] = [
    ("price_starter", 2_000, Unit::Month, false),
    ("price_builder", 5_000, Unit::Month, false),
    ("price_starter_year", 20_000, Unit::Year, false),
    ("price_builder_year", 50_000, Unit::Year, false),
    ("price_metered", 1, Unit::Month, true),
];

/// One customer and its subscriptions, to whom anything may happen. Several lives can share an
/// account.
#[derive(Debug, Clone)]
pub struct Life {
    /// The customer.
    pub customer: String,
    chance: Seed,
}

impl Life {
    /// Begins a life in an account, whose prices are made where they are missing. The customer's
    /// metadata is given.
    #[must_use]
    pub fn new(stripe: &mut Stripe, seed: u64, metadata: &[(&str, &str)]) -> Self {
        for (id, amount, unit, metered) in PRICES {
            let recurring = Recurring { unit, count: 1, metered, trial_period_days: None };
            // One that is there already stays as it is.
            stripe.create_price(NewPrice::recurring(id, amount, recurring)).ok();
        }
        let customer = stripe.customer_with(Card::Pays, metadata).id.clone();
        Self { customer, chance: Seed::new(seed ^ 0x6c69_6665) }
    }

    /// Something happens; says what, for a failed test to print. What is refused, because the life
    /// has come to a point where it cannot be, changes nothing.
    pub fn step(&mut self, stripe: &mut Stripe) -> String {
        let live = stripe.subscriptions().iter();
        let mut live: Vec<_> = live
            .filter(|sub| sub.customer == self.customer && sub.is_live())
            .map(|sub| sub.id.clone())
            .collect();
        self.chance.shuffle(&mut live);
        let (what, outcome) = match live.first() {
            None => self.subscribe(stripe),
            Some(_) if live.len() < 3 && self.chance.chance(6) => self.subscribe(stripe),
            Some(_) if self.chance.chance(1) => {
                let deleted = stripe.delete_customer(&self.customer);
                (format!("{} is deleted", self.customer), deleted.map(drop))
            }
            Some(id) => self.befall(stripe, id),
        };
        match outcome {
            Ok(()) => format!("{} {what}", stripe.now()),
            Err(fault) => format!("{} {what}, refused: {fault}", stripe.now()),
        }
    }

    /// Time passes, up to `most`; sometimes hardly any, and sometimes it stops exactly where
    /// something happens by itself.
    pub fn pass(&mut self, stripe: &mut Stripe, most: TimeDelta) {
        let until = self.until(stripe, most);
        stripe.advance_to(until);
    }

    /// When the next step comes, `most` from now at the latest.
    pub fn until(&mut self, stripe: &Stripe, most: TimeDelta) -> Instant {
        let is_mine = |sub: &Subscription| sub.customer == self.customer;
        let waits = |sub: &Subscription| is_mine(sub) && waits_for_payment(sub);
        let soon = if stripe.subscriptions().iter().any(|sub| waits(sub)) { 60 } else { 15 };
        if self.chance.chance(soon) {
            let seconds = i64::try_from(self.chance.below(7_200)).unwrap_or(0);
            return stripe.now() + TimeDelta::seconds(seconds).min(most);
        }
        if self.chance.chance(20)
            && let Some(due) = stripe.next_due()
            && due <= stripe.now() + most
        {
            return due;
        }
        let most = usize::try_from(most.num_seconds()).unwrap_or(0);
        let seconds = i64::try_from(self.chance.below(most + 1)).unwrap_or(0);
        stripe.now() + TimeDelta::seconds(seconds)
    }

    fn soon(&mut self, stripe: &Stripe, days: usize) -> Instant {
        let hours = 1 + self.chance.below(days * 24);
        stripe.now() + TimeDelta::hours(i64::try_from(hours).unwrap_or(1))
    }

    fn price(&mut self) -> &'static str {
        PRICES[self.chance.below(4)].0
    }

    fn quantity(&mut self) -> u64 {
        1 + self.chance.draw() % 4
    }

    fn subscribe(&mut self, stripe: &mut Stripe) -> (String, Result<(), Fault>) {
        let (price, quantity) = (self.price(), self.quantity());
        let mut new = NewSubscription::of(&self.customer, price, quantity);
        match self.chance.below(8) {
            0 => {
                new.trial_period_days = Some(1 + u32::try_from(self.chance.below(40)).unwrap_or(0))
            }
            1 => new.anchor = Some(self.soon(stripe, 27)),
            2 => {
                let day = 1 + u32::try_from(self.chance.below(31)).unwrap_or(0);
                new.anchor_config = Some(AnchorConfig {
                    day_of_month: day,
                    month: None,
                    hour: None,
                    minute: None,
                    second: None,
                });
            }
            3 => new.backdate = Some(stripe.now() - TimeDelta::days(10)),
            4 => new.items.push(ItemChange::new("price_metered", 1)),
            5 => new.payment_behavior = PaymentBehavior::DefaultIncomplete,
            _ => {}
        }
        if self.chance.chance(30) {
            new.missing_payment = MissingPayment::Pause;
        }
        new.flexible = Some(self.chance.chance(70));
        let what = format!("subscribes to {quantity} of {price}");
        (what, stripe.create_subscription(new).map(drop))
    }

    fn befall(&mut self, stripe: &mut Stripe, id: &str) -> (String, Result<(), Fault>) {
        let waits = stripe.subscription(id).is_some_and(|sub| waits_for_payment(sub));
        if waits && self.chance.chance(50) {
            let paid =
                stripe.set_card(&self.customer, Card::Pays).and_then(|()| Self::pay(stripe, id));
            return (format!("what {id} waits for is paid"), paid);
        }
        match self.chance.below(20) {
            0..12 => {
                let change = self.change(stripe, id);
                let what = format!("{id} changes: {change:?}");
                (what, stripe.update_subscription(id, change).map(drop))
            }
            12 | 13 => {
                let card = [Card::Pays, Card::Pays, Card::Declines][self.chance.below(3)];
                let what = format!("the card now {card:?}");
                (what, stripe.set_card(&self.customer, card))
            }
            14 => (format!("{id} is paused"), stripe.pause_subscription(id).map(drop)),
            15 => {
                let keeps_anchor = self.chance.chance(50);
                let resumed = stripe.resume_subscription(id, keeps_anchor);
                (format!("{id} is resumed, keeps its anchor: {keeps_anchor}"), resumed.map(drop))
            }
            16 => {
                let how = Cancellation::default();
                (format!("{id} is canceled"), stripe.cancel_subscription(id, how).map(drop))
            }
            17 => (format!("{id} gets a schedule"), self.schedule(stripe, id)),
            18 => (format!("the last invoice of {id} is paid"), Self::pay(stripe, id)),
            _ => self.pause_collection(stripe, id),
        }
    }

    fn change(&mut self, stripe: &Stripe, id: &str) -> SubscriptionChange {
        let items = stripe.subscription(id).map(|sub| sub.items.clone()).unwrap_or_default();
        let item = items.first().map(|item| item.id.clone()).unwrap_or_default();
        let mut change = SubscriptionChange::default();
        match self.chance.below(11) {
            0 | 1 => change.items = vec![ItemChange::price(&item, self.price())],
            2..=4 => change.items = vec![ItemChange::quantity(&item, self.quantity())],
            5 => change.items = vec![ItemChange::new(self.price(), self.quantity())],
            6 if items.len() > 1 => change.items = vec![ItemChange::removal(&item)],
            6 => {
                let new = ItemChange::new(self.price(), self.quantity());
                change.items = vec![ItemChange::removal(&item), new];
            }
            7 => change.resets_anchor = true,
            8 => change.cancel_at_period_end = Some(self.chance.chance(60)),
            9 => change.cancel_at = Patch::Set(CancelAt::At(self.soon(stripe, 60))),
            _ => {
                let end = self.soon(stripe, 40);
                change.trial_end = Some([When::Now, When::At(end)][self.chance.below(2)]);
            }
        }
        change.proration = [Proration::Create, Proration::Invoice][self.chance.below(2)];
        if self.chance.chance(20) {
            change.payment_behavior = PaymentBehavior::PendingIfIncomplete;
        }
        change
    }

    /// Another price from the end of the running period on.
    fn schedule(&mut self, stripe: &mut Stripe, id: &str) -> Result<(), Fault> {
        let from = NewSchedule { from_subscription: Some(id.to_owned()), ..NewSchedule::default() };
        let schedule = stripe.create_schedule(from)?;
        let running = &schedule.phases[0];
        let first = NewPhase {
            items: running
                .items
                .iter()
                .map(|item| ItemChange {
                    price: Some(item.price.id.clone()),
                    quantity: item.quantity,
                    ..ItemChange::default()
                })
                .collect(),
            length: crate::request::PhaseLength::Until(running.end),
            ..NewPhase::default()
        };
        let items = vec![ItemChange::new(self.price(), self.quantity())];
        let phases = vec![first, NewPhase { items, ..NewPhase::default() }];
        let change = ScheduleChange { phases, ..ScheduleChange::default() };
        stripe.update_schedule(&schedule.id, change).map(drop)
    }

    fn pay(stripe: &mut Stripe, id: &str) -> Result<(), Fault> {
        let sub = stripe.subscription(id).ok_or_else(|| Fault::missing("subscription", id))?;
        let invoice = sub.latest_invoice.clone().unwrap_or_default();
        stripe.pay_invoice(&invoice, None).map(drop)
    }

    fn pause_collection(&mut self, stripe: &mut Stripe, id: &str) -> (String, Result<(), Fault>) {
        let resumes_at = Some(self.soon(stripe, 50)).filter(|_| self.chance.chance(50));
        let pause = PauseCollection { behavior: PauseBehavior::Void, resumes_at };
        let patch = if self.chance.chance(60) { Patch::Set(pause) } else { Patch::Clear };
        let change =
            SubscriptionChange { pause_collection: patch, ..SubscriptionChange::default() };
        let what = format!("collection of {id} becomes {patch:?}");
        (what, stripe.update_subscription(id, change).map(drop))
    }
}

/// Whether a payment would still change something, for some hours.
fn waits_for_payment(sub: &Subscription) -> bool {
    sub.pending_update.is_some() || sub.status == Status::Incomplete
}
