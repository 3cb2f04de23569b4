//! The worker that sends the mails of the outbox.
//!
//! It takes no input but the store: a mail is due when the store says so. Claiming a mail hides it
//! from other daemons until a lease ends; if this daemon dies between the server's answer and its
//! own note of it, the mail is sent again after the lease, with the same Message-ID. So every mail
//! is sent at least once.
//!
//! Where things are traced, it also asks for the events of Stripe's that brought what was used up, so
//! that a trace leads from a webhook to the mail: the debit in between is a trace of its own, or none.
//!
//! ```text
//! queued ──claim──▶ sending ──▶ sent
//!    ▲                 ├──────▶ queued again, after the next pause
//!    └─ a person ──────┴──────▶ parked, and an alert
//! ```

use crate::clock;
use crate::email::message::{Sender, compose};
use crate::email::template::Templates;
use crate::email::{Failure, Mailer};
use crate::live::Live;
use crate::metrics::Metrics;
use crate::store::{LedgerQuery, MailOutcome, Store, StoreError, StoreResult, StoredMail};
use crate::traces::{self, Span, Traceparent};
use crate::writer::Wakes;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// Mails that are sent at the same time.
const CONCURRENT_MAX: usize = 8;

/// How long the worker sleeps at most: mails that another process queued do not wake it.
/// In tests so long that a missed wake is seen.
const SLEEP_MAX: Duration = Duration::from_secs(if cfg!(test) { 3_600 } else { 15 });

/// How long it sleeps at least, where something is due that it did not get.
const SLEEP_MIN: Duration = Duration::from_millis(250);

/// The pause before the store is asked again after it failed.
const STORE_PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 2_000 });

/// How many lines of a ledger are looked at for what is behind a mail: some months of one kind.
const LINES_BEHIND_MAX: u32 = 16;

/// What a lease has beyond the longest delivery, for marking the mail.
const LEASE_MARGIN: Duration = Duration::from_secs(60);

/// How long a stop waits for mails on their way.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// What the worker needs of the store.
#[async_trait]
pub trait MailQueue: Send + Sync + 'static {
    /// See [`Store::claim_mails`].
    async fn claim_mails(
        &self, wall: DateTime<Utc>, lease: DateTime<Utc>, limit: u32,
    ) -> StoreResult<Vec<StoredMail>>;

    /// See [`Store::next_mail_at`].
    async fn next_mail_at(&self) -> StoreResult<Option<DateTime<Utc>>>;

    /// See [`Store::mark_mail`].
    async fn mark_mail(
        &self, id: &str, outcome: &MailOutcome, wall: DateTime<Utc>,
    ) -> StoreResult<()>;

    /// The traces of the events that brought the credits that a mail tells of, latest first, as far
    /// as they are still kept.
    async fn traces_behind(&self, mail: &StoredMail) -> StoreResult<Vec<Traceparent>>;
}

#[async_trait]
impl MailQueue for dyn Store {
    async fn claim_mails(
        &self, wall: DateTime<Utc>, lease: DateTime<Utc>, limit: u32,
    ) -> StoreResult<Vec<StoredMail>> {
        Store::claim_mails(self, wall, lease, limit).await
    }

    async fn next_mail_at(&self) -> StoreResult<Option<DateTime<Utc>>> {
        Store::next_mail_at(self).await
    }

    async fn mark_mail(
        &self, id: &str, outcome: &MailOutcome, wall: DateTime<Utc>,
    ) -> StoreResult<()> {
        Store::mark_mail(self, id, outcome, wall).await
    }

    async fn traces_behind(&self, mail: &StoredMail) -> StoreResult<Vec<Traceparent>> {
        let query = LedgerQuery {
            account: Some(mail.mail.account.clone()),
            kind: Some(mail.mail.kind),
            without_uses: true,
            limit: LINES_BEHIND_MAX,
            ..LedgerQuery::default()
        };
        let lines = self.ledger(&mail.workspace, &query).await?;
        let mut asked = BTreeSet::new();
        let mut traces: Vec<Traceparent> = Vec::new();
        for cause in lines.iter().filter_map(|line| line.entry.cause.as_deref()) {
            // Other causes are no events: the clock, a key, a person.
            if cause.starts_with("evt_") && asked.insert(cause) {
                let trace = self.event(cause).await?.and_then(|stored| stored.event.trace);
                traces.extend(trace.filter(|it| it.is_sampled() && !traces.contains(it)));
            }
        }
        Ok(traces)
    }
}

