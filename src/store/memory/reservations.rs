//! Promo codes and post addresses.

use super::Kept;
use crate::store::{Loose, Reservation};
use creditd_rules::Instant;
use creditd_rules::id::{AccountId, GrantId, RewardId};
use creditd_rules::state::RewardStatus;

/// A redemption of a code by an account.
#[derive(Debug, Clone)]
pub(super) struct Redemption {
    grant: GrantId,
    held_at: Instant,
    made: bool,
}

/// A claim that names a post.
#[derive(Debug, Clone)]
pub(super) struct Post {
    account: AccountId,
    reward: RewardId,
    held_at: Instant,
    made: bool,
}

impl Kept {
    pub(super) fn reserve_promo(
        &mut self, code: &str, account: &AccountId, grant: &GrantId, now: Instant,
    ) -> Reservation<GrantId> {
        let place = (code.to_owned(), account.clone());
        if let Some(held) = self.redemptions.get(&place) {
            return Reservation::Already(held.grant.clone());
        }
        let Some(promo) = self.promos.get_mut(code) else { return Reservation::Unknown };
        if let Some(closed) = promo.closed(now) {
            return closed;
        }
        promo.redeemed += 1;
        let held = Redemption { grant: grant.clone(), held_at: now, made: false };
        self.redemptions.insert(place, held);
        Reservation::Held(grant.clone())
    }

    pub(super) fn settle_promo(&mut self, code: &str, account: &AccountId, made: bool) {
        let place = (code.to_owned(), account.clone());
        let Some(held) = self.redemptions.get_mut(&place) else { return };
        if made {
            held.made = true;
        } else if !held.made {
            self.redemptions.remove(&place);
            if let Some(promo) = self.promos.get_mut(code) {
                promo.redeemed -= 1;
            }
        }
    }

    pub(super) fn reserve_post(
        &mut self, post_url: &str, account: &AccountId, reward: &RewardId, now: Instant,
    ) -> Reservation<RewardId> {
        if let Some(held) = self.posts.get(post_url) {
            return Reservation::held(held.account.as_str(), account, held.reward.clone());
        }
        let held =
            Post { account: account.clone(), reward: reward.clone(), held_at: now, made: false };
        self.posts.insert(post_url.to_owned(), held);
        Reservation::Held(reward.clone())
    }

    pub(super) fn settle_post(&mut self, post_url: &str, reward: &RewardId, made: bool) {
        let Some(held) = self.posts.get_mut(post_url).filter(|held| held.reward == *reward) else {
            return;
        };
        if made {
            held.made = true;
        } else {
            self.posts.remove(post_url);
        }
    }

    pub(super) fn loose(&self, before: Instant) -> Vec<Loose> {
        let redemptions = self.redemptions.iter().filter(|(_, held)| !held.made);
        let promos =
            redemptions.filter(|(_, held)| held.held_at < before).map(|((code, account), held)| {
                Loose::Promo {
                    code: code.clone(),
                    account: account.clone(),
                    grant: held.grant.clone(),
                }
            });
        let rejected = |held: &Post| {
            let mut claims = self.workspaces.values().filter_map(|w| w.rewards.get(&held.reward));
            claims.any(|claim| claim.status == RewardStatus::Rejected)
        };
        let posts = self
            .posts
            .iter()
            .filter(|(_, held)| (!held.made && held.held_at < before) || rejected(held));
        let posts = posts.map(|(post_url, held)| Loose::Post {
            post_url: post_url.clone(),
            account: held.account.clone(),
            reward: held.reward.clone(),
        });
        promos.chain(posts).collect()
    }
}
