//! Disks that are full or cannot be written. These tests mount small ones, as root.

use crate::daemon::{Daemon, Setup};
use crate::engine::Books;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A small disk of its own.
pub(super) struct Disk(TempDir);

impl Disk {
    /// One with so much room.
    pub(super) fn of(size: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("creditd-disk-").tempdir().unwrap();
        run("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], dir.path());
        Self(dir)
    }

    /// The URL of a database on it.
    pub(super) fn database(&self) -> String {
        format!("sqlite://{}/creditd.db", self.0.path().display())
    }

    /// Takes all room that is left.
    fn fill(&self) {
        let full = fs::write(self.filling(), vec![0; 64 << 20]).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    }

    fn make_room(&self) {
        fs::remove_file(self.filling()).unwrap();
    }

    fn filling(&self) -> PathBuf {
        self.0.path().join("filling")
    }

    /// Nothing can be written on it from now on.
    pub(super) fn make_read_only(&self) {
        run("mount", &["-o", "remount,ro"], self.0.path());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: of a test that failed, the daemon may still run.
        run("umount", &["-l"], self.0.path());
    }
}

#[track_caller]
fn run(program: &str, words: &[&str], path: &Path) {
    let done = Command::new(program).args(words).arg(path).output().unwrap();
    let complaint = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {words:?}, which takes root: {complaint}");
}

#[tokio::test]
async fn a_full_disk_is_told_and_the_daemon_goes_on_once_there_is_room() {
    let disk = Disk::of("8m");
    let setup = Setup { system_clock: true, ..Setup::default() };
    let mut daemon = Daemon::prepare_on(Books::at(disk.database()), setup);
    daemon.run().await;
    daemon.person("ann").await;
    daemon.grants("ann", "1000", None).await;
    daemon.chats("ann", 1).await;
    let ready = async || daemon.ops().get("/readyz").await.unwrap().status.as_u16();
    assert_eq!(ready().await, 200);

    for round in 0..2 {
        let before = daemon.spendable("ann").await;
        disk.fill();
        for what in 0..3 {
            let body = json!({ "action": "chat", "account": "ann" });
            let path = "/v1/usage";
            let problem = daemon.refuses(path, body, 503, "database_unavailable").await;
            assert_eq!(problem["detail"], "nothing was changed; try again", "{round} {what}");
        }
        let body = json!({ "code": "A", "kind": "message", "amount": "1", "limit": 1,
            "ends_at": "2100-01-01T00:00:00Z" });
        daemon.refuses("/v1/promo-codes", body, 503, "database_unavailable").await;
        let webhook =
            crate::daemon::stripe::event("evt_1", "x.y", &json!({}), creditd::clock::wall());
        assert_eq!(daemon.webhook(&webhook.to_string()).await.status.as_u16(), 503);
        assert_eq!(ready().await, 503);
        assert_eq!(daemon.spendable("ann").await, before, "reads go on, and nothing was taken");

        disk.make_room();
        // Nobody sends a request to a daemon that is not ready: it finds out by itself.
        assert_eq!(ready().await, 200);
        daemon.chats("ann", 1).await;
    }
    assert_eq!(daemon.spendable("ann").await, "1002");
}

#[tokio::test]
async fn a_full_or_read_only_disk_ends_the_start_with_the_reason() {
    let disk = Disk::of("8m");
    let setup = Setup { system_clock: true, ..Setup::default() };
    let daemon = Daemon::prepare_on(Books::at(disk.database()), setup.clone());
    disk.make_read_only();
    let said = daemon.fails(1, &["serve"]);
    assert!(said.contains("creditd.db.lock cannot be written: Read-only file system"), "{said}");
    run("mount", &["-o", "remount,rw"], disk.0.path());
    drop(daemon);

    let empty = Disk::of("128k");
    let daemon = crate::faults::start::unprepared(&empty.database());
    let said = daemon.fails(1, "serve");
    assert!(said.contains("creditd.db cannot be written: the disk is full"), "{said}");
}
