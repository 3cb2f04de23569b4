//! The only thing that changes an account: commands queue up, one transaction takes them all.
//!
//! While one batch is being committed the next one forms: that is what makes it fast. Between
//! batches nothing is kept about any account that is relied on, so that several processes on one
//! database are right: what a store keeps, it proves before it writes.
//!
//! | outcome of a batch | what happens |
//! |---|---|
//! | committed | everyone is answered |
//! | lost a race | decided anew from a fresh load, up to [`RACES_MAX`] times |
//! | refused by the database, or a command panics | halved until the culprit is alone |
//! | not begun, or rolled back | everyone gets `Unavailable`; nothing was changed |
//! | the commit's outcome is unknown | keys are looked up; where none is there, it is decided anew once |
//!
//! To decide anew what may yet be committed does no harm: both write the same keys, each on the versions
//! that it read, so that only one of them can be. Commands without a key get `OutcomeUnknown`.

mod answer;
#[cfg(test)]
pub(crate) use answer::body as answer_body;
mod batch;
mod foresee;
mod lane;
mod wakes;

pub use foresee::{Foreseen, Foresight};
pub use lane::WriterTask;
pub use wakes::Wakes;

use crate::live::Live;
use crate::metrics::Metrics;
use crate::store::{Home, Job, Store, StoreError};
use crate::traces::{self, Span, Traceparent};
use async_trait::async_trait;
use batch::Batch;
use creditd_rules::command::Rejection;
use creditd_rules::plan::Catalogue;
use creditd_rules::{Cause, Command};
use lane::{Lane, STUCK_AFTER};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, warn};

/// The idempotency key of a request, and what the request was (R17).
#[derive(Debug, Clone)]
pub struct Key {
    /// The key as given.
    pub key: String,
    /// SHA-256 of method, path and body.
    pub fingerprint: [u8; 32],
}

/// One command on its way to a workspace.
#[derive(Debug, Clone)]
pub struct Request {
    /// Whose workspace it is decided in.
    pub home: Home,
    /// What is asked.
    pub command: Command,
    /// What brought it about.
    pub cause: Cause,
    /// The key that makes a repetition answer the same.
    pub key: Option<Key>,
}

/// A committed outcome.
#[derive(Debug, Clone)]
pub enum Reply {
    /// It was done, now or by an earlier request with the same key; the body as kept, a JSON object.
    Done {
        /// The JSON body.
        body: Vec<u8>,
        /// It was done earlier.
        replayed: bool,
    },
    /// It was refused, and nothing was taken.
    Rejected(Rejection),
}

/// Why a command has no outcome.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SubmitError {
    /// There is no such account, app, seat, grant, claim or customer.
    #[error("there is no {0}")]
    NoHome(Home),
    /// The key was used for another request.
    #[error("this key was used for another request")]
    KeyMismatch,
    /// Too much waits already; nothing was changed.
    #[error("too many requests wait")]
    Overloaded,
    /// The daemon stops; nothing was changed.
    #[error("the daemon is stopping")]
    Stopping,
    /// The database does not answer; nothing was changed.
    #[error("the database is unavailable")]
    Unavailable,
    /// Whether it was done is not known; the same key tells.
    #[error("whether the request was done is not known")]
    OutcomeUnknown,
    /// The database refuses this one command.
    #[error("the request cannot be stored: {0}")]
    Refused(String),
}

/// Where commands are handed in.
#[async_trait]
pub trait Submit: Send + Sync {
    /// Hands in a command and waits until its outcome is committed.
    ///
    /// # Errors
    /// Says why there is no outcome, and whether anything can have changed.
    async fn submit(&self, request: Request) -> Result<Reply, SubmitError>;
}

/// How often a batch that loses races is decided anew before its commands get `Unavailable`.
const RACES_MAX: u32 = 16;

/// A command and who waits for its outcome.
#[derive(Debug)]
struct Queued {
    request: Request,
    /// From being handed in to being answered.
    span: Span,
    reply: oneshot::Sender<Result<Reply, SubmitError>>,
}

/// The door to the writer; cheap to clone.
#[derive(Debug, Clone)]
pub struct Writer {
    lanes: Arc<[Lane]>,
    metrics: Arc<Metrics>,
}

/// What every batch stands on.
#[derive(Clone)]
pub struct Ground {
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// Plans, actions and choices.
    pub catalogue: Live<Catalogue>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whom commits wake.
    pub wakes: Arc<Wakes>,
}

