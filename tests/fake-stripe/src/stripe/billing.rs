//! Invoices: made, charged, tried again, and what that does to their subscription.

use super::{AfterRetries, Job, Stripe};
use crate::calendar::Instant;
use crate::event::Subject;
use crate::fault::Fault;
use crate::object::invoice::{InvoiceStatus, Line, Next, Reason};
use crate::object::subscription::PauseBehavior;
use crate::object::{Card, Invoice, Item, Metadata, Status, Subscription};
use crate::request::Payment;
use chrono::TimeDelta;
use std::sync::Arc;

impl Stripe {
    /// A line for the running period of an item, or for a part of it.
    pub(super) fn line(&mut self, item: &Item, amount: i64) -> Line {
        Line {
            id: self.seed.id("il"),
            amount,
            description: Some(format!("{} × {}", item.quantity.unwrap_or(0), item.price.id)),
            price: Some(Arc::clone(&item.price)),
            quantity: item.quantity,
            item: Some(item.id.clone()),
            invoice_item: None,
            start: item.period_start,
            end: item.period_end,
        }
    }

    /// A draft with nothing on it, under the next number.
    pub(super) fn empty_invoice(&mut self, now: Instant, customer: &str) -> Invoice {
        Invoice {
            id: self.seed.id("in"),
            created: now,
            customer: customer.to_owned(),
            subscription: None,
            subscription_metadata: Metadata::new(),
            status: InvoiceStatus::Draft,
            reason: Reason::Manual,
            currency: "usd".to_owned(),
            lines: Vec::new(),
            number: u64::try_from(self.invoices.len()).unwrap_or(u64::MAX) + 1,
            attempts: 0,
            next: None,
            finalized_at: None,
            paid_at: None,
            voided_at: None,
            uncollectible_at: None,
            metadata: Metadata::new(),
            description: None,
            is_sent: false,
            test_clock: None,
        }
    }

    /// Makes a draft for a subscription, and names it as its latest; nothing is told yet.
    pub(super) fn draft(
        &mut self, now: Instant, subscription: &mut Subscription, reason: Reason, lines: Vec<Line>,
    ) -> String {
        let invoice = Invoice {
            subscription: Some(subscription.id.clone()),
            subscription_metadata: subscription.metadata.clone(),
            reason,
            currency: currency(&subscription.items),
            lines,
            is_sent: subscription.sends_invoices,
            test_clock: subscription.test_clock.clone(),
            ..self.empty_invoice(now, &subscription.customer)
        };
        let id = invoice.id.clone();
        self.invoices.put(invoice);
        subscription.latest_invoice = Some(id.clone());
        id
    }

    pub(super) fn tell_invoice(&mut self, now: Instant, kind: &str, id: &str) {
        if let Some(invoice) = self.invoices.get(id).cloned() {
            self.emit(now, kind, Subject::Invoice(invoice), None);
        }
    }

    pub(super) fn edit_invoice(&mut self, id: &str, edit: impl FnOnce(&mut Invoice)) {
        let Some(invoice) = self.invoices.get_mut(id) else { return };
        edit(invoice);
        let next = invoice.next.map(|(at, _)| at);
        let clock = invoice.test_clock.clone();
        self.plan(Job::Invoice(id.to_owned()), clock.as_deref(), next);
    }

    /// Tells of a draft and leaves it to become final later.
    pub(super) fn leave_draft(&mut self, now: Instant, id: &str) {
        let at = now + self.settings.draft_time;
        self.edit_invoice(id, |invoice| invoice.next = Some((at, Next::Finalize)));
        self.tell_invoice(now, "invoice.created", id);
    }

    /// Tells of a draft, makes it final and charges it, all at once.
    pub(super) fn bill_now(&mut self, now: Instant, id: &str) {
        self.tell_invoice(now, "invoice.created", id);
        self.finalize_and_charge(now, id);
    }

    fn finalize_and_charge(&mut self, now: Instant, id: &str) {
        self.open_invoice(now, id);
        let is_sent =
            self.invoices.get(id).is_some_and(|invoice| invoice.is_sent && invoice.due() > 0);
        if !is_sent {
            // A failure is told and followed up by the charge itself.
            self.charge(now, id, None).ok();
        }
    }

    pub(super) fn open_invoice(&mut self, now: Instant, id: &str) {
        self.edit_invoice(id, |invoice| {
            invoice.status = InvoiceStatus::Open;
            invoice.finalized_at = Some(now);
            invoice.next = None;
        });
        self.tell_invoice(now, "invoice.finalized", id);
    }

