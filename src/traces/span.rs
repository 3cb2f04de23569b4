//! One step of a trace.

use super::{CURRENT, Recording, Traceparent};
use crate::clock;
use chrono::{DateTime, Utc};
use std::borrow::Cow;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::error::TrySendError;
use tracing::Instrument as _;

/// Who works with whom in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nobody else.
    Internal,
    /// Somebody asked us.
    Server,
    /// We ask somebody.
    Client,
    /// What was stored earlier is dealt with.
    Consumer,
}

/// What is known of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(Cow<'static, str>),
    Number(i64),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

/// Where a span stands: its own ids, and its parent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) own: Traceparent,
    pub(super) parent: Option<[u8; 8]>,
}

impl Place {
    /// Within another step; none without randomness.
    pub(super) fn within(parent: Traceparent) -> Option<Self> {
        let own = Traceparent::step(parent.trace)?;
        Some(Self { own, parent: Some(parent.span) })
    }

    /// At the root of a new trace, which is one of `one_in`; none for the others.
    pub(super) fn new_trace(one_in: NonZeroU32) -> Option<Self> {
        let mut trace = [0; 16];
        getrandom::fill(&mut trace).ok()?;
        let [.., a, b, c, d] = trace;
        let chosen = u32::from_be_bytes([a, b, c, d]) <= u32::MAX / one_in;
        let own = Traceparent::step(trace)?;
        chosen.then_some(Self { own, parent: None })
    }
}

/// A span that has ended.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) place: Place,
    pub(super) name: Cow<'static, str>,
    pub(super) kind: Kind,
    /// By the wall.
    pub(super) began: DateTime<Utc>,
    pub(super) took: Duration,
    pub(super) values: Vec<(&'static str, Value)>,
    pub(super) links: Vec<Traceparent>,
    /// Why it failed; none where it did not.
    pub(super) failure: Option<Cow<'static, str>>,
}

/// One step of a trace that is under way, or none. It ends when it is dropped.
#[derive(Debug, Default)]
pub struct Span(Option<Box<Open>>);

#[derive(Debug)]
struct Open {
    recording: Arc<Recording>,
    since: Instant,
    step: Finished,
}

impl Span {
    /// No span: everything is done as with one, and nothing is told.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    pub(super) fn begin(
        recording: &Arc<Recording>, place: Place, name: impl Into<Cow<'static, str>>, kind: Kind,
    ) -> Self {
        let step = Finished {
            place,
            name: name.into(),
            kind,
            began: clock::wall(),
            took: Duration::ZERO,
            values: Vec::new(),
            links: Vec::new(),
            failure: None,
        };
        let recording = Arc::clone(recording);
        Self(Some(Box::new(Open { recording, since: Instant::now(), step })))
    }

    /// What those who continue this step go by; none without a span.
    #[must_use]
    pub fn place(&self) -> Option<Traceparent> {
        self.0.as_ref().map(|open| open.step.place.own)
    }

    /// Notes what is known of the step. Never an address or a secret: collectors keep it.
    pub(crate) fn note(&mut self, key: &'static str, value: &str) {
        if let Some(open) = &mut self.0 {
            open.step.values.push((key, Value::from(value.to_owned())));
        }
    }

    /// Notes a number.
    pub(crate) fn count(&mut self, key: &'static str, number: u32) {
        if let Some(open) = &mut self.0 {
            open.step.values.push((key, Value::Number(number.into())));
        }
    }

    /// Notes that the step failed, and why.
    pub(crate) fn fail(&mut self, why: impl Into<Cow<'static, str>>) {
        if let Some(open) = &mut self.0 {
            open.step.failure = Some(why.into());
        }
    }

    /// Links the step to one of another trace.
    pub(crate) fn link(&mut self, other: Traceparent) {
        if let Some(open) = &mut self.0 {
            open.step.links.push(other);
        }
    }

    /// Does `work` as this step: what it begins is within it, and what it logs names the trace.
    pub async fn around<T>(&self, work: impl Future<Output = T>) -> T {
        let Some(place) = self.place() else { return work.await };
        let named = tracing::error_span!(target: "trace", "trace", trace_id = place.trace_id());
        CURRENT.scope(place, work.instrument(named)).await
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let Some(open) = self.0.take() else { return };
        let Open { recording, since, mut step } = *open;
        step.took = since.elapsed();
        match recording.ended.try_send(step) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => {
                recording.outcomes.ended("dropped", 1);
            }
        }
    }
}
