//! Where figures come from.

use super::server::Postgres;
use std::process::Command;

/// Prints the commit, the compiler, the machine and the server.
pub(super) async fn print(postgres: Option<&Postgres>) {
    let commit = said("git", &["describe", "--always", "--dirty"]);
    let (compiler, system) = (said("rustc", &["--version"]), said("uname", &["-sr"]));
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let processor = line("/proc/cpuinfo", "model name");
    let memory = line("/proc/meminfo", "MemTotal");
    println!("Commit {commit}, {compiler}, {system}; {cores} cores of {processor}, {memory}.");
    if let Some(postgres) = postgres {
        println!("PostgreSQL: {}.", postgres.settings().await);
    }
    println!();
}

fn said(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output();
    let text = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    text.map_or("unknown".to_owned(), |text| String::from_utf8_lossy(&text).trim().to_owned())
}

/// What stands behind the first `name:` of a file.
fn line(file: &str, name: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let found = text.lines().find(|line| line.starts_with(name));
    found
        .and_then(|line| line.split_once(':'))
        .map_or("unknown", |(_, rest)| rest.trim())
        .to_owned()
}
