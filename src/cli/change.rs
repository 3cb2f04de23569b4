//! `creditd seat …`, `grant`, `revoke`, `adjust` and `rewards …`: changes by hand, through the writer
//! like all others, or only foreseen.

use super::args::{Adjust, Grant, Once, Revoke, Seat};
use super::person::line_json;
use super::table;
use crate::clock;
use crate::http::free_post;
use crate::settings::user_here;
use crate::store::{Change, Home, Line, Promised, Store};
use crate::writer::{Foreseen, Foresight, Key, Reply, Request, Submit};
use anyhow::{Context, bail};
use creditd_rules::entry::Entry;
use creditd_rules::id::{GrantId, RewardId, SeatId};
use creditd_rules::{Cause, Command};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::Write;
use uuid::{NoContext, Timestamp, Uuid};

/// What changes an account, or says what would change.
pub(super) enum Hand<'a> {
    /// It is done, by this writer on this store.
    Writes(&'a dyn Submit, &'a dyn Store),
    /// It is decided and not written.
    Foresees(&'a Foresight),
}

/// A change that was asked for on the command line.
pub(super) struct Asked {
    home: Home,
    command: Command,
    /// What its key stands for: the same words under the same key are a repetition.
    what: String,
    /// What is so afterwards, in words.
    said: String,
    /// The claim whose post is free again afterwards.
    frees: Option<RewardId>,
    once: Once,
}

impl Asked {
    /// Whether nothing is to be changed.
    pub(super) const fn is_dry_run(&self) -> bool {
        self.once.dry_run
    }

    /// `creditd seat …`.
    pub(super) fn seat(what: Seat) -> Self {
        let (seat, command, once, said) = match what {
            Seat::Assign { seat, account, once } => {
                let said = format!("seat {seat} is held by {account}");
                let seat = SeatId::from(seat);
                (seat.clone(), Command::Assign { seat, account: account.into() }, once, said)
            }
            Seat::Transfer { seat, to, once } => {
                let said = format!("seat {seat} is held by {to}");
                let seat = SeatId::from(seat);
                (seat.clone(), Command::Transfer { seat, to: to.into() }, once, said)
            }
            Seat::Release { seat, once } => {
                let said = format!("seat {seat} is vacant");
                let seat = SeatId::from(seat);
                (seat.clone(), Command::Release { seat }, once, said)
            }
        };
        let what = format!("{command:?}");
        Self { home: Home::Seat(seat), command, what, said, frees: None, once }
    }

    /// `creditd grant`.
    pub(super) fn grant(grant: Grant) -> Self {
        let Grant { account, kind, amount, reason, source, expires_at, once } = grant;
        let what = format!("grant {account} {kind} {amount} {source:?} {reason:?} {expires_at:?}");
        let said = format!("{account} has {amount} more {kind} credits");
        let home = Home::Account(account.as_str().into());
        let (id, account) = (new_grant_id(), account.into());
        let command = Command::Grant { id, account, kind, amount, source, reason, expires_at };
        Self { home, command, what, said, frees: None, once }
    }

    /// `creditd revoke`.
    pub(super) fn revoke(revoke: Revoke) -> Self {
        let Revoke { grant, reason, once } = revoke;
        let what = format!("revoke {grant} {reason:?}");
        let said = format!("nothing is left of grant {grant}");
        let id = GrantId::from(grant);
        let command = Command::Revoke { id: id.clone(), reason };
        Self { home: Home::Grant(id), command, what, said, frees: None, once }
    }

    /// `creditd adjust`.
    pub(super) fn adjust(adjust: Adjust) -> Self {
        let Adjust { account, kind, amount, reason, once } = adjust;
        let what = format!("adjust {account} {kind} {amount} {reason:?}");
        let said = match amount.is_negative() {
            true => format!("{account} has {} fewer {kind} credits", amount.negated()),
            false => format!("{account} has {amount} more {kind} credits"),
        };
        let home = Home::Account(account.as_str().into());
        let (grant, account) = (new_grant_id(), account.into());
        let command = Command::Adjust { account, kind, amount, reason, grant };
        Self { home, command, what, said, frees: None, once }
    }

    /// `creditd rewards approve` and `reject`.
    pub(super) fn reward(claim: String, approve: bool, reason: Option<String>, once: Once) -> Self {
        let decided = if approve { "approved" } else { "rejected" };
        let what = format!("{decided} {claim} {reason:?}");
        let said = format!("claim {claim} is {decided}");
        let id = RewardId::from(claim);
        let frees = (!approve).then(|| id.clone());
        let home = Home::Reward(id.clone());
        let command = Command::DecideReward { id, approve, reason, grant: new_grant_id() };
        Self { home, command, what, said, frees, once }
    }

