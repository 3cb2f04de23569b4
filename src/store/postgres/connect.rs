//! Connections, and what each of them is set to.

use super::transaction::Spares;
use super::trust::Trust;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _, SqlSafeStr as _, SqlStr,
};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

/// How PostgreSQL is reached.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// The URL of the role that owns the tables and migrates them; none: the daemon's own.
    pub migration_url: Option<String>,
    /// Connections at most.
    pub connections: u32,
    /// What stands between us and the server.
    pub pooler: Pooler,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self { migration_url: None, connections: 8, pooler: Pooler::None }
    }
}

/// What stands between us and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooler {
    /// Nothing that matters: a connection is one session of the server.
    None,
    /// A pooler that gives each transaction another session, such as pgbouncer in its mode
    /// `transaction`: nothing is prepared or set beyond a transaction.
    Transaction,
}

/// How long a call waits for a free connection, or for the server to be there.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// Statements that a connection keeps prepared.
const STATEMENTS: usize = 256;

/// What every session is set to.
///
/// Plans are made once for each statement, not for each call, and must fit tables of any size: rows
/// are always reached by their keys. A plan that was made while the tables were empty would read
/// them whole when they are not. Timeouts are for daemons that froze and networks that broke: a frozen
/// one's locks are gone before others give up waiting for them, and those before we give up on the
/// server. What is acknowledged is on disk, whatever the database's default.
const SETTINGS: [(&str, &str); 10] = [
    ("default_transaction_isolation", "read committed"),
    ("synchronous_commit", "on"),
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
    ("statement_timeout", "6s"),
    ("idle_in_transaction_session_timeout", "4s"),
    ("synchronize_seqscans", "off"),
];

/// Connections to the daemon's database.
#[derive(Debug)]
pub(super) struct Connections {
    pub(super) pool: PgPool,
    pub(super) pooler: Pooler,
    pub(super) trust: Arc<Trust>,
    pub(super) spares: Spares,
    /// How transactions begin, to read the newest or one snapshot.
    pub(super) begin: SqlStr,
    pub(super) begin_snapshot: SqlStr,
}

impl Connections {
    /// Connections to `url`, none of which is made yet.
    pub(super) fn try_new(
        url: &str, options: &PostgresOptions, work: Work,
    ) -> Result<Self, sqlx::Error> {
        let connect = connect_options(url, options.pooler, work)?;
        let trust = Arc::new(Trust::new());
        let before = Arc::clone(&trust);
        let pool = PgPoolOptions::new()
            .max_connections(options.connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .after_connect(|connection, _| Box::pin(must_be_primary(connection)))
            .before_acquire(move |connection, about| {
                let spared = before.spares(about.idle_for);
                Box::pin(async move { Ok(spared || connection.ping().await.is_ok()) })
            })
            .connect_lazy_with(connect);
        let begin = |how| begin_sql(how, options.pooler);
        Ok(Self {
            pool,
            pooler: options.pooler,
            trust,
            spares: Spares::of(options.connections),
            begin: begin("READ COMMITTED"),
            begin_snapshot: begin("REPEATABLE READ, READ ONLY"),
        })
    }
}

/// What sessions are for, which the server tells of each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// To use what is stored.
    Use,
    /// To move credits into an empty database.
    Fill,
}

impl Work {
    /// The name of the application, in `pg_stat_activity`.
    pub(super) const fn application(self) -> &'static str {
        match self {
            Self::Use => "creditd",
            Self::Fill => "creditd move",
        }
    }
}

/// How to connect to `url`.
pub(super) fn connect_options(
    url: &str, pooler: Pooler, work: Work,
) -> Result<PgConnectOptions, sqlx::Error> {
    let options = PgConnectOptions::from_str(url)?
        .application_name(work.application())
        .extra_float_digits(None)
        .disable_statement_logging();
    Ok(match pooler {
        Pooler::None => options.statement_cache_capacity(STATEMENTS).options(SETTINGS),
        Pooler::Transaction => options.statement_cache_capacity(0),
    })
}

/// The text that begins a transaction; behind a pooler it sets the session up as well.
///
/// The driver names every statement that it prepares, and the session may have prepared others
/// under the same names, for another of our connections. Those are forgotten first.
pub(super) fn begin_sql(how: &str, pooler: Pooler) -> SqlStr {
    let mut text = format!("BEGIN ISOLATION LEVEL {how}");
    if pooler == Pooler::Transaction {
        text.push_str("; DEALLOCATE ALL");
        for (name, value) in SETTINGS {
            text.push_str(&format!("; SET LOCAL {name} = '{value}'"));
        }
    }
    AssertSqlSafe(text).into_sql_str()
}

/// An address that moves with the primary may lead to a standby for a moment, which would stay
/// connected and refuse every write.
async fn must_be_primary(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let row = sqlx::raw_sql("SELECT pg_is_in_recovery()::text").fetch_one(connection).await?;
    if row.try_get::<&str, _>(0)? == "true" {
        return Err(sqlx::Error::Protocol("the server is a standby, which only reads".into()));
    }
    Ok(())
}
