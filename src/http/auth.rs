//! Who may do what: bearer keys and their scopes.
//!
//! A key that was found is remembered by its hash for [`REMEMBERED`], so that a revoked one works
//! that much longer at most. A key that was not found is never remembered: a new one works at once.

use super::Doors;
use super::problem::{Code, Problem};
use crate::api_key::{self, Scope, Scopes};
use crate::store::Store;
use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::time::Instant;

/// How long a key that was found is not looked up again.
const REMEMBERED: Duration = Duration::from_secs(4);

/// The longest key that is looked at, in bytes.
const KEY_LENGTH_MAX: usize = 512;

/// The keys that were seen lately.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// By hash: looking one up tells nothing of the key that it was made from.
    seen: RwLock<HashMap<[u8; 32], Seen>>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    scopes: Scopes,
    looked_up_at: Instant,
}

impl Keys {
    /// What the key with this text may do; nothing is said of why a key is not valid.
    pub(crate) async fn scopes(
        &self, store: &dyn Store, text: &str, now: Instant,
    ) -> Result<Option<Scopes>, Problem> {
        let hash = api_key::hash(text);
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner).get(&hash).copied();
        if let Some(seen) = seen
            && now.duration_since(seen.looked_up_at) < REMEMBERED
        {
            return Ok(Some(seen.scopes));
        }
        // A text that cannot be a key costs no look-up.
        if !api_key::is_well_formed(text) {
            return Ok(None);
        }
        let found = store.api_key(&hash).await?.filter(|key| key.revoked_at.is_none());
        let scopes = found.map(|key| Scopes::from_names(key.scopes.iter().map(String::as_str)));
        let mut keys = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        match scopes {
            Some(scopes) => drop(keys.insert(hash, Seen { scopes, looked_up_at: now })),
            None => drop(keys.remove(&hash)),
        }
        Ok(scopes)
    }
}

/// The request bears a key with the scope `S`. Every handler under `/v1` begins with one.
#[derive(Debug)]
pub(crate) struct May<S>(PhantomData<S>);

/// A scope as a type.
pub(crate) trait Needs {
    /// The scope.
    const SCOPE: Scope;
}

macro_rules! needs {
    ($($name:ident)+) => {$(
        #[doc = concat!("Needs the scope `", stringify!($name), "`.")]
        #[derive(Debug)]
        pub(crate) enum $name {}

        impl Needs for $name {
            const SCOPE: Scope = Scope::$name;
        }
    )+};
}

needs! { Usage Read Manage Admin }

impl<S: Needs> FromRequestParts<Arc<Doors>> for May<S> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, doors: &Arc<Doors>) -> Result<Self, Problem> {
        let text = bearer(parts).ok_or_else(|| {
            Problem::new(Code::KeyInvalid, "send a key as `Authorization: Bearer ck_…`")
        })?;
        let scopes = doors.keys.scopes(&*doors.api.store, text, Instant::now()).await?;
        let scopes = scopes.ok_or_else(|| {
            Problem::new(Code::KeyInvalid, "the key is not known here, or was revoked")
        })?;
        if scopes.contains(S::SCOPE) {
            return Ok(Self(PhantomData));
        }
        let scope = S::SCOPE.as_str();
        let detail = format!("this call needs a key with the scope {scope}");
        Err(Problem::new(Code::ScopeMissing, detail).with("scope", scope))
    }
}

fn bearer(parts: &Parts) -> Option<&str> {
    let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
    // Of two, a proxy may have looked at the other one.
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else { return None };
    let (scheme, text) = value.split_once(' ')?;
    let text = text.trim();
    let sound = scheme.eq_ignore_ascii_case("bearer") && (1..=KEY_LENGTH_MAX).contains(&text.len());
    sound.then_some(text)
}
