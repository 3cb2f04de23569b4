//! How the daemon is: for `/readyz`, and for gauges when metrics are asked for.

use crate::clock;
use crate::http::{Readiness, Report};
use crate::metrics::{Metrics, SecondsGauge};
use crate::settings::{Engine, Settings};
use crate::store::{Depths, Due, Store, StoreResult};
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

/// What is due is counted up to so much.
const DUE_MAX: u32 = 10_000;

/// What is asked how it is.
pub(super) struct State {
    store: Arc<dyn Store>,
    writer: Writer,
    metrics: Arc<Metrics>,
    mail: &'static str,
    has_secrets: bool,
    stripe: Option<Arc<Asking>>,
    /// The database has a clock of its own, by which credits go.
    has_clock: bool,
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
        let has_clock = settings.clock == clock::Mode::System
            && settings.database.url.engine() == Engine::Postgres;
        Self { store, writer, metrics, mail, has_secrets, stripe: stripe.cloned(), has_clock }
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
        let due = self.metrics.resets.due.get();
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
        self.metrics.writer.moves.set(i64::from(self.writer.moves()));
        let looked = match timeout(PING_MAX, self.look()).await {
            Ok(looked) => looked.map_err(|cause| cause.to_string()),
            Err(_) => Err(String::from("the database does not answer")),
        };
        self.metrics.books.up.set(i64::from(looked.is_ok()));
        if let Err(cause) = looked {
            warn!(cause, "the queues could not be counted");
        }
    }
}

impl State {
    /// Reads from the store what is shown in metrics.
    async fn look(&self) -> StoreResult<()> {
        let depths = self.store.depths().await?;
        let asked = clock::wall();
        let now = self.store.now().await?;
        let next = self.store.next_due().await?;
        let due = match next {
            Some(at) if at <= now => self.store.due(now, DUE_MAX).await?,
            Some(_) | None => Vec::new(),
        };
        let due: Vec<_> = due.iter().map(Due::at).collect();
        self.show(depths);
        self.metrics.resets.show(now, &due, next);
        if self.has_clock {
            let ahead = asked.signed_duration_since(now).num_microseconds().unwrap_or(i64::MAX);
            self.metrics.inbox.skew("database", ahead as f64 / 1_000_000.0);
        }
        Ok(())
    }

    fn show(&self, depths: Depths) {
        let Depths { inbox, inbox_oldest, marks, outbox, outbox_oldest } = depths;
        let metrics = &self.metrics;
        let queues = [
            (&metrics.inbox.depth, inbox),
            (&metrics.stripe.marks, marks),
            (&metrics.mails.depth, outbox),
        ];
        for (gauges, counts) in queues {
            for (state, count) in counts {
                gauges.set(state, count);
            }
        }
        age(&metrics.inbox.oldest_age, inbox_oldest);
        age(&metrics.mails.oldest_age, outbox_oldest);
    }
}

/// Sets a gauge to the age of the oldest thing, by the wall; 0 where there is none.
fn age(gauge: &SecondsGauge, oldest: Option<DateTime<Utc>>) {
    let age = oldest.map(|at| clock::wall().signed_duration_since(at));
    gauge.set(age.and_then(|age| age.to_std().ok()).unwrap_or_default().as_secs_f64());
}
