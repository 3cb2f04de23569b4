//! Runs a PostgreSQL server until standard input ends, and tells its URL: `creditd-test-cluster 15`.

use creditd_test_cluster::{Cluster, Durability, Version};

fn main() {
    let version = match std::env::args().nth(1).as_deref() {
        Some("15") => Version::V15,
        Some("18") => Version::V18,
        other => panic!("name a version, 15 or 18, not {other:?}"),
    };
    let cluster = Cluster::start(version, Durability::Full);
    println!("{}", cluster.database().keep());
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).expect("standard input is read");
}
