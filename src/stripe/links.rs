//! What Stripe's objects say about whom they belong to, and what an event waits for.

use creditd_rules::id::{AccountId, CustomerId, SubscriptionId, WorkspaceId, is_valid};
use std::fmt;

/// What an event waits for, as the inbox keeps it: `customer:cus_1`, `account:ann`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum WaitsFor {
    /// The customer's link to a workspace.
    Customer(CustomerId),
    /// The account.
    Account(AccountId),
    /// The workspace.
    Workspace(WorkspaceId),
    /// The subscription, of which nothing was applied yet.
    Subscription(SubscriptionId),
    /// A key to ask Stripe with.
    ApiKey,
}

impl fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Customer(id) => write!(f, "customer:{id}"),
            Self::Account(id) => write!(f, "account:{id}"),
            Self::Workspace(id) => write!(f, "workspace:{id}"),
            Self::Subscription(id) => write!(f, "subscription:{id}"),
            Self::ApiKey => f.write_str("api_key"),
        }
    }
}

impl WaitsFor {
    /// What a kept text names; none where it names nothing that is waited for.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let Some((kind, id)) = text.split_once(':') else {
            return (text == "api_key").then_some(Self::ApiKey);
        };
        Some(match kind {
            "customer" => Self::Customer(id.into()),
            "account" => Self::Account(id.into()),
            "workspace" => Self::Workspace(id.into()),
            "subscription" => Self::Subscription(id.into()),
            _ => return None,
        })
    }
}

/// What events may wait for that becomes known with an account of a workspace. The last one is
/// that of a checkout's reference, which waits under an account's name and may be a workspace's.
#[must_use]
pub fn made_known_by_account(account: &AccountId, workspace: &WorkspaceId) -> Vec<WaitsFor> {
    let mut known = made_known_by_workspace(workspace);
    known.push(WaitsFor::Account(account.clone()));
    known.sort();
    known.dedup();
    known
}

/// What events may wait for that becomes known with a workspace.
#[must_use]
pub fn made_known_by_workspace(workspace: &WorkspaceId) -> Vec<WaitsFor> {
    let reference = WaitsFor::Account(AccountId::from(workspace.as_str()));
    vec![reference, WaitsFor::Workspace(workspace.clone())]
}

/// Whom an object names as its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claims {
    /// `metadata.workspace`.
    pub workspace: Option<WorkspaceId>,
    /// `metadata.account`.
    pub account: Option<AccountId>,
    /// `client_reference_id`: an account or a workspace. It comes last, since whoever pays can set
    /// it in a payment link.
    pub reference: Option<String>,
    /// The fields whose text can be nobody's id; nothing will ever make them known.
    pub unusable: Vec<&'static str>,
}

impl Claims {
    /// The claims of an object with this metadata and, for a checkout session, this reference.
    pub fn read<'a>(
        metadata: impl Fn(&'static str) -> Option<&'a str>, reference: Option<&'a str>,
    ) -> Self {
        let mut claims = Self::default();
        let mut usable = |field: &'static str, text: Option<&'a str>| {
            let text = text?;
            if !is_valid(text) {
                claims.unusable.push(field);
                return None;
            }
            Some(text)
        };
        let workspace = usable("metadata.workspace", metadata("workspace"));
        let account = usable("metadata.account", metadata("account"));
        let reference = usable("client_reference_id", reference);
        claims.workspace = workspace.map(WorkspaceId::from);
        claims.account = account.map(AccountId::from);
        claims.reference = reference.map(String::from);
        claims
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_event_waits_for_is_named_by_kind_and_id() {
        for (waits_for, name) in [
            (WaitsFor::Customer("cus_1".into()), "customer:cus_1"),
            (WaitsFor::Account("ann".into()), "account:ann"),
            (WaitsFor::Workspace("team".into()), "workspace:team"),
            (WaitsFor::Subscription("sub_1".into()), "subscription:sub_1"),
            (WaitsFor::ApiKey, "api_key"),
        ] {
            assert_eq!(waits_for.to_string(), name);
            assert_eq!(WaitsFor::parse(name), Some(waits_for));
        }
        assert_eq!(WaitsFor::parse("planet:mars"), None);
        assert_eq!(WaitsFor::parse("nothing"), None);
    }

    #[test]
    fn an_account_makes_itself_and_its_workspace_known() {
        let names =
            |known: Vec<WaitsFor>| known.iter().map(WaitsFor::to_string).collect::<Vec<_>>();
        let known = made_known_by_account(&"ann".into(), &"team".into());
        assert_eq!(names(known), ["account:ann", "account:team", "workspace:team"]);
        let alone = made_known_by_account(&"ann".into(), &"ann".into());
        assert_eq!(names(alone), ["account:ann", "workspace:ann"]);
    }

    #[test]
    fn claims_that_can_be_nobodys_id_are_left_out_and_named() {
        let metadata = |key| match key {
            "workspace" => Some("team 1"),
            "account" => Some("ann"),
            _ => None,
        };
        let claims = Claims::read(metadata, Some("a\0"));
        assert_eq!(claims.account, Some("ann".into()));
        assert_eq!((claims.workspace, claims.reference), (None, None));
        assert_eq!(claims.unusable, ["metadata.workspace", "client_reference_id"]);
        assert_eq!(Claims::read(|_| None, None), Claims::default());
    }
}
