//! Mails by SMTP.
//!
//! The stage at which a server refuses decides what the refusal means, so the dialogue is led
//! here, over lettre's connections:
//!
//! | stage | 5xx | 4xx, silence, a broken line |
//! |---|---|---|
//! | connecting, greeting, STARTTLS | try again | try again |
//! | login | try again, with an alert: the password is ours | try again |
//! | sender, recipient, content | final | try again |
//!
//! Only 530, 534, 535 and 538 are about the login at every stage. When the line breaks after the
//! content was sent, the server may have taken the mail; it is sent again with the same
//! Message-ID.

use crate::email::Failure;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, TlsParameters, TlsParametersBuilder,
};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::{Address, Message};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

/// Idle connections that are kept for the next mails.
const IDLE_MAX: usize = 8;

/// How long a goodbye may take; nothing depends on it.
const QUIT_MAX: Duration = Duration::from_secs(2);

/// The longest reply of a server that is kept, in characters.
const REPLY_CHARS_MAX: usize = 300;

/// How a certificate in PEM form begins.
const PEM_HEAD: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// The alert of a server that does not accept our login.
const LOGIN_ALERT: &str = "mail_login_failed";

/// How connections are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// By STARTTLS, or not at all connected. The certificate must be valid.
    Required,
    /// By STARTTLS where the server offers it. On loopback its certificate may be any, since
    /// nothing would be sent more safely without it; elsewhere it must be valid.
    Opportunistic,
    /// Never.
    None,
    /// From the first byte on (`smtps://`).
    Wrapper,
}

impl Tls {
    /// What holds for `smtp://host` that says nothing: required, except for loopback.
    #[must_use]
    pub fn default_for(host: &str) -> Self {
        if is_loopback(host) { Self::Opportunistic } else { Self::Required }
    }
}

/// Whether a host is this machine: `localhost`, `127.0.0.0/8` or `::1`.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

/// A user and a password for the server.
#[derive(Debug, Clone)]
pub struct Login {
    /// Who.
    pub user: String,
    /// The password, not escaped as in a URL.
    pub password: SecretString,
}

/// Which server takes mails, and how it is spoken to.
#[derive(Debug, Clone)]
pub struct SmtpConfig {
    /// A name or an address; an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The login; none where the server asks for none.
    pub login: Option<Login>,
    /// Encryption.
    pub tls: Tls,
    /// A PEM file of further certificates to trust, beside the system's.
    pub ca_file: Option<PathBuf>,
    /// How long connecting may take, and after that how long one mail may take.
    pub timeout: Duration,
}

/// Sends mails to one server, over connections that it keeps open between them.
pub struct SmtpTransport {
    config: SmtpConfig,
    credentials: Option<Credentials>,
    extra_roots: Vec<Certificate>,
    /// Made at the first connection: reading the system's certificates takes a while.
    tls: OnceLock<TlsParameters>,
    idle: Mutex<Vec<AsyncSmtpConnection>>,
}

impl fmt::Debug for SmtpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpTransport").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Where in the dialogue something failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connect,
    StartTls,
    Login,
    Sender,
    Recipient,
    Content,
}

impl Stage {
    const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connecting",
            Self::StartTls => "STARTTLS",
            Self::Login => "login",
            Self::Sender => "the sender",
            Self::Recipient => "the recipient",
            Self::Content => "the content",
        }
    }
}

impl SmtpTransport {
    /// A transport; nothing is connected yet.
    ///
    /// # Errors
    /// When the file of certificates cannot be read or holds none.
    pub fn try_new(config: SmtpConfig) -> Result<Self, String> {
        let extra_roots = match &config.ca_file {
            None => Vec::new(),
            Some(path) => {
                let pem = std::fs::read(path)
                    .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
                if !pem.windows(PEM_HEAD.len()).any(|window| window == PEM_HEAD) {
                    return Err(format!("{} holds no certificate in PEM form", path.display()));
                }
                let root = Certificate::from_pem(&pem).map_err(|error| {
                    format!("{} holds no usable certificate: {error}", path.display())
                })?;
                vec![root]
            }
        };
        let credentials = config.login.as_ref().map(|login| {
            Credentials::new(login.user.clone(), login.password.expose_secret().to_owned())
        });
        let idle = Mutex::new(Vec::new());
        Ok(Self { config, credentials, extra_roots, tls: OnceLock::new(), idle })
    }

