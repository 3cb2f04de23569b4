//! Whatever a store can hold is the same after a move.

use super::OPTIONS;
use super::answers::answer;
use super::lists::promo;
use super::queues::{event, mail};
use super::sample::{at, change, commit, entry, free_entry, make, team, uc, whole};
use crate::clock;
use crate::store::moving::{compare, fill};
use crate::store::postgres::{PostgresOptions, PostgresStore};
use crate::store::sqlite::SqliteStore;
use crate::store::{
    ApiKey, EventState, Home, Job, LedgerQuery, Loaded, MailOutcome, MarkKind, MarkOutcome,
    ObjectRef, PageQuery, Store,
};
use creditd_rules::Workspace;
use creditd_rules::command::{Alert, Touch};
use creditd_rules::id::WorkspaceId;
use creditd_test_cluster::{Cluster, Database, Version};
use std::fmt::Debug;

/// A name that a careless copy would spoil.
const AWKWARD: &str = "tab\tline\nreturn\r \\N \\. \"quoted\" Łöve \u{1f980}";

/// Puts something of everything into a store.
async fn furnish(store: &dyn Store) {
    let mut made = team("w");
    if let Some(bob) = made.accounts.get_mut("bob") {
        bob.name = Some(AWKWARD.to_owned());
    }
    make(store, &made).await;
    make(store, &Workspace::new("v@x:1.2-3".into())).await;
    let filled = commit(store, "w", whole(), |before, _| {
        let lines = vec![
            entry("s1", Some("ada"), -3),
            entry("s1", None, 4),
            free_entry("bob", i64::MAX),
            free_entry("bob", i64::MAX),
        ];
        let mut change = change(before, |w| {
            w.next_seq += lines.len() as u64;
            w.grants.get_mut("g1").unwrap().balance = uc(i64::MAX);
        });
        change.entries = lines;
        change.answers = vec![("key".to_owned(), answer(1)), (AWKWARD.to_owned(), answer(2))];
        change.mails = ["ada", "bob", "ada"].map(|account| mail(account).into()).into();
        let alert = |code, detail: &str| Alert {
            code,
            subject: "sub".to_owned(),
            detail: detail.to_owned(),
        };
        change.alerts = vec![alert("one", AWKWARD), alert("two", "")];
        change
    });
    filled.await.unwrap();
    let mails = store.mails(None, &page()).await.unwrap().rows;
    store.mark_mail(&mails[0].id, &MailOutcome::Sent, at(5)).await.unwrap();
    let park = MailOutcome::Park { error: AWKWARD.to_owned() };
    store.mark_mail(&mails[1].id, &park, at(6)).await.unwrap();

    store.claim_account(&"claimed".into(), &"w".into()).await.unwrap();
    store.claim_app(&"claimed".into(), &"v@x:1.2-3".into()).await.unwrap();
    store.link_customer(&"cus_1".into(), &"w".into(), false).await.unwrap();
    let events = ["z", "b", "a", "y"].map(|id| event(id, EventState::Pending));
    store.keep_events(&events).await.unwrap();
    store.keep_events(&[event("parked", EventState::Parked)]).await.unwrap();
    for (id, outcome) in [
        ("sub_1", MarkOutcome::Retry { at: at(9), note: AWKWARD.to_owned() }),
        ("sub_2", MarkOutcome::Waits("customer:cus".to_owned())),
    ] {
        let object = ObjectRef { kind: MarkKind::Subscription, id: id.to_owned() };
        store.mark(&object, None, at(5)).await.unwrap();
        let marks = store.claim_marks(at(5), at(6), 1).await.unwrap();
        store.settle_mark(&marks[0], &outcome, at(7)).await.unwrap();
    }
    store.set_bookmark("events", Some("evt_1"), at(8)).await.unwrap();
    assert!(store.lease_bookmark("sync", at(8), at(9)).await.unwrap());
    store.mark_event("b", EventState::Waiting, Some("who?"), Some("account:eve")).await.unwrap();
    store.create_promo(&promo("A", 2), "k", &answer(3)).await.unwrap().unwrap();
    for (account, made) in [("ada", Some(true)), ("bob", None)] {
        let grant = format!("grant-{account}").as_str().into();
        store.reserve_promo("A", &account.into(), &grant, at(10)).await.unwrap();
        if let Some(made) = made {
            store.settle_promo("A", &account.into(), made).await.unwrap();
        }
    }
    let post = "https://x.com/1";
    store.reserve_post(post, &"ada".into(), &"r1".into(), at(10)).await.unwrap();
    let scopes = vec!["usage".to_owned(), "read".to_owned()];
    for (id, byte) in [("k1", 0), ("k2", 255)] {
        let (id, scopes) = (id.to_owned(), scopes.clone());
        let key = ApiKey { id, hash: [byte; 32], scopes, created_at: at(1), revoked_at: None };
        store.add_api_key(&key).await.unwrap();
    }
    store.revoke_api_key("k2", at(9)).await.unwrap();
}

fn page() -> PageQuery {
    PageQuery { limit: 100, cursor: None }
}

