//! Where daemons under test keep their books: the one place that knows the engines.

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use std::path::Path;

/// A kind of database. Every test of the whole runs on each.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Engine {
    Sqlite,
}

impl Engine {
    /// The URL of a database of its own for the daemon of this directory.
    pub(crate) fn database(self, dir: &Path) -> String {
        match self {
            Self::Sqlite => format!("sqlite://{}/creditd.db", dir.display()),
        }
    }

    /// Changes what is stored behind the daemon's back.
    pub(crate) async fn tamper(self, database: &str, statement: &'static str) {
        match self {
            Self::Sqlite => {
                let mut db = connect(database).await;
                let done = sqlx::query(statement).execute(&mut db).await.unwrap();
                assert!(done.rows_affected() > 0, "{statement} changes nothing");
                db.close().await.unwrap();
            }
        }
    }

    /// Lets nobody write for as long as the answer lives.
    pub(crate) async fn hold(self, database: &str) -> Held {
        match self {
            Self::Sqlite => {
                let mut db = connect(database).await;
                sqlx::query(AssertSqlSafe("BEGIN IMMEDIATE")).execute(&mut db).await.unwrap();
                Held { _db: db }
            }
        }
    }
}

/// A database that is held by a transaction; dropping it lets go.
pub(crate) struct Held {
    _db: SqliteConnection,
}

async fn connect(database: &str) -> SqliteConnection {
    let options: SqliteConnectOptions = database.parse().unwrap();
    options.connect().await.unwrap()
}

/// Makes a test of each function, on each engine. A function that is not named here is dead code,
/// of which the compiler warns.
macro_rules! on_each_engine {
    ($($test:ident)+) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test($crate::engine::Engine::Sqlite).await;
                }
            )+
        }
    };
}

pub(crate) use on_each_engine;
