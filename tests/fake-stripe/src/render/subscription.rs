//! Subscriptions and their items.

use super::{Renderer, extend, metadata, put, unix};
use crate::calendar::AnchorConfig;
use crate::object::subscription::{Paused, PendingUpdate};
use crate::object::{Item, Subscription};
use serde_json::{Value, json};

/// Fields that subscriptions had not yet when the oldest version was new.
const ADDED_LATER: [&str; 5] =
    ["application", "currency", "description", "on_behalf_of", "test_clock"];

impl Renderer {
    /// A subscription.
    #[must_use]
    pub fn subscription(&self, sub: &Subscription) -> Value {
        let mut object = json!({
            "id": sub.id,
            "object": "subscription",
            "application": null,
            "application_fee_percent": null,
            "automatic_tax": self.automatic_tax(),
            "billing_cycle_anchor": sub.anchor.at.timestamp(),
            "cancel_at": unix(sub.cancel_at),
            "cancel_at_period_end": sub.cancel_at_period_end,
            "canceled_at": unix(sub.canceled_at),
            "collection_method": collection_method(sub.sends_invoices),
            "created": sub.created.timestamp(),
            "currency": crate::stripe::currency(&sub.items),
            "customer": sub.customer,
            "days_until_due": sub.sends_invoices.then_some(30),
            "default_payment_method": sub.payment_method,
            "default_source": null,
            "default_tax_rates": [],
            "description": sub.description,
            "ended_at": unix(sub.ended_at),
            "latest_invoice": sub.latest_invoice,
            "livemode": self.livemode,
            "metadata": metadata(&sub.metadata),
            "next_pending_invoice_item_invoice": null,
            "on_behalf_of": null,
            "pause_collection": pause_collection(sub),
            "payment_settings": {
                "payment_method_options": null, "payment_method_types": null,
                "save_default_payment_method": "off",
            },
            "pending_invoice_item_interval": null,
            "pending_setup_intent": null,
            "pending_update": self.pending_update(sub),
            "schedule": sub.schedule,
            "start_date": sub.start_date.timestamp(),
            "status": sub.status.as_str(),
            "test_clock": sub.test_clock,
            "transfer_data": null,
            "trial_end": unix(sub.trial_end),
            "trial_start": unix(sub.trial_start),
        });
        put(&mut object, "items", self.items(sub));
        extend(&mut object, self.by_version(sub));
        extend(&mut object, self.single_item(sub));
        if !self.version.since("2022-11-15")
            && let Value::Object(fields) = &mut object
        {
            for field in ADDED_LATER {
                fields.remove(field);
            }
        }
        object
    }

    /// The fields that came and went with versions.
    fn by_version(&self, sub: &Subscription) -> Value {
        let since = |date| self.version.since(date);
        let mut fields = json!({});
        if since("2025-03-31") {
            fields["discounts"] = json!([]);
        } else {
            let start = sub.items.iter().map(|item| item.period_start).min();
            fields["current_period_start"] = unix(start);
            fields["current_period_end"] = unix(sub.period_end());
            fields["discount"] = Value::Null;
        }
        if !since("2026-03-25") {
            fields["billing_thresholds"] = Value::Null;
        }
        if since("2022-11-15") {
            fields["cancellation_details"] =
                json!({ "comment": null, "feedback": null, "reason": sub.cancel_reason });
            fields["trial_settings"] = self.trial_settings(sub);
        }
        if since("2023-10-16") {
            fields["billing_cycle_anchor_config"] =
                sub.anchor_config.as_ref().map_or(Value::Null, anchor_config);
            fields["invoice_settings"] = invoice_settings();
        }
        if since("2025-06-30") {
            fields["billing_mode"] = billing_mode(sub.flexible, sub.created.timestamp());
        }
        if since("2026-05-27") {
            fields["billing_schedules"] = json!([]);
        }
        if since("2026-09-30") {
            fields["status_details"] = status_details(sub.paused);
            fields["pause_schedules"] = json!([]);
        }
        fields
    }

    /// What is still shown at the top where there is one item.
    fn single_item(&self, sub: &Subscription) -> Value {
        match sub.items.as_slice() {
            [item] => {
                let mut fields = json!({ "quantity": item.quantity });
                put(&mut fields, "plan", self.plan(&item.price));
                fields
            }
            _ => json!({ "plan": null, "quantity": null }),
        }
    }

