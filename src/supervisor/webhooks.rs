//! A webhook at the door: verified, kept, and only then answered.

use crate::clock;
use crate::http::webhook::{WebhookAnswer, WebhookDoor};
use crate::metrics::Metrics;
use crate::stripe::door::{EventKeeper, KeepError};
use crate::stripe::envelope::receive;
use crate::stripe::signature::{SignatureError, Verifier};
use crate::traces;
use async_trait::async_trait;
use axum::body::Bytes;
use std::sync::Arc;
use tracing::{debug, info};

/// Stripe's door.
pub(super) struct StripeDoor {
    pub(super) verifier: Verifier,
    pub(super) keeper: EventKeeper,
    pub(super) metrics: Arc<Metrics>,
    pub(super) livemode: bool,
}

#[async_trait]
impl WebhookDoor for StripeDoor {
    async fn accept(&self, signature: Option<&str>, body: Bytes) -> WebhookAnswer {
        let (answer, outcome) = self.keep(signature, &body).await;
        self.metrics.inbox.webhook(outcome);
        answer
    }
}

impl StripeDoor {
    async fn keep(&self, signature: Option<&str>, body: &[u8]) -> (WebhookAnswer, &'static str) {
        let wall = clock::wall();
        let verified = match self.verifier.verify(signature, body, wall) {
            Ok(verified) => verified,
            Err(cause) => {
                debug!(%cause, "a webhook was refused");
                return (WebhookAnswer::Refused(refusal(&cause)), cause.code());
            }
        };
        let skew = verified.skew.num_milliseconds() as f64 / 1_000.0;
        self.metrics.inbox.skew("stripe", skew);
        let mut event = receive(body, wall, self.livemode);
        event.trace = traces::current();
        let (id, kind) = (event.id.clone(), event.kind.clone());
        let mut span = self.metrics.traces.here("keep event", traces::Kind::Internal);
        span.note("stripe.event.id", &id);
        span.note("stripe.event.type", &kind);
        match self.keeper.keep(event).await {
            Ok(new) => {
                info!(event = %id, kind, new, "webhook kept");
                (WebhookAnswer::Kept, if new { "kept" } else { "known" })
            }
            Err(KeepError::Overloaded) => (WebhookAnswer::Overloaded, "overloaded"),
            Err(KeepError::Unavailable) => (WebhookAnswer::Unavailable, "unavailable"),
            Err(KeepError::Stopping) => (WebhookAnswer::Stopping, "stopping"),
        }
    }
}

/// What the caller is told. It does not say which secrets there are or how old is too old.
const fn refusal(cause: &SignatureError) -> &'static str {
    match cause {
        SignatureError::Missing => "the Stripe-Signature header is missing",
        SignatureError::Malformed => "the Stripe-Signature header has no readable time",
        SignatureError::NoMatch => "no signature matches the body",
        SignatureError::TooOld { .. } => "the signature is too old",
    }
}
