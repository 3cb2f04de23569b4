//! The reference on PostgreSQL: `pgbench`, with what everyone writes.

use super::ACCOUNTS;
use super::server::{Postgres, run};
use super::webhooks;
use sqlx::{Connection as _, PgConnection};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::process::Command;

/// Clients of `pgbench` at once, and its threads.
const CLIENTS: usize = 16;
const THREADS: usize = 2;

/// Each key once, in an order that costs the index as little as can be.
const KEY: &str = "\\set n :n + 1\n\
    \\set key :run * 1000000000000 + :client_id * 1000000000 + :n\n";

const TWO_STATEMENTS: &str = "BEGIN;
UPDATE account SET balance = balance - 300000 \
    WHERE id = :account AND balance >= 300000 RETURNING balance \\gset
INSERT INTO entry (key, account, amount, after, at) \
    VALUES ('key-' || :key, :account, -300000, :balance, now());
COMMIT;
";

const ONE_STATEMENT: &str = "WITH taken AS (\
    UPDATE account SET balance = balance - 300000 \
    WHERE id = :account AND balance >= 300000 RETURNING id, balance) \
INSERT INTO entry (key, account, amount, after, at) \
    SELECT 'key-' || :key, id, -300000, balance, now() FROM taken;
";

const EVENT: &str =
    "INSERT INTO event (id, received_at, body) VALUES ('evt_' || :key, now(), :body);\n";

/// What `pgbench` does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Script {
    /// A guarded UPDATE and an INSERT in a transaction.
    Two,
    /// The same as one statement.
    One,
    /// Two statements, all on one row.
    Hot,
    /// One row of 2 KB.
    Event,
}

pub(super) struct Reference {
    url: String,
    program: PathBuf,
    home: PathBuf,
    runs: AtomicUsize,
    body: String,
}

impl Reference {
    pub(super) async fn prepare(server: &Postgres, home: &Path) -> Self {
        let url = server.database("reference").await;
        let mut db = PgConnection::connect(&url).await.unwrap();
        let tables = format!(
            "CREATE TABLE account (id bigint PRIMARY KEY, balance bigint NOT NULL)
                WITH (fillfactor = 80);
             CREATE TABLE entry (key text COLLATE \"C\" PRIMARY KEY, account bigint NOT NULL,
                amount bigint NOT NULL, after bigint NOT NULL, at timestamptz NOT NULL);
             CREATE TABLE event (id text COLLATE \"C\" PRIMARY KEY, received_at timestamptz NOT NULL,
                body text NOT NULL);
             INSERT INTO account SELECT id, 1000000000000 FROM generate_series(0, {ACCOUNTS} - 1) id"
        );
        run(&mut db, tables).await;
        run(&mut db, "VACUUM ANALYZE".to_owned()).await;
        let account = format!("\\set account random(0, {ACCOUNTS} - 1)\n{KEY}");
        let first = format!("\\set account 0\n{KEY}");
        for (script, text) in [
            (Script::Two, account.clone() + TWO_STATEMENTS),
            (Script::One, account + ONE_STATEMENT),
            (Script::Hot, first + TWO_STATEMENTS),
            (Script::Event, KEY.to_owned() + EVENT),
        ] {
            std::fs::write(home.join(format!("{script:?}.sql")), text).unwrap();
        }
        let (program, home) = (server.pgbench(), home.to_owned());
        Self { url, program, home, runs: AtomicUsize::new(0), body: webhooks::body(0) }
    }

    /// Transactions a second.
    pub(super) async fn rate(&self, script: Script, span: Duration) -> f64 {
        let said = self.run(script, CLIENTS, THREADS, span, &[]).await;
        let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next());
        rate.unwrap_or_else(|| panic!("{said}")).parse().unwrap()
    }

    /// How long a transaction of one client alone takes: the median, in milliseconds.
    pub(super) async fn lone_ms(&self, span: Duration) -> f64 {
        let prefix = self.home.join("lone");
        let log = ["--log", "--log-prefix", prefix.to_str().unwrap()];
        self.run(Script::Two, 1, 1, span, &log).await;
        let mut waits_us: Vec<u64> = Vec::new();
        for file in std::fs::read_dir(&self.home).unwrap() {
            let path = file.unwrap().path();
            if path.file_name().unwrap().to_string_lossy().starts_with("lone.") {
                let text = std::fs::read_to_string(&path).unwrap();
                let wait = |line: &str| line.split(' ').nth(2).unwrap().parse::<u64>().unwrap();
                waits_us.extend(text.lines().map(wait));
                std::fs::remove_file(&path).unwrap();
            }
        }
        waits_us.sort_unstable();
        waits_us[waits_us.len() / 2] as f64 / 1_000.0
    }

    async fn run(
        &self, script: Script, clients: usize, threads: usize, span: Duration, more: &[&str],
    ) -> String {
        let number = self.runs.fetch_add(1, Ordering::Relaxed) + 1;
        let output = Command::new(&self.program)
            .args(["--no-vacuum", "--protocol=prepared"])
            .arg(format!("--client={clients}"))
            .arg(format!("--jobs={threads}"))
            .arg(format!("--time={}", span.as_secs().max(1)))
            .arg(format!("--define=run={number}"))
            .arg("--define=n=0")
            .arg(format!("--define=body={}", self.body))
            .arg("--file")
            .arg(self.home.join(format!("{script:?}.sql")))
            .args(more)
            .arg(&self.url)
            .output()
            .await
            .unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaint}");
        String::from_utf8(output.stdout).unwrap()
    }
}
