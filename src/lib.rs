//! creditd: exact credit metering for AI products.
//!
//! See docs/ARCHITECTURE.md for the map. Rules live in the `creditd-rules` crate; this crate is
//! the shell around them.

pub mod api_key;
pub mod cli;
pub mod clock;
pub mod logging;
pub mod email;
pub mod metrics;
pub mod settings;
pub mod outbox;
pub mod store;
pub mod systemd;
pub mod writer;
pub mod schedule;
pub mod stripe;
pub mod inbox;
