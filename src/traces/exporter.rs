//! Sends ended spans to the collector. Nobody waits for it: what does not fit into its queue, and
//! what the collector does not take, is dropped and counted.

use super::otlp;
use super::span::Finished;
use crate::client::chain;
use crate::metrics::Spans;
use crate::settings::Collector;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use secrecy::ExposeSecret;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// The most spans of one request.
const BATCH_SPANS: usize = 512;

/// How long spans are gathered for one request.
const GATHER: Duration = Duration::from_millis(500);

/// How long one request may take.
const REQUEST_MAX: Duration = Duration::from_secs(10);

/// The first pause after a failure; each further one is twice as long. Meanwhile the queue fills.
const PAUSE: Duration = Duration::from_secs(1);

/// How often a batch is sent before it is dropped.
const TRIES: u32 = 3;

/// The longest answer that is read.
const ANSWER_MAX: usize = 64 * 1024;

/// How long a stop waits at most for what is still to be sent.
pub const FLUSH_MAX: Duration = Duration::from_secs(2);

/// Who sends spans.
#[derive(Debug)]
pub struct Exporter {
    queue: mpsc::Receiver<Finished>,
    sender: Sender,
    outcomes: Spans,
    /// Whether the last request was taken, so that a change is logged once.
    works: bool,
}

/// How the collector is reached.
#[derive(Debug)]
pub(super) struct Sender {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: String,
    headers: HeaderMap,
}

/// Why the collector did not take a batch.
#[derive(Debug, thiserror::Error)]
pub(super) enum Untaken {
    /// It may take it later.
    #[error("{0}")]
    Later(String),
    /// It never will.
    #[error("{0}")]
    Never(String),
}

impl Exporter {
    pub(super) const fn new(
        sender: Sender, queue: mpsc::Receiver<Finished>, outcomes: Spans,
    ) -> Self {
        Self { queue, sender, outcomes, works: true }
    }

    /// Sends what has ended until `stop`, and then, within [`FLUSH_MAX`], what is left.
    pub async fn run(mut self, stop: CancellationToken) {
        let too_late = async {
            stop.cancelled().await;
            sleep(FLUSH_MAX).await;
        };
        tokio::select! {
            () = self.send_all(&stop) => {}
            () = too_late => warn!("the last spans could not be sent in time"),
        }
    }

    async fn send_all(&mut self, stop: &CancellationToken) {
        let mut batch = Vec::new();
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => break,
                taken = self.queue.recv_many(&mut batch, BATCH_SPANS) => if taken == 0 { break },
            }
            if batch.len() < BATCH_SPANS {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = sleep(GATHER) => {}
                }
                while batch.len() < BATCH_SPANS
                    && let Ok(ended) = self.queue.try_recv()
                {
                    batch.push(ended);
                }
            }
            self.send(&batch, TRIES, stop).await;
            batch.clear();
        }
        self.queue.close();
        while self.queue.recv_many(&mut batch, BATCH_SPANS).await > 0 {
            self.send(&batch, 1, stop).await;
            batch.clear();
        }
    }

    /// Sends a batch, several times if need be; a stop cuts the pauses short.
    async fn send(&mut self, batch: &[Finished], tries: u32, stop: &CancellationToken) {
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let body = Bytes::from(otlp::request(batch));
        let mut pause = PAUSE;
        for nth in 1..=tries {
            match self.sender.post(body.clone()).await {
                Ok(()) => {
                    self.tell(None);
                    return self.outcomes.ended("exported", count);
                }
                Err(Untaken::Never(why)) => {
                    self.tell(Some(why));
                    return self.outcomes.ended("refused", count);
                }
                Err(Untaken::Later(why)) => self.tell(Some(why)),
            }
            if nth < tries && !stop.is_cancelled() {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = sleep(pause) => {}
                }
                pause *= 2;
            }
        }
        self.outcomes.ended("unreachable", count);
    }

    /// Logs when the collector no longer takes spans, and when it does again.
    fn tell(&mut self, failure: Option<String>) {
        let works = failure.is_none();
        match failure {
            Some(why) if self.works => {
                warn!(url = %self.sender.url, why, "the collector does not take spans; they are dropped");
            }
            None if !self.works => info!(url = %self.sender.url, "the collector takes spans again"),
            Some(_) | None => {}
        }
        self.works = works;
    }
}

impl Sender {
    pub(super) fn try_new(collector: &Collector) -> Result<Self, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in &collector.headers {
            let wrong = || format!("traces.headers: {name} holds characters that no header has");
            let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| wrong())?;
            value.set_sensitive(true);
            headers.insert(HeaderName::try_from(name).map_err(|_| wrong())?, value);
        }
        let connector =
            HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
        let http = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { http, url: format!("{}v1/traces", collector.base), headers })
    }

    /// Sends one request.
    pub(super) async fn post(&self, body: Bytes) -> Result<(), Untaken> {
        let answered = timeout(REQUEST_MAX, self.exchange(body)).await;
        answered
            .unwrap_or_else(|_| Err(Untaken::Later(format!("no answer within {REQUEST_MAX:?}"))))
    }

    async fn exchange(&self, body: Bytes) -> Result<(), Untaken> {
        let mut request = Request::post(&self.url)
            .header(CONTENT_TYPE, "application/x-protobuf")
            .header(USER_AGENT, concat!("creditd/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))
            .map_err(|cause| Untaken::Never(cause.to_string()))?;
        request.headers_mut().extend(self.headers.clone());
        let later = |cause: &dyn std::error::Error| Untaken::Later(chain(cause));
        let answer = self.http.request(request).await.map_err(|cause| later(&cause))?;
        let status = answer.status();
        // Read to its end, so that the connection is used again.
        let read = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
        match status {
            status if status.is_success() => Ok(()),
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Err(Untaken::Later(format!("it answers {status}"))),
            status => {
                let read = read.map_or(0, |body| body.to_bytes().len());
                Err(Untaken::Never(format!("it answers {status} ({read} bytes)")))
            }
        }
    }
}
