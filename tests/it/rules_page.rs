//! The examples of docs/RULES.md, played.

use crate::daemon::calls::{accepted, refused, word};
use crate::daemon::stripe::Subscription;
use crate::daemon::{Daemon, Setup};
use crate::engine::{Engine, on_each_engine};
use serde_json::json;
use std::collections::BTreeMap;

on_each_engine! {
    the_examples_of_the_rules_page_are_true
}

const PAGE: &str = include_str!("../../docs/RULES.md");
const DEFAULTS: &str = include_str!("../../config/default.toml");

/// The plans that the page speaks of, with prices of the same names.
fn default_plans() -> String {
    let begin = DEFAULTS.find("\n[[plans]]").unwrap();
    let end = DEFAULTS.find("# What actions cost").unwrap();
    DEFAULTS[begin..end].to_owned()
}

async fn the_examples_of_the_rules_page_are_true(engine: Engine) {
    let examples: Vec<&str> = PAGE.split("```example\n").skip(1).collect();
    assert!(examples.len() >= 10, "the page has examples");
    for example in examples {
        let (example, _) = example.split_once("```").unwrap();
        Story::begin(engine).await.play(example).await;
    }
}

/// One example.
struct Story {
    daemon: Daemon,
    /// Each person's workspace.
    homes: BTreeMap<String, String>,
    /// What each has bought.
    bought: BTreeMap<String, Subscription>,
}

impl Story {
    async fn begin(engine: Engine) -> Self {
        let setup = Setup { plans: Some(default_plans()), ..Setup::default() };
        let daemon = Daemon::with(engine, "2026-01-01T00:00:00Z", setup).await;
        Self { daemon, homes: BTreeMap::new(), bought: BTreeMap::new() }
    }

    async fn play(mut self, example: &str) {
        for line in example.lines() {
            println!("{line}");
            let mut words: Vec<&str> = line.split_whitespace().collect();
            if words[0].starts_with("20") {
                let rest = words.split_off(2);
                self.daemon.clock(&instant(&words)).await;
                words = rest;
            }
            self.step(&words).await;
        }
    }

    async fn step(&mut self, words: &[&str]) {
        match *words {
            ["the", "app", "of", who, "does", times, action] => {
                accepted(action, self.of_the_app(who, times, action).await);
            }
            ["the", "app", "of", who, "is", "refused", times, action] => {
                let answer = self.of_the_app(who, times, action).await;
                refused(action, answer, 402, "integration_credits_exhausted");
            }
            ["support", "gives", who, amount, "message", ref ends @ ..] => {
                let ends = ends.split_first().map(|(_, ends)| instant(ends));
                self.daemon.grants(who, amount, ends.as_deref()).await;
            }
            [who, "joins", ref team @ ..] => {
                let home = team.first().copied().unwrap_or(who);
                self.homes.insert(who.to_owned(), home.to_owned());
                self.daemon.team(home, &[who]).await;
            }
            [who, "does", times, action] => {
                self.daemon.spends(action, who, times.parse().unwrap()).await;
            }
            [who, "is", "refused", times, action] => {
                let answer = self.daemon.tries(action, who, times.parse().unwrap()).await;
                refused(action, answer, 402, "message_credits_exhausted");
            }
            [who, "has", amount, kind] => {
                let balance = self.daemon.balance(who).await;
                assert_eq!(word(&balance[kind]["spendable"]), amount);
            }
            [who, "is", "on", plan] => assert_eq!(self.daemon.balance(who).await["plan"], plan),
            [who, "resets", "never"] => assert_eq!(self.daemon.resets_at(who).await, "null"),
            [who, "resets", "at", ref then @ ..] => {
                assert_eq!(self.daemon.resets_at(who).await, instant(then));
            }
            [who, "was", "mailed", times, "times"] => {
                let mails = self.daemon.mails(times.parse().unwrap()).await;
                assert!(mails.iter().all(|mail| mail.contains(&format!("{who}@creditd.test"))));
            }
            _ => self.step_of_a_seat(words).await,
        }
    }

    async fn step_of_a_seat(&mut self, words: &[&str]) {
        match *words {
            [who, "buys", plan] => {
                let bought = self.daemon.buys(&self.homes[who], who, plan).await;
                self.bought.insert(who.to_owned(), bought);
            }
            [who, "changes", "to", plan] => {
                self.tell(who, "updated", |bought| bought.price(plan)).await;
            }
            [who, "becomes", status] => {
                let what = if status == "canceled" { "deleted" } else { "updated" };
                self.tell(who, what, |bought| bought.status(status)).await;
            }
            [who, "hands", "the", "seat", "to", whom] => {
                let seat = self.daemon.seat_of(&self.homes[who], who).await;
                let to = json!({ "to": whom });
                self.daemon.post(&format!("/v1/seats/{seat}/transfer"), to).await;
            }
            _ => panic!("no example says {words:?}"),
        }
    }

    /// Stripe tells of a change of what somebody bought.
    async fn tell(
        &mut self, who: &str, what: &str, change: impl FnOnce(Subscription) -> Subscription,
    ) {
        let bought = change(self.bought[who].clone());
        self.daemon.told(what, &bought).await;
        self.bought.insert(who.to_owned(), bought);
    }

    async fn of_the_app(&self, who: &str, times: &str, action: &str) -> creditd::client::Response {
        let times: u32 = times.parse().unwrap();
        let body = json!({ "action": action, "app": format!("{who}-app"), "quantity": times });
        self.daemon.call(hyper::Method::POST, "/v1/usage", &body).await
    }
}

/// A day and a time of day, with or without seconds.
fn instant(words: &[&str]) -> String {
    let [day, time] = words else { panic!("{words:?} is no instant") };
    let seconds = if time.len() == 5 { ":00" } else { "" };
    format!("{day}T{time}{seconds}Z")
}
