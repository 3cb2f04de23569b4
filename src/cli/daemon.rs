//! The commands that are more than one transaction: the daemon itself, its demonstration, the
//! comparison with Stripe, the description of the interface.

use crate::settings::Settings;
use anyhow::{Context, bail};
use std::io::Write;

/// `creditd serve`.
pub(super) async fn serve(settings: Settings) -> anyhow::Result<()> {
    crate::logging::start(&settings.logs).map_err(anyhow::Error::msg)?;
    crate::supervisor::serve(settings).await
}

/// `creditd demo`.
pub(super) async fn demo() -> anyhow::Result<()> {
    let program = std::env::current_exe().context("this program's own path is not known")?;
    crate::demo::run(&program).await
}

/// `creditd sync`.
pub(super) async fn sync(_settings: &Settings, _out: &mut dyn Write) -> anyhow::Result<()> {
    bail!("there is no client of Stripe's API yet: only what webhooks bring is known")
}

/// `creditd openapi`.
pub(super) fn openapi(out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "{}", crate::http::openapi_document()?)?;
    Ok(())
}
