//! Loading a part of a workspace and taking a change in, as plainly as can be.

use super::Kept;
use crate::store::wanted::Wanted;
use crate::store::{Change, Home, Line, MailState, Promised, StoreError, StoreResult, StoredMail};
use chrono::{DateTime, Utc};
use creditd_rules::command::Touch;
use creditd_rules::id::WorkspaceId;
use creditd_rules::plan::Kind;
use creditd_rules::state::{Allowance, SeatStatus};
use creditd_rules::{Instant, Workspace};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

impl Kept {
    /// The workspace of a home, whether or not it exists yet.
    pub(super) fn home(&self, home: &Home) -> Option<WorkspaceId> {
        let holding = |test: &dyn Fn(&Workspace) -> bool| {
            self.workspaces.values().find(|whole| test(whole)).map(|whole| whole.id.clone())
        };
        match home {
            Home::Workspace(id) => Some(id.clone()),
            Home::Account(id) => self.accounts.get(id).cloned(),
            Home::App(id) => self.apps.get(id).cloned(),
            Home::Customer(id) => self.customers.get(id).cloned(),
            Home::Seat(id) => holding(&|whole| whole.seats.contains_key(id)),
            Home::Grant(id) => holding(&|whole| whole.grants.contains_key(id)),
            Home::Reward(id) => holding(&|whole| whole.rewards.contains_key(id)),
        }
    }

    /// For each job the workspace of its home, and the homes with what is touched in them.
    pub(super) fn load(
        &self, jobs: &[(&Home, &Touch)], now: Instant,
    ) -> (Vec<Option<WorkspaceId>>, BTreeMap<WorkspaceId, Workspace>) {
        let homes: Vec<_> = jobs.iter().map(|(home, _)| self.home(home)).collect();
        let wanted = Wanted::of(jobs.iter().copied());
        let mut parts = BTreeMap::new();
        for id in homes.iter().flatten() {
            let Some(whole) = self.workspaces.get(id) else {
                parts.insert(id.clone(), Workspace::new(id.clone()));
                continue;
            };
            let mut part = touched(whole, &wanted);
            let asked = jobs
                .iter()
                .zip(&homes)
                .any(|((_, touch), home)| touch.team && home.as_ref() == Some(id));
            let now = now.max(whole.decided_at);
            if asked || part.seats.values().any(|seat| seat.ends_at.is_some_and(|at| at <= now)) {
                add_team(&mut part, whole, now);
            }
            parts.insert(id.clone(), part);
        }
        (homes, parts)
    }

    /// Takes a change in.
    pub(super) fn take(
        &mut self, change: &Change, now: Instant, wall: DateTime<Utc>,
    ) -> StoreResult<()> {
        let Change { before, after, entries, answers, mails, erased, alerts: _ } = change;
        let id = &after.id;
        let version = self.workspaces.get(id).map_or(0, |whole| whole.version);
        if version != before.version {
            return Err(StoreError::Conflict);
        }
        self.refuse_strangers(after)?;
        let whole = self.workspaces.entry(id.clone()).or_insert_with(|| Workspace::new(id.clone()));
        whole.owner.clone_from(&after.owner);
        whole.decided_at = after.decided_at;
        whole.version = after.version;
        whole.next_seq = after.next_seq;
        merge(&mut whole.accounts, &before.accounts, &after.accounts)?;
        merge(&mut whole.apps, &before.apps, &after.apps)?;
        merge(&mut whole.subscriptions, &before.subscriptions, &after.subscriptions)?;
        merge(&mut whole.seats, &before.seats, &after.seats)?;
        merge(&mut whole.grants, &before.grants, &after.grants)?;
        merge(&mut whole.rewards, &before.rewards, &after.rewards)?;
        refuse_impossible(whole)?;
        for account in after.accounts.keys() {
            self.accounts.insert(account.clone(), id.clone());
        }
        for app in after.apps.keys() {
            self.apps.insert(app.clone(), id.clone());
        }
        let posted_at = now.max(after.decided_at);
        let lines = (before.next_seq..).zip(entries).map(|(seq, entry)| {
            let (seq, posted_at) = (Some(seq), Some(posted_at));
            Arc::new(Line { seq, posted_at, entry: entry.clone() })
        });
        self.lines.entry(id.clone()).or_default().extend(lines);
        for (key, answer) in answers {
            let place = (id.as_str().to_owned(), key.clone());
            if self.answers.insert(place, (answer.clone(), wall)).is_some() {
                return Err(StoreError::Conflict);
            }
        }
        for Promised { mail, trace } in mails {
            self.mails.push(StoredMail {
                id: format!("mail-{:08}", self.mails.len()),
                workspace: id.clone(),
                mail: mail.clone(),
                created_at: posted_at,
                state: MailState::Queued,
                attempts: 0,
                next_attempt_at: wall,
                last_error: None,
                sent_at: None,
                trace: *trace,
            });
        }
        for mail in self.mails.iter_mut().filter(|mail| erased.contains(&mail.mail.account)) {
            mail.mail.to.clear();
            mail.mail.name = None;
            mail.mail.locale = None;
            if matches!(mail.state, MailState::Queued | MailState::Parked) {
                mail.state = MailState::Dropped;
            }
        }
        Ok(())
    }

