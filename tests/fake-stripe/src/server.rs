//! The account on a port of the loopback, with failures on demand.

mod control;

use crate::api::{Account, Answer, Request};
use crate::stripe::Stripe;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use serde_json::json;
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The largest request that is read, in bytes.
const BODY_MAX: usize = 1024 * 1024;

/// How the server fails instead of answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// An error with this status, in Stripe's shape where it is one of theirs.
    Status(u16),
    /// 429, and not to come back for so many seconds.
    TooMany(u64),
    /// Nothing comes, until the server is mended or stops.
    Hang,
    /// 200 with something that is not JSON.
    Garbage,
    /// 200 with JSON that ends half-way.
    Cut,
    /// 200 with JSON of another shape.
    WrongShape,
}

#[derive(Debug, Default)]
struct Failures {
    next: VecDeque<Failure>,
    always: Option<Failure>,
    paths: Vec<(String, Failure)>,
}

impl Failures {
    fn take(&mut self, path: &str) -> Option<Failure> {
        let meant = self.paths.iter().find(|(start, _)| path.starts_with(start));
        let meant = meant.map(|(_, failure)| *failure);
        meant.or_else(|| self.next.pop_front()).or(self.always)
    }
}

struct Shared {
    account: Mutex<Account>,
    failures: Mutex<Failures>,
    log: Mutex<Vec<Request>>,
    count: watch::Sender<usize>,
    mended: watch::Sender<u64>,
    stop: CancellationToken,
}

/// A running server. It stops when it goes out of scope.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl Server {
    /// Serves an account on a free port.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(account: Account, tasks: &TaskTracker) -> std::io::Result<Self> {
        Self::start_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), account, tasks).await
    }

    /// Serves an account at an address, such as that of a server that stopped.
    ///
    /// # Errors
    /// When the address is taken.
    pub async fn start_on(
        address: SocketAddr, account: Account, tasks: &TaskTracker,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            account: Mutex::new(account),
            failures: Mutex::default(),
            log: Mutex::default(),
            count: watch::Sender::new(0),
            mended: watch::Sender::new(0),
            stop: CancellationToken::new(),
        });
        let router = Router::new().fallback(serve).with_state(Arc::clone(&shared));
        let stop = shared.stop.clone().cancelled_owned();
        let serve = axum::serve(listener, router).with_graceful_shutdown(stop);
        tasks.spawn(async move {
            // An error of one connection ends only that, and the listener lives until the stop.
            serve.await.ok();
        });
        Ok(Self { address, shared })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://…`, which takes the place of Stripe's own address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Reads or changes what is in the account, between requests.
    pub fn with<R>(&self, change: impl FnOnce(&mut Stripe) -> R) -> R {
        change(&mut lock(&self.shared.account).stripe)
    }

    /// Replaces the keys that are good.
    pub fn set_keys(&self, keys: &[&str]) {
        lock(&self.shared.account).keys = keys.iter().map(|key| (*key).to_owned()).collect();
    }

    /// Fails the next so many requests.
    pub fn fail_next(&self, failure: Failure, times: usize) {
        lock(&self.shared.failures).next.extend(std::iter::repeat_n(failure, times));
    }

    /// Fails every request until it is mended.
    pub fn fail_always(&self, failure: Failure) {
        lock(&self.shared.failures).always = Some(failure);
    }

    /// Fails every request whose path begins so, until it is mended.
    pub fn fail_path(&self, start: &str, failure: Failure) {
        lock(&self.shared.failures).paths.push((start.to_owned(), failure));
    }

    /// Answers again, also what hangs.
    pub fn mend(&self) {
        *lock(&self.shared.failures) = Failures::default();
        self.shared.mended.send_modify(|times| *times += 1);
    }

    /// All requests so far, failed ones included, in the order in which they came.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared.log).clone()
    }

    /// Waits until so many requests have come.
    pub async fn wait_for_requests(&self, count: usize) {
        let mut seen = self.shared.count.subscribe();
        // It cannot end before the server does, which is borrowed here.
        seen.wait_for(|seen| *seen >= count).await.ok();
    }
}

/// What a panic of a test left behind is looked at all the same.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(State(shared): State<Arc<Shared>>, http: HttpRequest) -> Response<Body> {
    let Some(request) = read(http).await else {
        return respond(413, "the request is too large or is not text".to_owned());
    };
    if request.path.starts_with("/_fake/") {
        let answer = control::answer(&mut lock(&shared.account), &request);
        return respond(answer.status, answer.body.to_string());
    }
    lock(&shared.log).push(request.clone());
    shared.count.send_modify(|count| *count += 1);
    let failure = lock(&shared.failures).take(&request.path);
    match failure {
        None => {}
        Some(Failure::Hang) => {
            let mut mended = shared.mended.subscribe();
            tokio::select! {
                // Whoever holds the other end is held here.
                changed = mended.changed() => drop(changed),
                () = shared.stop.cancelled() => {}
            }
        }
        Some(failure) => return fail(&shared, &request, failure),
    }
    let answer = lock(&shared.account).answer(&request);
    let text = answer.body.to_string();
    deliver(answer, text)
}

async fn read(http: HttpRequest) -> Option<Request> {
    let (parts, body) = http.into_parts();
    let body = to_bytes(body, BODY_MAX).await.ok()?;
    let text = |name: &str| header_text(&parts.headers, name);
    let bearer =
        text("authorization").and_then(|text| Some(text.strip_prefix("Bearer ")?.to_owned()));
    Some(Request {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        body: String::from_utf8(body.to_vec()).ok()?,
        key: bearer,
        version: text("stripe-version"),
        idempotency_key: text("idempotency-key"),
    })
}

fn header_text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn fail(shared: &Shared, request: &Request, failure: Failure) -> Response<Body> {
    let whole = || lock(&shared.account).answer(request).body.to_string();
    match failure {
        Failure::Hang => respond(504, String::new()),
        Failure::Garbage => respond(200, "<html>\u{fffd}upstream".to_owned()),
        Failure::WrongShape => respond(200, r#"{"object":"teapot","data":7}"#.to_owned()),
        Failure::Cut => {
            let text = whole();
            let half = (0..=text.len() / 2).rev().find(|end| text.is_char_boundary(*end));
            respond(200, text[..half.unwrap_or(0)].to_owned())
        }
        Failure::TooMany(seconds) => {
            let mut response = fail(shared, request, Failure::Status(429));
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            response
        }
        Failure::Status(status) => {
            let (kind, code) = match status {
                429 => ("invalid_request_error", Some("rate_limit")),
                400..500 => ("invalid_request_error", None),
                _ => ("api_error", None),
            };
            let error = json!({ "type": kind, "code": code, "message": "failed on demand" });
            respond(status, json!({ "error": error }).to_string())
        }
    }
}

fn deliver(answer: Answer, text: String) -> Response<Body> {
    let mut response = respond(answer.status, text);
    let headers = response.headers_mut();
    if let Ok(version) = answer.version.as_str().parse() {
        headers.insert("stripe-version", version);
    }
    if answer.is_replayed {
        headers.insert("idempotent-replayed", header::HeaderValue::from_static("true"));
    }
    response
}

fn respond(status: u16, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    headers.insert("request-id", header::HeaderValue::from_static("req_fake"));
    response
}

#[cfg(test)]
mod tests;
