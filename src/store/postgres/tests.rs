//! What is PostgreSQL's own below the store's promises.

use super::{Pooler, PostgresOptions, PostgresStore};
use crate::clock;
use crate::store::{ApiKey, OpenOptions, Store as _};
use creditd_test_cluster::{Cluster, Version};
use futures_util::FutureExt as _;
use sqlx::PgConnection;

const OPTIONS: OpenOptions =
    OpenOptions { migrate: true, create: true, clock: clock::Mode::System, checkpoint: true };

async fn shown(db: &mut PgConnection, setting: &str) -> String {
    let sql = "SELECT current_setting($1)";
    sqlx::query_scalar(sql).bind(setting).fetch_one(db).await.unwrap()
}

#[tokio::test]
async fn sessions_do_not_depend_on_defaults_of_the_database() {
    let cluster = Cluster::shared(Version::V15);
    let database = cluster.database();
    for default in ["default_transaction_isolation = 'serializable'", "synchronous_commit = off"] {
        let name = &database.name;
        cluster.sql("postgres", &format!("ALTER DATABASE {name} SET {default}"));
    }
    for pooler in [Pooler::None, Pooler::Transaction] {
        let postgres = PostgresOptions { pooler, ..PostgresOptions::default() };
        let store = PostgresStore::open(&database.url, &OPTIONS, &postgres).await.unwrap();
        let (mut one, mut all, mut write) = (
            store.session().await.unwrap(),
            store.snapshot().await.unwrap(),
            store.begin().await.unwrap(),
        );
        for (db, isolation) in [
            (&mut *one, "read committed"),
            (&mut *all, "repeatable read"),
            (&mut *write, "read committed"),
        ] {
            assert_eq!(shown(db, "synchronous_commit").await, "on");
            assert_eq!(shown(db, "transaction_isolation").await, isolation, "{pooler:?}");
            assert_eq!(shown(db, "timezone").await, "UTC");
        }
    }
}

#[tokio::test]
async fn a_transaction_whose_caller_went_away_while_it_began_swallows_no_later_write() {
    let database = Cluster::shared(Version::V15).database();
    let postgres = PostgresOptions { connections: 1, ..PostgresOptions::default() };
    let store = PostgresStore::open(&database.url, &OPTIONS, &postgres).await.unwrap();
    loop {
        store.now().await.unwrap();
        while store.connections.pool.num_idle() == 0 {
            tokio::task::yield_now().await;
        }
        // Once in a while the server is so fast that it has begun already.
        if store.begin().now_or_never().is_none() {
            break;
        }
    }
    let (id, hash, scopes) = ("k".to_owned(), [7; 32], vec!["read".to_owned()]);
    let key = ApiKey { id, hash, scopes, created_at: clock::wall(), revoked_at: None };
    store.add_api_key(&key).await.unwrap();
    assert_eq!(database.sql("SELECT id FROM api_key").trim_end(), "k");
}
