//! `creditd demo`: the whole story through the daemon's real interfaces, in under a minute.
//!
//! It starts the daemon as its own process on SQLite in a temporary directory, plays host and
//! Stripe over HTTP with signed webhooks, checks every step, and leaves nothing behind.

mod daemon;
mod dates;
mod story;
mod stage;
mod stripe;
mod traffic;

pub use dates::bought_for;

use daemon::Daemon;
use stage::Stage;
use std::path::Path;

/// Why the demonstration failed: a step was not as it should be, or could not be taken.
pub type DemoError = anyhow::Error;

/// Plays the story with the daemon at `program`, this very program.
///
/// # Errors
/// Says which step was not as it should be.
pub async fn run(program: &Path) -> Result<(), DemoError> {
    let home = tempfile::Builder::new().prefix("creditd-demo-").tempdir()?;
    let mut stage = Stage::new();
    let mut daemon = Daemon::prepare(program, home.path()).await?;
    let played = story::play(&mut daemon, &mut stage).await;
    daemon.end().await;
    if let Err(cause) = &played {
        stage.failed(cause, &daemon.last_log_lines());
    }
    home.close()?;
    played
}
