//! Products and prices, and prices in the shape of the plans that came before them.

use super::{Renderer, extend, metadata};
use crate::object::{Price, Product};
use serde_json::{Value, json};

impl Renderer {
    /// A product.
    #[must_use]
    pub fn product(&self, product: &Product) -> Value {
        json!({
            "id": product.id,
            "object": "product",
            "active": product.active,
            "created": product.created.timestamp(),
            "default_price": null,
            "description": product.description,
            "images": [],
            "livemode": self.livemode,
            "marketing_features": [],
            "metadata": metadata(&product.metadata),
            "name": product.name,
            "package_dimensions": null,
            "shippable": null,
            "statement_descriptor": null,
            "tax_code": null,
            "type": "service",
            "unit_label": null,
            "updated": product.created.timestamp(),
            "url": null,
        })
    }

    /// A price.
    #[must_use]
    pub fn price(&self, price: &Price) -> Value {
        let recurring = price.recurring.as_ref().map(|recurring| {
            let mut object = json!({
                "interval": recurring.unit.as_str(),
                "interval_count": recurring.count,
                "trial_period_days": recurring.trial_period_days,
                "usage_type": usage_type(recurring.metered),
            });
            extend(&mut object, self.usage_fields());
            object
        });
        json!({
            "id": price.id,
            "object": "price",
            "active": price.active,
            "billing_scheme": "per_unit",
            "created": price.created.timestamp(),
            "currency": price.currency,
            "custom_unit_amount": null,
            "livemode": self.livemode,
            "lookup_key": price.lookup_key,
            "metadata": metadata(&price.metadata),
            "nickname": price.nickname,
            "product": price.product,
            "recurring": recurring,
            "tax_behavior": "unspecified",
            "tiers_mode": null,
            "transform_quantity": null,
            "type": if price.recurring.is_some() { "recurring" } else { "one_time" },
            "unit_amount": price.unit_amount,
            "unit_amount_decimal": price.unit_amount.to_string(),
        })
    }

    /// A price as the plan that items still show beside it; null for one that is paid once.
    #[must_use]
    pub fn plan(&self, price: &Price) -> Value {
        let Some(recurring) = &price.recurring else { return Value::Null };
        let mut plan = json!({
            "id": price.id,
            "object": "plan",
            "active": price.active,
            "amount": price.unit_amount,
            "amount_decimal": price.unit_amount.to_string(),
            "billing_scheme": "per_unit",
            "created": price.created.timestamp(),
            "currency": price.currency,
            "interval": recurring.unit.as_str(),
            "interval_count": recurring.count,
            "livemode": self.livemode,
            "metadata": metadata(&price.metadata),
            "nickname": price.nickname,
            "product": price.product,
            "tiers_mode": null,
            "transform_usage": null,
            "trial_period_days": recurring.trial_period_days,
            "usage_type": usage_type(recurring.metered),
        });
        extend(&mut plan, self.usage_fields());
        plan
    }

    fn usage_fields(&self) -> Value {
        let mut fields = json!({});
        if !self.version.since("2025-03-31") {
            fields["aggregate_usage"] = Value::Null;
        }
        if self.version.since("2024-06-20") {
            fields["meter"] = Value::Null;
        }
        fields
    }
}

const fn usage_type(metered: bool) -> &'static str {
    if metered { "metered" } else { "licensed" }
}
