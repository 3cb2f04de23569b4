//! What differs between two readings of the settings, and what of it a running daemon can take.

use super::Settings;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// What each key's whole value comes to, secrets too; by key. It shows nothing of them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fingerprints(BTreeMap<String, u64>);

impl Fingerprints {
    /// Notes the value of a key.
    pub(super) fn note(&mut self, key: &str, value: &[u8]) {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        self.0.insert(key.to_owned(), hasher.finish());
    }
}

impl fmt::Debug for Fingerprints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprints({} keys)", self.0.len())
    }
}

/// The keys and sections that a running daemon takes over; all others hold from its start.
const LIVE: [&str; 7] = [
    "plans",
    "actions.",
    "credits.",
    "mail.run_out",
    "mail.warn_at_80",
    "mail.templates_dir",
    "logs.level",
];

/// Keys of those sections that hold from the start all the same.
const NOT_LIVE: [&str; 1] = ["credits.idempotency_days"];

/// Whether a running daemon takes over a new value of this key.
#[must_use]
pub fn is_live(key: &str) -> bool {
    let covers = |live: &str| key == live || (live.ends_with('.') && key.starts_with(live));
    LIVE.into_iter().any(covers) && !NOT_LIVE.contains(&key)
}

impl Settings {
    /// The keys whose values differ from those of an earlier reading, in order.
    #[must_use]
    pub fn changed_since(&self, before: &Self) -> Vec<String> {
        let (before, after) = (&before.fingerprints.0, &self.fingerprints.0);
        let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
        keys.sort();
        keys.dedup();
        keys.retain(|key| before.get(*key) != after.get(*key));
        keys.into_iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Settings {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("creditd.toml");
        std::fs::write(&file, text).unwrap();
        Settings::load(Some(&file), [], None).unwrap()
    }

    #[test]
    fn a_changed_value_is_named_be_it_a_plan_or_a_secret() {
        let plans = |credits: &str| {
            format!(
                "[[plans]]\nid = \"free\"\nclass = \"free\"\nrank = 0\n\
                 message = [{{ per = \"day\", credits = \"{credits}\" }}]\n\
                 integration = [{{ per = \"day\", credits = \"25\" }}]\n"
            )
        };
        let secret = |secret: &str| format!("[stripe]\nwebhook_secrets = [\"{secret}\"]\n");
        let before = read(&(secret("whsec_1") + &plans("5")));
        assert_eq!(before.changed_since(&before), Vec::<String>::new());
        let after = read(&(secret("whsec_2") + &plans("6")));
        assert_eq!(after.changed_since(&before), ["plans", "stripe.webhook_secrets"]);
        assert!(!format!("{after:?}").contains("whsec_2"));
        let action = read(
            &(secret("whsec_1")
                + "[actions.draw]\nkind = \"message\"\ncost = \"2\"\n"
                + &plans("5")),
        );
        assert_eq!(action.changed_since(&before), ["actions.draw.cost", "actions.draw.kind"]);
    }

    #[test]
    fn a_file_that_was_written_anew_is_named_though_its_path_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        std::fs::write(&file, "old").unwrap();
        let settings = format!("[mail]\nca_file = \"{}\"\n", file.display());
        let before = read(&settings);
        assert_eq!(read(&settings).changed_since(&before), Vec::<String>::new());
        std::fs::write(&file, "new").unwrap();
        assert_eq!(read(&settings).changed_since(&before), ["mail.ca_file"]);
        assert!(!is_live("mail.ca_file"));
    }

    #[test]
    fn only_the_catalogue_templates_and_the_level_are_taken_over() {
        for key in
            ["plans", "actions.chat.cost", "credits.rebuy", "mail.templates_dir", "logs.level"]
        {
            assert!(is_live(key), "{key}");
        }
        for key in
            ["server.listen", "credits.idempotency_days", "mail.from", "logs.format", "plansx"]
        {
            assert!(!is_live(key), "{key}");
        }
    }
}
