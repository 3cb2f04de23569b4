//! Servers start, hold databases apart, and end with whoever started them.

use creditd_test_cluster::{Bouncer, Cluster, Durability, Version};
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

fn answers(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

#[test]
fn each_version_holds_databases_apart_and_ends_when_dropped() {
    for (version, number) in [(Version::V15, "15."), (Version::V18, "18.")] {
        let cluster = Cluster::start(version, Durability::Fast);
        assert!(cluster.sql("postgres", "SHOW server_version").starts_with(number));
        let first = cluster.database();
        first.sql("CREATE TABLE thing (id int)");
        let (copy, other) = (cluster.copy(&first), cluster.database());
        let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
        assert_eq!((copy.sql(tables), other.sql(tables)), ("1\n".into(), "0\n".into()));
        drop((first, copy, other));
        assert!(answers(cluster.port()));
        let port = cluster.port();
        drop(cluster);
        assert!(!answers(port));
    }
}

#[test]
fn what_was_committed_survives_a_crash_and_reaches_the_standby() {
    let cluster = Cluster::start(Version::V15, Durability::Full);
    cluster.sql("postgres", "CREATE TABLE thing AS SELECT 7 AS id");
    cluster.crash();
    assert!(!answers(cluster.port()));
    cluster.run();
    assert_eq!(cluster.sql("postgres", "SELECT id FROM thing"), "7\n");
    let standby = cluster.standby();
    assert_eq!(standby.sql("postgres", "SELECT pg_is_in_recovery()"), "t\n");
    cluster.stop();
    standby.promote();
    assert_eq!(standby.sql("postgres", "DELETE FROM thing RETURNING id"), "7\n");
}

#[test]
fn a_pooler_lends_connections() {
    let cluster = Cluster::shared(Version::V15);
    let bouncer = Bouncer::start(cluster);
    let database = cluster.database();
    let said = Command::new(cluster.programs().join("psql"))
        .args(["-XAtc", "SELECT current_user"])
        .arg(bouncer.url("owner", &database.name))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(said.stdout).unwrap(), "owner\n");
}

#[test]
fn a_server_ends_with_a_process_that_is_killed() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_creditd-test-cluster"))
        .arg("18")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let port = url.split(['/', ':']).find_map(|part| part.parse().ok()).unwrap();
    assert!(answers(port));
    child.kill().unwrap();
    child.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while answers(port) {
        assert!(Instant::now() < deadline, "the server lives on");
        sleep(Duration::from_millis(5));
    }
}
