//! Settings that are read again while the daemon runs: plans and what belongs to them, templates,
//! and the level of the log.
//!
//! All or nothing: what is wrong anywhere leaves everything as it was. Nobody waits for a reload;
//! whoever is at work goes on with what it took, and the next batch, mail or call takes the new.
//!
//! A plan that is gone is refused, since somebody may hold it or be buying it this very moment
//! (R20). A start makes sure of that while nothing changes, so it takes a restart.

use super::control::Asked;
use crate::email::template::Templates;
use crate::live::Live;
use crate::logging::Level;
use crate::settings::changed::is_live;
use crate::settings::{PriceMap, Settings, SettingsError, SettingsErrors};
use crate::stripe::snapshot::Prices;
use crate::systemd;
use creditd_rules::plan::Catalogue;
use std::sync::Arc;
use tracing::{debug, error, info, warn};

/// What a reload replaces, as the parts of the daemon hold it.
#[derive(Debug, Clone)]
pub(super) struct Replaceable {
    pub(super) catalogue: Live<Catalogue>,
    prices: Live<PriceMap>,
    pub(super) templates: Live<Templates>,
}

impl Replaceable {
    /// What holds at the start.
    pub(super) fn try_new(settings: &Settings) -> anyhow::Result<Self> {
        Ok(Self {
            catalogue: Live::new(settings.catalogue.clone()),
            prices: Live::new(settings.prices.clone()),
            templates: Live::new(templates(settings).map_err(SettingsErrors)?),
        })
    }

    /// Which plan a price buys, at any time.
    pub(super) fn prices(&self) -> Arc<Prices> {
        let prices = self.prices.clone();
        Arc::new(move |price| prices.now().bought_by(price))
    }
}

/// Reads the settings again, and brings what can be brought.
pub(super) struct Reload {
    /// As they were at the start: what needs a restart is judged by them.
    started_with: Settings,
    /// As they were read last.
    last: Settings,
    replaceable: Replaceable,
    level: Level,
}

/// What a reload came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reloaded {
    /// Keys that changed and hold now.
    pub(super) taken: Vec<String>,
    /// Keys that differ from what the daemon was started with, and wait for a restart.
    pub(super) needs_restart: Vec<String>,
}

impl Reload {
    pub(super) fn new(settings: Settings, replaceable: Replaceable, level: Level) -> Self {
        Self { started_with: settings.clone(), last: settings, replaceable, level }
    }

    /// Reads everything again, and tells systemd, the log, and whoever asked what it came to.
    pub(super) fn run_and_tell(&mut self, caller: Option<Asked>) {
        systemd::reloading();
        let answer = match self.run() {
            Ok(reloaded) => {
                reloaded.log();
                systemd::ready("serving");
                Ok(reloaded.lines())
            }
            Err(SettingsErrors(problems)) => {
                for SettingsError { origin, key, problem } in &problems {
                    error!(origin, key, "wrong settings: {problem}");
                }
                error!(problems = problems.len(), "the reload was refused; the old settings stay");
                systemd::ready("serving; the last reload was refused, see the log");
                Err(problems.iter().map(ToString::to_string).collect())
            }
        };
        if caller.is_some_and(|caller| caller.send(answer).is_err()) {
            debug!("whoever asked for the reload is gone");
        }
    }

    /// Reads everything again, and takes it over where all of it is right.
    ///
    /// # Errors
    /// All that is wrong; then nothing has changed.
    pub(super) fn run(&mut self) -> Result<Reloaded, SettingsErrors> {
        let settings = Settings::load_here(self.started_with.file.as_deref())?;
        let plans_gone = gone(&self.last.catalogue, &settings);
        if !plans_gone.is_empty() {
            return Err(SettingsErrors(plans_gone));
        }
        let templates = templates(&settings).map_err(SettingsErrors)?;
        self.level
            .set(&settings.logs.level)
            .map_err(|problem| SettingsErrors(vec![error("logs.level", problem)]))?;

        let Replaceable { catalogue, prices, templates: held } = &self.replaceable;
        // No plan is gone, so that whatever either map of prices says is in the catalogue.
        catalogue.replace(settings.catalogue.clone());
        prices.replace(settings.prices.clone());
        held.replace(templates);

        let mut reloaded = Reloaded::default();
        reloaded.taken.extend(settings.changed_since(&self.last));
        reloaded.taken.retain(|key| is_live(key));
        reloaded.needs_restart.extend(settings.changed_since(&self.started_with));
        reloaded.needs_restart.retain(|key| !is_live(key));
        for notice in settings.notices.iter().filter(|it| !self.last.notices.contains(it)) {
            warn!("{notice}");
        }
        self.last = settings;
        Ok(reloaded)
    }
}

impl Reloaded {
    /// What is said of it, a line each.
    pub(super) fn lines(&self) -> Vec<String> {
        let list = |keys: &[String]| keys.join(", ");
        let mut lines = Vec::new();
        if !self.taken.is_empty() {
            lines.push(format!("changed: {}", list(&self.taken)));
        }
        lines.push("templates were read again".to_owned());
        if !self.needs_restart.is_empty() {
            lines.push(format!("needs a restart: {}", list(&self.needs_restart)));
        }
        lines
    }

    /// Notes it in the log.
    pub(super) fn log(&self) {
        info!(changed = self.taken.join(" "), "the settings were reloaded");
        if !self.needs_restart.is_empty() {
            warn!(keys = self.needs_restart.join(" "), "changed settings that need a restart");
        }
    }
}

/// The plans that are not configured any more.
fn gone(held: &Catalogue, settings: &Settings) -> Vec<SettingsError> {
    let missing =
        held.plans().into_iter().filter(|plan| settings.catalogue.plan(&plan.id).is_none());
    let problem = |id| format!("lack {id:?}: a plan is removed by a restart, if nobody holds it");
    missing.map(|plan| error("plans", problem(plan.id.as_str()))).collect()
}

fn templates(settings: &Settings) -> Result<Templates, Vec<SettingsError>> {
    Templates::try_new(settings.mail.templates_dir.as_deref()).map_err(|errors| {
        let wrong = |it| error("mail.templates_dir", format!("has a template that is wrong: {it}"));
        errors.into_iter().map(wrong).collect()
    })
}

/// Something wrong under a key, where the settings no longer know which layer said it.
fn error(key: &str, problem: String) -> SettingsError {
    SettingsError { origin: "the settings".to_owned(), key: key.to_owned(), problem }
}

#[cfg(test)]
mod tests;
