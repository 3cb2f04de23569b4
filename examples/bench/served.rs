//! The daemon as its own process, and what is asked of it over HTTP.

use super::books::{Books, SETTINGS};
use super::load::{Client, Load, Told, Until, load};
use super::raw::Connection;
use super::spread::Spread;
use super::webhooks;
use creditd::clock;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// Debits in one request of a batch.
const BATCH: usize = 1_000;

/// What is asked, again and again.
#[derive(Clone)]
pub(super) enum Ask {
    /// New debits, one a request.
    One(Spread),
    /// New debits, 1,000 a request.
    Batch(Spread),
    /// The same debit again under the same few keys.
    Again,
    /// A debit that is not covered.
    TooMuch(Spread),
    /// A webhook that was not seen before.
    Webhook,
}

/// A running daemon.
pub(super) struct Daemon {
    child: Child,
    api: SocketAddr,
    ops: SocketAddr,
    key: String,
    numbers: Arc<AtomicUsize>,
    /// From its start until it said that it is ready.
    pub(super) ready_after: Duration,
}

/// The settings of a daemon on some books, and how it is started.
pub(super) struct Setup {
    file: PathBuf,
    home: PathBuf,
    api: SocketAddr,
    ops: SocketAddr,
    key: String,
    numbers: Arc<AtomicUsize>,
}

impl Setup {
    /// Writes the settings and makes a key.
    pub(super) async fn make(books: &Books, home: &Path, name: &str) -> Self {
        let home = home.join(name);
        std::fs::create_dir_all(&home).unwrap();
        let free = || TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let (api, ops) = (free(), free());
        let settings = format!(
            "[server]\nlisten = \"{api}\"\nops_listen = \"{ops}\"\n\
             [database]\nurl = \"{}\"\n[stripe]\nwebhook_secrets = [\"{}\"]\n{SETTINGS}",
            books.url,
            webhooks::SECRET
        );
        let file = home.join("creditd.toml");
        std::fs::write(&file, settings).unwrap();
        let (key, numbers) = (String::new(), Arc::default());
        let mut setup = Self { file, home, api, ops, key, numbers };
        let made = setup.creditd(&["keys", "create", "--scope", "usage"]).output().await.unwrap();
        assert!(made.status.success(), "{made:?}");
        setup.key = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        setup
    }

    fn creditd(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(words).arg("--config").arg(&self.file).env("STATE_DIRECTORY", &self.home);
        command
    }

    /// Starts the daemon and waits until it is ready.
    pub(super) async fn start(&self) -> Daemon {
        let log = std::fs::File::create(self.home.join("log")).unwrap();
        let began = Instant::now();
        let child = self.creditd(&["serve"]).stderr(log).kill_on_drop(true).spawn().unwrap();
        while tokio::net::TcpStream::connect(self.ops).await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut ops = Connection::open(self.ops, &self.key).await;
        while ops.get("/readyz").await != 200 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let ready_after = began.elapsed();
        let (key, numbers) = (self.key.clone(), Arc::clone(&self.numbers));
        Daemon { child, api: self.api, ops: self.ops, key, numbers, ready_after }
    }
}

impl Daemon {
    /// Ends it as a crash would.
    pub(super) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Ends it as whoever watches over it does.
    pub(super) async fn stop(mut self) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().await.unwrap().success());
    }

    /// Lets so many clients ask, each on a connection of its own; see [`load`].
    pub(super) async fn ask(
        &self, what: &Ask, clients: usize, until: impl Into<Until>, pace: Option<f64>,
    ) -> Load {
        let mut all = Vec::new();
        for place in 0..clients {
            let connection = Connection::open(self.api, &self.key).await;
            all.push(Asking { connection, place, what: what.clone() });
        }
        load(all, &self.numbers, until.into(), pace).await
    }

    /// Debits once on each of so many accounts, in batches.
    pub(super) async fn once_each(&self, accounts: u64) {
        let connection = Connection::open(self.api, &self.key).await;
        let what = Ask::Batch(Spread::Turn(accounts));
        let mut asking = Asking { connection, place: 0, what };
        for _ in 0..accounts.div_ceil(BATCH as u64) {
            let number = self.numbers.fetch_add(1, Ordering::Relaxed);
            assert!(!asking.once(number).await.refused);
        }
    }

    /// The value of one of its metrics, by the beginning of its line; 0 where it has none.
    pub(super) async fn metric(&self, line: &str) -> f64 {
        let mut ops = Connection::open(self.ops, &self.key).await;
        assert_eq!(ops.get("/metrics").await, 200);
        let found = ops.body().lines().find(|text| text.starts_with(line));
        found.map_or(0.0, |text| text.rsplit(' ').next().unwrap().parse().unwrap())
    }

    /// What of its memory is resident, in MiB.
    pub(super) fn resident_mib(&self) -> f64 {
        let status = format!("/proc/{}/status", self.child.id().unwrap());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1_024.0
    }
}

struct Asking {
    connection: Connection,
    place: usize,
    what: Ask,
}

impl Client for Asking {
    async fn once(&mut self, number: usize) -> Told {
        let discuss = |spread: &Spread| {
            format!(r#"{{"action":"discuss","account":"{}"}}"#, spread.account(number))
        };
        let keyed = |key: String| format!("idempotency-key: {key}");
        let usage = "/v1/usage";
        let (path, header, body, status, does) = match &self.what {
            Ask::One(spread) => {
                (usage, keyed(format!("new-{number:012}")), discuss(spread), 200, 1)
            }
            Ask::Batch(spread) => {
                let body = batch(spread, number);
                ("/v1/usage/batch", keyed(format!("batch-{number:012}")), body, 200, 1_000)
            }
            Ask::Again => {
                (usage, keyed(format!("same-{}", self.place)), discuss(&Spread::One), 200, 1)
            }
            Ask::TooMuch(spread) => {
                let account = spread.account(number);
                let body =
                    format!(r#"{{"action":"chat","account":"{account}","quantity":1000000}}"#);
                (usage, keyed(format!("refused-{number:012}")), body, 402, 1)
            }
            Ask::Webhook => {
                let body = webhooks::body(number);
                let header = webhooks::header(&body, clock::wall());
                ("/webhooks/stripe", header, body, 200, 1)
            }
        };
        let answered = self.connection.post(path, &header, &body).await;
        if answered == 503 {
            return Told { done: 0, refused: true };
        }
        assert_eq!(answered, status, "{}", self.connection.body());
        Told::done(does)
    }
}

fn batch(spread: &Spread, number: usize) -> String {
    let first = number * BATCH;
    let items: Vec<String> = (first..first + BATCH)
        .map(|number| {
            let account = spread.account(number);
            format!(r#"{{"key":"b-{number:015}","action":"discuss","account":"{account}"}}"#)
        })
        .collect();
    format!(r#"{{"items":[{}]}}"#, items.join(","))
}

/// The built daemon beside this example.
fn program() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let program = here.parent().unwrap().parent().unwrap().join("creditd");
    assert!(program.exists(), "build it first: cargo build --release");
    program
}
