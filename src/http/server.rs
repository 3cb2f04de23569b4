//! Serving a router on a listener, HTTP/1.1 with keep-alive.

use axum::Router;
use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

/// How long a client may take to send a request's head.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves `router` until `handle` is told to shut down, gracefully or at once.
///
/// Answers are sent without Nagle's delay. After a graceful shutdown began, no connection is
/// accepted, and those that are open end with the answer that they wait for.
///
/// # Errors
/// When the listener cannot be used.
pub async fn serve(
    listener: TcpListener, router: Router, handle: Handle<SocketAddr>,
) -> io::Result<()> {
    let mut server = axum_server::from_tcp(listener)?
        .acceptor(NoDelayAcceptor::new())
        .handle(handle)
        .http1_only()
        .first_request_timeout(HEADER_READ_TIMEOUT);
    server.http_builder().http1().header_read_timeout(HEADER_READ_TIMEOUT);
    server.serve(router.into_make_service()).await
}
