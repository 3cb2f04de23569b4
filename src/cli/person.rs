//! One person's account as commands read it: settled at this very instant, with the lines that are
//! due and not posted yet (R6).

use crate::store::{Home, LedgerQuery, Line, Store};
use anyhow::bail;
use creditd_rules::command::Touch;
use creditd_rules::decide::settle_for_reading;
use creditd_rules::entry::Entry;
use creditd_rules::id::AccountId;
use creditd_rules::plan::Catalogue;
use creditd_rules::state::Account;
use creditd_rules::{Instant, Workspace};
use serde_json::{Value, json};

/// How much of a workspace is loaded around an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Around {
    /// The account alone, with its seat and its grants.
    Alone,
    /// The whole team: who may be given a seat when another ends.
    Team,
}

/// An account in its workspace.
pub(super) struct Person {
    /// The workspace, settled.
    pub(super) workspace: Workspace,
    /// The account, as it is in there.
    pub(super) account: Account,
    /// The instant for which it holds.
    pub(super) now: Instant,
    /// What is due to the account and not posted, oldest first.
    due: Vec<Entry>,
}

impl Person {
    /// Reads an account, which must exist.
    pub(super) async fn read(
        store: &dyn Store, catalogue: &Catalogue, id: &AccountId, around: Around,
    ) -> anyhow::Result<Self> {
        let team = around == Around::Team;
        let touch = Touch { accounts: vec![id.clone()], team, ..Touch::default() };
        let found = store.read(&Home::Account(id.clone()), &touch).await?;
        let Some((now, mut workspace)) = found else { bail!("there is no account {id}") };
        let mut due = settle_for_reading(&mut workspace, catalogue, now);
        due.retain(|entry| entry.account.as_ref() == Some(id));
        let Some(account) = workspace.accounts.get(id).cloned() else {
            bail!("there is no account {id}");
        };
        Ok(Self { workspace, account, now, due })
    }

    /// The latest lines of its ledger, newest first, those due included.
    pub(super) async fn lines(&self, store: &dyn Store, count: u32) -> anyhow::Result<Vec<Line>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let account = Some(self.account.id.clone());
        let query = LedgerQuery { account, limit: count, ..LedgerQuery::default() };
        let posted = store.ledger(&self.workspace.id, &query).await?;
        let due = self.due.iter().rev().cloned();
        let lines = due.map(|entry| Line { seq: None, posted_at: None, entry }).chain(posted);
        Ok(lines.take(usize::try_from(count).unwrap_or(usize::MAX)).collect())
    }
}

/// A line as JSON has it.
pub(super) fn line_json(Line { seq, posted_at, entry }: &Line) -> Value {
    json!({
        "seq": seq,
        "pot": entry.pot.as_ref().map(ToString::to_string),
        "account": entry.account,
        "use": entry.use_id,
        "kind": entry.kind,
        "amount": entry.amount,
        "pot_after": entry.pot_after,
        "reason": entry.reason,
        "cycle_started_at": entry.cycle_started_at,
        "effective_at": entry.effective_at,
        "posted_at": posted_at,
        "actor": entry.actor,
        "app": entry.app,
        "action": entry.action,
        "price": entry.price,
        "cause": entry.cause,
        "cause_at": entry.cause_at,
    })
}
