//! The way of webhooks: signed, and in the order, the number and at the time that a test wants.

use crate::calendar::Instant;
use crate::event::Event;
use crate::render::Renderer;
use crate::seed::Seed;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt::Write;
use std::sync::Arc;

/// How events are written.
#[derive(Debug, Clone)]
pub enum Writing {
    /// With the whole object.
    Whole(Renderer),
    /// With the object's id only.
    Thin(Renderer),
}

impl Writing {
    /// The body of an event's webhook.
    #[must_use]
    pub fn body(&self, event: &Event) -> String {
        match self {
            Self::Whole(renderer) => renderer.event(event).to_string(),
            Self::Thin(renderer) => renderer.thin_event(event).to_string(),
        }
    }
}

/// The header `Stripe-Signature` for a body that is sent at `at`: one `v1` for each secret in use,
/// and the `v0` that test mode adds and nobody may take.
#[must_use]
pub fn signature(secrets: &[&str], body: &str, at: Instant) -> String {
    let time = at.timestamp();
    let mut header = format!("t={time}");
    for secret in secrets {
        header.push_str(",v1=");
        header.push_str(&hex_hmac(secret.as_bytes(), &format!("{time}.{body}")));
    }
    header.push_str(",v0=");
    header.push_str(&hex_hmac(b"not a secret", body));
    header
}

fn hex_hmac(key: &[u8], text: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        unreachable!("HMAC-SHA256 takes keys of every length")
    };
    mac.update(text.as_bytes());
    let mut hex = String::with_capacity(64);
    for byte in mac.finalize().into_bytes() {
        // Writing to a string cannot fail.
        write!(hex, "{byte:02x}").ok();
    }
    hex
}

/// What may go wrong between Stripe and an endpoint, in so many of 100 cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Disorder {
    /// Events of one round come in any order.
    pub shuffles: bool,
    /// Comes twice.
    pub duplicated: u8,
    /// Comes in a later round.
    pub delayed: u8,
    /// Never comes.
    pub dropped: u8,
}

impl Disorder {
    /// All of it, a lot.
    pub const WILD: Self = Self { shuffles: true, duplicated: 25, delayed: 25, dropped: 10 };
}

/// Carries events, as Stripe would on a bad day. The same seed loses the same ones.
#[derive(Debug, Clone)]
pub struct Post {
    seed: Seed,
    disorder: Disorder,
    seen: usize,
    held: Vec<Arc<Event>>,
    /// How many never came.
    pub dropped: usize,
}

impl Post {
    /// Carries what happens from now on.
    #[must_use]
    pub const fn new(seed: u64, disorder: Disorder) -> Self {
        Self { seed: Seed::new(seed), disorder, seen: 0, held: Vec::new(), dropped: 0 }
    }

    /// What arrives in this round: of what happened since the last one, and of what was held back.
    pub fn round(&mut self, stripe: &crate::Stripe) -> Vec<Arc<Event>> {
        let held = std::mem::take(&mut self.held);
        let new: Vec<_> = stripe.events_since(self.seen).cloned().collect();
        self.seen += new.len();
        let mut arrives = Vec::with_capacity(held.len() + new.len());
        for event in held.into_iter().chain(new) {
            if self.seed.chance(self.disorder.dropped) {
                self.dropped += 1;
            } else if self.seed.chance(self.disorder.delayed) {
                self.held.push(event);
            } else {
                if self.seed.chance(self.disorder.duplicated) {
                    arrives.push(Arc::clone(&event));
                }
                arrives.push(event);
            }
        }
        if self.disorder.shuffles {
            self.seed.shuffle(&mut arrives);
        }
        arrives
    }

    /// What is still held back, all at once; what was dropped stays so.
    pub fn rest(&mut self, stripe: &crate::Stripe) -> Vec<Arc<Event>> {
        let mut rest = std::mem::take(&mut self.held);
        rest.extend(stripe.events_since(self.seen).cloned());
        self.seen = stripe.events().len();
        if self.disorder.shuffles {
            self.seed.shuffle(&mut rest);
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Settings, Stripe};
    use serde_json::json;
    use std::collections::BTreeMap;

    fn told(count: i32) -> Stripe {
        let mut stripe = Stripe::new(Settings::default());
        for number in 0..count {
            stripe.tell("charge.refunded", json!({ "id": number }));
        }
        stripe
    }

    fn ids(events: &[Arc<Event>]) -> Vec<&str> {
        events.iter().map(|event| event.id.as_str()).collect()
    }

    #[test]
    fn without_disorder_events_come_once_and_in_order() {
        let mut stripe = told(3);
        let mut post = Post::new(1, Disorder::default());
        let first = post.round(&stripe);
        let expected: Vec<_> = stripe.events().iter().map(|event| event.id.clone()).collect();
        assert_eq!(ids(&first), expected);
        stripe.tell("charge.refunded", json!({}));
        assert_eq!(post.round(&stripe).len(), 1);
        assert!(post.round(&stripe).is_empty() && post.rest(&stripe).is_empty());
    }

    #[test]
    fn with_disorder_each_event_comes_at_least_once_or_is_counted_as_dropped() {
        let stripe = told(400);
        let mut post = Post::new(3, Disorder::WILD);
        let mut arrived = post.round(&stripe);
        let in_first_round = arrived.len();
        arrived.extend(post.rest(&stripe));
        let mut times = BTreeMap::new();
        for event in &arrived {
            *times.entry(event.id.clone()).or_insert(0) += 1;
        }
        assert_eq!(times.len() + post.dropped, 400);
        assert!((10..100).contains(&post.dropped), "{}", post.dropped);
        assert!(arrived.len() > in_first_round, "some are late");
        assert!(times.values().any(|times| *times == 2) && times.values().all(|times| *times <= 2));
        let again = Post::new(3, Disorder::WILD).round(&stripe);
        assert_eq!(ids(&again), ids(&arrived[..in_first_round]), "a seed repeats itself");
    }

    #[test]
    fn a_signature_holds_one_code_for_each_secret() {
        let at = crate::calendar::instant("2026-01-31T10:00:00Z");
        let header = signature(&["whsec_old", "whsec_new"], "{}", at);
        let parts: Vec<_> = header.split(',').collect();
        assert_eq!(parts[0], "t=1769853600");
        assert!(parts[1].starts_with("v1=") && parts[2].starts_with("v1=") && parts[1] != parts[2]);
        assert!(parts[3].starts_with("v0="));
        // From `openssl dgst -sha256 -hmac whsec_old` over `1769853600.{}`.
        assert_eq!(parts[1], "v1=22741837712fc407feeb562b952ab920ef61245cb51f5f43857aea68c3f6e52a");
    }
}
