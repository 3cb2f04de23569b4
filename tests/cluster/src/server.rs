//! A server under the eyes of a shell that ends it when the test process ends, however it does.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

/// A running server. Dropping it ends it; so does the end of this process, since the shell that
/// watches it then finds its standard input closed.
pub(crate) struct Server {
    watch: Child,
    dir: PathBuf,
}

impl Server {
    /// Runs a script of ours with these words after the directory, and waits until it is ready.
    pub(crate) fn start(script: &str, bin: &Path, dir: PathBuf, words: &[&str]) -> Self {
        // A session of its own: what is typed at the terminal is not for the servers.
        let mut command = Command::new("setsid");
        command.args(unprivileged()).args(["sh", "-c", script, "sh"]);
        command.arg(bin).arg(&dir).args(words).env_clear().env("PATH", "/usr/sbin:/usr/bin:/bin");
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut watch = started.expect("setsid and setpriv come with util-linux");
        let mut said = BufReader::new(watch.stdout.take().expect("it is piped"));
        let mut line = String::new();
        said.read_line(&mut line).expect("a pipe is read");
        if line != "ready\n" {
            said.read_to_string(&mut line).expect("a pipe is read");
            panic!("the server does not start: {line}");
        }
        Self { watch, dir }
    }

    /// Its directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.watch.stdin.take());
        self.watch.wait().expect("the watch is our child");
    }
}

/// The words before those of a program that servers, which refuse root, are run with.
pub(crate) fn unprivileged() -> &'static [&'static str] {
    if rustix::process::geteuid().is_root() {
        &["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--no-new-privs"]
    } else {
        &["env"]
    }
}

/// A directory for a server, which removes it itself.
pub(crate) fn directory() -> PathBuf {
    directory_in(&std::env::temp_dir())
}

/// A directory in memory for what a server writes, where there is some for files. A thousand
/// databases that come and go keep a disk's file system busier than the server.
pub(crate) fn directory_in_memory() -> Option<PathBuf> {
    let memory = Path::new("/dev/shm");
    let found = rustix::fs::statvfs(memory).ok()?;
    (found.f_bavail * found.f_frsize >= MEMORY_WANTED).then(|| directory_in(memory))
}

/// Bytes for two servers: their logs, which are kept below this, and a few databases at a time.
const MEMORY_WANTED: u64 = 4 << 30;

fn directory_in(parent: &Path) -> PathBuf {
    let made = tempfile::Builder::new().prefix("creditd-server-").tempdir_in(parent);
    let dir = made.expect("a directory");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).expect("it is ours");
    dir.keep()
}

/// Gives a directory and what is in it to whoever servers run as.
pub(crate) fn give(dir: &Path) {
    if rustix::process::geteuid().is_root() {
        let done = Command::new("chown").args(["-R", "nobody:nogroup"]).arg(dir).status();
        assert!(done.expect("chown is there").success(), "{} is not given away", dir.display());
    }
}

/// Ports that are tried next.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// A free port of the loopback. Those that the system gives to clients are avoided, so that a
/// server that was stopped finds its port free again.
pub(crate) fn port() -> u16 {
    let spread = u16::try_from(std::process::id() % 1_000).unwrap_or(0) * 10;
    loop {
        let port = 20_000 + (spread + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
