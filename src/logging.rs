//! One log, in the form that fits where it goes: people, a log collector, or journald.

use crate::settings::{LogFormat, Logs};
use std::env;
use std::io::{self, IsTerminal};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

/// What the log's lines are cut down to.
///
/// # Errors
/// Says what is allowed.
pub fn parse_level(text: &str) -> Result<EnvFilter, String> {
    let allowed = "must be error, warn, info, debug, trace or off, or levels by module such as \
                   \"info,creditd::http=debug\"";
    if text.trim().is_empty() {
        return Err(allowed.to_owned());
    }
    EnvFilter::builder().parse(text).map_err(|error| format!("{allowed}: {error}"))
}

/// Where the process writes, as far as it matters for the log.
#[derive(Debug, Clone, Copy)]
struct Surroundings {
    /// Standard error is a terminal.
    terminal: bool,
    /// `$JOURNAL_STREAM` is set: systemd reads standard error.
    journal_stream: bool,
    /// `$NO_COLOR` is set and not empty.
    no_color: bool,
}

impl Surroundings {
    fn here() -> Self {
        let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        Self {
            terminal: io::stderr().is_terminal(),
            journal_stream: set("JOURNAL_STREAM"),
            no_color: set("NO_COLOR"),
        }
    }

    /// The form to use for `Auto`.
    fn resolve(self, format: LogFormat) -> LogFormat {
        match format {
            LogFormat::Auto if self.journal_stream => LogFormat::Journald,
            LogFormat::Auto if self.terminal => LogFormat::Human,
            LogFormat::Auto => LogFormat::Json,
            LogFormat::Human | LogFormat::Json | LogFormat::Journald => format,
        }
    }
}

/// Starts the log of this process. Later calls change nothing: the first one holds.
///
/// Journald that cannot be reached is no reason not to start: JSON lines on standard error then.
///
/// # Errors
/// When the level is not one.
pub fn start(logs: &Logs) -> Result<(), String> {
    let filter = parse_level(&logs.level)?;
    let here = Surroundings::here();
    let layer = layer(here.resolve(logs.format), here);
    if Registry::default().with(filter).with(layer).try_init().is_err() {
        tracing::debug!("the log was started before");
    }
    Ok(())
}

fn layer(format: LogFormat, here: Surroundings) -> Box<dyn Layer<Subscribed> + Send + Sync> {
    let lines = || fmt::layer().with_writer(io::stderr);
    match format {
        LogFormat::Human => {
            lines().with_target(false).with_ansi(here.terminal && !here.no_color).boxed()
        }
        LogFormat::Journald => match tracing_journald::layer() {
            Ok(journald) => journald.with_syslog_identifier("creditd".to_owned()).boxed(),
            Err(_) => json(),
        },
        LogFormat::Json | LogFormat::Auto => json(),
    }
}

/// The registry under its filter, which the form is laid over.
type Subscribed = tracing_subscriber::layer::Layered<EnvFilter, Registry>;

fn json() -> Box<dyn Layer<Subscribed> + Send + Sync> {
    fmt::layer().json().flatten_event(true).with_current_span(false).with_writer(io::stderr).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_follows_where_the_log_goes() {
        let at =
            |terminal, journal_stream| Surroundings { terminal, journal_stream, no_color: false };
        assert_eq!(at(true, false).resolve(LogFormat::Auto), LogFormat::Human);
        assert_eq!(at(false, false).resolve(LogFormat::Auto), LogFormat::Json);
        assert_eq!(at(false, true).resolve(LogFormat::Auto), LogFormat::Journald);
        assert_eq!(at(true, true).resolve(LogFormat::Json), LogFormat::Json);
        assert_eq!(at(false, true).resolve(LogFormat::Human), LogFormat::Human);
    }

    #[test]
    fn levels_are_words_or_filters() {
        for level in ["info", "debug", "off", "warn,creditd::writer=trace"] {
            assert!(parse_level(level).is_ok(), "{level}");
        }
        for level in ["", " ", "creditd=loud", "info,=debug,a=b=c"] {
            assert!(parse_level(level).is_err(), "{level}");
        }
    }
}
