//! Tests of the whole, and against parts that others made.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod stripe_tools;
mod exim;
mod engine;
mod daemon;
mod writers;
mod rules;
mod rules_page;
mod manual;
mod faults;
mod postgres;
mod contract;
mod power_cut;
mod many;
mod commands;
mod moving;
mod drill;
mod demo;
mod localstripe;
mod fake_stripe;
mod asked;
mod subscriptions;
mod monitoring;
mod traces;
