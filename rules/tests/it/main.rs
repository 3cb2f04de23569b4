//! The rules from outside: one line a case, named by rule, and properties.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod world;
mod debits;
mod cycles;
mod plans;
mod announced;
mod people;
mod order;
mod ahead;
mod hunted;
mod histories;
