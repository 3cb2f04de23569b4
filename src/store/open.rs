//! Opening a store by its URL.

use super::Store;
use super::postgres::{PostgresOptions, PostgresStore};
use super::sqlite::SqliteStore;
use crate::clock;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How to open a store.
#[derive(Debug, Clone, Copy)]
pub struct OpenOptions {
    /// Bring an old schema up to date; otherwise it is refused.
    pub migrate: bool,
    /// Make the database where there is none yet.
    pub create: bool,
    /// Which credit clock counts.
    pub clock: clock::Mode,
    /// SQLite: move the log into the file. Not where another program does, which copies it first.
    pub checkpoint: bool,
}

impl OpenOptions {
    /// The same, where nothing may be made or migrated.
    #[must_use]
    pub const fn as_it_is(self) -> Self {
        Self { migrate: false, create: false, ..self }
    }
}

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL names no engine that is known.
    #[error("{0:?} is no database that is known: use sqlite:///path/to/file.db or postgres://…")]
    UnknownUrl(String),
    /// The file is something else.
    #[error("{0} is not a creditd database: name another file, or restore it from a backup")]
    NotADatabase(PathBuf),
    /// There is no such file, and it was not to be made.
    #[error("there is no database at {0}: run `creditd migrate` or `creditd serve` to make it")]
    Missing(PathBuf),
    /// A newer creditd has been at work.
    #[error("the database has schema {found}, and this creditd knows {known}: use the newer one")]
    NewerSchema {
        /// The database's schema.
        found: u32,
        /// The newest schema that this program knows.
        known: u32,
    },
    /// An older creditd made it, and it is not to be changed.
    #[error(
        "the database has schema {found}, and {known} is needed: run `creditd migrate`, or set \
         database.migrate = true"
    )]
    OldSchema {
        /// The database's schema.
        found: u32,
        /// The schema that is needed.
        known: u32,
    },
    /// It cannot be read or written.
    #[error("{path} cannot be written: {detail}")]
    ReadOnly {
        /// The file.
        path: PathBuf,
        /// What the system says.
        detail: String,
    },
    /// There is no room to write in.
    #[error("{0} cannot be written: the disk is full; make room and start again")]
    Full(PathBuf),
    /// Another process holds it.
    #[error("{0} is in use by another process")]
    Locked(PathBuf),
    /// A URL of PostgreSQL that says something wrong.
    #[error("database.url cannot be understood: {0}")]
    WrongUrl(String),
    /// Nobody answers there, or nobody who has time.
    #[error("the database does not answer: {0}")]
    Unreachable(String),
    /// The server does not let us in.
    #[error("the database refuses the user or the password: {0}")]
    Login(String),
    /// The server has no such database.
    #[error("{0}: make it with `createdb`, encoding UTF8")]
    NoDatabase(String),
    /// We may not do what is needed.
    #[error(
        "rights are missing: {0}; let database.migration_url name the role that owns the tables, \
         and run `creditd migrate`"
    )]
    Rights(String),
    /// There are tables, and not ours.
    #[error("the database belongs to something else: it has a table {0:?}; use an empty one")]
    OtherDatabase(String),
    /// A migration was begun, or tables are gone.
    #[error("the schema is not whole: {0}; restore the database from a backup")]
    HalfMigrated(String),
    /// A move into it was begun and not finished.
    #[error(
        "the database was moved here only in part, from {0}: run `creditd move` again with the \
         same settings, which finishes it"
    )]
    HalfMoved(String),
    /// Texts are kept in another encoding.
    #[error("the database has encoding {0}, and UTF8 is needed: make it anew with that encoding")]
    Encoding(String),
    /// The server is a copy that only reads.
    #[error("the database only reads (a standby, or read-only by its settings): use the primary")]
    Standby,
    /// What stands before the server does not speak all of its language.
    #[error(
        "the database refuses to talk: {0}; where a pooler stands before it, set \
         database.pooler = \"transaction\""
    )]
    Pooler(String),
    /// The server is older than what is tested.
    #[error("the server is PostgreSQL {0}, and 15 or newer is needed")]
    OldServer(String),
    /// Anything else.
    #[error("the database cannot be opened: {0}")]
    Other(String),
}

