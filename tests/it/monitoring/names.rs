//! What rules, dashboard and manual name.

use super::text;
use serde_json::Value;
use std::collections::BTreeSet;

/// Names of metrics in a text.
pub(super) fn metrics_in(text: &str) -> BTreeSet<String> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| {
            let process = word.starts_with("process_") && word.matches('_').count() >= 2;
            word.starts_with("creditd_") || process
        })
        .map(str::to_owned)
        .collect()
}

/// What a page of metrics can be asked for: its families, and the series of its histograms.
pub(super) fn shown(page: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in page.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        names.insert(name.to_owned());
        if kind == "histogram" {
            names.extend(["bucket", "sum", "count"].map(|part| format!("{name}_{part}")));
        }
    }
    names
}

/// The alerts of the rules, each with its link.
pub(super) fn alerts() -> Vec<(String, String)> {
    let rules = text("contrib/prometheus/creditd.rules.yml");
    let alerts: Vec<(String, String)> = rules
        .split("- alert: ")
        .skip(1)
        .map(|rule| {
            let name = rule.lines().next().unwrap().to_owned();
            let link = rule.split("runbook_url: ").nth(1).expect("it has a link");
            (name, link.lines().next().unwrap().to_owned())
        })
        .collect();
    assert!(alerts.len() > 15, "{alerts:?}");
    alerts
}

/// Titles of the manual, with what is said below each.
pub(super) fn sections(manual: &str) -> Vec<(String, String)> {
    let mut sections: Vec<(String, String)> = Vec::new();
    for line in manual.lines() {
        match line.strip_prefix("## ").or_else(|| line.strip_prefix("### ")) {
            Some(title) => sections.push((title.to_owned(), String::new())),
            None => {
                if let Some((_, said)) = sections.last_mut() {
                    said.push_str(line);
                    said.push('\n');
                }
            }
        }
    }
    sections
}

/// What the manual says of metrics and alerts. Elsewhere it names roles of databases and files, too.
pub(super) fn manual_of_metrics() -> String {
    let of_metrics = |title: &str| ["Is it well?", "Metrics"].contains(&title);
    let sections = sections(&text("docs/OPERATING.md")).into_iter();
    let said = sections.filter(|(title, _)| of_metrics(title)).map(|(_, said)| said);
    said.collect::<String>() + &text("docs/RUNBOOKS.md")
}

/// The dashboard.
pub(super) fn dashboard() -> Value {
    serde_json::from_str(&text("contrib/grafana/creditd.json")).unwrap()
}

/// What its panels ask for.
pub(super) fn expressions(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let expressions: Vec<String> =
        targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
    assert!(expressions.len() > 30, "{expressions:?}");
    expressions
}
