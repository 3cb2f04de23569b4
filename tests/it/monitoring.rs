//! What operators see: metrics that Prometheus takes, alerts, and the dashboard.

mod names;
mod prometheus;

use crate::daemon::{Daemon, Setup};
use crate::engine::{Engine, on_each_engine};
use names::{alerts, dashboard, expressions, manual_of_metrics, metrics_in, sections, shown};
use prometheus::Prometheus;
use serde_json::json;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

on_each_engine! {
    promtool_finds_nothing_to_say_against_the_metrics
    prometheus_scrapes_a_daemon_and_takes_its_rules_and_dashboard
    what_rules_dashboard_and_manual_name_is_there
    queues_the_database_and_the_process_are_shown
    nothing_that_an_operator_must_see_is_missing
}

const NOW: &str = "2026-03-01T10:00:00Z";

/// A file of the repository.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(file(name)).unwrap()
}

/// A daemon in which something of everything has happened.
async fn lived_in(engine: Engine) -> Daemon {
    let mut daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    daemon.buys("ann", "ann", "price_tiny").await;
    daemon.app_calls("ann", 5).await;
    daemon.mails(1).await;
    daemon.cannot_chat("ann", 2).await;
    daemon.webhook("nonsense").await;
    daemon.clock("2026-04-01T10:00:00Z").await;
    daemon
}

async fn page(daemon: &Daemon) -> String {
    let answer = daemon.ops().get("/metrics").await.unwrap();
    answer.body.as_str().unwrap().to_owned()
}

async fn promtool_finds_nothing_to_say_against_the_metrics(engine: Engine) {
    let page = page(&lived_in(engine).await).await;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

async fn prometheus_scrapes_a_daemon_and_takes_its_rules_and_dashboard(engine: Engine) {
    let daemon = lived_in(engine).await;
    let prometheus =
        Prometheus::scraping(&daemon, &file("contrib/prometheus/creditd.rules.yml")).await;
    assert_eq!(prometheus.value("up{job=\"creditd\"}").await, 1.0);
    assert_eq!(prometheus.value("count(creditd_build_info)").await, 1.0);
    assert_eq!(prometheus.value("creditd_reset_lateness_seconds_count").await, 1.0);
    assert_eq!(prometheus.value("sum(creditd_mails_total{outcome=\"sent\"})").await, 1.0);
    assert_eq!(
        prometheus.value("creditd_refusals_total{code=\"message_credits_exhausted\"}").await,
        1.0
    );

    let rules = prometheus.get("/api/v1/rules").await;
    let rules = rules["data"]["groups"][0]["rules"].as_array().unwrap().clone();
    assert_eq!(rules.len(), alerts().len());
    for rule in &rules {
        assert!(rule["health"] == "ok" || rule["health"] == "unknown", "{rule}");
    }
    for expression in expressions(&dashboard()) {
        let expression = expression.replace("$__rate_interval", "5m").replace("$instance", ".*");
        prometheus.evaluates(&expression).await;
    }
}

async fn what_rules_dashboard_and_manual_name_is_there(engine: Engine) {
    let page = page(&lived_in(engine).await).await;
    let shown = shown(&page);
    let manual = manual_of_metrics();
    let rules = text("contrib/prometheus/creditd.rules.yml");
    let tests = text("contrib/prometheus/creditd.rules.test.yml");
    let panels = expressions(&dashboard()).join("\n");
    for (name, text) in [
        ("rules", &rules),
        ("tests of the rules", &tests),
        ("dashboard", &panels),
        ("manual", &manual),
    ] {
        let named = metrics_in(text);
        assert!(named.len() > 15, "{name} names {named:?}");
        for metric in named {
            assert!(shown.contains(&metric), "{name}: {metric} is not in {page}");
        }
    }
    // And the manual says what each is.
    let described = metrics_in(&manual);
    for family in page.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let family = family.split(' ').next().unwrap();
        assert!(described.contains(family), "the manual does not tell of {family}");
    }
}

async fn queues_the_database_and_the_process_are_shown(engine: Engine) {
    let daemon = lived_in(engine).await;
    assert_eq!(daemon.metric("creditd_inbox{state=\"parked\"}").await, 1.0);
    assert_eq!(daemon.metric("creditd_webhooks_total{outcome=\"kept\"}").await, 2.0);
    assert_eq!(daemon.metric("creditd_events_total{outcome=\"done\"}").await, 1.0);
    assert_eq!(daemon.metric("creditd_event_applied_seconds_count").await, 1.0);
    assert_eq!(daemon.metric("creditd_outbox{state=\"queued\"}").await, 0.0);
    assert_eq!(daemon.metric("creditd_mail_delivery_seconds_count").await, 1.0);
    let refused = "creditd_http_problems_total{code=\"message_credits_exhausted\"}";
    assert_eq!(daemon.metric(refused).await, 1.0);
    assert_eq!(daemon.metric("creditd_database_up").await, 1.0);
    assert_eq!(daemon.metric("creditd_writer_moves").await, 1.0);
    assert_eq!(daemon.metric("creditd_due").await, 0.0);
    let next = daemon.metric("creditd_next_due_timestamp_seconds").await;
    assert_eq!(next, 1_777_629_600.0, "1 May 2026, 10:00");
    assert!(daemon.metric("process_resident_memory_bytes").await > 1e6);
    let skew = daemon.metric("creditd_clock_skew_seconds{against=\"stripe\"}").await;
    assert!(skew.abs() < 60.0, "{skew}");
}

