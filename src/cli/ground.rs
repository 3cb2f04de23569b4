//! What commands stand on: the store, and the writer for those that change an account.

use super::args::Rehearsal;
use super::change::{Asked, Hand};
use crate::inbox::Inbox;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::store::{self, OpenError, OpenOptions, Store};
use crate::supervisor::{asking, check_held_plans, open_options};
use crate::writer::{Foresight, Ground, Limits, Submit, Writer};
use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The store that the settings name, brought up to date where they say so; it must exist.
pub(super) async fn open(settings: &Settings) -> anyhow::Result<Arc<dyn Store>> {
    open_with(settings, settings.database.migrate, false).await
}

/// The same store, made where there is none yet.
pub(super) async fn open_or_make(settings: &Settings) -> anyhow::Result<Arc<dyn Store>> {
    open_with(settings, settings.database.migrate, true).await
}

async fn open_with(
    settings: &Settings, migrate: bool, create: bool,
) -> anyhow::Result<Arc<dyn Store>> {
    let options = OpenOptions { migrate, create, ..open_options(settings) };
    let database = &settings.database;
    Ok(store::open_with(database.url.expose(), &options, &database.postgres()).await?)
}

/// Makes a change with a writer of this command's own, or foresees it, on the store that the
/// settings name.
///
/// The writer keeps nothing between batches, so that one beside the daemon's is right too.
pub(super) async fn change(
    settings: &Settings, asked: Asked, out: &mut dyn Write,
) -> anyhow::Result<()> {
    if asked.is_dry_run() {
        let store = open(settings).await?;
        check_held_plans(store.as_ref(), settings).await?;
        let foresight = Foresight { store, catalogue: settings.catalogue.clone() };
        return asked.run(Hand::Foresees(&foresight), out).await;
    }
    let limits = Limits { queue: 1, batch: 1 };
    let work =
        async |parts: Parts| asked.run(Hand::Writes(&*parts.writer, &*parts.store), out).await;
    with_parts(settings, limits, work).await
}

/// Does `work` with an inbox of this command's own.
pub(super) async fn with_inbox(
    settings: &Settings, work: impl AsyncFnOnce(Inbox) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let limits = settings.writer;
    with_parts(settings, limits, async |Parts { store, writer, metrics, tracker }: Parts| {
        work(Inbox {
            stripe: asking(settings, &metrics)?,
            store,
            writer,
            prices: settings.prices.clone().into_prices(),
            metrics,
            wake: Arc::default(),
            tracker,
            tempo: settings.inbox,
        })
        .await
    })
    .await
}

/// What a command that changes something works with.
struct Parts {
    store: Arc<dyn Store>,
    writer: Arc<dyn Submit>,
    metrics: Arc<Metrics>,
    tracker: TaskTracker,
}

async fn with_parts(
    settings: &Settings, limits: Limits, work: impl AsyncFnOnce(Parts) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let store = open(settings).await?;
    check_held_plans(store.as_ref(), settings).await?;
    let metrics = Arc::new(Metrics::new(settings.database.url.engine().as_str()));
    let ground = Ground {
        store: Arc::clone(&store),
        catalogue: Live::new(settings.catalogue.clone()),
        metrics: Arc::clone(&metrics),
        wakes: Arc::default(),
    };
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    let writer = Writer::spawned(&ground, limits, NonZeroUsize::MIN, &tracker, &stop);
    let tasks = tracker.clone();
    let done = work(Parts { store, writer: Arc::new(writer), metrics, tracker }).await;
    tasks.close();
    stop.cancel();
    tasks.wait().await;
    done
}

/// `creditd migrate`.
pub(super) async fn migrate(
    settings: &Settings, how: Rehearsal, out: &mut dyn Write,
) -> anyhow::Result<()> {
    let url = &settings.database.url;
    if !how.dry_run {
        open_with(settings, true, true).await?;
        writeln!(out, "{url}: the schema is up to date")?;
        return Ok(());
    }
    let options = open_options(settings).as_it_is();
    let database = &settings.database;
    match store::open_with(url.expose(), &options, &database.postgres()).await {
        Ok(_) => writeln!(out, "{url}: the schema is up to date, nothing would be done")?,
        Err(OpenError::OldSchema { found, known }) => {
            writeln!(out, "{url}: schema {found} would be brought to {known}")?;
        }
        Err(OpenError::Missing(path)) => {
            writeln!(out, "there is no database at {}; it would be made", path.display())?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
