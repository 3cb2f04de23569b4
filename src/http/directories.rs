//! Workspaces, apps and customers: who owns and who pays.

use super::Doors;
use super::auth::{Manage, May, Read};
use super::input::query::PathId;
use super::input::{body, read};
use super::keyed::{Asked, Done};
use super::openapi::{OptionalKeyHeader, Problems};
use super::problem::Problem;
use crate::store::Home;
use axum::Json;
use axum::extract::State;
use creditd_rules::command::Touch;
use creditd_rules::id::{AccountId, AppId, CustomerId, WorkspaceId};
use creditd_rules::view::{AppView, WorkspaceView};
use creditd_rules::{Command, Rejection, Workspace};
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;

body! {
    /// Who owns it.
    pub(crate) struct OwnerRequest {
        /// An account; a member of the workspace.
        owner: AccountId,
    }
}

body! {
    /// Whose customer it is.
    pub(crate) struct CustomerRequest {
        /// The workspace, which must be there.
        workspace: WorkspaceId,
    }
}

/// A customer of Stripe's.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct CustomerView {
    /// Stripe's id.
    id: CustomerId,
    /// The workspace that its new subscriptions belong to.
    workspace: WorkspaceId,
}

/// Name a workspace's owner
///
/// The owner must be a member. No seat moves.
#[utoipa::path(put, path = "/v1/workspaces/{id}", operation_id = "put_workspace", tag = "workspaces",
    params(("id" = String, Path, description = "the workspace"), OptionalKeyHeader),
    request_body = OwnerRequest, security(("key" = ["manage"])),
    responses((status = 200, description = "the workspace", body = WorkspaceView), Problems))]
pub(crate) async fn put_workspace(
    _: May<Manage>, State(doors): State<Arc<Doors>>, PathId(id): PathId<WorkspaceId>, asked: Asked,
) -> Result<Done, Problem> {
    let OwnerRequest { owner } = read(&asked.body)?;
    doors.load_workspace(&id, &Touch::default()).await?;
    doors.home_of_account(&owner, "/owner").await?;
    let command = Command::SetOwner { owner };
    let done = doors.submit(Home::Workspace(id.clone()), command, asked).await?;
    doors.release(&[format!("workspace:{id}")]).await?;
    Ok(done)
}

/// Read a workspace
#[utoipa::path(get, path = "/v1/workspaces/{id}", operation_id = "get_workspace", tag = "workspaces",
    params(("id" = String, Path, description = "the workspace")), security(("key" = ["read"])),
    responses((status = 200, description = "the workspace", body = WorkspaceView), Problems))]
pub(crate) async fn get_workspace(
    _: May<Read>, State(doors): State<Arc<Doors>>, PathId(id): PathId<WorkspaceId>,
) -> Result<Json<WorkspaceView>, Problem> {
    let Workspace { id, owner, .. } = doors.load_workspace(&id, &Touch::default()).await?.1;
    Ok(Json(WorkspaceView { id, owner }))
}

/// Create an app or give it another owner
///
/// It stays in the workspace of its first owner; later owners are members of that.
#[utoipa::path(put, path = "/v1/apps/{id}", operation_id = "put_app", tag = "apps",
    params(("id" = String, Path, description = "the host's own id"), OptionalKeyHeader),
    request_body = OwnerRequest, security(("key" = ["manage"])),
    responses((status = 200, description = "the app", body = AppView), Problems))]
pub(crate) async fn put_app(
    _: May<Manage>, State(doors): State<Arc<Doors>>, PathId(id): PathId<AppId>, asked: Asked,
) -> Result<Done, Problem> {
    let OwnerRequest { owner } = read(&asked.body)?;
    let home = Home::App(id.clone());
    if doors.api.store.workspace_of(&home).await?.is_none() {
        // Nothing is claimed for somebody who cannot own it.
        let named = |problem: Problem| problem.named_at("/owner");
        let (_, theirs) = doors.load_account(&owner).await.map_err(named)?;
        if theirs.accounts.get(&owner).is_some_and(|account| account.closed_at.is_some()) {
            return Err(named(Rejection::AccountClosed(owner).into()));
        }
        doors.api.store.claim_app(&id, &theirs.id).await?;
    } else {
        doors.home_of_account(&owner, "/owner").await?;
    }
    doors.submit(home, Command::PutApp { id, owner }, asked).await
}

