//! creditd: exact credit metering for AI products.
//!
//! See docs/ARCHITECTURE.md for the map. Rules live in the `creditd-rules` crate; this crate is
//! the shell around them.

pub mod cli;
pub mod supervisor;
pub mod demo;
pub mod client;
pub mod http;
pub mod inbox;
pub mod schedule;
pub mod reconcile;
pub mod outbox;
pub mod writer;
pub mod store;
pub mod stripe;
pub mod email;
pub mod api_key;
pub mod settings;
pub mod clock;
pub mod metrics;
pub mod logging;
pub mod traces;
pub mod live;
mod hex;
pub mod systemd;
