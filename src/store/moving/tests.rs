use super::*;
use crate::clock;
use crate::store::{open, postgres};
use creditd_test_cluster::{Cluster, Version};
use sqlx::{AssertSqlSafe, Column as _, Connection as _, Executor as _, SqlSafeStr as _};
use sqlx::{PgConnection, SqliteConnection};
use std::collections::BTreeSet;

const OPTIONS: OpenOptions =
    OpenOptions { migrate: true, create: true, clock: clock::Mode::System, checkpoint: true };

/// Tables that SQLite has under another name, as part of the directory.
const DIRECTORY: [&str; 1] = ["customer"];

/// Tables of PostgreSQL that are about the database itself.
const OWN: [&str; 2] = ["creditd_schema", "moved"];

async fn columns(db: &mut SqliteConnection, select: &'static str) -> BTreeSet<String> {
    let described = (&mut *db).describe(select.into_sql_str()).await.unwrap();
    let names = described.columns().iter().map(|column| column.name());
    names.map(|name| postgres::stored_name(name).to_owned()).collect()
}

/// A table or column that is added to one side alone, or forgotten here, fails this.
#[tokio::test]
async fn every_table_and_every_column_is_moved() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/credits.db", dir.path().display());
    drop(open(&url, &OPTIONS).await.unwrap());
    let mut sqlite = SqliteConnection::connect(&url).await.unwrap();
    let database = Cluster::shared(Version::V15).database();
    drop(open(&database.url, &OPTIONS).await.unwrap());
    let mut target = PgConnection::connect(&database.url).await.unwrap();

    for table in &TABLES {
        let sql = "SELECT attname::text FROM pg_attribute
                   WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
        let stored: Vec<String> =
            sqlx::query_scalar(sql).bind(table.name).fetch_all(&mut target).await.unwrap();
        let mut given = columns(&mut sqlite, table.select).await;
        given.extend(table.home.map(|_| "bucket".to_owned()));
        assert_eq!(given, BTreeSet::from_iter(stored), "{}", table.name);
    }

    let named: BTreeSet<&str> = TABLES.iter().map(|table| table.name).collect();
    let tables = "SELECT relname::text FROM pg_class
                  WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut target).await.unwrap();
    let own = BTreeSet::from(OWN);
    let expected: BTreeSet<&str> = tables.iter().map(String::as_str).collect();
    assert_eq!(expected.difference(&own).copied().collect::<BTreeSet<_>>(), named);

    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut sqlite).await.unwrap();
    let mut read = named;
    read.extend(DIRECTORY);
    for table in &tables {
        assert!(read.contains(table.as_str()), "{table}");
        let all = format!("SELECT * FROM {table}");
        let has = (&mut sqlite).describe(AssertSqlSafe(all).into_sql_str()).await.unwrap();
        let from = TABLES.iter().find(|moved| moved.name == table);
        let Some(moved) = from else { continue };
        let given = columns(&mut sqlite, moved.select).await;
        for column in has.columns() {
            let name = postgres::stored_name(column.name());
            assert!(given.contains(name), "{table}.{name}");
        }
    }
}