/// How much the writer takes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Commands that may wait in a lane, and settlements that may; more are refused as `Overloaded`.
    pub queue: usize,
    /// Commands in one transaction.
    pub batch: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { queue: 16_384, batch: 1_000 }
    }
}

impl Writer {
    /// A writer's door and the tasks behind it, one for each of `lanes`, all of which must be run.
    #[must_use]
    pub fn new(ground: &Ground, limits: Limits, lanes: NonZeroUsize) -> (Self, Vec<WriterTask>) {
        let (lanes, tasks): (Vec<_>, Vec<_>) =
            (0..lanes.get()).map(|_| Lane::made(ground, limits)).unzip();
        (Self { lanes: lanes.into(), metrics: Arc::clone(&ground.metrics) }, tasks)
    }

    /// A writer whose tasks run on `tracker` until `stop`.
    #[must_use]
    pub fn spawned(
        ground: &Ground, limits: Limits, lanes: NonZeroUsize, tracker: &TaskTracker,
        stop: &CancellationToken,
    ) -> Self {
        let (writer, lanes) = Self::new(ground, limits, lanes);
        for lane in lanes {
            tracker.spawn(lane.run(stop.clone()));
        }
        writer
    }

    /// Whether commands get through: no batch has been running for too long.
    #[must_use]
    pub fn moves(&self) -> bool {
        self.moves_within(STUCK_AFTER)
    }

    /// Whether no batch has been running for longer than `limit`.
    #[must_use]
    pub fn moves_within(&self, limit: Duration) -> bool {
        self.lanes.iter().all(|lane| lane.moves_within(limit))
    }

    fn lane(&self, home: &Home) -> Option<&Lane> {
        let mut hasher = DefaultHasher::new();
        home.id().hash(&mut hasher);
        let place = hasher.finish().checked_rem(self.lanes.len() as u64)?;
        self.lanes.get(usize::try_from(place).ok()?)
    }
}

impl Ground {
    /// Commits commands as one batch, and says what each came to; cuts out whatever sinks it.
    async fn serve(&self, batch: Vec<Queued>) -> Vec<lane::Settled> {
        let mut settled = Vec::with_capacity(batch.len());
        let mut open = vec![batch];
        while let Some(mut batch) = open.pop() {
            let span = self.traced(&mut batch);
            let requests: Vec<&Request> = batch.iter().map(|queued| &queued.request).collect();
            let traces = span.place().map(|_| batch.iter().map(|it| it.span.place()).collect());
            match span.around(self.commit(&requests, traces.unwrap_or_default())).await {
                Verdict::Outcomes(outcomes) => settled.extend(batch.into_iter().zip(outcomes)),
                Verdict::Culprit(index) => {
                    let culprit = batch.remove(index);
                    error!(home = ?culprit.request.home, "a decision panicked");
                    let refused = SubmitError::Refused("it cannot be decided".into());
                    settled.push((culprit, Err(refused)));
                    if !batch.is_empty() {
                        open.push(batch);
                    }
                }
                Verdict::Refused(cause) if batch.len() == 1 => {
                    error!(%cause, "the database refuses a command");
                    let refused = SubmitError::Refused(cause);
                    settled.extend(batch.into_iter().map(|queued| (queued, Err(refused.clone()))));
                }
                Verdict::Refused(_) => {
                    let rest = batch.split_off(batch.len() / 2);
                    open.extend([rest, batch]);
                }
            }
        }
        settled
    }

    /// The trace of a batch, linked to those of its commands, and theirs to it; none where none of
    /// them is traced.
    fn traced(&self, batch: &mut [Queued]) -> Span {
        if !self.metrics.traces.are_on() {
            return Span::none();
        }
        let commands = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        let of = batch.iter().filter_map(|queued| queued.span.place());
        let mut span = self.metrics.traces.joint("commit batch", of);
        span.count("creditd.batch.commands", commands);
        if let Some(place) = span.place() {
            batch.iter_mut().for_each(|queued| queued.span.link(place));
        }
        span
    }

