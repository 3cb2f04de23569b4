//! What a server says of itself, for people who look for what is wrong.

use super::connect::{PostgresOptions, Work, connect_options};
use super::patience::CALL_MAX;
use super::schema::{begin, reach, refusal, wrong_url};
use crate::clock;
use crate::store::open::OpenError;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::Connection as _;
use tokio::time::timeout;

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// Its version.
    pub version: String,
    /// How texts are kept.
    pub encoding: String,
    /// The isolation of our transactions.
    pub isolation: String,
    /// What is committed is on the disk.
    pub fsync: bool,
    /// Pages that were half written are mended after a crash.
    pub full_page_writes: bool,
    /// Our connection is encrypted.
    pub encrypted: bool,
    /// Our role may do anything, also change what the ledger says.
    pub superuser: bool,
    /// Connections that the server allows.
    pub connections: u32,
    /// Its clock minus ours.
    pub skew: TimeDelta,
}

/// Commits something that changes nothing, to prove that it can be done: on disk, and on every standby
/// that commits wait for.
///
/// # Errors
/// When it cannot, or takes longer than any call may.
pub(in crate::store) async fn prove(url: &str, options: &PostgresOptions) -> Result<(), OpenError> {
    let pooler = options.pooler;
    let connect = connect_options(url, pooler, Work::Use).map_err(|error| wrong_url(&error))?;
    let mut db = reach(&connect).await?;
    let commit = async {
        let mut tx = begin(&mut db, pooler).await?;
        let sql = "SELECT pg_current_xact_id()::text";
        sqlx::query(sql).execute(&mut *tx).await.map_err(|error| refusal(&error))?;
        tx.commit().await.map_err(|error| refusal(&error))
    };
    let silent = || OpenError::Unreachable("a commit does not come to its end".to_owned());
    timeout(CALL_MAX, commit).await.map_err(|_| silent())?
}

const SQL: &str = "
    SELECT current_setting('server_version'), current_setting('server_encoding'),
        current_setting('transaction_isolation'), current_setting('fsync')::boolean,
        current_setting('full_page_writes')::boolean,
        coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false),
        (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
        current_setting('max_connections')::int, clock_timestamp()";

type Row = (String, String, String, bool, bool, bool, bool, i32, DateTime<Utc>);

/// Asks the server at `url`.
///
/// # Errors
/// When it cannot be reached, or does not say.
pub async fn server_facts(url: &str, options: &PostgresOptions) -> Result<ServerFacts, OpenError> {
    let pooler = options.pooler;
    let connect = connect_options(url, pooler, Work::Use).map_err(|error| wrong_url(&error))?;
    let mut db = reach(&connect).await?;
    let mut tx = begin(&mut db, pooler).await?;
    let before = clock::wall();
    let row: Row = sqlx::query_as(SQL).fetch_one(&mut *tx).await.map_err(|e| refusal(&e))?;
    let after = clock::wall();
    tx.rollback().await.map_err(|error| refusal(&error))?;
    db.close().await.map_err(|error| refusal(&error))?;
    let (version, encoding, isolation, fsync, full_page_writes, encrypted, superuser, most, now) =
        row;
    let connections = u32::try_from(most).unwrap_or(0);
    let halfway = before + (after - before) / 2;
    let skew = now - halfway;
    Ok(ServerFacts {
        version,
        encoding,
        isolation,
        fsync,
        full_page_writes,
        encrypted,
        superuser,
        connections,
        skew,
    })
}
