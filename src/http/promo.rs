//! Promo codes: made, listed, ended and redeemed.
//!
//! A code lives under its own key, beside all workspaces. So a redemption is reserved there, then
//! granted in the account's workspace, then confirmed; what a crash cut off is finished by the next
//! request, under the id of the grant that was reserved, or freed by the maintenance.

use super::auth::{Manage, May, Read};
use super::input::field::{Credits, PromoCode, Whole};
use super::input::query::{Params, PathId};
use super::input::{Nothing, body, read, read_or_empty};
use super::keyed::{Done, Keyed};
use super::list::List;
use super::openapi::{KeyHeader, PageParams, Problems};
use super::problem::{Code, Problem};
use super::{Doors, new_id};
use crate::store::{Home, KeptAnswer, Promo, Reservation};
use crate::writer::SubmitError;
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use creditd_rules::id::{AccountId, GrantId};
use creditd_rules::view::GrantView;
use creditd_rules::{Command, Kind};
use serde::Serialize;
use std::sync::Arc;

body! {
    /// A promo code to make.
    pub(crate) struct PromoRequest {
        /// What people type.
        code: PromoCode,
        /// The kind of credit.
        kind: Kind,
        /// How many each redemption brings.
        amount: Credits,
        /// How often it can be redeemed in all.
        limit: Whole<1, 1_000_000_000>,
        /// When it can no longer be redeemed.
        ends_at: DateTime<Utc>,
        /// When what it granted ends; never where not given.
        grant_expires_at: Option<DateTime<Utc>>,
    }
}

body! {
    /// A promo code to redeem.
    pub(crate) struct RedeemRequest {
        /// The code.
        code: PromoCode,
    }
}

/// A promo code as it is after the call.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct PromoAnswer {
    #[serde(flatten)]
    promo: Promo,
    /// It was done by an earlier request with the same key.
    replayed: bool,
}

/// The grant that a redemption made.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct RedeemAnswer {
    #[serde(flatten)]
    grant: GrantView,
    /// It was done by an earlier request with the same key.
    replayed: bool,
}

/// Make a promo code
#[utoipa::path(post, path = "/v1/promo-codes", operation_id = "create_promo_code", tag = "promo codes", params(KeyHeader),
    request_body = PromoRequest, security(("key" = ["manage"])),
    responses((status = 200, description = "the code", body = PromoAnswer), Problems))]
pub(crate) async fn create(
    _: May<Manage>, State(doors): State<Arc<Doors>>, keyed: Keyed,
) -> Result<Done, Problem> {
    let PromoRequest { code, kind, amount, limit, ends_at, grant_expires_at } = read(&keyed.body)?;
    let promo = Promo {
        code: code.0,
        kind,
        amount: amount.0,
        limit: limit.get(),
        redeemed: 0,
        ends_at,
        grant_expires_at,
        created_at: doors.api.store.now().await?,
    };
    let answer = kept(&keyed, &promo);
    match doors.api.store.create_promo(&promo, &keyed.key.key, &answer).await? {
        Ok(None) => done(&keyed, answer, false),
        Ok(Some(earlier)) => done(&keyed, earlier, true),
        Err(()) => {
            let detail = format!("there is a promo code {} already", promo.code);
            Err(Problem::new(Code::PromoCodeExists, detail))
        }
    }
}

/// List promo codes
#[utoipa::path(get, path = "/v1/promo-codes", operation_id = "list_promo_codes", tag = "promo codes", params(PageParams),
    security(("key" = ["read"])),
    responses((status = 200, description = "by code", body = List<Promo>), Problems))]
pub(crate) async fn list(
    _: May<Read>, State(doors): State<Arc<Doors>>, mut params: Params,
) -> Result<Json<List<Promo>>, Problem> {
    let page = params.page();
    params.finish()?;
    List::try_new(&page, doors.api.store.promos(&page).await).map(Json)
}

/// End a promo code now
///
/// What was granted stays.
#[utoipa::path(post, path = "/v1/promo-codes/{id}/end", operation_id = "end_promo_code", tag = "promo codes",
    params(("id" = String, Path, description = "the code"), KeyHeader),
    request_body(content = Nothing, description = "`{}`, or no body at all"), security(("key" = ["manage"])),
    responses((status = 200, description = "the code", body = PromoAnswer), Problems))]
