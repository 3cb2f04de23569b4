//! Checkout sessions, and invoices that are written by hand.

use super::Stripe;
use crate::calendar::Instant;
use crate::event::Subject;
use crate::fault::Fault;
use crate::object::invoice::{InvoiceStatus, Line};
use crate::object::{CheckoutMode, CheckoutSession, Invoice, InvoiceItem};
use crate::request::{
    CustomerChange, ItemChange, MetadataChange, NewCheckout, NewSubscription, Patch, Payment,
    PaymentBehavior, merge,
};
use std::sync::Arc;

impl Stripe {
    /// Makes a checkout session.
    ///
    /// # Errors
    /// When what it names is not there.
    pub fn create_checkout(&mut self, new: NewCheckout) -> Result<Arc<CheckoutSession>, Fault> {
        if let Some(customer) = &new.customer {
            self.live_customer("customer", customer)?;
        }
        let mut line_items = Vec::with_capacity(new.line_items.len());
        for (price, quantity) in &new.line_items {
            let missing = || Fault::missing_param("line_items[0][price]", "price", price);
            line_items.push((self.prices.get(price).cloned().ok_or_else(missing)?, *quantity));
        }
        if line_items.is_empty() {
            return Err(Fault::required("line_items"));
        }
        let session = CheckoutSession {
            id: self.seed.id("cs_test"),
            created: self.now,
            mode: if new.once { CheckoutMode::Payment } else { CheckoutMode::Subscription },
            status: "open",
            paid: false,
            customer: new.customer,
            customer_email: new.customer_email,
            subscription: None,
            invoice: None,
            client_reference_id: new.client_reference_id,
            metadata: new.metadata,
            subscription_metadata: new.subscription_metadata,
            trial_period_days: new.trial_period_days,
            line_items,
            success_url: new.success_url,
            delayed: new.delayed,
        };
        Ok(self.checkouts.put(session))
    }

    /// The buyer pays with this payment method: the session makes the subscription and is complete.
    ///
    /// # Errors
    /// When it is not there or not open, or the payment fails.
    pub fn complete_checkout(
        &mut self, id: &str, payment: Payment,
    ) -> Result<Arc<CheckoutSession>, Fault> {
        let session = self.open_checkout(id)?;
        let method = self.payment(payment, None)?;
        let given = self.payment_methods.get(&method).and_then(|method| method.email.clone());
        let email = session.customer_email.clone().or(given);
        let customer = match &session.customer {
            Some(customer) => Some(customer.clone()),
            None if session.mode == CheckoutMode::Payment => None,
            None => {
                let email = email.clone().map_or(Patch::Keep, Patch::Set);
                let new = CustomerChange { email, ..CustomerChange::default() };
                Some(self.create_customer(new)?.id.clone())
            }
        };
        let mut changed = CheckoutSession::clone(&session);
        changed.customer_email = email;
        changed.customer.clone_from(&customer);
        if let (Some(customer), CheckoutMode::Subscription) = (&customer, session.mode) {
            self.payment(Payment::Id(method.clone()), Some(customer))?;
            let subscription = self.subscribe_from(&session, customer, &method)?;
            changed.subscription = Some(subscription.0);
            changed.invoice = subscription.1;
        }
        changed.status = "complete";
        changed.paid = !session.delayed;
        let session = self.checkouts.put(changed);
        let subject = Subject::Checkout(Arc::clone(&session));
        self.emit(self.now, "checkout.session.completed", subject, None);
        Ok(session)
    }

