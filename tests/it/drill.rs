//! The books are lost, and come back from copies that were made as an operator makes them.
//!
//! What is copied later than it is acknowledged may be lost with the machine; what the copy is said
//! to have must be there, nothing may be there that never was, and the books must add up. Where
//! everything was stopped before, everything must be there.
//!
//! scripts/drill runs the same for minutes, and prints what [`told`] says.

mod litestream;
mod server;
mod tables;

use crate::daemon::{Daemon, Setup};
use crate::engine::{Books, Engine};
use crate::moving::a_past;
use crate::writers::{Writers, people};
use std::path::Path;

const NOW: &str = "2026-03-01T10:00:00Z";
const WRITERS: usize = 16;

/// A number that scripts/drill sets, or the one of a short run.
fn chosen(name: &str, short: usize) -> usize {
    std::env::var_os(name).map_or(short, |set| set.to_str().unwrap().parse().unwrap())
}

/// How often the machine is lost.
fn rounds() -> usize {
    chosen("DRILL_ROUNDS", 1)
}

/// Debits between two events.
fn debits() -> usize {
    chosen("DRILL_DEBITS", 200)
}

/// How many debits pass until something happens that nobody expects.
fn some() -> usize {
    let mut random = [0; 2];
    getrandom::fill(&mut random).unwrap();
    usize::from(u16::from_le_bytes(random)) % debits()
}

/// Something for whoever runs scripts/drill.
fn told(what: &str) {
    println!("drill: {what}");
}

/// A daemon with a past of every kind, and people who can pay.
async fn daemon_on(books: Books) -> Daemon {
    let mut daemon = Daemon::prepare_on(books, Setup::default());
    daemon.run().await;
    daemon.clock(NOW).await;
    a_past(&mut daemon).await;
    people(&daemon).await;
    daemon
}

/// The same on a file of its own, whose log Litestream moves.
async fn daemon_on_a_file() -> Daemon {
    let environment = vec![("CREDITD__DATABASE__CHECKPOINT", "false".to_owned())];
    let setup = Setup { environment, ..Setup::default() };
    let mut daemon = Daemon::with(Engine::Sqlite, NOW, setup).await;
    a_past(&mut daemon).await;
    people(&daemon).await;
    daemon
}

/// Lets people debit for a while.
async fn some_debits(daemon: &Daemon, name: &str) {
    let writers = Writers::start(daemon, name, WRITERS);
    writers.until(debits()).await;
    writers.stop().await;
}

/// The books that a URL names must add up.
fn adds_up(url: &str) {
    crate::faults::start::unprepared(url).done("verify");
}

/// The URL of a file.
fn url_of(file: &Path) -> String {
    format!("sqlite://{}", file.display())
}
