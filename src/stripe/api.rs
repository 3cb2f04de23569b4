//! Stripe's API, as far as creditd asks it: one call that reads.
//!
//! | part | what it does |
//! |---|---|
//! | [`StripeApi`] | the whole interface, so that another client or a fake can take its place |
//! | [`client`] | over HTTPS, with the request types of `async-stripe` |
//! | [`asking`] | in what order, how often, and for what |
//! | [`manners`] | how fast requests follow each other, and when to leave Stripe alone |
//!
//! Requests and the API version are async-stripe's, whose `StripeClient` our transport implements.
//! Its own transport keeps the headers of an answer to itself, and with them how long Stripe asks
//! us to wait; it also makes a connection for every request and reads bodies of any length.

pub mod asking;
pub mod client;
pub mod manners;

use async_trait::async_trait;
use std::time::Duration;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// There is no such object.
    #[error("Stripe has no such object (resource_missing)")]
    Missing,
    /// The key is wrong, or may not read this.
    #[error("Stripe refuses the API key: {status} {code}")]
    Refused {
        /// 401 or 403.
        status: u16,
        /// Stripe's code; `-` where it gives none.
        code: String,
    },
    /// Stripe does not answer as it should; it may later.
    #[error("Stripe cannot be asked: {why}")]
    Down {
        /// A stable word for metrics.
        code: &'static str,
        /// In words.
        why: String,
        /// How long Stripe asks us to wait.
        retry_after: Option<Duration>,
    },
    /// Stripe refuses this one request.
    #[error("Stripe refuses the request: {0}")]
    Request(String),
    /// The answer is JSON of another shape than it should be.
    #[error("Stripe's answer cannot be read: {0}")]
    Unreadable(String),
}

impl ApiError {
    /// A stable word for metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Refused { status: 401, .. } => "key_invalid",
            Self::Refused { .. } => "key_forbidden",
            Self::Down { code, .. } => code,
            Self::Request(_) => "refused",
            Self::Unreadable(_) => "unreadable",
        }
    }

    /// How long Stripe asks us to wait.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Down { retry_after, .. } => *retry_after,
            Self::Missing | Self::Refused { .. } | Self::Request(_) | Self::Unreadable(_) => None,
        }
    }

    /// Whether it concerns all requests and not only this one.
    #[must_use]
    pub const fn is_down(&self) -> bool {
        matches!(self, Self::Down { .. } | Self::Refused { .. })
    }
}

/// Where Stripe is asked.
#[async_trait]
pub trait StripeApi: Send + Sync {
    /// The JSON object at `path` (`/subscriptions/sub_1`), without the API's version in front.
    ///
    /// # Errors
    /// When there is no such answer; says whether there may be later.
    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<String, ApiError>;
}

#[cfg(test)]
mod tests;
