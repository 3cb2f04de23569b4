//! Seats: listed, assigned, transferred, released.

use super::Doors;
use super::auth::{Manage, May, Read};
use super::input::query::{Params, PathId};
use super::input::{Nothing, body, read, read_or_empty};
use super::keyed::{Done, Keyed};
use super::list::List;
use super::openapi::{KeyHeader, PageParams, Problems};
use super::problem::Problem;
use crate::store::{Home, PageQuery};
use axum::Json;
use axum::extract::State;
use creditd_rules::Command;
use creditd_rules::command::Touch;
use creditd_rules::decide::settle_for_reading;
use creditd_rules::id::{AccountId, SeatId, WorkspaceId};
use creditd_rules::state::SeatStatus;
use creditd_rules::view::SeatView;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

body! {
    /// Who gets the seat.
    pub(crate) struct AssignRequest {
        /// A member of the workspace without a seat.
        account: AccountId,
    }
}

body! {
    /// Who gets the seat.
    pub(crate) struct TransferRequest {
        /// A member of the workspace without a seat.
        to: AccountId,
    }
}

/// A seat as it is after the call.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SeatAnswer {
    #[serde(flatten)]
    seat: SeatView,
    /// It was done by an earlier request with the same key.
    replayed: bool,
}

/// List a workspace's seats
///
/// Active and suspended ones, or those of one status.
#[utoipa::path(get, path = "/v1/workspaces/{id}/seats", operation_id = "list_seats", tag = "seats",
    params(("id" = String, Path, description = "the workspace"),
        ("status" = Option<SeatStatus>, Query, description = "of this status alone"), PageParams),
    security(("key" = ["read"])),
    responses((status = 200, description = "seats by id", body = List<SeatView>), Problems))]
pub(crate) async fn list(
    _: May<Read>, State(doors): State<Arc<Doors>>, PathId(id): PathId<WorkspaceId>,
    mut params: Params,
) -> Result<Json<List<SeatView>>, Problem> {
    let status = params.take::<SeatStatus>("status");
    let page = params.page();
    params.finish()?;
    // The stored rows may be behind a boundary that is not posted yet; a read never is (R5).
    let touch = Touch { team: true, ..Touch::default() };
    let (now, mut workspace) = doors.load_workspace(&id, &touch).await?;
    settle_for_reading(&mut workspace, &doors.api.catalogue.now(), now);
    let after = page.cursor.as_deref();
    let mut seats: BTreeMap<SeatId, SeatView> = workspace
        .seats
        .values()
        .filter(|seat| status.map_or(seat.is_live(), |status| seat.status == status))
        .filter(|seat| after.is_none_or(|after| seat.id.as_str() > after))
        .map(|seat| (seat.id.clone(), SeatView::of(seat)))
        .collect();
    if status == Some(SeatStatus::Ended) {
        // Seats that ended long ago are no part of the team; they never change again.
        let limit = page.limit.saturating_add(1);
        let longer = PageQuery { limit, cursor: page.cursor.clone() };
        let ended = doors.api.store.seats(&id, status, &longer).await;
        let ended = List::try_new(&page, ended)?.data;
        seats.extend(ended.into_iter().map(|seat| (seat.id.clone(), seat)));
    }
    Ok(Json(List::cut(seats.into_values(), page.limit, |seat| seat.id.as_str())))
}

/// Seat a person in a vacant seat
#[utoipa::path(post, path = "/v1/seats/{id}/assign", operation_id = "assign_seat", tag = "seats",
    params(("id" = String, Path, description = "the seat"), KeyHeader),
    request_body = AssignRequest, security(("key" = ["manage"])),
    responses((status = 200, description = "the seat as it is now", body = SeatAnswer), Problems))]
pub(crate) async fn assign(
    _: May<Manage>, State(doors): State<Arc<Doors>>, PathId(seat): PathId<SeatId>, keyed: Keyed,
) -> Result<Done, Problem> {
    let AssignRequest { account } = read(&keyed.body)?;
    doors.home_of_account(&account, "/account").await?;
    let command = Command::Assign { seat: seat.clone(), account };
    doors.submit(Home::Seat(seat), command, keyed.asked()).await
}

/// Move a seat to another person
///
/// With plan, anchor and what is used. The giver is on the free plan from that instant.
#[utoipa::path(post, path = "/v1/seats/{id}/transfer", operation_id = "transfer_seat", tag = "seats",
    params(("id" = String, Path, description = "the seat"), KeyHeader),
    request_body = TransferRequest, security(("key" = ["manage"])),
    responses((status = 200, description = "the seat as it is now", body = SeatAnswer), Problems))]
pub(crate) async fn transfer(
    _: May<Manage>, State(doors): State<Arc<Doors>>, PathId(seat): PathId<SeatId>, keyed: Keyed,
) -> Result<Done, Problem> {
    let TransferRequest { to } = read(&keyed.body)?;
    doors.home_of_account(&to, "/to").await?;
    let command = Command::Transfer { seat: seat.clone(), to };
    doors.submit(Home::Seat(seat), command, keyed.asked()).await
}

/// Make a seat vacant
#[utoipa::path(post, path = "/v1/seats/{id}/release", operation_id = "release_seat", tag = "seats",
    params(("id" = String, Path, description = "the seat"), KeyHeader),
    request_body(content = Nothing, description = "`{}`, or no body at all"), security(("key" = ["manage"])),
    responses((status = 200, description = "the seat as it is now", body = SeatAnswer), Problems))]
pub(crate) async fn release(
    _: May<Manage>, State(doors): State<Arc<Doors>>, PathId(seat): PathId<SeatId>, keyed: Keyed,
) -> Result<Done, Problem> {
    let Nothing {} = read_or_empty(&keyed.body)?;
    let command = Command::Release { seat: seat.clone() };
    doors.submit(Home::Seat(seat), command, keyed.asked()).await
}
