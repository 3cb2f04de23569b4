//! `creditd doctor`: looks at everything that must be right for a daemon to work, and says how to mend
//! what is not. Nothing is changed, no mail is sent, and a daemon may run meanwhile.

mod finding;
mod files;
mod database;
mod stripe;
mod mail;
mod clocks;
mod ports;
mod traces;

use super::args::Form;
use crate::settings::{Settings, SettingsErrors};
use anyhow::bail;
use finding::Finding;
use std::io::Write;

/// `creditd doctor`.
pub(super) async fn run(
    settings: &Settings, form: Form, out: &mut dyn Write,
) -> anyhow::Result<()> {
    let findings = examine(settings).await;
    if form.json {
        finding::print_json(&findings, out)?;
    } else {
        finding::print(&findings, finding::colours(), out)?;
    }
    match finding::counts(&findings) {
        [_, _, 0] => Ok(()),
        [_, _, 1] => bail!("1 thing is to be mended"),
        [_, _, many] => bail!("{many} things are to be mended"),
    }
}

/// Settings that cannot be read, as JSON; what is printed for people is the errors themselves.
pub(super) fn unreadable(
    errors: &SettingsErrors, form: Form, out: &mut dyn Write,
) -> anyhow::Result<()> {
    if !form.json {
        return Ok(());
    }
    let findings: Vec<Finding> = errors
        .0
        .iter()
        .map(|error| Finding::fail(SETTINGS, error.to_string(), "change it where it says"))
        .collect();
    finding::print_json(&findings, out)
}

const SETTINGS: &str = "settings";

async fn examine(settings: &Settings) -> Vec<Finding> {
    let read = match &settings.file {
        Some(file) => format!("{} was read", file.display()),
        None => "there is no file, so the built-in values hold".to_owned(),
    };
    let mut findings = vec![Finding::ok(SETTINGS, read)];
    findings.extend(files::secrets(settings));
    findings.extend(files::state_directory(settings));
    // What waits for others is done at once.
    let (database, stripe, mail, ports, traces) = tokio::join!(
        database::examine(settings),
        stripe::examine(settings),
        mail::examine(settings),
        ports::examine(settings),
        traces::examine(settings),
    );
    findings.extend(database);
    findings.extend(stripe);
    findings.extend(mail);
    findings.extend(clocks::mode(settings));
    findings.extend(ports);
    findings.extend(traces);
    findings
}
