//! The table of figures.

use super::rows::{POSTGRES, SQLITE};
use std::collections::BTreeMap;

/// The figures of one round, by name: references as they are, ours after the engine.
pub(super) type Round = BTreeMap<String, f64>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    PerSecond,
    Milliseconds,
    Mebibytes,
}

/// A ratio to another figure of the same round, or the figure itself, and what is wanted of it.
struct Wanted {
    beside: Option<String>,
    least: Option<f64>,
    most: Option<f64>,
}

/// One figure as it is shown.
struct Line {
    name: String,
    what: String,
    unit: Unit,
    wanted: Vec<Wanted>,
}

impl Line {
    fn new(name: &str, what: &str, unit: Unit) -> Self {
        Self { name: name.to_owned(), what: what.to_owned(), unit, wanted: Vec::new() }
    }

    /// Beside another figure; at least so many times it.
    fn least(mut self, beside: &str, least: f64) -> Self {
        let beside = Some(beside.to_owned());
        self.wanted.push(Wanted { beside, least: Some(least), most: None });
        self
    }

    /// Beside another figure; at most so many times it.
    fn most_beside(mut self, beside: &str, most: f64) -> Self {
        let beside = Some(beside.to_owned());
        self.wanted.push(Wanted { beside, least: None, most: Some(most) });
        self
    }

    /// Beside another figure.
    fn beside(mut self, beside: &str) -> Self {
        let beside = Some(beside.to_owned());
        self.wanted.push(Wanted { beside, least: None, most: None });
        self
    }

    /// By itself at most this.
    fn most(mut self, most: f64) -> Self {
        self.wanted.push(Wanted { beside: None, least: None, most: Some(most) });
        self
    }
}

fn references() -> Vec<Line> {
    use Unit::{Milliseconds, PerSecond};
    vec![
        Line::new("a", "(a) pgbench, 16 clients: two statements", PerSecond),
        Line::new("a1", "(a1) the same as one statement", PerSecond),
        Line::new("b", "(b) as (a), all on one row", PerSecond),
        Line::new("c", "(c) inserts of 2 KB, one a transaction", PerSecond),
        Line::new("d", "(d) seats reset by one statement", PerSecond),
        Line::new("lone", "(a) with one client: p50", Milliseconds),
        Line::new("hand", "(h) SQLite: two statements, one transaction a debit", PerSecond),
    ]
}

fn postgres() -> Vec<Line> {
    let mut lines = Vec::new();
    for at_once in ["64", "1000", "3000"] {
        let (name, what) = (format!("writer-{at_once}"), format!("in process, {at_once} at once"));
        lines.push(Line::new(&name, &what, Unit::PerSecond).least("a", 11.0).least("a1", 6.0));
    }
    lines.extend(ours());
    for line in &mut lines {
        let taken = std::mem::replace(line, Line::new("", "", Unit::PerSecond));
        *line = match taken.name.as_str() {
            "http" => taken.least("a", 4.5).least("a1", 2.5),
            "batch" => taken.least("a", 12.0),
            "hot" => taken.least("b", 20.0),
            "boundary" => taken.least("d", 0.8),
            "boundary-p99" => taken.most(40.0),
            "webhooks" => taken.least("c", 2.0),
            "rest-resident" => taken.most(32.0),
            "alone" | "alone-http" => taken.most_beside("lone", 1.3),
            _ => taken,
        };
    }
    lines
}

fn sqlite() -> Vec<Line> {
    let mut lines = Vec::new();
    for at_once in ["64", "1000"] {
        let (name, what) = (format!("writer-{at_once}"), format!("in process, {at_once} at once"));
        lines.push(Line::new(&name, &what, Unit::PerSecond));
    }
    lines.extend(ours());
    for line in &mut lines {
        let taken = std::mem::replace(line, Line::new("", "", Unit::PerSecond));
        let other = format!("{POSTGRES}/{}", taken.name);
        *line = match taken.name.as_str() {
            "writer-64" | "writer-1000" | "http" | "batch" => {
                taken.beside("hand").least(&other, 0.9)
            }
            "rest-resident" => taken.most(64.0),
            _ => taken,
        };
    }
    lines
}

