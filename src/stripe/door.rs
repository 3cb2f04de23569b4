//! Makes verified events durable, many with one commit.
//!
//! While one commit is synced, the events that arrive form the next batch. What waits is limited
//! in number and in bytes; beyond that an event is refused at once, and Stripe sends it again.

use super::topic::topic;
use crate::metrics::Metrics;
use crate::store::{EventState, NewEvent, Store, StoreError};
use std::sync::Arc;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

/// The most events that wait.
const QUEUE_EVENTS: usize = 4_096;

/// The most bytes of bodies that wait: 32 MiB.
const QUEUE_BYTES: usize = 32 * 1024 * 1024;

/// The most events of one commit.
const BATCH_EVENTS: usize = 512;

/// How often a batch is tried whose outcome is unknown or that lost a race. Storing an event twice
/// is harmless: its id is its key.
const TRIES: u32 = 3;

/// Why an event was not kept; Stripe has to send it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeepError {
    /// Too much waits already.
    #[error("too many webhooks wait")]
    Overloaded,
    /// The database does not take it.
    #[error("the database is unavailable")]
    Unavailable,
    /// The daemon stops.
    #[error("the daemon is stopping")]
    Stopping,
}

/// The door's end of the queue. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EventKeeper {
    queue: mpsc::Sender<Waiting>,
    room: Arc<Semaphore>,
}

/// The other end: commits what waits until it is told to stop.
pub struct KeeperWorker {
    queue: mpsc::Receiver<Waiting>,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    inbox: Arc<Notify>,
}

struct Waiting {
    event: NewEvent,
    answer: oneshot::Sender<Result<bool, KeepError>>,
    room: OwnedSemaphorePermit,
}

impl EventKeeper {
    /// A keeper and its worker; `inbox` is woken after each commit that brings something new.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>, metrics: Arc<Metrics>, inbox: Arc<Notify>,
    ) -> (Self, KeeperWorker) {
        let (sender, receiver) = mpsc::channel(QUEUE_EVENTS);
        let keeper = Self { queue: sender, room: Arc::new(Semaphore::new(QUEUE_BYTES)) };
        (keeper, KeeperWorker { queue: receiver, store, metrics, inbox })
    }

    /// Keeps an event: it is committed and synced when this returns `Ok`, which says whether it is
    /// new. Only then may Stripe be answered with 200.
    ///
    /// # Errors
    /// When it was not kept, as far as is known.
    pub async fn keep(&self, event: NewEvent) -> Result<bool, KeepError> {
        let bytes = u32::try_from(event.body.len()).map_err(|_| KeepError::Overloaded)?;
        let room = Arc::clone(&self.room).try_acquire_many_owned(bytes);
        let room = room.map_err(|_| KeepError::Overloaded)?;
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Waiting { event, answer, room }).map_err(|cause| match cause {
            mpsc::error::TrySendError::Full(_) => KeepError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => KeepError::Stopping,
        })?;
        // The worker answers all that it took; without it nothing more is kept.
        answered.await.unwrap_or(Err(KeepError::Stopping))
    }
}

impl KeeperWorker {
    /// Commits batches until `stop`; what was taken in by then is still committed and answered.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH_EVENTS);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled(), if !self.queue.is_closed() => self.queue.close(),
                taken = self.queue.recv_many(&mut batch, BATCH_EVENTS) => {
                    if taken == 0 {
                        break;
                    }
                    self.keep(std::mem::take(&mut batch)).await;
                }
            }
        }
    }

    async fn keep(&self, batch: Vec<Waiting>) {
        let (events, answers): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .map(|waiting| (waiting.event, (waiting.answer, waiting.room)))
            .unzip();
        let results = self.commit(&events).await;
        let mut is_work = false;
        for (event, _) in events.iter().zip(&results).filter(|(_, result)| **result == Ok(true)) {
            is_work |= event.state == EventState::Pending;
            self.alert(event);
        }
        if is_work {
            self.inbox.notify_one();
        }
        for ((answer, _room), result) in answers.into_iter().zip(results) {
            // Whoever asked may have gone; Stripe sends the event again and learns that it is here.
            answer.send(result).ok();
        }
    }

    /// Stores a batch whole; one that the database refuses is stored event by event, so that only
    /// the culprit is turned away.
    async fn commit(&self, events: &[NewEvent]) -> Vec<Result<bool, KeepError>> {
        match self.store_events(events).await {
            Ok(new) => new.into_iter().map(Ok).collect(),
            Err(StoreError::Refused(_)) if events.len() > 1 => {
                let mut results = Vec::with_capacity(events.len());
                for event in events {
                    let stored = self.store_events(std::slice::from_ref(event)).await;
                    let new = stored.map(|new| new.first().copied().unwrap_or_default());
                    results.push(new.map_err(|cause| failed(&cause, 1)));
                }
                results
            }
            Err(cause) => vec![Err(failed(&cause, events.len())); events.len()],
        }
    }

    async fn store_events(&self, events: &[NewEvent]) -> Result<Vec<bool>, StoreError> {
        let mut tries = 1;
        loop {
            match self.store.keep_events(events).await {
                Err(StoreError::Conflict | StoreError::OutcomeUnknown) if tries < TRIES => {
                    tries += 1
                }
                outcome => return outcome,
            }
        }
    }

    /// Alerts the operator of a new event that nothing will be done for.
    fn alert(&self, event: &NewEvent) {
        let code = match event.state {
            EventState::Parked => "event_unreadable",
            EventState::Ignored if topic(&event.kind).is_none() => "event_type_unknown",
            EventState::Ignored => "event_other_mode",
            EventState::Pending | EventState::Done | EventState::Waiting | EventState::Marked => {
                return;
            }
        };
        self.metrics.alert(code);
        let note = event.note.as_deref().unwrap_or_default();
        warn!(event = %event.id, kind = %event.kind, code, note, "a webhook is kept and not used");
    }
}

fn failed(cause: &StoreError, events: usize) -> KeepError {
    error!(events, %cause, "webhooks could not be kept");
    KeepError::Unavailable
}

#[cfg(test)]
mod tests;
