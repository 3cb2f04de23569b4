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

use files::MailFiles;
use lettre::Message;
use std::time::Duration;
use transport::SmtpTransport;

/// Where mails go.
#[derive(Debug)]
pub enum Mailer {
    /// To a mail server.
    Smtp(Box<SmtpTransport>),
    /// To files, where no server is configured.
    Files(MailFiles),
}

impl Mailer {
    /// Hands one mail on; `Ok` once somebody else is responsible for it, or it is on the disk.
    ///
    /// # Errors
    /// See [`transport`] and [`files`].
    pub async fn deliver(&self, id: &str, message: &Message) -> Result<(), Failure> {
        match self {
            Self::Smtp(smtp) => smtp.deliver(message).await,
            Self::Files(files) => files.deliver(id, message).await,
        }
    }

    /// How long one delivery can take at most.
    #[must_use]
    pub fn longest_delivery(&self) -> Duration {
        match self {
            Self::Smtp(smtp) => smtp.longest_delivery(),
            Self::Files(_) => files::LONGEST_WRITE,
        }
    }

    /// Ends what was kept open for further mails.
    pub async fn close_idle(&self) {
        match self {
            Self::Smtp(smtp) => smtp.close_idle().await,
            Self::Files(_) => {}
        }
    }
}

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
