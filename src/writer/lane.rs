//! Lanes: where commands queue up, and the tasks that take them in batches.
//!
//! Settlements of what fell due wait apart: nobody waits for them, since every read and every debit
//! sees a passed boundary whether or not it was posted (R5). A batch takes all commands that were asked
//! for, and no more settlements than can be written while somebody who asks does not notice it.

use super::{Ground, Limits, Queued, SubmitError, batch};
use creditd_rules::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// A batch that takes longer than this means that the writer does not move.
pub(super) const STUCK_AFTER: Duration = Duration::from_secs(10);

/// How long a batch with settlements in it is to take at most.
const SETTLING: Duration = Duration::from_millis(40);

/// How few and how many settlements a batch may take.
const SHARES: (usize, usize) = (64, 512);

/// Where the commands of some homes queue up. Each lane has one batch in flight; those of one home
/// are in one lane, so that they never race each other.
#[derive(Debug)]
pub(super) struct Lane {
    entrance: Entrance,
    progress: Arc<Progress>,
}

/// Where commands are handed in that [`Waiting`] has then.
#[derive(Debug)]
struct Entrance {
    asked: mpsc::Sender<Queued>,
    settlements: mpsc::Sender<Queued>,
}

/// How a lane is doing.
#[derive(Debug)]
struct Progress {
    made: std::time::Instant,
    /// When the running batch began, in milliseconds since the writer was made; 0 while idle.
    batch_began_ms: AtomicU64,
}

/// The task behind a lane of a [`super::Writer`].
pub struct WriterTask {
    waiting: Waiting,
    progress: Arc<Progress>,
    ground: Ground,
}

/// What waits in a lane.
struct Waiting {
    asked: mpsc::Receiver<Queued>,
    settlements: mpsc::Receiver<Queued>,
    batch_max: usize,
    share: Share,
}

/// How many settlements a batch takes: more while batches are quick, fewer once they are slow.
#[derive(Debug, Clone, Copy)]
struct Share(usize);

impl Lane {
    /// A lane and the task behind it, which must be run.
    pub(super) fn made(ground: &Ground, limits: Limits) -> (Self, WriterTask) {
        let made = std::time::Instant::now();
        let progress = Arc::new(Progress { made, batch_began_ms: AtomicU64::new(0) });
        let (entrance, waiting) = queues(limits);
        let lane = Self { entrance, progress: Arc::clone(&progress) };
        (lane, WriterTask { waiting, progress, ground: ground.clone() })
    }

    /// Takes a command in.
    pub(super) fn take(&self, queued: Queued) -> Result<(), SubmitError> {
        self.entrance.take(queued)
    }

    /// Whether no batch has been running for longer than `limit`.
    pub(super) fn moves_within(&self, limit: Duration) -> bool {
        self.progress.moves_within(limit)
    }
}

fn queues(limits: Limits) -> (Entrance, Waiting) {
    let Limits { queue, batch: batch_max } = limits;
    let ((asked, take_asked), (settlements, take_settlements)) =
        (mpsc::channel(queue), mpsc::channel(queue));
    let share = Share(SHARES.0);
    let waiting = Waiting { asked: take_asked, settlements: take_settlements, batch_max, share };
    (Entrance { asked, settlements }, waiting)
}

impl Entrance {
    fn take(&self, queued: Queued) -> Result<(), SubmitError> {
        let queue = if can_wait(&queued) { &self.settlements } else { &self.asked };
        queue.try_send(queued).map_err(|refused| match refused {
            TrySendError::Full(_) => SubmitError::Overloaded,
            TrySendError::Closed(_) => SubmitError::Stopping,
        })
    }
}

/// Whether it settles what fell due; under a key somebody asked for it.
fn can_wait(queued: &Queued) -> bool {
    let request = &queued.request;
    request.key.is_none() && matches!(request.command, Command::Settle { .. })
}

impl WriterTask {
    /// Takes commands until `stop`, then refuses new ones, finishes those that wait, and ends.
    ///
    /// What a batch came to is told while the next one is loaded, so that the database does not
    /// wait for those who are answered; with nothing to load, it is told at once.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut settled: Vec<Settled> = Vec::new();
        loop {
            let mut batch = self.waiting.batch();
            if batch.is_empty() {
                settled.drain(..).for_each(tell);
                let Some(first) = self.waiting.first(&stop).await else { return };
                batch = self.waiting.batch_after(first);
            }
            if stop.is_cancelled() {
                self.waiting.close();
            }
            let taken = i64::try_from(batch.len()).unwrap_or(i64::MAX);
            let settlements = batch.iter().filter(|queued| can_wait(queued)).count();
            self.ground.metrics.writer.queue.dec_by(taken);
            self.progress.begin();
            let began = std::time::Instant::now();
            let before = std::mem::take(&mut settled);
            // In this order: the batch is under way before anyone is told.
            (settled, ()) = futures_util::future::join(self.ground.serve(batch), async {
                before.into_iter().for_each(tell);
            })
            .await;
            self.progress.end();
            self.waiting.share.note(settlements, began.elapsed());
        }
    }
}

impl Waiting {
    /// The next batch of what waits by now.
    fn batch(&mut self) -> Vec<Queued> {
        self.fill(Vec::new())
    }

    /// The same, where the first command was taken already.
    fn batch_after(&mut self, first: Queued) -> Vec<Queued> {
        self.fill(vec![first])
    }

    /// Settlements have at least their share of half a batch, lest they wait for ever.
    fn fill(&mut self, mut batch: Vec<Queued>) -> Vec<Queued> {
        let share = self.share.0.min(self.batch_max.div_ceil(2));
        while batch.len() < share
            && let Ok(queued) = self.settlements.try_recv()
        {
            batch.push(queued);
        }
        while batch.len() < self.batch_max
            && let Ok(queued) = self.asked.try_recv()
        {
            batch.push(queued);
        }
        batch
    }

