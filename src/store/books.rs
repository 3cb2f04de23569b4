//! Whether a workspace's ledger adds up to what is stored of it (R18), for every engine.

use super::{Fault, Line};
use creditd_rules::audit;
use creditd_rules::{Amount, Kind, Workspace};
use std::collections::BTreeMap;

/// A pot's name, and its kind.
type Pot = (String, Kind);

/// What the lines of one workspace say, gathered in the order of their numbers.
#[derive(Debug, Default)]
pub(super) struct Books {
    /// The sum of the lines of each account on each pot; a vacant seat's under none.
    sums: BTreeMap<(Pot, Option<String>), i128>,
    /// The sum of all lines of a pot so far.
    running: BTreeMap<Pot, i128>,
    /// The number of the last line.
    last: u64,
    faults: Vec<Fault>,
}

impl Books {
    /// Counts the next line in.
    pub(super) fn add(&mut self, line: &Line) {
        let seq = line.seq.unwrap_or(0);
        if seq != self.last.saturating_add(1) {
            let detail = format!("line {seq} comes after line {}", self.last);
            self.find("ledger", detail);
        }
        self.last = seq;
        let entry = &line.entry;
        let Some(pot) = &entry.pot else {
            if !entry.amount.is_zero() || entry.pot_after.is_some() {
                self.find(&format!("line {seq}"), "moves credits without a pot".to_owned());
            }
            return;
        };
        let pot = (pot.to_string(), entry.kind);
        let amount = i128::from(entry.amount.micros());
        let running = self.running.entry(pot.clone()).or_default();
        *running += amount;
        let now = *running;
        if entry.pot_after.map(|after| i128::from(after.micros())) != Some(now) {
            let said = entry.pot_after.map_or_else(|| "nothing".to_owned(), |n| n.to_string());
            let detail = format!("line {seq} leaves {said} in it, its lines {}", shown(now));
            self.find(&name(&pot), detail);
        }
        let account = entry.account.as_ref().map(ToString::to_string);
        *self.sums.entry((pot, account)).or_default() += amount;
    }

    /// What is wrong with the whole workspace `whole`, of which all lines were counted in.
    pub(super) fn faults(mut self, whole: &Workspace) -> Vec<Fault> {
        if whole.next_seq != self.last.saturating_add(1) {
            let detail =
                format!("the next line would be {}, the last is {}", whole.next_seq, self.last);
            self.find("ledger", detail);
        }
        let stored = audit::pots(whole);
        for (pot, (holder, balance)) in &stored {
            let found = self.running.get(pot).copied().unwrap_or(0);
            if found != i128::from(balance.micros()) {
                let detail = format!("{balance} is stored, its lines add up to {}", shown(found));
                self.find(&name(pot), detail);
            }
            self.sums.entry((pot.clone(), holder.clone())).or_default();
        }
        for ((pot, account), found) in std::mem::take(&mut self.sums) {
            let balance = stored
                .get(&pot)
                .filter(|(holder, _)| *holder == account)
                .map_or(0, |(_, balance)| i128::from(balance.micros()));
            if found != balance {
                let whose = account.as_deref().unwrap_or("nobody");
                let detail = format!(
                    "{whose} has {} in it, the lines of {whose} add up to {}",
                    shown(balance),
                    shown(found)
                );
                self.find(&name(&pot), detail);
            }
        }
        for audit::Finding { subject, detail } in audit::workspace(whole) {
            self.find(&subject, detail);
        }
        let home = whole.id.as_str();
        let mut faults = self.faults;
        for fault in &mut faults {
            fault.subject = format!("workspace {home}: {}", fault.subject);
        }
        faults
    }

    fn find(&mut self, subject: &str, detail: String) {
        self.faults.push(Fault { subject: subject.to_owned(), detail });
    }
}

fn name((pot, kind): &Pot) -> String {
    format!("{pot} ({kind})")
}

/// A sum as credits; one that is out of all range is shown at the range's end.
fn shown(micros: i128) -> Amount {
    let end = if micros < 0 { i64::MIN } else { i64::MAX };
    Amount::from_micros(i64::try_from(micros).unwrap_or(end))
}
