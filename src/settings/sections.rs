//! The sections as types, and how each is read.

use super::cron::Schedule;
use super::reader::{Reader, without_password};
use super::smtp_url;
use crate::clock::Mode;
use crate::email::message::Sender;
use crate::email::template::Templates;
use crate::email::transport::{SmtpConfig, is_loopback};
use crate::http;
use crate::inbox::Tempo;
use crate::store::{Pooler, PostgresOptions};
use crate::stripe::api::manners::Manners;
use crate::writer;
use chrono::TimeDelta;
use creditd_rules::Kind;
use creditd_rules::plan::PerKind;
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::fs::{self, Metadata};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The listeners and their limits.
#[derive(Debug, Clone)]
pub struct Server {
    /// The API and webhooks.
    pub listen: SocketAddr,
    /// Health and metrics.
    pub ops_listen: SocketAddr,
    /// How much the API takes at once.
    pub limits: http::Limits,
    /// How long what is begun may take when the daemon stops.
    pub stop_timeout: Duration,
}

pub(super) fn server(reader: &mut Reader) -> Option<Server> {
    let address = "an address and port, such as \"127.0.0.1:8080\"";
    let listen = reader.text("server.listen", address, |text| text.parse().ok());
    let ops_listen = reader.text("server.ops_listen", address, |text| text.parse().ok());
    let body_bytes = reader.integer("server.max_body_bytes", 1_024..=67_108_864);
    let batch_body_bytes = reader.integer("server.max_batch_body_bytes", 1_024..=67_108_864);
    let requests = reader.integer("server.max_requests", 1..=1_000_000);
    let request_timeout = reader.duration("server.request_timeout");
    let stop_timeout = reader.duration("server.stop_timeout");
    let (listen, ops_listen): (SocketAddr, SocketAddr) = (listen?, ops_listen?);
    if listen == ops_listen && listen.port() != 0 {
        reader.wrong("server.ops_listen", "must differ from server.listen");
    }
    let limits = http::Limits {
        body_bytes: body_bytes?,
        batch_body_bytes: batch_body_bytes?,
        requests: requests?,
        request_timeout: request_timeout?,
        ..http::Limits::default()
    };
    Some(Server { listen, ops_listen, limits, stop_timeout: stop_timeout? })
}

/// Where everything is kept.
#[derive(Debug, Clone)]
pub struct Database {
    /// Which database.
    pub url: DatabaseUrl,
    /// Whether an old schema is brought up to date at start, or refused.
    pub migrate: bool,
    /// SQLite: move the log into the file.
    pub checkpoint: bool,
    /// The role that owns a PostgreSQL database's tables; none: the daemon's own.
    pub migration_url: Option<DatabaseUrl>,
    /// Connections to PostgreSQL at most.
    pub connections: u32,
    /// What stands between us and PostgreSQL.
    pub pooler: Pooler,
    /// Where `creditd move` copies everything, unless its command line says so.
    pub move_to: Option<DatabaseUrl>,
}

impl Database {
    /// How PostgreSQL is to be reached.
    #[must_use]
    pub fn postgres(&self) -> PostgresOptions {
        PostgresOptions {
            migration_url: self.migration_url.as_ref().map(|url| url.expose().to_owned()),
            connections: self.connections,
            pooler: self.pooler,
        }
    }
}

/// A database's URL, which may hold a password and therefore shows itself without.
#[derive(Clone)]
pub struct DatabaseUrl(SecretString);

/// What kind of database a URL names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// `sqlite://`.
    Sqlite,
    /// `postgres://` or `postgresql://`.
    Postgres,
}

impl Engine {
    /// Its name in metrics and files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

impl DatabaseUrl {
    /// A URL that is given outside the settings; what it must be where it is none.
    ///
    /// # Errors
    /// Completes "it …".
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = database_url(text)?.ok_or("must not be empty")?;
        Ok(Self(url.into()))
    }