    /// The subscription that a session sold. It begins incomplete, as the payment comes after it.
    fn subscribe_from(
        &mut self, session: &CheckoutSession, customer: &str, method: &str,
    ) -> Result<(String, Option<String>), Fault> {
        let items = session.line_items.iter();
        let new = NewSubscription {
            customer: customer.to_owned(),
            items: items.map(|(price, quantity)| ItemChange::new(&price.id, *quantity)).collect(),
            metadata: session.subscription_metadata.clone(),
            trial_period_days: session.trial_period_days,
            payment_method: Some(method.to_owned()),
            payment_behavior: PaymentBehavior::DefaultIncomplete,
            ..NewSubscription::default()
        };
        let subscription = self.create_subscription(new)?;
        let invoice = subscription.latest_invoice.clone();
        let is_open = |id: &str| {
            self.invoices.get(id).is_some_and(|invoice| invoice.status == InvoiceStatus::Open)
        };
        if let Some(invoice) = invoice.as_deref().filter(|id| !session.delayed && is_open(id)) {
            let now = self.now_of(subscription.test_clock.as_deref());
            self.charge(now, invoice, None)?;
        }
        Ok((subscription.id.clone(), invoice))
    }

    /// The money of a delayed payment comes, or does not.
    ///
    /// # Errors
    /// When the session is not there.
    pub fn settle_checkout(&mut self, id: &str, comes: bool) -> Result<(), Fault> {
        let missing = || Fault::missing("checkout session", id);
        let session = self.checkouts.get_mut(id).ok_or_else(missing)?;
        session.paid = comes;
        let session = self.checkouts.get(id).cloned().ok_or_else(missing)?;
        if let Some(invoice) = session.invoice.as_deref().filter(|_| comes) {
            self.settle(self.now, invoice);
        }
        let kind = match comes {
            true => "checkout.session.async_payment_succeeded",
            false => "checkout.session.async_payment_failed",
        };
        self.emit(self.now, kind, Subject::Checkout(session), None);
        Ok(())
    }

    /// Ends a session that nobody completed.
    ///
    /// # Errors
    /// When it is not there or not open.
    pub fn expire_checkout(&mut self, id: &str) -> Result<Arc<CheckoutSession>, Fault> {
        let mut changed = CheckoutSession::clone(&*self.open_checkout(id)?);
        changed.status = "expired";
        let session = self.checkouts.put(changed);
        let subject = Subject::Checkout(Arc::clone(&session));
        self.emit(self.now, "checkout.session.expired", subject, None);
        Ok(session)
    }

    fn open_checkout(&self, id: &str) -> Result<Arc<CheckoutSession>, Fault> {
        let found = self.checkouts.get(id).cloned();
        let session = found.ok_or_else(|| Fault::missing("checkout session", id))?;
        match session.status {
            "open" => Ok(session),
            status => Err(Fault::invalid(format!("This Checkout Session is {status}."))),
        }
    }

    /// Makes a line for an invoice to come.
    ///
    /// # Errors
    /// When the customer is not there.
    pub fn create_invoice_item(
        &mut self, customer: &str, amount: i64, currency: &str, description: Option<String>,
    ) -> Result<Arc<InvoiceItem>, Fault> {
        let owner = self.live_customer("customer", customer)?;
        let item = InvoiceItem {
            id: self.seed.id("ii"),
            created: self.now_of(owner.test_clock.as_deref()),
            customer: customer.to_owned(),
            amount,
            currency: currency.to_owned(),
            description,
            invoice: None,
        };
        let item = self.invoice_items.put(item);
        self.emit(self.now, "invoiceitem.created", Subject::InvoiceItem(Arc::clone(&item)), None);
        Ok(item)
    }

    /// Makes an invoice from the lines that wait for one.
    ///
    /// # Errors
    /// When the customer is not there.
    pub fn create_invoice(
        &mut self, customer: &str, description: Option<String>, is_sent: bool,
    ) -> Result<Arc<Invoice>, Fault> {
        let owner = self.live_customer("customer", customer)?;
        let now = self.now_of(owner.test_clock.as_deref());
        let mut draft = self.empty_invoice(now, customer);
        let id = draft.id.clone();
        let waits = |item: &InvoiceItem| item.customer == customer && item.invoice.is_none();
        let waiting: Vec<_> =
            self.invoice_items.iter().filter(|item| waits(item)).cloned().collect();
        let lines: Vec<_> = waiting.iter().map(|item| self.manual_line(item, now)).collect();
        for item in &waiting {
            if let Some(item) = self.invoice_items.get_mut(&item.id) {
                item.invoice = Some(id.clone());
            }
        }
        if let Some(item) = waiting.first() {
            draft.currency.clone_from(&item.currency);
        }
        let invoice =
            Invoice { lines, description, is_sent, test_clock: owner.test_clock.clone(), ..draft };
        let invoice = self.invoices.put(invoice);
        self.tell_invoice(now, "invoice.created", &id);
        Ok(invoice)
    }

