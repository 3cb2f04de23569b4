//! Opening a database: whose it is, its schema, and the rights to it.
//!
//! A migration is one transaction that holds the lock of the schema, so that daemons that start
//! together wait for the first. `creditd_schema` tells what was done.

use super::connect::{Connections, Pooler, PostgresOptions, Work, begin_sql, connect_options};
use super::patience::CALL_MAX;
use crate::store::open::{OpenError, OpenOptions};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection as _, Postgres, Row as _, Transaction};
use std::collections::BTreeSet;
use tokio::time::timeout;

/// Every schema there was, oldest first. What was released is never changed, only added to.
const MIGRATIONS: [&str; 1] = [include_str!("../../../migrations/postgres/0001_ground.sql")];

/// The oldest server that is tested.
const SERVER_MIN: i32 = 150_000;

/// Held until the end of the transaction; the number means "credit".
const LOCK: &str = "SELECT pg_advisory_xact_lock(109342000411508)";

const MAKE_HISTORY: &str = "
    CREATE TABLE IF NOT EXISTS creditd_schema (
        version integer NOT NULL PRIMARY KEY,
        began_at timestamptz NOT NULL,
        finished_at timestamptz
    );
    COMMENT ON TABLE creditd_schema IS 'Which migrations were made';
    COMMENT ON COLUMN creditd_schema.version IS 'The schema that it brought';
    COMMENT ON COLUMN creditd_schema.began_at IS 'When it began';
    COMMENT ON COLUMN creditd_schema.finished_at IS 'When it was done; null: it was not'";

/// Tables of other programs and of ours in the schema that we would use.
const TABLES: &str = "
    SELECT relname::text FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')";

/// The database's tables, and what was done to them.
#[derive(Debug, Default)]
struct Found {
    tables: BTreeSet<String>,
    version: u32,
    dirty: bool,
}

/// Opens the database at `url`; its schema is brought up to date where `options` say so.
///
/// A database that was moved only in part is refused, but for who fills it.
pub(super) async fn open(
    url: &str, options: &OpenOptions, postgres: &PostgresOptions, work: Work,
) -> Result<Connections, OpenError> {
    let pooler = postgres.pooler;
    let connect = connect_options(url, pooler, work).map_err(|error| wrong_url(&error))?;
    let mut db = reach(&connect).await?;
    let mut tx = begin(&mut db, pooler).await?;
    let user = check_server(&mut tx).await?;
    let found = look(&mut tx).await?;
    tx.rollback().await.map_err(|error| refusal(&error))?;
    if needs_migration(&found, options.migrate)? {
        let owner_url = postgres.migration_url.as_deref().unwrap_or(url);
        let owner = connect_options(owner_url, pooler, work).map_err(|e| wrong_url(&e))?;
        let mut owner = reach(&owner).await?;
        migrate(&mut owner, &user, pooler).await?;
        owner.close().await.map_err(|error| refusal(&error))?;
    }
    let mut tx = begin(&mut db, pooler).await?;
    check_rights(&mut tx).await?;
    if work == Work::Use {
        check_whole(&mut tx).await?;
    }
    tx.rollback().await.map_err(|error| refusal(&error))?;
    db.close().await.map_err(|error| refusal(&error))?;
    Connections::try_new(url, postgres, work).map_err(|error| wrong_url(&error))
}

/// A connection to a server that answers.
pub(super) async fn reach(connect: &PgConnectOptions) -> Result<PgConnection, OpenError> {
    match timeout(CALL_MAX, PgConnection::connect_with(connect)).await {
        Ok(reached) => reached.map_err(|error| refusal(&error)),
        Err(_) => {
            let waited = format!("nothing came back within {} s", CALL_MAX.as_secs());
            Err(OpenError::Unreachable(waited))
        }
    }
}

/// A transaction, since a pooler may give each statement another session.
pub(super) async fn begin(
    db: &mut PgConnection, pooler: Pooler,
) -> Result<Transaction<'_, Postgres>, OpenError> {
    let begin = begin_sql("READ COMMITTED", pooler);
    db.begin_with(begin).await.map_err(|error| refusal(&error))
}

/// Whether the server is one that we can use; who we are there.
async fn check_server(db: &mut PgConnection) -> Result<String, OpenError> {
    let sql =
        "SELECT current_setting('server_version_num')::int, current_setting('server_version'),
                   pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean,
                   current_setting('server_encoding'), current_user::text";
    let row = sqlx::query_as(sql).fetch_one(db).await.map_err(|error| refusal(&error))?;
    let (number, version, standby, encoding, user): (i32, String, bool, String, String) = row;
    if number < SERVER_MIN {
        return Err(OpenError::OldServer(version));
    }
    if standby {
        return Err(OpenError::Standby);
    }
    if encoding != "UTF8" {
        return Err(OpenError::Encoding(encoding));
    }
    Ok(user)
}

