//! A new subscription.

use super::{Stripe, billing};
use crate::calendar::{Anchor, Instant};
use crate::event::Subject;
use crate::fault::Fault;
use crate::object::invoice::{Line, Reason};
use crate::object::{Card, Item, Status, Subscription};
use crate::request::{CancelAt, ItemChange, NewSubscription, PaymentBehavior, Proration, When};
use chrono::TimeDelta;
use std::sync::Arc;

/// The most items of one subscription.
const ITEMS_MAX: usize = 20;

/// What becomes of the first invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstBill {
    /// It is charged at once, and decides the status.
    Charged,
    /// It is charged later, as a renewal's is: so schedules begin subscriptions.
    Drafted,
}

impl Stripe {
    /// Makes a subscription, bills it and charges that, as far as there is something to charge.
    ///
    /// # Errors
    /// When what it names is not there, or its payment fails and may not.
    pub fn create_subscription(
        &mut self, new: NewSubscription,
    ) -> Result<Arc<Subscription>, Fault> {
        self.subscribe(&new, FirstBill::Charged)
    }

    /// Makes a subscription whose first invoice is charged at once, or stays a draft for a while.
    pub(super) fn subscribe(
        &mut self, new: &NewSubscription, first_bill: FirstBill,
    ) -> Result<Arc<Subscription>, Fault> {
        let customer = self.live_customer("customer", &new.customer)?;
        let now = self.now_of(customer.test_clock.as_deref());
        let mut sub = self.begin(now, new)?;
        sub.test_clock = customer.test_clock.clone();
        if let Some(method) = &new.payment_method {
            let method = crate::request::Payment::Id(method.clone());
            sub.payment_method = Some(self.payment(method, Some(&new.customer))?);
        }
        let lines = self.first_lines(&sub, new.proration);
        let due: i64 = lines.iter().map(|line| line.amount).sum();
        if due > 0 && !sub.sends_invoices && first_bill == FirstBill::Charged {
            let card = self.card(sub.payment_method.as_deref(), &sub.customer);
            sub.status = first_status(new.payment_behavior, card)?;
        }
        let waits = sub.status == Status::Incomplete
            && new.payment_behavior == PaymentBehavior::DefaultIncomplete;
        let invoice = self.draft(now, &mut sub, Reason::Create, lines);
        let id = sub.id.clone();
        let told_now = is_short_trial(&sub, now);
        sub.trial_end_told = told_now;
        let sub = self.subscriptions.put(sub);
        self.plan_subscription(&id);
        self.emit(now, "customer.subscription.created", Subject::Subscription(sub), None);
        if told_now {
            self.tell_subscription(now, "customer.subscription.trial_will_end", &id);
        }
        match first_bill {
            FirstBill::Drafted => self.leave_draft(now, &invoice),
            FirstBill::Charged if waits => {
                self.tell_invoice(now, "invoice.created", &invoice);
                self.open_invoice(now, &invoice);
            }
            FirstBill::Charged => self.bill_now(now, &invoice),
        }
        self.found_subscription(&id)
    }

    pub(super) fn found_subscription(&self, id: &str) -> Result<Arc<Subscription>, Fault> {
        self.subscriptions.get(id).cloned().ok_or_else(|| Fault::missing("subscription", id))
    }