/// Opens the store at `url`: `sqlite:///absolute/path`, `sqlite://relative/path` or `postgres://…`.
///
/// # Errors
/// Says what is wrong with the URL, the database or its schema.
pub async fn open(url: &str, options: &OpenOptions) -> Result<Arc<dyn Store>, OpenError> {
    open_with(url, options, &PostgresOptions::default()).await
}

/// The same, with what can be chosen for PostgreSQL.
///
/// # Errors
/// As [`open`].
pub async fn open_with(
    url: &str, options: &OpenOptions, postgres: &PostgresOptions,
) -> Result<Arc<dyn Store>, OpenError> {
    if is_postgres(url) {
        return Ok(Arc::new(PostgresStore::open(url, options, postgres).await?));
    }
    let path = sqlite_path(url)?;
    Ok(Arc::new(SqliteStore::open(&path, options).await?))
}

/// Commits something that changes nothing, on a connection of its own, to prove that the database
/// can be written.
///
/// # Errors
/// Says why it cannot.
pub async fn prove_commit(url: &str, postgres: &PostgresOptions) -> Result<(), OpenError> {
    if is_postgres(url) {
        return super::postgres::prove(url, postgres).await;
    }
    super::sqlite::prove(&sqlite_path(url)?).await
}

/// Whether Litestream copies a SQLite file, or once did.
///
/// # Errors
/// Says why that cannot be read.
pub async fn is_copied_by_litestream(url: &str) -> Result<bool, OpenError> {
    if is_postgres(url) {
        return Ok(false);
    }
    super::sqlite::is_copied(&sqlite_path(url)?).await
}

pub(super) fn is_postgres(url: &str) -> bool {
    ["postgres://", "postgresql://"].into_iter().any(|scheme| url.starts_with(scheme))
}

/// Held by `serve` as long as it runs.
#[derive(Debug)]
pub struct ServeLock {
    _file: Option<File>,
}

/// Makes sure that one `serve` at most runs on a SQLite file. Other commands do not ask for it, and
/// any number of daemons may serve one PostgreSQL database.
///
/// # Errors
/// [`OpenError::Locked`] where another `serve` runs.
pub fn lock_for_serve(url: &str) -> Result<ServeLock, OpenError> {
    if is_postgres(url) {
        return Ok(ServeLock { _file: None });
    }
    let path = sqlite_path(url)?;
    make_parent(&path)?;
    let mut name = path.clone().into_os_string();
    name.push(".lock");
    let lock_path = PathBuf::from(name);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .map_err(|error| OpenError::ReadOnly { path: lock_path, detail: error.to_string() })?;
    match file.try_lock() {
        Ok(()) => Ok(ServeLock { _file: Some(file) }),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(path)),
        Err(TryLockError::Error(error)) => Err(OpenError::Other(error.to_string())),
    }
}

/// The file that a URL names.
pub(super) fn sqlite_path(url: &str) -> Result<PathBuf, OpenError> {
    let path = url.strip_prefix("sqlite://").filter(|path| !path.is_empty());
    path.map(PathBuf::from).ok_or_else(|| {
        // What stands between scheme and host may be a password.
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        OpenError::UnknownUrl(format!("{scheme}:…"))
    })
}

/// Makes the directory of a database that is to be made.
pub(super) fn make_parent(path: &Path) -> Result<(), OpenError> {
    let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else {
        return Ok(());
    };
    std::fs::create_dir_all(parent)
        .map_err(|error| OpenError::ReadOnly { path: parent.to_owned(), detail: error.to_string() })
}
