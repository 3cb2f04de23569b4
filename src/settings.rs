//! Everything that an operator can choose, read once at start.
//!
//! Four layers are laid over each other: what is built in (config/default.toml), a file, variables
//! of the environment, systemd's credentials. The built-in layer names every key there is, so a
//! key that it lacks is an error. All errors are found in one go, and each names where the value
//! came from, its key and what is allowed. Secrets are never shown.
//!
//! | part | what it does |
//! |---|---|
//! | [`layers`] | reads the four layers, refuses unknown keys and variables |
//! | [`reader`] | takes typed values out of the merged layers |
//! | [`catalogue`] | makes plans, actions and the map of prices |
//! | [`sections`], [`traces`] | the sections as types |
//! | [`changed`] | what differs between two readings, and what of it a running daemon takes |
//! | [`cron`], [`duration`], [`smtp_url`] | small languages inside values |

mod layers;
mod reader;
mod sections;
mod traces;
mod catalogue;
pub mod changed;
pub mod cron;
mod duration;
mod smtp_url;
#[cfg(test)]
mod tests;

pub use catalogue::PriceMap;
pub use layers::secret_files;
pub use sections::{
    Database, DatabaseUrl, Engine, LogFormat, Logs, Mail, Maintenance, Server, Stripe,
};

pub use traces::{Collector, Traces};

use crate::clock::Mode;
use crate::inbox::Tempo;
use crate::writer;
use creditd_rules::plan::Catalogue;
use reader::Reader;
use std::fmt;
use std::path::{Path, PathBuf};

/// The file that is read when none is named and it exists.
pub const DEFAULT_FILE: &str = "/etc/creditd/creditd.toml";

/// Everything that an operator can choose.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The listeners and their limits.
    pub server: Server,
    /// Where everything is kept.
    pub database: Database,
    /// The limits of the writer.
    pub writer: writer::Limits,
    /// Webhooks and the API of Stripe.
    pub stripe: Stripe,
    /// How often and after which pauses events are tried.
    pub inbox: Tempo,
    /// How mail is sent.
    pub mail: Mail,
    /// Which credit clock counts.
    pub clock: Mode,
    /// For how many days answers are kept under their idempotency keys (R17).
    pub idempotency_days: u32,
    /// Plans, actions and the host's choices.
    pub catalogue: Catalogue,
    /// Which plan a price buys.
    pub prices: PriceMap,
    /// What is done at set times.
    pub maintenance: Maintenance,
    /// What is logged, and how.
    pub logs: Logs,
    /// What is traced, and who is told.
    pub traces: Traces,
    /// Where files of our own go.
    pub state_dir: PathBuf,
    /// The file that was read; none where there was none.
    pub file: Option<PathBuf>,
    /// Where a door for commands to the running daemon is made: `$RUNTIME_DIRECTORY`; without it
    /// there is none.
    pub runtime_dir: Option<PathBuf>,
    /// Every value as it holds, with its origin, by key; secrets are hidden.
    pub shown: Vec<Shown>,
    /// By which two readings are compared.
    pub fingerprints: changed::Fingerprints,
    /// What is allowed and yet not fit for production.
    pub notices: Vec<String>,
}

/// One value as `check-config` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its key, such as `server.listen`.
    pub key: String,
    /// The value as TOML; a secret is hidden.
    pub value: String,
    /// Where it was said.
    pub origin: String,
}

/// One thing that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    /// The file, the variable or the credential.
    pub origin: String,
    /// The key; empty where the origin itself is wrong.
    pub key: String,
    /// What is wrong and what is allowed.
    pub problem: String,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, key, problem } = self;
        if key.is_empty() {
            write!(f, "{origin}: {problem}")
        } else {
            write!(f, "{origin}: {key} {problem}")
        }
    }
}

/// All that is wrong with the settings, at least one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsErrors(pub Vec<SettingsError>);

impl fmt::Display for SettingsErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for SettingsErrors {}

impl Settings {
    /// Reads all layers.
    ///
    /// * `file`: the file that was named; without one, [`DEFAULT_FILE`] is read if it exists.
    /// * `env`: the variables of the environment.
    /// * `credentials_dir`: where systemd put credentials.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(
        file: Option<&Path>, env: impl IntoIterator<Item = (String, String)>,
        credentials_dir: Option<&Path>,
    ) -> Result<Self, SettingsErrors> {
        let env: Vec<(String, String)> = env.into_iter().collect();
        let file = layers::file(file);
        let mut reader = layers::merge(file.as_deref(), &env, credentials_dir);
        let state_dir = directory(&env, "STATE_DIRECTORY").unwrap_or_else(|| "data".into());
        let settings = read(&mut reader, state_dir);
        match settings {
            Some(settings) if reader.errors.is_empty() => {
                let runtime_dir = directory(&env, "RUNTIME_DIRECTORY");
                Ok(Self { file, runtime_dir, ..settings })
            }
            _ => Err(SettingsErrors(reader.errors)),
        }
    }

    /// Reads all layers from where a command finds them: the process's environment.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_here(file: Option<&Path>) -> Result<Self, SettingsErrors> {
        let env = environment();
        let named = env.iter().find(|(name, _)| name == "CREDENTIALS_DIRECTORY");
        let directory = named.map(|(_, directory)| PathBuf::from(directory));
        Self::load(file, env, directory.as_deref())
    }
}

