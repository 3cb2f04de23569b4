//! Starts that cannot succeed: each ends with its status and says why.

use crate::daemon::{Daemon, PATIENCE, Setup, program};
use crate::engine::Engine;
use creditd::store::lock_for_serve;
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection, Executor, SqliteConnection};
use std::fs;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use tempfile::TempDir;

/// The program with settings for one database, of which nothing exists yet.
pub(crate) struct Unprepared {
    dir: TempDir,
    database: String,
    variables: Vec<(&'static str, String)>,
}

/// See [`Unprepared`].
pub(crate) fn unprepared(database: &str) -> Unprepared {
    let dir = tempfile::tempdir().unwrap();
    Unprepared { dir, database: database.to_owned(), variables: Vec::new() }
}

impl Unprepared {
    /// One of its commands.
    pub(crate) fn command(&self, word: &str) -> Command {
        let mut command = program(self.dir.path());
        command
            .arg(word)
            .env("CREDITD__DATABASE__URL", &self.database)
            .env("CREDITD__SERVER__LISTEN", "127.0.0.1:0")
            .env("CREDITD__SERVER__OPS_LISTEN", "127.0.0.1:0")
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The same with one more variable.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    /// Runs a command that must succeed.
    #[track_caller]
    pub(crate) fn done(&self, word: &str) {
        let output = self.command(word).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
    }

    /// What it complains of, with this status.
    #[track_caller]
    pub(crate) fn fails(&self, status: i32, word: &str) -> String {
        let output = ended(self.command(word));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{said}");
        said
    }
}

/// What a program says that ends by itself, or is ended when it has run too long.
fn ended(mut command: Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
    let (done, wait) = mpsc::channel::<()>();
    let watch = thread::spawn(move || {
        if wait.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            kill_process(pid, Signal::KILL).unwrap();
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(done);
    watch.join().unwrap();
    output
}

#[test]
fn a_file_that_is_no_database_of_ours_is_named_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notes.txt");
    let notes = "These are notes, and they are long enough to be taken for a page. ".repeat(99);
    fs::write(&path, &notes).unwrap();
    let url = format!("sqlite://{}", path.display());
    for word in ["serve", "migrate", "verify"] {
        let said = unprepared(&url).fails(1, word);
        assert!(said.contains("notes.txt is not a creditd database"), "{said}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), notes);
    let said = unprepared(&format!("sqlite://{}", dir.path().display())).fails(1, "serve");
    assert!(said.contains("cannot be written: "), "{said}");
}

#[tokio::test]
async fn a_database_of_another_program_or_of_a_newer_creditd_is_refused() {
    let daemon = Daemon::prepare(Engine::Sqlite, Setup::default());
    let path = daemon.path("creditd.db");
    let mut db = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    db.execute("PRAGMA user_version = 99").await.unwrap();
    for word in ["serve", "migrate", "verify"] {
        let said = daemon.fails(1, &[word]);
        assert!(said.contains("has schema 99, and this creditd knows "), "{said}");
    }
    db.execute("PRAGMA user_version = 1; PRAGMA application_id = 7").await.unwrap();
    let said = daemon.fails(1, &["serve"]);
    assert!(said.contains("is not a creditd database"), "{said}");
    db.execute("PRAGMA application_id = 0x63726564").await.unwrap();
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_in_use_is_refused() {
    let daemon = Daemon::prepare(Engine::Sqlite, Setup::default());
    let held = lock_for_serve(daemon.database()).unwrap();
    let said = daemon.fails(1, &["serve"]);
    assert!(said.contains("creditd.db is in use by another process"), "{said}");
    daemon.done(&["keys", "list"]);
    drop(held);
    // Somebody else's transaction, longer than we wait.
    let url = format!("sqlite://{}", daemon.path("creditd.db").display());
    let mut db = SqliteConnection::connect(&url).await.unwrap();
    db.execute("BEGIN IMMEDIATE").await.unwrap();
    let said = daemon.fails(1, &["serve"]);
    assert!(said.contains("creditd.db is in use by another process"), "{said}");
    db.execute("ROLLBACK").await.unwrap();
    db.close().await.unwrap();
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/creditd.db", dir.path().display());
    let mut program = unprepared(&url);
    program.variables.push(("CREDITD__SERVER__OPS_LISTEN", address.clone()));
    let said = program.fails(1, "serve");
    assert!(
        said.contains(&format!("server.ops_listen: {address} cannot be listened on")),
        "{said}"
    );
}

#[test]
fn wrong_settings_are_all_told_at_once_and_secrets_are_not() {
    let mut program = unprepared("mysql://root:hunter2@db.test/credits");
    program.variables = [
        ("CREDITD__CLOCK__MODE", "fast"),
        ("CREDITD__CREDITS__IDEMPOTENCY_DAYS", "-1"),
        ("CREDITD__MAIL__SMTP_URL", "smtp://user:hunter2@mail.test:99999"),
        ("CREDITD__SERVER__LSTEN", "x"),
        ("CREDITD_LISTEN", "x"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec();
    for word in ["serve", "check-config"] {
        let said = program.fails(78, word);
        for wrong in [
            "database.url must",
            "clock.mode must be \"system\" or \"test\"",
            "credits.idempotency_days must be a whole number from 1 to 3650",
            "mail.smtp_url",
            "CREDITD__SERVER__LSTEN: is unknown; did you mean CREDITD__SERVER__LISTEN?",
            "CREDITD_LISTEN: is unknown; did you mean CREDITD__SERVER__LISTEN?",
        ] {
            assert!(said.contains(wrong), "{wrong} in {said}");
        }
        assert!(!said.contains("hunter2"), "{said}");
    }
}
