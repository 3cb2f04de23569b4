//! An exim4 of the test's own: own directory, own port, own certificate, ended by its own pid.

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const TEMPLATE: &str = include_str!("../../exim/exim.conf.template");

/// A running server.
pub(super) struct Exim {
    pub(super) port: u16,
    dir: TempDir,
    daemon: Child,
}

impl Exim {
    /// Starts it. The listening socket is handed over, so that nobody can take the port in
    /// between, and connections may come at once.
    pub(super) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let daemon = exim(dir.path(), "-bw").stdin(OwnedFd::from(listener)).spawn().unwrap();
        Self { port, dir, daemon }
    }

    /// A file of the server's directory.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Tries once to deliver every mail in the queue, and waits until that is done.
    pub(super) fn run_queue(&self) {
        assert!(exim(self.dir.path(), "-qff").status().unwrap().success());
    }

    /// All delivered mails, with plain line ends.
    pub(super) fn delivered(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("mail/new")) else { return Vec::new() };
        entries.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
    }

    /// Takes mail for `later` from now on.
    pub(super) fn end_greylisting(&self) {
        fs::write(self.path("white"), "").unwrap();
    }

    /// What it has logged.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.path("log/mainlog")).unwrap()
    }
}

impl Drop for Exim {
    fn drop(&mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
    }
}

fn exim(dir: &Path, mode: &str) -> Command {
    let mut command = Command::new("/usr/sbin/exim4");
    command.arg("-C").arg(dir.join("exim.conf")).arg(mode);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Writes configuration and certificates, and gives the spool to exim's user.
fn prepare(dir: &Path) {
    assert!(
        Path::new("/usr/sbin/exim4").exists(),
        "exim4 is missing: run scripts/test-servers as root"
    );
    let place = dir.to_str().unwrap();
    fs::write(dir.join("exim.conf"), TEMPLATE.replace("@DIR@", place)).unwrap();
    fs::write(dir.join("openssl.cnf"), "[req]\ndistinguished_name=dn\n[dn]\n").unwrap();
    let ca = ["-subj", "/CN=creditd test CA", "-addext", "basicConstraints=critical,CA:TRUE"];
    certificate(dir, "ca", &ca);
    let server = [
        "-subj",
        "/CN=localhost",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
    ];
    certificate(dir, "server", &server);
    for name in ["spool", "log", "mail"] {
        fs::create_dir(dir.join(name)).unwrap();
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
    let owned = ["spool", "log", "mail", "server.key"].map(|name| dir.join(name));
    let given = Command::new("chown").arg("Debian-exim:").args(owned).status().unwrap();
    assert!(given.success(), "exim4's tests need root: its spool belongs to Debian-exim");
}

/// Makes `<name>.pem` and `<name>.key`, valid for two days.
fn certificate(dir: &Path, name: &str, options: &[&str]) {
    let output = Command::new("openssl")
        .current_dir(dir)
        .args(["req", "-config", "openssl.cnf", "-x509", "-nodes", "-days", "2"])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
        .args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")])
        .args(options)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
