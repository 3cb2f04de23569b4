//! The daemon itself, its demonstration, and the description of the interface.

use crate::settings::Settings;
use anyhow::Context;
use std::io::Write;

/// `creditd serve`.
pub(super) async fn serve(settings: Settings) -> anyhow::Result<()> {
    let level = crate::logging::start(&settings.logs).map_err(anyhow::Error::msg)?;
    crate::supervisor::serve(settings, level).await
}

/// `creditd demo`.
pub(super) async fn demo() -> anyhow::Result<()> {
    let program = std::env::current_exe().context("this program's own path is not known")?;
    crate::demo::run(&program).await
}

/// `creditd openapi`.
pub(super) fn openapi(out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "{}", crate::http::openapi_document()?)?;
    Ok(())
}
