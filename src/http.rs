//! The HTTP doors: requests become commands and reads, outcomes become JSON.
//!
//! | listener | what | who may |
//! |---|---|---|
//! | API | `/v1/…` | a key with the call's scope ([`auth`]) |
//! | API | `/webhooks/stripe` | whoever signs ([`webhook`]) |
//! | API | `/openapi.json`, `/docs` | anyone |
//! | ops | `/healthz`, `/readyz`, `/metrics` | whoever reaches it |
//!
//! A handler reads, asks the writer or the store, and answers; no rule of credit stands here.
//! Everything that is not a result is a problem document ([`problem`]).

mod problem;
mod input;
mod auth;
mod keyed;
mod guard;
mod openapi;
mod usage;
mod list;
mod turns;
mod accounts;
mod balance;
mod ledger;
mod directories;
mod seats;
mod grants;
mod promo;
mod rewards;
mod catalogue;
mod ops;
pub mod server;
pub mod test_clock;
pub mod webhook;

pub use ops::{Readiness, Report, ops_router};
pub(crate) use rewards::free_post;

use crate::live::Live;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::writer::Submit;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use creditd_rules::plan::Catalogue;
use problem::{Code, Problem};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use test_clock::TestClock;
use tokio::sync::Notify;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use webhook::WebhookDoor;

/// What the doors of the API open to.
#[derive(Clone)]
pub struct Api {
    /// Where reads, directories and keys are.
    pub store: Arc<dyn Store>,
    /// Who takes commands.
    pub writer: Arc<dyn Submit>,
    /// Plans, actions and the host's choices.
    pub catalogue: Live<Catalogue>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Who takes Stripe's webhooks; none without a secret.
    pub webhooks: Option<Arc<dyn WebhookDoor>>,
    /// Who sets the test clock; none outside test mode.
    pub test_clock: Option<Arc<dyn TestClock>>,
    /// Told when something became known that events of the inbox may wait for.
    pub inbox: Arc<Notify>,
    /// How much is taken at once.
    pub limits: Limits,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// How much the API takes at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest body of a call, in bytes.
    pub body_bytes: usize,
    /// The largest body of a batch of debits, in bytes.
    pub batch_body_bytes: usize,
    /// The largest webhook, in bytes.
    pub webhook_body_bytes: usize,
    /// Requests under way at once; more are refused with 503 `overloaded`.
    pub requests: usize,
    /// The longest time for one request.
    pub request_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 64 * 1024,
            batch_body_bytes: 2 * 1024 * 1024,
            webhook_body_bytes: 256 * 1024,
            requests: 4_096,
            request_timeout: Duration::from_secs(30),
        }
    }
}

/// The API and what its doors remember themselves.
#[derive(Debug)]
pub(crate) struct Doors {
    api: Api,
    keys: auth::Keys,
    turns: turns::Turns,
}

/// Everything of the API listener.
pub fn api_router(api: Api) -> Router {
    let (metrics, limits) = (api.metrics.clone(), api.limits);
    let (keys, turns) = Default::default();
    let doors = Arc::new(Doors { api, keys, turns });
    let (router, document) = routes(&limits).split_for_parts();
    let guard = guard::Guard::new(metrics, limits, document.paths.paths.keys());
    let router = router
        .merge(openapi::router(&document))
        .fallback(async || Problem::new(Code::NotFound, "see /docs for the addresses there are"))
        .method_not_allowed_fallback(async || {
            Problem::new(Code::MethodNotAllowed, "the Allow header names the methods that it takes")
        })
        .with_state(doors);
    guard::around(router, guard)
}

/// The OpenAPI document as pretty JSON, for `creditd openapi`.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn openapi_document() -> Result<String, serde_json::Error> {
    routes(&Limits::default()).into_openapi().to_pretty_json()
}

/// Every call with its description. Those that take larger bodies say so here.
fn routes(limits: &Limits) -> OpenApiRouter<Arc<Doors>> {
    let batch = routes!(usage::batch::debit_many);
    let webhook = routes!(webhook::receive);
    let wide =
        OpenApiRouter::new().routes(batch).layer(DefaultBodyLimit::max(limits.batch_body_bytes));
    let webhooks = OpenApiRouter::new()
        .routes(webhook)
        .layer(DefaultBodyLimit::max(limits.webhook_body_bytes));
    OpenApiRouter::with_openapi(openapi::frame())
        .routes(routes!(usage::debit))
        .routes(routes!(accounts::put, accounts::get, accounts::close))
        .routes(routes!(accounts::list))
        .routes(routes!(balance::balance))
        .routes(routes!(balance::schedule))
        .routes(routes!(ledger::of_account))
        .routes(routes!(grants::give, grants::list))
        .routes(routes!(grants::adjust))
        .routes(routes!(promo::redeem))
        .routes(routes!(rewards::claim))
        .routes(routes!(directories::put_workspace, directories::get_workspace))
        .routes(routes!(directories::put_app, directories::get_app))
        .routes(routes!(directories::put_customer, directories::get_customer))
        .routes(routes!(seats::list))
        .routes(routes!(seats::assign))
        .routes(routes!(seats::transfer))
        .routes(routes!(seats::release))
        .routes(routes!(ledger::of_seat))
        .routes(routes!(grants::revoke))
        .routes(routes!(promo::create, promo::list))
        .routes(routes!(promo::end))
        .routes(routes!(rewards::list))
        .routes(routes!(rewards::approve))
        .routes(routes!(rewards::reject))
        .routes(routes!(catalogue::plans))
        .routes(routes!(catalogue::actions))
        .routes(routes!(test_clock::get, test_clock::set))
        .layer(DefaultBodyLimit::max(limits.body_bytes))
        .merge(wide)
        .merge(webhooks)
}

/// A new id: the prefix says of what; ids made later sort later.
fn new_id(prefix: &str) -> String {
    format!("{prefix}_{}", Uuid::now_v7().simple())
}

#[cfg(test)]
mod tests;
