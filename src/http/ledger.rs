//! The ledger of an account or a seat, newest line first, with the lines that are due (R6).
//!
//! Lines that are due are numbered as if they were posted next, so that one cursor runs through
//! them and the posted ones, also when they are posted between two pages.

use super::Doors;
use super::auth::{May, Read};
use super::input::query::{Params, PathId};
use super::list::List;
use super::openapi::{PageParams, Problems};
use super::problem::Problem;
use crate::store::{Home, LedgerQuery, Line};
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use creditd_rules::command::Touch;
use creditd_rules::decide::settle_for_reading;
use creditd_rules::entry::{Entry, Pot, Reason};
use creditd_rules::id::{AccountId, ActionId, AppId, SeatId, UseId};
use creditd_rules::{Amount, Kind};
use serde::Serialize;
use std::sync::Arc;

/// One line of the ledger. Every key is there; null where there is nothing to say.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct EntryView {
    /// Its number in the workspace, in posting order; null for a line that is due.
    seq: Option<u64>,
    /// The pot that changed: `seat/…`, `free/…` or `grant/…`; null for a free action.
    pot: Option<String>,
    /// The seat, where the pot is a seat's.
    seat: Option<SeatId>,
    /// Whose it was then.
    account: Option<AccountId>,
    /// The debit that it belongs to: the `id` that `POST /v1/usage` answered.
    r#use: Option<UseId>,
    /// The kind of credit.
    kind: Kind,
    /// What was added, or taken where negative.
    amount: Amount,
    /// What the pot held afterwards.
    pot_after: Option<Amount>,
    /// Why.
    reason: Reason,
    /// Start of the cycle or window that it concerns.
    cycle_started_at: Option<DateTime<Utc>>,
    /// The instant from which it counts.
    effective_at: DateTime<Utc>,
    /// When it was posted; null for a line that is due.
    posted_at: Option<DateTime<Utc>>,
    /// Who acted, as the request named them.
    actor: Option<String>,
    /// The app, as the request named it.
    app: Option<AppId>,
    /// The action.
    action: Option<ActionId>,
    /// What one such action costs.
    price: Option<Amount>,
    /// What brought it about: an event, a key, a command, or the clock.
    cause: Option<String>,
    /// When the cause happened where that was earlier.
    cause_at: Option<DateTime<Utc>>,
}

impl From<Line> for EntryView {
    fn from(Line { seq, posted_at, entry }: Line) -> Self {
        let seat = match &entry.pot {
            Some(Pot::Seat(id)) => Some(id.clone()),
            Some(Pot::Free(_) | Pot::Grant(_)) | None => None,
        };
        Self {
            seq,
            pot: entry.pot.map(|pot| pot.to_string()),
            seat,
            account: entry.account,
            r#use: entry.use_id,
            kind: entry.kind,
            amount: entry.amount,
            pot_after: entry.pot_after,
            reason: entry.reason,
            cycle_started_at: entry.cycle_started_at,
            effective_at: entry.effective_at,
            posted_at,
            actor: entry.actor,
            app: entry.app,
            action: entry.action,
            price: entry.price,
            cause: entry.cause,
            cause_at: entry.cause_at,
        }
    }
}

/// Read an account's ledger
///
/// Newest first. Lines that are due and not yet posted come first, without `seq` and `posted_at`.
#[utoipa::path(get, path = "/v1/accounts/{id}/ledger", operation_id = "get_account_ledger", tag = "accounts",
    params(("id" = String, Path, description = "the host's own id"),
        ("kind" = Option<Kind>, Query, description = "of this kind alone"),
        ("from" = Option<DateTime<Utc>>, Query, description = "effective then or later"),
        ("to" = Option<DateTime<Utc>>, Query, description = "effective before then"), PageParams),
    security(("key" = ["read"])),
    responses((status = 200, description = "lines", body = List<EntryView>), Problems))]
pub(crate) async fn of_account(
    _: May<Read>, State(doors): State<Arc<Doors>>, PathId(id): PathId<AccountId>, params: Params,
) -> Result<Json<List<EntryView>>, Problem> {
    let touch = Touch { accounts: vec![id.clone()], ..Touch::default() };
    let query = LedgerQuery { account: Some(id.clone()), ..read_query(params)? };
    lines(&doors, &Home::Account(id), &touch, query).await.map(Json)
}

