//! Whether a workspace's stored state keeps the rules (R3, R13, R18).

use crate::amount::Amount;
use crate::entry::Pot;
use crate::plan::Kind;
use crate::state::{Allowance, Seat, SeatStatus, Workspace};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// One way in which stored state breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it concerns.
    pub subject: String,
    /// What is wrong with it.
    pub detail: String,
}

/// What each pot holds, and whose it is; the ledger's lines must add up to it.
#[must_use]
pub fn pots(workspace: &Workspace) -> BTreeMap<(String, Kind), (Option<String>, Amount)> {
    let mut pots = BTreeMap::new();
    for kind in Kind::ALL {
        for seat in workspace.seats.values() {
            let holder = seat.holder.as_ref().map(ToString::to_string);
            let pot = Pot::Seat(seat.id.clone()).to_string();
            pots.insert((pot, kind), (holder, seat.allowances[kind].balance));
        }
        for account in workspace.accounts.values() {
            let pot = Pot::Free(account.id.clone()).to_string();
            let balance = account.free[kind].allowance.balance;
            pots.insert((pot, kind), (Some(account.id.to_string()), balance));
        }
    }
    for grant in workspace.grants.values() {
        let pot = Pot::Grant(grant.id.clone()).to_string();
        pots.insert((pot, grant.kind), (Some(grant.account.to_string()), grant.balance));
    }
    pots
}

/// All ways in which a whole workspace breaks the rules.
#[must_use]
pub fn workspace(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |subject: &str, detail: String| {
        findings.push(Finding { subject: subject.to_string(), detail });
    };
    let mut held: BTreeMap<&str, &Seat> = BTreeMap::new();
    for seat in workspace.seats.values() {
        check_seat(seat, &mut find);
        let Some(holder) = seat.holder.as_ref().filter(|_| seat.is_live()) else { continue };
        if let Some(other) = held.insert(holder.as_str(), seat) {
            find(holder.as_str(), format!("holds seats {} and {}", other.id, seat.id));
        }
        if workspace.accounts.get(holder).is_none_or(|account| account.closed_at.is_some()) {
            find(seat.id.as_str(), format!("is held by {holder}, who is no open account here"));
        }
    }
    for account in workspace.accounts.values() {
        for kind in Kind::ALL {
            let free = &account.free[kind];
            check_allowance(account.id.as_str(), kind, &free.allowance, &mut find);
            if free.window.is_none() && !free.allowance.balance.is_zero() {
                find(account.id.as_str(), format!("has {kind} credits outside a window"));
            }
        }
    }
    for grant in workspace.grants.values() {
        if grant.balance.is_negative() || grant.balance > grant.amount {
            find(grant.id.as_str(), format!("holds {} of {}", grant.balance, grant.amount));
        }
        if grant.ended && !grant.balance.is_zero() {
            find(grant.id.as_str(), format!("has ended and holds {}", grant.balance));
        }
    }
    if let Some(owner) = &workspace.owner
        && !workspace.accounts.contains_key(owner)
    {
        find(workspace.id.as_str(), format!("is owned by {owner}, who is not a member"));
    }
    findings
}

fn check_seat(seat: &Seat, find: &mut impl FnMut(&str, String)) {
    let id = seat.id.as_str();
    if seat.status == SeatStatus::Active && seat.cycle.is_none() {
        find(id, "is active and has no cycle".to_string());
    }
    if seat.status == SeatStatus::Ended && seat.holder.is_some() {
        find(id, "has ended and has a holder".to_string());
    }
    if let Some(cycle) = seat.cycle
        && cycle.end <= cycle.start
    {
        find(id, format!("has a cycle from {} to {}", cycle.start, cycle.end));
    }
    for kind in Kind::ALL {
        let allowance = &seat.allowances[kind];
        check_allowance(id, kind, allowance, find);
        let ended = seat.status == SeatStatus::Ended || seat.cycle.is_none();
        let expected = allowance.limits.allowance().less(allowance.used);
        if !ended && allowance.balance != expected {
            find(id, format!("holds {} {kind} credits, not {expected}", allowance.balance));
        }
        if ended && !allowance.balance.is_zero() {
            find(id, format!("does not run and holds {} {kind} credits", allowance.balance));
        }
    }
}

fn check_allowance(
    subject: &str, kind: Kind, allowance: &Allowance, find: &mut impl FnMut(&str, String),
) {
    if allowance.balance.is_negative() || allowance.used.is_negative() {
        find(subject, format!("has a {kind} pot below zero: {}", allowance.balance));
    }
}
