//! `creditd config show`: every setting as it holds.

use super::args::{Config, ShownConfig};
use super::table;
use crate::settings::{Settings, Shown};
use serde_json::{Value, json};
use std::io::Write;

pub(super) fn run(settings: &Settings, what: Config, out: &mut dyn Write) -> anyhow::Result<()> {
    let Config::Show(ShownConfig { origin, form }) = what;
    if form.json {
        return table::json(out, &settings.shown.iter().map(setting_json).collect::<Vec<_>>());
    }
    for Shown { key, value, origin: from } in &settings.shown {
        match origin {
            true => writeln!(out, "{key} = {value}  ({from})")?,
            false => writeln!(out, "{key} = {value}")?,
        }
    }
    Ok(())
}

/// The value is TOML, as it could stand in the file.
pub(super) fn setting_json(Shown { key, value, origin }: &Shown) -> Value {
    json!({ "key": key, "value": value, "origin": origin })
}
