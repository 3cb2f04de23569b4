//! Subscription schedules.

use super::subscription::{billing_mode, invoice_settings};
use super::{Renderer, metadata, put, unix};
use crate::object::Schedule;
use crate::object::schedule::Phase;
use serde_json::{Value, json};

impl Renderer {
    /// A schedule.
    #[must_use]
    pub fn schedule(&self, schedule: &Schedule) -> Value {
        let current = schedule.current.map(
            |(start, end)| json!({ "start_date": start.timestamp(), "end_date": end.timestamp() }),
        );
        let phases: Vec<_> = schedule.phases.iter().map(|phase| self.phase(phase)).collect();
        let mut object = json!({
            "id": schedule.id,
            "object": "subscription_schedule",
            "application": null,
            "canceled_at": unix(schedule.canceled_at),
            "completed_at": unix(schedule.completed_at),
            "created": schedule.created.timestamp(),
            "current_phase": current,
            "customer": schedule.customer,
            "default_settings": {
                "application_fee_percent": null,
                "automatic_tax": self.automatic_tax(),
                "billing_cycle_anchor": "automatic",
                "collection_method": "charge_automatically",
                "default_payment_method": null,
                "default_source": null,
                "description": null,
                "invoice_settings": invoice_settings(),
                "on_behalf_of": null,
                "transfer_data": null,
            },
            "end_behavior": if schedule.cancels_at_end { "cancel" } else { "release" },
            "livemode": self.livemode,
            "metadata": metadata(&schedule.metadata),
            "released_at": unix(schedule.released_at),
            "released_subscription": schedule.released_subscription,
            "renewal_interval": null,
            "status": schedule.status.as_str(),
            "subscription": schedule.subscription,
            "test_clock": schedule.test_clock,
        });
        put(&mut object, "phases", Value::Array(phases));
        if self.version.since("2025-06-30") {
            object["billing_mode"] = billing_mode(true, schedule.created.timestamp());
        }
        object
    }

    fn phase(&self, phase: &Phase) -> Value {
        let items = phase.items.iter().map(|item| {
            json!({
                "billing_thresholds": null,
                "discounts": [],
                "metadata": {},
                "plan": item.price.id,
                "price": item.price.id,
                "quantity": item.quantity,
                "tax_rates": [],
            })
        });
        let items: Vec<_> = items.collect();
        let first = phase.items.first();
        json!({
            "add_invoice_items": [],
            "application_fee_percent": null,
            "billing_cycle_anchor": phase.moves_anchor.then_some("phase_start"),
            "collection_method": null,
            "currency": first.map_or("usd", |item| item.price.currency.as_str()),
            "default_payment_method": null,
            "default_tax_rates": [],
            "description": null,
            "discounts": [],
            "end_date": phase.end.timestamp(),
            "invoice_settings": null,
            "items": items,
            "metadata": metadata(&phase.metadata),
            "on_behalf_of": null,
            "proration_behavior": phase.proration,
            "start_date": phase.start.timestamp(),
            "transfer_data": null,
            "trial_end": unix(phase.trial_end),
        })
    }
}
