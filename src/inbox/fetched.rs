//! Asks for one marked object, and applies what Stripe says of it.

use super::Inbox;
use super::apply::{Alerts, Outcome, Telling};
use super::fetching::{Fetch, Unfetched};
use super::linking::{Found, Place};
use super::truth::{self, Said};
use crate::store::{Home, MarkKind, MarkOutcome, ObjectRef, StoreError, StoredEvent};
use crate::stripe::api::ApiError;
use crate::stripe::api::asking::{Asking, Fetched};
use crate::stripe::difference;
use crate::stripe::links::{Claims, WaitsFor};
use crate::stripe::objects::{CheckoutSession, Customer, Invoice, Schedule};
use crate::stripe::snapshot::Subscription;
use crate::stripe::topic::{Topic, topic};
use chrono::TimeDelta;
use creditd_rules::Command;
use creditd_rules::command::{Alert, Snapshot, Source, Touch};
use creditd_rules::id::{CustomerId, SubscriptionId, WorkspaceId};
use creditd_rules::{Instant, state};

impl Inbox {
    /// Asks for an object and applies it, or hands its events on to what it concerns.
    pub(super) async fn fetch(
        &self, stripe: &Asking, object: &ObjectRef, events: &[StoredEvent],
    ) -> Result<Fetch, Unfetched> {
        let id = object.id.as_str();
        let mut alerts = Alerts::default();
        let fetch = match object.kind {
            MarkKind::Subscription => {
                let fetched = stripe.subscription(id).await?;
                let outcome = self.fetched(stripe, &fetched, events, &mut alerts).await?;
                Fetch { outcome, moved: false }
            }
            MarkKind::Schedule => {
                let json = stripe.get(&format!("/subscription_schedules/{id}"), &[]).await?;
                self.pass_on(Schedule::read(&json)?.subscription(), events).await?
            }
            MarkKind::Invoice => {
                let json = stripe.get(&format!("/invoices/{id}"), &[]).await?;
                self.pass_on(Invoice::read(&json)?.subscription(), events).await?
            }
            MarkKind::Checkout => {
                let json = stripe.get(&format!("/checkout/sessions/{id}"), &[]).await?;
                let session = CheckoutSession::read(&json)?;
                let told = self.checkout(&session, &telling(events), &mut alerts).await?;
                linked(told)
            }
            MarkKind::Customer => {
                let customer =
                    Customer::read(&stripe.get(&format!("/customers/{id}"), &[]).await?)?;
                linked(match customer.is_deleted() {
                    true => self.customer_deleted(&customer, &telling_of_end(events)).await?,
                    false => self.customer(&customer, &mut alerts).await?,
                })
            }
        };
        for alert in alerts.0 {
            self.raise(&alert, id);
        }
        Ok(fetch)
    }

    /// What was fetched concerns a subscription, which is marked in its place.
    async fn pass_on(
        &self, to: Option<SubscriptionId>, events: &[StoredEvent],
    ) -> Result<Fetch, Unfetched> {
        let Some(subscription) = to else {
            return Ok(Fetch { outcome: MarkOutcome::Applied, moved: false });
        };
        let object = ObjectRef::subscription(&subscription);
        for stored in events {
            self.mark_with(&object, Some(&stored.event.id)).await?;
        }
        if events.is_empty() {
            self.mark(&object).await?;
        }
        Ok(Fetch { outcome: MarkOutcome::Applied, moved: true })
    }