    /// What an invoice planned for this instant.
    pub(super) fn invoice_due(&mut self, now: Instant, id: &str) {
        let Some(invoice) = self.invoices.get(id).cloned() else { return };
        let Some((_, next)) = invoice.next else { return };
        let of = invoice.subscription.as_deref().and_then(|id| self.subscriptions.get(id));
        let paused = of.and_then(|sub| sub.pause_collection).map(|pause| pause.behavior);
        let is_unpaid = of.is_some_and(|sub| sub.status == Status::Unpaid);
        match (next, paused) {
            (Next::Finalize, Some(PauseBehavior::KeepAsDraft)) => {
                self.edit_invoice(id, |invoice| invoice.next = None);
            }
            (Next::Finalize, Some(PauseBehavior::Void)) => {
                self.open_invoice(now, id);
                self.void(now, id);
            }
            (Next::Finalize, Some(PauseBehavior::MarkUncollectible)) => {
                self.open_invoice(now, id);
                self.give_up(now, id);
            }
            (Next::Finalize, None) if is_unpaid => {
                self.edit_invoice(id, |invoice| invoice.next = None);
            }
            (Next::Finalize, None) => self.finalize_and_charge(now, id),
            (Next::Charge, Some(_)) => self.edit_invoice(id, |invoice| invoice.next = None),
            (Next::Charge, None) => drop(self.charge(now, id, None)),
        }
    }

    /// Charges an invoice, and follows up on the outcome.
    ///
    /// # Errors
    /// When the card does not pay.
    pub(super) fn charge(
        &mut self, now: Instant, id: &str, method: Option<&str>,
    ) -> Result<(), Fault> {
        let invoice =
            self.invoices.get(id).cloned().ok_or_else(|| Fault::missing("invoice", id))?;
        let of = invoice.subscription.as_deref().and_then(|id| self.subscriptions.get(id));
        let own = method.or(of.and_then(|sub| sub.payment_method.as_deref()));
        let card = self.card(own, &invoice.customer);
        if invoice.due() == 0 || card == Some(Card::Pays) {
            self.settle(now, id);
            return Ok(());
        }
        let fault = refusal(card);
        self.edit_invoice(id, |invoice| {
            invoice.attempts += 1;
            invoice.next = None;
        });
        if card == Some(Card::Confirms) {
            self.tell_invoice(now, "invoice.payment_action_required", id);
        }
        self.tell_invoice(now, "invoice.payment_failed", id);
        self.follow_failure(now, id, card.is_some());
        Err(fault)
    }

    /// A renewal that is not paid is tried again, until it has been tried often enough. The first
    /// invoice of a subscription is not, and neither is one that there is no card for.
    fn follow_failure(&mut self, now: Instant, id: &str, has_card: bool) {
        let Some(invoice) = self.invoices.get(id).cloned() else { return };
        let Some(subscription) = invoice.subscription.clone() else { return };
        let of = self.subscriptions.get(&subscription);
        let not_begun = of.is_none_or(|sub| sub.status == Status::Incomplete);
        if not_begun || self.is_awaited(&invoice) {
            return;
        }
        let retry =
            usize::try_from(invoice.attempts).ok().and_then(|attempts| attempts.checked_sub(1));
        let days = retry.filter(|_| has_card).and_then(|retry| self.settings.retry_days.get(retry));
        let next = days.map(|days| (now + TimeDelta::days(i64::from(*days)), Next::Charge));
        self.edit_invoice(id, |invoice| invoice.next = next);
        // The latest invoice decides; an older one may fail again while that is paid.
        self.edit(now, &subscription, |sub| {
            let was_paid = matches!(sub.status, Status::Active | Status::Trialing);
            if was_paid && sub.latest_invoice.as_deref() == Some(id) {
                sub.status = Status::PastDue;
            }
        });
        let is_late = |sub: &Subscription| sub.status == Status::PastDue;
        let goes_on = !self.subscriptions.get(&subscription).is_some_and(|sub| is_late(sub));
        if next.is_some() || !has_card || goes_on {
            return;
        }
        match self.settings.after_retries {
            AfterRetries::Cancel => self.end(now, &subscription, "payment_failed"),
            AfterRetries::MarkUnpaid => {
                self.edit(now, &subscription, |sub| sub.status = Status::Unpaid);
            }
            AfterRetries::LeavePastDue => {}
        }
    }

