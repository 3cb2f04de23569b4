//! `creditd explain`: what an account's next credits are taken from and when each part is gone, what
//! the next instants bring, what was refused, and who or what caused each line of its ledger.

mod cause;
mod words;

use super::args::Explain;
use super::person::{Around, Person, line_json};
use super::table;
use crate::store::{Line, Store};
use cause::Cause;
use creditd_rules::outlook::{Outlook, outlook};
use creditd_rules::plan::{Catalogue, Kind};
use serde_json::{Value, json};
use std::io::Write;

/// `creditd explain ACCOUNT`.
pub(super) async fn run(
    store: &dyn Store, catalogue: &Catalogue, what: Explain, out: &mut dyn Write,
) -> anyhow::Result<()> {
    let Explain { account, turns, entries, form } = what;
    let person = Person::read(store, catalogue, &account.into(), Around::Team).await?;
    let lines = person.lines(store, entries).await?;
    let causes = causes(store, &lines).await?;
    let Person { workspace, account, now, .. } = &person;
    let count = usize::try_from(turns).unwrap_or(usize::MAX);
    let outlook = outlook(workspace, account, catalogue, *now, count);
    if form.json {
        let entries: Vec<Value> = lines.iter().zip(&causes).map(line_with_cause).collect();
        let all = json!({
            "workspace": workspace.id,
            "closed_at": account.closed_at,
            "outlook": outlook,
            "entries": entries,
        });
        return table::json(out, &all);
    }
    for line in words::who(&outlook, workspace.id.as_str()) {
        writeln!(out, "{line}")?;
    }
    if let Some(at) = account.closed_at {
        writeln!(out, "The account was closed on {}.", table::instant(Some(at)))?;
    }
    ahead(&outlook, out)?;
    behind(&lines, &causes, out)
}

/// What caused each line, in their order.
async fn causes(store: &dyn Store, lines: &[Line]) -> anyhow::Result<Vec<Cause>> {
    let named = || lines.iter().map(|line| line.entry.cause.as_deref());
    let events = cause::events(store, named().flatten()).await?;
    Ok(named().map(|text| Cause::of(text, &events)).collect())
}

fn line_with_cause((line, cause): (&Line, &Cause)) -> Value {
    let mut all = line_json(line);
    all["caused"] = json!(cause);
    all
}

fn ahead(outlook: &Outlook, out: &mut dyn Write) -> anyhow::Result<()> {
    let kinds = [(Kind::Message, &outlook.message), (Kind::Integration, &outlook.integration)];
    for (kind, ahead) in kinds {
        writeln!(out)?;
        for line in words::order(kind, ahead) {
            writeln!(out, "{line}")?;
        }
    }
    writeln!(out)?;
    let refused: Vec<String> = kinds
        .into_iter()
        .filter_map(|(kind, ahead)| {
            ahead.refused.as_ref().map(|refused| words::refused(kind, refused, outlook.as_of))
        })
        .collect();
    for line in &refused {
        writeln!(out, "{line}")?;
    }
    match refused.is_empty() {
        true => writeln!(out, "Nothing was refused for want of credits since there were some.")?,
        false => writeln!(out, "That was the first one; later ones are counted, and not kept.")?,
    }
    writeln!(out)?;
    let turns = words::turns(outlook);
    if turns.is_empty() {
        writeln!(out, "Nothing changes by time alone.")?;
    } else {
        writeln!(out, "If nothing is spent, this comes next:")?;
    }
    for line in turns {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn behind(lines: &[Line], causes: &[Cause], out: &mut dyn Write) -> anyhow::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let rows: Vec<_> = lines.iter().zip(causes).map(row).collect();
    table::write(out, ["SEQ", "SINCE", "KIND", "AMOUNT", "AFTER", "WHAT", "CAUSED BY"], &rows)?;
    Ok(())
}

fn row((Line { seq, entry, .. }, cause): (&Line, &Cause)) -> [String; 7] {
    let happened = entry.cause_at.map(|at| format!(", {}", table::instant(Some(at))));
    [
        seq.map_or_else(|| "due".to_owned(), |seq| seq.to_string()),
        table::instant(Some(entry.effective_at)),
        entry.kind.to_string(),
        entry.amount.to_string(),
        entry.pot_after.map_or_else(|| "-".to_owned(), |after| after.to_string()),
        words::line(entry),
        cause.words() + &happened.unwrap_or_default(),
    ]
}
