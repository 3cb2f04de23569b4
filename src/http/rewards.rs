//! Share rewards: claimed with a post, decided by support.
//!
//! A post's address counts once across all accounts, so it is reserved under its own key first,
//! as a promo code is (see [`promo`](super::promo)).

use super::auth::{Manage, May, Read};
use super::input::field::{Network, ReasonText, Text, Whole};
use super::input::query::{Params, PathId};
use super::input::{body, read, read_or_empty};
use super::keyed::{Done, Keyed};
use super::list::List;
use super::openapi::{KeyHeader, PageParams, Problems};
use super::problem::{Code, Problem};
use super::promo::is_known;
use super::{Doors, new_id};
use crate::store::{Home, Reservation, Store, StoreResult};
use axum::Json;
use axum::extract::State;
use creditd_rules::Command;
use creditd_rules::id::{AccountId, AppId, RewardId};
use creditd_rules::state::RewardStatus;
use creditd_rules::view::RewardView;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

mod post_url;

body! {
    /// A claim of the share reward.
    pub(crate) struct ClaimRequest {
        /// Where it was shared.
        network: Network,
        /// The post's https address on the network's own host.
        post_url: Text<1_000>,
        /// Followers of the account that shared.
        followers: Whole<0, 1_000_000_000_000>,
        /// The app that was shared.
        app: Option<AppId>,
    }
}

body! {
    /// Why a claim is approved.
    pub(crate) struct ApproveRequest {
        /// In words.
        reason: Option<ReasonText>,
    }
}

body! {
    /// Why a claim is rejected.
    pub(crate) struct RejectRequest {
        /// In words.
        reason: ReasonText,
    }
}

/// A claim as it is after the call.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct RewardAnswer {
    #[serde(flatten)]
    reward: RewardView,
    /// It was done by an earlier request with the same key.
    replayed: bool,
}

/// Claim the share reward
#[utoipa::path(post, path = "/v1/accounts/{id}/rewards", operation_id = "claim_reward", tag = "rewards",
    params(("id" = String, Path, description = "who claims"), KeyHeader),
    request_body = ClaimRequest, security(("key" = ["manage"])),
    responses((status = 200, description = "the claim", body = RewardAnswer), Problems))]
pub(crate) async fn claim(
    _: May<Manage>, State(doors): State<Arc<Doors>>, PathId(account): PathId<AccountId>,
    keyed: Keyed,
) -> Result<Done, Problem> {
    let ClaimRequest { network, post_url, followers, app } = read(&keyed.body)?;
    let post_url = post_url::normal(network, &post_url.0)
        .map_err(|detail| Problem::invalid_at("/post_url", detail))?;
    let home = Home::Account(account.clone());
    let (now, _) = doors.load_account(&account).await?;
    let store = &doors.api.store;
    let refuse = |code: Code, detail: String| {
        doors.replay_or(home.clone(), &keyed, Problem::new(code, detail))
    };

    let _turn = doors.turns.take(account.as_str()).await;
    let fresh = RewardId::from(new_id("rw"));
    let id = loop {
        match store.reserve_post(&post_url, &account, &fresh, now).await? {
            Reservation::Held(id) => break id,
            Reservation::Already(id) => match doors.claim_status(&id).await? {
                // It was cut off before it was made.
                None => break id,
                // Its rejection was cut off before it freed the address.
                Some(RewardStatus::Rejected) => store.settle_post(&post_url, &id, false).await?,
                Some(RewardStatus::Claimed | RewardStatus::Approved) => {
                    store.settle_post(&post_url, &id, true).await?;
                    let detail = format!("{account} has claimed for this post already");
                    return refuse(Code::RewardAlreadyClaimed, detail).await;
                }
            },
            Reservation::Taken | Reservation::Ended | Reservation::Unknown => {
                let detail = "another account has claimed for this post";
                return refuse(Code::PostAlreadyUsed, detail.to_owned()).await;
            }
        }
    };
    let command = Command::Claim {
        id: id.clone(),
        account,
        network: network.as_str().to_owned(),
        post_url: post_url.clone(),
        followers: followers.0,
        app,
    };
    let outcome = doors.try_submit(home, command, Some(keyed.key.clone())).await;
    if is_known(&outcome) {
        let made = doors.claim_status(&id).await?.is_some();
        store.settle_post(&post_url, &id, made).await?;
    }
    outcome?.map_err(Problem::from)
}

