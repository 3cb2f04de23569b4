//! Tests of the packaged daemon in a real systemd, which each test boots for itself in namespaces.
//!
//! They need root and what scripts/package-tools installs: `cargo test --test system` as root, or
//! scripts/test, which takes care of that. Each ends its system and all that was in it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod system;
mod traffic;
mod service;
mod reload;
mod socket;
mod trouble;
mod package;
mod manual;
mod by_hand;