async fn nothing_that_an_operator_must_see_is_missing(engine: Engine) {
    let daemon = lived_in(engine).await;
    let name = match engine {
        Engine::Sqlite => "sqlite",
        Engine::Postgres | Engine::Pooled => "postgres",
    };
    let version = env!("CARGO_PKG_VERSION");
    let build = format!("creditd_build_info{{version=\"{version}\",engine=\"{name}\"}}");
    assert_eq!(daemon.metric(&build).await, 1.0);
    for counted in [
        "creditd_reset_lateness_seconds_count",
        "creditd_batch_commands_count",
        "creditd_commit_seconds_count",
        "creditd_refusals_total{code=\"message_credits_exhausted\"}",
        "creditd_mails_total{outcome=\"sent\"}",
        "creditd_http_request_seconds_count{route=\"/v1/usage\"}",
        "creditd_http_requests_total{method=\"POST\",route=\"/v1/usage\",status=\"402\"}",
    ] {
        assert!(daemon.metric(counted).await >= 1.0, "{counted}");
    }
    let page = page(&daemon).await;
    for shown in [
        "creditd_due 0",
        "creditd_overdue 0",
        "creditd_inbox{state=\"pending\"} 0",
        "creditd_inbox_oldest_age_seconds ",
        "creditd_outbox{state=\"queued\"} 0",
        "creditd_outbox_oldest_age_seconds ",
        "creditd_stripe_requests_total{outcome=\"answered\"} 0",
        "creditd_drift_total{kind=\"missing\"} 0",
        "creditd_clock_skew_seconds{against=\"stripe\"} ",
    ] {
        assert!(page.lines().any(|line| line.starts_with(shown)), "{shown} is not in {page}");
    }
}

#[tokio::test]
async fn the_databases_clock_is_compared_with_ours() {
    let setup = Setup { system_clock: true, ..Setup::default() };
    let daemon = Daemon::with(Engine::Postgres, "", setup).await;
    let page = page(&daemon).await;
    let line = page.lines().find(|line| line.contains("against=\"database\"")).unwrap();
    let skew: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(skew.abs() < 60.0, "{line}");
}

#[test]
fn every_alert_leads_to_a_section_that_says_what_to_do() {
    let sections = sections(&text("docs/RUNBOOKS.md"));
    for (alert, link) in alerts() {
        let anchor = alert.to_lowercase();
        assert_eq!(link, format!("docs/RUNBOOKS.md#{anchor}"), "{alert}");
        let (_, said) = sections
            .iter()
            .find(|(title, _)| *title == alert)
            .unwrap_or_else(|| panic!("docs/RUNBOOKS.md has no section {alert}"));
        assert!(said.len() > 100, "{alert}: {said}");
    }
}

#[test]
fn every_alert_is_seen_to_fire_in_a_test_of_the_rules() {
    let tests = text("contrib/prometheus/creditd.rules.test.yml");
    for (alert, _) in alerts() {
        let fires = format!("alertname=\"{alert}\", alertstate=\"firing\"");
        assert!(tests.contains(&fires), "{alert} is not tried");
    }
}

/// What a link to a title ends with.
fn anchor(title: &str) -> String {
    let kept = |letter: &char| letter.is_alphanumeric() || " -_".contains(*letter);
    title.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
}

#[test]
fn links_within_the_documents_lead_somewhere() {
    let mut pages = vec!["README.md".to_owned(), "SECURITY.md".to_owned()];
    pages.extend(fs::read_dir(file("docs")).unwrap().filter_map(|found| {
        let name = found.unwrap().file_name().into_string().unwrap();
        Path::new(&name).extension().is_some_and(|it| it == "md").then(|| format!("docs/{name}"))
    }));
    let mut followed = 0;
    for page in &pages {
        let here = text(page);
        let links = here.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
        for link in links.filter(|link| !link.contains("://")) {
            let (path, to) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => file(page),
                path => file(page).with_file_name("").join(path),
            };
            assert!(target.exists(), "{page}: {link} leads nowhere");
            if !to.is_empty() {
                let there = fs::read_to_string(&target).unwrap();
                let found = sections(&there).iter().any(|(title, _)| anchor(title) == to);
                assert!(found, "{page}: {link} leads to no part of {}", target.display());
            }
            followed += 1;
        }
    }
    assert!(followed > 40, "{followed}");
}

#[test]
fn every_code_of_an_alert_is_explained() {
    let manual = text("docs/RUNBOOKS.md");
    for code in creditd::metrics::ALERTS {
        assert!(manual.contains(&format!("\n| `{code}` |")), "{code} is not explained");
    }
}

#[test]
fn the_dashboard_can_be_imported() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert_eq!(
        (&variables[0]["name"], &variables[0]["type"]),
        (&json!("datasource"), &json!("datasource"))
    );
    assert!(dashboard["uid"].is_string() && dashboard["schemaVersion"].as_u64() >= Some(36));
    assert!(dashboard["id"].is_null(), "an id belongs to one Grafana");
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids: Vec<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    ids.dedup();
    assert_eq!(ids.len(), panels.len());
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        assert!(panel["description"].as_str().unwrap().ends_with('.'), "{}", panel["title"]);
        let place = &panel["gridPos"];
        assert!(place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24, "{place}");
    }
}