async fn look(db: &mut PgConnection) -> Result<Found, OpenError> {
    let tables: Vec<String> =
        sqlx::query_scalar(TABLES).fetch_all(&mut *db).await.map_err(|error| refusal(&error))?;
    let mut found = Found { tables: tables.into_iter().collect(), ..Found::default() };
    if found.tables.contains("creditd_schema") {
        let sql = "SELECT coalesce(max(version), 0),
                       coalesce(bool_or(finished_at IS NULL), false) FROM creditd_schema";
        let row = sqlx::query(sql).fetch_one(db).await.map_err(|error| refusal(&error))?;
        let version: i32 = row.try_get(0).map_err(|error| refusal(&error))?;
        found.version = u32::try_from(version).unwrap_or(0);
        found.dirty = row.try_get(1).map_err(|error| refusal(&error))?;
    }
    Ok(found)
}

/// Whether the schema is to be migrated; an error where it cannot be used or must not be changed.
fn needs_migration(found: &Found, wanted: bool) -> Result<bool, OpenError> {
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    let ours = found.tables.contains("creditd_schema");
    if !ours && let Some(other) = found.tables.first() {
        return Err(OpenError::OtherDatabase(other.clone()));
    }
    if found.version > known {
        return Err(OpenError::NewerSchema { found: found.version, known });
    }
    let done = MIGRATIONS.iter().take(found.version as usize);
    let missing = done.flat_map(|sql| made_by(sql)).find(|table| !found.tables.contains(*table));
    if found.dirty || missing.is_some() {
        let missing = missing.map(|table| format!("table {table} is missing"));
        let detail = missing.unwrap_or_else(|| "a migration was not finished".to_owned());
        return Err(OpenError::HalfMigrated(detail));
    }
    if found.version < known && !wanted {
        return Err(OpenError::OldSchema { found: found.version, known });
    }
    Ok(found.version < known)
}

/// The tables that a migration makes.
fn made_by(sql: &str) -> impl Iterator<Item = &str> {
    sql.lines().filter_map(|line| line.strip_prefix("CREATE TABLE ")?.split(' ').next())
}

/// The tables that all migrations make.
fn tables() -> impl Iterator<Item = &'static str> {
    MIGRATIONS.iter().copied().flat_map(made_by)
}

/// Makes what is missing, as whoever owns the tables, and gives `user` the rights of a daemon.
async fn migrate(db: &mut PgConnection, user: &str, pooler: Pooler) -> Result<(), OpenError> {
    let refused = |error: sqlx::Error| refusal(&error);
    let mut tx = begin(db, pooler).await?;
    sqlx::raw_sql("SET LOCAL statement_timeout = 0").execute(&mut *tx).await.map_err(refused)?;
    sqlx::query(LOCK).execute(&mut *tx).await.map_err(refused)?;
    // Another daemon may have done it while we waited.
    let found = look(&mut tx).await?;
    if !needs_migration(&found, true)? {
        return tx.rollback().await.map_err(refused);
    }
    sqlx::raw_sql(MAKE_HISTORY).execute(&mut *tx).await.map_err(refused)?;
    for (sql, version) in MIGRATIONS.iter().zip(1_i32..).skip(found.version as usize) {
        let began = "INSERT INTO creditd_schema (version, began_at) VALUES ($1, now())";
        sqlx::query(began).bind(version).execute(&mut *tx).await.map_err(refused)?;
        sqlx::raw_sql(*sql).execute(&mut *tx).await.map_err(refused)?;
        let done = "UPDATE creditd_schema SET finished_at = clock_timestamp() WHERE version = $1";
        sqlx::query(done).bind(version).execute(&mut *tx).await.map_err(refused)?;
    }
    give_rights(&mut tx, user).await.map_err(refused)?;
    tx.commit().await.map_err(refused)
}

/// Gives the daemon's role what it needs, which is not to change or remove what the ledger says.
/// An owner who is the daemon as well takes that right from itself.
async fn give_rights(db: &mut PgConnection, user: &str) -> Result<(), sqlx::Error> {
    let names = "SELECT quote_ident($1), quote_ident(current_schema()), current_user = $1";
    let (role, schema, is_owner): (String, String, bool) =
        sqlx::query_as(names).bind(user).fetch_one(&mut *db).await?;
    let mut sql = format!("REVOKE UPDATE, DELETE, TRUNCATE ON entry FROM {role};");
    if !is_owner {
        sql.push_str(&format!(
            "GRANT USAGE ON SCHEMA {schema} TO {role};
             GRANT SELECT ON creditd_schema TO {role};"
        ));
        for table in tables() {
            let rights =
                if table == "entry" { "SELECT, INSERT" } else { "SELECT, INSERT, UPDATE, DELETE" };
            sql.push_str(&format!("GRANT {rights} ON {table} TO {role};"));
        }
    }
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(db).await?;
    Ok(())
}

