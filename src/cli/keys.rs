//! `creditd keys`: API keys. The key itself is shown once, when it is made.

use super::args::{Keys, Rehearsal};
use super::{ground, table};
use crate::api_key::{self, ApiKeyText, Scope};
use crate::clock;
use crate::hex;
use crate::settings::Settings;
use crate::store::ApiKey;
use anyhow::{Context, bail};
use std::io::Write;

pub(super) async fn run(
    settings: &Settings, what: Keys, out: &mut dyn Write,
) -> anyhow::Result<()> {
    let store = match &what {
        Keys::Create { scopes, rehearsal: Rehearsal { dry_run: true } } => {
            // Nothing of the books matters to it, and none are made for it.
            writeln!(out, "dry run: a key for {} would be made", scopes.join(", "))?;
            return Ok(());
        }
        Keys::Create { .. } => ground::open_or_make(settings).await?,
        Keys::List(_) | Keys::Revoke { .. } => ground::open(settings).await?,
    };
    match what {
        Keys::Create { scopes, .. } => {
            let key = ApiKeyText::generate().context("the system gives no random bytes")?;
            store.add_api_key(&new_key(key.expose(), scopes)).await?;
            writeln!(out, "{}", key.expose())?;
        }
        Keys::List(form) => {
            let keys = store.api_keys().await?;
            if form.json {
                table::json(out, &keys)?;
            } else {
                let rows: Vec<_> = keys.iter().map(row).collect();
                table::write(out, ["ID", "SCOPES", "CREATED", "REVOKED"], &rows)?;
            }
        }
        Keys::Revoke { id, rehearsal: Rehearsal { dry_run: true } } => {
            let keys = store.api_keys().await?;
            let Some(key) = keys.into_iter().find(|key| key.id == id) else {
                bail!("there is no key {id}; `creditd keys list` shows the ids");
            };
            match key.revoked_at {
                None => writeln!(out, "dry run: {id} would be revoked")?,
                Some(_) => writeln!(out, "dry run: {id} is revoked already")?,
            }
        }
        Keys::Revoke { id, .. } => {
            if !store.revoke_api_key(&id, clock::wall()).await? {
                bail!("there is no key {id}; `creditd keys list` shows the ids");
            }
            writeln!(out, "{id} is revoked; daemons stop taking it within 5 seconds")?;
        }
    }
    Ok(())
}

/// What is kept of a new key: each scope once, in the order of [`Scope::ALL`].
fn new_key(key: &str, scopes: Vec<String>) -> ApiKey {
    let granted = Scope::ALL
        .map(Scope::as_str)
        .into_iter()
        .filter(|scope| scopes.iter().any(|named| named == scope));
    let hash = api_key::hash(key);
    // The public id says nothing of the key: it is the hash of the hash, cut short.
    let digest = api_key::hash(&format!("id of {hash:?}"));
    let id = hex::encode(digest.split_at(8).0);
    ApiKey {
        id: format!("key_{id}"),
        hash,
        scopes: granted.map(str::to_owned).collect(),
        created_at: clock::wall(),
        revoked_at: None,
    }
}

fn row(key: &ApiKey) -> [String; 4] {
    [
        key.id.clone(),
        key.scopes.join(","),
        table::instant(Some(key.created_at)),
        table::instant(key.revoked_at),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hash_of_a_key_is_kept() {
        let scopes = ["read", "usage", "read"].map(str::to_owned).to_vec();
        let kept = new_key("ck_secret", scopes);
        assert_eq!(kept.hash, api_key::hash("ck_secret"));
        assert_eq!(kept.scopes, ["usage", "read"]);
        assert!(
            !format!("{kept:?}{}", serde_json::to_string(&kept).unwrap()).contains("ck_secret")
        );
    }
}
