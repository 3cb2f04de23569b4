//! Stripe, as the daemon sees it: subscriptions, and signed events about them.

use super::calls::{accepted, word};
use super::time::at;
use super::{Daemon, PATIENCE, SECRET};
use bytes::Bytes;
use chrono::{DateTime, Months, Utc};
use creditd::client::Response;
use creditd::clock;
use creditd::store::{EventState, StoredEvent};
use creditd::stripe::signature;
use hyper::Method;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// A subscription, in the shape of a recent API version. What differs is set on the object.
#[derive(Debug, Clone)]
pub(crate) struct Subscription(pub(crate) Value);

impl Subscription {
    /// One month by month for one seat, bought at `start` by an account, through the customer of
    /// its workspace.
    pub(crate) fn new(id: &str, workspace: &str, account: &str, price: &str, start: &str) -> Self {
        let start = at(start).timestamp();
        Self(json!({
            "id": id, "object": "subscription", "customer": format!("cus_{workspace}"),
            "status": "active", "livemode": false, "created": start, "start_date": start,
            "billing_cycle_anchor": start, "cancel_at": null, "cancel_at_period_end": false,
            "canceled_at": null, "ended_at": null, "trial_start": null, "trial_end": null,
            "pause_collection": null, "metadata": { "account": account },
            "items": { "object": "list", "has_more": false, "data": [item("si_1", price, 1)] },
        }))
    }

    /// With another value of a field.
    pub(crate) fn set(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0[field] = value.into();
        self
    }

    /// With an instant in a field.
    pub(crate) fn set_at(self, field: &str, instant: &str) -> Self {
        self.set(field, at(instant).timestamp())
    }

    /// With another status.
    pub(crate) fn status(self, status: &str) -> Self {
        self.set("status", status)
    }

    /// With another price.
    pub(crate) fn price(self, price: &str) -> Self {
        self.items(&[(price, 1)])
    }

    /// With these items: prices and quantities.
    pub(crate) fn items(mut self, items: &[(&str, u32)]) -> Self {
        let items = items.iter().enumerate();
        let items =
            items.map(|(at, (price, quantity))| item(&format!("si_{at}"), price, *quantity));
        self.0["items"]["data"] = items.collect();
        self
    }

    /// Its id.
    pub(crate) fn id(&self) -> String {
        word(&self.0["id"])
    }

    /// As Stripe sends it: each item with its period, counted from the anchor.
    fn object(&self, now: DateTime<Utc>) -> Value {
        let mut object = self.0.clone();
        let anchor = DateTime::from_timestamp(object["billing_cycle_anchor"].as_i64().unwrap(), 0);
        let anchor = anchor.unwrap();
        let months = (0..).map(Months::new).map(|months| anchor + months);
        let end = months.into_iter().find(|end| *end > now).unwrap().timestamp();
        for item in object["items"]["data"].as_array_mut().unwrap() {
            if item["current_period_end"].is_null() {
                item["current_period_start"] = anchor.timestamp().into();
                item["current_period_end"] = end.into();
            }
        }
        object
    }
}

fn item(id: &str, price: &str, quantity: u32) -> Value {
    json!({
        "id": id, "object": "subscription_item", "quantity": quantity,
        "price": {
            "id": price, "object": "price", "product": format!("prod_{price}"), "lookup_key": null,
            "recurring": { "interval": "month", "interval_count": 1, "usage_type": "licensed" },
        },
    })
}

/// An event about an object.
pub(crate) fn event(id: &str, kind: &str, object: &Value, created: DateTime<Utc>) -> Value {
    json!({
        "id": id, "object": "event", "api_version": "2026-09-30.endive", "type": kind,
        "created": created.timestamp(), "livemode": false, "pending_webhooks": 1,
        "request": { "id": null, "idempotency_key": null }, "data": { "object": object },
    })
}

impl Daemon {
    /// Sends a body as Stripe does; whatever the answer is.
    pub(crate) async fn webhook(&self, body: &str) -> Response {
        let secret = SecretString::from(SECRET);
        let header = signature::header(&secret, body.as_bytes(), clock::wall());
        let headers = [("stripe-signature", header.as_str())];
        let body = Bytes::from(body.to_owned());
        self.client().send(Method::POST, "/webhooks/stripe", &headers, body).await.unwrap()
    }

    /// Sends an event and waits until it was dealt with.
    pub(crate) async fn event(&self, event: &Value) -> StoredEvent {
        accepted("webhook", self.webhook(&event.to_string()).await);
        self.dealt_with(&word(&event["id"])).await
    }

    /// An event, once it is no longer pending.
    pub(crate) async fn dealt_with(&self, id: &str) -> StoredEvent {
        let (store, deadline) = (self.store().await, Instant::now() + PATIENCE);
        loop {
            let event = store.event(id).await.unwrap().unwrap();
            if event.event.state != EventState::Pending {
                return event;
            }
            assert!(Instant::now() < deadline, "{id} is still pending: {event:?}");
            sleep(std::time::Duration::from_millis(2)).await;
        }
    }

    /// What became of an event that waited, once it does no more.
    pub(crate) async fn dealt_with_at_last(&self, id: &str) -> EventState {
        let (store, deadline) = (self.store().await, Instant::now() + PATIENCE);
        loop {
            let state = store.event(id).await.unwrap().unwrap().event.state;
            if !matches!(state, EventState::Pending | EventState::Waiting) {
                return state;
            }
            assert!(Instant::now() < deadline, "{id} is still {state:?}");
            sleep(std::time::Duration::from_millis(2)).await;
        }
    }

    /// Tells of a subscription as of `created`, and waits until that is applied.
    pub(crate) async fn told_at(&self, created: DateTime<Utc>, what: &str, sub: &Subscription) {
        let id = format!("evt_{}", self.number());
        let kind = format!("customer.subscription.{what}");
        let told = self.event(&event(&id, &kind, &sub.object(created), created)).await;
        assert_eq!(told.event.state, EventState::Done, "{:?}", told.event.note);
    }

    /// Tells of a subscription as of now, and waits until that is applied.
    pub(crate) async fn told(&self, what: &str, sub: &Subscription) {
        self.told_at(self.now, what, sub).await;
    }

    /// A subscription that is bought now, for one seat.
    pub(crate) async fn buys(&self, workspace: &str, account: &str, price: &str) -> Subscription {
        self.buys_many(workspace, account, &[(price, 1)]).await
    }

    /// A subscription that is bought now, for these items.
    pub(crate) async fn buys_many(
        &self, workspace: &str, account: &str, items: &[(&str, u32)],
    ) -> Subscription {
        let id = format!("sub_{}", self.number());
        let start = super::time::text(self.now);
        let sub = Subscription::new(&id, workspace, account, "", &start).items(items);
        self.told("created", &sub).await;
        sub
    }
}
