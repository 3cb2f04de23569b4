//! Kinds and states of marks, as every engine reads them.

use super::Corrupt;
use crate::store::{MarkKind, MarkState};

/// A kind, read.
pub(in crate::store) fn read_kind(text: &str) -> Result<MarkKind, Corrupt> {
    MarkKind::parse(text).ok_or_else(|| Corrupt::new("a marked object's kind", text))
}

/// A state, read.
pub(in crate::store) fn read_state(text: &str) -> Result<MarkState, Corrupt> {
    MarkState::parse(text).ok_or_else(|| Corrupt::new("a mark's state", text))
}
