//! Moves the write-ahead log into the file beside the batches, on a thread of its own.
//!
//! SQLite does this by itself within the commit that finds the log long enough, which then takes
//! many times as long as others. Here most of the log has been moved when that moment comes: the
//! commit moves the rest, and the log begins anew.
//!
//! A program that copies the log as it grows, such as Litestream, moves it itself: what somebody else
//! moves between its last look and its own move is missing in the copy, whose pages then contradict
//! each other. Then nothing is moved here, but for a log so long that nobody can be at work on it.

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tracing::{debug, warn};

/// Pages in the log from which on they are moved beside the batches. Rare moves let changes of the
/// same page fall together.
const MOVE_FROM_PAGES: i64 = 20_000;

/// Pages in the log at which a commit moves what is left.
pub(super) const COMMIT_MOVES_FROM_PAGES: &str = "26000";

/// The same where another program moves the log: 1 GiB, more than Litestream ever lets it have.
pub(super) const COMMIT_MOVES_ALL_THE_SAME_FROM_PAGES: &str = "262144";

/// How many commits there are between two looks at the log.
const LOOK_EVERY: u64 = 64;

/// The door to the thread, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Checkpoints {
    /// None where another program moves the log.
    look: Option<SyncSender<()>>,
    commits: AtomicU64,
}

impl Checkpoints {
    /// Leaves the log to another program.
    pub(super) fn by_another() -> Self {
        Self { look: None, commits: AtomicU64::new(0) }
    }

    /// Starts the thread.
    pub(super) fn start(options: SqliteConnectOptions) -> std::io::Result<Self> {
        let (look, asked) = sync_channel(1);
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        std::thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(move || runtime.block_on(work(&options, &asked)))?;
        Ok(Self { look: Some(look), commits: AtomicU64::new(0) })
    }

    /// Notes a commit.
    pub(super) fn committed(&self) {
        let Some(look) = &self.look else { return };
        let commits = self.commits.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        if commits.is_multiple_of(LOOK_EVERY) && look.try_send(()).is_err() {
            debug!("a look at the log waits already, and will see this commit too");
        }
    }
}

/// Looks at the log whenever it is asked to. What fails is only told: the commits move the log then.
async fn work(options: &SqliteConnectOptions, asked: &Receiver<()>) {
    let mut connection = None;
    while asked.recv().is_ok() {
        let result = match &mut connection {
            Some(connection) => look(connection).await,
            None => match options.connect().await {
                Ok(made) => look(connection.insert(made)).await,
                Err(error) => Err(error),
            },
        };
        if let Err(error) = result {
            warn!(%error, "the log is not moved into the file beside the batches");
            connection = None;
        }
    }
    if let Some(connection) = connection
        && let Err(error) = connection.close().await
    {
        warn!(%error, "a connection to the file did not close");
    }
}

async fn look(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let (_, pages, moved): (i64, i64, i64) =
        sqlx::query_as("PRAGMA wal_checkpoint(NOOP)").fetch_one(&mut *connection).await?;
    if pages >= MOVE_FROM_PAGES && pages.saturating_sub(moved) > MOVE_FROM_PAGES / 2 {
        sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(connection).await?;
    }
    Ok(())
}
