//! Where sides keep their books.

use creditd::clock::Mode;
use creditd::store::memory::MemoryStore;
use creditd::store::{OpenOptions, Store, open};
use creditd_test_cluster::{Cluster, Database, Version};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// A kind of store.
#[derive(Debug, Clone, Copy)]
pub(super) enum Engine {
    Memory,
    Sqlite,
    Postgres,
}

/// A store for one life after the other. To make a database takes longer than to live a life, so it
/// is emptied for the next one.
pub(super) struct Ground {
    engine: Engine,
    kept: OnceCell<Kept>,
}

struct Kept {
    store: Arc<dyn Store>,
    place: Place,
}

enum Place {
    File { url: String, _dir: TempDir },
    Server(Database<'static>),
}

impl Ground {
    pub(super) const fn of(engine: Engine) -> Self {
        Self { engine, kept: OnceCell::const_new() }
    }

    /// A store with nothing in it, for as long as nobody else asks.
    pub(super) async fn empty_store(&self) -> Arc<dyn Store> {
        let place = || match self.engine {
            Engine::Memory => None,
            Engine::Sqlite => {
                // In memory, where there is some for files: syncing is not the matter here.
                let (memory, disk) = (Path::new("/dev/shm"), std::env::temp_dir());
                let dir = tempfile::tempdir_in(if memory.is_dir() { memory } else { &disk });
                let dir = dir.unwrap();
                Some(Place::File {
                    url: format!("sqlite://{}/creditd.db", dir.path().display()),
                    _dir: dir,
                })
            }
            Engine::Postgres => Some(Place::Server(Cluster::shared(Version::V15).database())),
        };
        if let Some(Kept { store, place }) = self.kept.get() {
            place.empty().await;
            return Arc::clone(store);
        }
        let Some(place) = place() else { return Arc::new(MemoryStore::new(Mode::Test)) };
        let options =
            OpenOptions { migrate: true, create: true, clock: Mode::Test, checkpoint: true };
        let store = open(place.url(), &options).await.unwrap();
        let kept = self.kept.get_or_init(async || Kept { store, place }).await;
        Arc::clone(&kept.store)
    }
}

impl Place {
    fn url(&self) -> &str {
        match self {
            Self::File { url, .. } => url,
            Self::Server(database) => &database.url,
        }
    }

    /// Removes all rows, behind the back of the store.
    async fn empty(&self) {
        match self {
            Self::File { url, .. } => {
                let tables = "SELECT group_concat('DELETE FROM ' || name, ';') FROM sqlite_schema
                              WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'
                                AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
                let mut db = SqliteConnection::connect(url).await.unwrap();
                let removal: String = sqlx::query_scalar(tables).fetch_one(&mut db).await.unwrap();
                let removal = format!("PRAGMA foreign_keys = OFF; BEGIN; {removal}; COMMIT");
                sqlx::raw_sql(AssertSqlSafe(removal)).execute(&mut db).await.unwrap();
                db.close().await.unwrap();
            }
            Self::Server(database) => {
                // A truncated table gets new files, and so do its indexes: to remove few rows is cheaper.
                let tables = "SELECT string_agg('DELETE FROM ' || quote_ident(tablename), ';')
                              FROM pg_tables
                              WHERE schemaname = 'public' AND tablename NOT LIKE '\\_%'";
                let url = database.url_for("postgres");
                let mut db = PgConnection::connect(&url).await.unwrap();
                let removal: String = sqlx::query_scalar(tables).fetch_one(&mut db).await.unwrap();
                let removal =
                    format!("SET session_replication_role = replica; BEGIN; {removal}; COMMIT");
                sqlx::raw_sql(AssertSqlSafe(removal)).execute(&mut db).await.unwrap();
                db.close().await.unwrap();
            }
        }
    }
}