/// Everything that a store tells, in words.
async fn told(store: &dyn Store) -> Vec<String> {
    fn say(what: &str, thing: impl Debug) -> String {
        format!("{what}: {thing:#?}")
    }
    let w = || WorkspaceId::from("w");
    let mut said = Vec::new();
    for id in ["w", "v@x:1.2-3"] {
        let home = Home::Workspace(id.into());
        said.push(say("workspace", store.read(&home, &whole()).await.unwrap()));
    }
    for home in [
        Home::Account("claimed".into()),
        Home::App("claimed".into()),
        Home::App("app".into()),
        Home::Customer("cus_1".into()),
        Home::Seat("s2".into()),
        Home::Grant("g3".into()),
        Home::Reward("r2".into()),
    ] {
        said.push(say("home", store.workspace_of(&home).await.unwrap()));
    }
    said.push(say("subscription", store.workspace_of_subscription(&"sub".into()).await.unwrap()));
    for seat in [None, Some("s1".into())] {
        let query = LedgerQuery { limit: 100, seat, ..LedgerQuery::default() };
        said.push(say("ledger", store.ledger(&w(), &query).await.unwrap()));
    }
    let jobs = ["key", AWKWARD, "other"].map(|key| Job {
        home: Home::Workspace(w()),
        touch: Touch::default(),
        key: Some(key.to_owned()),
    });
    let mut answers = Vec::new();
    let look = &mut |loaded: Loaded| {
        answers.push(say("answers", loaded.answers));
        Vec::new()
    };
    store.transact(&jobs, look).await.unwrap();
    said.append(&mut answers);
    let again = store.create_promo(&promo("B", 1), "k", &answer(9)).await.unwrap();
    said.push(say("answer without a workspace", again));
    said.push(say("accounts", store.accounts(None, &page()).await.unwrap()));
    said.push(say("grants", store.grants(&"ada".into(), &page()).await.unwrap()));
    said.push(say("rewards", store.rewards(None, &page()).await.unwrap()));
    said.push(say("plans", store.held_plans().await.unwrap()));
    said.push(say("due", store.due(at(i64::from(u32::MAX)), 100).await.unwrap()));
    said.push(say("pending", store.pending_events(100).await.unwrap()));
    said.push(say("events", store.events(None, &page()).await.unwrap()));
    said.push(say("mails", store.mails(None, &page()).await.unwrap()));
    said.push(say("next mail", store.next_mail_at().await.unwrap()));
    said.push(say("promos", store.promos(&page()).await.unwrap()));
    said.push(say("loose", store.loose_reservations(at(999)).await.unwrap()));
    said.push(say("keys", store.api_keys().await.unwrap()));
    said.push(say("depths", store.depths().await.unwrap()));
    said.push(say("clock", store.now().await.unwrap()));
    said
}

/// A furnished source, and what stands for its file.
async fn source() -> (SqliteStore, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("credits.db"), &OPTIONS).await.unwrap();
    store.set_test_clock(at(1_000)).await.unwrap().unwrap();
    furnish(&store).await;
    (store, directory)
}

/// A target with nothing in it, and what stands for its server.
async fn target() -> (PostgresStore, Database<'static>) {
    let database = Cluster::shared(Version::V15).database();
    let options = PostgresOptions::default();
    let store = PostgresStore::open_to_fill(&database.url, &OPTIONS, &options).await.unwrap();
    (store, database)
}

#[tokio::test]
async fn everything_is_the_same_after_a_move() {
    let (source, _directory) = source().await;
    let (target, _database) = target().await;
    let mut turn = source.turn().await.unwrap();
    let mut db = turn.begin().await.unwrap();
    let tables = fill(&mut db, &target, "here", &|_| ()).await.unwrap();
    assert!(tables.iter().all(|(_, tally)| tally.rows > 0), "{tables:?}");
    assert_eq!(compare(&target, &tables, &|_| ()).await.unwrap(), Vec::<String>::new());
    db.give_up().await.unwrap();
    drop(turn);
    let (before, after) = (told(&source).await, told(&target).await);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after);
    }
    assert_eq!(before.len(), after.len());

    // What comes now comes after what was moved, and mails are found where they lie.
    target.keep_events(&[event("new", EventState::Pending)]).await.unwrap();
    let pending = target.pending_events(100).await.unwrap();
    assert_eq!(pending.last().unwrap().event.id, "new");
    for mail in target.mails(None, &page()).await.unwrap().rows {
        target.mark_mail(&mail.id, &MailOutcome::Sent, clock::wall()).await.unwrap();
    }
    let mails = target.mails(None, &page()).await.unwrap().rows;
    assert!(mails.iter().all(|mail| mail.sent_at.is_some()), "{mails:?}");
}

#[tokio::test]
async fn a_copy_that_differs_is_found() {
    let (source, _directory) = source().await;
    let (target, database) = target().await;
    let mut turn = source.turn().await.unwrap();
    let mut db = turn.begin().await.unwrap();
    let tables = fill(&mut db, &target, "here", &|_| ()).await.unwrap();
    for (spoilt, expected) in [
        ("DELETE FROM alert WHERE code = 'two'", "alerts: 2 in the source, 1 in the copy"),
        ("UPDATE seat SET message_used_uc = 0", "seat.message_used_uc adds up to"),
        ("UPDATE account SET name = name || '!'", "account.name adds up to"),
        ("UPDATE inbox SET received_at = received_at + interval '1 us'", "inbox.received_at_us"),
        ("UPDATE redemption SET made = true", "redemption.made"),
    ] {
        database.sql(spoilt);
        let found = compare(&target, &tables, &|_| ()).await.unwrap().join("\n");
        assert!(found.contains(expected), "{spoilt}: {found}");
    }
}

#[tokio::test]
async fn a_database_with_anything_in_it_is_not_filled() {
    let (target, database) = target().await;
    assert!(target.occupied().await.unwrap().is_none());
    target.set_test_clock(at(1)).await.unwrap().unwrap();
    assert_eq!(target.occupied().await.unwrap().unwrap().rows, "test clocks");
    assert!(target.fill("here").await.is_err());
    assert_eq!(target.origin().await.unwrap(), None, "whoever uses it may go on");
    let options = PostgresOptions::default();
    PostgresStore::open(&database.url, &OPTIONS, &options).await.unwrap();
}
