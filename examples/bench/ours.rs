//! Our debits: through the writer in process, and over HTTP with keys, scopes, metrics and logs.

use super::ACCOUNTS;
use super::raw::Connection;
use chrono::{DateTime, Utc};
use creditd::clock::{self, Mode};
use creditd::metrics::Metrics;
use creditd::settings::Settings;
use creditd::store::{self, Home, OpenOptions, Store};
use creditd::writer::{Ground, Key, Limits, Reply, Request, Submit, Wakes, Writer};
use creditd_rules::calendar::Timeline;
use creditd_rules::command::{ItemPlan, Snapshot, SnapshotItem, Source};
use creditd_rules::id::{AccountId, WorkspaceId};
use creditd_rules::state::Status;
use creditd_rules::{Cause, Command};
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::process::{Child, Command as Process};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A plan that no measurement uses up, and the settings that have it.
const SETTINGS: &str = r#"
[[plans]]
id = "free"
class = "free"
rank = 0
message = [{ per = "day", credits = "5" }]
integration = [{ per = "day", credits = "25" }]
[[plans]]
id = "bench"
class = "paid"
rank = 1
prices = ["price_bench"]
message = [{ per = "month", credits = "900000" }]
integration = [{ per = "month", credits = "900000" }]
"#;

fn account(number: usize) -> String {
    format!("account-{:05}", number.wrapping_mul(7_919) % ACCOUNTS)
}

/// Workers that each do `one` again and again for `span`; how many a second in all.
async fn rate<F, W>(clients: usize, span: Duration, make: F) -> f64
where
    F: Fn(usize, Instant) -> W,
    W: Future<Output = u32> + Send + 'static,
{
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for client in 0..clients {
        tasks.spawn(make(client, began + span));
    }
    let done: u32 = tasks.join_all().await.into_iter().sum();
    f64::from(done) / began.elapsed().as_secs_f64()
}

/// The writer without HTTP.
pub(super) struct InProcess {
    writer: Writer,
    next: Arc<AtomicUsize>,
}

impl InProcess {
    pub(super) async fn open(path: &Path) -> Self {
        Self::furnished(path, clock::wall() - chrono::TimeDelta::days(3)).await.0
    }

    /// The same with what it stands on; all seats were bought at `bought_at`.
    pub(super) async fn furnished(path: &Path, bought_at: DateTime<Utc>) -> (Self, Ground) {
        let options = OpenOptions { migrate: true, create: true, clock: Mode::System };
        let store = store::open(&format!("sqlite://{}", path.display()), &options).await.unwrap();
        let settings = Settings::load(Some(&settings_file(path)), [], None).unwrap();
        let ground = Ground {
            store: Arc::clone(&store),
            catalogue: Arc::new(settings.catalogue),
            metrics: Arc::new(Metrics::new("sqlite")),
            wakes: Arc::new(Wakes::default()),
        };
        let (writer, lanes) = Writer::new(&ground, Limits::default(), NonZeroUsize::MIN);
        let tasks = TaskTracker::new();
        for lane in lanes {
            tasks.spawn(lane.run(CancellationToken::new()));
        }
        furnish(store.as_ref(), &writer, bought_at).await;
        (Self { writer, next: Arc::default() }, ground)
    }

    /// The door of its writer.
    pub(super) fn writer(&self) -> Writer {
        self.writer.clone()
    }

    /// Debits a second with `clients` at once for `span`.
    pub(super) async fn run(&self, clients: usize, span: Duration) -> f64 {
        rate(clients, span, |_, end| {
            let (writer, next) = (self.writer.clone(), Arc::clone(&self.next));
            async move {
                let mut done = 0;
                while Instant::now() < end {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let reply = writer.submit(debit(number)).await.unwrap();
                    assert!(matches!(reply, Reply::Done { replayed: false, .. }));
                    done += 1;
                }
                done
            }
        })
        .await
    }
}

/// The settings of a measurement, beside its database.
fn settings_file(database: &Path) -> std::path::PathBuf {
    let file = database.with_extension("toml");
    std::fs::write(&file, SETTINGS).unwrap();
    file
}

fn debit(number: usize) -> Request {
    let account = account(number);
    let key = format!("key-{number:012}");
    Request {
        home: Home::Account(AccountId::from(account.as_str())),
        command: Command::Use {
            id: format!("use-{number:012}").into(),
            action: "discuss".into(),
            account: Some(account),
            app: None,
            quantity: 1,
        },
        cause: Cause { by: Some(format!("key:{key}")), at: None },
        key: Some(Key { key, fingerprint: [7; 32] }),
    }
}

