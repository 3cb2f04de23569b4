//! What commands stand on: the store, and the writer for those that change an account.

use crate::settings::Settings;
use crate::store::Store;
use crate::writer::Submit;
use anyhow::{Context, bail};
use std::io::Write;
use std::sync::Arc;

/// The store that the settings name, brought up to date where they say so.
pub(super) async fn open(settings: &Settings) -> anyhow::Result<Arc<dyn Store>> {
    open_with(settings, settings.database.migrate).await
}

async fn open_with(settings: &Settings, migrate: bool) -> anyhow::Result<Arc<dyn Store>> {
    if settings.database.in_state_dir {
        let directory = &settings.state_dir;
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot make the state directory {}", directory.display()))?;
    }
    bail!("{} cannot be opened yet (migrate: {migrate})", settings.database.url)
}

/// A writer of this command's own on the store that the settings name.
pub(super) async fn writer(settings: &Settings) -> anyhow::Result<Arc<dyn Submit>> {
    open(settings).await?;
    bail!("commands have no writer yet")
}

/// `creditd migrate`.
pub(super) async fn migrate(settings: &Settings, out: &mut dyn Write) -> anyhow::Result<()> {
    open_with(settings, true).await?;
    writeln!(out, "{}: the schema is up to date", settings.database.url)?;
    Ok(())
}
