//! Starts everything, watches over it, and stops it in order.
//!
//! Stopping takes two steps. First the doors close and the workers end: no new request is taken,
//! and what is begun is finished. Then the writer and the keeper of webhooks, which those rely on,
//! commit what they still hold and end. A second signal ends the process at once. A worker that
//! ends by itself takes the daemon down with it: the service manager restarts it whole.

mod asking;
mod control;
mod exporting;
mod held_plans;
mod listeners;
mod maintenance;
mod readiness;
mod reload;
mod signals;
mod test_clock;
mod watchdog;
mod webhooks;

use crate::clock;
use crate::email::transport::SmtpTransport;
use crate::email::{Mailer, files::MailFiles};
use crate::http::server::Door;
use crate::http::{self, Api, api_router, ops_router};
use crate::inbox::{self, Inbox};
use crate::logging::Level;
use crate::metrics::Metrics;
use crate::outbox::{self, Outbox};
use crate::reconcile::{self, Reconcile};
use crate::schedule::Schedule;
use crate::settings::{Engine, Settings};
use crate::store::{self, Store};
use crate::stripe::door::EventKeeper;
use crate::stripe::signature::Verifier;
use crate::systemd;
use crate::traces;
use crate::writer::{Ground, Submit, Wakes, Writer, WriterTask};
use anyhow::bail;
pub use asking::asking;
use control::Asked;
pub use control::{Answer, ask_to_reload, socket};
use exporting::Exporting;
pub use held_plans::check_held_plans;
use maintenance::Maintenance;
use readiness::State;
use reload::{Reload, Replaceable};
use signals::{Signals, Wish};
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use test_clock::SettableClock;
use tokio::sync::{Notify, mpsc};
use tokio::time::{timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};
use webhooks::StripeDoor;

/// What is left of the time to stop for committing what was taken in, once the doors are closed.
const COMMIT_STOP: Duration = Duration::from_secs(5);

/// Everything that runs, and how it is told to stop.
struct Running {
    tracker: TaskTracker,
    /// Doors close and workers end.
    soft: CancellationToken,
    /// Whoever commits ends.
    hard: CancellationToken,
    /// Something ended that should not have.
    failed: Arc<AtomicBool>,
    doors: Vec<Door>,
}

/// Runs the daemon until it is told to stop. `level` is that of its log.
///
/// # Errors
/// When something that it needs cannot be had, or a part of it died.
pub async fn serve(settings: Settings, level: Level) -> anyhow::Result<()> {
    let began = std::time::Instant::now();
    let _only_one = store::lock_for_serve(settings.database.url.expose())?;
    let database = &settings.database;
    let store =
        store::open_with(database.url.expose(), &open_options(&settings), &database.postgres())
            .await?;
    check_held_plans(store.as_ref(), &settings).await?;
    let listener = listeners::api(settings.server.listen)?;
    let ops_listener = listeners::listen(settings.server.ops_listen, "server.ops_listen")?;
    // Port 0 in the settings is any free one; the log says which.
    let (api, ops) = (listener.local_addr()?, ops_listener.local_addr()?);
    let replaceable = Replaceable::try_new(&settings)?;
    let signals = Signals::new()?;
    let mut metrics = Metrics::new(settings.database.url.engine().as_str());
    let exporter = traces::start(&settings.traces, &mut metrics).map_err(anyhow::Error::msg)?;
    let exporting = Exporting::begin(exporter);
    let running = start(&settings, Arc::new(metrics), store, &replaceable, listener, ops_listener)?;
    let asked = running.control(&settings)?;
    for notice in &settings.notices {
        warn!("{notice}");
    }
    let started_in_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    info!(
        listen = %api, %ops, version = env!("CARGO_PKG_VERSION"), started_in_ms, "ready"
    );
    systemd::ready("serving");
    let stop_timeout = settings.server.stop_timeout.saturating_sub(exporting.takes());
    let reload = Reload::new(settings, replaceable, level);
    let stopped = running.until_stopped(reload, asked, signals, stop_timeout).await;
    exporting.end().await;
    stopped
}

/// How the store is to be opened.
#[must_use]
pub fn open_options(settings: &Settings) -> store::OpenOptions {
    store::OpenOptions {
        migrate: settings.database.migrate,
        create: true,
        clock: settings.clock,
        checkpoint: settings.database.checkpoint,
    }
}

/// Batches in flight at once. SQLite has one lock, under which half the commands in twice the batches
/// cost more; PostgreSQL works on one while another is on its way.
#[must_use]
pub const fn lanes(engine: Engine) -> NonZeroUsize {
    match engine {
        Engine::Sqlite => NonZeroUsize::MIN,
        Engine::Postgres => NonZeroUsize::MIN.saturating_add(2),
    }
}

