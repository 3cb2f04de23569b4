//! Changes of a running subscription.

use super::subscribe::{add_item, cancel_instant, is_short_trial, part};
use super::{Stripe, billing};
use crate::calendar::Instant;
use crate::fault::Fault;
use crate::object::invoice::{Line, Reason};
use crate::object::subscription::{MissingPayment, Paused, PendingUpdate};
use crate::object::{Card, Item, Status, Subscription};
use crate::request::{
    ItemChange, Patch, Payment, PaymentBehavior, Proration, SubscriptionChange, When, merge,
};
use chrono::TimeDelta;
use std::sync::Arc;

/// How long an update waits for its payment.
const PENDING_TIME: TimeDelta = TimeDelta::hours(23);

/// What a change has to be paid with, and what more is to be told of it.
#[derive(Debug, Default)]
struct Outcome {
    lines: Vec<Line>,
    is_paused: bool,
    is_canceled: bool,
}

impl Outcome {
    fn due(&self) -> i64 {
        self.lines.iter().map(|line| line.amount).sum()
    }
}

impl Stripe {
    /// Changes a subscription.
    ///
    /// # Errors
    /// When it or what is named is not there, it has ended, or its payment fails and may not.
    pub fn update_subscription(
        &mut self, id: &str, change: SubscriptionChange,
    ) -> Result<Arc<Subscription>, Fault> {
        let before = self.found_subscription(id)?;
        let now = self.now_of(before.test_clock.as_deref());
        refuse_for_status(&before, &change)?;
        let mut sub = Subscription::clone(&before);
        let outcome = self.apply(now, &mut sub, &change)?;
        if outcome.is_canceled {
            self.end(now, id, "cancellation_requested");
            return self.found_subscription(id);
        }
        let due = outcome.due();
        let charges = due > 0 && !sub.sends_invoices && sub.pause_collection.is_none();
        let card = self.card(sub.payment_method.as_deref(), &sub.customer);
        if charges && card != Some(Card::Pays) {
            match change.payment_behavior {
                PaymentBehavior::ErrorIfIncomplete => return Err(billing::refusal(card)),
                PaymentBehavior::PendingIfIncomplete => {
                    return self.keep_pending(now, &before, sub.items, change, outcome.lines);
                }
                PaymentBehavior::AllowIncomplete | PaymentBehavior::DefaultIncomplete => {}
            }
        }
        let bill = (!outcome.lines.is_empty())
            .then(|| self.draft(now, &mut sub, Reason::Update, outcome.lines));
        let is_cut_short = before.in_trial() && change.trial_end == Some(When::Now);
        let told_now = is_cut_short || (!sub.trial_end_told && is_short_trial(&sub, now));
        sub.trial_end_told |= told_now;
        self.store(now, sub);
        if told_now {
            self.tell_subscription(now, "customer.subscription.trial_will_end", id);
        }
        if outcome.is_paused {
            self.tell_subscription(now, "customer.subscription.paused", id);
        }
        if let Some(bill) = bill {
            self.bill_now(now, &bill);
        }
        self.found_subscription(id)
    }

    /// Keeps a change that could not be paid, beside the subscription as it was.
    fn keep_pending(
        &mut self, now: Instant, before: &Subscription, items: Vec<Item>,
        change: SubscriptionChange, lines: Vec<Line>,
    ) -> Result<Arc<Subscription>, Fault> {
        let mut sub = before.clone();
        let invoice = self.draft(now, &mut sub, Reason::Update, lines);
        let pending = PendingUpdate {
            expires_at: now + PENDING_TIME,
            items,
            change,
            invoice: invoice.clone(),
        };
        sub.pending_update = Some(Box::new(pending));
        self.store(now, sub);
        self.bill_now(now, &invoice);
        self.found_subscription(&before.id)
    }

    /// The payment came that a change waited for.
    pub(super) fn apply_pending(&mut self, now: Instant, id: &str) {
        let Some(found) = self.subscriptions.get(id).cloned() else { return };
        let Some(pending) = &found.pending_update else { return };
        let mut sub = Subscription::clone(&found);
        sub.pending_update = None;
        if self.apply(now, &mut sub, &pending.change).is_ok() {
            self.store(now, sub);
            self.tell_subscription(now, "customer.subscription.pending_update_applied", id);
        }
    }

