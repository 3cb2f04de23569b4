//! The PostgreSQL server that is measured: one of our own, or one that is there.

use creditd_test_cluster::{Cluster, Version};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use std::path::PathBuf;

/// What a server of our own is set to beside its defaults: full durability, and room for what is
/// measured.
const SETTINGS: &str = "shared_buffers = 1GB\nmax_wal_size = 4GB\nautovacuum = on\n\
    log_min_messages = warning\n";

/// Settings that are told with the figures.
const TOLD: [&str; 8] = [
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_sync_method",
    "shared_buffers",
    "max_wal_size",
    "autovacuum",
];

pub(super) struct Postgres {
    /// Ends the server when it goes.
    _cluster: Option<Cluster>,
    admin: String,
    programs: Option<PathBuf>,
}

impl Postgres {
    /// `15` and `18` start a server; anything else is the URL of one, of a role that may do anything.
    pub(super) fn start(which: &str) -> Self {
        let version = match which {
            "15" => Version::V15,
            "18" => Version::V18,
            url => return Self { _cluster: None, admin: url.to_owned(), programs: None },
        };
        let cluster = Cluster::tuned(version, SETTINGS);
        let (admin, programs) =
            (cluster.url("postgres", "postgres"), cluster.programs().to_owned());
        Self { _cluster: Some(cluster), admin, programs: Some(programs) }
    }

    /// Makes an empty database; its URL.
    pub(super) async fn database(&self, name: &str) -> String {
        let mut db = PgConnection::connect(&self.admin).await.unwrap();
        for sql in [
            format!("DROP DATABASE IF EXISTS creditd_bench_{name} WITH (FORCE)"),
            format!(
                "CREATE DATABASE creditd_bench_{name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"
            ),
        ] {
            run(&mut db, sql).await;
        }
        let (before, options) = self.admin.split_once('?').unwrap_or((&self.admin, ""));
        let (host, _) = before.rsplit_once('/').unwrap();
        let options = if options.is_empty() { String::new() } else { format!("?{options}") };
        format!("{host}/creditd_bench_{name}{options}")
    }

    /// Writes back what has to be, so that it does not fall into what is measured next.
    pub(super) async fn settle(&self) {
        let mut db = PgConnection::connect(&self.admin).await.unwrap();
        run(&mut db, "CHECKPOINT".to_owned()).await;
    }

    /// Where `pgbench` is.
    pub(super) fn pgbench(&self) -> PathBuf {
        self.programs.as_ref().map_or("pgbench".into(), |programs| programs.join("pgbench"))
    }

    /// What it is set to.
    pub(super) async fn settings(&self) -> String {
        let mut db = PgConnection::connect(&self.admin).await.unwrap();
        let mut told = Vec::new();
        for name in TOLD {
            let sql = AssertSqlSafe(format!("SHOW {name}"));
            let row = sqlx::raw_sql(sql).fetch_one(&mut db).await.unwrap();
            told.push(format!("{name} {}", row.get::<String, _>(0)));
        }
        told.join(", ")
    }
}

/// Runs one or several statements.
pub(super) async fn run(db: &mut PgConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(db).await.unwrap();
}
