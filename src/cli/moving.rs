//! `creditd move`: copies a stopped installation from SQLite to PostgreSQL.

use super::args;
use super::progress::style;
use super::table;
use crate::settings::{DatabaseUrl, Engine, Settings};
use crate::store::{Credits, Move, Moved, OpenOptions, Outcome, Step, Tally};
use anyhow::{Context, bail};
use indicatif::ProgressBar;
use std::io::{IsTerminal as _, Write};

pub(super) async fn run(
    settings: &Settings, asked: &args::Move, out: &mut dyn Write,
) -> anyhow::Result<()> {
    let database = &settings.database;
    if database.url.engine() != Engine::Sqlite {
        bail!(
            "database.url names PostgreSQL: to move, leave the SQLite database there, and name the \
             new one with --to or database.move_to"
        );
    }
    let to = target(settings, asked)?;
    let options = OpenOptions {
        migrate: database.migrate,
        create: true,
        clock: settings.clock,
        checkpoint: settings.database.checkpoint,
    };
    let work = Move {
        from: database.url.expose(),
        to: to.expose(),
        options,
        postgres: database.postgres(),
        dry_run: asked.dry_run,
    };
    let progress = Progress::on_stderr();
    let moved = work.run(&|step| progress.tell(step)).await;
    progress.end();
    match moved {
        Ok(moved) => report(&database.url, &to, &moved, out).context("the report")?,
        Err(error) => {
            for detail in error.details() {
                writeln!(out, "{detail}")?;
            }
            return Err(error.into());
        }
    }
    Ok(())
}

/// Where to move; a URL that is wrong is not repeated, since it may hold a password.
fn target(settings: &Settings, asked: &args::Move) -> anyhow::Result<DatabaseUrl> {
    let to = match (&asked.to, &settings.database.move_to) {
        (Some(to), _) => DatabaseUrl::parse(to).map_err(|error| anyhow::anyhow!("--to {error}"))?,
        (None, Some(to)) => to.clone(),
        (None, None) => bail!(
            "where to? name the new database with --to postgres://…, with database.move_to, or in \
             the credential database_move_to"
        ),
    };
    if to.engine() != Engine::Postgres {
        bail!("--to must begin with postgres://: moves go from SQLite to PostgreSQL");
    }
    Ok(to)
}

/// Prints what was moved, and what is left to do.
fn report(
    from: &DatabaseUrl, to: &DatabaseUrl, moved: &Moved, out: &mut dyn Write,
) -> anyhow::Result<()> {
    let rows: Vec<[String; 3]> =
        moved.tables.iter().map(|(rows, tally)| row(rows, tally)).collect();
    table::write(out, ["WHAT", "ROWS", "CREDITS"], &rows)?;
    let credits = |(rows, tally): &(&str, Tally)| Moved::credits(rows, tally).map(|Credits(n)| n);
    let ledger = moved.tables.iter().filter(|(rows, _)| *rows == "ledger lines");
    let ledger: i128 = ledger.filter_map(credits).sum();
    let both: i128 = moved.tables.iter().filter_map(credits).sum();
    let pots = shown(Credits(both - ledger));
    let (ledger, told) = (shown(Credits(ledger)), to.to_string());
    writeln!(out, "\nPots hold {pots} credits, and the ledger adds up to {ledger}.")?;
    match moved.outcome {
        Outcome::DryRun => {
            writeln!(out, "Nothing was moved: this was a look. Without --dry-run, it goes to")?;
            return Ok(writeln!(out, "{told}.")?);
        }
        Outcome::Moved => writeln!(out, "Moved {from}\n   to {told}.")?,
        Outcome::Finished => {
            writeln!(out, "An earlier attempt had copied {from}\nto {told}.")?;
        }
    }
    writeln!(out, "The books add up on both sides, and each table has the same rows and sums.")?;
    writeln!(out, "The source is as it was; do not start creditd on it again.\n")?;
    writeln!(out, "Now change one line of the settings, and start creditd:\n")?;
    writeln!(out, "    [database]\n    url = \"{told}\"")?;
    if told.contains("(hidden)") {
        writeln!(
            out,
            "\nThe password belongs into the credential database_url, as the whole URL."
        )?;
    }
    Ok(())
}

fn row(rows: &'static str, tally: &Tally) -> [String; 3] {
    let credits = Moved::credits(rows, tally);
    [rows.to_owned(), grouped(tally.rows), credits.map(shown).unwrap_or_default()]
}

/// Credits as people read them.
fn shown(Credits(micros): Credits) -> String {
    let (whole, rest) = (micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
    let sign = if micros < 0 { "-" } else { "" };
    let decimals = if rest == 0 { String::new() } else { format!(".{rest:06}") };
    let whole = grouped(u64::try_from(whole).unwrap_or(u64::MAX));
    format!("{sign}{whole}{}", decimals.trim_end_matches('0'))
}

/// A count with its thousands apart.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Says how far it has come: a bar on a terminal, a line for each step elsewhere.
struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    fn on_stderr() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            ProgressBar::new(0).with_style(style("{msg:28} {wide_bar} {human_pos}/{human_len}"))
        });
        Self { bar }
    }

    fn tell(&self, step: Step<'_>) {
        match (&self.bar, step) {
            (Some(bar), Step::Begin(what, of)) => {
                bar.set_message(what.to_owned());
                bar.set_position(0);
                bar.set_length(of);
            }
            (Some(bar), Step::At(done)) => bar.set_position(done),
            (None, Step::Begin(what, of)) => {
                let of = if of == 0 { String::new() } else { format!(" ({})", grouped(of)) };
                eprintln!("{what}{of}");
            }
            (None, Step::At(_)) => {}
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")];
        for (count, expected) in cases {
            assert_eq!(grouped(count), expected);
        }
        let cases =
            [(0, "0"), (300_000, "0.3"), (-1_500_000_000, "-1,500"), (1_000_001, "1.000001")];
        for (micros, expected) in cases {
            assert_eq!(shown(Credits(micros)), expected);
        }
    }
}
