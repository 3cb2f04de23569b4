//! The sockets that the daemon listens on: its own, or the one that systemd holds for it.
//!
//! With `creditd.socket`, the API's socket belongs to systemd and outlives the daemon. Connections
//! that come while none runs wait in it, and the next one takes them: a restart refuses nobody.

use anyhow::Context;
use listenfd::ListenFd;
use std::net::{SocketAddr, TcpListener};
use tracing::warn;

/// The API's socket: systemd's where it handed one over, else one on `address`.
///
/// # Errors
/// When the address is taken, or when what systemd handed over is no TCP socket that listens.
pub(super) fn api(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let mut handed = ListenFd::from_env();
    match handed.len() {
        0 => return listen(address, "server.listen"),
        1 => {}
        many => anyhow::bail!("systemd handed over {many} sockets: creditd.socket must have one"),
    }
    let listener = handed
        .take_tcp_listener(0)
        .context("systemd handed over a socket that is not ListenStream= with an address")?
        .context("systemd handed over no socket")?;
    let held = listener.local_addr()?;
    if held != address {
        let configured = address;
        warn!(%held, %configured, "server.listen is not used: creditd.socket listens elsewhere");
    }
    Ok(listener)
}

/// A socket of our own.
///
/// # Errors
/// Names the key and the address that cannot be listened on.
pub(super) fn listen(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).with_context(|| format!("{key}: {address} cannot be listened on"))
}