fn start(
    settings: &Settings, metrics: Arc<Metrics>, store: Arc<dyn Store>, replaceable: &Replaceable,
    listener: TcpListener, ops_listener: TcpListener,
) -> anyhow::Result<Running> {
    let engine = settings.database.url.engine();
    let wakes = Arc::new(Wakes::default());
    let ground = Ground {
        store: Arc::clone(&store),
        catalogue: replaceable.catalogue.clone(),
        metrics: Arc::clone(&metrics),
        wakes: Arc::clone(&wakes),
    };
    let (writer, lanes) = Writer::new(&ground, settings.writer, lanes(engine));
    let submit: Arc<dyn Submit> = Arc::new(writer.clone());
    let inbox_wake = Arc::new(Notify::new());
    let schedule = Schedule {
        store: Arc::clone(&store),
        writer: Arc::clone(&submit),
        metrics: Arc::clone(&metrics),
        wakes: Arc::clone(&wakes),
        clock_mode: settings.clock,
    };

    let mut running = Running::new();
    let soft = running.soft.clone();
    running.writer(lanes, engine)?;
    let (api_door, ops_door) = (Door::default(), Door::default());
    let stripe = asking(settings, &metrics)?;
    let state = State::new(settings, &store, &writer, &metrics, stripe.as_ref());
    let api = Api {
        store: Arc::clone(&store),
        writer: Arc::clone(&submit),
        catalogue: replaceable.catalogue.clone(),
        metrics: Arc::clone(&metrics),
        webhooks: running.stripe_door(settings, &store, &metrics, &inbox_wake)?,
        test_clock: (settings.clock == clock::Mode::Test).then(|| {
            let clock: Arc<dyn http::test_clock::TestClock> =
                Arc::new(SettableClock { store: Arc::clone(&store), schedule: schedule.clone() });
            clock
        }),
        inbox: Arc::clone(&inbox_wake),
        limits: settings.server.limits,
    };
    let outbox = outbox(settings, replaceable, &store, &metrics, wakes)?;
    let inbox = Inbox {
        store: Arc::clone(&store),
        writer: Arc::clone(&submit),
        prices: replaceable.prices(),
        stripe,
        metrics: Arc::clone(&metrics),
        wake: inbox_wake,
        tracker: running.tracker.clone(),
        tempo: settings.inbox,
    };
    let upkeep = Maintenance::new(settings, &store, &metrics);
    running.worker("schedule", soft.clone(), schedule.run(soft.clone()));
    running.asking_workers(settings, &inbox);
    running.worker("inbox", soft.clone(), inbox::run(inbox, soft.clone()));
    running.worker("outbox", soft.clone(), outbox::run(outbox, soft.clone()));
    running.worker("maintenance", soft.clone(), upkeep.run(soft.clone()));
    if let Some(interval) = systemd::watchdog_interval() {
        let alive = watchdog::feed(Arc::clone(&store), writer.clone(), interval, soft.clone());
        running.worker("watchdog", soft.clone(), alive);
    }
    let ops = ops_router(metrics, Arc::new(state));
    running.door("api", http::server::serve(listener, api_router(api), api_door.clone()));
    running.door("ops", http::server::serve(ops_listener, ops, ops_door.clone()));
    running.doors.extend([api_door, ops_door]);
    Ok(running)
}

/// The worker that sends mail: over SMTP, or, without a server, into files.
fn outbox(
    settings: &Settings, replaceable: &Replaceable, store: &Arc<dyn Store>, metrics: &Arc<Metrics>,
    wakes: Arc<Wakes>,
) -> anyhow::Result<Outbox> {
    let mail = &settings.mail;
    let mailer = match mail.smtp.clone() {
        Some(config) => {
            let smtp = SmtpTransport::try_new(config).map_err(anyhow::Error::msg)?;
            Mailer::Smtp(Box::new(smtp))
        }
        None => Mailer::Files(MailFiles::new(mail.directory.clone())),
    };
    Ok(Outbox {
        store: Arc::clone(store),
        mailer,
        templates: replaceable.templates.clone(),
        sender: mail.sender.clone(),
        retry: mail.retry.clone(),
        metrics: Arc::clone(metrics),
        wakes,
    })
}

impl Running {
    fn new() -> Self {
        Self {
            tracker: TaskTracker::new(),
            soft: CancellationToken::new(),
            hard: CancellationToken::new(),
            failed: Arc::default(),
            doors: Vec::new(),
        }
    }

    /// Runs a worker that must not end before `stop`.
    fn worker(
        &self, name: &'static str, stop: CancellationToken,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        self.tracker.spawn(self.watched(name, stop, work));
    }

    /// Runs the writer's lanes. SQLite works on a thread of the process too, so that a lane that
    /// had to wait for a request on its thread would keep the database waiting.
    fn writer(&self, lanes: Vec<WriterTask>, engine: Engine) -> anyhow::Result<()> {
        for lane in lanes {
            let (stop, work) = (self.hard.clone(), lane.run(self.hard.clone()));
            match engine {
                Engine::Sqlite => self.thread("writer", stop, work)?,
                Engine::Postgres => self.worker("writer", stop, work),
            }
        }
        Ok(())
    }

    /// Runs a worker that must not end before `stop`, on a thread of its own.
    fn thread(
        &self, name: &'static str, stop: CancellationToken,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<()> {
        let work = self.tracker.track_future(self.watched(name, stop, work));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        std::thread::Builder::new().name(name.to_owned()).spawn(move || runtime.block_on(work))?;
        Ok(())
    }