/// The variables of the environment; what is no Unicode is shown as far as possible.
fn environment() -> Vec<(String, String)> {
    let text = |raw: std::ffi::OsString| raw.to_string_lossy().into_owned();
    std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
}

/// Where systemd makes the runtime directory of the unit that the package ships.
const DEFAULT_RUNTIME_DIR: &str = "/run/creditd";

/// Where a command finds the door of the running daemon: `$RUNTIME_DIRECTORY`, else where the
/// package's unit has it.
#[must_use]
pub fn runtime_dir_here() -> PathBuf {
    directory(&environment(), "RUNTIME_DIRECTORY")
        .unwrap_or_else(|| PathBuf::from(DEFAULT_RUNTIME_DIR))
}

/// Who uses this shell, as far as it says: `$SUDO_USER`, else `$LOGNAME`, else `$USER`.
#[must_use]
pub fn user_here() -> Option<String> {
    user(&environment())
}

fn user(env: &[(String, String)]) -> Option<String> {
    let named = |variable| env.iter().find(|(name, _)| name == variable).map(|(_, user)| user);
    let is_name = |user: &&String| {
        (1..=100).contains(&user.len()) && !user.chars().any(|c| c.is_control() || c == ',')
    };
    ["SUDO_USER", "LOGNAME", "USER"].into_iter().filter_map(named).find(is_name).cloned()
}

/// A directory that systemd names in a variable: the first of several.
fn directory(env: &[(String, String)], variable: &str) -> Option<PathBuf> {
    let named = env.iter().find(|(name, _)| name == variable).map(|(_, dirs)| dirs);
    let first = named.and_then(|dirs| dirs.split(':').next()).filter(|dir| !dir.is_empty());
    first.map(PathBuf::from)
}

fn read(reader: &mut Reader, state_dir: PathBuf) -> Option<Settings> {
    let server = sections::server(reader);
    let database = sections::database(reader, &state_dir);
    let writer = sections::writer(reader);
    let stripe = sections::stripe(reader);
    let inbox = sections::inbox(reader);
    let mail = sections::mail(reader, &state_dir);
    let clock = sections::clock(reader);
    let idempotency_days = reader.integer("credits.idempotency_days", 1..=3650);
    let policy = catalogue::policy(reader);
    let plans = catalogue::plans(reader, policy);
    let maintenance = sections::maintenance(reader);
    let logs = sections::logs(reader);
    let traces = traces::traces(reader);
    let stripe = stripe.and_then(|stripe| sections::clock_fits(reader, clock, stripe));

    let (catalogue, prices) = plans?;
    let mut settings = Settings {
        server: server?,
        database: database?,
        writer: writer?,
        stripe: stripe?,
        inbox: inbox?,
        mail: mail?,
        clock: clock?,
        idempotency_days: idempotency_days?,
        catalogue,
        prices,
        maintenance: maintenance?,
        logs: logs?,
        traces: traces?,
        state_dir,
        file: None,
        runtime_dir: None,
        shown: reader.shown(),
        fingerprints: reader.fingerprints(),
        notices: Vec::new(),
    };
    settings.notices = notices(&settings);
    Some(settings)
}

/// What is missing for production.
fn notices(settings: &Settings) -> Vec<String> {
    let mut notices = Vec::new();
    let mut say = |missing: bool, text: &str| {
        if missing {
            notices.push(text.to_owned());
        }
    };
    let Settings { stripe, mail, clock, .. } = settings;
    say(
        stripe.webhook_secrets.is_empty(),
        "no stripe.webhook_secrets: /webhooks/stripe answers 503 webhooks_not_configured",
    );
    say(
        stripe.api_key.is_none(),
        "no stripe.api_key: subscriptions are known only from what events say",
    );
    say(!stripe.livemode, "stripe.livemode is false: live events are kept and not applied");
    say(mail.smtp.is_none(), "no mail.smtp_url: mails are written to files and reach nobody");
    say(*clock == Mode::Test, "clock.mode is \"test\": anybody with an admin key sets the clock");
    say(
        stripe.has_key_of_other_mode(),
        "stripe.api_key and stripe.livemode are of different modes",
    );
    notices
}