    fn items(&self, sub: &Subscription) -> Value {
        let shown = sub.items.iter().take(self.embedded_items);
        let data: Vec<_> = shown.map(|item| self.item(sub, item)).collect();
        let mut list = json!({
            "object": "list",
            "has_more": data.len() < sub.items.len(),
            "total_count": sub.items.len(),
            "url": format!("/v1/subscription_items?subscription={}", sub.id),
        });
        put(&mut list, "data", Value::Array(data));
        list
    }

    /// An item of a subscription.
    #[must_use]
    pub fn item(&self, sub: &Subscription, item: &Item) -> Value {
        let mut object = json!({
            "id": item.id,
            "object": "subscription_item",
            "billing_thresholds": null,
            "created": item.created.timestamp(),
            "metadata": metadata(&item.metadata),
            "quantity": item.quantity,
            "subscription": sub.id,
            "tax_rates": [],
        });
        put(&mut object, "plan", self.plan(&item.price));
        put(&mut object, "price", self.price(&item.price));
        if item.quantity.is_none()
            && let Value::Object(fields) = &mut object
        {
            // Metered items do not say a quantity at all.
            fields.remove("quantity");
        }
        if self.version.since("2025-03-31") {
            object["current_period_start"] = json!(item.period_start.timestamp());
            object["current_period_end"] = json!(item.period_end.timestamp());
        }
        if self.version.since("2024-06-20") {
            object["discounts"] = json!([]);
        }
        if self.version.since("2026-09-30") {
            object["current_trial"] = Value::Null;
        }
        object
    }

    pub(super) fn automatic_tax(&self) -> Value {
        let mut tax = json!({ "enabled": false });
        if self.version.since("2023-10-16") {
            tax["liability"] = Value::Null;
        }
        if self.version.since("2024-12-18") {
            tax["disabled_reason"] = Value::Null;
        }
        tax
    }

    fn trial_settings(&self, sub: &Subscription) -> Value {
        let mut end = json!({ "missing_payment_method": sub.missing_payment.as_str() });
        if self.version.since("2026-09-30") {
            end["billing_cycle_anchor"] = Value::Null;
        }
        json!({ "end_behavior": end })
    }

    fn pending_update(&self, sub: &Subscription) -> Value {
        let Some(pending) = &sub.pending_update else { return Value::Null };
        let PendingUpdate { expires_at, items, .. } = &**pending;
        let items: Vec<_> = items.iter().map(|item| self.item(sub, item)).collect();
        json!({
            "billing_cycle_anchor": null,
            "expires_at": expires_at.timestamp(),
            "subscription_items": items,
            "trial_end": null,
            "trial_from_plan": null,
        })
    }
}

pub(super) const fn collection_method(sends_invoices: bool) -> &'static str {
    if sends_invoices { "send_invoice" } else { "charge_automatically" }
}

pub(super) fn billing_mode(flexible: bool, updated_at: i64) -> Value {
    if flexible {
        let details = json!({ "proration_discounts": "included" });
        json!({ "flexible": details, "type": "flexible", "updated_at": updated_at })
    } else {
        json!({ "flexible": null, "type": "classic" })
    }
}

pub(super) fn invoice_settings() -> Value {
    json!({ "account_tax_ids": null, "issuer": { "type": "self" } })
}

fn pause_collection(sub: &Subscription) -> Value {
    sub.pause_collection.map_or(Value::Null, |pause| {
        json!({ "behavior": pause.behavior.as_str(), "resumes_at": unix(pause.resumes_at) })
    })
}

fn anchor_config(config: &AnchorConfig) -> Value {
    json!({
        "day_of_month": config.day_of_month,
        "hour": config.hour,
        "minute": config.minute,
        "month": config.month,
        "second": config.second,
    })
}

fn status_details(paused: Option<Paused>) -> Value {
    paused.map_or(Value::Null, |paused| {
        let details = json!({
            "subscription": { "type": paused.reason },
            "transitioned_at": paused.at.timestamp(),
            "type": "subscription",
        });
        json!({ "paused": details })
    })
}