/// What is measured on both engines.
fn ours() -> Vec<Line> {
    use Unit::{Mebibytes, Milliseconds, PerSecond};
    vec![
        Line::new("http", "HTTP, one a request, 64 connections", PerSecond),
        Line::new("http-p99", "the same at half that load: p99", Milliseconds).most(10.0),
        Line::new("batch", "HTTP, 1,000 a request, 4 connections", PerSecond),
        Line::new("batch-p99", "the same: p99 of a batch", Milliseconds).most(100.0),
        Line::new("hot", "HTTP, one a request, all on one account", PerSecond),
        Line::new("boundary", "seats posted that were due at one instant", PerSecond),
        Line::new("boundary-p99", "p99 of debits on them meanwhile", Milliseconds),
        Line::new("webhooks", "webhooks of 2 KB over HTTP, verified and durable", PerSecond),
        Line::new("replays", "replays of known keys over HTTP", PerSecond).least("=http", 1.0),
        Line::new("refusals", "refusals over HTTP", PerSecond).least("=http", 1.0),
        Line::new("zipf", "as HTTP, accounts by Zipf's law", PerSecond).least("=http", 0.9),
        Line::new("overload", "done at twice the load", PerSecond).least("=http", 0.9),
        Line::new("overload-refused", "refused meanwhile", PerSecond),
        Line::new("overload-p99", "p99 of what was done meanwhile", Milliseconds),
        Line::new("rest-resident", "memory with many accounts at rest", Mebibytes),
        Line::new("rest-few", "batches with few accounts", PerSecond),
        Line::new("rest-many", "batches with many accounts", PerSecond).least("=rest-few", 0.5),
        Line::new("ledger-fresh", "batches on a fresh ledger", PerSecond),
        Line::new("ledger-long", "batches on a long ledger", PerSecond).least("=ledger-fresh", 0.6),
        Line::new("start", "start to ready", Milliseconds).most(25.0),
        Line::new("start-killed", "start to ready after kill -9", Milliseconds).most(100.0),
        Line::new("alone", "one debit alone in process: p50", Milliseconds),
        Line::new("alone-http", "one debit alone over HTTP: p50", Milliseconds),
    ]
}

/// All lines; `=` before a name is the line's own engine.
fn lines() -> Vec<Line> {
    let mut all = references();
    for (engine, title, lines) in
        [(POSTGRES, "PostgreSQL", postgres()), (SQLITE, "SQLite", sqlite())]
    {
        for mut line in lines {
            line.name = format!("{engine}/{}", line.name);
            line.what = format!("{title}: {}", line.what);
            for beside in line.wanted.iter_mut().filter_map(|wanted| wanted.beside.as_mut()) {
                *beside = beside.replace('=', &format!("{engine}/"));
            }
            all.push(line);
        }
    }
    all
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Prints the figures of all rounds. Ratios are those of each round, of which the median is shown: a
/// machine that is slow for a while is slow for both.
pub(super) fn print(rounds: &[Round]) {
    println!("| what | median | least to most | ratio, and what is wanted |");
    println!("|---|---:|---:|---|");
    for line in lines() {
        let values: Vec<f64> =
            rounds.iter().filter_map(|round| round.get(&line.name)).copied().collect();
        let Some(middle) = median(values.clone()) else { continue };
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(0.0, f64::max);
        let ratios: Vec<String> = line
            .wanted
            .iter()
            .filter_map(|wanted| compared(wanted, &line, middle, rounds))
            .collect();
        let shown = |value| shown(value, line.unit);
        println!(
            "| {} | {} | {} to {} | {} |",
            line.what,
            shown(middle) + line.unit.name(),
            shown(least),
            shown(most),
            ratios.join("; ")
        );
    }
}

impl Unit {
    const fn name(self) -> &'static str {
        match self {
            Self::PerSecond => "/s",
            Self::Milliseconds => " ms",
            Self::Mebibytes => " MiB",
        }
    }
}

fn shown(value: f64, unit: Unit) -> String {
    match unit {
        Unit::PerSecond => format!("{value:.0}"),
        Unit::Milliseconds => format!("{value:.2}"),
        Unit::Mebibytes => format!("{value:.1}"),
    }
}

/// A figure beside another, and whether it is what is wanted.
fn compared(wanted: &Wanted, line: &Line, middle: f64, rounds: &[Round]) -> Option<String> {
    let (value, text) = match &wanted.beside {
        None => (middle, String::new()),
        Some(beside) => {
            let ratio = |round: &Round| Some(round.get(&line.name)? / round.get(beside)?);
            let ratio = median(rounds.iter().filter_map(ratio).collect())?;
            let lines = lines();
            let other = lines.iter().find(|other| other.name == *beside)?;
            let short = other.what.split_once(')').map_or(other.what.as_str(), |(sign, _)| sign);
            let sign = if short.starts_with('(') { format!("{short})") } else { short.to_owned() };
            (ratio, format!("{ratio:.2} × {sign}"))
        }
    };
    let verdict = |reached: bool| if reached { "reached" } else { "short" };
    let bound = match (wanted.least, wanted.most) {
        (Some(least), _) => format!("≥ {least} wanted: {}", verdict(value >= least)),
        (None, Some(most)) => format!("≤ {most} wanted: {}", verdict(value <= most)),
        (None, None) => String::new(),
    };
    Some([text, bound].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", "))
}
