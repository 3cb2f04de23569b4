//! PgBouncer in transaction mode, in front of a server.

use crate::cluster::Cluster;
use crate::server::{Server, directory, give, port};
use std::fs;

/// A running PgBouncer. Dropping it ends it.
pub struct Bouncer {
    _server: Server,
    port: u16,
}

impl Bouncer {
    /// Starts one: connections of the server are lent for a transaction each.
    pub fn start(cluster: &Cluster) -> Self {
        assert!(
            fs::exists("/usr/sbin/pgbouncer").unwrap_or(false),
            "pgbouncer is missing: run scripts/test-servers as root"
        );
        let (dir, port) = (directory(), port());
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = users\n\
             pool_mode = transaction\nmax_client_conn = 500\ndefault_pool_size = 10\n",
            cluster.port()
        );
        fs::write(dir.join("pgbouncer.ini"), settings).expect("the directory is ours");
        let users =
            ["postgres", "owner", "daemon", "stranger"].map(|role| format!("\"{role}\" \"\"\n"));
        fs::write(dir.join("users"), users.concat()).expect("the directory is ours");
        give(&dir);
        let script = include_str!("pgbouncer.sh");
        let server = Server::start(script, cluster.programs(), dir, &[&port.to_string()]);
        Self { _server: server, port }
    }

    /// The URL of a database through it, for a role.
    pub fn url(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port)
    }
}
