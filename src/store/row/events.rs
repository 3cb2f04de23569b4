//! States of events of the inbox, as every engine names them.

use super::Corrupt;
use crate::store::EventState;

/// A state, read.
pub(in crate::store) fn read_state(text: &str) -> Result<EventState, Corrupt> {
    use EventState::{Done, Ignored, Marked, Parked, Pending, Waiting};
    [Pending, Done, Ignored, Waiting, Parked, Marked]
        .into_iter()
        .find(|state| state.as_str() == text)
        .ok_or_else(|| Corrupt::new("an event's state", text))
}