    /// Makes the change, or foresees it, and says what became of it.
    pub(super) async fn run(self, hand: Hand<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
        let Self { home, command, what, said, frees, once } = self;
        let key = once.idempotency_key.clone().map(|key| Key {
            key,
            fingerprint: Sha256::digest(format!("command line: {what}").as_bytes()).into(),
        });
        let cause = Cause { by: Some(cause(&once)), at: None };
        let request = Request { home, command, cause, key };
        let (reply, change) = match hand {
            Hand::Writes(writer, store) => {
                let reply = writer.submit(request).await?;
                if let (Some(claim), Reply::Done { body, .. }) = (&frees, &reply) {
                    free_post(store, claim, body).await?;
                }
                (reply, None)
            }
            Hand::Foresees(foresight) => {
                let Foreseen { outcome, change } = foresight.foresee(&request).await?;
                (outcome?, Some(change))
            }
        };
        let (body, replayed) = match reply {
            Reply::Done { body, replayed } => (body, replayed),
            Reply::Rejected(rejection) => bail!("{rejection} ({})", rejection.code()),
        };
        let before = if replayed { " (done earlier under this key)" } else { "" };
        if once.form.json {
            let body: Value = serde_json::from_slice(&body).context("the answer is no JSON")?;
            let all = match &change {
                None => body,
                Some(change) => foreseen_json(&body, replayed, change.as_ref()),
            };
            return table::json(out, &all);
        }
        if let Some(change) = &change {
            writeln!(out, "dry run, nothing is changed: {said}{before}")?;
            return print_foreseen(change.as_ref(), out);
        }
        writeln!(out, "{said}{before}")?;
        Ok(())
    }
}

/// What the ledger says brought it about: who did it, and under which key.
fn cause(once: &Once) -> String {
    let key = once.idempotency_key.as_ref().map(|key| format!("key {key}"));
    let said: Vec<String> = once.by.clone().or_else(user_here).into_iter().chain(key).collect();
    match said.is_empty() {
        true => "command line".to_owned(),
        false => format!("command line: {}", said.join(", ")),
    }
}

fn new_grant_id() -> GrantId {
    let now = clock::wall();
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    let timestamp = Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos());
    GrantId::from(format!("grant_{}", Uuid::new_v7(timestamp).simple()))
}

/// A decision that was not written, as JSON: the answer, and all that would be written.
fn foreseen_json(answer: &Value, replayed: bool, change: Option<&Change>) -> Value {
    let lines = change.map_or(&[][..], |change| &change.entries).iter();
    let lines =
        lines.map(|entry| line_json(&Line { seq: None, posted_at: None, entry: entry.clone() }));
    let mails = change.map_or(&[][..], |change| &change.mails).iter();
    let mails = mails.map(|Promised { mail, .. }| {
        json!({ "template": mail.template, "account": mail.account, "kind": mail.kind })
    });
    json!({
        "dry_run": true,
        "replayed": replayed,
        "answer": answer,
        "entries": lines.collect::<Vec<_>>(),
        "mails": mails.collect::<Vec<_>>(),
    })
}

/// The lines that would be written.
fn print_foreseen(change: Option<&Change>, out: &mut dyn Write) -> anyhow::Result<()> {
    let Some(Change { entries, mails, .. }) = change else {
        writeln!(out, "nothing would be written")?;
        return Ok(());
    };
    if !entries.is_empty() {
        let rows: Vec<_> = entries.iter().map(row).collect();
        table::write(out, ["ACCOUNT", "KIND", "REASON", "AMOUNT", "POT", "AFTER"], &rows)?;
    }
    for Promised { mail, .. } in mails {
        writeln!(out, "a mail to {} about {} credits would be promised", mail.account, mail.kind)?;
    }
    Ok(())
}

fn row(entry: &Entry) -> [String; 6] {
    let Entry { account, kind, reason, amount, pot, pot_after, .. } = entry;
    [
        table::text(account.as_ref().map(|account| account.as_str())),
        kind.to_string(),
        reason.as_str().to_owned(),
        amount.to_string(),
        pot.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
        pot_after.map_or_else(|| "-".to_owned(), |after| after.to_string()),
    ]
}

#[cfg(test)]
mod tests;
