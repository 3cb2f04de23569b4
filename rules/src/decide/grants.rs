//! Credits outside a plan: grants, corrections by hand, share rewards (R15).

use super::Desk;
use super::book::{By, Line};
use crate::amount::Amount;
use crate::calendar::Instant;
use crate::command::{Answer, Command, Rejection};
use crate::entry::{Entry, Pot, Reason};
use crate::id::{AccountId, GrantId, RewardId};
use crate::plan::{Kind, RewardOnce};
use crate::state::{Grant, Reward, RewardStatus};
use crate::view::{GrantView, RewardView};
use alloc::format;
use alloc::string::String;

/// A grant to be made.
pub(super) struct Gift<'a> {
    pub(super) id: &'a GrantId,
    pub(super) account: &'a AccountId,
    pub(super) kind: Kind,
    pub(super) amount: Amount,
    pub(super) source: String,
    pub(super) why: String,
    pub(super) expires_at: Option<Instant>,
    pub(super) reason: Reason,
}

impl Desk<'_> {
    /// Makes a grant, once. An id is held for one redemption, which a second request finishes
    /// where the first was cut off; where it was not, the second one came too late (R15). A request
    /// that is repeated has its key, and does not get here (R17).
    pub(super) fn grant(&mut self, command: &Command) -> Result<Answer, Rejection> {
        let Command::Grant { id, account, kind, amount, source, reason, expires_at } = command
        else {
            return Err(Rejection::Invalid { field: "command", detail: "is not a grant" });
        };
        self.open_account(account)?;
        if self.ws.grants.contains_key(id) {
            return Err(Rejection::AlreadyRedeemed(id.clone()));
        }
        if *amount <= Amount::ZERO {
            return Err(Rejection::Invalid { field: "amount", detail: "must be above zero" });
        }
        if expires_at.is_some_and(|end| end <= self.now) {
            return Err(Rejection::Invalid { field: "expires_at", detail: "must lie ahead" });
        }
        self.give(Gift {
            id,
            account,
            kind: *kind,
            amount: *amount,
            source: source.clone(),
            why: reason.clone(),
            expires_at: *expires_at,
            reason: Reason::Grant,
        })
    }

    /// Puts a grant in place; all else has been checked. An id that exists answers what it made,
    /// so that what was cut off can be finished.
    pub(super) fn give(&mut self, gift: Gift<'_>) -> Result<Answer, Rejection> {
        if let Some(made) = self.ws.grants.get(gift.id) {
            return Ok(Answer::Grant(GrantView::of(made)));
        }
        let total = self.spendable(gift.account, gift.kind);
        if total.checked_add(gift.amount).is_none() {
            return Err(Rejection::Invalid { field: "amount", detail: "is too large" });
        }
        let grant = Grant {
            id: gift.id.clone(),
            account: gift.account.clone(),
            kind: gift.kind,
            amount: gift.amount,
            balance: gift.amount,
            source: gift.source,
            reason: gift.why,
            created_at: self.now,
            expires_at: gift.expires_at,
            ended: false,
        };
        self.book.line(Line {
            pot: Pot::Grant(grant.id.clone()),
            account: Some(&grant.account),
            kind: grant.kind,
            amount: grant.amount,
            after: grant.amount,
            reason: gift.reason,
            cycle_started_at: None,
            effective_at: self.now,
        });
        let view = GrantView::of(&grant);
        self.ws.grants.insert(grant.id.clone(), grant);
        self.arm(gift.account, gift.kind);
        Ok(Answer::Grant(view))
    }

    /// Takes back what is left of a grant.
    pub(super) fn revoke(&mut self, id: &GrantId, why: &str) -> Result<Answer, Rejection> {
        let now = self.now;
        let grant =
            self.ws.grants.get_mut(id).ok_or_else(|| Rejection::GrantNotFound(id.clone()))?;
        if !grant.ended {
            self.book.line(Line {
                pot: Pot::Grant(grant.id.clone()),
                account: Some(&grant.account),
                kind: grant.kind,
                amount: grant.balance.negated(),
                after: Amount::ZERO,
                reason: Reason::Revoke,
                cycle_started_at: None,
                effective_at: now,
            });
            grant.reason = format!("{}; revoked: {why}", grant.reason);
            grant.balance = Amount::ZERO;
            grant.ended = true;
        }
        Ok(Answer::Grant(GrantView::of(grant)))
    }

    /// Corrects by hand: a positive amount lies in a pot of its own; a negative one is taken in
    /// R14's order, and refused below zero.
    pub(super) fn adjust(
        &mut self, account: &AccountId, kind: Kind, amount: Amount, why: &str, id: &GrantId,
    ) -> Result<Answer, Rejection> {
        self.open_account(account)?;
        if amount.is_zero() {
            return Err(Rejection::Invalid { field: "amount", detail: "must not be zero" });
        }
        if !amount.is_negative() {
            return self.give(Gift {
                id,
                account,
                kind,
                amount,
                source: String::from("adjustment"),
                why: String::from(why),
                expires_at: None,
                reason: Reason::Adjust,
            });
        }
        let available = self.spendable(account, kind);
        let taken = amount.negated();
        if available < taken {
            return Err(Rejection::BelowZero { available });
        }
        self.draw(account, kind, taken, |entry| Entry { reason: Reason::Adjust, ..entry });
        Ok(Answer::Adjusted { taken, spendable: self.spendable(account, kind) })
    }

    /// Claims a share reward, once for each id, as a grant is made.
    pub(super) fn claim(&mut self, command: &Command) -> Result<Answer, Rejection> {
        let Command::Claim { id, account, network, post_url, followers, app } = command else {
            return Err(Rejection::Invalid { field: "command", detail: "is not a claim" });
        };
        self.open_account(account)?;
        if self.ws.rewards.contains_key(id) {
            // Another request finished the claim that was held for both.
            return Err(Rejection::RewardAlreadyClaimed { network: network.clone() });
        }
        let needed_above = self.catalogue.policy.share_followers_above;
        if *followers <= needed_above {
            return Err(Rejection::TooFewFollowers { needed_above });
        }
        let once = self.catalogue.policy.share_reward_once;
        let taken = self.ws.rewards.values().any(|reward| {
            reward.account == *account
                && reward.status != RewardStatus::Rejected
                && (once == RewardOnce::Account || reward.network == *network)
        });
        if taken {
            return Err(Rejection::RewardAlreadyClaimed { network: network.clone() });
        }
        let reward = Reward {
            id: id.clone(),
            account: account.clone(),
            network: network.clone(),
            post_url: post_url.clone(),
            followers: *followers,
            app: app.clone(),
            status: RewardStatus::Claimed,
            claimed_at: self.now,
            decided_at: None,
            reason: None,
            grant: None,
        };
        let view = RewardView::of(&reward);
        self.ws.rewards.insert(id.clone(), reward);
        Ok(Answer::Reward(view))
    }

    /// Approves or rejects a claim.
    pub(super) fn decide_reward(
        &mut self, id: &RewardId, approve: bool, why: Option<&String>, grant: &GrantId,
    ) -> Result<Answer, Rejection> {
        let reward =
            self.ws.rewards.get(id).ok_or_else(|| Rejection::RewardNotFound(id.clone()))?.clone();
        if reward.status != RewardStatus::Claimed {
            return Err(Rejection::RewardAlreadyDecided(id.clone()));
        }
        if approve {
            self.open_account(&reward.account)?;
            self.give(Gift {
                id: grant,
                account: &reward.account,
                kind: Kind::Message,
                amount: self.catalogue.policy.share_reward,
                source: format!("share:{}", reward.network),
                why: why.cloned().unwrap_or_else(|| String::from("share reward")),
                expires_at: None,
                reason: Reason::Grant,
            })?;
        }
        let decided = Reward {
            status: if approve { RewardStatus::Approved } else { RewardStatus::Rejected },
            decided_at: Some(self.now),
            reason: why.cloned(),
            grant: approve.then(|| grant.clone()),
            ..reward
        };
        let view = RewardView::of(&decided);
        self.ws.rewards.insert(id.clone(), decided);
        Ok(Answer::Reward(view))
    }

    /// All live grants of an account end now (R19).
    pub(super) fn end_grants_of(&mut self, account: &AccountId) {
        for kind in Kind::ALL {
            let theirs: alloc::vec::Vec<GrantId> =
                self.ws.grants_of(account, kind).map(|grant| grant.id.clone()).collect();
            for id in theirs {
                self.end_grant(&id, self.now, By::Command);
            }
        }
    }
}
