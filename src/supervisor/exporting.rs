//! The worker that sends spans. It ends after all others, since they make spans until they end, and
//! its end is no reason to stop: nothing but traces rests on it.

use crate::traces::{Exporter, FLUSH_MAX};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The exporter, where there is one.
#[derive(Debug, Default)]
pub(super) struct Exporting(Option<(TaskTracker, CancellationToken)>);

impl Exporting {
    pub(super) fn begin(exporter: Option<Exporter>) -> Self {
        Self(exporter.map(|exporter| {
            let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
            tracker.spawn(exporter.run(stop.clone()));
            tracker.close();
            (tracker, stop)
        }))
    }

    /// How long its end takes at most.
    pub(super) const fn takes(&self) -> Duration {
        if self.0.is_some() { FLUSH_MAX } else { Duration::ZERO }
    }

    /// Sends what is left.
    pub(super) async fn end(self) {
        let Some((tracker, stop)) = self.0 else { return };
        stop.cancel();
        tracker.wait().await;
    }
}
