//! The decisions.
use crate::calendar::Instant;
pub use crate::command::Decision;
use crate::command::{Cause, Command};
use crate::plan::Catalogue;
use crate::state::Workspace;

/// What a decision is taken under, beside the state.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Plans, actions and the host's choices.
    pub catalogue: &'a Catalogue,
    /// The instant.
    pub now: Instant,
    /// What brought the command about.
    pub cause: &'a Cause,
}

/// Decides a command on a workspace and changes the state accordingly.
pub fn decide(workspace: &mut Workspace, command: &Command, context: &Context<'_>) -> Decision {
    let _ = (workspace, command, context);
    unimplemented!()
}
