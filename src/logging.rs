//! One log, in the form that fits where it goes: people, a log collector, or journald.

use crate::settings::{LogFormat, Logs};
use std::env;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::reload;
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
    let filter = EnvFilter::builder().parse(text).map_err(|error| format!("{allowed}: {error}"))?;
    // The spans that name a line's trace pass whatever the lines are cut down to.
    let traces = "trace=error".parse().map_err(|error| format!("{allowed}: {error}"))?;
    Ok(filter.add_directive(traces))
}

/// Where the process writes, as far as it matters for the log.
#[derive(Debug, Clone, Copy)]
struct Surroundings {
    /// Standard error is a terminal.
    terminal: bool,
    /// Standard error is the journal's own stream.
    journal: bool,
    /// `$NO_COLOR` is set and not empty.
    no_color: bool,
}

impl Surroundings {
    fn here() -> Self {
        let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let stream = env::var_os("JOURNAL_STREAM");
        let journal = stream.is_some_and(|stream| stream.to_str() == stderr_stream().as_deref());
        Self { terminal: io::stderr().is_terminal(), journal, no_color }
    }

    /// The form to use for `Auto`.
    fn resolve(self, format: LogFormat) -> LogFormat {
        match format {
            LogFormat::Auto if self.journal => LogFormat::Journald,
            LogFormat::Auto if self.terminal => LogFormat::Human,
            LogFormat::Auto => LogFormat::Json,
            LogFormat::Human | LogFormat::Json | LogFormat::Journald => format,
        }
    }
}

/// What the log of this process is cut down to, which can change while it runs.
#[derive(Debug, Clone)]
pub struct Level(Option<reload::Handle<EnvFilter, Registry>>);

impl Level {
    /// The level of a log that something else started: it stays as it is.
    #[cfg(test)]
    pub(crate) const fn unstarted() -> Self {
        Self(None)
    }

    /// Cuts the log down to this from now on.
    ///
    /// # Errors
    /// When the level is not one.
    pub fn set(&self, level: &str) -> Result<(), String> {
        let filter = parse_level(level)?;
        self.0.as_ref().map_or(Ok(()), |handle| handle.reload(filter)).map_err(|it| it.to_string())
    }
}

/// Starts the log of this process. Later calls change nothing: the first one holds.
///
/// Journald that cannot be reached is no reason not to start: JSON lines on standard error then.
///
/// # Errors
/// When the level is not one.
pub fn start(logs: &Logs) -> Result<Level, String> {
    let (filter, level) = reload::Layer::new(parse_level(&logs.level)?);
    let here = Surroundings::here();
    let form = form(here.resolve(logs.format), here);
    if Registry::default().with(filter).with(form).try_init().is_err() {
        tracing::debug!("the log was started before");
        return Ok(Level(None));
    }
    Ok(Level(Some(level)))
}

/// Standard error as `$JOURNAL_STREAM` names it: device and inode. The variable is inherited, so
/// that only an equal stream means that the journal reads us.
fn stderr_stream() -> Option<String> {
    let file = File::from(io::stderr().as_fd().try_clone_to_owned().ok()?);
    let stream = file.metadata().ok()?;
    Some(format!("{}:{}", stream.dev(), stream.ino()))
}

/// The registry under its filter, which the form is laid over.
type Filtered = Layered<reload::Layer<EnvFilter, Registry>, Registry>;

/// A form, as a layer.
type Form = Box<dyn Layer<Filtered> + Send + Sync>;

fn form(format: LogFormat, here: Surroundings) -> Form {
    match format {
        LogFormat::Human => human(here.terminal && !here.no_color, io::stderr),
        LogFormat::Journald => match tracing_journald::layer() {
            Ok(journald) => journald.with_syslog_identifier("creditd".to_owned()).boxed(),
            Err(_) => json(io::stderr),
        },
        LogFormat::Json | LogFormat::Auto => json(io::stderr),
    }
}

fn human<W>(colors: bool, writer: W) -> Form
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    fmt::layer().with_target(false).with_ansi(colors).with_writer(writer).boxed()
}

/// One object a line: time, level, message, fields, and the fields of the span around it.
fn json<W>(writer: W) -> Form
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    fmt::layer().json().flatten_event(true).with_span_list(false).with_writer(writer).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn the_form_follows_where_the_log_goes() {
        let at = |terminal, journal| Surroundings { terminal, journal, no_color: false };
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

    /// A writer whose lines can be read afterwards.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged of two events, one of them too fine for the level, in a form.
    fn logged(make: impl FnOnce(Kept) -> Form) -> String {
        let kept = Kept::default();
        let (filter, _) = reload::Layer::new(parse_level("info").unwrap());
        let subscriber = Registry::default().with(filter).with(make(kept.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let _request = tracing::info_span!("request", id = "r1").entered();
            tracing::info!(event.id = "evt_1", "webhook kept");
            tracing::debug!("too fine");
        });
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_event_is_one_json_line_with_its_fields() {
        let text = logged(|kept| json(move || kept.clone()));
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["message"], "webhook kept");
        assert_eq!(line["event.id"], "evt_1");
        assert_eq!(line["span"]["id"], "r1");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{text}");
    }

    #[test]
    fn people_read_one_line_and_colors_only_where_wanted() {
        let plain = logged(|kept| human(false, move || kept.clone()));
        assert_eq!(plain.lines().count(), 1, "{plain}");
        assert!(plain.contains("webhook kept event.id=\"evt_1\""), "{plain}");
        assert!(!plain.contains('\u{1b}'), "{plain}");
        let colored = logged(|kept| human(true, move || kept.clone()));
        assert!(colored.contains('\u{1b}'), "{colored}");
    }
}