/// All that sending takes.
pub struct Outbox<Q: MailQueue + ?Sized = dyn Store> {
    /// Where mails are promised.
    pub store: Arc<Q>,
    /// Where they go.
    pub mailer: Mailer,
    /// What they say.
    pub templates: Live<Templates>,
    /// Who they come from.
    pub sender: Sender,
    /// The pauses between tries; after the last one a mail is parked.
    pub retry: Vec<Duration>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How commits that promise mails wake it.
    pub wakes: Arc<Wakes>,
}

/// Sends mails until `stop`, then waits a while for those on their way.
pub async fn run<Q: MailQueue + ?Sized>(outbox: Outbox<Q>, stop: CancellationToken) {
    let outbox = Arc::new(outbox);
    let mut sending = JoinSet::new();
    while !stop.is_cancelled() {
        let pause = outbox.send_due(&mut sending).await;
        if sending.is_empty() {
            outbox.mailer.close_idle().await;
        }
        let room = sending.len() < CONCURRENT_MAX;
        tokio::select! {
            () = stop.cancelled() => {}
            Some(done) = sending.join_next() => report_panic(done),
            () = outbox.wakes.outbox.notified(), if room => {}
            () = sleep(pause), if room => {}
        }
    }
    drain(sending).await;
    outbox.mailer.close_idle().await;
    info!(worker = "outbox", "stopped");
}

/// Waits for mails on their way. Those that take too long are sent again after their lease.
async fn drain(mut sending: JoinSet<()>) {
    let all_done = async {
        while let Some(done) = sending.join_next().await {
            report_panic(done);
        }
    };
    if timeout(DRAIN_MAX, all_done).await.is_err() {
        warn!(mails = sending.len(), "stopped while sending; these mails will be tried again");
        sending.shutdown().await;
    }
}

fn report_panic(done: Result<(), tokio::task::JoinError>) {
    if let Err(cause) = done {
        error!(%cause, "sending a mail failed; it will be tried again after its lease");
    }
}

impl<Q: MailQueue + ?Sized> Outbox<Q> {
    /// Claims what is due, as far as there is room, and begins to send it. Returns how long
    /// nothing else will be due.
    async fn send_due(self: &Arc<Self>, sending: &mut JoinSet<()>) -> Duration {
        let room = CONCURRENT_MAX.saturating_sub(sending.len());
        if room == 0 {
            return SLEEP_MAX;
        }
        match self.claim(room).await {
            Ok((mails, lease)) => {
                for mail in mails {
                    sending.spawn(Arc::clone(self).send(mail, lease));
                }
            }
            Err(cause) => return store_failed(&cause),
        }
        match self.store.next_mail_at().await {
            Ok(None) => SLEEP_MAX,
            Ok(Some(at)) => {
                let pause = at.signed_duration_since(clock::wall()).to_std().unwrap_or_default();
                pause.clamp(SLEEP_MIN, SLEEP_MAX)
            }
            Err(cause) => store_failed(&cause),
        }
    }

    async fn claim(&self, room: usize) -> StoreResult<(Vec<StoredMail>, DateTime<Utc>)> {
        let wall = clock::wall();
        let lease = after(wall, self.mailer.longest_delivery().saturating_add(LEASE_MARGIN));
        let limit = u32::try_from(room).unwrap_or(u32::MAX);
        Ok((self.store.claim_mails(wall, lease, limit).await?, lease))
    }

