//! The commands that are more than one transaction: the daemon itself, its demonstration, the
//! comparison with Stripe, the description of the interface.

use crate::settings::Settings;
use anyhow::bail;
use std::io::Write;

/// `creditd serve`.
pub(super) async fn serve(settings: Settings) -> anyhow::Result<()> {
    crate::logging::start(&settings.logs).map_err(anyhow::Error::msg)?;
    bail!("serve is not built in yet")
}

/// `creditd demo`.
pub(super) async fn demo(_out: &mut dyn Write) -> anyhow::Result<()> {
    bail!("demo is not built in yet")
}

/// `creditd sync`.
pub(super) async fn sync(_settings: &Settings, _out: &mut dyn Write) -> anyhow::Result<()> {
    bail!("sync is not built in yet")
}

/// `creditd openapi`.
pub(super) fn openapi(out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "{}", crate::http::openapi_document()?)?;
    Ok(())
}
