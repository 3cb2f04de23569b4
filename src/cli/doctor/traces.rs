//! Whether the collector of traces takes anything, where one is set.

use super::finding::Finding;
use crate::settings::Settings;
use crate::traces;

const TRACES: &str = "traces";

/// A request without spans is sent. Traces are nothing that credits rest on, so that nothing fails.
pub(super) async fn examine(settings: &Settings) -> Option<Finding> {
    let collector = settings.traces.collector.as_ref()?;
    let base = &collector.base;
    Some(match traces::try_collector(collector).await {
        Ok(()) => Finding::ok(TRACES, format!("the collector at {base} takes them")),
        Err(why) => Finding::warn(
            TRACES,
            format!("the collector at {base} does not take them: {why}"),
            "see that it runs and speaks OTLP over HTTP, and that traces.headers are what it wants",
        ),
    })
}
