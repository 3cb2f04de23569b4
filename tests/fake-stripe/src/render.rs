//! Objects and events as JSON, in the shape of an API version.
//!
//! | since | what changes |
//! |---|---|
//! | 2022-11-15 | `cancellation_details`, `trial_settings` |
//! | 2023-10-16 | `billing_cycle_anchor_config`, `invoice_settings` of subscriptions |
//! | 2024-12-18 | invoices have `parent`, too |
//! | 2025-03-31 | periods are the items', not the subscription's; invoices have `parent` alone |
//! | 2025-06-30 | `billing_mode` |
//! | 2026-05-27 | `billing_schedules` |
//! | 2026-09-30 | `status_details`, `pause_schedules`, `current_trial` of items |

mod customer;
mod catalogue;
mod subscription;
mod schedule;
mod invoice;
mod checkout;

use crate::calendar::Instant;
use crate::event::{Event, Subject};
use crate::object::{Metadata, TestClock};
use crate::stripe::Settings;
use crate::version::ApiVersion;
use serde_json::{Map, Value, json};

/// Renders in one API version.
#[derive(Debug, Clone)]
pub struct Renderer {
    /// In which.
    pub version: ApiVersion,
    livemode: bool,
    embedded_items: usize,
}

impl Renderer {
    /// For an account's objects, in a version.
    #[must_use]
    pub const fn new(settings: &Settings, version: ApiVersion) -> Self {
        let Settings { livemode, embedded_items, .. } = settings;
        Self { version, livemode: *livemode, embedded_items: *embedded_items }
    }

    /// Any object that an event can tell of.
    #[must_use]
    pub fn subject(&self, subject: &Subject) -> Value {
        match subject {
            Subject::Customer(it) => self.customer(it),
            Subject::PaymentMethod(it) => self.payment_method(it),
            Subject::Product(it) => self.product(it),
            Subject::Price(it) => self.price(it),
            Subject::Subscription(it) => self.subscription(it),
            Subject::Schedule(it) => self.schedule(it),
            Subject::Invoice(it) => self.invoice(it),
            Subject::InvoiceItem(it) => self.invoice_item(it),
            Subject::Checkout(it) => self.checkout(it),
            Subject::TestClock(it) => self.test_clock(it),
            Subject::Other(it) => it.clone(),
        }
    }

    /// An event with the whole object, as it was when it happened.
    #[must_use]
    pub fn event(&self, event: &Event) -> Value {
        let object = self.subject(&event.subject);
        let mut data = json!({});
        if let Some(before) = &event.before {
            data["previous_attributes"] = changed(&self.subject(before), &object);
        }
        put(&mut data, "object", object);
        let mut shown = json!({
            "id": event.id,
            "object": "event",
            "api_version": self.version.as_str(),
            "created": event.created.timestamp(),
            "livemode": self.livemode,
            "pending_webhooks": i32::from(!event.is_delivered),
            "request": { "id": null, "idempotency_key": event.request },
            "type": event.kind,
        });
        put(&mut shown, "data", data);
        shown
    }

    /// The thin twin of an event: it names the object, and leaves it to be fetched.
    #[must_use]
    pub fn thin_event(&self, event: &Event) -> Value {
        let (kind, url) = event.subject.kind_and_path();
        json!({
            "id": event.thin_id,
            "object": "v2.core.event",
            "type": format!("v1.{}", event.kind),
            "created": event.created.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
            "livemode": self.livemode,
            "context": null,
            "reason": null,
            "related_object": { "id": event.subject.id(), "type": kind, "url": url },
            "snapshot_event": event.id,
        })
    }

    fn test_clock(&self, clock: &TestClock) -> Value {
        let status = if clock.is_advancing { "advancing" } else { "ready" };
        json!({
            "id": clock.id,
            "object": "test_helpers.test_clock",
            "created": clock.created.timestamp(),
            "deletes_after": clock.created.timestamp() + 30 * 86_400,
            "frozen_time": clock.frozen_time.timestamp(),
            "livemode": self.livemode,
            "name": clock.name,
            "status": status,
            "status_details": {},
        })
    }
}

/// What `previous_attributes` shows: of each field that changed, what it was. Objects are compared
/// field by field, lists as a whole.
fn changed(before: &Value, after: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (before, after) else { return before.clone() };
    let mut shown = Map::new();
    for (key, was) in old {
        match new.get(key) {
            Some(is) if is == was => {}
            Some(is @ Value::Object(_)) if was.is_object() => {
                shown.insert(key.clone(), changed(was, is));
            }
            _ => {
                shown.insert(key.clone(), was.clone());
            }
        }
    }
    for key in new.keys().filter(|key| !old.contains_key(*key)) {
        shown.insert(key.clone(), Value::Null);
    }
    Value::Object(shown)
}

/// Seconds after 1970, or null.
fn unix(at: Option<Instant>) -> Value {
    at.map_or(Value::Null, |at| json!(at.timestamp()))
}

fn metadata(metadata: &Metadata) -> Value {
    json!(metadata)
}

/// A list that came whole.
fn list(data: Vec<Value>, url: &str) -> Value {
    let count = data.len();
    let mut list = json!({ "object": "list", "has_more": false, "total_count": count, "url": url });
    put(&mut list, "data", Value::Array(data));
    list
}

/// Adds a field to an object as it is: `json!` would copy it.
fn put(object: &mut Value, field: &'static str, value: Value) {
    if let Value::Object(object) = object {
        object.insert(field.to_owned(), value);
    }
}

/// Adds fields to an object.
fn extend(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}

#[cfg(test)]
mod tests;
