//! A daemon under test: the built program as its own process, in its own directory, on free ports
//! of the loopback.
//!
//! When a [`Daemon`] goes out of scope, it is asked to stop, must exit with 0, and `creditd verify`
//! must find its books in order; so every test ends with that. Of a test that fails, the daemon's
//! last log lines are printed.

pub(crate) mod calls;
pub(crate) mod stripe;
pub(crate) mod time;

use crate::engine::{Books, Engine};
use chrono::{DateTime, Utc};
use creditd::client::Client;
use creditd::store::{self, OpenOptions, Store};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// The secret that webhooks are signed with.
pub(crate) const SECRET: &str = "whsec_end_to_end";

/// How long anything that must come to pass may take. Only a broken daemon is this slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What a daemon is started with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Setup {
    /// The system's clock instead of the test clock.
    pub(crate) system_clock: bool,
    /// More settings, in TOML, after those of every test.
    pub(crate) settings: String,
    /// More lines of the section `[stripe]`.
    pub(crate) stripe: String,
    /// The plans instead of [`PLANS`], in TOML.
    pub(crate) plans: Option<String>,
    /// `mail.smtp_url`, and more of that section.
    pub(crate) mail: String,
    /// More of its environment.
    pub(crate) environment: Vec<(&'static str, String)>,
}

/// A running daemon, or its place while it is down.
pub(crate) struct Daemon {
    dir: TempDir,
    books: Books,
    setup: Setup,
    process: Option<Process>,
    key: String,
    /// The client of the running process.
    client: Option<Client>,
    /// Where the test clock stands.
    pub(crate) now: DateTime<Utc>,
    numbers: AtomicU32,
    /// Bookkeeping that was spoilt on purpose fails `verify`.
    books_are_sound: bool,
}

struct Process {
    child: Mortal,
    api: SocketAddr,
    ops: SocketAddr,
}

/// A process that does not outlive its test.
pub(crate) struct Mortal(pub(crate) Child);

impl Drop for Mortal {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// The plans of most tests.
const PLANS: &str = r#"
[[plans]]
id = "free"
class = "free"
rank = 0
message = [{ per = "day", credits = "5" }]
integration = [{ per = "day", credits = "25" }]
[[plans]]
id = "starter"
class = "paid"
rank = 1
prices = ["price_starter"]
message = [{ per = "month", credits = "100" }]
integration = [{ per = "month", credits = "2000" }]
[[plans]]
id = "builder"
class = "paid"
rank = 2
prices = ["price_builder"]
message = [{ per = "month", credits = "250" }]
integration = [{ per = "month", credits = "10000" }]
[[plans]]
id = "tiny"
class = "paid"
rank = 3
prices = ["price_tiny"]
message = [{ per = "month", credits = "1" }]
integration = [{ per = "month", credits = "5" }]
"#;

impl Daemon {
    /// Starts one whose test clock stands at `now`.
    pub(crate) async fn start(engine: Engine, now: &str) -> Self {
        Self::with(engine, now, Setup::default()).await
    }

    /// Starts one with settings of its own.
    pub(crate) async fn with(engine: Engine, now: &str, setup: Setup) -> Self {
        let mut daemon = Self::prepare(engine, setup);
        daemon.run().await;
        if !daemon.setup.system_clock {
            daemon.clock(now).await;
        }
        daemon
    }

    /// Everything but a running process.
    pub(crate) fn prepare(engine: Engine, setup: Setup) -> Self {
        let dir = own_dir();
        let books = engine.books(dir.path());
        Self::prepare_in(dir, books, setup)
    }

    /// Everything but a running process, on a database elsewhere.
    pub(crate) fn prepare_on(books: Books, setup: Setup) -> Self {
        Self::prepare_in(own_dir(), books, setup)
    }

    fn prepare_in(dir: TempDir, books: Books, setup: Setup) -> Self {
        let mut daemon = Self {
            dir,
            books,
            setup,
            process: None,
            key: String::new(),
            client: None,
            now: DateTime::UNIX_EPOCH,
            numbers: AtomicU32::new(0),
            books_are_sound: true,
        };
        daemon.write_settings();
        daemon.key = daemon.new_key(&["admin", "manage", "read", "usage"]);
        daemon
    }

    fn write_settings(&self) {
        let Setup { system_clock, settings, stripe, plans, mail, environment: _ } = &self.setup;
        let Books { url, settings: database, .. } = &self.books;
        let clock = if *system_clock { "system" } else { "test" };
        let plans = plans.as_deref().unwrap_or(PLANS);
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nops_listen = \"127.0.0.1:0\"\n\
             [database]\nurl = \"{url}\"\n{database}\
             [stripe]\nwebhook_secrets = [\"{SECRET}\"]\n{stripe}\n\
             [mail]\nfrom = \"Credits <credits@creditd.test>\"\n{mail}\n\
             [clock]\nmode = \"{clock}\"\n\
             [logs]\nformat = \"json\"\n{settings}\n{plans}"
        );
        fs::write(self.path("creditd.toml"), text).unwrap();
    }

    /// A file of its directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The URL of its database, past any pooler.
    pub(crate) fn database(&self) -> &str {
        &self.books.direct
    }

    /// An API key with these scopes, made on the command line.
    pub(crate) fn new_key(&self, scopes: &[&str]) -> String {
        let mut words = vec!["keys", "create"];
        words.extend(scopes.iter().flat_map(|scope| ["--scope", scope]));
        self.done(&words).trim_end().to_owned()
    }

