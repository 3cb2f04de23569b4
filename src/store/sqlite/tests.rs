//! What is SQLite's own: files, locks, a full disk.

use super::SqliteStore;
use crate::clock;
use crate::store::{
    Home, Job, NewEvent, OpenError, OpenOptions, Store, StoreError, lock_for_serve, open,
};
use chrono::DateTime;
use creditd_rules::command::Touch;
use creditd_rules::id::WorkspaceId;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const OPTIONS: OpenOptions =
    OpenOptions { migrate: true, create: true, clock: clock::Mode::System, checkpoint: true };

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("credits.db");
    (directory, path)
}

async fn refusal(path: &Path, options: OpenOptions) -> OpenError {
    match SqliteStore::open(path, &options).await {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error,
    }
}

/// Runs a statement on the connection that writes, outside of transactions.
async fn on_writer(store: &SqliteStore, sql: &'static str) {
    let mut turn = store.writer.turn().await.unwrap();
    sqlx::raw_sql(sql).execute(&mut *turn.connection).await.unwrap();
}

async fn claim(store: &SqliteStore, id: &str) -> Result<WorkspaceId, StoreError> {
    store.claim_account(&id.into(), &"w".into()).await
}

#[tokio::test]
async fn a_url_names_a_file_or_is_refused() {
    let (directory, path) = place();
    let nested = directory.path().join("made/on/the/way/x.db");
    for path in [&path, &nested] {
        let store = open(&format!("sqlite://{}", path.display()), &OPTIONS).await.unwrap();
        store.ping().await.unwrap();
        assert!(path.exists());
    }
    for url in ["mysql://ops:secret@db/credits", "sqlite://", "credits.db", ""] {
        let error = open(url, &OPTIONS).await.err().unwrap().to_string();
        assert!(error.contains("no database that is known"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn what_was_committed_is_there_after_opening_again() {
    let (_directory, path) = place();
    let store = SqliteStore::open(&path, &OPTIONS).await.unwrap();
    claim(&store, "ada").await.unwrap();
    drop(store);
    let kept = OpenOptions { migrate: false, create: false, ..OPTIONS };
    let store = SqliteStore::open(&path, &kept).await.unwrap();
    let found = store.workspace_of(&Home::Account("ada".into())).await.unwrap();
    assert_eq!(found, Some("w".into()));
}

#[tokio::test]
async fn a_file_is_made_only_where_that_is_wanted() {
    let (_directory, path) = place();
    let error = refusal(&path, OpenOptions { create: false, ..OPTIONS }).await;
    assert!(matches!(error, OpenError::Missing(_)), "{error}");
    assert!(!path.exists());
}

#[tokio::test]
async fn an_old_schema_is_refused_unless_it_may_be_changed() {
    let (_directory, path) = place();
    let error = refusal(&path, OpenOptions { migrate: false, ..OPTIONS }).await;
    assert!(matches!(error, OpenError::OldSchema { found: 0, known: 1 }), "{error}");
    SqliteStore::open(&path, &OPTIONS).await.unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let (_directory, path) = place();
    let store = SqliteStore::open(&path, &OPTIONS).await.unwrap();
    on_writer(&store, "PRAGMA user_version = 99").await;
    drop(store);
    let error = refusal(&path, OPTIONS).await;
    assert!(matches!(error, OpenError::NewerSchema { found: 99, known: 1 }), "{error}");
}

#[tokio::test]
async fn another_file_is_refused_and_left_alone() {
    let (_directory, path) = place();
    let text = "these are not the books that you look for\n".repeat(50);
    std::fs::write(&path, &text).unwrap();
    let error = refusal(&path, OPTIONS).await;
    assert!(matches!(error, OpenError::NotADatabase(_)), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn the_database_of_another_program_is_refused() {
    let (_directory, path) = place();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut other = options.connect().await.unwrap();
    sqlx::raw_sql("CREATE TABLE notes (text)").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    let error = refusal(&path, OPTIONS).await;
    assert!(matches!(error, OpenError::NotADatabase(_)), "{error}");
}

#[tokio::test]
async fn a_directory_is_no_database() {
    let (directory, _) = place();
    let error = refusal(directory.path(), OPTIONS).await;
    assert!(matches!(error, OpenError::ReadOnly { .. }), "{error}");
}

#[test]
fn one_serve_runs_on_a_file() {
    let (_directory, path) = place();
    let url = format!("sqlite://{}", path.display());
    let first = lock_for_serve(&url).unwrap();
    assert!(matches!(lock_for_serve(&url), Err(OpenError::Locked(_))));
    drop(first);
    lock_for_serve(&url).unwrap();
}

#[tokio::test]
async fn a_full_disk_is_passing_and_needs_no_restart() {
    let (_directory, path) = place();
    let store = SqliteStore::open(&path, &OPTIONS).await.unwrap();
    claim(&store, "before").await.unwrap();
    on_writer(&store, "PRAGMA max_page_count = 1").await;
    let event = |id: &str| NewEvent {
        id: id.to_owned(),
        kind: String::new(),
        created: None,
        api_version: None,
        livemode: None,
        state: crate::store::EventState::Pending,
        note: None,
        body: vec![7; 1_000_000],
        received_at: clock::wall(),
        trace: None,
    };
    let error = store.keep_events(&[event("a")]).await.err().unwrap();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert_eq!(claim(&store, "before").await.unwrap(), "w".into(), "reads go on");
    on_writer(&store, "PRAGMA max_page_count = 1000000").await;
    assert_eq!(store.keep_events(&[event("b")]).await.unwrap(), [true]);
    assert_eq!(store.pending_events(10).await.unwrap().len(), 1);
}

/// What SQLite does by itself where the disk is full or fails, behind the driver's back.
async fn end_behind_the_driver(db: &mut SqliteConnection) {
    sqlx::raw_sql("ROLLBACK").execute(db).await.unwrap();
}

#[tokio::test]
async fn a_transaction_that_sqlite_ended_by_itself_blocks_no_later_one() {
    let (_directory, path) = place();
    let options = OpenOptions { clock: clock::Mode::Test, ..OPTIONS };
    let store = SqliteStore::open(&path, &options).await.unwrap();
    for day in 1..3 {
        let mut turn = store.writer.turn().await.unwrap();
        end_behind_the_driver(&mut turn.begin().await.unwrap()).await;
        drop(turn);
        let now = DateTime::from_timestamp(day * 86_400, 0).unwrap();
        store.set_test_clock(now).await.unwrap().unwrap();
        for _ in 0..8 {
            end_behind_the_driver(&mut store.reader.begin().await.unwrap()).await;
        }
        assert_eq!(store.now().await.unwrap(), now, "no old snapshot is read");
    }
}

#[tokio::test]
async fn after_a_write_that_failed_only_one_that_succeeds_is_an_answer() {
    let (_directory, path) = place();
    let store = SqliteStore::open(&path, &OPTIONS).await.unwrap();
    store.ping().await.unwrap();
    on_writer(&store, "PRAGMA query_only = 1").await;
    store.ping().await.unwrap();
    claim(&store, "ada").await.unwrap_err();
    let told = store.ping().await.unwrap_err();
    assert!(matches!(told, StoreError::Unavailable(_)), "{told}");
    on_writer(&store, "PRAGMA query_only = 0").await;
    store.ping().await.unwrap();
    claim(&store, "ada").await.unwrap();
}

#[tokio::test]
async fn a_database_that_another_process_writes_to_is_passing() {
    let (_directory, path) = place();
    let store = SqliteStore::open(&path, &OPTIONS).await.unwrap();
    on_writer(&store, "PRAGMA busy_timeout = 0").await;
    let other = SqliteStore::open(&path, &OPTIONS).await.unwrap();
    let mut turn = other.writer.turn().await.unwrap();
    let held = turn.begin().await.unwrap();
    let error = claim(&store, "ada").await.err().unwrap();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert_eq!(store.workspace_of(&Home::Account("ada".into())).await.unwrap(), None);
    drop(held);
    drop(turn);
    claim(&other, "bob").await.unwrap();
    claim(&store, "ada").await.unwrap();
}

#[tokio::test]
async fn a_batch_that_is_given_up_leaves_nothing() {
    let (_directory, path) = place();
    let store = SqliteStore::open(&path, &OPTIONS).await.unwrap();
    let mut turn = store.writer.turn().await.unwrap();
    let mut db = turn.begin().await.unwrap();
    let sql = "INSERT INTO account (id, workspace) VALUES ('ada', 'w')";
    sqlx::query(sql).execute(&mut *db).await.unwrap();
    drop(db);
    drop(turn);
    assert_eq!(store.workspace_of(&Home::Account("ada".into())).await.unwrap(), None);
    claim(&store, "bob").await.unwrap();
}

#[tokio::test]
async fn a_text_with_nul_is_kept_or_refused_and_nothing_else_breaks() {
    let (_directory, path) = place();
    let store = SqliteStore::open(&path, &OPTIONS).await.unwrap();
    let job = Job {
        home: Home::Workspace("w".into()),
        touch: Touch { accounts: vec!["a\0b".into(), "\"]".into()], ..Touch::default() },
        key: Some("k\0\"".to_owned()),
    };
    store.transact(&[job], &mut |_| Vec::new()).await.unwrap();
    claim(&store, "bob").await.unwrap();
}

#[tokio::test]
async fn the_log_is_left_to_another_program_where_that_is_set() {
    for (checkpoint, pages) in [(true, 26_000), (false, 262_144)] {
        let dir = tempfile::tempdir().unwrap();
        let options = OpenOptions { checkpoint, ..OPTIONS };
        let store = SqliteStore::open(&dir.path().join("creditd.db"), &options).await.unwrap();
        let mut turn = store.turn().await.unwrap();
        let asked = sqlx::query_scalar("PRAGMA wal_autocheckpoint");
        let found: i64 = asked.fetch_one(&mut *turn.begin().await.unwrap()).await.unwrap();
        assert_eq!(found, pages);
    }
}
