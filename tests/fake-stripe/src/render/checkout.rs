//! Checkout sessions.

use super::{Renderer, metadata};
use crate::object::{CheckoutMode, CheckoutSession};
use serde_json::{Value, json};

/// How long a session stays open.
const OPEN_S: i64 = 86_400;

impl Renderer {
    /// A checkout session.
    #[must_use]
    pub fn checkout(&self, session: &CheckoutSession) -> Value {
        let total = session.total();
        let currency = session.line_items.first().map(|(price, _)| price.currency.as_str());
        let details = session.customer_email.as_ref().map(|email| {
            json!({
                "address": null, "email": email, "name": null, "phone": null, "tax_exempt": "none",
                "tax_ids": [],
            })
        });
        json!({
            "id": session.id,
            "object": "checkout.session",
            "amount_subtotal": total,
            "amount_total": total,
            "automatic_tax":
                { "enabled": false, "liability": null, "provider": null, "status": null },
            "billing_address_collection": null,
            "cancel_url": null,
            "client_reference_id": session.client_reference_id,
            "created": session.created.timestamp(),
            "currency": currency,
            "custom_fields": [],
            "custom_text": {
                "after_submit": null, "shipping_address": null, "submit": null,
                "terms_of_service_acceptance": null,
            },
            "customer": session.customer,
            "customer_creation": "always",
            "customer_details": details,
            "customer_email": session.customer_email,
            "expires_at": session.created.timestamp() + OPEN_S,
            "invoice": session.invoice,
            "livemode": self.livemode,
            "locale": null,
            "metadata": metadata(&session.metadata),
            "mode": match session.mode {
                CheckoutMode::Subscription => "subscription",
                CheckoutMode::Payment => "payment",
            },
            "payment_intent": null,
            "payment_link": null,
            "payment_method_collection": "always",
            "payment_method_options": {},
            "payment_method_types": ["card"],
            "payment_status": if session.paid { "paid" } else { "unpaid" },
            "phone_number_collection": { "enabled": false },
            "recovered_from": null,
            "setup_intent": null,
            "shipping_options": [],
            "status": session.status,
            "submit_type": null,
            "subscription": session.subscription,
            "success_url": session.success_url,
            "url": (session.status == "open").then(|| format!("fake:{}", session.id)),
        })
    }
}
