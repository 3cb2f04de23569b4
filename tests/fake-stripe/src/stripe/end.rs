//! Ends, pauses and resumptions.

use super::{Stripe, billing};
use crate::calendar::Instant;
use crate::event::Subject;
use crate::fault::Fault;
use crate::object::invoice::Reason;
use crate::object::schedule::ScheduleStatus;
use crate::object::subscription::Paused;
use crate::object::{Card, Status, Subscription};
use crate::request::Cancellation;
use std::sync::Arc;

impl Stripe {
    /// Ends a subscription at once.
    ///
    /// # Errors
    /// When it is not there, or has ended.
    pub fn cancel_subscription(
        &mut self, id: &str, how: Cancellation,
    ) -> Result<Arc<Subscription>, Fault> {
        let found = self.found_subscription(id)?;
        if !found.is_live() {
            return Err(Fault::missing("subscription", id));
        }
        let now = self.now_of(found.test_clock.as_deref());
        if how.invoice_now {
            let mut sub = Subscription::clone(&found);
            let invoice = self.draft(now, &mut sub, Reason::Update, Vec::new());
            self.subscriptions.put(sub);
            self.bill_now(now, &invoice);
        }
        if let Some(sub) = self.subscriptions.get_mut(id) {
            sub.cancel_at = None;
            sub.cancel_at_period_end = false;
            sub.canceled_at = Some(now);
        }
        self.end(now, id, "cancellation_requested");
        self.found_subscription(id)
    }

    /// Ends a subscription, and what hangs on it.
    pub(super) fn end(&mut self, now: Instant, id: &str, reason: &'static str) {
        let Some(found) = self.subscriptions.get(id).filter(|sub| sub.is_live()) else { return };
        let mut sub = Subscription::clone(found);
        let schedule = sub.schedule.take();
        let first_invoice = sub.latest_invoice.clone().filter(|_| sub.status == Status::Incomplete);
        let began = sub.status != Status::Incomplete;
        sub.status = if began { Status::Canceled } else { Status::IncompleteExpired };
        sub.ended_at = sub.cancel_at.filter(|at| *at <= now).or(Some(now));
        sub.canceled_at.get_or_insert(now);
        sub.cancel_reason.get_or_insert(reason);
        sub.pending_update = None;
        sub.paused = None;
        let sub = self.subscriptions.put(sub);
        self.plan_subscription(id);
        self.stop_charging(id);
        self.emit(now, "customer.subscription.deleted", Subject::Subscription(sub), None);
        if let Some(invoice) = first_invoice {
            self.void(now, &invoice);
        }
        if let Some(schedule) = schedule {
            let kind = match reason {
                "payment_failed" => "subscription_schedule.aborted",
                _ => "subscription_schedule.canceled",
            };
            self.edit_schedule(&schedule, |schedule| {
                schedule.status = ScheduleStatus::Canceled;
                schedule.canceled_at = Some(now);
                schedule.current = None;
            });
            self.tell_schedule(now, kind, &schedule, None);
        }
    }

    /// Pauses a subscription: its periods stand still until it is resumed.
    ///
    /// # Errors
    /// When it is not there, or does not run.
    pub fn pause_subscription(&mut self, id: &str) -> Result<Arc<Subscription>, Fault> {
        let found = self.found_subscription(id)?;
        if !found.status.renews() {
            let status = found.status.as_str();
            return Err(Fault::invalid(format!(
                "A subscription that is {status} cannot be paused."
            )));
        }
        let now = self.now_of(found.test_clock.as_deref());
        self.stop_charging(id);
        self.edit(now, id, |sub| {
            sub.status = Status::Paused;
            sub.paused = Some(Paused { at: now, reason: "pause_requested" });
        });
        self.tell_subscription(now, "customer.subscription.paused", id);
        self.found_subscription(id)
    }

    /// Resumes a paused subscription, from now or from its old anchor. A payment that fails leaves
    /// it paused.
    ///
    /// # Errors
    /// When it is not there, or is not paused.
    pub fn resume_subscription(
        &mut self, id: &str, keeps_anchor: bool,
    ) -> Result<Arc<Subscription>, Fault> {
        let found = self.found_subscription(id)?;
        if found.status != Status::Paused {
            let message = "Only subscriptions with a status of `paused` can be resumed.";
            return Err(Fault::invalid(message));
        }
        let now = self.now_of(found.test_clock.as_deref());
        let mut sub = Subscription::clone(&found);
        sub.paused = None;
        sub.status = Status::Active;
        let trial_goes_on = sub.trial_end.is_some_and(|end| end > now);
        if keeps_anchor && trial_goes_on {
            sub.status = Status::Trialing;
        } else if !keeps_anchor {
            sub.move_anchor(now);
        }
        let period_runs = sub.period_end().is_some_and(|end| end > now);
        let begins_anew = !(keeps_anchor && period_runs);
        if begins_anew {
            let from = if keeps_anchor { sub.start_date } else { now };
            sub.lay_periods(now, from);
        }
        let charges = begins_anew && !sub.in_trial();
        let card = self.card(sub.payment_method.as_deref(), &sub.customer);
        if charges && sub.amount() > 0 && !sub.sends_invoices && card != Some(Card::Pays) {
            return match card {
                None => Err(billing::refusal(None)),
                Some(_) => Ok(found),
            };
        }
        let items = sub.items.clone();
        let lines = items.iter().map(|item| self.line(item, item.amount())).collect();
        let bill = charges.then(|| self.draft(now, &mut sub, Reason::Update, lines));
        self.store(now, sub);
        self.tell_subscription(now, "customer.subscription.resumed", id);
        if let Some(bill) = bill {
            self.bill_now(now, &bill);
        }
        self.found_subscription(id)
    }
}
