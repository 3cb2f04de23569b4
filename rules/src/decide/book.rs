//! The lines and effects that a decision writes.

use crate::amount::Amount;
use crate::calendar::Instant;
use crate::command::{Alert, Cause, Effect};
use crate::entry::{Entry, Pot, Reason};
use crate::id::AccountId;
use crate::plan::Kind;
use alloc::string::String;
use alloc::vec::Vec;

/// What stands as the cause of lines that time alone brings.
const CLOCK: &str = "clock";

/// What brought a line about: time alone, or the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Clock,
    Command,
}

/// What a decision has written so far.
pub(crate) struct Book<'a> {
    cause: &'a Cause,
    entries: Vec<Entry>,
    effects: Vec<Effect>,
}

/// A line that changes one pot.
pub(crate) struct Line<'a> {
    pub(crate) pot: Pot,
    pub(crate) account: Option<&'a AccountId>,
    pub(crate) kind: Kind,
    pub(crate) amount: Amount,
    pub(crate) after: Amount,
    pub(crate) reason: Reason,
    pub(crate) cycle_started_at: Option<Instant>,
    pub(crate) effective_at: Instant,
}

impl<'a> Book<'a> {
    pub(crate) fn new(cause: &'a Cause) -> Self {
        Self { cause, entries: Vec::new(), effects: Vec::new() }
    }

    pub(crate) fn close(self) -> (Vec<Entry>, Vec<Effect>) {
        (self.entries, self.effects)
    }

    /// Writes a line that the command brought about.
    pub(crate) fn line(&mut self, line: Line<'_>) {
        self.line_by(line, By::Command);
    }

    /// Writes a line that time or the command brought about.
    pub(crate) fn line_by(&mut self, line: Line<'_>, by: By) {
        let (by, at) = match by {
            By::Clock => (Some(String::from(CLOCK)), None),
            By::Command => (self.cause.by.clone(), self.cause.at),
        };
        self.entries.push(Entry {
            pot: Some(line.pot),
            account: line.account.cloned(),
            use_id: None,
            kind: line.kind,
            amount: line.amount,
            pot_after: Some(line.after),
            reason: line.reason,
            cycle_started_at: line.cycle_started_at,
            effective_at: line.effective_at,
            actor: None,
            app: None,
            action: None,
            price: None,
            cause: by,
            cause_at: at,
        });
    }

    /// Writes a line as it is, with the command's cause.
    pub(crate) fn entry(&mut self, mut entry: Entry) {
        entry.cause.clone_from(&self.cause.by);
        entry.cause_at = self.cause.at;
        self.entries.push(entry);
    }

    pub(crate) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(crate) fn alert(&mut self, code: &'static str, subject: &str, detail: String) {
        self.effect(Effect::Alert(Alert { code, subject: String::from(subject), detail }));
    }
}
