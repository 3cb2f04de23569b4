//! Customers and payment methods.

use super::{Renderer, metadata};
use crate::object::{Customer, PaymentMethod};
use serde_json::{Value, json};

impl Renderer {
    /// A customer; of a deleted one, a stub.
    #[must_use]
    pub fn customer(&self, customer: &Customer) -> Value {
        if customer.deleted {
            return json!({ "id": customer.id, "object": "customer", "deleted": true });
        }
        json!({
            "id": customer.id,
            "object": "customer",
            "address": null,
            "balance": 0,
            "created": customer.created.timestamp(),
            "currency": null,
            "default_source": null,
            "delinquent": false,
            "description": customer.description,
            "discount": null,
            "email": customer.email,
            "invoice_prefix": customer.id.get(4..12).map(str::to_uppercase),
            "invoice_settings": {
                "custom_fields": null,
                "default_payment_method": customer.payment_method,
                "footer": null,
                "rendering_options": null,
            },
            "livemode": self.livemode,
            "metadata": metadata(&customer.metadata),
            "name": customer.name,
            "phone": null,
            "preferred_locales": [],
            "shipping": null,
            "tax_exempt": "none",
            "test_clock": customer.test_clock,
        })
    }

    /// A payment method.
    #[must_use]
    pub fn payment_method(&self, method: &PaymentMethod) -> Value {
        let address = json!({
            "city": null, "country": null, "line1": null, "line2": null, "postal_code": null,
            "state": null,
        });
        let mut object = json!({
            "id": method.id,
            "object": "payment_method",
            "allow_redisplay": "unspecified",
            "billing_details": {
                "address": address, "email": method.email, "name": null, "phone": null,
                "tax_id": null,
            },
            "created": method.created.timestamp(),
            "customer": method.customer,
            "livemode": self.livemode,
            "metadata": {},
            "type": method.kind,
        });
        object[method.kind.as_str()] = json!({
            "brand": "visa",
            "checks": null,
            "country": "US",
            "exp_month": 12,
            "exp_year": 2040,
            "funding": "credit",
            "last4": "4242",
            "networks": null,
            "wallet": null,
        });
        object
    }
}
