//! What is kept is a guess, and no outcome ever rests on a wrong one: trials for every engine that
//! keeps workspaces between batches.

use super::kept::Kept;
use super::{Change, Home, Job, KeptAnswer, Loaded, Store};
use creditd_rules::command::Touch;
use creditd_rules::id::AccountId;
use creditd_rules::state::Account;
use creditd_rules::{Amount, Instant, Kind, Workspace};

/// A store that keeps.
pub(super) trait Keeps: Store {
    /// Does something with what it keeps.
    fn kept<T>(&self, with: impl FnOnce(&mut Kept) -> T) -> T;
}

/// An empty database, which may be opened more than once. Guesses on it are not a matter of time.
pub(super) trait Ground {
    /// A store in it.
    async fn open(&self) -> impl Keeps;
}

/// Makes a test of each trial, on a ground that is made for it.
macro_rules! trials {
    ($($trial:ident),* $(,)?; $ground:expr) => {
        $(#[tokio::test]
        async fn $trial() {
            crate::store::guessing::$trial(&$ground).await;
        })*
    };
    ($ground:expr) => {
        $crate::store::guessing::trials! {
            a_batch_is_decided_once_on_what_the_last_one_left,
            what_was_changed_beside_is_seen_before_anything_is_written,
            nobody_is_refused_on_what_was_true_a_moment_ago,
            a_known_key_has_its_answer_whatever_is_kept,
            a_large_batch_with_one_refusal_is_decided_once;
            $ground
        }
    };
}
pub(super) use trials;

/// What an account may use.
const LIMIT: i64 = 3;

fn job(home: Home, account: &str, key: Option<&str>) -> Job {
    let touch = Touch { accounts: vec![account.into()], ..Touch::default() };
    Job { home, touch, key: key.map(str::to_owned) }
}

pub(super) fn of(account: &str, key: Option<&str>) -> Job {
    job(Home::Account(account.into()), account, key)
}

fn used(workspace: &Workspace, account: &str) -> i64 {
    workspace.accounts[account].free[Kind::Message].allowance.used.micros()
}

pub(super) fn set_used(workspace: &mut Workspace, account: &str, used: i64) {
    let id = AccountId::from(account);
    let account = workspace.accounts.get_mut(&id).unwrap();
    account.free[Kind::Message].allowance.used = Amount::from_micros(used);
}

fn answer() -> KeptAnswer {
    KeptAnswer { fingerprint: [7; 32], status: 200, body: b"{}".to_vec() }
}

pub(super) fn change(
    before: Workspace, key: Option<&str>, edit: impl FnOnce(&mut Workspace),
) -> Change {
    let mut after = before.clone();
    edit(&mut after);
    after.version += 1;
    Change {
        before,
        after,
        entries: Vec::new(),
        answers: key.map(|key| (key.to_owned(), answer())).into_iter().collect(),
        mails: Vec::new(),
        erased: Vec::new(),
        alerts: Vec::new(),
    }
}

/// Makes workspace `w` with these people.
pub(super) async fn make(store: &dyn Store, people: &[&str]) {
    let job = job(Home::Workspace("w".into()), people[0], None);
    let mut decide = |mut loaded: Loaded| {
        let before = loaded.workspaces.pop_first().unwrap().1;
        vec![change(before, None, |after| {
            for id in people {
                let account = Account::new((*id).into(), Instant::UNIX_EPOCH);
                after.accounts.insert(account.id.clone(), account);
            }
        })]
    };
    store.transact(&[job], &mut decide).await.unwrap();
}

/// What came of a debit, and how often it was decided.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Came {
    Spent(i64),
    Refused,
    Replayed,
}

/// Uses one more if the limit allows it, unless that was done under the key.
pub(super) async fn spend(store: &dyn Store, account: &str, key: Option<&str>) -> (Came, usize) {
    let (mut came, mut decided) = (Came::Refused, 0);
    let mut decide = |mut loaded: Loaded| {
        decided += 1;
        let (id, before) = loaded.workspaces.pop_first().unwrap();
        if key.is_some_and(|key| loaded.answers.contains_key(&(id, key.to_owned()))) {
            came = Came::Replayed;
            return Vec::new();
        }
        let now = used(&before, account) + 1;
        if now > LIMIT {
            came = Came::Refused;
            return Vec::new();
        }
        came = Came::Spent(now);
        vec![change(before, key, |after| set_used(after, account, now))]
    };
    store.transact(&[of(account, key)], &mut decide).await.unwrap();
    (came, decided)
}

/// Sets what was used, by a command beside the daemon.
async fn set_beside(store: &dyn Store, account: &str, used: i64) {
    let mut decide = |mut loaded: Loaded| {
        let before = loaded.workspaces.pop_first().unwrap().1;
        vec![change(before, None, |after| set_used(after, account, used))]
    };
    store.transact(&[of(account, None)], &mut decide).await.unwrap();
}