    /// Applies a subscription as Stripe has it.
    async fn fetched(
        &self, stripe: &Asking, fetched: &Fetched, events: &[StoredEvent], alerts: &mut Alerts,
    ) -> Result<MarkOutcome, Unfetched> {
        let subscription = &fetched.subscription;
        if fetched.livemode.is_some_and(|livemode| livemode != stripe.livemode) {
            let note = "the API key is one of the other mode";
            alerts.add("event_other_mode", subscription.id().as_str(), note.to_owned());
            return Ok(MarkOutcome::Parked(note.to_owned()));
        }
        let place = match self.place(subscription, alerts).await? {
            Ok(place) => place,
            Err(WaitsFor::Customer(customer)) => {
                let linked = self.ask_for_customer(stripe, &customer, alerts).await?;
                return Ok(match linked {
                    Ok(()) => {
                        self.mark(&ObjectRef::subscription(subscription.id())).await?;
                        let note = String::from("its customer was linked");
                        MarkOutcome::Retry { at: self.soon(), note }
                    }
                    Err(on) => MarkOutcome::Waits(on.to_string()),
                });
            }
            Err(on) => return Ok(MarkOutcome::Waits(on.to_string())),
        };
        self.apply_fetched(stripe, fetched, &place, events).await?;
        if place.is_new {
            let waiting = WaitsFor::Subscription(subscription.id().clone()).to_string();
            self.store.release_events(&waiting).await?;
        }
        Ok(MarkOutcome::Applied)
    }

    /// A customer who is not linked may say in its metadata whose it is. Once linked, its events
    /// are released, and what they tell of is fetched with them.
    async fn ask_for_customer(
        &self, stripe: &Asking, id: &CustomerId, alerts: &mut Alerts,
    ) -> Result<Found<()>, Unfetched> {
        let unknown = || WaitsFor::Customer(id.clone());
        let customer = match stripe.get(&format!("/customers/{id}"), &[]).await {
            Ok(json) => Customer::read(&json)?,
            Err(ApiError::Missing) => return Ok(Err(unknown())),
            Err(cause) => return Err(cause.into()),
        };
        let claims = Claims::read(|key| customer.metadata(key), None);
        alerts.unusable_claims(&claims, id.as_str());
        let link = self.link(id, &claims, alerts).await?;
        Ok(link.and_then(|workspace| workspace.map(|_| ()).ok_or_else(unknown)))
    }

    /// Lets differences between Stripe and our copy become commands.
    async fn apply_fetched(
        &self, stripe: &Asking, fetched: &Fetched, place: &Place, events: &[StoredEvent],
    ) -> Result<(), Unfetched> {
        let subscription = &fetched.subscription;
        let (now, ours) = self.ours(&place.workspace, subscription.id()).await?;
        let buyer = place.buyer.clone();
        let mut snapshot = subscription.snapshot(&*self.prices, buyer, now, Source::Fetched)?;
        // All is asked for before anything is applied.
        let announced = stripe.next_change(fetched.schedule.as_ref(), &*self.prices, now).await?;
        let said = events.iter().map(|stored| Said::read(stored, &*self.prices)).collect();
        let fields = difference::fields(ours.as_ref(), &snapshot);
        let kinds = difference::kinds(ours.as_ref(), &fields);
        let told = truth::told(said, &snapshot, ours.as_ref(), &kinds);
        let first = told.first.unwrap_or(Telling { by: Some("stripe".to_owned()), at: None });
        snapshot.created = first.at.unwrap_or(now);
        let differs = !kinds.is_empty();
        let known_until = ours.as_ref().map(|ours| ours.told.created);
        if differs {
            let command = Command::Observe(snapshot.clone());
            self.submit(place.workspace.clone(), command, &first).await?;
        }
        // Events up to the latest one are known, should Stripe be out of reach when others come.
        let known_until = if differs { Some(snapshot.created) } else { known_until };
        if let Some(latest) = told.latest.filter(|latest| known_until.is_some_and(|k| *latest > k))
        {
            snapshot.created = latest;
            let command = Command::Observe(snapshot.clone());
            self.submit(place.workspace.clone(), command, &first).await?;
        }
        if difference::announced(ours.as_ref(), announced.as_ref()).differs {
            // What the subscription's schedule brings, or that there is none (R10).
            let subscription = subscription.id().clone();
            let command = Command::Announce { subscription, change: announced };
            self.submit(place.workspace.clone(), command, &first).await?;
        }
        self.check_boundary(subscription, &snapshot);
        Ok(())
    }