    /// The URL as given, password and all.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The kind of database.
    #[must_use]
    pub fn engine(&self) -> Engine {
        if self.expose().starts_with("sqlite:") { Engine::Sqlite } else { Engine::Postgres }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.expose();
        let user = url.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
        let has_password =
            url.contains("password=") || user.is_some_and(|(user, _)| user.contains(':'));
        if has_password { f.write_str(&without_password(url)) } else { f.write_str(url) }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

pub(super) fn database(reader: &mut Reader, state_dir: &Path) -> Option<Database> {
    let url = reader.parsed("database.url", database_url);
    let migrate = reader.flag("database.migrate");
    let checkpoint = reader.flag("database.checkpoint");
    let migration_url = reader.parsed("database.migration_url", database_url);
    let connections = reader.integer("database.connections", 1..=1_000);
    let move_to = reader.parsed("database.move_to", database_url);
    let poolers = [("none", Pooler::None), ("transaction", Pooler::Transaction)];
    let pooler = reader.word("database.pooler", &poolers);
    let own = || format!("sqlite://{}", state_dir.join("creditd.db").display());
    let url = DatabaseUrl(url?.unwrap_or_else(own).into());
    let migration_url = migration_url?.map(|url| DatabaseUrl(url.into()));
    let is_file = |url: &DatabaseUrl| url.engine() == Engine::Sqlite;
    if migration_url.as_ref().is_some_and(|owner| is_file(owner) || is_file(&url)) {
        reader.wrong("database.migration_url", "is for PostgreSQL: both URLs must be postgres://");
    }
    let move_to = move_to?.map(|url| DatabaseUrl(url.into()));
    if move_to.as_ref().is_some_and(is_file) {
        reader.wrong("database.move_to", "is for PostgreSQL: it must be postgres://");
    }
    Some(Database {
        url,
        migrate: migrate?,
        checkpoint: checkpoint?,
        migration_url,
        connections: connections?,
        pooler: pooler?,
        move_to,
    })
}

/// The URL; none where it is empty.
fn database_url(text: &str) -> Result<Option<String>, String> {
    let rest = ["sqlite://", "postgres://", "postgresql://"]
        .into_iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    match rest {
        None if text.is_empty() => Ok(None),
        None => Err("must begin with sqlite:// (and a path) or postgres://".into()),
        Some("") => Err("must name a database after \"://\"".into()),
        Some(rest) if rest.contains(":memory:") || rest.contains("mode=memory") => {
            Err("must name a file: credits kept in memory would be lost".into())
        }
        Some(_) => Ok(Some(text.to_owned())),
    }
}

pub(super) fn writer(reader: &mut Reader) -> Option<writer::Limits> {
    let queue = reader.integer("writer.queue", 1..=1_000_000);
    let batch = reader.integer("writer.batch", 1..=1_000);
    Some(writer::Limits { queue: queue?, batch: batch? })
}

/// Webhooks and the API of Stripe.
#[derive(Debug, Clone)]
pub struct Stripe {
    /// Secrets that sign webhooks; any of them may have signed one. None: webhooks are refused.
    pub webhook_secrets: Vec<SecretString>,
    /// The key of the API; without one, only events tell.
    pub api_key: Option<SecretString>,
    /// The base of the API, ending in a slash.
    pub api_base: String,
    /// Whether live events are applied, or those of test mode.
    pub livemode: bool,
    /// How old a signature may be.
    pub tolerance: TimeDelta,
    /// How the API is asked.
    pub manners: Manners,
    /// How long one answer of the API may take.
    pub timeout: Duration,
    /// How often the list of events is read.
    pub catch_up: Duration,
}

impl Stripe {
    fn key_begins(&self, beginnings: [&str; 2]) -> bool {
        let key = self.api_key.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
        beginnings.iter().any(|beginning| key.starts_with(beginning))
    }

    /// Whether the API key is one of live mode.
    #[must_use]
    pub fn has_live_key(&self) -> bool {
        self.key_begins(["sk_live_", "rk_live_"])
    }

    /// Whether the API key is of the mode that `livemode` says it is not.
    #[must_use]
    pub fn has_key_of_other_mode(&self) -> bool {
        let has_test_key = || self.key_begins(["sk_test_", "rk_test_"]);
        if self.livemode { has_test_key() } else { self.has_live_key() }
    }
}

pub(super) fn stripe(reader: &mut Reader) -> Option<Stripe> {
    let not_blank = |text: &str| (!text.trim().is_empty()).then(|| text.to_owned().into());
    let webhook_secrets = reader.list(
        "stripe.webhook_secrets",
        "secrets (whsec_…) of which none is blank",
        not_blank,
    );
    let api_key = reader.parsed("stripe.api_key", api_key);
    let api_base = reader.parsed("stripe.api_base", api_base);
    let livemode = reader.flag("stripe.livemode");
    let tolerance = reader.duration("stripe.tolerance");
    let manners = manners(reader);
    let timeout = reader.duration("stripe.timeout");
    let catch_up = reader.duration("stripe.catch_up");
    Some(Stripe {
        webhook_secrets: webhook_secrets?,
        api_key: api_key?,
        api_base: api_base?,
        livemode: livemode?,
        tolerance: TimeDelta::from_std(tolerance?).ok()?,
        manners: manners?,
        timeout: timeout?,
        catch_up: catch_up?,
    })
}

fn manners(reader: &mut Reader) -> Option<Manners> {
    let rate = reader.integer("stripe.rate", 1..=100);
    let debounce = reader.duration("stripe.debounce");
    let pause = reader.duration("stripe.pause");
    let pause_max = reader.duration("stripe.pause_max");
    let (pause, pause_max) = (pause?, pause_max?);
    if pause > pause_max {
        reader.wrong("stripe.pause", "must not be longer than stripe.pause_max");
    }
    let tries = Manners::default().tries;
    Some(Manners { rate: rate?, debounce: debounce?, pause, pause_max, tries })
}

/// The key; none where it is empty.
fn api_key(text: &str) -> Result<Option<SecretString>, String> {
    match text {
        "" => Ok(None),
        key if key.starts_with("pk_") || key.starts_with("whsec_") => {
            Err("must be a secret or restricted key: sk_… or rk_…".into())
        }
        key => Ok(Some(key.to_owned().into())),
    }
}

fn api_base(text: &str) -> Result<String, String> {
    match base_url(text, "https://api.stripe.com/")? {
        Base { is_readable: true, .. } => {
            Err("must begin with https://: http:// is for hosts that are loopback".into())
        }
        Base { url, .. } => Ok(url),
    }
}

/// Where something is asked for.
pub(super) struct Base {
    /// The URL, ending in a slash.
    pub(super) url: String,
    /// Others on the way can read what is sent there.
    pub(super) is_readable: bool,
}

/// A URL that paths are put behind; `example` is such a one.
pub(super) fn base_url(text: &str, example: &str) -> Result<Base, String> {
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.strip_prefix('[').map_or_else(
        || authority.split(':').next().unwrap_or_default(),
        |rest| rest.split(']').next().unwrap_or_default(),
    );
    match scheme {
        _ if host.is_empty() || text.contains(['@', '?', '#']) => {
            Err(format!("must be a URL such as {example:?}"))
        }
        "http" | "https" => Ok(Base {
            url: format!("{}/", text.trim_end_matches('/')),
            is_readable: scheme == "http" && !is_loopback(host),
        }),
        _ => Err("must begin with https://".into()),
    }
}

pub(super) fn inbox(reader: &mut Reader) -> Option<Tempo> {
    let tries = reader.integer("inbox.tries", 1..=1_000);
    let pause = reader.duration("inbox.pause");
    let pause_max = reader.duration("inbox.pause_max");
    let (pause, pause_max) = (pause?, pause_max?);
    if pause > pause_max {
        reader.wrong("inbox.pause", "must not be longer than inbox.pause_max");
    }
    Some(Tempo { tries: tries?, pause, pause_max, ..Tempo::default() })
}

/// How mail is sent.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The server; none: mails are written to `directory`.
    pub smtp: Option<SmtpConfig>,
    /// Whom mails are from, and where answers go.
    pub sender: Sender,
    /// Where mails are written without a server.
    pub directory: PathBuf,
    /// Templates that replace ours, by file name; they have been tried.
    pub templates_dir: Option<PathBuf>,
    /// Pauses between attempts; then the mail is parked.
    pub retry: Vec<Duration>,
}

pub(super) fn mail(reader: &mut Reader, state_dir: &Path) -> Option<Mail> {
    let smtp = reader.parsed("mail.smtp_url", |text| {
        Some(text).filter(|text| !text.is_empty()).map(smtp_url::parse).transpose()
    });
    let ca_file = reader.parsed("mail.ca_file", |text| existing(text, "file", Metadata::is_file));
    if let Some(Some(file)) = &ca_file {
        reader.note_file("mail.ca_file", file);
    }
    let timeout = reader.duration("mail.timeout");
    let sender = sender(reader);
    let directory = reader.text("mail.directory", "a path", |text| {
        Some(if text.is_empty() { state_dir.join("mail") } else { text.into() })
    });
    let templates_dir =
        reader.parsed("mail.templates_dir", |text| existing(text, "directory", Metadata::is_dir));
    if let Some(Err(errors)) = templates_dir.as_ref().map(|dir| Templates::try_new(dir.as_deref()))
    {
        for error in errors {
            reader.wrong("mail.templates_dir", format!("has a template that is wrong: {error}"));
        }
    }
    let retry = reader.pauses("mail.retry");
    let (ca_file, timeout) = (ca_file?, timeout?);
    Some(Mail {
        smtp: smtp?.map(|smtp| smtp.with(ca_file, timeout)),
        sender: sender?,
        directory: directory?,
        templates_dir: templates_dir?,
        retry: retry?,
    })
}

fn sender(reader: &mut Reader) -> Option<Sender> {
    let address = |text: &str| Sender::try_new(text, None).map(|_| text.to_owned());
    let from = reader.parsed("mail.from", address);
    let reply_to = reader.parsed("mail.reply_to", |text| {
        Some(text).filter(|text| !text.is_empty()).map(address).transpose()
    });
    Sender::try_new(&from?, reply_to?.as_deref()).ok()
}

/// A path to something that is there; none where it is empty.
fn existing(
    text: &str, what: &str, is_such: impl Fn(&Metadata) -> bool,
) -> Result<Option<PathBuf>, String> {
    let path = Some(PathBuf::from(text)).filter(|_| !text.is_empty());
    match path.as_ref().map(fs::metadata) {
        Some(Err(error)) => Err(format!("must be a {what}; {text:?} cannot be read: {error}")),
        Some(Ok(found)) if !is_such(&found) => Err(format!("must be a {what}; {text:?} is none")),
        Some(Ok(_)) | None => Ok(path),
    }
}

/// A list of kinds as one flag for each.
pub(super) fn kinds(reader: &mut Reader, key: &str) -> Option<PerKind<bool>> {
    let list: Vec<Kind> =
        reader.list(key, "\"message\" and \"integration\"", |text| text.parse().ok())?;
    Some(PerKind::from_fn(|kind| list.contains(&kind)))
}

pub(super) fn clock(reader: &mut Reader) -> Option<Mode> {
    reader.word("clock.mode", &[("system", Mode::System), ("test", Mode::Test)])
}

/// Passes `stripe` on unless the test clock is to run on live money.
pub(super) fn clock_fits(
    reader: &mut Reader, clock: Option<Mode>, stripe: Stripe,
) -> Option<Stripe> {
    let live = match (stripe.has_live_key(), stripe.livemode) {
        (true, _) => "stripe.api_key is a live key",
        (false, true) => "stripe.livemode is true",
        (false, false) => return Some(stripe),
    };
    if clock != Some(Mode::Test) {
        return Some(stripe);
    }
    reader.wrong("clock.mode", format!("must be \"system\" where {live}"));
    None
}

/// What is done at set times.
#[derive(Debug, Clone)]
pub struct Maintenance {
    /// When old answers, handled events and sent mails are forgotten.
    pub prune: Schedule,
    /// When the books are proved.
    pub verify: Schedule,
    /// When all subscriptions are compared with Stripe's.
    pub sync: Schedule,
    /// For how many days handled events and sent mails are kept.
    pub handled_days: u32,
}

pub(super) fn maintenance(reader: &mut Reader) -> Option<Maintenance> {
    let line = |text: &str| text.parse::<Schedule>().map_err(|error| error.to_string());
    let prune = reader.parsed("maintenance.prune", line);
    let verify = reader.parsed("maintenance.verify", line);
    let sync = reader.parsed("maintenance.sync", line);
    let handled_days = reader.integer("maintenance.handled_days", 1..=3_650);
    let (prune, verify, sync) = (prune?, verify?, sync?);
    Some(Maintenance { prune, verify, sync, handled_days: handled_days? })
}

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct Logs {
    /// A level, or levels by module, as tracing's filters have it.
    pub level: String,
    /// The form.
    pub format: LogFormat,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Journald under systemd, human on a terminal, else JSON.
    Auto,
    /// For people.
    Human,
    /// A JSON object a line.
    Json,
    /// Journald's own fields.
    Journald,
}

pub(super) fn logs(reader: &mut Reader) -> Option<Logs> {
    let level = reader
        .parsed("logs.level", |text| crate::logging::parse_level(text).map(|_| text.to_owned()));
    let format = reader.word(
        "logs.format",
        &[
            ("auto", LogFormat::Auto),
            ("human", LogFormat::Human),
            ("json", LogFormat::Json),
            ("journald", LogFormat::Journald),
        ],
    );
    Some(Logs { level: level?, format: format? })
}
