//! What measurements stand on, made when it is first needed.

use super::ACCOUNTS;
use super::books::{Books, Have};
use super::by_hand::ByHand;
use super::in_process::InProcess;
use super::pgbench::Reference;
use super::served::{Daemon, Setup};
use super::server::Postgres;
use chrono::TimeDelta;
use creditd::clock;
use creditd::settings::Engine;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Everything there is while something is measured.
pub(super) struct Stage {
    pub(super) home: PathBuf,
    pub(super) span: Duration,
    pub(super) sizes: Sizes,
    pub(super) postgres: Option<Postgres>,
    engines: Vec<Engine>,
    reference: Option<Reference>,
    by_hand: Option<ByHand>,
    standings: BTreeMap<&'static str, Standing>,
    pub(super) boundaries: BTreeMap<&'static str, super::boundary::Ground>,
    pub(super) resting: BTreeMap<&'static str, super::at_rest::Ground>,
    pub(super) ledgers: BTreeMap<&'static str, super::ledger::Ground>,
}

/// How large it gets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// Seats due at one instant.
    pub(super) due: usize,
    /// Accounts at rest.
    pub(super) resting: usize,
    /// Entries in the ledger.
    pub(super) entries: usize,
}

/// Our writer and our daemon, each on books of its own.
pub(super) struct Standing {
    pub(super) in_process: InProcess,
    setup: Setup,
    daemon: Option<Daemon>,
}

impl Stage {
    pub(super) fn new(
        home: PathBuf, span: Duration, sizes: Sizes, postgres: Option<Postgres>,
        engines: Vec<Engine>,
    ) -> Self {
        Self {
            home,
            span,
            sizes,
            postgres,
            engines,
            reference: None,
            by_hand: None,
            standings: BTreeMap::new(),
            boundaries: BTreeMap::new(),
            resting: BTreeMap::new(),
            ledgers: BTreeMap::new(),
        }
    }

    pub(super) fn has(&self, engine: Engine) -> bool {
        self.engines.contains(&engine)
    }

    /// The server, where the engine has one.
    pub(super) fn server(&self, engine: Engine) -> Option<&Postgres> {
        self.postgres.as_ref().filter(|_| engine == Engine::Postgres)
    }

    /// `pgbench`, where PostgreSQL is measured.
    pub(super) async fn reference(&mut self) -> Option<&Reference> {
        let server = self.postgres.as_ref()?;
        if self.reference.is_none() {
            self.reference = Some(Reference::prepare(server, &self.home).await);
        }
        self.reference.as_ref()
    }

    /// What is written by hand on SQLite.
    pub(super) async fn by_hand(&mut self) -> &ByHand {
        if self.by_hand.is_none() {
            self.by_hand = Some(ByHand::open(&self.home.join("by-hand.db")).await);
        }
        self.by_hand.as_ref().unwrap()
    }

    /// Ours, on an engine.
    pub(super) async fn standing(&mut self, engine: Engine) -> &mut Standing {
        let key = engine.as_str();
        if !self.standings.contains_key(key) {
            let standing = Standing::make(self, engine).await;
            self.standings.insert(key, standing);
        }
        self.standings.get_mut(key).unwrap()
    }

    /// Ends what runs.
    pub(super) async fn end(self) {
        for standing in self.standings.into_values() {
            if let Some(daemon) = standing.daemon {
                daemon.kill().await;
            }
            standing.in_process.close().await;
        }
    }
}

impl Standing {
    async fn make(stage: &Stage, engine: Engine) -> Self {
        let (server, home) = (stage.server(engine), &stage.home);
        let have = Have::Seat(clock::wall() - TimeDelta::days(3));
        let accounts = usize::try_from(ACCOUNTS).unwrap();
        let books = Books::make(server, home, "in_process", accounts, have).await;
        let in_process = InProcess::open(&books, home).await;
        in_process.once_each(ACCOUNTS).await;
        let books = Books::make(server, home, "served", accounts, have).await;
        let setup = Setup::make(&books, home, engine.as_str()).await;
        let daemon = setup.start().await;
        // What is measured is a daemon that has been at work for a while.
        daemon.once_each(ACCOUNTS).await;
        let daemon = Some(daemon);
        Self { in_process, setup, daemon }
    }

    pub(super) fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().unwrap()
    }

    /// Ends the daemon and starts it again; how long that took, in milliseconds.
    pub(super) async fn restart(&mut self, killed: bool) -> f64 {
        let daemon = self.daemon.take().unwrap();
        if killed {
            daemon.kill().await;
        } else {
            daemon.stop().await;
        }
        let daemon = self.setup.start().await;
        let took = daemon.ready_after.as_secs_f64() * 1_000.0;
        self.daemon = Some(daemon);
        took
    }
}
