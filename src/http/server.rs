//! Serving a router on a listener, HTTP/1.1 with keep-alive, and ending it without refusing anybody.
//!
//! When a door closes, no connection is accepted any more, and answers say that theirs is the last
//! on its connection. But a caller may have connected, or have sent its next request, in the same
//! instant. So a connection on which nothing is under way stays open for [`LAST_CALL`], and what
//! comes in that time is answered. With a socket that systemd holds, whoever connects later waits in
//! it for the next daemon, and a restart refuses nobody.

use axum::Router;
use axum::body::Body;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::io;
use std::net::TcpListener;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use tracing::{debug, warn};

/// How long a client may take until it has sent a request's head, counted from the answer before it: so
/// long is a connection kept that is still. Proxies and pools keep theirs for 60 s by default, and a
/// request must not meet a connection that we close.
const HEAD_WITHIN: Duration = Duration::from_secs(75);

/// How long a connection that is still may yet bring a request, once its door closes. Long enough for
/// one that is on its way from a proxy beside us.
const LAST_CALL: Duration = Duration::from_millis(100);

/// The pause after a connection could not be accepted: there may be too many files open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How a listener is closed; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Door {
    closing: CancellationToken,
    cut: CancellationToken,
    connections: TaskTracker,
}

impl Door {
    /// Accepts nobody from now on; what is begun, or on its way, is answered.
    pub fn close(&self) {
        self.closing.cancel();
        self.connections.close();
    }

    /// Waits until no connection is left of a door that closes.
    pub async fn drained(&self) {
        self.connections.wait().await;
    }

    /// Ends what is left, in the middle of whatever it is.
    pub fn cut(&self) {
        self.close();
        self.cut.cancel();
    }
}

/// Serves `router` until `door` is closed and the last connection has ended.
///
/// Answers are sent without Nagle's delay.
///
/// # Errors
/// When the listener cannot be used.
pub async fn serve(listener: TcpListener, router: Router, door: Door) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let accepted = tokio::select! {
            biased;
            () = door.closing.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                door.connections.spawn(connection(stream, router.clone(), door.clone()));
            }
            Err(cause) if is_of_one_caller(&cause) => debug!(%cause, "a caller went away"),
            Err(cause) => {
                warn!(%cause, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Whoever connects from here on is refused, or waits where systemd holds the socket.
    drop(listener);
    door.drained().await;
    Ok(())
}

/// Whether the next caller may have more luck at once.
fn is_of_one_caller(cause: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(cause.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Serves one connection to its end.
async fn connection(stream: TcpStream, router: Router, door: Door) {
    if let Err(cause) = stream.set_nodelay(true) {
        debug!(%cause, "a connection keeps its delay");
    }
    let closing = door.closing.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (router, closing) = (router.clone(), closing.clone());
        async move {
            let mut answered = router.oneshot(request.map(Body::new)).await;
            if let Ok(response) = &mut answered
                && closing.is_cancelled()
            {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            answered
        }
    });
    let mut protocol = http1::Builder::new();
    protocol.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
    let mut served = std::pin::pin!(protocol.serve_connection(TokioIo::new(stream), service));
    let last_call = async {
        door.closing.cancelled().await;
        sleep(LAST_CALL).await;
    };
    let ended = tokio::select! {
        biased;
        () = door.cut.cancelled() => return,
        ended = &mut served => ended,
        () = last_call => {
            served.as_mut().graceful_shutdown();
            tokio::select! {
                () = door.cut.cancelled() => return,
                ended = served => ended,
            }
        }
    };
    if let Err(cause) = ended {
        debug!(%cause, "a connection ended early");
    }
}