    /// Applies a change to a copy; it is the caller who bills and tells.
    fn apply(
        &mut self, now: Instant, sub: &mut Subscription, change: &SubscriptionChange,
    ) -> Result<Outcome, Fault> {
        if change.clears_metadata {
            sub.metadata.clear();
        }
        merge(&mut sub.metadata, &change.metadata);
        change.description.clone().apply(&mut sub.description);
        sub.sends_invoices = change.sends_invoices.unwrap_or(sub.sends_invoices);
        sub.missing_payment = change.missing_payment.unwrap_or(sub.missing_payment);
        match &change.payment_method {
            Patch::Set(id) => {
                let method = Payment::Id(id.clone());
                sub.payment_method = Some(self.payment(method, Some(&sub.customer))?);
            }
            Patch::Clear => sub.payment_method = None,
            Patch::Keep => {}
        }
        change.pause_collection.apply(&mut sub.pause_collection);

        let old = sub.items.clone();
        self.change_items(now, sub, &change.items)?;
        let mut outcome = Outcome::default();
        let was_trial = sub.in_trial();
        match change.trial_end {
            Some(When::Now) if was_trial => {
                sub.move_anchor(now);
                sub.trial_end = Some(now);
                self.finish_trial(now, sub, &mut outcome);
            }
            Some(When::Now) | None => {}
            Some(When::At(end)) => start_trial(sub, now, end)?,
        }
        let moves = change.resets_anchor || (!sub.flexible && interval_changed(&old, &sub.items));
        let moves = moves && sub.status.renews() && !sub.in_trial();
        if moves {
            sub.move_anchor(now);
            sub.lay_periods(now, now);
        }
        change_end(sub, now, change)?;
        let starts_anew = (was_trial && sub.status == Status::Active) || moves;
        outcome.lines = self.lines_of_change(now, sub, &old, starts_anew, change.proration);
        Ok(outcome)
    }

    fn change_items(
        &mut self, now: Instant, sub: &mut Subscription, changes: &[ItemChange],
    ) -> Result<(), Fault> {
        for change in changes {
            let Some(id) = &change.id else {
                let mut item = self.new_item(now, change)?;
                lay_period(sub, &mut item, now);
                add_item(&mut sub.items, item)?;
                continue;
            };
            let missing = || Fault::missing_param("items[0][id]", "subscription item", id);
            let place = sub.items.iter().position(|item| item.id == *id).ok_or_else(missing)?;
            if change.deleted {
                sub.items.remove(place);
                continue;
            }
            let mut item = sub.items.remove(place);
            if let Some(price) = &change.price {
                let price = self.recurring_price(price)?;
                let had = item.price.interval();
                item.quantity = (!price.is_metered()).then_some(item.quantity.unwrap_or(1));
                item.price = price;
                if item.price.interval() != had {
                    lay_period(sub, &mut item, now);
                }
            }
            if !item.price.is_metered() {
                item.quantity = change.quantity.or(item.quantity);
            }
            item.metadata.extend(change.metadata.clone());
            add_item(&mut sub.items, item)?;
            let last = sub.items.len() - 1;
            sub.items[place..=last].rotate_right(1);
        }
        if sub.items.is_empty() {
            let message = "A subscription must have at least one active item. In order to cancel \
                           a subscription, please use the cancel API endpoint.";
            return Err(Fault::invalid(message));
        }
        Ok(())
    }

    /// What becomes of a subscription whose trial is over.
    fn finish_trial(&mut self, now: Instant, sub: &mut Subscription, outcome: &mut Outcome) {
        match self.after_trial(sub) {
            MissingPayment::CreateInvoice => {
                sub.status = Status::Active;
                sub.lay_periods(now, now);
            }
            MissingPayment::Pause => {
                sub.status = Status::Paused;
                sub.paused = Some(Paused { at: now, reason: "trial_end_without_payment_method" });
                outcome.is_paused = true;
            }
            MissingPayment::Cancel => outcome.is_canceled = true,
        }
    }

    /// What the end of its trial means for a subscription.
    pub(super) fn after_trial(&self, sub: &Subscription) -> MissingPayment {
        match self.card(sub.payment_method.as_deref(), &sub.customer) {
            None if sub.amount() > 0 => sub.missing_payment,
            None | Some(_) => MissingPayment::CreateInvoice,
        }
    }

