//! Whether an action would be accepted now, and if not, why: it is decided, and nothing is written.

use crate::store::{Home, Store};
use crate::writer::{Foreseen, Foresight, Reply, Request, SubmitError};
use creditd_rules::entry::Entry;
use creditd_rules::id::{AccountId, ActionId, AppId};
use creditd_rules::plan::Catalogue;
use creditd_rules::{Amount, Cause, Command, Kind, Rejection};
use serde::Serialize;
use std::sync::Arc;

/// What is tried.
#[derive(Debug, Clone)]
pub(super) struct Trial {
    pub(super) action: ActionId,
    pub(super) account: AccountId,
    pub(super) app: Option<AppId>,
    pub(super) quantity: u32,
}

/// What would become of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Verdict {
    /// The action, and how many.
    pub(super) action: ActionId,
    pub(super) quantity: u32,
    /// It would be accepted.
    pub(super) accepted: bool,
    /// The code and the words of the refusal.
    pub(super) code: Option<&'static str>,
    pub(super) why: Option<String>,
    /// Whose credits it would take, from which pots, and how many of each.
    pub(super) takes: Vec<Taken>,
}

/// What would be taken from a pot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Taken {
    payer: Option<AccountId>,
    kind: Kind,
    pot: String,
    amount: Amount,
}

/// Tries it.
pub(super) async fn verdict(
    store: Arc<dyn Store>, catalogue: &Catalogue, trial: Trial,
) -> anyhow::Result<Verdict> {
    let Trial { action, account, app, quantity } = trial;
    let home = match catalogue.action(&action).map(|known| known.kind) {
        None => return Ok(refused(action.clone(), quantity, &Rejection::UnknownAction(action))),
        Some(Kind::Message) => Home::Account(account.clone()),
        Some(Kind::Integration) => match &app {
            Some(app) => Home::App(app.clone()),
            None => return Ok(refused(action.clone(), quantity, &Rejection::AppMissing(action))),
        },
    };
    let command = Command::Use {
        id: "use_foreseen".into(),
        action: action.clone(),
        account: Some(account.to_string()),
        app,
        quantity,
    };
    let request = Request { home, command, cause: Cause::default(), key: None };
    let foresight = Foresight { store, catalogue: catalogue.clone() };
    let Foreseen { outcome, change } = foresight.foresee(&request).await?;
    Ok(match outcome {
        Ok(Reply::Rejected(rejection)) => refused(action, quantity, &rejection),
        Ok(Reply::Done { .. }) => {
            let entries = change.map(|change| change.entries).unwrap_or_default();
            let takes = entries.iter().filter_map(taken).collect();
            Verdict { action, quantity, accepted: true, code: None, why: None, takes }
        }
        Err(SubmitError::NoHome(Home::App(app))) => {
            refused(action, quantity, &Rejection::AppNotFound(app))
        }
        Err(error) => return Err(error.into()),
    })
}

fn refused(action: ActionId, quantity: u32, rejection: &Rejection) -> Verdict {
    let (code, why) = (Some(rejection.code()), Some(rejection.to_string()));
    Verdict { action, quantity, accepted: false, code, why, takes: Vec::new() }
}

fn taken(entry: &Entry) -> Option<Taken> {
    let pot = entry.pot.as_ref().filter(|_| entry.use_id.is_some())?;
    Some(Taken {
        payer: entry.account.clone(),
        kind: entry.kind,
        pot: pot.to_string(),
        amount: entry.amount.negated(),
    })
}

impl Verdict {
    /// In a sentence.
    pub(super) fn words(&self) -> String {
        let Self { action, quantity, code, why, takes, .. } = self;
        let what = match quantity {
            1 => format!("{action} now"),
            many => format!("{many} times {action} now"),
        };
        if let (Some(code), Some(why)) = (code, why) {
            return format!("{what} would be refused: {why} ({code}).");
        }
        let each = takes.iter().map(|taken| format!("{} from {}", taken.amount, taken.pot));
        let each: Vec<String> = each.collect();
        match takes.first() {
            None => format!("{what} would be accepted, and takes nothing."),
            Some(Taken { payer, kind, .. }) => {
                let payer = payer.as_ref().map(|payer| format!(" of {payer}")).unwrap_or_default();
                format!(
                    "{what} would be accepted, and takes {kind} credits{payer}: {}.",
                    each.join(", ")
                )
            }
        }
    }
}