pub(super) async fn stored(store: &dyn Store, account: &str) -> i64 {
    let touch = of(account, None).touch;
    let read = store.read(&Home::Account(account.into()), &touch).await.unwrap();
    used(&read.unwrap().1, account)
}

pub(super) async fn a_batch_is_decided_once_on_what_the_last_one_left<G: Ground>(ground: &G) {
    let store = ground.open().await;
    make(&store, &["ada", "bob"]).await;
    for (account, now) in [("ada", 1), ("bob", 1), ("ada", 2), ("ada", 3), ("bob", 2)] {
        let key = format!("{account}-{now}");
        assert_eq!(spend(&store, account, Some(&key)).await, (Came::Spent(now), 1));
        assert_eq!(stored(&store, account).await, now);
    }
    assert_eq!(spend(&store, "ada", Some("one-more")).await, (Came::Refused, 1));
    assert_eq!(spend(&store, "ada", Some("ada-1")).await.0, Came::Replayed);
    // Wherever it was decided, what is kept is what is stored.
    let kept = store.kept(|kept| kept.guess(&[of("ada", None), of("bob", None)]));
    if let Some((_, workspaces)) = kept {
        let read = store.read(&Home::Account("ada".into()), &of("ada", None).touch).await.unwrap();
        let read = read.unwrap().1;
        assert_eq!(workspaces["w"].accounts["ada"], read.accounts["ada"]);
        assert_eq!(workspaces["w"].version, read.version);
    }
}

pub(super) async fn what_was_changed_beside_is_seen_before_anything_is_written<G: Ground>(
    ground: &G,
) {
    let (store, beside) = (ground.open().await, ground.open().await);
    make(&store, &["ada"]).await;
    assert_eq!(spend(&store, "ada", Some("k1")).await, (Came::Spent(1), 1));
    set_beside(&beside, "ada", 2).await;
    assert_eq!(spend(&store, "ada", Some("k2")).await, (Came::Spent(3), 2));
    assert_eq!(stored(&beside, "ada").await, 3);
}

pub(super) async fn nobody_is_refused_on_what_was_true_a_moment_ago<G: Ground>(ground: &G) {
    let (store, beside) = (ground.open().await, ground.open().await);
    make(&store, &["ada"]).await;
    for key in [None, Some("k")] {
        set_beside(&store, "ada", 0).await;
        for now in 1..=LIMIT {
            assert_eq!(spend(&store, "ada", None).await.0, Came::Spent(now));
        }
        store.kept(Kept::calm);
        assert_eq!(spend(&store, "ada", key).await, (Came::Refused, 1));
        set_beside(&beside, "ada", 0).await;
        assert_eq!(spend(&store, "ada", key).await, (Came::Spent(1), 2));
    }
}

pub(super) async fn a_known_key_has_its_answer_whatever_is_kept<G: Ground>(ground: &G) {
    let store = ground.open().await;
    make(&store, &["ada"]).await;
    assert_eq!(spend(&store, "ada", Some("k1")).await, (Came::Spent(1), 1));
    assert_eq!(spend(&store, "ada", Some("k1")).await, (Came::Replayed, 2), "could be spent");
    // The batches that are loaded after a wrong guess.
    while spend(&store, "ada", None).await.0 != Came::Refused {}
    store.kept(Kept::calm);
    assert_eq!(spend(&store, "ada", Some("k1")).await, (Came::Replayed, 2), "would be refused");
    assert_eq!(stored(&store, "ada").await, LIMIT);
}

/// One of many is refused and all others are written: the proof holds whatever is written first.
pub(super) async fn a_large_batch_with_one_refusal_is_decided_once<G: Ground>(ground: &G) {
    let store = ground.open().await;
    let people: Vec<String> = (0..100).map(|number| format!("p{number:03}")).collect();
    let jobs: Vec<Job> = people.iter().map(|id| of(id, None)).collect();
    for id in &people {
        let home = Home::Workspace(format!("w-{id}").as_str().into());
        let mut decide = |mut loaded: Loaded| {
            let before = loaded.workspaces.pop_first().unwrap().1;
            vec![change(before, None, |after| {
                let account = Account::new(id.as_str().into(), Instant::UNIX_EPOCH);
                after.accounts.insert(account.id.clone(), account);
            })]
        };
        store.transact(&[job(home, id, None)], &mut decide).await.unwrap();
    }
    let mut decided = 0;
    let mut decide = |loaded: Loaded| {
        decided += 1;
        let others = loaded.workspaces.into_values().skip(1);
        let debit = |before: Workspace| {
            let id = before.accounts.keys().next().unwrap().clone();
            change(before, None, |after| set_used(after, id.as_str(), 1))
        };
        others.map(debit).collect()
    };
    store.transact(&jobs, &mut decide).await.unwrap();
    assert_eq!(decided, 1);
    assert_eq!((stored(&store, "p000").await, stored(&store, "p099").await), (0, 1));
}
