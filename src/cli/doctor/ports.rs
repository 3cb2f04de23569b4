//! Whether the daemon's ports are free, or its own already.

use super::finding::Finding;
use crate::client::Client;
use crate::settings::Settings;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tokio::time::timeout;

const PORTS: &str = "ports";

/// How long whoever listens there may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(3);

/// Both listeners.
pub(super) async fn examine(settings: &Settings) -> Vec<Finding> {
    let server = &settings.server;
    vec![
        port("server.listen", server.listen, "/openapi.json").await,
        port("server.ops_listen", server.ops_listen, "/healthz").await,
    ]
}

/// One listener; `path` is what a daemon of ours answers there without a key.
async fn port(key: &str, address: SocketAddr, path: &str) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => Finding::ok(PORTS, format!("{key}: {address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            if is_ours(address, path).await {
                return Finding::ok(PORTS, format!("{key}: creditd listens on {address}"));
            }
            let (found, port) = (format!("{key}: another program has {address}"), address.port());
            Finding::fail(PORTS, found, format!("see which: ss -ltnp 'sport = :{port}'"))
        }
        Err(error) => Finding::fail(
            PORTS,
            format!("{key}: {address} cannot be listened on: {error}"),
            "name an address of this machine, and a port above 1023 or let systemd hold it",
        ),
    }
}

/// Whether it is a daemon of ours that has the address.
async fn is_ours(address: SocketAddr, path: &str) -> bool {
    let client = Client::new(address, "");
    let Ok(Ok(answer)) = timeout(PATIENCE, client.get(path)).await else { return false };
    match path {
        "/openapi.json" => answer.text("/info/title").contains("creditd"),
        _ => answer.text("/status") == "alive",
    }
}