    /// Waits for a command; none once it is closed and empty.
    async fn first(&mut self, stop: &CancellationToken) -> Option<Queued> {
        loop {
            let (asked_open, settlements_open) =
                (!self.asked.is_closed(), !self.settlements.is_closed());
            tokio::select! {
                biased;
                () = stop.cancelled(), if asked_open || settlements_open => self.close(),
                Some(first) = self.asked.recv() => return Some(first),
                Some(first) = self.settlements.recv() => return Some(first),
                else => return None,
            }
        }
    }

    /// Takes nothing in any more.
    fn close(&mut self) {
        self.asked.close();
        self.settlements.close();
    }
}

impl Share {
    /// Takes note of how long a batch with so many settlements took.
    fn note(&mut self, settlements: usize, took: Duration) {
        let (least, most) = SHARES;
        if settlements > 0 && took > SETTLING {
            self.0 = (self.0 / 2).max(least);
        } else if settlements >= self.0 && took < SETTLING / 2 {
            self.0 = self.0.saturating_mul(2).min(most);
        }
    }
}

/// A command and what it came to, not told yet.
pub(super) type Settled = (Queued, batch::Outcome);

/// Answers a command; whoever asked may have gone meanwhile, which changes nothing.
fn tell((queued, outcome): Settled) {
    if queued.reply.send(outcome).is_err() {
        debug!("nobody waits for this answer any more");
    }
}

impl Progress {
    fn moves_within(&self, limit: Duration) -> bool {
        let began_ms = self.batch_began_ms.load(Ordering::Relaxed);
        let running = self.made.elapsed().saturating_sub(Duration::from_millis(began_ms));
        began_ms == 0 || running < limit
    }

    fn begin(&self) {
        let began = u64::try_from(self.made.elapsed().as_millis().max(1)).unwrap_or(u64::MAX);
        self.batch_began_ms.store(began, Ordering::Relaxed);
    }

    fn end(&self) {
        self.batch_began_ms.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Home;
    use crate::traces::Span;
    use crate::writer::{Key, Request};
    use creditd_rules::Cause;
    use tokio::sync::oneshot;

    fn queued(command: Command, key: Option<&str>) -> Queued {
        let key = key.map(|key| Key { key: key.into(), fingerprint: [0; 32] });
        let home = Home::Workspace("w".into());
        let request = Request { home, command, cause: Cause::default(), key };
        Queued { request, span: Span::none(), reply: oneshot::channel().0 }
    }

    fn settlement() -> Queued {
        queued(Command::Settle { seats: Vec::new(), accounts: Vec::new() }, None)
    }

    fn asked(key: &str) -> Queued {
        queued(Command::Settle { seats: Vec::new(), accounts: Vec::new() }, Some(key))
    }

    /// So many settlements wait, and then so many that were asked for.
    fn waiting(batch_max: usize, settlements: usize, others: usize) -> (Entrance, Waiting) {
        let (entrance, waiting) = queues(Limits { queue: 1_000, batch: batch_max });
        (0..settlements).for_each(|_| entrance.take(settlement()).unwrap());
        (0..others).for_each(|number| entrance.take(asked(&number.to_string())).unwrap());
        (entrance, waiting)
    }

    fn counts(batch: &[Queued]) -> (usize, usize) {
        let settlements = batch.iter().filter(|queued| can_wait(queued)).count();
        (settlements, batch.len() - settlements)
    }

    #[test]
    fn who_asks_does_not_wait_behind_settlements() {
        let (_entrance, mut waiting) = waiting(1_000, 500, 3);
        assert_eq!(counts(&waiting.batch()), (64, 3));
        assert_eq!(counts(&waiting.batch()), (64, 0));
    }

    #[test]
    fn settlements_do_not_wait_for_ever_behind_those_who_ask() {
        for (batch_max, expected) in [(100, (50, 50)), (300, (64, 236)), (1, (1, 0))] {
            let (_entrance, mut waiting) = waiting(batch_max, 500, 500);
            assert_eq!(counts(&waiting.batch()), expected, "{batch_max}");
        }
    }

    #[test]
    fn the_share_of_settlements_follows_how_long_they_take() {
        let mut share = Share(SHARES.0);
        let mut after = |settlements, ms| {
            share.note(settlements, Duration::from_millis(ms));
            share.0
        };
        assert_eq!([after(64, 6), after(128, 6), after(256, 30)], [128, 256, 256]);
        assert_eq!([after(256, 6), after(0, 500), after(5, 1)], [512, 512, 512]);
        assert_eq!(
            [after(512, 60), after(256, 60), after(128, 60), after(64, 60)],
            [256, 128, 64, 64]
        );
        (0..20).for_each(|_| {
            after(512, 1);
        });
        assert_eq!(after(512, 1), 512);
    }

    #[tokio::test]
    async fn what_waits_when_it_closes_is_taken_to_the_last() {
        let (entrance, mut waiting) = waiting(100, 80, 2);
        let stop = CancellationToken::new();
        stop.cancel();
        let first = waiting.first(&stop).await.unwrap();
        assert!(matches!(entrance.take(settlement()), Err(SubmitError::Stopping)));
        assert!(matches!(entrance.take(asked("late")), Err(SubmitError::Stopping)));
        let mut taken = waiting.batch_after(first);
        loop {
            taken.extend(waiting.batch());
            match waiting.first(&stop).await {
                Some(first) => taken.push(first),
                None => break,
            }
        }
        assert_eq!(counts(&taken), (80, 2));
    }
}
