//! Databases of ours, filled with accounts: one is made by the daemon's own writer, and the others
//! are copies of it.

use super::in_process::InProcess;
use super::server::{Postgres, run};
use chrono::{DateTime, Utc};
use creditd::settings::Engine;
use creditd_rules::calendar::Timeline;
use creditd_rules::command::{ItemPlan, Snapshot, SnapshotItem, Source};
use creditd_rules::state::Status;
use creditd_rules::{Command, id::AccountId};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, SqliteConnection};
use std::path::Path;

/// A plan that no measurement uses up, and the settings that have it.
pub(super) const SETTINGS: &str = r#"
[[plans]]
id = "free"
class = "free"
rank = 0
message = [{ per = "day", credits = "900000" }]
integration = [{ per = "day", credits = "900000" }]
[[plans]]
id = "bench"
class = "paid"
rank = 1
prices = ["price_bench"]
message = [{ per = "month", credits = "900000" }]
integration = [{ per = "month", credits = "900000" }]
"#;

/// The number that is in every id of the account that is copied.
const FIRST: &str = "00000000";

/// Tables with rows of an account, those before that others refer to.
const TABLES: [&str; 8] = [
    "workspace",
    "account",
    "customer",
    "subscription",
    "seat",
    "entry",
    "seat_account",
    "directory",
];

/// What accounts have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Have {
    /// A seat of the large plan, each in a workspace of its own, bought then.
    Seat(DateTime<Utc>),
    /// Nothing but the free plan.
    Nothing,
}

/// A database of ours.
pub(super) struct Books {
    pub(super) engine: Engine,
    pub(super) url: String,
}

impl Books {
    /// Makes a database of this name with `accounts` accounts.
    pub(super) async fn make(
        server: Option<&Postgres>, home: &Path, name: &str, accounts: usize, have: Have,
    ) -> Self {
        let books = match server {
            Some(server) => Self { engine: Engine::Postgres, url: server.database(name).await },
            None => {
                let url = format!("sqlite://{}", home.join(format!("{name}.db")).display());
                Self { engine: Engine::Sqlite, url }
            }
        };
        let in_process = InProcess::open(&books, home).await;
        for command in first(have) {
            in_process.command(FIRST, command).await;
        }
        in_process.close().await;
        match books.engine {
            Engine::Sqlite => copy_in_sqlite(&books.url, accounts).await,
            Engine::Postgres => copy_in_postgres(&mut books.postgres().await, accounts).await,
        }
        books
    }

    /// A connection to a PostgreSQL database.
    pub(super) async fn postgres(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    /// Runs a statement on a SQLite database.
    pub(super) async fn in_sqlite(&self, sql: String) {
        let mut db = sqlite(&self.url).await;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut db).await.unwrap();
    }

    /// Adds free actions to the ledger, so many in all, evenly over the workspaces and in the order
    /// in which they would have happened.
    pub(super) async fn fill_ledger(&self, accounts: usize, entries: usize) {
        let each = entries / accounts;
        let columns =
            "workspace, account, seq, kind, amount_uc, reason, actor, action, price_uc, cause";
        let values = "id, id, next_seq + step, 'message', 0, 'use', id, 'visual_edit', 0, \
            'key:key-' || step";
        let next = format!("UPDATE workspace SET next_seq = next_seq + {each}");
        match self.engine {
            Engine::Postgres => {
                let fill = format!(
                    "INSERT INTO entry (bucket, effective_at, posted_at, use_id, {columns})
                     SELECT bucket, now(), now(), gen_random_uuid()::text, {values}
                     FROM generate_series(0, {each} - 1) AS step CROSS JOIN workspace"
                );
                let mut db = self.postgres().await;
                for sql in [fill, next, "VACUUM ANALYZE".to_owned()] {
                    run(&mut db, sql).await;
                }
            }
            Engine::Sqlite => {
                let fill = format!(
                    "WITH RECURSIVE steps (step) AS (
                         SELECT 0 UNION ALL SELECT step + 1 FROM steps WHERE step + 1 < {each})
                     INSERT INTO entry (effective_at_us, posted_at_us, use_id, {columns})
                     SELECT decided_at_us, decided_at_us, lower(hex(randomblob(16))), {values}
                     FROM steps CROSS JOIN workspace"
                );
                for sql in [fill, next] {
                    self.in_sqlite(sql).await;
                }
            }
        }
    }
}