    /// An invoice is paid: what waited for it goes on.
    pub(super) fn settle(&mut self, now: Instant, id: &str) {
        self.edit_invoice(id, |invoice| {
            invoice.status = InvoiceStatus::Paid;
            invoice.attempts += u64::from(invoice.due() > 0);
            invoice.paid_at = Some(now);
            invoice.next = None;
        });
        self.tell_invoice(now, "invoice.paid", id);
        self.tell_invoice(now, "invoice.payment_succeeded", id);
        let Some(invoice) = self.invoices.get(id).cloned() else { return };
        let Some(subscription) = invoice.subscription.clone() else { return };
        if self.is_awaited(&invoice) {
            self.apply_pending(now, &subscription);
        }
        self.edit(now, &subscription, |sub| {
            let waits = matches!(sub.status, Status::Incomplete | Status::PastDue | Status::Unpaid);
            if waits && sub.latest_invoice.as_deref() == Some(id) {
                sub.status = Status::Active;
            }
        });
    }

    /// Whether an update waits for this invoice.
    fn is_awaited(&self, invoice: &Invoice) -> bool {
        let of = invoice.subscription.as_deref().and_then(|id| self.subscriptions.get(id));
        let pending = of.and_then(|sub| sub.pending_update.as_ref());
        pending.is_some_and(|pending| pending.invoice == invoice.id)
    }

    pub(super) fn void(&mut self, now: Instant, id: &str) {
        self.edit_invoice(id, |invoice| {
            invoice.status = InvoiceStatus::Void;
            invoice.voided_at = Some(now);
            invoice.next = None;
        });
        self.tell_invoice(now, "invoice.voided", id);
    }

    pub(super) fn give_up(&mut self, now: Instant, id: &str) {
        self.edit_invoice(id, |invoice| {
            invoice.status = InvoiceStatus::Uncollectible;
            invoice.uncollectible_at = Some(now);
            invoice.next = None;
        });
        self.tell_invoice(now, "invoice.marked_uncollectible", id);
    }

    /// Nothing of a subscription that ended is charged any more.
    pub(super) fn stop_charging(&mut self, subscription: &str) {
        let of = |invoice: &Invoice| invoice.subscription.as_deref() == Some(subscription);
        let waiting = self.invoices.iter().filter(|invoice| of(invoice) && invoice.next.is_some());
        for id in waiting.map(|invoice| invoice.id.clone()).collect::<Vec<_>>() {
            self.edit_invoice(&id, |invoice| invoice.next = None);
        }
    }

    /// Pays an invoice: what a customer does who confirms a payment, and what support does.
    ///
    /// # Errors
    /// When it is not there, is not to be paid, or the card does not pay.
    pub fn pay_invoice(&mut self, id: &str, method: Option<&str>) -> Result<Arc<Invoice>, Fault> {
        let invoice =
            self.invoices.get(id).cloned().ok_or_else(|| Fault::missing("invoice", id))?;
        if !invoice.is_payable() {
            let message = format!("Invoice is {} and cannot be paid", invoice.status.as_str());
            return Err(Fault::invalid(message));
        }
        let now = self.now_of(invoice.test_clock.as_deref());
        let method = match method {
            Some(id) => Some(self.payment(Payment::Id(id.to_owned()), Some(&invoice.customer))?),
            None => None,
        };
        if invoice.status == InvoiceStatus::Draft {
            self.open_invoice(now, id);
        }
        self.charge(now, id, method.as_deref())?;
        self.invoices.get(id).cloned().ok_or_else(|| Fault::missing("invoice", id))
    }
}

/// How Stripe words a charge that does not go through.
pub(super) fn refusal(card: Option<Card>) -> Fault {
    match card {
        None | Some(Card::Pays) => Fault {
            code: Some("resource_missing"),
            ..Fault::invalid(
                "This customer has no attached payment source or default payment method. Please \
                 consider adding a default payment method.",
            )
        },
        Some(Card::Declines) => Fault::card("card_declined", "Your card was declined."),
        Some(Card::Confirms) => Fault::card(
            "invoice_payment_intent_requires_action",
            "Payment for this invoice requires additional user action before it can be completed \
             successfully.",
        ),
    }
}

pub(crate) fn currency(items: &[Item]) -> String {
    items.first().map_or_else(|| "usd".to_owned(), |item| item.price.currency.clone())
}
