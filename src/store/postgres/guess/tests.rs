//! What is kept of a server.

use super::{HEARD_MAX, Hand, Heard};
use crate::clock;
use crate::store::guessing::{Came, Ground, Keeps, change, make, of, set_used, spend, trials};
use crate::store::kept::Kept;
use crate::store::postgres::{PostgresOptions, PostgresStore};
use crate::store::{Loaded, OpenOptions, Store as _};
use chrono::TimeDelta;
use creditd_rules::Instant;
use creditd_test_cluster::{Cluster, Database, Version};
use std::time::Instant as Moment;

impl Keeps for PostgresStore {
    fn kept<T>(&self, with: impl FnOnce(&mut Kept) -> T) -> T {
        with(&mut self.guesses().kept)
    }
}

impl Ground for Database<'_> {
    /// By the test clock, which stands, no guess is too old.
    async fn open(&self) -> impl Keeps {
        let store = open(self, clock::Mode::Test).await;
        store.set_test_clock(clock::wall()).await.unwrap().unwrap();
        store
    }
}

async fn open(database: &Database<'_>, clock: clock::Mode) -> PostgresStore {
    let options = OpenOptions { migrate: true, create: true, clock, checkpoint: true };
    PostgresStore::open(&database.url, &options, &PostgresOptions::default()).await.unwrap()
}

trials!(Cluster::shared(Version::V15).database());

/// Decides on what is loaded or kept; by which instant, and how often.
async fn decided_at(store: &PostgresStore) -> (Instant, usize) {
    let (mut at, mut times) = (Instant::UNIX_EPOCH, 0);
    let mut decide = |mut loaded: Loaded| {
        (at, times) = (loaded.now, times + 1);
        let before = loaded.workspaces.pop_first().unwrap().1;
        vec![change(before, None, |after| set_used(after, "ada", 1))]
    };
    store.transact(&[of("ada", None)], &mut decide).await.unwrap();
    (at, times)
}

#[tokio::test]
async fn nothing_is_decided_by_an_instant_that_is_yet_to_come() {
    let database = Cluster::shared(Version::V15).database();
    let store = open(&database, clock::Mode::System).await;
    make(&store, &["ada"]).await;
    let before = store.now().await.unwrap();
    let heard = store.guesses().heard.unwrap();
    let ahead = Hand::Runs { shown: before + TimeDelta::hours(1), sent: Moment::now() };
    store.guesses().heard = Some(Heard { hand: ahead, ..heard });
    let (at, _) = decided_at(&store).await;
    assert!(before <= at && at <= store.now().await.unwrap(), "{before} {at}");
}

#[tokio::test]
async fn the_test_clock_is_never_guessed() {
    let database = Cluster::shared(Version::V15).database();
    let store = open(&database, clock::Mode::Test).await;
    let beside = open(&database, clock::Mode::Test).await;
    let start = clock::wall();
    store.set_test_clock(start).await.unwrap().unwrap();
    make(&store, &["ada"]).await;
    assert_eq!(decided_at(&store).await, (start, 1));
    let later = start + TimeDelta::days(1);
    beside.set_test_clock(later).await.unwrap().unwrap();
    assert_eq!(decided_at(&store).await, (later, 2));
}

#[tokio::test]
async fn what_was_kept_of_a_server_before_it_started_is_forgotten() {
    let database = Cluster::shared(Version::V15).database();
    let store = open(&database, clock::Mode::Test).await;
    store.set_test_clock(clock::wall()).await.unwrap().unwrap();
    make(&store, &["ada", "bob"]).await;
    assert_eq!(spend(&store, "ada", None).await, (Came::Spent(1), 1));
    let heard = store.guesses().heard.unwrap();
    store.guesses().heard = Some(Heard { server: Instant::UNIX_EPOCH, ..heard });
    assert_eq!(spend(&store, "ada", None).await, (Came::Spent(2), 2));
    assert_eq!(store.guesses().heard.unwrap().server, heard.server);
    store.kept(Kept::calm);
    assert!(store.kept(|kept| kept.guess(&[of("ada", None)])).is_some());
    assert!(store.kept(|kept| kept.guess(&[of("bob", None)])).is_none());
}

#[test]
fn a_clock_tells_for_a_moment_only_and_is_never_behind() {
    let shown = Instant::UNIX_EPOCH;
    let sent = Moment::now().checked_sub(HEARD_MAX / 2).unwrap();
    let now = Hand::Runs { shown, sent }.now();
    assert!(now.is_none_or(|now| now - shown > TimeDelta::from_std(HEARD_MAX / 2).unwrap()));
    let sent = Moment::now().checked_sub(2 * HEARD_MAX).unwrap();
    assert_eq!(Hand::Runs { shown, sent }.now(), None);
    assert_eq!(Hand::Stands(shown).now(), Some(shown));
}
