//! Whether the database can be reached and written, and fits.

use super::clocks;
use super::finding::Finding;
use crate::settings::{Engine, Settings};
use crate::store::{self, Depths, OpenError, ServerFacts, Store, server_facts};
use crate::supervisor::{check_held_plans, open_options};
use std::collections::BTreeMap;

const DATABASE: &str = "database";
const SERVER: &str = "database server";
const COPY: &str = "copy";
const PLANS: &str = "plans";
const QUEUES: &str = "queues";

/// All about the database.
pub(super) async fn examine(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let url = settings.database.url.expose();
    if settings.database.url.engine() == Engine::Postgres
        && let Ok(facts) = server_facts(url, &settings.database.postgres()).await
    {
        findings.extend(server(&facts, settings.database.connections));
        findings.push(clocks::judge("the database", facts.skew));
    }
    // Nothing is made or migrated by looking.
    let options = open_options(settings).as_it_is();
    match store::open_with(url, &options, &settings.database.postgres()).await {
        Err(error) => findings.insert(0, refused(&error, settings)),
        Ok(store) => {
            let written = written(settings).await;
            findings.insert(0, written);
            if settings.database.checkpoint
                && store::is_copied_by_litestream(url).await.unwrap_or_default()
            {
                findings.push(two_move_the_log());
            }
            findings.push(plans(store.as_ref(), settings).await);
            if let Ok(depths) = store.depths().await {
                findings.extend(queues(&depths));
            }
        }
    }
    findings
}

/// A database that is there, tried with a write.
async fn written(settings: &Settings) -> Finding {
    let url = &settings.database.url;
    match store::prove_commit(url.expose(), &settings.database.postgres()).await {
        Ok(()) => {
            Finding::ok(DATABASE, format!("{url} can be read and written, and its schema fits"))
        }
        Err(error) => {
            Finding::fail(DATABASE, format!("{url}, trying to write: {error}"), mend(&error))
        }
    }
}

/// What is moved out of the log before Litestream has seen it is missing in its copy.
fn two_move_the_log() -> Finding {
    Finding::warn(
        COPY,
        "Litestream has copied this file, and we move its log: a copy made so may be worthless",
        "set database.checkpoint = false and restart; where Litestream is gone for good, drop its \
         table _litestream_seq",
    )
}

/// Why it cannot be opened; what a start mends by itself is no failure.
fn refused(error: &OpenError, settings: &Settings) -> Finding {
    let url = &settings.database.url;
    if let OpenError::Missing(path) = error {
        return Finding::warn(
            DATABASE,
            format!("there is none at {} yet", path.display()),
            "`creditd serve` or `creditd migrate` makes it",
        );
    }
    if let (OpenError::OldSchema { found, known }, true) = (error, settings.database.migrate) {
        return Finding::warn(
            DATABASE,
            format!("{url} has schema {found}, and {known} is needed"),
            "the next start migrates it, or `creditd migrate` does; take a backup before",
        );
    }
    Finding::fail(DATABASE, format!("{url}: {error}"), mend(error))
}

fn mend(error: &OpenError) -> &'static str {
    match error {
        OpenError::UnknownUrl(_) | OpenError::WrongUrl(_) => {
            "set database.url: sqlite:///absolute/path, or postgres://user@host/database"
        }
        OpenError::ReadOnly { .. } => {
            "let the file and its directory belong to the daemon's user, on a disk that can be written"
        }
        OpenError::Full(_) => "make room on its disk",
        OpenError::Locked(_) => "see who holds it: `fuser` with the file's name",
        OpenError::Unreachable(_) => "see that the server runs, and that database.url leads to it",
        OpenError::Login(_) => "set user and password in the credential database_url",
        OpenError::OldServer(_) => "upgrade the server",
        OpenError::Other(_) => "look at the database's own log",
        OpenError::NotADatabase(_)
        | OpenError::Missing(_)
        | OpenError::NewerSchema { .. }
        | OpenError::OldSchema { .. }
        | OpenError::NoDatabase(_)
        | OpenError::Rights(_)
        | OpenError::OtherDatabase(_)
        | OpenError::HalfMigrated(_)
        | OpenError::HalfMoved(_)
        | OpenError::Encoding(_)
        | OpenError::Standby
        | OpenError::Pooler(_) => "do as it says; see PostgreSQL and Backup in OPERATING.md",
    }
}

