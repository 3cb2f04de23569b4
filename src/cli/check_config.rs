//! `creditd check-config`: every setting with its origin, the catalogue, the next times of each
//! cron line; or everything that is wrong, at once.

use super::args::Form;
use super::config::setting_json;
use super::table;
use crate::clock;
use crate::settings::cron::Schedule;
use crate::settings::{Settings, Shown};
use chrono::{DateTime, Utc};
use creditd_rules::Kind;
use creditd_rules::plan::{Class, Limits, Plan};
use serde_json::{Value, json};
use std::io::{self, Write};

/// How many times of a cron line are shown.
const TIMES: usize = 3;

pub(super) fn run(settings: &Settings, form: Form, out: &mut dyn Write) -> anyhow::Result<()> {
    let now = clock::wall();
    match form.json {
        true => table::json(out, &as_json(settings, now)),
        false => Ok(print(settings, now, out)?),
    }
}

fn as_json(settings: &Settings, now: DateTime<Utc>) -> Value {
    let lines = cron_lines(settings).map(|(key, line)| {
        json!({ "key": key, "line": line.to_string(), "next": line.next_n(now, TIMES) })
    });
    json!({
        "settings": settings.shown.iter().map(setting_json).collect::<Vec<_>>(),
        "database": settings.database.url.to_string(),
        "state_directory": settings.state_dir,
        "times": lines,
        "missing_for_production": settings.notices,
    })
}

/// What is done at set times.
fn cron_lines(settings: &Settings) -> [(&'static str, &Schedule); 3] {
    let times = &settings.maintenance;
    [
        ("maintenance.prune", &times.prune),
        ("maintenance.verify", &times.verify),
        ("maintenance.sync", &times.sync),
    ]
}

fn print(settings: &Settings, now: DateTime<Utc>, out: &mut dyn Write) -> io::Result<()> {
    for Shown { key, value, origin } in &settings.shown {
        writeln!(out, "{key} = {value}  ({origin})")?;
    }
    writeln!(out, "\ndatabase: {}", settings.database.url)?;
    writeln!(out, "state directory: {}\n", settings.state_dir.display())?;
    catalogue(settings, out)?;
    for (key, line) in cron_lines(settings) {
        cron_line(key, line, now, out)?;
    }
    if !settings.notices.is_empty() {
        writeln!(out, "\nmissing for production:")?;
    }
    for notice in &settings.notices {
        writeln!(out, "- {notice}")?;
    }
    writeln!(out, "\nthe settings are right")
}

fn catalogue(settings: &Settings, out: &mut dyn Write) -> io::Result<()> {
    let row = |plan: &&Plan| {
        let prices: Vec<&str> = settings.prices.of_plan(&plan.id).collect();
        let prices = if prices.is_empty() { "-".to_owned() } else { prices.join(", ") };
        let [message, integration] = Kind::ALL.map(|kind| limits(&plan.limits[kind]));
        [plan.id.to_string(), plan.rank.to_string(), message, integration, prices]
    };
    let plans: Vec<_> = settings.catalogue.plans().iter().map(row).collect();
    table::write(out, ["PLAN", "RANK", "MESSAGE", "INTEGRATION", "PRICES"], &plans)?;
    writeln!(out)?;
    let actions: Vec<_> = settings
        .catalogue
        .actions()
        .map(|action| {
            let [free, paid] =
                [Class::Free, Class::Paid].map(|class| action.cost_for(class).to_string());
            [action.id.to_string(), action.kind.to_string(), free, paid]
        })
        .collect();
    table::write(out, ["ACTION", "KIND", "ON FREE", "ON PAID"], &actions)?;
    writeln!(out)
}

fn limits(limits: &Limits) -> String {
    let each = [(limits.month, "month"), (limits.day, "day")];
    let said =
        each.iter().filter_map(|(amount, per)| amount.map(|amount| format!("{amount} a {per}")));
    said.collect::<Vec<_>>().join(", ")
}

fn cron_line(
    key: &str, line: &Schedule, now: DateTime<Utc>, out: &mut dyn Write,
) -> io::Result<()> {
    let times = line.next_n(now, TIMES).into_iter().map(|at| at.format("%a %F %T UTC").to_string());
    writeln!(out, "{key} \"{line}\" next: {}", times.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let dir = tempfile::TempDir::new().unwrap();
        let file = dir.path().join("creditd.toml");
        std::fs::write(&file, text).unwrap();
        let settings = Settings::load(Some(&file), [], None).unwrap();
        let mut out = Vec::new();
        print(&settings, "2026-11-24T22:00:00Z".parse().unwrap(), &mut out).unwrap();
        String::from_utf8(out).unwrap().replace(&format!("{}/", dir.path().display()), "")
    }

    #[track_caller]
    fn check(out: &str, line: &str) {
        assert!(out.lines().any(|found| found == line), "{line:?} is not in:\n{out}");
    }

    #[test]
    fn every_value_stands_with_its_origin_and_secrets_are_hidden() {
        let out = shown(
            "[server]\nlisten = \"127.0.0.1:81\"\n[stripe]\nwebhook_secrets = [\"whsec_x1\"]\n\
             [mail]\nsmtp_url = \"smtp://ada:s3cret@mx\"\n",
        );
        check(&out, "server.listen = \"127.0.0.1:81\"  (creditd.toml)");
        check(&out, "server.ops_listen = \"127.0.0.1:9090\"  (built in)");
        check(&out, "stripe.webhook_secrets = (hidden)  (creditd.toml)");
        check(&out, "stripe.api_key = \"\"  (built in)");
        check(&out, "mail.smtp_url = \"smtp://ada:(hidden)@mx\"  (creditd.toml)");
        check(
            &out,
            "mail.retry = [\"5s\", \"30s\", \"2m\", \"10m\", \"1h\", \"6h\", \"24h\"]  (built in)",
        );
        check(&out, "the settings are right");
        assert!(!out.contains("whsec_x1") && !out.contains("s3cret"), "{out}");
    }

    #[test]
    fn cron_lines_show_their_next_three_times() {
        let out = shown("[maintenance]\nverify = \"30 4 * * Sun\"\n");
        check(
            &out,
            "maintenance.prune \"15 3 * * *\" next: Wed 2026-11-25 03:15:00 UTC, \
             Thu 2026-11-26 03:15:00 UTC, Fri 2026-11-27 03:15:00 UTC",
        );
        check(
            &out,
            "maintenance.verify \"30 4 * * Sun\" next: Sun 2026-11-29 04:30:00 UTC, \
             Sun 2026-12-06 04:30:00 UTC, Sun 2026-12-13 04:30:00 UTC",
        );
    }

    #[test]
    fn the_catalogue_is_summed_up() {
        let out = shown("");
        check(&out, "free     0     5 a day       25 a day       -");
        check(&out, "builder  2     250 a month   10000 a month  builder");
        check(&out, "auto_fix          message      1        0");
    }
}
