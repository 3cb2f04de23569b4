//! A small HTTP client for loopback: what the demonstration, the benchmarks and the tests drive a
//! daemon with.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::error::Error;
use std::net::SocketAddr;

/// A client of one daemon, with its key.
#[derive(Debug, Clone)]
pub struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    api: SocketAddr,
    key: String,
}

/// An answer: its status and its JSON body (null where there is none).
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// The HTTP status.
    pub status: StatusCode,
    /// The body.
    pub body: Value,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[error("no answer from {api}: {cause}")]
pub struct NoAnswer {
    api: SocketAddr,
    cause: String,
}

impl Response {
    /// A text of the body, by its JSON pointer; empty where it is not a text.
    #[must_use]
    pub fn text(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or("")
    }
}

impl Client {
    /// A client of the daemon that listens on `api`.
    #[must_use]
    pub fn new(api: SocketAddr, key: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let pool = Pool::builder(TokioExecutor::new()).build(connector);
        Self { pool, api, key: key.to_owned() }
    }

    /// Asks for `path`.
    ///
    /// # Errors
    /// When the daemon cannot be reached or its answer is cut short.
    pub async fn get(&self, path: &str) -> Result<Response, NoAnswer> {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    /// Puts a JSON body.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn put(&self, path: &str, body: &Value) -> Result<Response, NoAnswer> {
        self.send(Method::PUT, path, &[], Bytes::from(body.to_string())).await
    }

    /// Posts a JSON body under an idempotency key.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn post(&self, path: &str, key: &str, body: &Value) -> Result<Response, NoAnswer> {
        let headers = [("idempotency-key", key)];
        self.send(Method::POST, path, &headers, Bytes::from(body.to_string())).await
    }

    /// Sends any request.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn send(
        &self, method: Method, path: &str, headers: &[(&str, &str)], body: Bytes,
    ) -> Result<Response, NoAnswer> {
        let no_answer = |cause: String| NoAnswer { api: self.api, cause };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.api))
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, format!("Bearer {}", self.key));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request =
            request.body(Full::new(body)).map_err(|cause| no_answer(cause.to_string()))?;
        let response =
            self.pool.request(request).await.map_err(|cause| no_answer(cause.to_string()))?;
        let status = response.status();
        let body =
            response.into_body().collect().await.map_err(|cause| no_answer(cause.to_string()))?;
        let bytes = body.to_bytes();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Ok(Response { status, body })
    }
}

/// What went wrong, from the outside in.
pub(crate) fn chain(cause: &dyn Error) -> String {
    let mut why = cause.to_string();
    let mut next = cause.source();
    while let Some(cause) = next {
        why += &format!(": {cause}");
        next = cause.source();
    }
    why
}