    /// One transaction for all requests, decided anew while it loses races. `traces` are those of
    /// the requests, or empty.
    async fn commit(&self, requests: &[&Request], traces: Vec<Option<Traceparent>>) -> Verdict {
        let jobs: Vec<Job> = requests.iter().map(|request| batch::job(request)).collect();
        self.metrics
            .writer
            .batch_commands
            .observe(f64::from(u32::try_from(jobs.len()).unwrap_or(0)));
        let mut batch = Batch::traced(traces);
        let catalogue = self.catalogue.now();
        let anew = requests.iter().all(|request| request.key.is_some());
        // What it means from here on that nothing could be done.
        let mut nothing_done = SubmitError::Unavailable;
        for _ in 0..RACES_MAX {
            let began = std::time::Instant::now();
            let mut decided = began;
            let result = self
                .store
                .transact(&jobs, &mut |loaded| {
                    decided = std::time::Instant::now();
                    batch.decide(requests, loaded, &catalogue)
                })
                .await;
            match result {
                Ok(()) => {
                    if let Some(culprit) = batch.culprit {
                        return Verdict::Culprit(culprit);
                    }
                    self.metrics.writer.commit.observe(began.elapsed().as_secs_f64());
                    batch.tell(self, decided.elapsed());
                    return Verdict::Outcomes(batch.outcomes);
                }
                Err(StoreError::Conflict) => {
                    self.metrics.writer.conflicts.inc();
                }
                Err(StoreError::Refused(cause)) => return Verdict::Refused(cause),
                Err(StoreError::OutcomeUnknown) => {
                    let Some(outcomes) = self.look_up(requests, &jobs).await else {
                        return self.failed(requests, &SubmitError::OutcomeUnknown);
                    };
                    let again = matches!(nothing_done, SubmitError::OutcomeUnknown);
                    if again || !anew || outcomes.iter().any(Result::is_ok) {
                        let unknown =
                            |it: &&batch::Outcome| matches!(it, Err(SubmitError::OutcomeUnknown));
                        self.count_failed(outcomes.iter().filter(unknown).count());
                        return Verdict::Outcomes(outcomes);
                    }
                    nothing_done = SubmitError::OutcomeUnknown;
                }
                Err(StoreError::Unavailable(cause)) => {
                    warn!(%cause, commands = jobs.len(), "a batch was not committed");
                    return self.failed(requests, &nothing_done);
                }
            }
        }
        warn!(commands = jobs.len(), "a batch lost every race");
        self.failed(requests, &nothing_done)
    }

    /// None of the requests has an outcome.
    fn failed(&self, requests: &[&Request], error: &SubmitError) -> Verdict {
        self.count_failed(requests.len());
        Verdict::same(requests, error)
    }

    fn count_failed(&self, commands: usize) {
        self.metrics.writer.failures.inc_by(u64::try_from(commands).unwrap_or(u64::MAX));
    }

    /// After a commit whose outcome is unknown: a command whose key is there was done. None where that
    /// cannot be told.
    async fn look_up(&self, requests: &[&Request], jobs: &[Job]) -> Option<Vec<batch::Outcome>> {
        let mut found = Vec::new();
        let result = self
            .store
            .transact(jobs, &mut |loaded| {
                let outcomes = requests.iter().zip(&loaded.homes).map(|(request, home)| {
                    let known = home.as_ref().and_then(|home| {
                        batch::known(request.key.as_ref(), home, &loaded.answers, false)
                    });
                    known.unwrap_or(Err(SubmitError::OutcomeUnknown))
                });
                found = outcomes.collect();
                Vec::new()
            })
            .await;
        if let Err(cause) = result {
            warn!(%cause, "the outcome of a commit could not be looked up");
            return None;
        }
        Some(found)
    }
}

/// What one attempt at a batch came to.
enum Verdict {
    Outcomes(Vec<batch::Outcome>),
    /// The decision of this command panicked.
    Culprit(usize),
    /// The database refuses something in it.
    Refused(String),
}

impl Verdict {
    fn same(requests: &[&Request], error: &SubmitError) -> Self {
        Self::Outcomes(requests.iter().map(|_| Err(error.clone())).collect())
    }
}

#[async_trait]
impl Submit for Writer {
    async fn submit(&self, request: Request) -> Result<Reply, SubmitError> {
        let (reply, outcome) = oneshot::channel();
        let lane = self.lane(&request.home).ok_or(SubmitError::Stopping)?;
        self.metrics.writer.queue.inc();
        let span = self.metrics.traces.here("commit", traces::Kind::Internal);
        lane.take(Queued { request, span, reply }).inspect_err(|_| {
            self.metrics.writer.queue.dec();
        })?;
        // The task answers every command that it took, so a closed channel means that it died.
        outcome.await.unwrap_or(Err(SubmitError::OutcomeUnknown))
    }
}
