//! What stands around every call: a bound on calls under way, a time limit, counting, and an
//! answer where a handler panics.

mod unread;

use super::Limits;
use super::problem::{Code, Problem, outcome_unknown};
use crate::metrics::Metrics;
use crate::traces::{self, Span, Traceparent};
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use prometheus_client::metrics::histogram::Histogram;
use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tower_http::catch_panic::CatchPanicLayer;
use unread::Unread;

/// The route of requests that no call takes.
const NO_ROUTE: &str = "none";

/// The call whose body is read before it is known who sends it.
const UNKNOWN_SENDERS: &str = "/webhooks/stripe";

/// Requests of unknown senders under way at once, so that slow ones never block the others.
const UNKNOWN_SENDERS_MAX: usize = 512;

/// What is shared by all requests.
#[derive(Debug)]
pub(crate) struct Guard {
    metrics: Arc<Metrics>,
    routes: HashMap<&'static str, Histogram>,
    permits: Semaphore,
    unknown_senders: Semaphore,
    timeout: Duration,
}

impl Guard {
    /// A guard for these routes, each counted apart.
    pub(crate) fn new<'a>(
        metrics: Arc<Metrics>, limits: Limits, routes: impl Iterator<Item = &'a String>,
    ) -> Self {
        let routes = routes
            .map(String::as_str)
            .chain(["/docs", "/openapi.json", NO_ROUTE])
            // Labels are static texts; the routes are few and stay for the life of the process.
            .map(|route| &*Box::leak(Box::<str>::from(route)))
            .map(|route| {
                let seconds = metrics.http.seconds_of(route);
                (route, seconds)
            })
            .collect();
        for code in Code::ALL {
            metrics.http.refused(code.as_str(), 0);
        }
        let permits = Semaphore::new(limits.requests.min(Semaphore::MAX_PERMITS));
        let unknown_senders = Semaphore::new(limits.requests.min(UNKNOWN_SENDERS_MAX));
        Self { metrics, routes, permits, unknown_senders, timeout: limits.request_timeout }
    }

    /// What a request is traced by: what its caller names, or a trace of its own.
    fn span(&self, request: &Request, method: &'static str, route: Option<&MatchedPath>) -> Span {
        let traces = &self.metrics.traces;
        if !traces.are_on() {
            return Span::none();
        }
        let route = route.map_or(NO_ROUTE, MatchedPath::as_str);
        let caller = request.headers().get(traces::HEADER).and_then(|value| value.to_str().ok());
        let name = || format!("{method} {route}");
        let mut span = traces.arrived(name, caller.and_then(Traceparent::parse));
        span.note("http.request.method", method);
        span.note("http.route", route);
        span
    }

    fn count(&self, route: &str, method: &'static str, status: StatusCode, begun: Instant) {
        let known =
            self.routes.get_key_value(route).or_else(|| self.routes.get_key_value(NO_ROUTE));
        let Some((route, seconds)) = known else { return };
        seconds.observe(begun.elapsed().as_secs_f64());
        self.metrics.http.answered(method, route, status_name(status));
    }
}

/// Puts the guard around a router.
pub(crate) fn around(router: Router, guard: Guard) -> Router {
    router.layer(CatchPanicLayer::custom(panicked)).layer(from_fn_with_state(Arc::new(guard), pass))
}

async fn pass(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = method_name(request.method());
    let changes = !request.method().is_safe();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let permits = match &route {
        Some(route) if route.as_str() == UNKNOWN_SENDERS => &guard.unknown_senders,
        Some(_) | None => &guard.permits,
    };
    let mut span = guard.span(&request, method, route.as_ref());
    let (request, unread) = Unread::watch(request);
    let mut response = match permits.try_acquire() {
        Ok(_permit) => {
            let run = span.around(next.run(request));
            match tokio::time::timeout(guard.timeout, run).await {
                Ok(response) => response,
                Err(_) => timed_out(changes).into_response(),
            }
        }
        Err(_) => {
            Problem::new(Code::Overloaded, "nothing was changed; try again later").into_response()
        }
    };
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    guard.count(route, method, response.status(), begun);
    if let Some(unread) = unread
        && !unread.discard().await
    {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let code = response.extensions().get::<Code>().map(|code| code.as_str());
    span.count("http.response.status_code", response.status().as_u16().into());
    if let Some(code) = code {
        span.note("error.type", code);
        guard.metrics.http.refused(code, 1);
    }
    if response.status().is_server_error() {
        span.fail(code.unwrap_or("server error"));
    }
    if tracing::enabled!(tracing::Level::DEBUG) {
        tracing::debug!(method, route, status = response.status().as_u16(), code, "answered");
    }
    response
}

/// A change that was waited for too long may still be committed.
fn timed_out(changes: bool) -> Problem {
    if changes {
        outcome_unknown()
    } else {
        Problem::new(Code::DatabaseUnavailable, "the answer took too long; try again")
    }
}

/// What a panic said is logged and not sent.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands the payload over")]
fn panicked(payload: Box<dyn Any + Send + 'static>) -> Response {
    let said = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied());
    tracing::error!(cause = said.unwrap_or("unknown"), "a handler panicked");
    Problem::new(Code::Internal, "the fault is in creditd's log").into_response()
}

fn method_name(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        _ => "other",
    }
}

fn status_name(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200 => "200",
        400 => "400",
        401 => "401",
        402 => "402",
        403 => "403",
        404 => "404",
        405 => "405",
        409 => "409",
        413 => "413",
        422 => "422",
        500 => "500",
        503 => "503",
        _ => "other",
    }
}