/// List claims
#[utoipa::path(get, path = "/v1/rewards", operation_id = "list_rewards", tag = "rewards",
    params(("status" = Option<RewardStatus>, Query, description = "of this status alone"), PageParams),
    security(("key" = ["read"])),
    responses((status = 200, description = "claims by id", body = List<RewardView>), Problems))]
pub(crate) async fn list(
    _: May<Read>, State(doors): State<Arc<Doors>>, mut params: Params,
) -> Result<Json<List<RewardView>>, Problem> {
    let status = params.take::<RewardStatus>("status");
    let page = params.page();
    params.finish()?;
    List::try_new(&page, doors.api.store.rewards(status, &page).await).map(Json)
}

/// Approve a claim
///
/// The credits are granted at once.
#[utoipa::path(post, path = "/v1/rewards/{id}/approve", operation_id = "approve_reward", tag = "rewards",
    params(("id" = String, Path, description = "the claim"), KeyHeader),
    request_body(content = ApproveRequest, description = "may be left out"), security(("key" = ["manage"])),
    responses((status = 200, description = "the claim", body = RewardAnswer), Problems))]
pub(crate) async fn approve(
    _: May<Manage>, State(doors): State<Arc<Doors>>, PathId(id): PathId<RewardId>, keyed: Keyed,
) -> Result<Done, Problem> {
    let ApproveRequest { reason } = read_or_empty(&keyed.body)?;
    decide(&doors, id, true, reason, &keyed).await
}

/// Reject a claim
///
/// Network and address are free again.
#[utoipa::path(post, path = "/v1/rewards/{id}/reject", operation_id = "reject_reward", tag = "rewards",
    params(("id" = String, Path, description = "the claim"), KeyHeader),
    request_body = RejectRequest, security(("key" = ["manage"])),
    responses((status = 200, description = "the claim", body = RewardAnswer), Problems))]
pub(crate) async fn reject(
    _: May<Manage>, State(doors): State<Arc<Doors>>, PathId(id): PathId<RewardId>, keyed: Keyed,
) -> Result<Done, Problem> {
    let RejectRequest { reason } = read(&keyed.body)?;
    let done = decide(&doors, id.clone(), false, Some(reason), &keyed).await?;
    free_post(doors.api.store.as_ref(), &id, &done.body).await?;
    Ok(done)
}

/// Frees the post of a claim that was rejected; `answer` is what the rejection was answered.
///
/// A replay frees it too: the first time may have been cut off before. The reservation bears the
/// claim's id, so that nobody else's is touched.
///
/// # Errors
/// When the store does not take it.
pub(crate) async fn free_post(
    store: &dyn Store, claim: &RewardId, answer: &[u8],
) -> StoreResult<()> {
    #[derive(Deserialize)]
    struct Decided {
        post_url: String,
    }

    let Ok(Decided { post_url }) = serde_json::from_slice(answer) else { return Ok(()) };
    store.settle_post(&post_url, claim, false).await
}

async fn decide(
    doors: &Doors, id: RewardId, approve: bool, reason: Option<ReasonText>, keyed: &Keyed,
) -> Result<Done, Problem> {
    let command = Command::DecideReward {
        id: id.clone(),
        approve,
        reason: reason.map(|reason| reason.0),
        grant: new_id("gr").into(),
    };
    doors.submit(Home::Reward(id), command, keyed.asked()).await
}