pub(crate) async fn end(
    _: May<Manage>, State(doors): State<Arc<Doors>>, PathId(code): PathId<PromoCode>, keyed: Keyed,
) -> Result<Done, Problem> {
    let Nothing {} = read_or_empty(&keyed.body)?;
    let store = &doors.api.store;
    let now = store.now().await?;
    let answer = |promo: &Promo| kept(&keyed, promo);
    match store.end_promo(&code.0, now, &keyed.key.key, &answer).await? {
        Some((answer, replayed)) => done(&keyed, answer, replayed),
        None => Err(no_such_code(&code)),
    }
}

/// Redeem a promo code
///
/// Once for each account, never more often than its limit.
#[utoipa::path(post, path = "/v1/accounts/{id}/redeem", operation_id = "redeem_promo_code", tag = "promo codes",
    params(("id" = String, Path, description = "who redeems"), KeyHeader),
    request_body = RedeemRequest, security(("key" = ["manage"])),
    responses((status = 200, description = "the grant", body = RedeemAnswer), Problems))]
pub(crate) async fn redeem(
    _: May<Manage>, State(doors): State<Arc<Doors>>, PathId(account): PathId<AccountId>,
    keyed: Keyed,
) -> Result<Done, Problem> {
    let RedeemRequest { code } = read(&keyed.body)?;
    let home = Home::Account(account.clone());
    let (now, _) = doors.load_account(&account).await?;
    let store = &doors.api.store;
    let promo = store.promo(&code.0).await?;
    let promo = promo.ok_or_else(|| no_such_code(&code).named_at("/code"))?;
    let refuse = |code: Code, detail: String| {
        doors.replay_or(home.clone(), &keyed, Problem::new(code, detail))
    };

    let _turn = doors.turns.take(account.as_str()).await;
    let fresh = GrantId::from(new_id("gr"));
    let grant = match store.reserve_promo(&code.0, &account, &fresh, now).await? {
        Reservation::Held(grant) => grant,
        Reservation::Already(grant) if doors.grant_is_made(&grant).await? => {
            store.settle_promo(&code.0, &account, true).await?;
            let detail = format!("{account} has redeemed {} already", code.0);
            return refuse(Code::CodeAlreadyRedeemed, detail).await;
        }
        Reservation::Already(cut_off) => cut_off,
        Reservation::Taken => {
            let detail = format!("{} was redeemed as often as it can be", code.0);
            return refuse(Code::CodeUsedUp, detail).await;
        }
        Reservation::Ended => {
            return refuse(Code::CodeEnded, format!("{} has ended", code.0)).await;
        }
        Reservation::Unknown => return Err(no_such_code(&code).named_at("/code")),
    };
    let command = Command::Grant {
        id: grant.clone(),
        account: account.clone(),
        kind: promo.kind,
        amount: promo.amount,
        source: format!("promo:{}", promo.code),
        reason: format!("promo code {}", promo.code),
        expires_at: promo.grant_expires_at,
    };
    let outcome = doors.try_submit(home, command, Some(keyed.key.clone())).await;
    if is_known(&outcome) {
        let made = doors.grant_is_made(&grant).await?;
        store.settle_promo(&code.0, &account, made).await?;
    }
    outcome?.map_err(Problem::from)
}

/// Whether it is certain what became of a submitted command. Where it is not, or the store does
/// not answer, the reservation stays for the next request or the maintenance.
pub(crate) fn is_known<T>(outcome: &Result<T, Problem>) -> bool {
    outcome.as_ref().err().is_none_or(|problem| problem.code() == Code::IdempotencyMismatch)
}

fn no_such_code(code: &PromoCode) -> Problem {
    Problem::new(Code::PromoCodeNotFound, format!("there is no promo code {}", code.0))
}

fn kept(keyed: &Keyed, promo: &Promo) -> KeptAnswer {
    let body = serde_json::to_vec(promo).unwrap_or_default();
    KeptAnswer { fingerprint: keyed.key.fingerprint, status: 200, body }
}

/// The answer that is kept under a key, if it was given to this very request.
fn done(keyed: &Keyed, answer: KeptAnswer, replayed: bool) -> Result<Done, Problem> {
    if answer.fingerprint == keyed.key.fingerprint {
        Ok(Done { body: answer.body, replayed, keyed: true })
    } else {
        Err(SubmitError::KeyMismatch.into())
    }
}
