//! Where daemons under test keep their books: the one place that knows the engines.

use crate::daemon::program;
use creditd_test_cluster::{Bouncer, Cluster, Database, Version};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use std::path::Path;
use std::sync::OnceLock;

/// A kind of database. Every test of the whole runs on SQLite and on PostgreSQL.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
    /// PostgreSQL behind a pooler that lends its connections for a transaction each.
    Pooled,
}

/// A database of a daemon's own, which is gone when this is dropped.
pub(crate) struct Books {
    /// The URL that the daemon gets.
    pub(crate) url: String,
    /// The URL past any pooler.
    pub(crate) direct: String,
    /// More lines of its section of the settings.
    pub(crate) settings: String,
    /// Keeps a server's database.
    _database: Option<Database<'static>>,
}

impl Books {
    /// A database of the tests' server, with more settings.
    pub(crate) fn on(database: Database<'static>, settings: &str) -> Self {
        let url = database.url.clone();
        Self { direct: url.clone(), url, settings: settings.to_owned(), _database: Some(database) }
    }

    /// The same, which the daemon reaches by another URL.
    pub(crate) fn through(self, url: String) -> Self {
        Self { url, ..self }
    }

    /// A database that somebody else made and removes.
    pub(crate) fn at(url: String) -> Self {
        Self { direct: url.clone(), url, settings: String::new(), _database: None }
    }
}

impl Engine {
    /// A database of its own for the daemon of this directory.
    pub(crate) fn books(self, dir: &Path) -> Books {
        let database = match self {
            Self::Sqlite => return Books::at(format!("sqlite://{}/creditd.db", dir.display())),
            Self::Postgres | Self::Pooled => cluster().copy(migrated()),
        };
        match self {
            Self::Sqlite | Self::Postgres => Books::on(database, ""),
            Self::Pooled => {
                let url = pooler().url("owner", &database.name);
                Books::on(database, "pooler = \"transaction\"\n").through(url)
            }
        }
    }

    /// Changes what is stored behind the daemon's back.
    pub(crate) async fn tamper(self, database: &str, statement: &'static str) {
        let changed = match self {
            Self::Sqlite => {
                let mut db = SqliteConnection::connect(database).await.unwrap();
                let done = sqlx::query(statement).execute(&mut db).await.unwrap();
                db.close().await.unwrap();
                done.rows_affected()
            }
            Self::Postgres | Self::Pooled => {
                let mut db = PgConnection::connect(&as_superuser(database)).await.unwrap();
                let done = sqlx::query(statement).execute(&mut db).await.unwrap();
                db.close().await.unwrap();
                done.rows_affected()
            }
        };
        assert!(changed > 0, "{statement} changes nothing");
    }

    /// Lets nobody write until the answer is let go.
    pub(crate) async fn hold(self, database: &str) -> Held {
        match self {
            Self::Sqlite => {
                let mut db = SqliteConnection::connect(database).await.unwrap();
                sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut db).await.unwrap();
                Held::Sqlite(db)
            }
            Self::Postgres | Self::Pooled => {
                let mut db = PgConnection::connect(&as_superuser(database)).await.unwrap();
                let tables: String = sqlx::query_scalar(TABLES).fetch_one(&mut db).await.unwrap();
                let lock = format!("BEGIN; LOCK TABLE {tables} IN EXCLUSIVE MODE");
                sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut db).await.unwrap();
                Held::Postgres(db)
            }
        }
    }
}

const TABLES: &str = "
    SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables WHERE schemaname = 'public'";

/// A database that is held by a transaction. Dropping it lets go too, but on a server only once
/// that has seen the connection close.
pub(crate) enum Held {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Held {
    /// Lets go.
    pub(crate) async fn let_go(self) {
        match self {
            Self::Sqlite(mut db) => {
                sqlx::raw_sql("ROLLBACK").execute(&mut db).await.unwrap();
            }
            Self::Postgres(mut db) => {
                sqlx::raw_sql("ROLLBACK").execute(&mut db).await.unwrap();
            }
        }
    }
}

/// The server of all tests of the whole: the oldest version, since newer ones take what it takes.
/// The suite of the store runs on the newest too.
pub(crate) fn cluster() -> &'static Cluster {
    Cluster::shared(Version::V15)
}

/// The pooler in front of it.
pub(crate) fn pooler() -> &'static Bouncer {
    static POOLER: OnceLock<Bouncer> = OnceLock::new();
    POOLER.get_or_init(|| Bouncer::start(cluster()))
}

/// A database with nothing but our schema.
pub(crate) fn migrated() -> &'static Database<'static> {
    static MIGRATED: OnceLock<Database<'static>> = OnceLock::new();
    MIGRATED.get_or_init(|| {
        let (database, dir) = (cluster().database(), tempfile::tempdir().unwrap());
        let mut migrate = program(dir.path());
        migrate.arg("migrate").env("CREDITD__DATABASE__URL", &database.url);
        let output = migrate.output().unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "migrate: {complaints}");
        database
    })
}

fn as_superuser(database: &str) -> String {
    database.replacen("owner@", "postgres@", 1)
}

/// Makes a test of each function, on each engine. A function that is not named here is dead code,
/// of which the compiler warns. After `also pooled:`, they run behind a pooler too; after
/// `on threads:`, with a runtime of several threads.
macro_rules! on_each_engine {
    (also pooled: $($test:ident)+) => {
        $crate::engine::on_each_engine! { $($test)+ }
        $crate::engine::on! { pooled Pooled [tokio::test] $($test)+ }
    };
    (on threads: $($test:ident)+) => {
        $crate::engine::on! { sqlite Sqlite [tokio::test(flavor = "multi_thread")] $($test)+ }
        $crate::engine::on! { postgres Postgres [tokio::test(flavor = "multi_thread")] $($test)+ }
    };
    ($($test:ident)+) => {
        $crate::engine::on! { sqlite Sqlite [tokio::test] $($test)+ }
        $crate::engine::on! { postgres Postgres [tokio::test] $($test)+ }
    };
}

/// The tests of one engine, in a module of its name.
macro_rules! on {
    ($name:ident $engine:ident $kind:tt $($test:ident)+) => {
        mod $name {
            $($crate::engine::on! { $engine $kind $test })+
        }
    };
    ($engine:ident [$kind:meta] $test:ident) => {
        #[$kind]
        async fn $test() {
            super::$test($crate::engine::Engine::$engine).await;
        }
    };
}

pub(crate) use {on, on_each_engine};