/// Makes all accounts, each in a workspace of its own with a seat of the large plan.
async fn furnish(store: &dyn Store, writer: &Writer, bought_at: DateTime<Utc>) {
    let mut requests = Vec::new();
    for number in 0..ACCOUNTS {
        let name = format!("account-{number:05}");
        let (account, workspace) = (AccountId::from(&*name), WorkspaceId::from(&*name));
        store.claim_account(&account, &workspace).await.unwrap();
        let home = Home::Workspace(workspace);
        let put = Command::PutAccount {
            id: account.clone(),
            email: None,
            name: None,
            locale: None,
            grant: "none".into(),
        };
        let observe = Command::Observe(Snapshot {
            subscription: format!("sub_{number:05}").into(),
            customer: format!("cus_{number:05}").into(),
            buyer: Some(account),
            status: Some(Status::Active),
            items: vec![SnapshotItem {
                id: "si".into(),
                plan: ItemPlan::Plan("bench".into()),
                quantity: 1,
            }],
            timeline: Timeline::new(bought_at, bought_at),
            trial_end: None,
            cancel_at: None,
            created: bought_at,
            source: Source::Event { rank: 0 },
        });
        requests.push((home, [put, observe]));
    }
    for turn in 0..2 {
        for chunk in requests.chunks(1_000) {
            let submitted = chunk.iter().map(|(home, commands)| {
                writer.submit(Request {
                    home: home.clone(),
                    command: commands[turn].clone(),
                    cause: Cause::default(),
                    key: None,
                })
            });
            for outcome in futures_util::future::join_all(submitted).await {
                outcome.unwrap();
            }
        }
    }
}

/// The daemon as its own process.
pub(super) struct Served {
    child: Child,
    api: SocketAddr,
    key: String,
    next: Arc<AtomicUsize>,
}

impl Served {
    pub(super) async fn start(home: &Path) -> Self {
        let database = home.join("served.db");
        drop(InProcess::open(&database).await);
        let free = || TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let (api, ops) = (free(), free());
        let settings = format!(
            "[server]\nlisten = \"{api}\"\nops_listen = \"{ops}\"\n\
             [database]\nurl = \"sqlite://{}\"\n{SETTINGS}",
            database.display()
        );
        let file = home.join("creditd.toml");
        std::fs::write(&file, settings).unwrap();
        let program = program();
        let creditd = |words: &[&str]| {
            let mut process = Process::new(&program);
            process.args(words).arg("--config").arg(&file).env("STATE_DIRECTORY", home);
            process
        };
        let made = creditd(&["keys", "create", "--scope", "usage"]).output().await.unwrap();
        assert!(made.status.success(), "{made:?}");
        let log = std::fs::File::create(home.join("log")).unwrap();
        let child = creditd(&["serve"]).stderr(log).kill_on_drop(true).spawn().unwrap();
        while tokio::net::TcpStream::connect(api).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let key = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        Self { child, api, key, next: Arc::default() }
    }

    pub(super) async fn stop(mut self) {
        self.child.kill().await.unwrap();
    }

    /// New debits, one a request.
    pub(super) async fn one_a_request(&self, clients: usize, span: Duration) -> f64 {
        self.requests(clients, span, "new", 200, |number| {
            format!(r#"{{"action":"discuss","account":"{}"}}"#, account(number))
        })
        .await
    }

    /// The same debit again and again under the same few keys.
    pub(super) async fn replays(&self, clients: usize, span: Duration) -> f64 {
        self.requests(clients, span, "same", 200, |_| {
            format!(r#"{{"action":"discuss","account":"{}"}}"#, account(1))
        })
        .await
    }

    /// Debits that are not covered.
    pub(super) async fn refusals(&self, clients: usize, span: Duration) -> f64 {
        self.requests(clients, span, "refused", 402, |number| {
            let account = account(number);
            format!(r#"{{"action":"chat","account":"{account}","quantity":1000000}}"#)
        })
        .await
    }

    async fn requests(
        &self, clients: usize, span: Duration, what: &'static str, status: u16,
        body: fn(usize) -> String,
    ) -> f64 {
        rate(clients, span, |client, end| {
            let (api, key, next) = (self.api, self.key.clone(), Arc::clone(&self.next));
            async move {
                let mut connection = Connection::open(api, &key).await;
                let mut done = 0;
                while Instant::now() < end {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let key = match what {
                        "same" => format!("same-{client}"),
                        _ => format!("{what}-{number:012}"),
                    };
                    let answered = connection.post("/v1/usage", &key, &body(number)).await;
                    assert_eq!(
                        answered,
                        status,
                        "{what}: {}",
                        String::from_utf8_lossy(connection.body())
                    );
                    done += 1;
                }
                done
            }
        })
        .await
    }

    /// Debits in batches of 1,000 a request.
    pub(super) async fn batches(&self, clients: usize, span: Duration) -> f64 {
        rate(clients, span, |_, end| {
            let (api, key, next) = (self.api, self.key.clone(), Arc::clone(&self.next));
            async move {
                let mut connection = Connection::open(api, &key).await;
                let mut done = 0;
                while Instant::now() < end {
                    let first = next.fetch_add(1_000, Ordering::Relaxed);
                    let items: Vec<String> = (first..first + 1_000)
                        .map(|number| {
                            let account = account(number);
                            format!(
                                r#"{{"key":"b-{number:012}","action":"discuss","account":"{account}"}}"#
                            )
                        })
                        .collect();
                    let body = format!(r#"{{"items":[{}]}}"#, items.join(","));
                    let key = format!("batch-{first:012}");
                    let answered = connection.post("/v1/usage/batch", &key, &body).await;
                    assert_eq!(answered, 200, "{}", String::from_utf8_lossy(connection.body()));
                    done += 1_000;
                }
                done
            }
        })
        .await
    }
}

/// The built daemon beside this example.
fn program() -> std::path::PathBuf {
    let here = std::env::current_exe().unwrap();
    let program = here.parent().unwrap().parent().unwrap().join("creditd");
    assert!(program.exists(), "build it first: cargo build --release");
    program
}
