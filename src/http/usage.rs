//! Debits: one a request, or up to a thousand.

use super::auth::{May, Usage};
use super::input::field::{Text, Whole};
use super::input::{body, read};
use super::keyed::{Asked, Done, Keyed};
use super::openapi::{KeyHeader, Problems};
use super::problem::{Code, Problem};
use super::{Doors, new_id};
use crate::store::Home;
use crate::writer::Key;
use axum::extract::State;
use creditd_rules::id::{self, AccountId, ActionId, AppId};
use creditd_rules::view::UseView;
use creditd_rules::{Command, Kind, Rejection};
use serde::Serialize;
use std::sync::Arc;

pub(crate) mod batch;

body! {
    /// One action to debit.
    pub(crate) struct UseRequest {
        /// The action, one of `GET /v1/actions`.
        action: ActionId,
        /// Who acts. Message actions need it: that account pays. For integration actions it is
        /// kept as given.
        account: Option<Text<255>>,
        /// The app. Integration actions need it: its owner pays.
        app: Option<AppId>,
        /// How many such actions; 1 where not given.
        quantity: Option<Whole<1, 1_000_000>>,
    }
}

/// An accepted debit.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct UseAnswer {
    #[serde(flatten)]
    debit: UseView,
    /// It was debited by an earlier request with the same key.
    replayed: bool,
}

/// Debit one action
///
/// All or nothing: 402 says what was needed, what is left, and when the action would fit.
#[utoipa::path(post, path = "/v1/usage", operation_id = "debit", tag = "usage", params(KeyHeader),
    request_body = UseRequest, security(("key" = ["usage"])),
    responses((status = 200, description = "debited", body = UseAnswer), Problems))]
pub(crate) async fn debit(
    _: May<Usage>, State(doors): State<Arc<Doors>>, keyed: Keyed,
) -> Result<Done, Problem> {
    debit_one(&doors, read(&keyed.body)?, keyed.asked()).await
}

/// Has a debit decided. What is refused of the account or app that was named says so.
async fn debit_one(doors: &Doors, request: UseRequest, asked: Asked) -> Result<Done, Problem> {
    let (home, command) = to_command(doors, request)?;
    let named = if matches!(home, Home::App(_)) { "/app" } else { "/account" };
    doors.submit(home, command, asked).await.map_err(|problem| {
        let code = problem.code();
        let about = matches!(code, Code::AccountNotFound | Code::AppNotFound | Code::AccountClosed);
        if about { problem.named_at(named) } else { problem }
    })
}

/// The command of a debit, and whose workspace it belongs to: the kind decides who pays.
fn to_command(doors: &Doors, request: UseRequest) -> Result<(Home, Command), Problem> {
    let UseRequest { action, account, app, quantity } = request;
    let catalogue = doors.api.catalogue.now();
    let Some(known) = catalogue.action(&action) else {
        return Err(Rejection::UnknownAction(action).into());
    };
    let home = match (known.kind, &account, &app) {
        (Kind::Message, Some(account), _) if id::is_valid(&account.0) => {
            Home::Account(AccountId::from(account.0.as_str()))
        }
        (Kind::Message, Some(_), _) => {
            return Err(Problem::invalid_at("/account", super::input::field::ID_RULE));
        }
        (Kind::Message, None, _) => return Err(Rejection::AccountMissing(action).into()),
        (Kind::Integration, _, Some(app)) => Home::App(app.clone()),
        (Kind::Integration, _, None) => return Err(Rejection::AppMissing(action).into()),
    };
    let command = Command::Use {
        id: new_id("use").into(),
        action,
        account: account.map(|account| account.0),
        app,
        quantity: quantity.map_or(1, Whole::get),
    };
    Ok((home, command))
}

/// One debit of a batch, under its own key.
async fn debit_item(doors: &Doors, request: UseRequest, key: Key) -> Result<Done, Problem> {
    debit_one(doors, request, Asked { key: Some(key), body: axum::body::Bytes::new() }).await
}
