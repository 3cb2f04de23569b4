//! `creditd explain`: what an account's next credits are taken from and when each part is gone, what
//! the next instants bring, what was refused, and who or what caused each line of its ledger.

mod cause;
mod tried;
mod words;

use super::args::Explain;
use super::person::{Around, Person, line_json};
use super::table;
use crate::store::{Line, Store};
use cause::Cause;
use creditd_rules::id::{AccountId, ActionId, AppId};
use creditd_rules::outlook::{KindOutlook, Outlook, outlook};
use creditd_rules::plan::{Catalogue, Kind};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::Arc;
use tried::{Trial, verdict};

/// `creditd explain ACCOUNT`.
pub(super) async fn run(
    store: &Arc<dyn Store>, catalogue: &Catalogue, what: Explain, out: &mut dyn Write,
) -> anyhow::Result<()> {
    let Explain { account, action, quantity, app, turns, entries, form } = what;
    let account = AccountId::from(account);
    let person = Person::read(store.as_ref(), catalogue, &account, Around::Team).await?;
    let lines = person.lines(store.as_ref(), entries).await?;
    let causes = causes(store.as_ref(), &lines).await?;
    let verdict = match action.map(ActionId::from) {
        Some(action) => {
            let trial = Trial { action, account, app: app.map(AppId::from), quantity };
            Some(verdict(Arc::clone(store), catalogue, trial).await?)
        }
        None => None,
    };
    let Person { workspace, account, now, .. } = &person;
    let count = usize::try_from(turns).unwrap_or(usize::MAX);
    let outlook = outlook(workspace, account, catalogue, *now, count);
    if form.json {
        let entries: Vec<Value> = lines.iter().zip(&causes).map(line_with_cause).collect();
        let all = json!({
            "workspace": workspace.id,
            "closed_at": account.closed_at,
            "outlook": outlook,
            "tried": verdict,
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
    spendable(&outlook, out)?;
    if let Some(verdict) = verdict {
        writeln!(out, "{}", verdict.words())?;
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

fn kinds(outlook: &Outlook) -> [(Kind, &KindOutlook); 2] {
    [(Kind::Message, &outlook.message), (Kind::Integration, &outlook.integration)]
}

/// What can be spent, and what was refused.
fn spendable(outlook: &Outlook, out: &mut dyn Write) -> anyhow::Result<()> {
    for (kind, ahead) in kinds(outlook) {
        writeln!(out)?;
        for line in words::order(kind, ahead) {
            writeln!(out, "{line}")?;
        }
    }
    writeln!(out)?;
    let refused: Vec<String> = kinds(outlook)
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
    Ok(())
}

/// What comes next.
fn ahead(outlook: &Outlook, out: &mut dyn Write) -> anyhow::Result<()> {
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