    /// The subscription as it begins, before any payment.
    fn begin(&mut self, now: Instant, new: &NewSubscription) -> Result<Subscription, Fault> {
        let items = self.new_items(now, &new.items)?;
        let trial_end = trial_end(new, &items, now)?;
        let first = items.iter().map(|item| item.price.interval());
        let natural = first.map(|interval| Anchor::at(now).boundary(interval, 1)).min();
        let anchor = anchor(new, trial_end, natural, now)?;
        let start_date = new.backdate.unwrap_or(now);
        if start_date > now {
            let message = "The backdate_start_date must be in the past.";
            return Err(Fault::param("backdate_start_date", message));
        }
        let mut sub = Subscription {
            id: self.seed.id("sub"),
            customer: new.customer.clone(),
            created: now,
            start_date,
            anchor,
            anchor_config: new.anchor_config,
            status: if trial_end.is_some() { Status::Trialing } else { Status::Active },
            items,
            metadata: new.metadata.clone(),
            description: new.description.clone(),
            trial_start: trial_end.map(|_| now),
            trial_end,
            trial_end_told: false,
            missing_payment: new.missing_payment,
            cancel_at: None,
            cancel_at_period_end: new.cancel_at_period_end,
            canceled_at: None,
            ended_at: None,
            cancel_reason: None,
            pause_collection: None,
            paused: None,
            pending_update: None,
            schedule: None,
            latest_invoice: None,
            payment_method: None,
            sends_invoices: new.sends_invoices,
            flexible: new.flexible.unwrap_or(self.settings.flexible),
            test_clock: None,
        };
        sub.lay_periods(now, now);
        if let Some(cancel_at) = new.cancel_at {
            sub.cancel_at = Some(cancel_instant(&sub, cancel_at, now)?);
        }
        sub.follow_period();
        if sub.cancel_at.is_some() {
            sub.canceled_at = Some(now);
            sub.cancel_reason = Some("cancellation_requested");
        }
        Ok(sub)
    }

    pub(super) fn new_items(
        &mut self, now: Instant, wanted: &[ItemChange],
    ) -> Result<Vec<Item>, Fault> {
        if wanted.is_empty() {
            return Err(Fault::required("items"));
        }
        let mut items = Vec::with_capacity(wanted.len());
        for item in wanted {
            let item = self.new_item(now, item)?;
            add_item(&mut items, item)?;
        }
        Ok(items)
    }

    /// An item whose period is not laid yet.
    pub(super) fn new_item(&mut self, now: Instant, wanted: &ItemChange) -> Result<Item, Fault> {
        let price = wanted.price.as_deref().ok_or_else(|| Fault::required("items[0][price]"))?;
        let price = self.recurring_price(price)?;
        Ok(Item {
            id: self.seed.id("si"),
            created: now,
            quantity: (!price.is_metered()).then(|| wanted.quantity.unwrap_or(1)),
            price,
            period_start: now,
            period_end: now,
            metadata: wanted.metadata.clone(),
        })
    }

    /// The lines of the first invoice: nothing for a trial, a part for a first period cut short.
    fn first_lines(&mut self, sub: &Subscription, proration: Proration) -> Vec<Line> {
        let amount = |item: &Item| {
            let whole = item.price.interval();
            let natural = Anchor::at(item.period_start).boundary(whole, 1);
            match proration {
                _ if sub.in_trial() => 0,
                _ if item.period_end == natural || sub.anchor.at <= item.period_start => {
                    item.amount()
                }
                Proration::None => 0,
                Proration::Create | Proration::Invoice => part(
                    item.amount(),
                    item.period_end - item.period_start,
                    natural - item.period_start,
                ),
            }
        };
        sub.items.iter().map(|item| self.line(item, amount(item))).collect()
    }
}

/// Adds an item, of which no other may have the price.
pub(super) fn add_item(items: &mut Vec<Item>, item: Item) -> Result<(), Fault> {
    if items.iter().any(|other| other.price.id == item.price.id) {
        let message =
            format!("Cannot add multiple subscription items with the same plan: {}", item.price.id);
        return Err(Fault::param("items", message));
    }
    if items.len() >= ITEMS_MAX {
        return Err(Fault::param("items", "Subscriptions can have up to 20 items."));
    }
    items.push(item);
    Ok(())
}

/// The part of an amount for a part of a time.
pub(super) fn part(amount: i64, part: TimeDelta, whole: TimeDelta) -> i64 {
    let (part, whole) = (i128::from(part.num_seconds()), i128::from(whole.num_seconds().max(1)));
    i64::try_from(i128::from(amount) * part / whole).unwrap_or(i64::MAX)
}

