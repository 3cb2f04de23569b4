//! Credits outside a plan, given, taken back and corrected by support.

use super::auth::{Manage, May, Read};
use super::input::field::{Credits, ReasonText, SignedCredits, Text};
use super::input::query::{Params, PathId};
use super::input::{body, read};
use super::keyed::{Done, Keyed};
use super::list::List;
use super::openapi::{KeyHeader, PageParams, Problems};
use super::problem::Problem;
use super::{Doors, new_id};
use crate::store::Home;
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use creditd_rules::decide::settle_for_reading;
use creditd_rules::id::{AccountId, GrantId};
use creditd_rules::view::GrantView;
use creditd_rules::{Amount, Command, Kind};
use serde::Serialize;
use std::sync::Arc;

body! {
    /// Credits to give.
    pub(crate) struct GrantRequest {
        /// The kind of credit.
        kind: Kind,
        /// How many.
        amount: Credits,
        /// Why.
        reason: ReasonText,
        /// Where they come from; `support` where not given.
        source: Option<Text<200>>,
        /// When they end; never where not given.
        expires_at: Option<DateTime<Utc>>,
    }
}

body! {
    /// Why a grant is taken back.
    pub(crate) struct RevokeRequest {
        /// In words.
        reason: ReasonText,
    }
}

body! {
    /// A correction by hand.
    pub(crate) struct AdjustRequest {
        /// The kind of credit.
        kind: Kind,
        /// Added, or with a minus taken in the order of use; never below zero.
        amount: SignedCredits,
        /// Why.
        reason: ReasonText,
    }
}

/// A grant as it is after the call.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct GrantAnswer {
    #[serde(flatten)]
    grant: GrantView,
    /// It was done by an earlier request with the same key.
    replayed: bool,
}

/// What a correction did.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes the answer, which is a kept body")]
pub(crate) enum AdjustAnswer {
    /// A positive one made a grant.
    Given(GrantAnswer),
    /// A negative one took credits.
    Taken(TakenAnswer),
}

/// What a negative correction did.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct TakenAnswer {
    /// What it took.
    taken: Amount,
    /// What can be spent after it.
    spendable: Amount,
    /// It was done by an earlier request with the same key.
    replayed: bool,
}

/// Give credits
#[utoipa::path(post, path = "/v1/accounts/{id}/grants", operation_id = "give_grant", tag = "grants",
    params(("id" = String, Path, description = "who gets them"), KeyHeader),
    request_body = GrantRequest, security(("key" = ["manage"])),
    responses((status = 200, description = "the grant", body = GrantAnswer), Problems))]
pub(crate) async fn give(
    _: May<Manage>, State(doors): State<Arc<Doors>>, PathId(account): PathId<AccountId>,
    keyed: Keyed,
) -> Result<Done, Problem> {
    let GrantRequest { kind, amount, reason, source, expires_at } = read(&keyed.body)?;
    let command = Command::Grant {
        id: new_id("gr").into(),
        account: account.clone(),
        kind,
        amount: amount.0,
        source: source.map_or_else(|| "support".to_owned(), |source| source.0),
        reason: reason.0,
        expires_at,
    };
    doors.submit(Home::Account(account), command, keyed.asked()).await
}

/// List an account's grants
#[utoipa::path(get, path = "/v1/accounts/{id}/grants", operation_id = "list_grants", tag = "grants",
    params(("id" = String, Path, description = "whose"), PageParams),
    security(("key" = ["read"])),
    responses((status = 200, description = "newest first, ended ones too",
        body = List<GrantView>), Problems))]
pub(crate) async fn list(
    _: May<Read>, State(doors): State<Arc<Doors>>, PathId(account): PathId<AccountId>,
    mut params: Params,
) -> Result<Json<List<GrantView>>, Problem> {
    let page = params.page();
    params.finish()?;
    let mut list = List::try_new(&page, doors.api.store.grants(&account, &page).await)?;
    // The stored rows may be behind an end that is not posted yet; a read never is (R5).
    let (now, mut workspace) = doors.load_account(&account).await?;
    settle_for_reading(&mut workspace, &doors.api.catalogue.now(), now);
    for row in &mut list.data {
        if let Some(grant) = workspace.grants.get(&row.id) {
            *row = GrantView::of(grant);
        }
    }
    Ok(Json(list))
}

/// Take back what is left of a grant
#[utoipa::path(post, path = "/v1/grants/{id}/revoke", operation_id = "revoke_grant", tag = "grants",
    params(("id" = String, Path, description = "the grant"), KeyHeader),
    request_body = RevokeRequest, security(("key" = ["manage"])),
    responses((status = 200, description = "the grant", body = GrantAnswer), Problems))]
pub(crate) async fn revoke(
    _: May<Manage>, State(doors): State<Arc<Doors>>, PathId(id): PathId<GrantId>, keyed: Keyed,
) -> Result<Done, Problem> {
    let RevokeRequest { reason } = read(&keyed.body)?;
    let command = Command::Revoke { id: id.clone(), reason: reason.0 };
    doors.submit(Home::Grant(id), command, keyed.asked()).await
}

/// Correct what an account has
#[utoipa::path(post, path = "/v1/accounts/{id}/adjustments", operation_id = "adjust_account", tag = "grants",
    params(("id" = String, Path, description = "whose"), KeyHeader),
    request_body = AdjustRequest, security(("key" = ["manage"])),
    responses((status = 200, description = "what was done", body = AdjustAnswer), Problems))]
pub(crate) async fn adjust(
    _: May<Manage>, State(doors): State<Arc<Doors>>, PathId(account): PathId<AccountId>,
    keyed: Keyed,
) -> Result<Done, Problem> {
    let AdjustRequest { kind, amount, reason } = read(&keyed.body)?;
    let command = Command::Adjust {
        account: account.clone(),
        kind,
        amount: amount.0,
        reason: reason.0,
        grant: new_id("gr").into(),
    };
    doors.submit(Home::Account(account), command, keyed.asked()).await
}
