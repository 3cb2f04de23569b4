//! What other programs rely on: each call, each code, lists, listeners.

mod bad_events;
mod calls;
mod codes;
mod listeners;
mod lists;
mod trouble;
mod webhooks;