    /// A worker whose end before `stop` is noticed, by a panic too.
    fn watched(
        &self, name: &'static str, stop: CancellationToken,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (failed, soft) = (Arc::clone(&self.failed), self.soft.clone());
        async move {
            // A panic drops the guard too.
            let guard = Guard { name, stop, failed, soft };
            work.await;
            drop(guard);
        }
    }

    /// Those who ask Stripe, where there is a key.
    fn asking_workers(&self, settings: &Settings, inbox: &Inbox) {
        if inbox.stripe.is_none() {
            return;
        }
        let reconcile = Reconcile { inbox: inbox.clone() };
        let (catch_up, sync) = (settings.stripe.catch_up, settings.maintenance.sync.clone());
        let (times, soft) = (reconcile::Times { catch_up, sync }, &self.soft);
        self.worker("fetch", soft.clone(), inbox::fetch(inbox.clone(), soft.clone()));
        self.worker("reconcile", soft.clone(), reconcile::run(reconcile, times, soft.clone()));
    }

    /// Who takes webhooks; none without a secret.
    fn stripe_door(
        &mut self, settings: &Settings, store: &Arc<dyn Store>, metrics: &Arc<Metrics>,
        inbox: &Arc<Notify>,
    ) -> anyhow::Result<Option<Arc<dyn http::webhook::WebhookDoor>>> {
        if settings.stripe.webhook_secrets.is_empty() {
            return Ok(None);
        }
        let secrets = settings.stripe.webhook_secrets.clone();
        let verifier = Verifier::try_new(secrets, settings.stripe.tolerance)?;
        let (keeper, task) =
            EventKeeper::new(Arc::clone(store), Arc::clone(metrics), Arc::clone(inbox));
        self.worker("keeper", self.hard.clone(), task.run(self.hard.clone()));
        Ok(Some(Arc::new(StripeDoor {
            verifier,
            keeper,
            metrics: Arc::clone(metrics),
            livemode: settings.stripe.livemode,
        })))
    }

    /// Runs a listener until its handle shuts it down.
    fn door(
        &self, name: &'static str,
        serving: impl Future<Output = std::io::Result<()>> + Send + 'static,
    ) {
        self.worker(name, self.soft.clone(), async move {
            if let Err(cause) = serving.await {
                error!(door = name, %cause, "the listener failed");
            }
        });
    }

    /// Opens the door for commands, where there is a runtime directory; what comes through it.
    fn control(&self, settings: &Settings) -> anyhow::Result<mpsc::Receiver<Asked>> {
        let (reloads, asked) = mpsc::channel(1);
        if let Some(directory) = &settings.runtime_dir {
            let listener = control::listen(directory)?;
            let door = control::run(listener, reloads, self.soft.clone());
            self.worker("control", self.soft.clone(), door);
        }
        Ok(asked)
    }

    /// Reloads when asked to, until a signal or a failed part ends the daemon; then stops.
    async fn until_stopped(
        self, mut reload: Reload, mut asked: mpsc::Receiver<Asked>, mut signals: Signals,
        stop_timeout: Duration,
    ) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                () = self.soft.cancelled() => break,
                wish = signals.next(&mut asked) => match wish {
                    Wish::Stop => break,
                    Wish::Reload(caller) => reload.run_and_tell(caller),
                },
            }
        }
        tokio::select! {
            stopped = self.stop(stop_timeout) => stopped,
            () = signals.stop() => bail!("a second signal: ended at once"),
        }
    }

    /// Stops in order, within `stop_max`; what does not end in time is left behind, and that is an
    /// error.
    async fn stop(self, stop_max: Duration) -> anyhow::Result<()> {
        let deadline = tokio::time::Instant::now() + stop_max;
        let doors_stop_max = stop_max - COMMIT_STOP.min(stop_max / 2);
        systemd::stopping();
        info!("stopping");
        self.soft.cancel();
        for door in &self.doors {
            door.close();
        }
        self.tracker.close();
        let doors_closed = async {
            for door in &self.doors {
                door.drained().await;
            }
        };
        let drained = timeout(doors_stop_max, doors_closed).await.is_ok();
        self.doors.iter().for_each(Door::cut);
        self.hard.cancel();
        let ended = timeout_at(deadline, self.tracker.wait()).await.is_ok();
        if self.failed.load(Ordering::Acquire) {
            bail!("a part of the daemon ended; see the log before this line");
        }
        if !ended {
            bail!("not everything ended in time; nothing acknowledged is lost");
        }
        info!(drained, "stopped");
        Ok(())
    }
}

/// Takes the daemon down when a worker ends that should not have.
struct Guard {
    name: &'static str,
    stop: CancellationToken,
    failed: Arc<AtomicBool>,
    soft: CancellationToken,
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Once the daemon stops, those who wait for commands end with the last who sends one.
        if !self.stop.is_cancelled() && !self.soft.is_cancelled() {
            error!(worker = self.name, "a worker ended by itself; the daemon stops");
            self.failed.store(true, Ordering::Release);
            self.soft.cancel();
        }
    }
}