    /// How long one delivery can take at most: on an idle connection that turns out to be dead,
    /// then connecting, then on the new one.
    #[must_use]
    pub fn longest_delivery(&self) -> Duration {
        self.config.timeout.saturating_add(QUIT_MAX).saturating_mul(3)
    }

    /// Hands one mail to the server; `Ok` once the server said that it took it.
    ///
    /// # Errors
    /// As the module's table says.
    pub async fn deliver(&self, message: &Message) -> Result<(), Failure> {
        if let Some(connection) = self.take_idle() {
            match self.attempt(connection, message).await {
                // The server ended what was idle too long. That is no try of this mail, and the
                // other idle connections are as old.
                Err((Stage::Sender, failure)) if !failure.permanent => self.forget_idle(),
                outcome => return outcome.map_err(|(_, failure)| failure),
            }
        }
        let connection = self.within(Stage::Connect, self.connect()).await??;
        self.attempt(connection, message).await.map_err(|(_, failure)| failure)
    }

    /// Connects, encrypts and logs in as for a mail, and says goodbye without one; whether the
    /// connection was encrypted.
    ///
    /// # Errors
    /// As the module's table says, up to the login.
    pub async fn greet(&self) -> Result<bool, Failure> {
        let connection = self.within(Stage::Connect, self.connect()).await??;
        let encrypted = connection.is_encrypted();
        quit(connection).await;
        Ok(encrypted)
    }

    /// Says goodbye on all idle connections; for when there is nothing more to send.
    pub async fn close_idle(&self) {
        while let Some(connection) = self.take_idle() {
            if !quit(connection).await {
                self.forget_idle();
            }
        }
    }