/// Read an app
#[utoipa::path(get, path = "/v1/apps/{id}", operation_id = "get_app", tag = "apps",
    params(("id" = String, Path, description = "the host's own id")), security(("key" = ["read"])),
    responses((status = 200, description = "the app", body = AppView), Problems))]
pub(crate) async fn get_app(
    _: May<Read>, State(doors): State<Arc<Doors>>, PathId(id): PathId<AppId>,
) -> Result<Json<AppView>, Problem> {
    let touch = Touch { apps: vec![id.clone()], ..Touch::default() };
    let home = Home::App(id.clone());
    let found = doors.api.store.read(&home, &touch).await?;
    let view = found.and_then(|(_, workspace)| {
        let owner = workspace.apps.get(&id)?.owner.clone();
        Some(AppView { id, workspace: workspace.id, owner })
    });
    view.map(Json).ok_or_else(|| Problem::no_home(&home))
}

/// Link a customer of Stripe's to a workspace
///
/// For its new subscriptions; those that are known stay where they are. Events that waited for
/// the link go on.
#[utoipa::path(put, path = "/v1/customers/{id}", operation_id = "put_customer", tag = "customers",
    params(("id" = String, Path, description = "Stripe's id, `cus_…`"), OptionalKeyHeader),
    request_body = CustomerRequest, security(("key" = ["manage"])),
    responses((status = 200, description = "the customer", body = CustomerView), Problems))]
pub(crate) async fn put_customer(
    _: May<Manage>, State(doors): State<Arc<Doors>>, PathId(id): PathId<CustomerId>, asked: Asked,
) -> Result<Done, Problem> {
    let CustomerRequest { workspace } = read(&asked.body)?;
    let found = doors.load_workspace(&workspace, &Touch::default()).await;
    found.map_err(|problem| problem.named_at("/workspace"))?;
    let store = &doors.api.store;
    let done = if asked.key.is_some() {
        // An empty settlement changes nothing; the writer remembers the key with it.
        let command = Command::Settle { seats: Vec::new(), accounts: Vec::new() };
        let done = doors.submit(Home::Workspace(workspace.clone()), command, asked).await?;
        // A replay sets no link over a later one; it only finishes what a crash cut off.
        store.link_customer(&id, &workspace, !done.replayed).await?;
        done.with_first(&format!("\"id\":\"{id}\""))
    } else {
        store.link_customer(&id, &workspace, true).await?;
        let body = json!({ "id": id, "workspace": workspace }).to_string().into_bytes();
        Done { body, replayed: false, keyed: false }
    };
    doors.release(&[format!("customer:{id}")]).await?;
    Ok(done)
}

/// Read a customer's link
#[utoipa::path(get, path = "/v1/customers/{id}", operation_id = "get_customer", tag = "customers",
    params(("id" = String, Path, description = "Stripe's id, `cus_…`")),
    security(("key" = ["read"])),
    responses((status = 200, description = "the customer", body = CustomerView), Problems))]
pub(crate) async fn get_customer(
    _: May<Read>, State(doors): State<Arc<Doors>>, PathId(id): PathId<CustomerId>,
) -> Result<Json<CustomerView>, Problem> {
    let home = Home::Customer(id.clone());
    let workspace = doors.api.store.workspace_of(&home).await?;
    let workspace = workspace.ok_or_else(|| Problem::no_home(&home))?;
    Ok(Json(CustomerView { id, workspace }))
}

impl Doors {
    /// The workspace that the account lives in that a body names at `pointer`; 404 where there is
    /// no such account.
    pub(crate) async fn home_of_account(
        &self, id: &AccountId, pointer: &'static str,
    ) -> Result<WorkspaceId, Problem> {
        let home = Home::Account(id.clone());
        let workspace = self.api.store.workspace_of(&home).await?;
        workspace.ok_or_else(|| Problem::no_home(&home).named_at(pointer))
    }

    /// A workspace that exists, with what `touch` names in it.
    pub(crate) async fn load_workspace(
        &self, id: &WorkspaceId, touch: &Touch,
    ) -> Result<(creditd_rules::Instant, Workspace), Problem> {
        let home = Home::Workspace(id.clone());
        match self.api.store.read(&home, touch).await? {
            Some(found) if found.1.version > 0 => Ok(found),
            _ => Err(Problem::no_home(&home)),
        }
    }
}
