//! What an account has, and when it gets more.

use super::Doors;
use super::auth::{May, Read};
use super::input::query::{Params, PathId};
use super::openapi::Problems;
use super::problem::Problem;
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use creditd_rules::decide::settle_for_reading;
use creditd_rules::id::AccountId;
use creditd_rules::state::Account;
use creditd_rules::view::{self, BalanceView};
use creditd_rules::{Instant, Rejection, Workspace};
use serde::Serialize;
use std::sync::Arc;

/// How far ahead a balance can be asked for.
const AHEAD_MAX: TimeDelta = TimeDelta::days(36_525);

/// The boundaries ahead.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ScheduleAnswer {
    /// The first one first.
    resets: Vec<DateTime<Utc>>,
}

/// Read a balance
#[utoipa::path(get, path = "/v1/accounts/{id}/balance", operation_id = "get_balance", tag = "accounts",
    params(("id" = String, Path, description = "the host's own id"),
        ("at" = Option<DateTime<Utc>>, Query,
            description = "a later instant: as it would be if nothing were used until then")),
    security(("key" = ["read"])),
    responses((status = 200, description = "what the account has", body = BalanceView), Problems))]
pub(crate) async fn balance(
    _: May<Read>, State(doors): State<Arc<Doors>>, PathId(id): PathId<AccountId>,
    mut params: Params,
) -> Result<Json<BalanceView>, Problem> {
    let at = params.take::<DateTime<Utc>>("at");
    params.finish()?;
    let (now, mut workspace) = doors.load_account(&id).await?;
    let at = at.unwrap_or(now);
    if at < now || at.signed_duration_since(now) > AHEAD_MAX {
        return Err(Problem::invalid_at("?at", "must be now or later, within 100 years"));
    }
    let catalogue = &doors.api.catalogue.now();
    settle_for_reading(&mut workspace, catalogue, at);
    let account = open_account(&workspace, &id)?;
    Ok(Json(view::balance(&workspace, account, catalogue, at)))
}

/// Read the boundaries ahead
///
/// Fewer than asked for where the seat ends; of a free account the end of its open windows.
#[utoipa::path(get, path = "/v1/accounts/{id}/schedule", operation_id = "get_schedule", tag = "accounts",
    params(("id" = String, Path, description = "the host's own id"),
        ("count" = Option<u32>, Query, minimum = 1, maximum = 120,
            description = "how many at most; 1 where not given")),
    security(("key" = ["read"])),
    responses((status = 200, description = "the boundaries", body = ScheduleAnswer), Problems))]
pub(crate) async fn schedule(
    _: May<Read>, State(doors): State<Arc<Doors>>, PathId(id): PathId<AccountId>,
    mut params: Params,
) -> Result<Json<ScheduleAnswer>, Problem> {
    let count = params.number::<1, 120>("count").map_or(1, |count| count.get());
    params.finish()?;
    let (now, mut workspace) = doors.load_account(&id).await?;
    settle_for_reading(&mut workspace, &doors.api.catalogue.now(), now);
    let account = open_account(&workspace, &id)?;
    let count = usize::try_from(count).unwrap_or(1);
    Ok(Json(ScheduleAnswer { resets: resets(&workspace, account, now, count) }))
}

fn resets(
    workspace: &Workspace, account: &Account, now: Instant, count: usize,
) -> Vec<DateTime<Utc>> {
    view::schedule(workspace, account, now, count)
}

/// The account, unless it is closed and has nothing any more.
fn open_account<'a>(workspace: &'a Workspace, id: &AccountId) -> Result<&'a Account, Problem> {
    match workspace.accounts.get(id) {
        Some(account) if account.closed_at.is_none() => Ok(account),
        Some(_) => Err(Rejection::AccountClosed(id.clone()).into()),
        None => Err(Rejection::AccountNotFound(id.to_string()).into()),
    }
}