    /// Our copy of a subscription, and the credit clock.
    pub(crate) async fn ours(
        &self, workspace: &WorkspaceId, id: &SubscriptionId,
    ) -> Result<(Instant, Option<state::Subscription>), StoreError> {
        let touch = Touch { team: true, ..Touch::default() };
        match self.store.read(&Home::Workspace(workspace.clone()), &touch).await? {
            Some((now, mut whole)) => Ok((now, whole.subscriptions.remove(id))),
            None => Ok((self.store.now().await?, None)),
        }
    }

    /// For prices by the month, Stripe's period ends at a boundary of ours; else one of us counts
    /// wrong.
    fn check_boundary(&self, subscription: &Subscription, snapshot: &Snapshot) {
        if !snapshot.status.is_some_and(state::Status::is_paid) {
            return;
        }
        for end in subscription.month_ends() {
            let ours = snapshot.timeline.next_after(end - TimeDelta::microseconds(1));
            if ours != end {
                let detail = format!("Stripe's period ends at {end}, our cycle at {ours}");
                let subject = subscription.id().to_string();
                self.raise(&Alert { code: "boundary_mismatch", subject, detail }, "");
            }
        }
    }
}

/// The outcome of what only links a customer.
fn linked((outcome, _): (Outcome, Option<String>)) -> Fetch {
    let outcome = match outcome {
        Outcome::Waits(on) => MarkOutcome::Waits(on.to_string()),
        Outcome::Done | Outcome::Ignored | Outcome::Parked | Outcome::Marked(_) => {
            MarkOutcome::Applied
        }
    };
    Fetch { outcome, moved: false }
}

/// What the first of these events tells.
fn telling(events: &[StoredEvent]) -> Telling {
    let first = events.iter().map(|stored| &stored.event).min_by_key(|event| event.created);
    Telling {
        by: Some(first.map_or_else(|| "stripe".to_owned(), |event| event.id.clone())),
        at: first.and_then(|event| event.created),
    }
}

/// What tells of a customer's end: the first event that says so. Another that only names the customer
/// may be older than the end, and tells neither that it came nor when.
fn telling_of_end(events: &[StoredEvent]) -> Telling {
    let says_so = |stored: &&StoredEvent| topic(&stored.event.kind) == Some(Topic::CustomerDeleted);
    let says: Vec<StoredEvent> = events.iter().filter(says_so).cloned().collect();
    telling(&says)
}

#[cfg(test)]
mod tests {
    use super::super::tests::event;
    use super::*;
    use crate::stripe::envelope::receive;
    use chrono::DateTime;
    use serde_json::json;

    fn told(kind: &str, created: i64) -> StoredEvent {
        let mut body = event(&format!("evt_{created}"), kind, json!({ "id": "cus_1" }));
        body["created"] = json!(created);
        let event = receive(body.to_string().as_bytes(), DateTime::UNIX_EPOCH, false);
        StoredEvent { event, arrival: 0, attempts: 0, waits_for: None, handled_at: None }
    }

    #[track_caller]
    fn check(events: &[(&str, i64)], by: &str, at: Option<i64>) {
        let events: Vec<_> = events.iter().map(|(kind, created)| told(kind, *created)).collect();
        let telling = telling_of_end(&events);
        assert_eq!(telling.by.as_deref(), Some(by));
        assert_eq!(telling.at.map(|at| at.timestamp()), at);
    }

    #[test]
    fn r11_a_customers_end_was_told_by_the_event_that_says_so() {
        check(&[("customer.created", 1), ("customer.deleted", 5)], "evt_5", Some(5));
        check(&[("v1.customer.deleted", 5), ("customer.updated", 7)], "evt_5", Some(5));
        check(&[("customer.created", 1), ("customer.updated", 3)], "stripe", None);
        check(&[], "stripe", None);
    }
}