    /// What belongs to another workspace stays there.
    fn refuse_strangers(&self, after: &Workspace) -> StoreResult<()> {
        let others = || self.workspaces.values().filter(|whole| whole.id != after.id);
        let here = |home: Option<&WorkspaceId>| home.is_none_or(|home| *home == after.id);
        let stays = after.accounts.keys().all(|id| here(self.accounts.get(id)))
            && after.apps.keys().all(|id| here(self.apps.get(id)))
            && others().all(|other| {
                after.subscriptions.keys().all(|id| !other.subscriptions.contains_key(id))
                    && after.seats.keys().all(|id| !other.seats.contains_key(id))
                    && after.grants.keys().all(|id| !other.grants.contains_key(id))
                    && after.rewards.keys().all(|id| !other.rewards.contains_key(id))
            });
        if stays {
            Ok(())
        } else {
            Err(StoreError::Refused("it belongs to another workspace".to_owned()))
        }
    }
}

/// What is wanted of a workspace, each account complete and each thing with its people.
fn touched(whole: &Workspace, wanted: &Wanted<'_>) -> Workspace {
    let mut part = head(whole);
    let has = |ids: &[&str], id: &str| ids.contains(&id);
    let pick = |id: &str| has(&wanted.accounts, id);
    let mut people: BTreeSet<_> =
        whole.accounts.keys().filter(|id| pick(id.as_str())).cloned().collect();
    for (id, app) in whole.apps.iter().filter(|(id, _)| has(&wanted.apps, id.as_str())) {
        part.apps.insert(id.clone(), app.clone());
        people.insert(app.owner.clone());
    }
    for (id, seat) in whole.seats.iter().filter(|(id, _)| has(&wanted.seats, id.as_str())) {
        part.seats.insert(id.clone(), seat.clone());
        people.extend(seat.holder.clone());
    }
    for (id, grant) in whole.grants.iter().filter(|(id, _)| has(&wanted.grants, id.as_str())) {
        part.grants.insert(id.clone(), grant.clone());
        people.insert(grant.account.clone());
    }
    for (id, reward) in &whole.rewards {
        let named = has(&wanted.rewards, id.as_str());
        let claim = has(&wanted.claims, reward.account.as_str())
            && reward.status != creditd_rules::state::RewardStatus::Rejected;
        if named || claim {
            part.rewards.insert(id.clone(), reward.clone());
        }
        if named {
            people.insert(reward.account.clone());
        }
    }
    add_people(&mut part, whole, &people);
    part
}

/// A workspace with nothing in it yet.
fn head(whole: &Workspace) -> Workspace {
    Workspace {
        owner: whole.owner.clone(),
        decided_at: whole.decided_at,
        version: whole.version,
        next_seq: whole.next_seq,
        ..Workspace::new(whole.id.clone())
    }
}

/// Accounts, each with its live seat and live grants.
fn add_people(
    part: &mut Workspace, whole: &Workspace, people: &BTreeSet<creditd_rules::id::AccountId>,
) {
    for id in people {
        if let Some(account) = whole.accounts.get(id) {
            part.accounts.insert(id.clone(), account.clone());
        }
        if let Some(seat) = whole.seat_of(id) {
            part.seats.insert(seat.id.clone(), seat.clone());
        }
        for kind in Kind::ALL {
            for grant in whole.grants_of(id, kind) {
                part.grants.insert(grant.id.clone(), grant.clone());
            }
        }
    }
}

/// All subscriptions and seats, with owner, holders and buyers.
fn add_team(part: &mut Workspace, whole: &Workspace, now: Instant) {
    part.subscriptions.clone_from(&whole.subscriptions);
    for seat in whole.seats.values() {
        let runs = seat.cycle.is_some_and(|cycle| cycle.end > now);
        if seat.status != SeatStatus::Ended || runs || seat.carries_used {
            part.seats.insert(seat.id.clone(), seat.clone());
        }
    }
    let holders = whole.seats.values().filter_map(|seat| seat.holder.clone());
    let buyers = whole.subscriptions.values().filter_map(|bought| bought.buyer.clone());
    let people = holders.chain(buyers).chain(whole.owner.clone()).collect();
    add_people(part, whole, &people);
}

/// Takes in what is new or differs. Nothing is ever removed.
fn merge<K: Ord + Clone + Debug, T: Clone>(
    whole: &mut BTreeMap<K, T>, before: &BTreeMap<K, T>, after: &BTreeMap<K, T>,
) -> StoreResult<()> {
    if let Some(lost) = before.keys().find(|id| !after.contains_key(*id)) {
        return Err(StoreError::Refused(format!("{lost:?} was removed, which nothing can be")));
    }
    whole.extend(after.iter().map(|(id, thing)| (id.clone(), thing.clone())));
    Ok(())
}

/// What no rule allows is not kept, whoever decided it.
fn refuse_impossible(whole: &Workspace) -> StoreResult<()> {
    let refused = |what: &str| Err(StoreError::Refused(what.to_owned()));
    let below = |allowance: &Allowance| {
        allowance.balance.is_negative()
            || allowance.used.is_negative()
            || allowance.day_used.is_negative()
    };
    for account in whole.accounts.values() {
        if Kind::ALL.into_iter().any(|kind| below(&account.free[kind].allowance)) {
            return refused("a free allowance is below zero");
        }
    }
    let mut holders = BTreeSet::new();
    for seat in whole.seats.values() {
        if Kind::ALL.into_iter().any(|kind| below(&seat.allowances[kind])) {
            return refused("a seat's allowance is below zero");
        }
        if seat.status == SeatStatus::Ended && seat.holder.is_some() {
            return refused("an ended seat has a holder");
        }
        if seat.holder.iter().any(|holder| !holders.insert(holder.clone())) {
            return Err(StoreError::Conflict);
        }
    }
    if whole.grants.values().any(|grant| grant.balance.is_negative()) {
        return refused("a grant is below zero");
    }
    Ok(())
}
