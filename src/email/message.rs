//! A mail as a message: headers, and the text and HTML parts.
//!
//! The Message-ID is made of the outbox id alone, so that whoever gets a mail twice, because the
//! daemon died between the server's answer and its own note of it, can tell.

use crate::email::Failure;
use crate::email::template::{Templates, one_line};
use crate::store::StoredMail;
use chrono::{DateTime, Utc};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};

/// The longest name in a header, in characters.
const NAME_CHARS_MAX: usize = 100;

/// Who mails come from.
#[derive(Debug, Clone)]
pub struct Sender {
    from: Mailbox,
    reply_to: Option<Mailbox>,
}

impl Sender {
    /// A sender from settings such as `Credits <credits@example.com>`.
    ///
    /// # Errors
    /// Says what is wrong, in words that fit behind a key's name.
    pub fn try_new(from: &str, reply_to: Option<&str>) -> Result<Self, String> {
        let from = parse_mailbox(from)?;
        if !from.email.domain().is_ascii() {
            return Err("write the domain in ASCII (xn--…): it is part of every Message-ID".into());
        }
        Ok(Self { from, reply_to: reply_to.map(parse_mailbox).transpose()? })
    }

    /// What the sender calls itself: its name, else its domain.
    #[must_use]
    pub fn product(&self) -> &str {
        self.from.name.as_deref().unwrap_or_else(|| self.from.email.domain())
    }

    /// The Message-ID of the mail with this outbox id.
    #[must_use]
    pub fn message_id(&self, id: &str) -> String {
        format!("<{id}@{}>", self.from.email.domain())
    }
}

/// Makes the message of a stored mail; `date` is when this attempt is made.
///
/// # Errors
/// Permanent where the address cannot be one; otherwise as the templates fail.
pub fn compose(
    templates: &Templates, sender: &Sender, stored: &StoredMail, date: DateTime<Utc>,
) -> Result<Message, Failure> {
    let mail = &stored.mail;
    let address: Address =
        mail.to.parse().map_err(|_| Failure::permanent("the address is not a mail address"))?;
    let name = mail.name.as_deref().map(header_name).filter(|name| !name.is_empty());
    let rendered = templates
        .render(mail, sender.product())
        .map_err(|error| Failure::temporary(error.to_string()).with_alert("mail_template"))?;

    let mut builder = Message::builder()
        .message_id(Some(sender.message_id(&stored.id)))
        .date(date.into())
        .from(sender.from.clone())
        .to(Mailbox::new(name, address))
        .subject(rendered.subject)
        .raw_header(auto_submitted());
    if let Some(reply_to) = &sender.reply_to {
        builder = builder.reply_to(reply_to.clone());
    }
    builder
        .multipart(MultiPart::alternative_plain_html(rendered.text, rendered.html))
        .map_err(|error| Failure::permanent(format!("the message cannot be made: {error}")))
}

/// Tells autoresponders not to answer (RFC 3834).
fn auto_submitted() -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned())
}

/// A person's name for a header: one line without control characters, not endless.
fn header_name(name: &str) -> String {
    one_line(name).chars().take(NAME_CHARS_MAX).collect()
}

