//! A copy of the file while others write into it: whole, of one instant, proven, and only then there.

use super::SqliteStore;
use super::schema::{refusal, version};
use crate::store::open::{OpenError, OpenOptions, sqlite_path};
use crate::store::{Fault, Store as _, StoreError};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;
use tokio::time::interval;

/// How often is looked how far the copy has come.
const LOOK: Duration = Duration::from_millis(100);

/// How a copy under way is named.
const PREFIX: &str = ".creditd-backup-";

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database cannot be read, or the copy not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is something under that name.
    #[error("{0} is there already, and no backup is overwritten: name another file")]
    Exists(PathBuf),
    /// The copy cannot be written.
    #[error("{path} cannot be written: {cause}")]
    Write {
        /// Where to.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// The copy cannot be read again.
    #[error("the copy cannot be proven: {0}")]
    Unproven(#[from] StoreError),
    /// The books of the copy, and so those of the database, are wrong.
    #[error("the books are wrong, and no copy was kept: {} in all, the first: {}", .0.len(), first(.0))]
    Wrong(Vec<Fault>),
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupStep {
    /// So many bytes of about so many are copied.
    Copied(u64, u64),
    /// So many workspaces of so many are proven.
    Proven(u64, u64),
}

/// Where it is told how far it is.
pub type BackupProgress<'a> = dyn Fn(BackupStep) + Sync + 'a;

fn first(faults: &[Fault]) -> String {
    faults.first().map(|fault| format!("{}: {}", fault.subject, fault.detail)).unwrap_or_default()
}

/// How large the database at `url` is, in bytes, as far as it is filled.
///
/// # Errors
/// When it cannot be read.
pub async fn backup_size(url: &str) -> Result<u64, BackupError> {
    let path = sqlite_path(url)?;
    let mut db = connect(&path).await?;
    let bytes = size(&mut db, &path).await?;
    db.close().await.map_err(|error| refusal(&path, &error))?;
    Ok(bytes)
}

/// Copies the SQLite database at `url` to the file `to`, which must not be there. Others may write
/// meanwhile. The copy is proven if `prove` is set, by what `verify` proves; whatever fails, nothing is
/// there afterwards. Returns the copy's size in bytes.
///
/// # Errors
/// Says why there is no copy.
pub async fn back_up(
    url: &str, to: &Path, prove: bool, options: &OpenOptions, progress: &BackupProgress<'_>,
) -> Result<u64, BackupError> {
    let write = |cause: io::Error| BackupError::Write { path: to.to_owned(), cause };
    if to.exists() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let folder = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    // Readable for its owner alone, and gone when this fails.
    let part = tempfile::Builder::new().prefix(PREFIX).tempfile_in(folder).map_err(write)?;
    copy(&sqlite_path(url)?, part.path(), progress).await?;
    if prove {
        let copied = SqliteStore::open(part.path(), &options.as_it_is()).await?;
        let faults = copied.verify(&|done, of| progress(BackupStep::Proven(done, of))).await;
        copied.close().await?;
        let faults = faults?;
        if !faults.is_empty() {
            return Err(BackupError::Wrong(faults));
        }
    }
    let sync = || {
        part.as_file().sync_all()?;
        part.as_file().metadata()
    };
    let bytes = sync().map_err(write)?.len();
    part.persist_noclobber(to).map_err(|error| {
        if error.error.kind() == io::ErrorKind::AlreadyExists {
            return BackupError::Exists(to.to_owned());
        }
        write(error.error)
    })?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(write)?;
    Ok(bytes)
}

/// Writes all that the database holds at one instant into an empty file.
async fn copy(from: &Path, to: &Path, progress: &BackupProgress<'_>) -> Result<(), BackupError> {
    let mut db = connect(from).await?;
    let whole = size(&mut db, from).await?;
    let target = to.to_string_lossy().into_owned();
    {
        let mut copying = pin!(sqlx::query("VACUUM INTO $1").bind(target).execute(&mut db));
        let mut looks = interval(LOOK);
        loop {
            tokio::select! {
                biased;
                copied = &mut copying => {
                    copied.map_err(|error| refusal(to, &error))?;
                    break;
                }
                _ = looks.tick() => {
                    let bytes = fs::metadata(to).map_or(0, |found| found.len());
                    progress(BackupStep::Copied(bytes, whole));
                }
            }
        }
    }
    Ok(db.close().await.map_err(|error| refusal(from, &error))?)
}

/// A connection to a database of ours.
async fn connect(path: &Path) -> Result<SqliteConnection, OpenError> {
    if !path.exists() {
        return Err(OpenError::Missing(path.to_owned()));
    }
    let options = SqliteConnectOptions::new().filename(path).disable_statement_logging();
    let mut db = options.connect().await.map_err(|error| refusal(path, &error))?;
    version(&mut db, path).await?;
    Ok(db)
}

async fn size(db: &mut SqliteConnection, path: &Path) -> Result<u64, OpenError> {
    let sql = "SELECT (p.page_count - f.freelist_count) * s.page_size
               FROM pragma_page_count AS p, pragma_freelist_count AS f, pragma_page_size AS s";
    let bytes: i64 =
        sqlx::query_scalar(sql).fetch_one(db).await.map_err(|error| refusal(path, &error))?;
    Ok(u64::try_from(bytes).unwrap_or(0))
}
