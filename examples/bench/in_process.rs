//! Our debits through the writer, without HTTP.

use super::books::{Books, SETTINGS};
use super::load::{Client, Load, Told, load};
use super::spread::Spread;
use creditd::clock::Mode;
use creditd::metrics::Metrics;
use creditd::settings::Settings;
use creditd::store::{self, Home, OpenOptions};
use creditd::supervisor::lanes;
use creditd::writer::{Ground, Key, Limits, Reply, Request, Submit, Wakes, Writer};
use creditd_rules::id::{AccountId, WorkspaceId};
use creditd_rules::{Cause, Command};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The number of the first debit that is made before anything is measured.
const BEFORE: usize = 500_000_000_000;

/// The writer as the daemon has it, in this process.
pub(super) struct InProcess {
    writer: Writer,
    numbers: Arc<AtomicUsize>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl InProcess {
    pub(super) async fn open(books: &Books, home: &Path) -> Self {
        let options =
            OpenOptions { migrate: true, create: true, clock: Mode::System, checkpoint: true };
        let store = store::open(&books.url, &options).await.unwrap();
        let file = home.join("in-process.toml");
        std::fs::write(&file, SETTINGS).unwrap();
        let settings = Settings::load(Some(&file), [], None).unwrap();
        let ground = Ground {
            store,
            catalogue: creditd::live::Live::new(settings.catalogue),
            metrics: Arc::new(Metrics::new(books.engine.as_str())),
            wakes: Arc::new(Wakes::default()),
        };
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let writer =
            Writer::spawned(&ground, Limits::default(), lanes(books.engine), &tasks, &stop);
        Self { writer, numbers: Arc::default(), tasks, stop }
    }

    /// Carries out a command in the workspace of this number.
    pub(super) async fn command(&self, number: &str, command: Command) {
        let home = Home::Workspace(WorkspaceId::from(format!("account-{number}")));
        let request = Request { home, command, cause: Cause::default(), key: None };
        self.writer.submit(request).await.unwrap();
    }

    /// Debits once on each of so many accounts.
    pub(super) async fn once_each(&self, accounts: u64) {
        let turn = Spread::Turn(accounts);
        let last = BEFORE + usize::try_from(accounts).unwrap();
        // Far from the numbers of measurements, whose keys they are.
        let numbers: Vec<usize> = (BEFORE..last).collect();
        for some in numbers.chunks(1_000) {
            let debits = some.iter().map(|number| self.writer.submit(debit(&turn, *number)));
            for done in futures_util::future::join_all(debits).await {
                done.unwrap();
            }
        }
    }

    /// Debits by so many at once for `span`.
    pub(super) async fn debits(&self, spread: &Spread, clients: usize, span: Duration) -> Load {
        let client = || Debits { writer: self.writer.clone(), spread: spread.clone() };
        let clients = std::iter::repeat_with(client).take(clients).collect();
        load(clients, &self.numbers, span.into(), None).await
    }

    /// Ends it, and lets go of the database.
    pub(super) async fn close(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

struct Debits {
    writer: Writer,
    spread: Spread,
}

impl Client for Debits {
    async fn once(&mut self, number: usize) -> Told {
        let reply = self.writer.submit(debit(&self.spread, number)).await.unwrap();
        assert!(matches!(reply, Reply::Done { replayed: false, .. }));
        Told::done(1)
    }
}

fn debit(spread: &Spread, number: usize) -> Request {
    let account = spread.account(number);
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
