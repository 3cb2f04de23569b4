//! The demonstration's Stripe: signed events of one subscription.

use super::daemon::WEBHOOK_SECRET;
use crate::client::{Client, Response};
use crate::clock;
use anyhow::ensure;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use hyper::Method;
use secrecy::SecretString;
use serde_json::{Value, json};

/// The demonstration's subscription and customer.
pub(super) const SUBSCRIPTION: &str = "sub_demo";
/// See [`SUBSCRIPTION`].
pub(super) const CUSTOMER: &str = "cus_demo";

/// What the subscription is like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) price: &'static str,
    pub(super) quantity: u32,
    pub(super) bought_at: DateTime<Utc>,
    pub(super) renews_at: DateTime<Utc>,
}

impl Terms {
    fn object(&self) -> Value {
        let (anchor, end) = (self.bought_at.timestamp(), self.renews_at.timestamp());
        json!({
            "id": SUBSCRIPTION, "object": "subscription", "customer": CUSTOMER,
            "status": "active", "livemode": false, "created": anchor, "start_date": anchor,
            "billing_cycle_anchor": anchor, "cancel_at": null, "cancel_at_period_end": false,
            "metadata": { "account": "ann" },
            "items": { "object": "list", "has_more": false, "data": [{
                "id": "si_demo", "object": "subscription_item", "quantity": self.quantity,
                "current_period_start": anchor, "current_period_end": end,
                "price": {
                    "id": self.price, "object": "price", "product": "prod_demo",
                    "recurring": { "interval": "month", "interval_count": 1 },
                },
            }] },
        })
    }
}

/// Sends a signed event about the subscription; the answer must be 200.
pub(super) async fn send(
    client: &Client, id: &str, kind: &str, terms: &Terms, created: DateTime<Utc>,
) -> anyhow::Result<Response> {
    let event = json!({
        "id": id, "object": "event", "api_version": "2026-09-30.endive", "type": kind,
        "created": created.timestamp(), "livemode": false, "data": { "object": terms.object() },
    });
    let body = event.to_string();
    let secret = SecretString::from(WEBHOOK_SECRET);
    let signature = crate::stripe::signature::header(&secret, body.as_bytes(), clock::wall());
    let headers = [("stripe-signature", signature.as_str())];
    let answer = client.send(Method::POST, "/webhooks/stripe", &headers, Bytes::from(body)).await?;
    ensure!(answer.status.is_success(), "the webhook {kind} was answered {}", answer.status);
    Ok(answer)
}
