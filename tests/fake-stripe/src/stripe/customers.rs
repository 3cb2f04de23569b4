//! Customers, their payment methods, and the clocks that they follow.

use super::Stripe;
use crate::calendar::Instant;
use crate::event::Subject;
use crate::fault::Fault;
use crate::object::{Card, Customer, Metadata, PaymentMethod, TestClock};
use crate::request::{CustomerChange, Patch, Payment, merge};
use std::sync::Arc;

impl Stripe {
    /// Makes a customer.
    ///
    /// # Errors
    /// When its payment method or its test clock is not there.
    pub fn create_customer(&mut self, new: CustomerChange) -> Result<Arc<Customer>, Fault> {
        if let Some(clock) = &new.test_clock
            && self.test_clocks.get(clock).is_none()
        {
            return Err(Fault::missing_param("test_clock", "testclock", clock));
        }
        let now = self.now_of(new.test_clock.as_deref());
        let customer = Customer {
            id: self.seed.id("cus"),
            created: now,
            email: None,
            name: None,
            description: None,
            metadata: Metadata::new(),
            payment_method: None,
            test_clock: new.test_clock.clone(),
            deleted: false,
        };
        let id = customer.id.clone();
        self.customers.put(customer);
        if let Err(fault) = self.apply_to_customer(&id, new) {
            self.customers.remove(&id);
            return Err(fault);
        }
        let customer = self.live_customer("customer", &id)?;
        self.emit(now, "customer.created", Subject::Customer(Arc::clone(&customer)), None);
        Ok(customer)
    }

