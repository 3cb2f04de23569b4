//! What systemd's watchdog is told: that nothing in the daemon hangs.
//!
//! Each time a ping is sent to the database. That it *returns* is the proof of life, not what it
//! says: a database that fails, or that is silent until a call to it is given up, would do the same
//! after a restart, and a daemon that is killed for it in a loop only serves worse. `/readyz` tells
//! of it. What does not return at all is a fault of ours, or of a disk, that a restart may mend.

use crate::store::Store;
use crate::systemd;
use crate::writer::Writer;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// A batch that runs longer than this hangs. The calls that it makes are each given up after 8
/// seconds, so that a database that is silent keeps no batch so long.
const BATCH_MAX: Duration = Duration::from_secs(60);

/// Tells systemd every `interval` that the daemon lives, until `stop` or while something hangs.
pub(super) async fn feed(
    store: Arc<dyn Store>, writer: Writer, interval: Duration, stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        let began = Instant::now();
        // Longer than a call to PostgreSQL may take, wherever systemd waits 25 seconds or more.
        let answered = timeout(interval * 3 / 4, store.ping()).await.is_ok();
        let moves = writer.moves_within(BATCH_MAX);
        if answered && moves {
            systemd::alive();
        } else {
            warn!(
                answered,
                moves, "something hangs; the watchdog is not told that the daemon lives"
            );
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep_until(began + interval) => {}
        }
    }
}
