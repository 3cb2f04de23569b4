//! Answers kept under idempotency keys (R17), and the clock.

use super::sample::{at, change, commit, edit, make, see, team};
use crate::clock;
use crate::store::{Home, Job, KeptAnswer, Loaded, Store, StoreError};
use chrono::TimeDelta;
use creditd_rules::command::Touch;
use std::collections::BTreeMap;

pub(super) fn answer(n: u8) -> KeptAnswer {
    KeptAnswer {
        fingerprint: std::array::from_fn(|at| {
            n.wrapping_mul(17).wrapping_add(u8::try_from(at).unwrap())
        }),
        status: 200 + u16::from(n),
        body: format!("{{\"text\":\"ł \\\" {n}\"}}").into_bytes(),
    }
}

async fn keep(store: &dyn Store, workspace: &str, key: &str, n: u8) -> Result<(), StoreError> {
    commit(store, workspace, Touch::default(), |before, _| {
        let mut change = change(before, |_| ());
        change.answers = vec![(key.to_owned(), answer(n))];
        change
    })
    .await
}

async fn find(store: &dyn Store, keys: &[(&str, &str)]) -> BTreeMap<(String, String), KeptAnswer> {
    let jobs: Vec<Job> = keys
        .iter()
        .map(|(workspace, key)| Job {
            home: Home::Workspace((*workspace).into()),
            touch: Touch::default(),
            key: Some((*key).to_owned()),
        })
        .collect();
    let mut found = BTreeMap::new();
    let mut look = |loaded: Loaded| {
        let answers = loaded.answers.into_iter();
        found = answers.map(|((home, key), kept)| ((home.to_string(), key), kept)).collect();
        Vec::new()
    };
    store.transact(&jobs, &mut look).await.unwrap();
    found
}

pub(super) async fn r17_answers_are_kept_for_each_workspace(store: &dyn Store) {
    make(store, &team("w")).await;
    keep(store, "w", "k1", 1).await.unwrap();
    keep(store, "w", "k2", 2).await.unwrap();
    keep(store, "v", "k1", 3).await.unwrap();
    let found = find(store, &[("w", "k1"), ("v", "k2"), ("v", "k1"), ("w", "nothing")]).await;
    let expected = [(("w", "k1"), answer(1)), (("v", "k1"), answer(3))];
    let expected: BTreeMap<_, _> = expected
        .into_iter()
        .map(|((home, key), kept)| ((home.to_owned(), key.to_owned()), kept))
        .collect();
    assert_eq!(found, expected);
}

pub(super) async fn r17_a_key_is_kept_once(store: &dyn Store) {
    make(store, &team("w")).await;
    keep(store, "w", "k", 1).await.unwrap();
    assert!(matches!(keep(store, "w", "k", 2).await, Err(StoreError::Conflict)));
    let found = find(store, &[("w", "k")]).await;
    assert_eq!(found.into_values().collect::<Vec<_>>(), [answer(1)]);
    assert_eq!(see(store, "w", &Touch::default()).await.version, 2, "nothing else was changed");
}

pub(super) async fn old_answers_are_forgotten(store: &dyn Store) {
    make(store, &team("w")).await;
    keep(store, "w", "k", 1).await.unwrap();
    let now = clock::wall();
    let day = TimeDelta::days(1);
    assert_eq!(store.prune(now - day, now - day).await.unwrap(), 0);
    assert_eq!(find(store, &[("w", "k")]).await.len(), 1);
    assert_eq!(store.prune(now + day, now - day).await.unwrap(), 1);
    assert_eq!(find(store, &[("w", "k")]).await.len(), 0);
}

pub(super) async fn the_test_clock_stands_and_only_goes_forward(store: &dyn Store) {
    assert_eq!(store.now().await.unwrap(), at(1_000));
    assert_eq!(store.set_test_clock(at(1_000)).await.unwrap(), Ok(()), "the same again");
    assert_eq!(store.set_test_clock(at(999)).await.unwrap(), Err(at(1_000)));
    assert_eq!(store.set_test_clock(at(2_000)).await.unwrap(), Ok(()));
    make(store, &team("w")).await;
    edit(store, "w", Touch::default(), |w| w.decided_at = at(5_000)).await;
    assert_eq!(store.set_test_clock(at(4_000)).await.unwrap(), Err(at(5_000)));
    let read = store.read(&Home::Workspace("w".into()), &Touch::default()).await.unwrap();
    assert_eq!(read.unwrap().0, at(5_000), "a read is not before what was decided");
    let mut now = None;
    let mut look = |loaded: Loaded| {
        now = Some(loaded.now);
        Vec::new()
    };
    let job = super::sample::job("w", Touch::default());
    store.transact(&[job], &mut look).await.unwrap();
    assert_eq!(now, Some(at(2_000)));
}

pub(super) async fn directories_keep_the_first_claim(store: &dyn Store) {
    store.ping().await.unwrap();
    assert_eq!(store.claim_account(&"a".into(), &"w".into()).await.unwrap().as_str(), "w");
    assert_eq!(store.claim_account(&"a".into(), &"v".into()).await.unwrap().as_str(), "w");
    assert_eq!(store.claim_app(&"p".into(), &"w".into()).await.unwrap().as_str(), "w");
    assert_eq!(store.claim_app(&"p".into(), &"v".into()).await.unwrap().as_str(), "w");
    let customer = "cus".into();
    assert_eq!(store.link_customer(&customer, &"w".into(), false).await.unwrap().as_str(), "w");
    assert_eq!(store.link_customer(&customer, &"v".into(), false).await.unwrap().as_str(), "w");
    assert_eq!(store.link_customer(&customer, &"v".into(), true).await.unwrap().as_str(), "v");
    for (home, expected) in [
        (Home::Account("a".into()), "w"),
        (Home::App("p".into()), "w"),
        (Home::Customer("cus".into()), "v"),
    ] {
        assert_eq!(store.workspace_of(&home).await.unwrap().unwrap().as_str(), expected);
    }
    assert_eq!(store.workspace_of(&Home::Workspace("w".into())).await.unwrap(), None);
    let touch = Touch { accounts: vec!["a".into()], apps: vec!["p".into()], ..Touch::default() };
    let mut loaded_things = None;
    let mut look = |loaded: Loaded| {
        let workspace = &loaded.workspaces["w"];
        loaded_things = Some((workspace.accounts.len(), workspace.apps.len()));
        Vec::new()
    };
    let job = Job { home: Home::Account("a".into()), touch, key: None };
    store.transact(&[job], &mut look).await.unwrap();
    assert_eq!(loaded_things, Some((0, 0)), "what is claimed does not exist yet");
}