    /// Makes a customer whose card behaves so, with this metadata: what most tests begin with.
    pub fn customer_with(&mut self, card: Card, metadata: &[(&str, &str)]) -> Arc<Customer> {
        let pairs = metadata.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned()));
        let new = CustomerChange {
            metadata: pairs.collect(),
            payment: Patch::Set(Payment::Card(card)),
            ..CustomerChange::default()
        };
        let Ok(customer) = self.create_customer(new) else {
            unreachable!("nothing is named that could be missing")
        };
        customer
    }

    /// Changes a customer.
    ///
    /// # Errors
    /// When it or its payment method is not there.
    pub fn update_customer(
        &mut self, id: &str, change: CustomerChange,
    ) -> Result<Arc<Customer>, Fault> {
        let before = self.live_customer("id", id)?;
        self.apply_to_customer(id, change)?;
        let customer = self.live_customer("id", id)?;
        if before != customer {
            let now = self.now_of(customer.test_clock.as_deref());
            let subject = Subject::Customer(Arc::clone(&customer));
            self.emit(now, "customer.updated", subject, Some(Subject::Customer(before)));
        }
        Ok(customer)
    }

    fn apply_to_customer(&mut self, id: &str, change: CustomerChange) -> Result<(), Fault> {
        let payment = match change.payment {
            Patch::Set(payment) => Patch::Set(self.payment(payment, Some(id))?),
            Patch::Clear => Patch::Clear,
            Patch::Keep => Patch::Keep,
        };
        let Some(customer) = self.customers.get_mut(id) else {
            return Err(Fault::missing("customer", id));
        };
        change.email.apply(&mut customer.email);
        change.name.apply(&mut customer.name);
        change.description.apply(&mut customer.description);
        merge(&mut customer.metadata, &change.metadata);
        payment.apply(&mut customer.payment_method);
        Ok(())
    }

    /// Deletes a customer, and with it ends all its subscriptions.
    ///
    /// # Errors
    /// When it is not there.
    pub fn delete_customer(&mut self, id: &str) -> Result<Arc<Customer>, Fault> {
        let customer = self.live_customer("id", id)?;
        let now = self.now_of(customer.test_clock.as_deref());
        let live = self.subscriptions.iter().filter(|sub| sub.customer == id && sub.is_live());
        let live: Vec<_> = live.map(|sub| sub.id.clone()).collect();
        for subscription in live {
            self.end(now, &subscription, "cancellation_requested");
        }
        self.emit(now, "customer.deleted", Subject::Customer(customer), None);
        if let Some(customer) = self.customers.get_mut(id) {
            customer.deleted = true;
        }
        self.customers.get(id).cloned().ok_or_else(|| Fault::missing("customer", id))
    }

    pub(super) fn live_customer(&self, param: &str, id: &str) -> Result<Arc<Customer>, Fault> {
        let found = self.customers.get(id).filter(|customer| !customer.deleted).cloned();
        found.ok_or_else(|| match param {
            "id" => Fault::missing("customer", id),
            _ => Fault::missing_param(param, "customer", id),
        })
    }

    /// Makes the customer's card behave so from now on; a customer without one gets one.
    ///
    /// # Errors
    /// When the customer is not there.
    pub fn set_card(&mut self, customer: &str, card: Card) -> Result<(), Fault> {
        let found = self.live_customer("customer", customer)?;
        let known = found.payment_method.as_deref();
        if let Some(method) = known.and_then(|id| self.payment_methods.get_mut(id)) {
            method.card = card;
            return Ok(());
        }
        let payment = Patch::Set(Payment::Card(card));
        self.update_customer(customer, CustomerChange { payment, ..CustomerChange::default() })?;
        Ok(())
    }

    /// Makes a payment method that belongs to nobody yet.
    pub fn create_payment_method(
        &mut self, kind: &str, card: Card, email: Option<String>,
    ) -> Arc<PaymentMethod> {
        let id = self.seed.id("pm");
        let kind = kind.to_owned();
        let (created, customer) = (self.now, None);
        self.payment_methods.put(PaymentMethod { id, created, kind, card, customer, email })
    }

    /// Gives a payment method to a customer.
    ///
    /// # Errors
    /// When one of them is not there.
    pub fn attach(&mut self, id: &str, customer: &str) -> Result<Arc<PaymentMethod>, Fault> {
        self.live_customer("customer", customer)?;
        let id = self.payment(Payment::Id(id.to_owned()), Some(customer))?;
        let found = self.payment_methods.get(&id).cloned();
        let method = found.ok_or_else(|| Fault::missing("PaymentMethod", &id))?;
        let subject = Subject::PaymentMethod(Arc::clone(&method));
        self.emit(self.now, "payment_method.attached", subject, None);
        Ok(method)
    }

    /// The id of a payment method that is named or made new. The names that Stripe has for tests,
    /// such as `pm_card_visa` and `tok_chargeCustomerFail`, make a new one each time.
    pub(super) fn payment(
        &mut self, payment: Payment, customer: Option<&str>,
    ) -> Result<String, Fault> {
        let id = match payment {
            Payment::Card(card) => self.create_payment_method("card", card, None).id.clone(),
            Payment::Id(id) => match test_card(&id) {
                Some(card) => self.create_payment_method("card", card, None).id.clone(),
                None => id,
            },
        };
        let Some(method) = self.payment_methods.get_mut(&id) else {
            return Err(Fault::missing_param("payment_method", "PaymentMethod", &id));
        };
        if let Some(customer) = customer {
            method.customer = Some(customer.to_owned());
        }
        Ok(id)
    }

    /// What a charge of this customer would meet; none without a payment method.
    pub(super) fn card(&self, own: Option<&str>, customer: &str) -> Option<Card> {
        let customers = || self.customers.get(customer)?.payment_method.as_deref();
        let method = own.or_else(customers)?;
        self.payment_methods.get(method).map(|method| method.card)
    }

    /// Makes a test clock, which stands at an instant until it is advanced.
    pub fn create_test_clock(&mut self, at: Instant, name: Option<String>) -> Arc<TestClock> {
        let clock = TestClock {
            id: self.seed.id("clock"),
            created: self.now,
            frozen_time: at,
            name,
            is_advancing: false,
        };
        let clock = self.test_clocks.put(clock);
        let subject = Subject::TestClock(Arc::clone(&clock));
        self.emit(self.now, "test_helpers.test_clock.created", subject, None);
        clock
    }

    /// Deletes a test clock with its customers and their subscriptions, of which nothing is told.
    ///
    /// # Errors
    /// When it is not there.
    pub fn delete_test_clock(&mut self, id: &str) -> Result<(), Fault> {
        let clock = self.test_clocks.remove(id).ok_or_else(|| Fault::missing("testclock", id))?;
        let follows = |clock: &Option<String>| clock.as_deref() == Some(id);
        let gone = self.customers.iter().filter(|customer| follows(&customer.test_clock));
        for customer in gone.map(|customer| customer.id.clone()).collect::<Vec<_>>() {
            self.customers.remove(&customer);
        }
        let gone = self.subscriptions.iter().filter(|sub| follows(&sub.test_clock));
        for subscription in gone.map(|sub| sub.id.clone()).collect::<Vec<_>>() {
            self.subscriptions.remove(&subscription);
        }
        self.agenda.remove(&Some(id.to_owned()));
        self.emit(self.now, "test_helpers.test_clock.deleted", Subject::TestClock(clock), None);
        Ok(())
    }
}

/// How the cards behave that Stripe names for tests; none for other names.
fn test_card(name: &str) -> Option<Card> {
    let name = name.strip_prefix("pm_card_").or_else(|| name.strip_prefix("tok_"))?;
    Some(match name {
        "chargeCustomerFail" | "chargeDeclined" => Card::Declines,
        _ if name.starts_with("threeDSecure") => Card::Confirms,
        _ if name.starts_with("authenticationRequired") => Card::Confirms,
        _ => Card::Pays,
    })
}
