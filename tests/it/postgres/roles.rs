//! What the daemon's role may do, and what its schema says of itself.

use crate::daemon::{Daemon, Setup};
use crate::engine::{Books, cluster, migrated};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

const NOW: &str = "2026-03-01T10:00:00Z";

/// Statements that change the past.
const FORBIDDEN: [&str; 3] =
    ["UPDATE entry SET amount_uc = 0", "DELETE FROM entry", "TRUNCATE entry"];

/// Tries what nobody may do who has the daemon's URL.
async fn the_ledger_is_safe_from(url: &str) {
    let mut db = PgConnection::connect(url).await.unwrap();
    for forbidden in FORBIDDEN {
        let error = sqlx::raw_sql(AssertSqlSafe(forbidden)).execute(&mut db).await.unwrap_err();
        let code = error.as_database_error().unwrap().code().unwrap().into_owned();
        assert_eq!(code, "42501", "{forbidden}: {error}");
    }
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_daemon_with_one_role_cannot_change_the_ledger() {
    let daemon = Daemon::start(crate::engine::Engine::Postgres, NOW).await;
    daemon.person("ann").await;
    daemon.chats("ann", 1).await;
    the_ledger_is_safe_from(daemon.database()).await;
}

#[tokio::test]
async fn a_daemon_with_a_role_of_its_own_works_and_cannot_change_the_ledger() {
    let database = cluster().database();
    let own = database.url_for("daemon");
    let settings = format!("migration_url = \"{}\"\n", database.url);
    let books = Books::on(database, &settings).through(own.clone());
    let mut daemon = Daemon::prepare_on(books, Setup::default());
    daemon.run().await;
    daemon.clock(NOW).await;
    daemon.person("ann").await;
    daemon.buys("ann", "ann", "price_starter").await;
    daemon.chats("ann", 3).await;
    assert_eq!(daemon.standing("ann").await, "starter: 3 used, 97 left");
    the_ledger_is_safe_from(&own).await;
    let mut db = PgConnection::connect(&own).await.unwrap();
    for forbidden in
        ["CREATE TABLE notes (text text)", "DROP TABLE seat", "ALTER TABLE seat ADD x int"]
    {
        let error = sqlx::raw_sql(AssertSqlSafe(forbidden)).execute(&mut db).await.unwrap_err();
        let code = error.as_database_error().unwrap().code().unwrap().into_owned();
        assert_eq!(code, "42501", "{forbidden}: {error}");
    }
    db.close().await.unwrap();
}

#[test]
fn every_table_and_column_says_what_it_is() {
    let silent = migrated().sql(
        "SELECT c.relname || '.' || coalesce(a.attname, '')
         FROM pg_class c
         JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
         CROSS JOIN LATERAL (
             SELECT attnum, attname FROM pg_attribute
             WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
             UNION ALL SELECT 0, NULL) a
         WHERE c.relkind IN ('r', 'p') AND coalesce(length(col_description(c.oid, a.attnum)),
                 length(obj_description(c.oid, 'pg_class')) * (a.attnum = 0)::int, 0) = 0
         ORDER BY 1",
    );
    assert_eq!(silent, "");
}

#[test]
fn credit_tables_lead_their_keys_with_the_bucket() {
    let others = migrated().sql(
        "SELECT c.relname FROM pg_index i
         JOIN pg_class c ON c.oid = i.indrelid
         JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'bucket'
         WHERE i.indisunique AND a.attnum <> i.indkey[0]
         ORDER BY 1",
    );
    assert_eq!(others, "");
}

#[test]
fn nothing_is_needed_that_distributed_engines_lack() {
    let found = migrated().sql(
        "SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal
         UNION ALL SELECT 'sequence ' || relname FROM pg_class WHERE relkind = 'S'
         UNION ALL SELECT 'enum ' || typname FROM pg_type WHERE typtype = 'e'
         UNION ALL SELECT 'array ' || attrelid::regclass || '.' || attname
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'
         JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
         WHERE attndims > 0 AND NOT attisdropped
         UNION ALL SELECT 'extension ' || extname FROM pg_extension WHERE extname <> 'plpgsql'
         UNION ALL SELECT 'function ' || proname FROM pg_proc p
         JOIN pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'public'",
    );
    assert_eq!(found, "");
}