    async fn attempt(
        &self, mut connection: AsyncSmtpConnection, message: &Message,
    ) -> Result<(), (Stage, Failure)> {
        let mut stage = Stage::Sender;
        let dialogue = hand_over(&mut connection, message, &mut stage);
        match timeout(self.config.timeout, dialogue).await {
            Ok(Ok(())) => {
                self.keep_idle(connection).await;
                Ok(())
            }
            Ok(Err(failure)) => {
                quit(connection).await;
                Err((stage, failure))
            }
            Err(_) => Err((stage, self.silence(stage))),
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Failure> {
        let SmtpConfig { host, port, tls, timeout, .. } = &self.config;
        let failed = |stage| move |error| failure(stage, &error);
        let wrapper = match tls {
            Tls::Wrapper => Some(self.tls_parameters()?),
            Tls::Required | Tls::Opportunistic | Tls::None => None,
        };
        let hello = ClientId::default();
        let server = (host.as_str(), *port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(*timeout), &hello, wrapper, None)
                .await
                .map_err(failed(Stage::Connect))?;
        let start_tls = match tls {
            Tls::Required => true,
            Tls::Opportunistic => connection.can_starttls(),
            Tls::None | Tls::Wrapper => false,
        };
        if start_tls {
            let parameters = self.tls_parameters()?;
            connection.starttls(parameters, &hello).await.map_err(failed(Stage::StartTls))?;
        }
        if let Some(credentials) = &self.credentials {
            if *tls == Tls::Opportunistic && !connection.is_encrypted() && !is_loopback(host) {
                return Err(Failure::temporary("login: no TLS, so the password is not sent")
                    .with_alert(LOGIN_ALERT));
            }
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            connection.auth(&mechanisms, credentials).await.map_err(failed(Stage::Login))?;
        }
        Ok(connection)
    }

    fn tls_parameters(&self) -> Result<TlsParameters, Failure> {
        if let Some(parameters) = self.tls.get() {
            return Ok(parameters.clone());
        }
        let SmtpConfig { host, tls, ca_file, .. } = &self.config;
        let any = *tls == Tls::Opportunistic && ca_file.is_none() && is_loopback(host);
        let builder = TlsParametersBuilder::new(host.clone()).dangerous_accept_invalid_certs(any);
        let parameters = self
            .extra_roots
            .iter()
            .fold(builder, |builder, root| builder.add_root_certificate(root.clone()))
            .build_rustls()
            .map_err(|error| failure(Stage::StartTls, &error))?;
        Ok(self.tls.get_or_init(|| parameters).clone())
    }

    async fn within<T>(&self, stage: Stage, work: impl Future<Output = T>) -> Result<T, Failure> {
        timeout(self.config.timeout, work).await.map_err(|_| self.silence(stage))
    }

    fn silence(&self, stage: Stage) -> Failure {
        let seconds = self.config.timeout.as_secs_f64();
        Failure::temporary(format!("{}: no answer within {seconds} s", stage.name()))
    }

    fn take_idle(&self) -> Option<AsyncSmtpConnection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn forget_idle(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    async fn keep_idle(&self, connection: AsyncSmtpConnection) {
        let surplus = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < IDLE_MAX {
                idle.push(connection);
                None
            } else {
                Some(connection)
            }
        };
        if let Some(connection) = surplus {
            quit(connection).await;
        }
    }
}

/// MAIL, RCPT, DATA and the content; `stage` tells how far it came.
async fn hand_over(
    connection: &mut AsyncSmtpConnection, message: &Message, stage: &mut Stage,
) -> Result<(), Failure> {
    let (envelope, content) = (message.envelope(), message.formatted());
    let mut parameters = Vec::new();
    if envelope.to().iter().chain(envelope.from()).any(|address| !is_ascii(address)) {
        if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            *stage = Stage::Recipient;
            return Err(Failure::permanent(
                "the recipient: the mail server takes no addresses beyond ASCII",
            ));
        }
        parameters.push(MailParameter::SmtpUtfEight);
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    let mail = Mail::new(envelope.from().cloned(), parameters);
    connection.command(mail).await.map_err(|error| failure(*stage, &error))?;
    *stage = Stage::Recipient;
    for to in envelope.to() {
        let recipient = Rcpt::new(to.clone(), Vec::new());
        connection.command(recipient).await.map_err(|error| failure(*stage, &error))?;
    }
    *stage = Stage::Content;
    connection.command(Data).await.map_err(|error| failure(*stage, &error))?;
    connection.message(&content).await.map_err(|error| failure(*stage, &error))?;
    Ok(())
}

fn is_ascii(address: &Address) -> bool {
    AsRef::<str>::as_ref(address).is_ascii()
}

/// A polite end, within bounds; whether the server answered. What follows from the dialogue is
/// settled already.
async fn quit(mut connection: AsyncSmtpConnection) -> bool {
    timeout(QUIT_MAX, connection.abort()).await.is_ok()
}

/// What an error at this stage means.
fn failure(stage: Stage, error: &SmtpError) -> Failure {
    let code = error.status().map(u16::from);
    let cause = std::error::Error::source(error)
        .map_or_else(|| error.to_string(), |source| source.to_string());
    let cause = without_addresses(&cause);
    let text = match code {
        Some(code) => format!("{}: {code} {cause}", stage.name()),
        None => format!("{}: {cause}", stage.name()),
    };
    let about_login = matches!(code, Some(530 | 534 | 535 | 538));
    let no_mechanism = stage == Stage::Login && error.is_client();
    match stage {
        _ if about_login || no_mechanism => Failure::temporary(text).with_alert(LOGIN_ALERT),
        Stage::Login if error.is_permanent() => Failure::temporary(text).with_alert(LOGIN_ALERT),
        Stage::Connect | Stage::StartTls | Stage::Login => Failure::temporary(text),
        Stage::Sender | Stage::Recipient | Stage::Content => {
            Failure { permanent: error.is_permanent(), ..Failure::temporary(text) }
        }
    }
}

/// A server's words on one line, with addresses taken out: servers like to repeat them.
fn without_addresses(reply: &str) -> String {
    let spaced = reply.replace(char::is_control, " ");
    let words = spaced.split_whitespace().map(|word| if word.contains('@') { "…" } else { word });
    words.collect::<Vec<_>>().join(" ").chars().take(REPLY_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
