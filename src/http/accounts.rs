//! Accounts: created, changed, read, listed and closed.

use super::auth::{Manage, May, Read};
use super::input::field::{Email, Locale, Patch, Text};
use super::input::query::{Params, PathId};
use super::input::{body, read};
use super::keyed::{Asked, Done};
use super::list::List;
use super::openapi::{OptionalKeyHeader, PageParams, Problems};
use super::problem::{Code, Problem};
use super::{Doors, new_id};
use crate::store::Home;
use axum::Json;
use axum::extract::State;
use creditd_rules::Command;
use creditd_rules::command::Touch;
use creditd_rules::id::{AccountId, WorkspaceId};
use creditd_rules::view::AccountView;
use creditd_rules::{Instant, Workspace};
use std::sync::Arc;

body! {
    /// What an account is to be. What is not given stays; null erases.
    pub(crate) struct PutAccount {
        /// Its workspace, which is created where it is not there; fixed from then on. An account
        /// created without one gets a workspace with its own id.
        workspace: Option<WorkspaceId>,
        /// Where mail goes.
        #[schema(value_type = Option<Email>)]
        email: Patch<Email>,
        /// How mail addresses the person.
        #[schema(value_type = Option<Text<200>>)]
        name: Patch<Text<200>>,
        /// The language of mail.
        #[schema(value_type = Option<Locale>)]
        locale: Patch<Locale>,
    }
}

/// Create or change an account
#[utoipa::path(put, path = "/v1/accounts/{id}", operation_id = "put_account", tag = "accounts",
    params(("id" = String, Path, description = "the host's own id"), OptionalKeyHeader),
    request_body = PutAccount, security(("key" = ["manage"])),
    responses((status = 200, description = "the account as it is now", body = AccountView), Problems))]
pub(crate) async fn put(
    _: May<Manage>, State(doors): State<Arc<Doors>>, PathId(id): PathId<AccountId>, asked: Asked,
) -> Result<Done, Problem> {
    let PutAccount { workspace: named, email, name, locale } = read(&asked.body)?;
    let wanted = named.clone().unwrap_or_else(|| id.as_str().into());
    let workspace = doors.api.store.claim_account(&id, &wanted).await?;
    if named.is_some_and(|named| named != workspace) {
        let detail = format!("account {id} belongs to workspace {workspace}");
        return Err(Problem::new(Code::WorkspaceFixed, detail).with("workspace", workspace));
    }
    let command = Command::PutAccount {
        id: id.clone(),
        email: email.0.map(|email| email.map(|email| email.0)),
        name: name.0.map(|name| name.map(|name| name.0)),
        locale: locale.0.map(|locale| locale.map(|locale| locale.0)),
        grant: new_id("gr").into(),
    };
    let done = doors.submit(Home::Account(id.clone()), command, asked).await?;
    doors.release(&[format!("account:{id}"), format!("workspace:{workspace}")]).await?;
    Ok(done)
}

/// Read an account
#[utoipa::path(get, path = "/v1/accounts/{id}", operation_id = "get_account", tag = "accounts",
    params(("id" = String, Path, description = "the host's own id")), security(("key" = ["read"])),
    responses((status = 200, description = "the account", body = AccountView), Problems))]
pub(crate) async fn get(
    _: May<Read>, State(doors): State<Arc<Doors>>, PathId(id): PathId<AccountId>,
) -> Result<Json<AccountView>, Problem> {
    let (_, workspace) = doors.load_account(&id).await?;
    match workspace.accounts.get(&id) {
        Some(account) => Ok(Json(AccountView::of(&workspace, account))),
        None => Err(Problem::no_home(&Home::Account(id))),
    }
}

/// Close an account for good
///
/// Its seat becomes vacant, its grants end, what is personal is erased. Its ledger stays.
#[utoipa::path(delete, path = "/v1/accounts/{id}", operation_id = "close_account", tag = "accounts",
    params(("id" = String, Path, description = "the host's own id"), OptionalKeyHeader),
    security(("key" = ["manage"])),
    responses((status = 200, description = "the closed account", body = AccountView), Problems))]
pub(crate) async fn close(
    _: May<Manage>, State(doors): State<Arc<Doors>>, PathId(id): PathId<AccountId>, asked: Asked,
) -> Result<Done, Problem> {
    let command = Command::CloseAccount { id: id.clone() };
    doors.submit(Home::Account(id), command, asked).await
}

/// List accounts
#[utoipa::path(get, path = "/v1/accounts", operation_id = "list_accounts", tag = "accounts",
    params(("workspace" = Option<String>, Query, description = "of this workspace alone"), PageParams),
    security(("key" = ["read"])),
    responses((status = 200, description = "accounts by id", body = List<AccountView>), Problems))]
pub(crate) async fn list(
    _: May<Read>, State(doors): State<Arc<Doors>>, mut params: Params,
) -> Result<Json<List<AccountView>>, Problem> {
    let workspace = params.take::<WorkspaceId>("workspace");
    let page = params.page();
    params.finish()?;
    let found = doors.api.store.accounts(workspace.as_ref(), &page).await;
    List::try_new(&page, found).map(Json)
}

impl Doors {
    /// The account's workspace with the account in it, and the credit clock's instant.
    pub(crate) async fn load_account(
        &self, id: &AccountId,
    ) -> Result<(Instant, Workspace), Problem> {
        let touch = Touch { accounts: vec![id.clone()], ..Touch::default() };
        let home = Home::Account(id.clone());
        match self.api.store.read(&home, &touch).await? {
            Some(found) if found.1.accounts.contains_key(id) => Ok(found),
            _ => Err(Problem::no_home(&home)),
        }
    }

    /// Lets events go on that waited for something that is known now.
    pub(crate) async fn release(&self, waited_for: &[String]) -> Result<(), Problem> {
        let mut released = 0_u64;
        for thing in waited_for {
            released = released.saturating_add(self.api.store.release_events(thing).await?);
        }
        if released > 0 {
            self.api.inbox.notify_one();
        }
        Ok(())
    }
}
