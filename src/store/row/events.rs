//! States of events of the inbox, as every engine names them.

use super::Corrupt;
use crate::store::EventState;

/// A state's name in the store.
pub(in crate::store) const fn state_text(state: EventState) -> &'static str {
    match state {
        EventState::Pending => "pending",
        EventState::Done => "done",
        EventState::Ignored => "ignored",
        EventState::Waiting => "waiting",
        EventState::Parked => "parked",
        EventState::Marked => "marked",
    }
}

/// A state, read.
pub(in crate::store) fn read_state(text: &str) -> Result<EventState, Corrupt> {
    use EventState::{Done, Ignored, Marked, Parked, Pending, Waiting};
    [Pending, Done, Ignored, Waiting, Parked, Marked]
        .into_iter()
        .find(|state| state_text(*state) == text)
        .ok_or_else(|| Corrupt::new("an event's state", text))
}
