//! Traces: what one request or webhook brought about, from its arrival to the mail, told to a
//! collector that speaks OTLP. Off unless `traces.endpoint` is set.
//!
//! | part | what it does |
//! |---|---|
//! | [`traceparent`] | ids, and how they are written down (W3C Trace Context) |
//! | [`span`] | one step of a trace, told when it is dropped |
//! | [`protobuf`], [`otlp`] | spans as collectors read them |
//! | [`exporter`] | sends what has ended, from a bounded queue |
//!
//! Only what arrives begins a trace; everything else continues the one that it is part of, or is
//! not traced. A trace outlives requests and processes where its id is stored: with an event of the
//! inbox and with a promised mail. Within a request it is [`current`], so that no call hands it on.
//!
//! Off, a debit costs three looks at an `Option`, and no span is made.

mod traceparent;
mod span;
mod protobuf;
mod otlp;
mod exporter;
#[cfg(test)]
mod tests;

use exporter::Sender;
pub use exporter::{Exporter, FLUSH_MAX};
pub use span::{Kind, Span};
pub use traceparent::Traceparent;

use crate::metrics::Metrics;
use crate::settings;
use span::{Finished, Place};
use std::num::NonZeroU32;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The header in which a caller says which trace its request is part of.
pub const HEADER: &str = "traceparent";

/// Ended spans that wait to be sent. More are dropped, and counted.
const QUEUE_SPANS: usize = 4_096;

/// The most links of one span.
const LINKS_MAX: usize = 64;

/// Where spans are begun; cheap to clone. Off, it begins none.
#[derive(Debug, Clone, Default)]
pub struct Traces(Option<Arc<Recording>>);

/// What spans of a process that traces have in common.
#[derive(Debug)]
struct Recording {
    ended: mpsc::Sender<Finished>,
    outcomes: crate::metrics::Spans,
    one_in: NonZeroU32,
}

/// Begins to trace as the settings say: `metrics` begins spans from now on, and the exporter sends
/// them. None where traces are off.
///
/// # Errors
/// When a header can be none.
pub fn start(wanted: &settings::Traces, metrics: &mut Metrics) -> Result<Option<Exporter>, String> {
    let Some(collector) = &wanted.collector else { return Ok(None) };
    let (ended, queue) = mpsc::channel(QUEUE_SPANS);
    let sender = Sender::try_new(collector)?;
    let exporter = Exporter::new(sender, queue, metrics.spans.clone());
    let outcomes = metrics.spans.clone();
    metrics.traces = Traces(Some(Arc::new(Recording { ended, outcomes, one_in: wanted.one_in })));
    Ok(Some(exporter))
}

/// Sends a collector a request without spans, to see whether it takes any.
///
/// # Errors
/// Says why it does not.
pub async fn try_collector(collector: &settings::Collector) -> Result<(), String> {
    Sender::try_new(collector)?.post(otlp::request(&[]).into()).await.map_err(|it| it.to_string())
}

tokio::task_local! {
    static CURRENT: Traceparent;
}

/// The step of a trace that this task is at; none where it is not traced.
#[must_use]
pub fn current() -> Option<Traceparent> {
    CURRENT.try_with(|current| *current).ok()
}

impl Traces {
    /// Whether anything is traced at all.
    #[must_use]
    pub const fn are_on(&self) -> bool {
        self.0.is_some()
    }

    /// Something arrived. It continues the trace that its caller names, as the caller decided;
    /// without one it begins a trace, for one arrival in as many as the settings say.
    pub fn arrived(&self, name: impl FnOnce() -> String, caller: Option<Traceparent>) -> Span {
        let Some(recording) = &self.0 else { return Span::none() };
        let place = match caller {
            Some(caller) if caller.is_sampled() => Place::within(caller),
            Some(_) => None,
            None => Place::new_trace(recording.one_in),
        };
        let Some(place) = place else { return Span::none() };
        Span::begin(recording, place, name(), Kind::Server)
    }

    /// A step of the trace `of`, which may have begun in another process; none without one.
    #[must_use]
    pub fn step(&self, name: &'static str, kind: Kind, of: Option<Traceparent>) -> Span {
        let (Some(recording), Some(of)) = (&self.0, of) else { return Span::none() };
        let Some(place) = Place::within(of) else { return Span::none() };
        Span::begin(recording, place, name, kind)
    }

    /// A step of the [`current`] trace; none without one.
    #[must_use]
    pub fn here(&self, name: &'static str, kind: Kind) -> Span {
        if self.are_on() { self.step(name, kind, current()) } else { Span::none() }
    }

    /// What several traces come together in: a trace of its own, linked to theirs; none where
    /// there are none.
    #[must_use]
    pub fn joint(&self, name: &'static str, of: impl Iterator<Item = Traceparent>) -> Span {
        let Some(recording) = &self.0 else { return Span::none() };
        let mut of = of.take(LINKS_MAX).peekable();
        if of.peek().is_none() {
            return Span::none();
        }
        let Some(place) = Place::new_trace(NonZeroU32::MIN) else { return Span::none() };
        let mut span = Span::begin(recording, place, name, Kind::Internal);
        of.for_each(|other| span.link(other));
        span
    }
}
