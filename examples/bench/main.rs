//! How fast creditd is, beside the two statements that everyone writes by hand.
//!
//! `cargo run --release --example bench -- [rounds] [seconds]` measures, in one run and interleaved:
//! the hand-written debit on SQLite (a guarded `UPDATE … RETURNING` and an `INSERT` with a unique
//! key, one transaction a debit), our debits through the writer in process, and our debits over
//! HTTP, one a request on 64 kept connections and 1,000 a request. Everything is on this machine,
//! with `synchronous = FULL`. It prints a table in Markdown with medians, spread and ratios.
//!
//! `cargo run --release --example bench -- lateness` lets 10,000 seats fall due in the same second and
//! prints how late their resets were posted.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot be taken ends")]

mod by_hand;
mod lateness;
mod ours;
mod raw;

use std::path::Path;
use std::time::Duration;

/// Debits going on at once in every measurement.
const CLIENTS: usize = 64;
/// Accounts that the debits are spread over.
const ACCOUNTS: usize = 10_000;

struct Figure {
    name: &'static str,
    rates: Vec<f64>,
}

impl Figure {
    fn sorted(&self) -> Vec<f64> {
        let mut rates = self.rates.clone();
        rates.sort_by(f64::total_cmp);
        rates
    }

    fn median(&self) -> f64 {
        let rates = self.sorted();
        rates[rates.len() / 2]
    }
}

fn main() {
    let mut words = std::env::args().skip(1).peekable();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let home = tempfile::tempdir().unwrap();
    if words.next_if(|word| word == "lateness").is_some() {
        return runtime.block_on(lateness::measure(home.path()));
    }
    let rounds: usize = words.next().map_or(5, |word| word.parse().unwrap());
    let seconds: u64 = words.next().map_or(3, |word| word.parse().unwrap());
    let span = Duration::from_secs(seconds);
    let figures = runtime.block_on(measure(home.path(), rounds, span));
    print(&figures, rounds, seconds);
}

async fn measure(home: &Path, rounds: usize, span: Duration) -> Vec<Figure> {
    let by_hand = by_hand::ByHand::open(&home.join("by-hand.db")).await;
    let writer = ours::InProcess::open(&home.join("in-process.db")).await;
    let server = ours::Served::start(home).await;
    let mut figures: Vec<Figure> = [
        "two statements by hand, one transaction a debit",
        "writer in process, 64 at once",
        "writer in process, 1,000 at once",
        "HTTP, one a request, 64 connections",
        "HTTP, 1,000 a request, 4 connections",
        "HTTP, replays of known keys, 64 connections",
        "HTTP, refusals, 64 connections",
    ]
    .map(|name| Figure { name, rates: Vec::new() })
    .into();
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        let rates = [
            by_hand.run(CLIENTS, span).await,
            writer.run(CLIENTS, span).await,
            writer.run(1_000, span).await,
            server.one_a_request(CLIENTS, span).await,
            server.batches(4, span).await,
            server.replays(CLIENTS, span).await,
            server.refusals(CLIENTS, span).await,
        ];
        for (figure, rate) in figures.iter_mut().zip(rates) {
            figure.rates.push(rate);
        }
    }
    server.stop().await;
    figures
}

fn print(figures: &[Figure], rounds: usize, seconds: u64) {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    println!("{cores} cores, {rounds} rounds of {seconds} s each, interleaved.\n");
    println!("| what | debits a second, median | least to most | ratio to the first |");
    println!("|---|---:|---:|---:|");
    let reference = figures[0].median();
    for figure in figures {
        let rates = figure.sorted();
        println!(
            "| {} | {:.0} | {:.0} to {:.0} | {:.1} × |",
            figure.name,
            figure.median(),
            rates[0],
            rates[rates.len() - 1],
            figure.median() / reference
        );
    }
}