/// Whether we may do what a daemon does.
async fn check_rights(db: &mut PgConnection) -> Result<(), OpenError> {
    let sql = "SELECT table_name FROM unnest($1::text[]) AS table_name
               WHERE NOT has_table_privilege(table_name, 'SELECT')
                   OR NOT has_table_privilege(table_name, 'INSERT')
                   OR table_name <> 'entry' AND (NOT has_table_privilege(table_name, 'UPDATE')
                       OR NOT has_table_privilege(table_name, 'DELETE'))
               LIMIT 1";
    let lacking: Option<String> = sqlx::query_scalar(sql)
        .bind(tables().collect::<Vec<_>>())
        .fetch_optional(db)
        .await
        .map_err(|error| refusal(&error))?;
    match lacking {
        None => Ok(()),
        Some(table) => Err(OpenError::Rights(format!("table {table}"))),
    }
}

/// Whether everything is here that was to be moved here.
async fn check_whole(db: &mut PgConnection) -> Result<(), OpenError> {
    let sql = "SELECT origin FROM moved WHERE proven_at IS NULL";
    let origin: Option<String> =
        sqlx::query_scalar(sql).fetch_optional(db).await.map_err(|error| refusal(&error))?;
    origin.map_or(Ok(()), |origin| Err(OpenError::HalfMoved(origin)))
}

/// What is wrong with a URL. The URL itself may hold a password and is not shown.
pub(super) fn wrong_url(error: &sqlx::Error) -> OpenError {
    OpenError::WrongUrl(error.to_string())
}

/// What a failure to open means.
pub(super) fn refusal(error: &sqlx::Error) -> OpenError {
    let code = error.as_database_error().and_then(|answer| answer.code());
    let text = || error.as_database_error().map_or(String::new(), |e| e.message().to_owned());
    match (error, code.as_deref()) {
        (_, Some("28P01" | "28000")) => OpenError::Login(text()),
        (_, Some("3D000")) => OpenError::NoDatabase(text()),
        (_, Some("42501")) => OpenError::Rights(text()),
        (_, Some("25006")) => OpenError::Standby,
        (_, Some("53300" | "57P03" | "08006")) => OpenError::Unreachable(text()),
        (_, Some("08P01")) => OpenError::Pooler(text()),
        (sqlx::Error::Io(cause), _) => OpenError::Unreachable(cause.to_string()),
        (sqlx::Error::Tls(cause), _) => OpenError::Unreachable(format!("TLS: {cause}")),
        _ => OpenError::Other(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(tables: &[&str], version: u32) -> Found {
        let tables = tables.iter().map(|table| (*table).to_owned()).collect();
        Found { tables, version, dirty: false }
    }

    fn complete() -> Vec<&'static str> {
        tables().chain(["creditd_schema"]).collect()
    }

    #[test]
    fn an_empty_database_is_migrated_and_a_current_one_is_not() {
        assert!(needs_migration(&found(&[], 0), true).unwrap());
        assert!(!needs_migration(&found(&complete(), 1), true).unwrap());
        assert!(!needs_migration(&found(&complete(), 1), false).unwrap());
        let old = needs_migration(&found(&[], 0), false);
        assert!(matches!(old, Err(OpenError::OldSchema { found: 0, known: 1 })));
    }

    #[test]
    fn what_is_not_ours_or_not_whole_is_refused() {
        let other = needs_migration(&found(&["film"], 0), true);
        assert!(matches!(other, Err(OpenError::OtherDatabase(table)) if table == "film"));
        let newer = needs_migration(&found(&complete(), 9), true);
        assert!(matches!(newer, Err(OpenError::NewerSchema { found: 9, known: 1 })));
        let mut tables = complete();
        tables.retain(|table| *table != "entry");
        let half = needs_migration(&found(&tables, 1), true);
        assert!(matches!(half, Err(OpenError::HalfMigrated(what)) if what.contains("entry")));
        let dirty = Found { dirty: true, ..found(&complete(), 1) };
        assert!(matches!(needs_migration(&dirty, true), Err(OpenError::HalfMigrated(_))));
    }
}
