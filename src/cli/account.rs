//! `creditd account show`: one person's balance and latest entries, those due included (R6).

use super::args::Account;
use super::person::{Around, Person, line_json};
use super::table;
use crate::store::{Line, Store};
use creditd_rules::entry::Entry;
use creditd_rules::plan::{Catalogue, Kind, PerKind};
use creditd_rules::state::Refusal;
use creditd_rules::view::{self, AccountView, BalanceView, KindBalance};
use serde_json::{Value, json};
use std::io::Write;

pub(super) async fn run(
    store: &dyn Store, catalogue: &Catalogue, what: Account, out: &mut dyn Write,
) -> anyhow::Result<()> {
    let Account::Show { id, entries, form } = what;
    let person = Person::read(store, catalogue, &id.into(), Around::Alone).await?;
    let lines = person.lines(store, entries).await?;
    let Person { workspace, account, now, .. } = &person;
    let balance = view::balance(workspace, account, catalogue, *now);
    let refusals = PerKind::from_fn(|kind| account.run_out[kind].first_refusal.clone());
    let account = AccountView::of(workspace, account);
    if form.json {
        let lines: Vec<Value> = lines.iter().map(line_json).collect();
        let all = json!({
            "account": account,
            "balance": balance,
            "first_refusals": { "message": refusals.message, "integration": refusals.integration },
            "entries": lines,
        });
        return table::json(out, &all);
    }
    print(&account, &balance, &lines, out)?;
    print_refusals(&refusals, out)
}

/// What was refused first since there was last something to spend (R16).
fn print_refusals(refusals: &PerKind<Option<Refusal>>, out: &mut dyn Write) -> anyhow::Result<()> {
    for kind in Kind::ALL {
        if let Some(Refusal { action, needed, left, at }) = &refusals[kind] {
            let at = table::instant(Some(*at));
            writeln!(
                out,
                "first refused: {action}, {needed} {kind} credits needed, {left} left, {at}"
            )?;
        }
    }
    Ok(())
}

fn print(
    account: &AccountView, balance: &BalanceView, lines: &[Line], out: &mut dyn Write,
) -> anyhow::Result<()> {
    writeln!(out, "account    {}", account.id)?;
    writeln!(out, "workspace  {}", account.workspace)?;
    let seat = balance.seat.as_ref().map(|seat| format!(", seat {seat}")).unwrap_or_default();
    writeln!(out, "plan       {}{seat}", balance.plan)?;
    writeln!(out, "as of      {}", table::instant(Some(balance.as_of)))?;
    if let Some(closed_at) = account.closed_at {
        writeln!(out, "closed     {}", table::instant(Some(closed_at)))?;
    }
    writeln!(out)?;
    let row = |name: &str, KindBalance { allowance, used, remaining, grants, spendable, resets_at, .. }: &KindBalance| {
        [
            name.to_owned(),
            spendable.to_string(),
            remaining.to_string(),
            grants.to_string(),
            used.to_string(),
            allowance.to_string(),
            table::instant(*resets_at),
        ]
    };
    let headings = ["CREDITS", "SPENDABLE", "REMAINING", "GRANTS", "USED", "ALLOWANCE", "RESETS"];
    let rows = [row("message", &balance.message), row("integration", &balance.integration)];
    table::write(out, headings, &rows)?;
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let rows: Vec<_> = lines.iter().map(line).collect();
    let headings = ["SEQ", "EFFECTIVE", "KIND", "REASON", "AMOUNT", "POT", "AFTER", "ACTION"];
    table::write(out, headings, &rows)?;
    Ok(())
}

fn line(Line { seq, entry, .. }: &Line) -> [String; 8] {
    let Entry { pot, kind, amount, pot_after, reason, effective_at, action, .. } = entry;
    [
        seq.map_or_else(|| "due".to_owned(), |seq| seq.to_string()),
        table::instant(Some(*effective_at)),
        kind.to_string(),
        reason.as_str().to_owned(),
        amount.to_string(),
        pot.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
        pot_after.map_or_else(|| "-".to_owned(), |after| after.to_string()),
        table::text(action.as_ref().map(|action| action.as_str())),
    ]
}