/// What a server's own settings endanger.
fn server(facts: &ServerFacts, connections: u32) -> Vec<Finding> {
    let ServerFacts { version, encoding, isolation, .. } = facts;
    let mut findings = Vec::new();
    let mut fail = |is: bool, found: &str, mend: &str| {
        if is {
            findings.push(Finding::fail(SERVER, found, mend));
        }
    };
    fail(
        !facts.fsync,
        "fsync is off: a crash of the machine loses what was acknowledged",
        "set fsync = on in postgresql.conf and reload it",
    );
    fail(
        !facts.full_page_writes,
        "full_page_writes is off: a crash of the machine can spoil pages",
        "set full_page_writes = on, unless the file system writes whole pages",
    );
    fail(
        isolation != "read committed",
        &format!("transactions are {isolation}"),
        "let a pooler pass startup options on, or set database.pooler = \"transaction\"",
    );
    if facts.superuser {
        findings.push(Finding::warn(
            SERVER,
            "the daemon's role is a superuser, and may change what the ledger says",
            "give it a role of its own, see PostgreSQL in OPERATING.md",
        ));
    }
    if connections.saturating_add(3) > facts.connections {
        findings.push(Finding::warn(
            SERVER,
            format!("it allows {} connections, and we may use {connections}", facts.connections),
            "raise max_connections, or lower database.connections",
        ));
    }
    if findings.is_empty() {
        let tls = if facts.encrypted { "encrypted" } else { "not encrypted" };
        findings.push(Finding::ok(
            SERVER,
            format!("PostgreSQL {version}, {encoding}, {isolation}, the connection is {tls}"),
        ));
    }
    findings
}

/// Whether every plan that somebody holds is configured (R20).
async fn plans(store: &dyn Store, settings: &Settings) -> Finding {
    match check_held_plans(store, settings).await {
        Ok(()) => {
            let count = settings.catalogue.plans().len();
            Finding::ok(
                PLANS,
                format!("{count} are configured, and each one that is held is there"),
            )
        }
        Err(error) => Finding::fail(PLANS, error.to_string(), "add them to [[plans]] again"),
    }
}

/// What waits for a person.
fn queues(depths: &Depths) -> Vec<Finding> {
    let of = |queue: &BTreeMap<&'static str, u64>, state| queue.get(state).copied().unwrap_or(0);
    let mut findings = Vec::new();
    let mut say = |count: u64, what: &str, mend: &str| {
        if count > 0 {
            findings.push(Finding::warn(QUEUES, format!("{count} {what}"), mend));
        }
    };
    say(of(&depths.inbox, "parked"), "events are parked", "creditd inbox list --state parked");
    say(
        of(&depths.inbox, "waiting").saturating_add(of(&depths.marks, "waiting")),
        "events and subscriptions wait for a customer or an account",
        "creditd customers list --waiting",
    );
    say(
        of(&depths.marks, "parked"),
        "subscriptions could not be fetched from Stripe",
        "creditd sync --dry-run",
    );
    say(of(&depths.outbox, "parked"), "mails are parked", "creditd outbox list --state parked");
    if findings.is_empty() {
        findings.push(Finding::ok(QUEUES, "nothing waits for a person"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::State;
    use chrono::TimeDelta;

    fn facts() -> ServerFacts {
        ServerFacts {
            version: "18.1".into(),
            encoding: "UTF8".into(),
            isolation: "read committed".into(),
            fsync: true,
            full_page_writes: true,
            encrypted: true,
            superuser: false,
            connections: 100,
            skew: TimeDelta::zero(),
        }
    }

    #[track_caller]
    fn check(facts: &ServerFacts, state: State, words: &str) {
        let findings = server(facts, 8);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].state, state);
        assert!(findings[0].found.contains(words), "{findings:?}");
    }

    #[test]
    fn what_a_servers_settings_endanger_is_told() {
        check(&facts(), State::Ok, "PostgreSQL 18.1, UTF8, read committed, the connection is enc");
        check(&ServerFacts { fsync: false, ..facts() }, State::Fail, "fsync is off");
        let torn = ServerFacts { full_page_writes: false, ..facts() };
        check(&torn, State::Fail, "full_page_writes is off");
        let strict = ServerFacts { isolation: "serializable".into(), ..facts() };
        check(&strict, State::Fail, "transactions are serializable");
        check(&ServerFacts { superuser: true, ..facts() }, State::Warn, "is a superuser");
        check(&ServerFacts { connections: 10, ..facts() }, State::Warn, "allows 10 connections");
    }

    #[test]
    fn what_waits_for_a_person_is_told_with_the_command_that_shows_it() {
        assert_eq!(queues(&Depths::default())[0].state, State::Ok);
        let depths = Depths {
            inbox: [("parked", 2), ("pending", 7)].into(),
            marks: [("waiting", 1)].into(),
            outbox: [("queued", 3), ("parked", 1)].into(),
            ..Depths::default()
        };
        let told: Vec<String> = queues(&depths).into_iter().map(|finding| finding.found).collect();
        let expected = [
            "2 events are parked",
            "1 events and subscriptions wait for a customer or an account",
            "1 mails are parked",
        ];
        assert_eq!(told, expected);
    }
}
