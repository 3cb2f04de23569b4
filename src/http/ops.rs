//! The ops listener: whether the daemon lives, whether it is ready, and what it counted.

use super::problem::{Code, Problem};
use crate::metrics::Metrics;
use async_trait::async_trait;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;
use std::sync::Arc;

/// How the daemon is.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The database answers, the schema fits and the writer moves.
    pub ready: bool,
    /// All that is to be known, also what makes nothing unready: a JSON object.
    pub body: Value,
}

/// Whoever knows how the daemon is.
#[async_trait]
pub trait Readiness: Send + Sync {
    /// How it is now.
    async fn report(&self) -> Report;

    /// What must be brought up to date before metrics are read, such as the queues' depths.
    async fn refresh(&self) {}
}

#[derive(Clone)]
struct Ops {
    metrics: Arc<Metrics>,
    readiness: Arc<dyn Readiness>,
}

/// Everything of the ops listener.
pub fn ops_router(metrics: Arc<Metrics>, readiness: Arc<dyn Readiness>) -> Router {
    Router::new()
        .route("/healthz", get(async || Json(serde_json::json!({ "status": "alive" }))))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_text))
        .fallback(async || {
            Problem::new(Code::NotFound, "there are /healthz, /readyz and /metrics here")
        })
        .with_state(Ops { metrics, readiness })
}

async fn readyz(State(ops): State<Ops>) -> Response {
    let Report { ready, body } = ops.readiness.report().await;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}

/// Metrics in the format that the scraper asks for: OpenMetrics, or the older text.
async fn metrics_text(State(ops): State<Ops>, headers: HeaderMap) -> Response {
    ops.readiness.refresh().await;
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let (written, kind) = if accepts.contains("application/openmetrics-text") {
        (ops.metrics.open_metrics(), "application/openmetrics-text; version=1.0.0; charset=utf-8")
    } else {
        (ops.metrics.classic_text(), "text/plain; version=0.0.4; charset=utf-8")
    };
    match written {
        Ok(text) => ([(header::CONTENT_TYPE, kind)], text).into_response(),
        Err(_) => Problem::new(Code::Internal, "the metrics could not be written").into_response(),
    }
}
