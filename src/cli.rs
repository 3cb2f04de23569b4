//! The commands. Each does one thing, prints what it did, and says by its exit status how it went.
//!
//! | status | meaning |
//! |---|---|
//! | 0 | done |
//! | 64 | wrong use: the command line is not understood |
//! | 78 | wrong settings |
//! | 1 | anything else |
//!
//! They run beside a daemon on the same database. What changes an account goes through the
//! writer, here as everywhere.

mod args;
mod backup;
mod check_config;
mod config;
mod doctor;
mod daemon;
mod reload;
mod ground;
mod keys;
mod person;
mod account;
mod explain;
mod change;
mod rewards;
mod queues;
mod customers;
mod subscriptions;
mod sync;
mod verify;
mod moving;
mod printed;
mod table;
mod progress;

use crate::settings::{Settings, SettingsErrors};
use args::{Cli, Command};
use change::Asked;
use clap::Parser;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The settings are wrong.
    #[error(transparent)]
    Settings(SettingsErrors),
    /// Anything else.
    #[error(transparent)]
    Other(anyhow::Error),
}

impl Failure {
    /// What a shell sees (as in sysexits.h).
    const fn status(&self) -> u8 {
        match self {
            Self::Settings(_) => 78,
            Self::Other(_) => 1,
        }
    }
}

impl From<SettingsErrors> for Failure {
    fn from(errors: SettingsErrors) -> Self {
        Self::Settings(errors)
    }
}

impl From<anyhow::Error> for Failure {
    /// Some settings are found to be wrong only once the database is open.
    fn from(error: anyhow::Error) -> Self {
        error.downcast().map_or_else(Self::Other, Self::Settings)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Other(error.into())
    }
}

/// The status for a command line that is not understood.
const WRONG_USE: u8 = 64;

/// Does what the command line of this process says.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::from(run(std::env::args_os(), &mut io::stdout(), &mut io::stderr()))
}

/// Does what `args` say and returns the exit status.
fn run(args: impl IntoIterator<Item = OsString>, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            return if error.use_stderr() {
                said(write!(err, "{error}"), WRONG_USE)
            } else {
                said(write!(out, "{error}"), 0)
            };
        }
    };
    match wait(dispatch(cli, out)) {
        Ok(()) => said(out.flush(), 0),
        Err(failure) => {
            let status = failure.status();
            said(explain(&failure, err), status)
        }
    }
}

/// The status, unless what belongs to it could not be written.
fn said(written: io::Result<()>, status: u8) -> u8 {
    match written {
        Ok(()) => status,
        Err(_) => status.max(1),
    }
}

/// Says what went wrong, from the outside in; nothing of how the program is built.
fn explain(failure: &Failure, err: &mut dyn Write) -> io::Result<()> {
    match failure {
        Failure::Settings(SettingsErrors(errors)) => {
            for error in errors {
                writeln!(err, "creditd: {error}")?;
            }
            Ok(())
        }
        Failure::Other(error) => writeln!(err, "creditd: {error:#}"),
    }
}

async fn dispatch(cli: Cli, out: &mut dyn Write) -> Result<(), Failure> {
    let settings = || Settings::load_here(cli.config.as_deref());
    match cli.command {
        Command::Serve => daemon::serve(settings()?).await?,
        Command::Demo => daemon::demo().await?,
        Command::Reload => reload::run(out)?,
        Command::CheckConfig(form) => check_config::run(&settings()?, form, out)?,
        Command::Config { what } => config::run(&settings()?, what, out)?,
        Command::Doctor(form) => match settings() {
            Ok(settings) => doctor::run(&settings, form, out).await?,
            Err(errors) => {
                doctor::unreadable(&errors, form, out)?;
                return Err(errors.into());
            }
        },
        Command::Migrate(how) => ground::migrate(&settings()?, how, out).await?,
        Command::Move(to) => moving::run(&settings()?, &to, out).await?,
        Command::Keys { what } => {
            keys::run(&settings()?, what, out).await?;
        }
        Command::Account { what } => {
            let settings = settings()?;
            let store = ground::open(&settings).await?;
            account::run(store.as_ref(), &settings.catalogue, what, out).await?;
        }
        Command::Explain(what) => {
            let settings = settings()?;
            let store = ground::open(&settings).await?;
            explain::run(&store, &settings.catalogue, what, out).await?;
        }
        Command::Seat { what } => ground::change(&settings()?, Asked::seat(what), out).await?,
        Command::Grant(grant) => ground::change(&settings()?, Asked::grant(grant), out).await?,
        Command::Revoke(revoke) => ground::change(&settings()?, Asked::revoke(revoke), out).await?,
        Command::Adjust(adjust) => ground::change(&settings()?, Asked::adjust(adjust), out).await?,
        Command::Rewards { what } => rewards::run(&settings()?, what, out).await?,
        Command::Sync(how) => sync::run(&settings()?, how, out).await?,
        Command::Customers { what } => {
            let store = ground::open(&settings()?).await?;
            customers::run(store.as_ref(), what, out).await?;
        }
        Command::Subscriptions { what } => subscriptions::run(&settings()?, what, out).await?,
        Command::Inbox { what } => {
            let store = ground::open(&settings()?).await?;
            queues::inbox(store.as_ref(), what, out).await?;
        }
        Command::Outbox { what } => {
            let store = ground::open(&settings()?).await?;
            queues::outbox(store.as_ref(), what, out).await?;
        }
        Command::Verify(form) => {
            let store = ground::open(&settings()?).await?;
            verify::run(store.as_ref(), form, out).await?;
        }
        Command::Backup(what) => backup::run(&settings()?, what, out).await?,
        Command::Openapi => daemon::openapi(out)?,
        Command::Completions { shell } => printed::completions(shell, out)?,
        Command::Man(man) => printed::man(&man, out)?,
    }
    Ok(())
}

/// Runs a command to its end on a runtime of its own. One processor is left to the database: with
/// as many threads for requests as there are processors, each batch would wait for its turn.
fn wait(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let workers = processors.saturating_sub(1).max(1);
    runtime.worker_threads(workers).enable_all().build()?.block_on(work)
}

#[cfg(test)]
mod tests;
