//! How fast creditd is, beside the two statements that everyone writes by hand.
//!
//! `cargo run --release --example bench -- [rounds] [seconds] [name]` measures, in one run and
//! interleaved: the hand-written debit on SQLite (a guarded `UPDATE … RETURNING` and an `INSERT` with
//! a unique key, one transaction a debit), our debits through the writer in process, and our debits
//! over HTTP, one a request on 64 kept connections and 1,000 a request. Everything is on this
//! machine, with `synchronous = FULL`. It prints a table in Markdown with medians, spread and ratios.
//! With a name, only what has it in its own is measured beside the reference.
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

/// What is measured, the reference first.
const WHAT: [&str; 7] = [
    "two statements by hand, one transaction a debit",
    "writer in process, 64 at once",
    "writer in process, 1,000 at once",
    "HTTP, one a request, 64 connections",
    "HTTP, 1,000 a request, 4 connections",
    "HTTP, replays of known keys, 64 connections",
    "HTTP, refusals, 64 connections",
];

/// The rates of one round, in the order of `WHAT`; none for what was not asked for.
type Round = [Option<f64>; WHAT.len()];

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
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
    let asked = words.next().unwrap_or_default();
    let measured = runtime.block_on(measure(home.path(), rounds, span, &asked));
    print(&measured, rounds, seconds);
}

async fn measure(home: &Path, rounds: usize, span: Duration, asked: &str) -> Vec<Round> {
    let by_hand = by_hand::ByHand::open(&home.join("by-hand.db")).await;
    let writer = ours::InProcess::open(&home.join("in-process.db")).await;
    let server = ours::Served::start(home).await;
    let mut measured = Vec::new();
    for number in 1..=rounds {
        eprintln!("round {number} of {rounds}");
        let mut round = [None; WHAT.len()];
        for (at, (rate, name)) in round.iter_mut().zip(WHAT).enumerate() {
            if at > 0 && !name.contains(asked) {
                continue;
            }
            *rate = Some(match at {
                0 => by_hand.run(CLIENTS, span).await,
                1 => writer.run(CLIENTS, span).await,
                2 => writer.run(1_000, span).await,
                3 => server.one_a_request(CLIENTS, span).await,
                4 => server.batches(4, span).await,
                5 => server.replays(CLIENTS, span).await,
                _ => server.refusals(CLIENTS, span).await,
            });
        }
        measured.push(round);
    }
    server.stop().await;
    measured
}

/// Ratios are those of each round, of which the median is shown: a machine that is slow for a
/// while is slow for both.
fn print(measured: &[Round], rounds: usize, seconds: u64) {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    println!("{cores} cores, {rounds} rounds of {seconds} s each, interleaved.\n");
    println!("| what | debits a second, median | least to most | ratio to the first |");
    println!("|---|---:|---:|---:|");
    for (at, name) in WHAT.iter().enumerate() {
        let rates: Vec<f64> = measured.iter().filter_map(|round| round[at]).collect();
        if rates.is_empty() {
            continue;
        }
        let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
        let most = rates.iter().copied().fold(0.0, f64::max);
        let ratios = measured.iter().filter_map(|round| Some(round[at]? / round[0]?));
        let ratio = median(ratios.collect());
        println!("| {name} | {:.0} | {least:.0} to {most:.0} | {ratio:.1} × |", median(rates));
    }
}
