//! How the daemon is: for `/readyz`, and for gauges when metrics are asked for.

use crate::clock;
use crate::http::{Readiness, Report};
use crate::metrics::{Metrics, SecondsGauge, StateLabels};
use crate::settings::Settings;
use crate::store::{Depths, Store};
use crate::stripe::api::asking::Asking;
use crate::writer::Writer;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tracing::warn;

/// How long the database may take to answer a ping.
const PING_MAX: Duration = Duration::from_secs(2);

/// What is asked how it is.
pub(super) struct State {
    store: Arc<dyn Store>,
    writer: Writer,
    metrics: Arc<Metrics>,
    mail: &'static str,
    has_secrets: bool,
    stripe: Option<Arc<Asking>>,
}

impl State {
    pub(super) fn new(
        settings: &Settings, store: &Arc<dyn Store>, writer: &Writer, metrics: &Arc<Metrics>,
        stripe: Option<&Arc<Asking>>,
    ) -> Self {
        let mail = match &settings.mail.smtp {
            Some(_) => "smtp",
            None => "files: no mail server is set (mail.smtp_url)",
        };
        let has_secrets = !settings.stripe.webhook_secrets.is_empty();
        let (store, writer, metrics) = (Arc::clone(store), writer.clone(), Arc::clone(metrics));
        Self { store, writer, metrics, mail, has_secrets, stripe: stripe.cloned() }
    }

    /// What is known of Stripe, in words.
    fn stripe(&self) -> &'static str {
        let is_up = self.stripe.as_ref().map(|stripe| stripe.is_up());
        match (self.has_secrets, is_up) {
            (true, None) => "webhooks, snapshots only",
            (true, Some(true)) => "webhooks and API",
            (true, Some(false)) => "webhooks; the API cannot be asked: snapshots are applied",
            (false, None) => "not configured: no webhook secret is set (stripe.webhook_secrets)",
            (false, Some(true)) => "API only: no webhook secret is set (stripe.webhook_secrets)",
            (false, Some(false)) => "no webhook secret is set, and the API cannot be asked",
        }
    }
}

#[async_trait]
impl Readiness for State {
    async fn report(&self) -> Report {
        let database = match timeout(PING_MAX, self.store.ping()).await {
            Ok(Ok(())) => "answers",
            Ok(Err(_)) => "fails",
            Err(_) => "does not answer",
        };
        let moves = self.writer.moves();
        let due = self.metrics.due.get();
        let ready = database == "answers" && moves;
        let body = json!({
            "ready": ready,
            "database": database,
            "writer": if moves { "moves" } else { "stuck" },
            "mail": self.mail,
            "stripe": self.stripe(),
            "resets_due": due,
        });
        Report { ready, body }
    }

    async fn refresh(&self) {
        match self.store.depths().await {
            Ok(depths) => self.show(depths),
            Err(cause) => warn!(%cause, "the queues could not be counted"),
        }
    }
}

impl State {
    fn show(&self, depths: Depths) {
        let Depths { inbox, inbox_oldest, marks, outbox, outbox_oldest } = depths;
        let metrics = &self.metrics;
        let queues = [(&metrics.inbox, inbox), (&metrics.marks, marks), (&metrics.outbox, outbox)];
        for (gauges, counts) in queues {
            for (state, count) in counts {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                gauges.get_or_create(&StateLabels { state }).set(count);
            }
        }
        age(&metrics.inbox_oldest, inbox_oldest);
        age(&metrics.outbox_oldest, outbox_oldest);
    }
}

/// Sets a gauge to the age of the oldest thing, by the wall; 0 where there is none.
fn age(gauge: &SecondsGauge, oldest: Option<DateTime<Utc>>) {
    let age = oldest.map(|at| clock::wall().signed_duration_since(at));
    gauge.set(age.and_then(|age| age.to_std().ok()).unwrap_or_default().as_secs_f64());
}
