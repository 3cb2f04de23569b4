//! Mail: from a promise in the outbox to a message that a server took.
//!
//! | part | what it does |
//! |---|---|
//! | [`template`] | words: the built-in templates and those that an operator put over them |
//! | [`message`] | headers and parts; the same Message-ID for every attempt |
//! | [`transport`] | SMTP, and which refusal is final |
//! | [`files`] | `.eml` files, where no server is configured |
//!
//! The worker that sends is [`crate::outbox`]. No text that leaves this module, be it an error or
//! a log line, holds an address or a secret.

pub mod template;
pub mod message;
pub mod transport;
pub mod files;

#[cfg(test)]
pub(crate) mod test_server;

/// Why a mail was not sent by one attempt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// The same attempt will fail again: give up and show it to a person.
    pub permanent: bool,
    /// The code of the alert to raise, where the fault is ours and not the recipient's.
    pub alert: Option<&'static str>,
    /// What happened, without addresses.
    pub text: String,
}

impl Failure {
    /// A failure that a later attempt may not meet.
    #[must_use]
    pub fn temporary(text: impl Into<String>) -> Self {
        Self { permanent: false, alert: None, text: text.into() }
    }

    /// A failure that every later attempt would meet too.
    #[must_use]
    pub fn permanent(text: impl Into<String>) -> Self {
        Self { permanent: true, alert: None, text: text.into() }
    }

    /// The same failure, with an alert.
    #[must_use]
    pub fn with_alert(self, code: &'static str) -> Self {
        Self { alert: Some(code), ..self }
    }
}
