//! How fast creditd is, beside what everyone would write by hand.
//!
//! `cargo run --release --example bench -- [row …]` measures the rows of the design's table, or those
//! that are named, on PostgreSQL and SQLite: round by round, in each of which the references run
//! beside ours, so that a machine that is slow for a while is slow for both. The references are
//! `pgbench` with hand-written statements on the same server, and the same statements on SQLite.
//! Everything is on this machine, and everything is durable. It prints a table in Markdown with
//! medians, spread and ratios. Before anything is measured, each account has been debited once.
//! `--help` says more.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot be taken ends")]

/// As the daemon has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod machine;
mod report;
mod rows;
mod stage;
mod server;
mod pgbench;
mod by_hand;
mod books;
mod spread;
mod load;
mod raw;
mod in_process;
mod served;
mod webhooks;
mod boundary;
mod at_rest;
mod ledger;

use clap::{Parser, ValueEnum as _};
use creditd::settings::Engine;
use report::Round;
use rows::Row;
use server::Postgres;
use stage::{Sizes, Stage};
use std::collections::BTreeSet;
use std::time::Duration;

/// Accounts that debits are spread over.
const ACCOUNTS: u64 = 10_000;

/// Measures creditd beside what everyone would write by hand.
#[derive(Debug, Parser)]
struct Words {
    /// What to measure; without any, everything.
    rows: Vec<Row>,
    /// How often everything is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long each measurement takes, in seconds.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// The PostgreSQL server: 15 or 18 to start one, the URL of one where databases may be made, or
    /// none.
    #[arg(long, default_value = "15")]
    postgres: String,
    /// Leaves SQLite out.
    #[arg(long)]
    no_sqlite: bool,
    /// The sizes that the design names: 1,000,000 seats due, 10,000,000 accounts at rest, 100,000,000
    /// entries. It takes hours, and 60 GB of disk.
    #[arg(long)]
    long: bool,
    /// Seats that are due at one instant.
    #[arg(long)]
    due: Option<usize>,
    /// Accounts at rest.
    #[arg(long)]
    resting: Option<usize>,
    /// Entries of the long ledger.
    #[arg(long)]
    entries: Option<usize>,
}

impl Words {
    fn sizes(&self) -> Sizes {
        let size = |given: Option<usize>, short, long| {
            given.unwrap_or(if self.long { long } else { short })
        };
        Sizes {
            due: size(self.due, 50_000, 1_000_000),
            resting: size(self.resting, 1_000_000, 10_000_000),
            entries: size(self.entries, 2_000_000, 100_000_000),
        }
    }

    /// The rows asked for, and those that they are compared with.
    fn wanted(&self) -> BTreeSet<Row> {
        let named = match self.rows.as_slice() {
            [] => Row::value_variants(),
            named => named,
        };
        named.iter().flat_map(|row| row.needs().iter().chain([row])).copied().collect()
    }
}

fn main() {
    let words = Words::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure(&words));
}

async fn measure(words: &Words) {
    let home = tempfile::tempdir().unwrap();
    let postgres = (words.postgres != "none").then(|| Postgres::start(&words.postgres));
    let mut engines = Vec::new();
    if postgres.is_some() {
        engines.push(Engine::Postgres);
    }
    if !words.no_sqlite {
        engines.push(Engine::Sqlite);
    }
    machine::print(postgres.as_ref()).await;
    let span = Duration::from_secs(words.seconds);
    let (sizes, wanted) = (words.sizes(), words.wanted());
    let mut stage = Stage::new(home.path().to_owned(), span, sizes, postgres, engines.clone());
    let mut rounds = Vec::new();
    for number in 1..=words.rounds {
        let mut round = Round::new();
        for row in &wanted {
            eprintln!("round {number} of {}: {row:?}", words.rounds);
            row.references(&mut stage, &mut round).await;
            for engine in &engines {
                row.measure(&mut stage, *engine, &mut round).await;
            }
        }
        rounds.push(round);
    }
    stage.end().await;
    println!(
        "{} rounds of {} s each, interleaved; {ACCOUNTS} accounts; {} seats due, {} accounts at \
         rest, {} entries. Ratios are those of each round, of which the median is shown.\n",
        words.rounds, words.seconds, sizes.due, sizes.resting, sizes.entries
    );
    report::print(&rounds);
}