fn parse_mailbox(text: &str) -> Result<Mailbox, String> {
    if text.contains(char::is_control) {
        return Err("must not hold control characters".into());
    }
    text.parse().map_err(|_| "must look like \"Name <name@example.com>\"".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MailState;
    use creditd_rules::command::{Mail, MailTemplate};
    use creditd_rules::{Amount, Kind};

    fn stored(to: &str, name: Option<&str>) -> StoredMail {
        let at = DateTime::from_timestamp(1_772_546_709, 0).unwrap();
        StoredMail {
            id: "0199-abc".to_owned(),
            workspace: "team".into(),
            mail: Mail {
                template: MailTemplate::RunOut,
                account: "user_1".into(),
                to: to.to_owned(),
                name: name.map(str::to_owned),
                locale: None,
                kind: Kind::Integration,
                spendable: Amount::ZERO,
                allowance: Amount::credits(10_000),
                resets_at: Some(at),
            },
            created_at: at,
            state: MailState::Queued,
            attempts: 0,
            next_attempt_at: at,
            last_error: None,
            sent_at: None,
            trace: None,
        }
    }

    fn message(to: &str, name: Option<&str>) -> Message {
        let sender =
            Sender::try_new("Credits <credits@example.com>", Some("help@example.com")).unwrap();
        let templates = Templates::try_new(None).unwrap();
        let date = DateTime::from_timestamp(1_772_000_000, 0).unwrap();
        compose(&templates, &sender, &stored(to, name), date).unwrap()
    }

    /// The header lines, unfolded.
    fn headers(message: &Message) -> Vec<String> {
        let text = String::from_utf8(message.formatted()).unwrap();
        let head = text.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
        head.lines().map(str::to_owned).collect()
    }

    #[test]
    fn headers_are_those_of_an_automatic_mail() {
        let message = message("ada@example.org", Some("Ada Lovelace"));
        let headers = headers(&message);
        for expected in [
            "Message-ID: <0199-abc@example.com>",
            "From: Credits <credits@example.com>",
            "Reply-To: help@example.com",
            "To: \"Ada Lovelace\" <ada@example.org>",
            "Subject: Your integration credits have run out",
            "Auto-Submitted: auto-generated",
            "Date: Wed, 25 Feb 2026 06:13:20 +0000",
            "MIME-Version: 1.0",
        ] {
            assert!(headers.iter().any(|line| line == expected), "{expected} in {headers:#?}");
        }
        assert!(headers.iter().any(|line| line.starts_with("Content-Type: multipart/alternative")));
        let envelope = message.envelope();
        assert_eq!(envelope.from().unwrap().to_string(), "credits@example.com");
        assert_eq!(envelope.to().len(), 1);
        assert_eq!(envelope.to()[0].to_string(), "ada@example.org");
    }

    #[test]
    fn both_parts_are_there_and_all_bytes_are_ascii() {
        let bytes = message("ada@example.org", Some("Zoë Ünïcode 漢字")).formatted();
        assert!(bytes.is_ascii());
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("Content-Type: text/plain; charset=utf-8"), "{text}");
        assert!(text.contains("Content-Type: text/html; charset=utf-8"), "{text}");
        assert!(text.lines().all(|line| line.len() <= 998));
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
    }

    #[test]
    fn a_name_cannot_bring_in_a_header_or_a_recipient() {
        for name in [
            "Eve\r\nBcc: other@example.org",
            "Eve\nSubject: other",
            "Eve\rX: y",
            "Eve\0\u{85}Bcc: other@example.org",
            "Eve\" <other@example.org>, \"x",
            "=?utf-8?q?Eve=0ABcc=3A_other=40example.org?=",
            &"long ".repeat(1_000),
        ] {
            let message = message("ada@example.org", Some(name));
            let headers = headers(&message);
            for forbidden in ["Bcc:", "X:", "Subject: other"] {
                assert!(!headers.iter().any(|line| line.starts_with(forbidden)), "{headers:#?}");
            }
            assert_eq!(headers.iter().filter(|line| line.starts_with("To:")).count(), 1);
            assert_eq!(message.envelope().to().len(), 1, "{name}");
        }
    }

    #[test]
    fn an_address_that_is_none_is_a_permanent_failure_that_does_not_show_it() {
        let sender = Sender::try_new("credits@example.com", None).unwrap();
        let templates = Templates::try_new(None).unwrap();
        for to in ["", "nobody", "a@b\r\nBcc: c@d", "a@b, c@d", "Ada <ada@example.org>"] {
            let failure =
                compose(&templates, &sender, &stored(to, None), DateTime::UNIX_EPOCH).unwrap_err();
            assert_eq!(failure, Failure::permanent("the address is not a mail address"), "{to}");
        }
    }

    #[test]
    fn senders_are_checked() {
        assert_eq!(Sender::try_new("Credits <c@example.com>", None).unwrap().product(), "Credits");
        assert_eq!(Sender::try_new("c@example.com", None).unwrap().product(), "example.com");
        for bad in ["", "Credits", "c@example.com\n", "a@b.c, d@e.f", "Credits <c@exämple.com>"] {
            assert!(Sender::try_new(bad, None).is_err(), "{bad}");
        }
        assert!(Sender::try_new("c@example.com", Some("nobody")).is_err());
    }
}
