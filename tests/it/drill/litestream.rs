//! SQLite with Litestream, which copies the log to another place as it grows.

use super::tables::Tables;
use super::{WRITERS, adds_up, daemon_on_a_file, debits, rounds, some, some_debits, told};
use crate::daemon::{Daemon, Mortal, PATIENCE};
use crate::stripe_tools::tool;
use crate::writers::{Writers, kept};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use tokio::time::{Instant, sleep};

/// The file and what lies beside it.
const FILES: [&str; 4] =
    ["creditd.db", "creditd.db-wal", "creditd.db-shm", ".creditd.db-litestream"];

/// A running Litestream, of a daemon's file.
struct Litestream {
    process: Mortal,
    settings: PathBuf,
    socket: PathBuf,
    database: PathBuf,
}

impl Litestream {
    /// Starts it, and waits until it has copied what there is.
    async fn start(daemon: &Daemon) -> Self {
        let [settings, socket, database, copy] =
            ["litestream.yml", "litestream.sock", "creditd.db", "copy"]
                .map(|name| daemon.path(name));
        let text = format!(
            "socket: {{enabled: true, path: {}}}\n\
             dbs:\n  - path: {}\n    replica: {{path: {}, sync-interval: 100ms}}\n",
            socket.display(),
            database.display(),
            copy.display()
        );
        fs::write(&settings, text).unwrap();
        let log = File::options().create(true).append(true).open(daemon.path("litestream.log"));
        let log = log.unwrap();
        let process = Command::new(litestream())
            .args(["replicate", "-config"])
            .arg(&settings)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let litestream = Self { process: Mortal(process), settings, socket, database };
        let deadline = Instant::now() + PATIENCE;
        while !litestream.copies_all() {
            assert!(Instant::now() < deadline, "{}", litestream.log());
            sleep(std::time::Duration::from_millis(50)).await;
        }
        litestream
    }

    /// Waits until it has copied what is committed by now; whether it could.
    fn copies_all(&self) -> bool {
        let asked = Command::new(litestream())
            .args(["sync", "-wait", "-socket"])
            .args([&self.socket, &self.database])
            .output()
            .unwrap();
        asked.status.success()
    }

    /// Asks it to stop, and waits until it has.
    fn stop(mut self) {
        let pid = Pid::from_raw(self.process.0.id().cast_signed()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let status = self.process.0.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.log());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.settings.with_file_name("litestream.log")).unwrap()
    }
}

fn litestream() -> PathBuf {
    tool("venv/bin/litestream")
}

/// Restores the daemon's file from the copy.
fn restore(daemon: &Daemon, to: &str) {
    let restored = Command::new(litestream())
        .args(["restore", "-integrity-check", "full", "-config"])
        .arg(daemon.path("litestream.yml"))
        .arg("-o")
        .args([daemon.path(to), daemon.path("creditd.db")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&restored.stderr);
    assert!(restored.status.success(), "{said}");
}

/// The doctor warns where both would move the log, and only there.
fn the_doctor_knows(daemon: &Daemon) {
    for (checkpoint, warns) in [("true", true), ("false", false)] {
        let mut doctor = daemon.invocation(&["doctor"]);
        let output = doctor.env("CREDITD__DATABASE__CHECKPOINT", checkpoint).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let warned = said.contains("warn  copy") && said.contains("database.checkpoint = false");
        assert_eq!(warned, warns, "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_copied_before_the_machine_was_lost_comes_back() {
    let mut daemon = daemon_on_a_file().await;
    for round in 0..rounds() {
        let litestream = Litestream::start(&daemon).await;
        let writers = Writers::start(&daemon, &format!("round{round}"), WRITERS);
        writers.until(debits() + some()).await;
        let acknowledged = writers.acknowledged();
        assert!(litestream.copies_all(), "{}", litestream.log());
        writers.until(acknowledged.len() + some()).await;
        daemon.kill();
        drop(litestream);
        let known = writers.meet_the_end().await;

        let lost = daemon.path("lost");
        fs::create_dir(&lost).unwrap();
        for name in FILES {
            let file = daemon.path(name);
            if file.exists() {
                fs::rename(file, lost.join(name)).unwrap();
            }
        }
        restore(&daemon, "creditd.db");
        daemon.done(&["verify"]);
        let restored = Tables::of_file(&daemon.path("creditd.db")).await;
        let missing = restored.are_a_past_of(&Tables::of_file(&lost.join("creditd.db")).await);
        fs::remove_dir_all(lost).unwrap();

        daemon.run().await;
        let (back, _) = kept(&daemon).await;
        assert!(back.is_superset(&acknowledged), "what was copied is gone");
        told(&format!(
            "litestream: killed after {} debits, {} of which were known to be copied; {missing} \
             lines of the ledger were lost",
            known.acknowledged.len(),
            acknowledged.len(),
        ));
        some_debits(&daemon, &format!("after{round}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_clean_stop_everything_comes_back() {
    let mut daemon = daemon_on_a_file().await;
    for round in 0..rounds() {
        // Litestream goes away under load, and the log begins anew while nobody copies it.
        let litestream = Litestream::start(&daemon).await;
        let writers = Writers::start(&daemon, &format!("first{round}"), WRITERS);
        writers.until(debits()).await;
        litestream.stop();
        writers.until(2 * debits()).await;
        writers.stop().await;
        daemon.stop();
        daemon.run().await;
        some_debits(&daemon, &format!("alone{round}")).await;

        let litestream = Litestream::start(&daemon).await;
        the_doctor_knows(&daemon);
        some_debits(&daemon, &format!("last{round}")).await;
        daemon.stop();
        litestream.stop();
        let name = format!("restored{round}.db");
        restore(&daemon, &name);
        let restored = daemon.path(&name);
        adds_up(&super::url_of(&restored));
        let tables = Tables::of_file(&restored).await;
        tables.are(&Tables::of_file(&daemon.path("creditd.db")).await);
        daemon.run().await;
    }
    told("litestream: equal after each clean stop");
}
