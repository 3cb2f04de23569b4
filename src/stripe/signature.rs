//! Whether a webhook was sent by Stripe: the `Stripe-Signature` header.
//!
//! `t=UNIX,v1=HEX[,v1=HEX…][,v0=HEX]`, where each `v1` is the HMAC-SHA256 of `t.rawbody` under one
//! secret, its `whsec_` text included. Other schemes are decoys of test mode and are ignored.

use crate::hex;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use tracing::warn;

/// How old a signature may be unless the settings say otherwise.
pub const TOLERANCE: TimeDelta = TimeDelta::seconds(300);

/// The bytes of a SHA-256.
const DIGEST_BYTES: usize = 32;

/// Checks signatures against the endpoint's secrets.
#[derive(Debug)]
pub struct Verifier {
    secrets: Vec<SecretString>,
    tolerance: TimeDelta,
}

/// Why no verifier can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// There is nothing to check against.
    #[error("no webhook secret is given")]
    None,
    /// Anyone can sign with an empty secret.
    #[error("webhook secret number {number} is blank: remove it, or set the endpoint's secret")]
    Blank {
        /// Which, from 1.
        number: usize,
    },
}

/// A signature that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Our wall clock minus the time in the signature; below zero where Stripe is ahead of us.
    pub skew: TimeDelta,
}

/// Why a body is not taken for Stripe's. Nothing of it is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is no header.
    #[error("the Stripe-Signature header is missing")]
    Missing,
    /// The header has no time, several times, or none that can be read.
    #[error("the Stripe-Signature header has no readable time")]
    Malformed,
    /// No `v1` is the signature of this body under one of the secrets.
    #[error("no signature matches the body")]
    NoMatch,
    /// It was signed longer ago than is tolerated.
    #[error("the signature is {age_s} seconds old")]
    TooOld {
        /// Its age.
        age_s: i64,
    },
}

impl SignatureError {
    /// A stable word for metrics and logs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "signature_missing",
            Self::Malformed => "signature_malformed",
            Self::NoMatch => "signature_wrong",
            Self::TooOld { .. } => "signature_old",
        }
    }
}

impl Verifier {
    /// A verifier for these secrets, any of which may have signed: while a secret is rolled, the
    /// old one and the new one are both in use. Signatures older than `tolerance` are refused.
    ///
    /// # Errors
    /// When there is no secret, or one is blank.
    pub fn try_new(secrets: Vec<SecretString>, tolerance: TimeDelta) -> Result<Self, SecretError> {
        if secrets.is_empty() {
            return Err(SecretError::None);
        }
        for (number, secret) in (1..).zip(&secrets) {
            let text = secret.expose_secret();
            if text.trim().is_empty() {
                return Err(SecretError::Blank { number });
            }
            if text.trim() != text {
                warn!(number, "a webhook secret begins or ends with a space, which is part of it");
            }
        }
        Ok(Self { secrets, tolerance })
    }

    /// Whether `body`, exactly as it was received, was signed with one of the secrets and not too
    /// long before `wall`. A signature from the future holds: a host whose clock is slow must not
    /// lose its webhooks; `skew` shows it.
    ///
    /// A header with two times is refused, since it does not say which of them was signed.
    ///
    /// # Errors
    /// When it was not.
    pub fn verify(
        &self, header: Option<&str>, body: &[u8], wall: DateTime<Utc>,
    ) -> Result<Verified, SignatureError> {
        let header = header.filter(|text| !text.is_empty()).ok_or(SignatureError::Missing)?;
        let Header { time, signed_at, signatures } = Header::parse(header)?;
        if !self.any_matches(time, body, &signatures) {
            return Err(SignatureError::NoMatch);
        }
        let skew = wall.signed_duration_since(signed_at);
        if skew > self.tolerance {
            return Err(SignatureError::TooOld { age_s: skew.num_seconds() });
        }
        Ok(Verified { skew })
    }

    fn any_matches(&self, time: &str, body: &[u8], signatures: &[[u8; DIGEST_BYTES]]) -> bool {
        self.secrets.iter().any(|secret| {
            let expected = sign(secret.expose_secret(), time, body);
            signatures.iter().any(|given| given[..].ct_eq(&expected[..]).into())
        })
    }
}

/// The header `Stripe-Signature` that Stripe would send with `body` at `at`: what the demo and
/// tests sign with.
#[must_use]
pub fn header(secret: &SecretString, body: &[u8], at: DateTime<Utc>) -> String {
    let time = at.timestamp().to_string();
    let signature = hex::encode(&sign(secret.expose_secret(), &time, body));
    format!("t={time},v1={signature}")
}

/// The HMAC of `time.body`. `time` is the header's own text, so that what was signed is compared
/// and not our rendering of it.
fn sign(secret: &str, time: &str, body: &[u8]) -> [u8; DIGEST_BYTES] {
    // An HMAC takes a key of any length, so this is the only branch there is.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        unreachable!("HMAC-SHA256 takes keys of every length")
    };
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.finalize().into_bytes().into()
}

/// The parts of a header that count.
struct Header<'a> {
    time: &'a str,
    signed_at: DateTime<Utc>,
    signatures: Vec<[u8; DIGEST_BYTES]>,
}

impl<'a> Header<'a> {
    fn parse(text: &'a str) -> Result<Self, SignatureError> {
        let mut time = None;
        let mut signatures = Vec::new();
        for (scheme, value) in text.split(',').filter_map(|part| part.split_once('=')) {
            match scheme {
                "t" if time.is_some() => return Err(SignatureError::Malformed),
                "t" => time = Some(value),
                "v1" => signatures.extend(hex::decode(value)),
                _ => {}
            }
        }
        let time = time.ok_or(SignatureError::Malformed)?;
        let signed_at = parse_time(time).ok_or(SignatureError::Malformed)?;
        Ok(Self { time, signed_at, signatures })
    }
}

/// Seconds since 1970 in plain digits: no sign, no space.
fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = text.parse().ok().filter(|_| plain)?;
    DateTime::from_timestamp(seconds, 0)
}

#[cfg(test)]
mod tests;
