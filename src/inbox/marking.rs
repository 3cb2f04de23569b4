//! What an event tells of is marked, to be asked for.

use super::Inbox;
use super::apply::{Alerts, How, Outcome, Telling, Told, Unapplied, done, waits};
use crate::clock;
use crate::store::{MarkKind, ObjectRef, StoreError};
use crate::stripe::links::WaitsFor;
use crate::stripe::objects::{Customer, Invoice, Schedule};
use crate::stripe::snapshot::Subscription;
use crate::stripe::topic::Topic;
use chrono::TimeDelta;
use creditd_rules::id::is_valid;

impl Inbox {
    /// Marks an object, should there be a key to ask for it with.
    pub(super) async fn mark(&self, object: &ObjectRef) -> Result<(), StoreError> {
        self.mark_with(object, None).await
    }

    /// Marks an object, for an event that is done once it was fetched.
    pub(super) async fn mark_with(
        &self, object: &ObjectRef, event: Option<&str>,
    ) -> Result<(), StoreError> {
        let Some(stripe) = &self.stripe else { return Ok(()) };
        let debounce = TimeDelta::from_std(stripe.manners.debounce).unwrap_or_default();
        self.store.mark(object, event, clock::wall() + debounce).await?;
        stripe.wake.notify_one();
        Ok(())
    }

    /// Whether what events tell of is fetched now, rather than applied as they tell.
    pub(super) fn asks(&self, how: How) -> bool {
        how == How::Asking && self.stripe.as_ref().is_some_and(|stripe| stripe.is_up())
    }

    /// An event about a subscription.
    pub(super) async fn subscription(
        &self, subscription: &Subscription, rank: u8, how: How, told: &Telling, alerts: &mut Alerts,
    ) -> Result<Told, Unapplied> {
        let object = ObjectRef::subscription(subscription.id());
        if subscription.is_cut() && self.stripe.is_none() {
            let detail = String::from("its items do not fit in the event");
            alerts.add("api_key_needed", subscription.id().as_str(), detail);
            return Ok(waits(WaitsFor::ApiKey, "its items do not fit: needs an API key"));
        }
        if !self.asks(how) && !subscription.is_cut() {
            let told = self.subscription_as_told(subscription, rank, told, alerts).await?;
            // What was applied as told is compared with the truth later.
            if how == How::Asking {
                self.mark(&object).await?;
            }
            return Ok(told);
        }
        let known = self.store.workspace_of_subscription(subscription.id()).await?;
        if known.is_none() {
            // It waits where everybody sees it. Its customer may say more when it is asked for.
            let mut said_when_fetched = Alerts::default();
            if let Err(on) = self.place(subscription, &mut said_when_fetched).await? {
                self.mark(&object).await?;
                return Ok(waits(on, "it names what is not known yet"));
            }
        }
        Ok((Outcome::Marked(object), None))
    }

    /// An event about a schedule.
    pub(super) async fn schedule(
        &self, schedule: &Schedule, how: How, told: &Telling,
    ) -> Result<Told, Unapplied> {
        let Some(subscription) = schedule.subscription() else {
            return Ok(done("it steers no subscription yet"));
        };
        let object = ObjectRef::subscription(&subscription);
        if self.asks(how) {
            return Ok((Outcome::Marked(object), None));
        }
        let told = self.schedule_as_told(schedule, subscription, told).await?;
        if how == How::Asking {
            self.mark(&object).await?;
        }
        Ok(told)
    }

    /// An event about an invoice, which may have changed whether its subscription is paid.
    pub(super) async fn invoice(&self, invoice: &Invoice) -> Result<Told, Unapplied> {
        let Some(subscription) = invoice.subscription() else {
            return Ok(done("it bills no subscription"));
        };
        Ok((Outcome::Marked(ObjectRef::subscription(&subscription)), None))
    }

    /// A thin event, which only names its object.
    pub(super) async fn thin(
        &self, topic: Topic, related: Option<String>, told: &Telling, alerts: &mut Alerts,
    ) -> Result<Told, Unapplied> {
        let id = related.filter(|id| is_valid(id)).ok_or_else(|| {
            Unapplied::Unreadable(String::from("the event names no object that it is about"))
        })?;
        let kind = match topic {
            Topic::Subscription { .. } => MarkKind::Subscription,
            Topic::Schedule => MarkKind::Schedule,
            Topic::Invoice { .. } => MarkKind::Invoice,
            Topic::Checkout => MarkKind::Checkout,
            Topic::Customer => MarkKind::Customer,
            Topic::CustomerDeleted => {
                return self.customer_deleted(&Customer::of(&id), told).await;
            }
            Topic::Refund | Topic::Catalogue => return Ok((Outcome::Done, None)),
        };
        if self.stripe.is_none() {
            let detail = String::from("it only names its object");
            alerts.add("api_key_needed", told.by.as_deref().unwrap_or_default(), detail);
            return Ok(waits(WaitsFor::ApiKey, "it only names its object: needs an API key"));
        }
        Ok((Outcome::Marked(ObjectRef { kind, id }), None))
    }
}
