//! `creditd doctor`: a well daemon, and each thing that may be wrong.

use super::{NOW, parsed};
use crate::asked::Pair;
use crate::daemon::{Daemon, PATIENCE, SECRET};
use crate::engine::{Engine, on_each_engine};
use fake_stripe::server::Failure;
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

on_each_engine! {
    on threads:
    a_daemon_that_is_well
    what_is_wrong_with_stripe
    what_is_wrong_with_mail_and_ports
    what_is_wrong_with_the_database
    what_waits_for_a_person
    settings_that_cannot_be_read
}

/// What the doctor says of a daemon with these variables, by state: each `check: found`.
struct Said {
    status: Option<i32>,
    checks: Vec<Value>,
}

impl Said {
    fn of(daemon: &Daemon, words: &[&str], env: &[(&str, &str)]) -> Self {
        let mut command = daemon.invocation(&[&["doctor", "--json"][..], words].concat());
        let output = command.envs(env.iter().copied()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(!said.contains(SECRET) && !said.contains("sk_test_"), "no secret is shown: {said}");
        let checks = parsed(&said)["checks"].as_array().unwrap().clone();
        Self { status: output.status.code(), checks }
    }

    fn found(&self, state: &str) -> Vec<String> {
        let of = self.checks.iter().filter(|check| check["state"] == state);
        of.map(|check| {
            let text = |name: &str| check[name].as_str().unwrap().to_owned();
            assert_eq!(check["mend"].is_null(), state == "ok", "{check}");
            format!("{}: {}", text("check"), text("found"))
        })
        .collect()
    }

    /// It must be told so, in this state, with the exit status that belongs to it.
    #[track_caller]
    fn tells(&self, state: &str, words: &str) {
        let found = self.found(state);
        assert!(found.iter().any(|found| found.contains(words)), "{words:?}: {:?}", self.checks);
        assert_eq!(self.status, Some(i32::from(!self.found("fail").is_empty())));
    }
}

/// The settings of tests hold a secret; nobody else may read them.
fn lock_away(file: &Path) {
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

/// The servers of tests write nothing to the disk for good, which is told.
fn failures_of(engine: Engine) -> Vec<&'static str> {
    match engine {
        Engine::Sqlite => Vec::new(),
        Engine::Postgres | Engine::Pooled => vec![
            "database server: fsync is off: a crash of the machine loses what was acknowledged",
            "database server: full_page_writes is off: a crash of the machine can spoil pages",
        ],
    }
}

async fn a_daemon_that_is_well(engine: Engine) {
    let mut pair = Pair::start(engine).await;
    let daemon = &mut pair.daemon;
    let file = daemon.path("creditd.toml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    Said::of(daemon, &[], &[]).tells("fail", "creditd.toml holds a secret, and others can read it");
    lock_away(&file);

    let (api, ops) = (daemon.api().to_string(), daemon.ops_address().to_string());
    let env = [("CREDITD__SERVER__LISTEN", api.as_str()), ("CREDITD__SERVER__OPS_LISTEN", &ops)];
    let said = Said::of(daemon, &[], &env);
    assert_eq!(said.found("fail"), failures_of(engine));
    for words in [
        format!("settings: {} was read", file.display()),
        "secrets: ".to_owned(),
        "can be read and written, and its schema fits".to_owned(),
        format!("creditd listens on {api}"),
        format!("creditd listens on {ops}"),
        "stripe: the API answers, and the key may read".to_owned(),
        "clock: agrees with that of Stripe".to_owned(),
        "plans: 4 are configured".to_owned(),
        "queues: nothing waits".to_owned(),
        "webhooks: ".to_owned(),
    ] {
        assert!(
            said.found("ok").iter().any(|found| found.contains(&words)),
            "{words}: {:?}",
            said.checks
        );
    }
    said.tells("warn", "mail: goes to files");
    said.tells("warn", "clock.mode is \"test\"");

    // For people it is a table, without colours where it is no terminal.
    let output = daemon.command(&["doctor"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("\nok    queues") && said.contains("      "), "{said}");
    assert!(said.contains("-> set mail.smtp_url") && !said.contains('\x1b'), "{said}");
    assert_eq!(output.status.code(), Some(i32::from(!failures_of(engine).is_empty())));

    // On a terminal it is coloured, unless the user wants none.
    let config = file.display();
    let line = format!("{} doctor --config {config}", env!("CARGO_BIN_EXE_creditd"));
    for (no_color, coloured) in [("", true), ("1", false)] {
        let mut terminal = std::process::Command::new("script");
        let output = terminal.args(["-qec", &line, "/dev/null"]).env("NO_COLOR", no_color).output();
        let said = String::from_utf8(output.unwrap().stdout).unwrap();
        assert_eq!(said.contains("\x1b[33mwarn\x1b[0m  mail"), coloured, "{said}");
    }

    // It needs no daemon.
    daemon.stop();
    let said = Said::of(daemon, &[], &env);
    said.tells("ok", &format!("server.listen: {api} is free"));
    assert_eq!(said.found("fail"), failures_of(engine));
}

async fn what_is_wrong_with_stripe(engine: Engine) {
    let pair = Pair::start(engine).await;
    let (daemon, stripe) = (&pair.daemon, &pair.stripe);
    lock_away(&daemon.path("creditd.toml"));
    let key = [("CREDITD__STRIPE__API_KEY", "sk_test_of_somebody_else")];
    Said::of(daemon, &[], &key).tells("fail", "stripe: Stripe refuses the API key: 401");
    let none = [("CREDITD__STRIPE__API_KEY", ""), ("CREDITD__STRIPE__WEBHOOK_SECRETS", "")];
    let said = Said::of(daemon, &[], &none);
    said.tells("warn", "stripe: there is no API key");
    said.tells("warn", "webhooks: no secret is set");
    for (failure, words) in [
        (Failure::Status(500), "stripe: Stripe cannot be asked: 500"),
        (Failure::Hang, "stripe: Stripe cannot be asked: no answer within"),
        (Failure::Garbage, "stripe: Stripe cannot be asked: 17 bytes that are no JSON"),
    ] {
        stripe.fail_always(failure);
        Said::of(daemon, &[], &[]).tells("fail", words);
        stripe.mend();
    }
    stripe.fail_path("/v1/customers", Failure::Status(403));
    stripe.fail_path("/v1/events", Failure::Status(403));
    Said::of(daemon, &[], &[]).tells("fail", "the API key may not read: Events, Customers");
    stripe.mend();
    let live = [("CREDITD__STRIPE__LIVEMODE", "true"), ("CREDITD__CLOCK__MODE", "system")];
    Said::of(daemon, &[], &live).tells("fail", "and the API key is of the other mode");
    pair.buys("price_starter", &[]);
    let said = Said::of(daemon, &[], &live);
    said.tells("fail", "stripe.livemode is true, and Stripe's events have livemode false");
    let nobody = [("CREDITD__STRIPE__API_BASE", "http://127.0.0.1:1/")];
    Said::of(daemon, &[], &nobody).tells("fail", "stripe: Stripe cannot be asked: ");
}

async fn what_is_wrong_with_mail_and_ports(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    lock_away(&daemon.path("creditd.toml"));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let port = [("CREDITD__SERVER__OPS_LISTEN", address.as_str())];
    let words = format!("server.ops_listen: another program has {address}");
    Said::of(&daemon, &[], &port).tells("fail", &words);
    let elsewhere = [("CREDITD__SERVER__LISTEN", "192.0.2.1:8080")];
    Said::of(&daemon, &[], &elsewhere).tells("fail", "192.0.2.1:8080 cannot be listened on");

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("smtp://ada:s3cret@127.0.0.1:{closed}?tls=none");
    let mail = [("CREDITD__MAIL__SMTP_URL", url.as_str())];
    let said = Said::of(&daemon, &[], &mail);
    said.tells("fail", &format!("mail: 127.0.0.1:{closed}: connecting"));
    said.tells("warn", "secrets: mail.smtp_url is set by the variable");
    let from = [mail[0], ("CREDITD__MAIL__FROM", "Credits <credits@example.com>")];
    Said::of(&daemon, &[], &from).tells("warn", "mail.from is an address at example.com");
}

async fn what_is_wrong_with_the_database(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    let file = daemon.path("creditd.toml");
    lock_away(&file);
    daemon.person("ann").await;
    daemon.buys("ann", "ann", "price_starter").await;

    // A plan that somebody holds is gone from the settings.
    let fewer = daemon.path("fewer.toml");
    let text = fs::read_to_string(&file).unwrap().replace("id = \"starter\"", "id = \"begin\"");
    fs::write(&fewer, text).unwrap();
    lock_away(&fewer);
    let config = ["--config", fewer.to_str().unwrap()];
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_creditd"))
        .args(["doctor", config[0], config[1]])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("seats hold the plan \"starter\""), "{said}");
    assert_eq!(output.status.code(), Some(1));

    if matches!(engine, Engine::Sqlite) {
        let held = engine.hold(daemon.database()).await;
        let said = Said::of(&daemon, &[], &[]);
        held.let_go().await;
        said.tells("fail", "is in use by another process");
    }

    let other = match engine {
        Engine::Sqlite => format!("sqlite://{}", daemon.path("creditd.toml").display()),
        Engine::Postgres | Engine::Pooled => "postgres://ada@127.0.0.1:1/credits".to_owned(),
    };
    let words = match engine {
        Engine::Sqlite => "is not a creditd database",
        Engine::Postgres | Engine::Pooled => "the database does not answer",
    };
    Said::of(&daemon, &[], &[("CREDITD__DATABASE__URL", &other)]).tells("fail", words);
    let missing = format!("sqlite://{}", daemon.path("none.db").display());
    let said = Said::of(&daemon, &[], &[("CREDITD__DATABASE__URL", &missing)]);
    said.tells("warn", "there is none at");
    assert!(!daemon.path("none.db").exists(), "looking makes nothing");
}

async fn what_waits_for_a_person(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    lock_away(&daemon.path("creditd.toml"));
    assert_eq!(daemon.webhook("nonsense").await.status, 200);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while daemon.metric("creditd_inbox{state=\"parked\"}").await < 1.0 {
        assert!(tokio::time::Instant::now() < deadline, "it is not parked");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    Said::of(&daemon, &[], &[]).tells("warn", "queues: 1 events are parked");
}

async fn settings_that_cannot_be_read(engine: Engine) {
    let daemon = Daemon::prepare(engine, crate::daemon::Setup::default());
    let wrong = [("CREDITD__SERVER__LISTEN", "here")];
    let said = Said::of(&daemon, &[], &wrong);
    assert_eq!(said.status, Some(78));
    assert!(said.found("fail")[0].contains("CREDITD__SERVER__LISTEN: server.listen must be"));
}
