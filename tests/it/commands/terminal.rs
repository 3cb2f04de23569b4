//! Commands on a terminal: bars for long work, there and nowhere else.

use super::NOW;
use crate::asked::Pair;
use crate::daemon::{Daemon, Setup};
use crate::engine::{Engine, cluster};
use std::process::Command;

/// What a person sees of a command that must succeed.
fn seen(daemon: &Daemon, words: &[&str]) -> String {
    let command = daemon.invocation(words);
    let parts = std::iter::once(command.get_program()).chain(command.get_args());
    let line: Vec<&str> = parts.map(|part| part.to_str().unwrap()).collect();
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &line.join(" "), "/dev/null"]).env("TERM", "xterm");
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => terminal.env(name, value),
            None => terminal.env_remove(name),
        };
    }
    let output = terminal.output().unwrap();
    let seen = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{words:?}: {seen}");
    seen
}

/// A bar says `said` on a terminal; elsewhere there is none, and complaints neither.
#[track_caller]
fn draws(daemon: &Daemon, on_terminal: &[&str], elsewhere: &[&str], said: &[&str]) {
    let seen = seen(daemon, on_terminal);
    for said in said {
        assert!(seen.contains(said), "{said:?} is not in {seen:?}");
    }
    assert!(seen.contains("\x1b["), "a bar is drawn over itself: {seen:?}");
    let output = daemon.command(elsewhere);
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{complaints}");
    assert!(!complaints.contains('\x1b') && !complaints.contains('\r'), "{complaints:?}");
    let answer = String::from_utf8(output.stdout).unwrap();
    assert!(!answer.contains('\x1b'), "{answer:?}");
}

#[tokio::test]
async fn long_work_shows_how_far_it_has_come() {
    let mut daemon = Daemon::start(Engine::Sqlite, NOW).await;
    daemon.person("ann").await;
    daemon.chats("ann", 1).await;
    draws(&daemon, &["verify"], &["verify"], &["/1 workspaces"]);
    let [first, second] = ["first.db", "second.db"].map(|name| daemon.path(name));
    let [first, second] = [&first, &second].map(|path| path.to_str().unwrap());
    let said = ["copied ", "verified ", "/1 workspaces"];
    draws(&daemon, &["backup", first], &["backup", second], &said);
    daemon.stop();
    let [first, second] = [cluster().database(), cluster().database()];
    let to = |url| ["move", "--to", url];
    draws(&daemon, &to(&first.url), &to(&second.url), &["ledger lines"]);
    daemon.reconfigure(Setup::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_with_stripe_shows_how_far_it_has_come() {
    let pair = Pair::start(Engine::Sqlite).await;
    pair.daemon.person("ann").await;
    pair.buys("price_starter", &[("account", "ann")]);
    let dry = ["sync", "--dry-run"];
    draws(&pair.daemon, &dry, &dry, &[" compared, "]);
    draws(&pair.daemon, &["sync"], &["sync"], &["/1 healed"]);
}