    /// The API key that calls are made with.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Where the running process takes API calls.
    pub(crate) fn api(&self) -> SocketAddr {
        self.process.as_ref().unwrap().api
    }

    /// A client with the daemon's key, or with another one.
    pub(crate) fn client(&self) -> &Client {
        self.client.as_ref().unwrap()
    }

    /// Where the running process tells how it is.
    pub(crate) fn ops_address(&self) -> SocketAddr {
        self.process.as_ref().unwrap().ops
    }

    /// A client of the ops listener.
    pub(crate) fn ops(&self) -> Client {
        Client::new(self.ops_address(), "")
    }

    /// A number that no other call of this test gets, to make ids and keys of.
    pub(crate) fn number(&self) -> u32 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Lets [`Self::number`] begin here, so that daemons of one database have different ones.
    pub(crate) fn count_from(&self, number: u32) {
        self.numbers.store(number, Ordering::Relaxed);
    }

    /// The store beside the daemon, to look at what no call shows.
    pub(crate) async fn store(&self) -> Arc<dyn Store> {
        let clock = creditd::clock::Mode::Test;
        let options = OpenOptions { migrate: false, create: false, clock, checkpoint: true };
        store::open(self.database(), &options).await.unwrap()
    }

    /// Starts the process and waits until it says that it is ready.
    pub(crate) async fn run(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        let log = File::options().create(true).append(true).open(self.path("log")).unwrap();
        let begins_at = log.metadata().unwrap().len();
        let mut command = self.invocation(&["serve"]);
        let mut child =
            Mortal(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
        let deadline = Instant::now() + PATIENCE;
        let ready = loop {
            let lines = self.log_from(begins_at);
            let mut lines =
                lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            if let Some(ready) = lines.find(|line| line["message"] == "ready") {
                break ready;
            }
            let ended = child.0.try_wait().unwrap();
            assert!(ended.is_none(), "it ended with {ended:?}: {}", self.log_from(begins_at));
            assert!(Instant::now() < deadline, "not ready: {}", self.log_from(begins_at));
            sleep(Duration::from_millis(3)).await;
        };
        let address = |name: &str| ready[name].as_str().unwrap().parse().unwrap();
        let (api, ops) = (address("listen"), address("ops"));
        self.client = Some(Client::new(api, &self.key));
        self.process = Some(Process { child, api, ops });
    }

    fn log_from(&self, offset: u64) -> String {
        let mut text = String::new();
        let mut log = File::open(self.path("log")).unwrap();
        log.seek(SeekFrom::Start(offset)).unwrap();
        log.read_to_string(&mut text).unwrap();
        text
    }

    /// Its whole log.
    pub(crate) fn log(&self) -> String {
        self.log_from(0)
    }

    /// Ends it as a power cut would: no warning, no clean-up.
    pub(crate) fn kill(&mut self) {
        drop(self.process.take().unwrap());
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let child = &self.process.as_ref().unwrap().child.0;
        kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), signal).unwrap();
    }

    /// Asks it to stop and waits until it has. Its exit must be clean.
    pub(crate) fn stop(&mut self) {
        let mut process = self.process.take().unwrap();
        let child = &mut process.child.0;
        let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let status = child.wait().unwrap();
        assert!(status.success(), "it stopped with {status}: {}", self.last_log_lines());
    }

    /// Stops it, changes its settings and starts it again.
    pub(crate) async fn restart_with(&mut self, setup: Setup) {
        self.stop();
        self.reconfigure(setup);
        self.run().await;
    }

    /// Changes the settings of the next start.
    pub(crate) fn reconfigure(&mut self, setup: Setup) {
        self.setup = setup;
        self.write_settings();
    }

    /// Its next start is on another database.
    pub(crate) fn rebase(&mut self, books: Books) {
        assert!(self.process.is_none(), "it runs");
        self.books = books;
        self.write_settings();
    }

    /// From here on, the books are wrong on purpose.
    pub(crate) fn books_are_spoilt(&mut self) {
        self.books_are_sound = false;
    }

    /// Runs one of the commands beside it.
    pub(crate) fn command(&self, words: &[&str]) -> Output {
        self.invocation(words).output().unwrap()
    }

    /// What a command says that must succeed.
    #[track_caller]
    pub(crate) fn done(&self, words: &[&str]) -> String {
        let output = self.command(words);
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {} {complaints}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command complains of that must fail with this status.
    #[track_caller]
    pub(crate) fn fails(&self, status: i32, words: &[&str]) -> String {
        let output = self.command(words);
        let complaints = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{words:?}: {complaints}");
        complaints
    }

    /// One of its commands, not yet run.
    pub(crate) fn invocation(&self, words: &[&str]) -> Command {
        let mut command = program(self.dir.path());
        command.args(words).arg("--config").arg(self.path("creditd.toml"));
        command.envs(self.setup.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn last_log_lines(&self) -> String {
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

fn own_dir() -> TempDir {
    tempfile::Builder::new().prefix("creditd-it-").tempdir().unwrap()
}

/// The built program, with nothing of our surroundings, and this state directory.
pub(crate) fn program(state_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_creditd"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CREDITD_") {
            command.env_remove(name);
        }
    }
    command
        .env("STATE_DIRECTORY", state_dir)
        .env_remove("CREDENTIALS_DIRECTORY")
        .env_remove("NOTIFY_SOCKET")
        .stdin(Stdio::null());
    command
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the daemon's last words:\n{}", self.last_log_lines());
            return;
        }
        if self.process.is_some() {
            self.stop();
        }
        if self.books_are_sound {
            let output = self.command(&["verify"]);
            let said = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "verify: {said}");
        }
    }
}
