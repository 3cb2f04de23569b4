//! States and traces of events of the inbox, as every engine writes them.

use super::Corrupt;
use crate::store::EventState;
use crate::traces::Traceparent;

/// A state, read.
pub(in crate::store) fn read_state(text: &str) -> Result<EventState, Corrupt> {
    use EventState::{Done, Ignored, Marked, Parked, Pending, Waiting};
    [Pending, Done, Ignored, Waiting, Parked, Marked]
        .into_iter()
        .find(|state| state.as_str() == text)
        .ok_or_else(|| Corrupt::new("an event's state", text))
}

/// A trace, read. One that is none is left out: nothing rests on it.
pub(in crate::store) fn read_trace(text: Option<&str>) -> Option<Traceparent> {
    text.and_then(Traceparent::parse)
}
