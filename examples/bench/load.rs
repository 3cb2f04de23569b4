//! Many clients at once, each asking again and again, as fast as they are answered or at a pace.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

/// What one request came to.
pub(super) struct Told {
    /// So many debits, webhooks or other things were done.
    pub(super) done: u32,
    /// It was refused because too much waits.
    pub(super) refused: bool,
}

impl Told {
    pub(super) const fn done(done: u32) -> Self {
        Self { done, refused: false }
    }
}

/// One of many who ask.
pub(super) trait Client: Send + 'static {
    /// Asks once; no two requests of a measurement have the same number.
    fn once(&mut self, number: usize) -> impl Future<Output = Told> + Send;
}

/// What clients of a measurement did.
#[derive(Default)]
pub(super) struct Load {
    done: u64,
    refused: u64,
    took: Duration,
    /// How long each request took that was not refused, in microseconds.
    waits_us: Vec<u64>,
}

impl Load {
    /// What was done in a second.
    pub(super) fn per_second(&self) -> f64 {
        self.done as f64 / self.took.as_secs_f64()
    }

    /// What was refused in a second.
    pub(super) fn refused_per_second(&self) -> f64 {
        self.refused as f64 / self.took.as_secs_f64()
    }

    /// The wait, in milliseconds, that this share of the requests did not exceed.
    pub(super) fn quantile_ms(&mut self, hundredths: usize) -> f64 {
        self.waits_us.sort_unstable();
        let at = (self.waits_us.len() * hundredths / 100).min(self.waits_us.len() - 1);
        self.waits_us[at] as f64 / 1_000.0
    }

    fn add(&mut self, other: Self) {
        self.done += other.done;
        self.refused += other.refused;
        self.waits_us.extend(other.waits_us);
    }
}

/// How long clients ask.
#[derive(Clone)]
pub(super) enum Until {
    /// For a while.
    Over(Instant),
    /// Until they are told to stop.
    Told(CancellationToken),
}

impl Until {
    fn is_over(&self) -> bool {
        match self {
            Self::Over(end) => Instant::now() >= *end,
            Self::Told(stop) => stop.is_cancelled(),
        }
    }
}

impl From<Duration> for Until {
    fn from(span: Duration) -> Self {
        Self::Over(Instant::now() + span)
    }
}

/// Lets all `clients` ask as long as `until` says; with `pace`, so many requests a second in all, and otherwise as
/// fast as they are answered. A request that could not be sent in time, because the one before it
/// took too long, waits from the instant at which it should have been sent.
pub(super) async fn load<C: Client>(
    clients: Vec<C>, numbers: &Arc<AtomicUsize>, until: Until, pace: Option<f64>,
) -> Load {
    let every = pace.map(|pace| Duration::from_secs_f64(clients.len() as f64 / pace));
    let (began, count) = (Instant::now(), clients.len());
    let mut tasks = JoinSet::new();
    for (place, client) in clients.into_iter().enumerate() {
        let first = began + every.unwrap_or_default().mul_f64(place as f64 / count as f64);
        tasks.spawn(ask(client, Arc::clone(numbers), first, until.clone(), every));
    }
    let mut all = Load::default();
    while let Some(done) = tasks.join_next().await {
        all.add(done.unwrap());
    }
    all.took = began.elapsed();
    all
}

async fn ask<C: Client>(
    mut client: C, numbers: Arc<AtomicUsize>, first: Instant, until: Until, every: Option<Duration>,
) -> Load {
    let mut load = Load::default();
    let mut due = first;
    while !until.is_over() {
        let mut asked_at = Instant::now();
        if let Some(every) = every {
            if asked_at < due {
                sleep_until(due.into()).await;
                asked_at = Instant::now();
            } else {
                asked_at = due;
            }
            due += every;
        }
        let told = client.once(numbers.fetch_add(1, Ordering::Relaxed)).await;
        load.done += u64::from(told.done);
        if told.refused {
            load.refused += 1;
        } else {
            load.waits_us.push(u64::try_from(asked_at.elapsed().as_micros()).unwrap());
        }
    }
    load
}
