//! Refusals, as Stripe words them.

use std::fmt;

/// Why a request changes nothing: the `error` object of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The HTTP status.
    pub status: u16,
    /// `invalid_request_error`, `card_error`, `idempotency_error`, …
    pub kind: &'static str,
    /// `resource_missing`, …
    pub code: Option<&'static str>,
    /// `decline_code` of a card.
    pub decline_code: Option<&'static str>,
    /// The parameter that is meant.
    pub param: Option<String>,
    /// For a person.
    pub message: String,
}

impl Fault {
    /// A request that asks for what cannot be.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self {
            status: 400,
            kind: "invalid_request_error",
            code: None,
            decline_code: None,
            param: None,
            message: message.into(),
        }
    }

    /// An object that a path names and that is not there.
    #[must_use]
    pub fn missing(kind: &str, id: &str) -> Self {
        Self {
            status: 404,
            code: Some("resource_missing"),
            param: Some("id".to_owned()),
            ..Self::invalid(format!("No such {kind}: '{id}'"))
        }
    }

    /// An object that a parameter names and that is not there.
    #[must_use]
    pub fn missing_param(param: &str, kind: &str, id: &str) -> Self {
        Self { status: 400, param: Some(param.to_owned()), ..Self::missing(kind, id) }
    }

    /// A parameter that has to be given.
    #[must_use]
    pub fn required(param: &str) -> Self {
        Self {
            code: Some("parameter_missing"),
            param: Some(param.to_owned()),
            ..Self::invalid(format!("Missing required param: {param}."))
        }
    }

    /// A parameter that is not known.
    #[must_use]
    pub fn unknown_param(param: &str) -> Self {
        Self {
            code: Some("parameter_unknown"),
            param: Some(param.to_owned()),
            ..Self::invalid(format!("Received unknown parameter: {param}"))
        }
    }

    /// A parameter with a value that it cannot have.
    #[must_use]
    pub fn param(param: &str, message: impl Into<String>) -> Self {
        Self { param: Some(param.to_owned()), ..Self::invalid(message) }
    }

    /// A card that does not pay.
    #[must_use]
    pub fn card(code: &'static str, message: &str) -> Self {
        Self {
            status: 402,
            kind: "card_error",
            code: Some(code),
            decline_code: Some("generic_decline").filter(|_| code == "card_declined"),
            ..Self::invalid(message)
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.kind, self.message)
    }
}

impl std::error::Error for Fault {}
