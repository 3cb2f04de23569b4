//! Opening the file, and bringing its schema up to date.

use super::checkpoint::{
    COMMIT_MOVES_ALL_THE_SAME_FROM_PAGES, COMMIT_MOVES_FROM_PAGES, Checkpoints,
};
use super::error::code;
use super::writer::Writer;
use crate::store::open::{OpenError, OpenOptions, make_parent};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection};
use std::path::Path;
use std::time::Duration;

/// Every schema there was, oldest first. What was released is never changed, only added to.
const MIGRATIONS: [&str; 1] = [include_str!("../../../migrations/sqlite/0001_ground.sql")];

/// What SQLite keeps in the file's header to tell whose it is: "cred".
const APPLICATION_ID: i64 = 0x6372_6564;

/// How long a statement waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What connections keep of the file in memory, in KiB (negative, as SQLite wants it).
const WRITER_CACHE: &str = "-24576";
const READER_CACHE: &str = "-2048";

/// Connections that only read.
const READERS: u32 = 4;

/// A file's connections: one that writes, some that read, and one that moves the log.
pub(super) struct Opened {
    pub(super) writer: Writer,
    pub(super) reader: SqlitePool,
    pub(super) checkpoints: Checkpoints,
}

/// Opens the file.
pub(super) async fn open(path: &Path, options: &OpenOptions) -> Result<Opened, OpenError> {
    if !path.exists() {
        if !options.create {
            return Err(OpenError::Missing(path.to_owned()));
        }
        make_parent(path)?;
    }
    let connect = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(options.create)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .statement_cache_capacity(200)
        .row_buffer_size(1_024)
        .disable_statement_logging();
    let commit_moves_from = if options.checkpoint {
        COMMIT_MOVES_FROM_PAGES
    } else {
        COMMIT_MOVES_ALL_THE_SAME_FROM_PAGES
    };
    let writing = connect
        .clone()
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("wal_autocheckpoint", commit_moves_from)
        .pragma("cache_size", WRITER_CACHE)
        .pragma("temp_store", "MEMORY");
    let writer = Writer::connect(writing).await.map_err(|error| refusal(path, &error))?;
    migrate(path, &writer, options.migrate).await?;
    let moving = connect.clone().create_if_missing(false).pragma("wal_autocheckpoint", "0");
    let checkpoints = match options.checkpoint {
        true => Checkpoints::start(moving).map_err(|error| OpenError::Other(error.to_string()))?,
        false => Checkpoints::by_another(),
    };
    let reader = readers()
        .connect_with(connect.read_only(true).pragma("cache_size", READER_CACHE))
        .await
        .map_err(|error| refusal(path, &error))?;
    Ok(Opened { writer, reader, checkpoints })
}

/// Commits something that changes nothing, on a connection of its own, to prove that it can be done.
pub(in crate::store) async fn prove(path: &Path) -> Result<(), OpenError> {
    let refused = |error: sqlx::Error| refusal(path, &error);
    let mut db = beside(path).await.map_err(refused)?;
    let version: i64 =
        sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut db).await.map_err(refused)?;
    let same = format!("BEGIN IMMEDIATE; PRAGMA user_version = {version}; COMMIT");
    sqlx::raw_sql(AssertSqlSafe(same)).execute(&mut db).await.map_err(refused)?;
    db.close().await.map_err(refused)
}

/// Whether Litestream copies the file, or did: it leaves a table of its own in it.
pub(in crate::store) async fn is_copied(path: &Path) -> Result<bool, OpenError> {
    let refused = |error: sqlx::Error| refusal(path, &error);
    let mut db = beside(path).await.map_err(refused)?;
    let sql =
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = '_litestream_seq'";
    let tables: i64 = sqlx::query_scalar(sql).fetch_one(&mut db).await.map_err(refused)?;
    db.close().await.map_err(refused)?;
    Ok(tables > 0)
}

/// A connection beside those of any daemon, to a file that is there.
async fn beside(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(BUSY_TIMEOUT)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging();
    options.connect().await
}

/// A pool of connections that stay open, except for those that a failure left inside a transaction.
///
/// SQLite ends a transaction by itself where the disk fails; the driver still counts it as open,
/// and every later one would read the same old snapshot for ever.
fn readers() -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .before_acquire(|connection, _| {
            let sound = !connection.is_in_transaction();
            Box::pin(async move { Ok(sound) })
        })
}

async fn migrate(path: &Path, writer: &Writer, wanted: bool) -> Result<(), OpenError> {
    let refused = |error: sqlx::Error| refusal(path, &error);
    let mut turn = writer.turn().await.map_err(refused)?;
    let mut db = turn.begin().await.map_err(refused)?;
    let found = version(&mut db, path).await?;
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(OpenError::NewerSchema { found, known });
    }
    if found == known {
        return db.give_up().await.map_err(refused);
    }
    if !wanted {
        return Err(OpenError::OldSchema { found, known });
    }
    for sql in MIGRATIONS.iter().skip(found as usize) {
        sqlx::raw_sql(*sql).execute(&mut *db).await.map_err(refused)?;
    }
    let mark = format!("PRAGMA user_version = {known}; PRAGMA application_id = {APPLICATION_ID}");
    sqlx::raw_sql(AssertSqlSafe(mark)).execute(&mut *db).await.map_err(refused)?;
    db.try_commit().await.map_err(refused)
}

/// The file's schema; 0 for an empty file.
pub(super) async fn version(db: &mut SqliteConnection, path: &Path) -> Result<u32, OpenError> {
    let sql = "SELECT (SELECT application_id FROM pragma_application_id),
                      (SELECT user_version FROM pragma_user_version),
                      (SELECT count(*) FROM sqlite_schema)";
    let (owner, version, things): (i64, i64, i64) =
        sqlx::query_as(sql).fetch_one(db).await.map_err(|error| refusal(path, &error))?;
    if owner != APPLICATION_ID && (version != 0 || things != 0) {
        return Err(OpenError::NotADatabase(path.to_owned()));
    }
    u32::try_from(version).map_err(|_| OpenError::NotADatabase(path.to_owned()))
}

/// What a failure to open means, by SQLite's result code.
pub(super) fn refusal(path: &Path, error: &sqlx::Error) -> OpenError {
    match code(error).map(|code| code & 0xff) {
        Some(11 | 26) => OpenError::NotADatabase(path.to_owned()),
        Some(5 | 6) => OpenError::Locked(path.to_owned()),
        Some(13) => OpenError::Full(path.to_owned()),
        Some(3 | 8 | 14 | 23) => {
            OpenError::ReadOnly { path: path.to_owned(), detail: error.to_string() }
        }
        _ => OpenError::Other(error.to_string()),
    }
}
