//! Which workspace an event belongs to.
//!
//! A customer's first link stays. Without one, `metadata.workspace` and then `metadata.account`
//! say where it belongs, and for a checkout `client_reference_id` after them. A subscription that
//! is known stays in its workspace.

use super::apply::Alerts;
use super::{Inbox, Trouble};
use crate::store::{Home, StoreError};
use crate::stripe::links::{Claims, WaitsFor};
use crate::stripe::snapshot::Subscription;
use creditd_rules::command::Touch;
use creditd_rules::id::{AccountId, CustomerId, WorkspaceId};

/// Where a subscription is applied.
pub(super) struct Place {
    pub(super) workspace: WorkspaceId,
    /// `metadata.account`, where it is a member.
    pub(super) buyer: Option<AccountId>,
    /// Nothing of it was applied yet.
    pub(super) is_new: bool,
}

/// What is found, or what the event waits for until it can be.
pub(super) type Found<T> = Result<T, WaitsFor>;

impl Inbox {
    /// Where a subscription belongs; links its customer where its metadata says so first.
    pub(super) async fn place(
        &self, subscription: &Subscription, alerts: &mut Alerts,
    ) -> Result<Found<Place>, Trouble> {
        let claims = Claims::read(|key| subscription.metadata(key), None);
        alerts.unusable_claims(&claims, subscription.id().as_str());
        let known = self.store.workspace_of_subscription(subscription.id()).await?;
        let workspace = match &known {
            Some(workspace) => workspace.clone(),
            None => match self.link(subscription.customer(), &claims, alerts).await? {
                Ok(Some(workspace)) => workspace,
                Ok(None) => return Ok(Err(WaitsFor::Customer(subscription.customer().clone()))),
                Err(waits_for) => return Ok(Err(waits_for)),
            },
        };
        let buyer = match &claims.account {
            None => None,
            Some(account) => match self.home_of_account(account).await? {
                Some(home) if home == workspace => Some(account.clone()),
                Some(_) => {
                    let detail = format!("{account} is not a member of workspace {workspace}");
                    alerts.add("buyer_elsewhere", subscription.id().as_str(), detail);
                    None
                }
                None if known.is_none() => return Ok(Err(WaitsFor::Account(account.clone()))),
                None => {
                    let detail = format!("there is no account {account}");
                    alerts.add("buyer_unknown", subscription.id().as_str(), detail);
                    None
                }
            },
        };
        Ok(Ok(Place { workspace, buyer, is_new: known.is_none() }))
    }

    /// The workspace of a customer, linked now where the claims name one and there is no link yet;
    /// none where nothing names one. A new link releases what waits for the customer.
    pub(super) async fn link(
        &self, customer: &CustomerId, claims: &Claims, alerts: &mut Alerts,
    ) -> Result<Found<Option<WorkspaceId>>, Trouble> {
        let linked = self.store.workspace_of(&Home::Customer(customer.clone())).await?;
        let claimed = self.claimed(claims).await?;
        let workspace = match (linked, claimed) {
            (Some(linked), claimed) => {
                if let Ok(Some(claimed)) = claimed {
                    alerts.differing_link(customer, &linked, &claimed);
                }
                return Ok(Ok(Some(linked)));
            }
            (None, Ok(Some(claimed))) => claimed,
            (None, Ok(None)) => return Ok(Ok(None)),
            (None, Err(waits_for)) => return Ok(Err(waits_for)),
        };
        let holds = self.store.link_customer(customer, &workspace, false).await?;
        alerts.differing_link(customer, &holds, &workspace);
        self.store.release_events(&WaitsFor::Customer(customer.clone()).to_string()).await?;
        Ok(Ok(Some(holds)))
    }

    /// The workspace that the claims name, the most trusted first.
    async fn claimed(&self, claims: &Claims) -> Result<Found<Option<WorkspaceId>>, StoreError> {
        if let Some(workspace) = &claims.workspace {
            let known = self.is_workspace(workspace).await?;
            return Ok(match known {
                true => Ok(Some(workspace.clone())),
                false => Err(WaitsFor::Workspace(workspace.clone())),
            });
        }
        if let Some(account) = &claims.account {
            let home = self.home_of_account(account).await?;
            return Ok(home.map(Some).ok_or_else(|| WaitsFor::Account(account.clone())));
        }
        if let Some(reference) = &claims.reference {
            let account = AccountId::from(reference.as_str());
            let home = self.home_of_reference(&account).await?;
            return Ok(home.map(Some).ok_or(WaitsFor::Account(account)));
        }
        Ok(Ok(None))
    }

    /// The workspace of an account that exists. That its name is reserved is not enough: a buyer
    /// must be there when the seats are made.
    async fn home_of_account(
        &self, account: &AccountId,
    ) -> Result<Option<WorkspaceId>, StoreError> {
        let touch = Touch { accounts: vec![account.clone()], ..Touch::default() };
        let found = self.store.read(&Home::Account(account.clone()), &touch).await?;
        let found = found.filter(|(_, workspace)| workspace.accounts.contains_key(account));
        Ok(found.map(|(_, workspace)| workspace.id))
    }

    /// The workspace that a checkout's reference names: an account's, else the one of that name.
    pub(super) async fn home_of_reference(
        &self, reference: &AccountId,
    ) -> Result<Option<WorkspaceId>, StoreError> {
        if let Some(home) = self.home_of_account(reference).await? {
            return Ok(Some(home));
        }
        let workspace = WorkspaceId::from(reference.as_str());
        Ok(self.is_workspace(&workspace).await?.then_some(workspace))
    }
}
