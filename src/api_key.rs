//! API keys: what they look like, what is stored of them, and what they may do.
//!
//! A key is `ck_`, 43 random letters and digits (256 bits), and a checksum of six, by which a key
//! that was cut off or mistyped is told from one that is not known. Only its SHA-256 is kept: a
//! key of 256 random bits needs no slow hash.

use sha2::{Digest, Sha256};
use std::fmt;

/// What every key begins with, so that one is recognised where it does not belong.
const PREFIX: &str = "ck_";
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Random characters in a key: 62 to the power of 43 is just above 2 to the power of 256.
const RANDOM_LENGTH: usize = 43;

/// Characters of the checksum: 62 to the power of 6 is just above 2 to the power of 32.
const CHECKSUM_LENGTH: usize = 6;

/// A key as its owner holds it; it is shown once and never stored.
#[derive(Clone)]
pub struct ApiKeyText(String);

impl ApiKeyText {
    /// A new key from the system's randomness.
    ///
    /// # Errors
    /// When the system has none to give.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut key = PREFIX.to_owned();
        let mut bytes = [0_u8; 64];
        while key.len() < PREFIX.len() + RANDOM_LENGTH {
            getrandom::fill(&mut bytes)?;
            // 248 is 4 × 62: the bytes above it would make some characters likelier than others.
            let fair = bytes.iter().filter(|byte| **byte < 248).map(|byte| usize::from(*byte) % 62);
            let missing = (PREFIX.len() + RANDOM_LENGTH).saturating_sub(key.len());
            key.extend(
                fair.take(missing).filter_map(|at| ALPHABET.get(at)).map(|c| char::from(*c)),
            );
        }
        let checksum = checksum(&key);
        Ok(Self(key + &checksum))
    }

    /// The text, to be handed to its owner.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        hash(&self.0)
    }
}

impl fmt::Debug for ApiKeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKeyText(…)")
    }
}

/// The hash under which a key with this text is stored.
#[must_use]
pub fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Whether a text is whole and could be a key.
#[must_use]
pub fn is_well_formed(key: &str) -> bool {
    let alphabet = key.strip_prefix(PREFIX).is_some_and(|rest| {
        rest.len() == RANDOM_LENGTH + CHECKSUM_LENGTH
            && rest.bytes().all(|b| b.is_ascii_alphanumeric())
    });
    alphabet
        && key
            .split_at_checked(PREFIX.len() + RANDOM_LENGTH)
            .is_some_and(|(body, sum)| sum == checksum(body))
}

fn checksum(body: &str) -> String {
    let [a, b, c, d, ..] = hash(body);
    let mut number = u32::from_be_bytes([a, b, c, d]);
    let mut sum = String::new();
    for _ in 0..CHECKSUM_LENGTH {
        let at = usize::try_from(number % 62).unwrap_or_default();
        sum.extend(ALPHABET.get(at).map(|c| char::from(*c)));
        number /= 62;
    }
    sum
}

/// What a key may do. None implies another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Debit actions.
    Usage,
    /// Read balances, ledgers and lists.
    Read,
    /// Change accounts, seats, grants and codes.
    Manage,
    /// Set the test clock.
    Admin,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 4] = [Self::Usage, Self::Read, Self::Manage, Self::Admin];

    /// The name in commands, store and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Read => "read",
            Self::Manage => "manage",
            Self::Admin => "admin",
        }
    }

    /// The scope of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

/// A set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// The scopes with these names; names that are not known grant nothing.
    #[must_use]
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let known = names.into_iter().filter_map(Scope::parse);
        Self(known.fold(0, |bits, scope| bits | Self::bit(scope)))
    }

    /// Whether `scope` is among them.
    #[must_use]
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & Self::bit(scope) != 0
    }

    const fn bit(scope: Scope) -> u8 {
        match scope {
            Scope::Usage => 1,
            Scope::Read => 2,
            Scope::Manage => 4,
            Scope::Admin => 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn keys_are_whole_and_never_the_same() {
        let keys: BTreeSet<String> =
            (0..200).map(|_| ApiKeyText::generate().unwrap().expose().to_owned()).collect();
        assert_eq!(keys.len(), 200);
        for key in &keys {
            assert_eq!(key.len(), 52, "{key}");
            assert!(is_well_formed(key), "{key}");
        }
        let used: BTreeSet<char> = keys.iter().flat_map(|key| key[3..46].chars()).collect();
        assert_eq!(used.len(), 62, "every character of the alphabet comes up in 8,600");
    }

    #[test]
    fn a_key_that_was_cut_or_mistyped_is_not_whole() {
        let key = ApiKeyText::generate().unwrap().expose().to_owned();
        let other = if key.ends_with('a') { "b" } else { "a" };
        let mistyped = format!("{}{other}", &key[..51]);
        for wrong in ["", "ck_", &key[..51], &key[1..], &mistyped, &format!("{key}x"), "ck_ä"] {
            assert!(!is_well_formed(wrong), "{wrong}");
        }
    }

    #[test]
    fn the_hash_is_sha_256_of_the_whole_key() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(crate::hex::encode(&hash("")), empty);
    }

    #[test]
    fn debug_never_shows_a_key() {
        let key = ApiKeyText::generate().unwrap();
        assert!(!format!("{key:?}").contains(key.expose()));
        assert_eq!(key.hash(), hash(key.expose()));
    }

    #[test]
    fn no_scope_implies_another() {
        for scope in Scope::ALL {
            let scopes = Scopes::from_names([scope.as_str(), "unheard-of"]);
            for other in Scope::ALL {
                assert_eq!(scopes.contains(other), scope == other, "{scope:?} {other:?}");
            }
        }
    }
}
