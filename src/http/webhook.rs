//! Stripe's door. What is behind it verifies and keeps; nothing is done before the answer.

use super::Doors;
use super::openapi::Problems;
use super::problem::{Code, Problem, outcome_unknown};
use super::test_clock::Unkeyed;
use async_trait::async_trait;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;
use std::sync::Arc;

/// What becomes of a webhook at the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookAnswer {
    /// It is durable, now or since an earlier delivery: 200.
    Kept,
    /// The signature is missing, wrong or old; nothing was stored: 400. Says which.
    Refused(&'static str),
    /// Too much waits already: 503.
    Overloaded,
    /// The database does not answer: 503.
    Unavailable,
    /// Whether it was stored is not known; Stripe sends it again: 503.
    OutcomeUnknown,
    /// The daemon stops: 503.
    Stopping,
}

/// Whoever verifies webhooks and keeps them.
#[async_trait]
pub trait WebhookDoor: Send + Sync {
    /// Verifies the `Stripe-Signature` of a body and stores the event, once.
    async fn accept(&self, signature: Option<&str>, body: Bytes) -> WebhookAnswer;
}

/// The answer to a webhook that was kept.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Received {
    /// Always true.
    received: bool,
}

/// Take a webhook from Stripe
#[utoipa::path(post, path = "/webhooks/stripe", operation_id = "receive_webhook", tag = "webhooks",
    params(("Stripe-Signature" = String, Header, description = "Stripe's signature of the body")),
    request_body(content = String, content_type = "application/json"),
    responses((status = 200, description = "it is durable", body = Received), Problems))]
pub(crate) async fn receive(
    State(doors): State<Arc<Doors>>, headers: HeaderMap, Unkeyed(body): Unkeyed,
) -> Result<Json<Received>, Problem> {
    let Some(door) = &doors.api.webhooks else {
        let detail = "set stripe.webhook_secrets to take webhooks";
        return Err(Problem::new(Code::WebhooksNotConfigured, detail));
    };
    let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok());
    match door.accept(signature, body).await {
        WebhookAnswer::Kept => Ok(Json(Received { received: true })),
        WebhookAnswer::Refused(why) => Err(Problem::new(Code::SignatureInvalid, why)),
        WebhookAnswer::Overloaded => {
            Err(Problem::new(Code::Overloaded, "nothing was stored; send it again later"))
        }
        WebhookAnswer::Unavailable => {
            Err(Problem::new(Code::DatabaseUnavailable, "nothing was stored; send it again later"))
        }
        WebhookAnswer::OutcomeUnknown => Err(outcome_unknown()),
        WebhookAnswer::Stopping => {
            Err(Problem::new(Code::Stopping, "nothing was stored; send it again later"))
        }
    }
}
