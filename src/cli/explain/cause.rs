//! What brought a line of the ledger about, in words.

use crate::store::{Store, StoreResult, StoredEvent};
use serde::Serialize;
use std::collections::BTreeMap;

/// What the ledger says where time alone brought a line about.
const CLOCK: &str = "clock";

/// What it says where Stripe's answer did, and no event had told of it.
const STRIPE: &str = "stripe";

/// What it says where the interface was called without a key.
const API: &str = "api";

/// What stands before the key of a call of the interface.
const KEY: &str = "key:";

/// What it says, or what that begins with, where somebody used a command.
const BY_HAND: &str = "command line";

/// Who or what brought a line about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub(super) enum Cause {
    /// Nobody: its instant came.
    Clock,
    /// The application, by a call of the interface.
    Application {
        /// The idempotency key of the call.
        key: Option<String>,
    },
    /// An event of Stripe's.
    Event {
        /// Its id.
        id: String,
        /// Its type; none where it is no longer kept.
        kind: Option<String>,
    },
    /// Stripe's answer when it was asked, without any event.
    Stripe,
    /// A person on the command line.
    Person {
        /// Who, and under which key, as far as was said.
        said: Option<String>,
    },
    /// Not said.
    Unknown,
}

impl Cause {
    /// Reads what the ledger has; `events` are those that it names and that are still kept.
    pub(super) fn of(text: Option<&str>, events: &BTreeMap<String, StoredEvent>) -> Self {
        match text {
            None => Self::Unknown,
            Some(CLOCK) => Self::Clock,
            Some(STRIPE) => Self::Stripe,
            Some(API) => Self::Application { key: None },
            Some(text) => {
                if let Some(key) = text.strip_prefix(KEY) {
                    Self::Application { key: Some(key.to_owned()) }
                } else if let Some(said) = text.strip_prefix(BY_HAND) {
                    let said = said.trim_start_matches([':', ' ']);
                    Self::Person { said: Some(said.to_owned()).filter(|said| !said.is_empty()) }
                } else {
                    let kind = events.get(text).map(|event| event.event.kind.clone());
                    Self::Event { id: text.to_owned(), kind }
                }
            }
        }
    }

    /// In words, for a table's last column.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Clock => "its time had come".to_owned(),
            Self::Application { key: Some(key) } => format!("the application, key {key}"),
            Self::Application { key: None } => "the application, without a key".to_owned(),
            Self::Event { id, kind: Some(kind) } => format!("Stripe, {kind} {id}"),
            Self::Event { id, kind: None } => {
                format!("Stripe, event {id}, which is not kept any more")
            }
            Self::Stripe => "Stripe, when it was asked; no event had told of it".to_owned(),
            Self::Person { said: Some(said) } => format!("by hand, {said}"),
            Self::Person { said: None } => "by hand".to_owned(),
            Self::Unknown => "not said".to_owned(),
        }
    }
}

/// The events that causes name and that are still kept, by id.
pub(super) async fn events<'a>(
    store: &dyn Store, causes: impl Iterator<Item = &'a str>,
) -> StoreResult<BTreeMap<String, StoredEvent>> {
    let mut events = BTreeMap::new();
    for text in causes {
        let named = matches!(Cause::of(Some(text), &events), Cause::Event { kind: None, .. });
        if named && let Some(event) = store.event(text).await? {
            events.insert(text.to_owned(), event);
        }
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: Option<&str>, words: &str) {
        assert_eq!(Cause::of(text, &BTreeMap::new()).words(), words);
    }

    #[test]
    fn every_cause_has_its_words() {
        check(Some("clock"), "its time had come");
        check(Some("key:k-1"), "the application, key k-1");
        check(Some("api"), "the application, without a key");
        check(Some("stripe"), "Stripe, when it was asked; no event had told of it");
        check(Some("evt_1"), "Stripe, event evt_1, which is not kept any more");
        check(Some("command line"), "by hand");
        check(Some("command line: ada, key 7"), "by hand, ada, key 7");
        check(None, "not said");
    }
}