/// A connection to a SQLite database.
async fn sqlite(url: &str) -> SqliteConnection {
    SqliteConnection::connect(url).await.unwrap()
}

/// What makes the first account.
fn first(have: Have) -> Vec<Command> {
    let account = AccountId::from(format!("account-{FIRST}"));
    let put = Command::PutAccount {
        id: account.clone(),
        email: None,
        name: None,
        locale: None,
        grant: "none".into(),
    };
    let Have::Seat(bought_at) = have else { return vec![put] };
    let observe = Command::Observe(Snapshot {
        subscription: format!("sub_{FIRST}").into(),
        customer: format!("cus_{FIRST}").into(),
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
    vec![put, observe]
}

/// Copies everything that is there under other numbers.
async fn copy_in_postgres(db: &mut PgConnection, accounts: usize) {
    let columns = "SELECT column_name, data_type FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position";
    // What is copied refers to what is copied.
    run(db, "SET session_replication_role = replica".to_owned()).await;
    for table in TABLES {
        let columns = sqlx::query(columns).bind(table).fetch_all(&mut *db).await.unwrap();
        let columns: Vec<(String, String)> =
            columns.iter().map(|row| (row.get(0), row.get(1))).collect();
        let renamed = |name: &str| format!("replace(one.{name}, '{FIRST}', lpad(n::text, 8, '0'))");
        let home = if table == "workspace" { "id" } else { "workspace" };
        let values: Vec<String> = columns
            .iter()
            .map(|(name, kind)| match (name.as_str(), kind.as_str()) {
                ("bucket", _) => {
                    let id = renamed(home);
                    format!("get_byte(sha256(convert_to({id}, 'UTF8')), 0)::smallint")
                }
                (name, "text") => renamed(name),
                (name, _) => format!("one.{name}"),
            })
            .collect();
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        if names.is_empty() {
            continue;
        }
        let (names, values) = (names.join(", "), values.join(", "));
        let copy = format!(
            "INSERT INTO {table} ({names}) SELECT {values}
             FROM generate_series(1, {accounts} - 1) AS n CROSS JOIN {table} AS one"
        );
        run(db, copy).await;
    }
    run(db, "VACUUM ANALYZE".to_owned()).await;
}

/// The same on SQLite.
async fn copy_in_sqlite(url: &str, accounts: usize) {
    let mut db = sqlite(url).await;
    let columns = "SELECT name, type FROM pragma_table_info($1)";
    let mut copies = vec!["PRAGMA foreign_keys = off".to_owned(), "BEGIN".to_owned()];
    for table in TABLES {
        let columns = sqlx::query(columns).bind(table).fetch_all(&mut db).await.unwrap();
        let columns: Vec<(String, String)> =
            columns.iter().map(|row| (row.get(0), row.get(1))).collect();
        let values: Vec<String> = columns
            .iter()
            .map(|(name, kind)| match kind.as_str() {
                "TEXT" => format!("replace(one.{name}, '{FIRST}', printf('%08d', n))"),
                _ => format!("one.{name}"),
            })
            .collect();
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        if names.is_empty() {
            continue;
        }
        let (names, values) = (names.join(", "), values.join(", "));
        copies.push(format!(
            "WITH RECURSIVE numbers (n) AS (
                 SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {accounts})
             INSERT INTO {table} ({names}) SELECT {values} FROM numbers CROSS JOIN {table} AS one"
        ));
    }
    copies.push("COMMIT".to_owned());
    for sql in copies {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut db).await.unwrap();
    }
}
