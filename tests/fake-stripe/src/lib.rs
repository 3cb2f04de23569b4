//! A Stripe to test against.
//!
//! [`Stripe`] is the model: customers, prices, subscriptions with their items and schedules, and a
//! clock that stands still until [`advance_to`](Stripe::advance_to) moves it. Moving it renews,
//! ends trials, retries payments, turns schedules and cancels, each at its own instant. Everything
//! that happens is kept as an [`Event`], from which a webhook is rendered in the API version that
//! the test wants. The model knows no network and no threads, draws ids from a seed and never
//! reads the time, so that a test can live through thousands of subscriptions and repeat each.
//!
//! Around it are [`api::answer`], which takes a request as Stripe's HTTP API does,
//! [`Server`](server::Server), which puts that on a port of the loopback and can be made to fail,
//! and [`Post`](post::Post), which signs webhooks and mixes up their order.
//!
//! [`Life`](life::Life) lets anything happen to a subscription, as a seed decides.
//!
//! It shares no code with the daemon: a mistake in one is not repeated by the other.
//!
//! Read in this order: [`calendar`], [`object`], [`request`], [`stripe`], [`event`], [`render`],
//! [`post`], [`life`], [`api`], [`server`].

pub mod calendar;
pub mod seed;
pub mod object;
pub mod request;
pub mod fault;
pub mod event;
pub mod stripe;
pub mod version;
pub mod render;
pub mod post;
pub mod life;
pub mod api;
pub mod server;

pub use event::Event;
pub use fault::Fault;
pub use stripe::{Settings, Stripe};
pub use version::ApiVersion;