    fn lines_of_change(
        &mut self, now: Instant, sub: &Subscription, old: &[Item], starts_anew: bool,
        proration: Proration,
    ) -> Vec<Line> {
        if starts_anew {
            return sub.items.iter().map(|item| self.line(item, item.amount())).collect();
        }
        let is_charged = sub.status.renews() && !sub.in_trial();
        if proration != Proration::Invoice || !is_charged || old == sub.items {
            return Vec::new();
        }
        let rest = |item: &Item| {
            part(item.amount(), item.period_end - now, item.period_end - item.period_start)
        };
        let credits = old.iter().filter(|item| !sub.items.contains(item));
        let charges = sub.items.iter().filter(|item| !old.contains(item));
        let parts = credits.map(|item| (item, -rest(item)));
        let parts: Vec<_> = parts.chain(charges.map(|item| (item, rest(item)))).collect();
        parts.into_iter().map(|(item, amount)| self.line(item, amount)).collect()
    }
}

fn refuse_for_status(sub: &Subscription, change: &SubscriptionChange) -> Result<(), Fault> {
    let moves = !change.items.is_empty() || change.resets_anchor || change.trial_end.is_some();
    if sub.status.is_final() {
        let only_words = SubscriptionChange {
            metadata: change.metadata.clone(),
            clears_metadata: change.clears_metadata,
            ..SubscriptionChange::default()
        };
        if *change != only_words {
            let message = "A canceled subscription can only update its cancellation_details and \
                           metadata.";
            return Err(Fault::invalid(message));
        }
    } else if sub.status == Status::Incomplete && moves {
        let message = "This subscription's status is incomplete; only its metadata and default \
                       payment method can be updated.";
        return Err(Fault::invalid(message));
    } else if sub.status == Status::Paused && (change.resets_anchor || change.trial_end.is_some()) {
        return Err(Fault::invalid("This subscription is paused; resume it first."));
    } else if sub.pending_update.is_some() && moves {
        return Err(Fault::invalid("This subscription has a pending update."));
    }
    Ok(())
}

/// Lays the period of one item beside those that run.
fn lay_period(sub: &Subscription, item: &mut Item, now: Instant) {
    let (start, end) = sub.anchor.period_at(item.price.interval(), now);
    let first = sub.items.iter().map(|other| other.period_start).min();
    let from = first.filter(|_| sub.in_trial() || sub.anchor.at > now);
    item.period_start = start.max(from.unwrap_or(sub.start_date)).min(now);
    item.period_end = sub.trial_end.filter(|_| sub.in_trial()).unwrap_or(end);
}

fn start_trial(sub: &mut Subscription, now: Instant, end: Instant) -> Result<(), Fault> {
    if end <= now {
        let message = "Invalid timestamp: must be an integer Unix timestamp in the future.";
        return Err(Fault::param("trial_end", message));
    }
    let begins = !sub.in_trial();
    if begins {
        sub.trial_start = Some(now);
        sub.status = Status::Trialing;
    }
    sub.trial_end = Some(end);
    sub.trial_end_told = false;
    sub.move_anchor(end);
    for item in &mut sub.items {
        item.period_end = end;
        if begins {
            item.period_start = now;
        }
    }
    Ok(())
}

fn interval_changed(old: &[Item], new: &[Item]) -> bool {
    let first = |items: &[Item]| items.first().map(|item| item.price.interval());
    first(old) != first(new)
}

fn change_end(
    sub: &mut Subscription, now: Instant, change: &SubscriptionChange,
) -> Result<(), Fault> {
    if change.cancel_at_period_end == Some(true) && change.cancel_at != Patch::Keep {
        let message = "You may only specify one of these parameters: cancel_at, \
                       cancel_at_period_end.";
        return Err(Fault::param("cancel_at", message));
    }
    match (change.cancel_at, change.cancel_at_period_end) {
        (Patch::Set(wanted), _) => {
            sub.cancel_at = Some(cancel_instant(sub, wanted, now)?);
            sub.cancel_at_period_end = false;
        }
        (Patch::Clear, _) | (Patch::Keep, Some(false)) => {
            sub.cancel_at = None;
            sub.cancel_at_period_end = false;
            sub.canceled_at = None;
            sub.cancel_reason = None;
        }
        (Patch::Keep, Some(true)) => {
            sub.cancel_at_period_end = true;
            sub.follow_period();
        }
        (Patch::Keep, None) => return Ok(()),
    }
    if sub.cancel_at.is_some() {
        sub.canceled_at.get_or_insert(now);
        sub.cancel_reason = Some("cancellation_requested");
    }
    Ok(())
}