fn first_status(behavior: PaymentBehavior, card: Option<Card>) -> Result<Status, Fault> {
    match (behavior, card) {
        (PaymentBehavior::DefaultIncomplete, _) => Ok(Status::Incomplete),
        (_, Some(Card::Pays)) => Ok(Status::Active),
        (_, None) => Err(billing::refusal(None)),
        (PaymentBehavior::ErrorIfIncomplete, Some(_)) => Err(billing::refusal(card)),
        (PaymentBehavior::AllowIncomplete | PaymentBehavior::PendingIfIncomplete, Some(_)) => {
            Ok(Status::Incomplete)
        }
    }
}

/// A trial that ends within the three days in which its end is announced.
pub(super) fn is_short_trial(sub: &Subscription, now: Instant) -> bool {
    let end = sub.trial_end.filter(|_| sub.in_trial());
    end.is_some_and(|end| end - super::time::TRIAL_NOTICE <= now)
}

fn trial_end(
    new: &NewSubscription, items: &[Item], now: Instant,
) -> Result<Option<Instant>, Fault> {
    let plans = items.iter().filter_map(|item| item.price.recurring.as_ref()?.trial_period_days);
    let plans = plans.max().filter(|_| new.trial_from_plan);
    let days = new.trial_period_days.or(plans).filter(|days| *days > 0);
    match (new.trial_end, days) {
        (Some(_), Some(_)) if new.trial_period_days.is_some() => {
            let message = "You may only specify one of these parameters: trial_end, \
                           trial_period_days.";
            Err(Fault::param("trial_end", message))
        }
        (Some(When::Now), _) => Ok(None),
        (Some(When::At(end)), _) if end <= now => Err(Fault::param(
            "trial_end",
            "Invalid timestamp: must be an integer Unix timestamp in the future.",
        )),
        (Some(When::At(end)), _) => Ok(Some(end)),
        (None, days) => Ok(days.map(|days| now + TimeDelta::days(i64::from(days)))),
    }
}

/// What periods are counted from: the end of a trial, else now, unless it is given.
fn anchor(
    new: &NewSubscription, trial_end: Option<Instant>, natural: Option<Instant>, now: Instant,
) -> Result<Anchor, Fault> {
    let from = trial_end.unwrap_or(now);
    match (new.anchor, &new.anchor_config) {
        (Some(_), Some(_)) => {
            let message = "You may only specify one of these parameters: billing_cycle_anchor, \
                           billing_cycle_anchor_config.";
            Err(Fault::param("billing_cycle_anchor", message))
        }
        (Some(at), None) if at < now => {
            Err(Fault::param("billing_cycle_anchor", "billing_cycle_anchor cannot be in the past."))
        }
        (Some(at), None) if trial_end.is_none() && natural.is_some_and(|natural| at > natural) => {
            Err(Fault::param(
                "billing_cycle_anchor",
                "billing_cycle_anchor cannot be later than next natural billing date.",
            ))
        }
        (Some(at), None) => Ok(Anchor::at(at)),
        (None, Some(config)) => Ok(config.anchor_after(from)),
        (None, None) => Ok(Anchor::at(from)),
    }
}

pub(super) fn cancel_instant(
    sub: &Subscription, wanted: CancelAt, now: Instant,
) -> Result<Instant, Fault> {
    let ends = || sub.items.iter().map(|item| item.period_end);
    match wanted {
        CancelAt::At(at) if at <= now => {
            Err(Fault::param("cancel_at", "Invalid cancel_at: must be in the future."))
        }
        CancelAt::At(at) => Ok(at),
        CancelAt::FirstPeriodEnd => Ok(ends().min().unwrap_or(now)),
        CancelAt::LastPeriodEnd => Ok(ends().max().unwrap_or(now)),
    }
}