    /// The step in which a mail is sent: of the trace of what promised it, linked to those of the
    /// events behind that; or, where that was not traced, of the latest event's.
    async fn span_of(&self, mail: &StoredMail) -> Span {
        let traces = &self.metrics.traces;
        if !traces.are_on() {
            return Span::none();
        }
        let behind = self.store.traces_behind(mail).await.unwrap_or_else(|cause| {
            info!(mail.id = %mail.id, %cause, "what is behind a mail cannot be read for its trace");
            Vec::new()
        });
        let mut behind = behind.into_iter();
        let of = mail.trace.or_else(|| behind.next());
        let mut span = traces.step("send mail", traces::Kind::Client, of);
        let here = of.map(|of| of.trace_id());
        behind.filter(|it| Some(it.trace_id()) != here).for_each(|other| span.link(other));
        span
    }

    /// Sends one mail, as a step of a trace where it is part of one.
    async fn send(self: Arc<Self>, mail: StoredMail, lease: DateTime<Utc>) {
        let mut span = self.span_of(&mail).await;
        span.note("creditd.mail.id", &mail.id);
        span.count("creditd.mail.tries", mail.attempts.saturating_add(1));
        let outcome = span.around(self.try_and_note(&mail, lease)).await;
        match outcome {
            MailOutcome::Sent => {}
            MailOutcome::Retry { .. } => span.fail("not sent, will retry"),
            MailOutcome::Park { .. } => span.fail("parked"),
        }
    }

    /// Makes one attempt and notes what became of it.
    async fn try_and_note(&self, mail: &StoredMail, lease: DateTime<Utc>) -> MailOutcome {
        let began = Instant::now();
        let outcome = match self.attempt(mail).await {
            Ok(()) => MailOutcome::Sent,
            Err(failure) => self.outcome_of(mail, failure),
        };
        self.report(mail, &outcome, began.elapsed());
        // Noted late is better than sent twice, so this goes on for as long as the lease holds.
        while let Err(cause) = self.store.mark_mail(&mail.id, &outcome, clock::wall()).await {
            if matches!(cause, StoreError::Refused(_)) || clock::wall() >= lease {
                error!(mail.id = %mail.id, %cause, "what became of a mail could not be noted");
                break;
            }
            warn!(mail.id = %mail.id, %cause, "cannot note what became of a mail, will retry");
            sleep(STORE_PAUSE).await;
        }
        outcome
    }

    async fn attempt(&self, mail: &StoredMail) -> Result<(), Failure> {
        let message = compose(&self.templates.now(), &self.sender, mail, clock::wall())?;
        self.mailer.deliver(&mail.id, &message).await
    }

    /// Retry or give up: pauses grow with the tries that were made before this one.
    fn outcome_of(&self, mail: &StoredMail, failure: Failure) -> MailOutcome {
        if let Some(code) = failure.alert {
            self.metrics.alert(code);
        }
        let tried = usize::try_from(mail.attempts).unwrap_or(usize::MAX);
        match self.retry.get(tried) {
            Some(pause) if !failure.permanent => {
                let next_attempt_at = after(clock::wall(), *pause);
                MailOutcome::Retry { next_attempt_at, error: failure.text }
            }
            Some(_) | None => MailOutcome::Park { error: failure.text },
        }
    }

    fn report(&self, mail: &StoredMail, outcome: &MailOutcome, took: Duration) {
        let id = &mail.id;
        let tries = mail.attempts.saturating_add(1);
        let outcome = match outcome {
            MailOutcome::Sent => {
                info!(mail.id = %id, account = %mail.mail.account, tries, "mail sent");
                "sent"
            }
            MailOutcome::Retry { next_attempt_at, error } => {
                info!(mail.id = %id, tries, %next_attempt_at, error, "mail not sent, will retry");
                "retry"
            }
            MailOutcome::Park { error } => {
                warn!(mail.id = %id, tries, error, "mail parked");
                self.metrics.alert("mail_parked");
                "parked"
            }
        };
        self.metrics.mails.attempted(outcome, took);
    }
}

fn store_failed(cause: &StoreError) -> Duration {
    warn!(worker = "outbox", %cause, "cannot read the outbox, will retry");
    STORE_PAUSE
}

/// `wall` plus `pause`, held at the calendar's end.
fn after(wall: DateTime<Utc>, pause: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(pause)
        .ok()
        .and_then(|pause| wall.checked_add_signed(pause))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests;