    fn manual_line(&mut self, item: &InvoiceItem, now: Instant) -> Line {
        Line {
            id: self.seed.id("il"),
            amount: item.amount,
            description: item.description.clone(),
            price: None,
            quantity: Some(1),
            item: None,
            invoice_item: Some(item.id.clone()),
            start: now,
            end: now,
        }
    }

    /// Moves an invoice on: `finalize`, `void`, `mark_uncollectible` or `send`.
    ///
    /// # Errors
    /// When it is not there, or its status does not allow it.
    pub fn move_invoice(&mut self, id: &str, step: &str) -> Result<Arc<Invoice>, Fault> {
        let invoice =
            self.invoices.get(id).cloned().ok_or_else(|| Fault::missing("invoice", id))?;
        let now = self.now_of(invoice.test_clock.as_deref());
        match (step, invoice.status) {
            ("finalize", InvoiceStatus::Draft) => self.open_invoice(now, id),
            ("void", InvoiceStatus::Open | InvoiceStatus::Uncollectible) => self.void(now, id),
            ("mark_uncollectible", InvoiceStatus::Open) => self.give_up(now, id),
            ("send", InvoiceStatus::Draft) => {
                self.open_invoice(now, id);
                self.tell_invoice(now, "invoice.sent", id);
            }
            ("send", InvoiceStatus::Open) => self.tell_invoice(now, "invoice.sent", id),
            (_, status) => {
                let message = format!("You can't {step} an invoice that is {}.", status.as_str());
                return Err(Fault::invalid(message));
            }
        }
        self.invoices.get(id).cloned().ok_or_else(|| Fault::missing("invoice", id))
    }

    /// Changes the metadata of an invoice.
    ///
    /// # Errors
    /// When it is not there.
    pub fn update_invoice(
        &mut self, id: &str, metadata: &MetadataChange,
    ) -> Result<Arc<Invoice>, Fault> {
        let missing = || Fault::missing("invoice", id);
        let before = self.invoices.get(id).cloned().ok_or_else(missing)?;
        let now = self.now_of(before.test_clock.as_deref());
        self.edit_invoice(id, |invoice| merge(&mut invoice.metadata, metadata));
        let after = self.invoices.get(id).cloned().ok_or_else(missing)?;
        if after != before {
            let subject = Subject::Invoice(Arc::clone(&after));
            self.emit(now, "invoice.updated", subject, Some(Subject::Invoice(before)));
        }
        Ok(after)
    }

    /// Deletes a draft.
    ///
    /// # Errors
    /// When it is not there, or is more than a draft.
    pub fn delete_invoice(&mut self, id: &str) -> Result<(), Fault> {
        let invoice =
            self.invoices.get(id).cloned().ok_or_else(|| Fault::missing("invoice", id))?;
        if invoice.status != InvoiceStatus::Draft || invoice.subscription.is_some() {
            return Err(Fault::invalid("You can only delete draft invoices that someone wrote."));
        }
        self.invoices.remove(id);
        self.emit(self.now, "invoice.deleted", Subject::Invoice(invoice), None);
        Ok(())
    }

    /// Deletes an invoice item that no invoice took in.
    ///
    /// # Errors
    /// When it is not there.
    pub fn delete_invoice_item(&mut self, id: &str) -> Result<(), Fault> {
        let missing = || Fault::missing("invoiceitem", id);
        let item = self.invoice_items.remove(id).ok_or_else(missing)?;
        self.emit(self.now, "invoiceitem.deleted", Subject::InvoiceItem(item), None);
        Ok(())
    }
}
