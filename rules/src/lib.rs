//! The rules of credit, as pure functions.
//!
//! Nothing here waits, reads a clock, or fails for a reason outside its arguments. The state of a
//! workspace, a command and an instant go in; the changed state, ledger entries, effects and an
//! answer (or a refusal) come out. The shell in the `creditd` crate loads the state, calls
//! [`decide`](decide::decide) and commits what it returns.
//!
//! Read in this order: [`amount`], [`calendar`], [`plan`], [`state`], [`entry`], [`command`],
//! [`decide`], [`view`], [`outlook`], [`audit`].
#![cfg_attr(not(feature = "openapi"), no_std)]
#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]
#![cfg_attr(test, expect(clippy::arithmetic_side_effects, reason = "tests count freely"))]

extern crate alloc;

pub mod amount;
pub mod id;
pub mod calendar;
pub mod plan;
pub mod state;
pub mod entry;
pub mod command;
pub mod decide;
pub mod view;
pub mod outlook;
pub mod audit;

pub use amount::Amount;
pub use calendar::Instant;
pub use command::{Cause, Command, Rejection};
pub use decide::{Context, Decision, decide};
pub use plan::Kind;
pub use state::Workspace;
