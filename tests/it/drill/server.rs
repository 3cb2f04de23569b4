//! PostgreSQL with its own tools: a copy of the whole server with the archived log, to the end or to
//! an instant, and a dump of the database.

use super::tables::Tables;
use super::{WRITERS, adds_up, daemon_on, debits, rounds, some, some_debits, told};
use crate::daemon::Daemon;
use crate::engine::{Books, cluster, migrated};
use crate::faults::start::unprepared;
use crate::writers::{Writers, kept};
use creditd_test_cluster::{Archive, Cluster, Version};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A daemon on a server that archives its log.
struct Archived {
    daemon: Daemon,
    server: Cluster,
    /// The name of its database.
    database: String,
    archive: Archive,
}

impl Archived {
    async fn start(version: Version) -> Self {
        let archive = Archive::new();
        let server = Cluster::tuned(version, &format!("fsync = off\n{}", archive.filling()));
        let (database, url) = {
            let database = server.database();
            (database.name.clone(), database.keep())
        };
        unprepared(&url).done("migrate");
        let daemon = daemon_on(Books::at(url)).await;
        Self { daemon, server, database, archive }
    }

    /// Another server, recovered from a copy as far as these settings say.
    fn recovered(&self, copy: &Path, settings: &str) -> Cluster {
        let settings = format!("{}fsync = off\n{settings}", self.archive.recovering());
        let server = self.server.recovered(copy, &settings);
        adds_up(&server.url("owner", &self.database));
        server
    }

    fn tables(&self, of: &Cluster) -> Tables {
        Tables::of_database(of, &self.database)
    }

    /// A copy of the whole server, made while people debit.
    async fn copied(&self) -> (TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join("base");
        let writers = Writers::start(&self.daemon, "meanwhile", WRITERS);
        writers.until(debits()).await;
        self.server.base_backup(&copy);
        writers.until(2 * debits()).await;
        writers.stop().await;
        (dir, copy)
    }
}

async fn a_lost_server_comes_back_from_its_archive(version: Version) {
    let mut on = Archived::start(version).await;
    let (_dir, copy) = on.copied().await;

    // To an instant between two debits.
    let then = on.tables(&on.server);
    let instant = on.server.sql("postgres", "SELECT clock_timestamp()");
    some_debits(&on.daemon, "later").await;
    on.archive.catch_up(&on.server);
    let target = format!(
        "recovery_target_time = '{}'\nrecovery_target_action = 'promote'\n",
        instant.trim()
    );
    on.tables(&on.recovered(&copy, &target)).are(&then);

    // To the end, after the machine was lost under load.
    for round in 0..rounds() {
        let writers = Writers::start(&on.daemon, &format!("lost{round}"), WRITERS);
        writers.until(debits() + some()).await;
        let acknowledged = writers.acknowledged();
        on.archive.catch_up(&on.server);
        writers.until(acknowledged.len() + some()).await;
        on.daemon.kill();
        on.server.crash();
        writers.meet_the_end().await;
        let recovered = on.recovered(&copy, "");
        on.server.run();
        let missing = on.tables(&recovered).are_a_past_of(&on.tables(&on.server));
        told(&format!(
            "PostgreSQL {version:?}: {} debits were known to be archived; {missing} lines of the \
             ledger were lost",
            acknowledged.len()
        ));
        serves(&mut on, &recovered, &acknowledged).await;
        on.daemon.run().await;
    }

    // To the end, after everything was stopped.
    some_debits(&on.daemon, "last").await;
    on.daemon.stop();
    on.archive.catch_up(&on.server);
    on.tables(&on.recovered(&copy, "")).are(&on.tables(&on.server));
    told(&format!("PostgreSQL {version:?}: equal at an instant and after a clean stop"));
}

/// The stopped daemon serves on the recovered server, and has what was acknowledged.
async fn serves(on: &mut Archived, recovered: &Cluster, acknowledged: &BTreeSet<String>) {
    let url = on.daemon.database().to_owned();
    on.daemon.rebase(Books::at(recovered.url("owner", &on.database)));
    on.daemon.run().await;
    let (back, _) = kept(&on.daemon).await;
    assert!(back.is_superset(acknowledged), "what was archived is gone");
    some_debits(&on.daemon, "elsewhere").await;
    on.daemon.stop();
    on.daemon.rebase(Books::at(url));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_server_15_comes_back_from_its_archive() {
    a_lost_server_comes_back_from_its_archive(Version::V15).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_server_18_comes_back_from_its_archive() {
    a_lost_server_comes_back_from_its_archive(Version::V18).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_made_under_load_is_whole() {
    let database = cluster().copy(migrated());
    let (name, url) = (database.name.clone(), database.url.clone());
    let mut daemon = daemon_on(Books::on(database, "")).await;
    let tool = |name: &str, words: &[&str]| {
        let done = Command::new(cluster().programs().join(name)).args(words).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{name}: {said}");
    };
    let writers = Writers::start(&daemon, "meanwhile", WRITERS);
    writers.until(debits()).await;
    let acknowledged = writers.acknowledged();
    let dump = daemon.path("credits.dump");
    let dump = dump.to_str().unwrap();
    tool("pg_dump", &["-Fc", "-d", &url, "-f", dump]);
    writers.until(2 * debits()).await;
    writers.stop().await;
    daemon.stop();

    let restored = cluster().database();
    tool("pg_restore", &["-d", &restored.url, dump]);
    adds_up(&restored.url);
    let tables = Tables::of_database(cluster(), &restored.name);
    let missing = tables.are_a_past_of(&Tables::of_database(cluster(), &name));
    assert!(missing > 0, "people debited meanwhile");
    daemon.rebase(Books::on(restored, ""));
    daemon.run().await;
    let (back, _) = kept(&daemon).await;
    assert!(back.is_superset(&acknowledged), "what was acknowledged before is gone");
}