/// Read a seat's ledger
///
/// As an account's, whoever held the seat.
#[utoipa::path(get, path = "/v1/seats/{id}/ledger", operation_id = "get_seat_ledger", tag = "seats",
    params(("id" = String, Path, description = "the seat"),
        ("kind" = Option<Kind>, Query, description = "of this kind alone"),
        ("from" = Option<DateTime<Utc>>, Query, description = "effective then or later"),
        ("to" = Option<DateTime<Utc>>, Query, description = "effective before then"), PageParams),
    security(("key" = ["read"])),
    responses((status = 200, description = "lines", body = List<EntryView>), Problems))]
pub(crate) async fn of_seat(
    _: May<Read>, State(doors): State<Arc<Doors>>, PathId(id): PathId<SeatId>, params: Params,
) -> Result<Json<List<EntryView>>, Problem> {
    let touch = Touch { seats: vec![id.clone()], ..Touch::default() };
    let query = LedgerQuery { seat: Some(id.clone()), ..read_query(params)? };
    lines(&doors, &Home::Seat(id), &touch, query).await.map(Json)
}

fn read_query(mut params: Params) -> Result<LedgerQuery, Problem> {
    let kind = params.take("kind");
    let from = params.take("from");
    let to = params.take("to");
    let page = params.page();
    let before_seq = page.cursor.as_deref().map(str::parse);
    if matches!(before_seq, Some(Err(_))) {
        params.fault("?cursor", "must be the next_cursor of an earlier answer");
    }
    params.finish()?;
    let before_seq = before_seq.and_then(Result::ok);
    Ok(LedgerQuery { kind, from, to, before_seq, limit: page.limit, ..LedgerQuery::default() })
}

async fn lines(
    doors: &Doors, home: &Home, touch: &Touch, query: LedgerQuery,
) -> Result<List<EntryView>, Problem> {
    let found = doors.api.store.read(home, touch).await?;
    let (now, mut workspace) = found.ok_or_else(|| Problem::no_home(home))?;
    let known = match home {
        Home::Account(id) => workspace.accounts.contains_key(id),
        Home::Seat(id) => workspace.seats.contains_key(id),
        Home::Workspace(_)
        | Home::App(_)
        | Home::Grant(_)
        | Home::Reward(_)
        | Home::Customer(_) => true,
    };
    if !known {
        return Err(Problem::no_home(home));
    }
    let (id, next_seq) = (workspace.id.clone(), workspace.next_seq);
    let due = settle_for_reading(&mut workspace, &doors.api.catalogue.now(), now);

    let before = query.before_seq.unwrap_or(u64::MAX);
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let mut numbered: Vec<(u64, Line)> = (next_seq..)
        .zip(due)
        .filter(|(number, entry)| *number < before && is_asked(entry, &query))
        .map(|(number, entry)| (number, Line { seq: None, posted_at: None, entry }))
        .collect();
    numbered.reverse();
    numbered.truncate(limit.saturating_add(1));
    let rest = limit.saturating_add(1).saturating_sub(numbered.len());
    if rest > 0 {
        let limit = u32::try_from(rest).unwrap_or(u32::MAX);
        let posted = LedgerQuery { before_seq: Some(before.min(next_seq)), limit, ..query.clone() };
        let posted = doors.api.store.ledger(&id, &posted).await?;
        numbered.extend(posted.into_iter().map(|line| (line.seq.unwrap_or(0), line)));
    }
    let next_cursor = (numbered.len() > limit)
        .then(|| numbered.truncate(limit))
        .and_then(|()| numbered.last())
        .map(|(number, _)| number.to_string());
    let data = numbered.into_iter().map(|(_, line)| EntryView::from(line)).collect();
    Ok(List { data, next_cursor })
}

/// Whether a line that is due is one of those asked for, as the store tells of posted ones.
fn is_asked(entry: &Entry, query: &LedgerQuery) -> bool {
    let LedgerQuery { account, seat, kind, from, to, without_uses, before_seq: _, limit: _ } =
        query;
    let of_seat = |seat: &SeatId| matches!(&entry.pot, Some(Pot::Seat(id)) if id == seat);
    account.as_ref().is_none_or(|account| entry.account.as_ref() == Some(account))
        && seat.as_ref().is_none_or(of_seat)
        && kind.is_none_or(|kind| entry.kind == kind)
        && from.is_none_or(|from| entry.effective_at >= from)
        && to.is_none_or(|to| entry.effective_at < to)
        && (!without_uses || entry.reason != Reason::Use)
}
