//! What is kept of a file.

use super::super::SqliteStore;
use crate::clock;
use crate::store::guessing::{Came, Ground, Keeps, change, make, of, set_used, spend, trials};
use crate::store::kept::Kept;
use crate::store::{Loaded, OpenOptions, Store as _};
use tempfile::TempDir;

const OPTIONS: OpenOptions =
    OpenOptions { migrate: true, create: true, clock: clock::Mode::System, checkpoint: true };

impl Keeps for SqliteStore {
    fn kept<T>(&self, with: impl FnOnce(&mut Kept) -> T) -> T {
        with(&mut self.kept())
    }
}

impl Ground for TempDir {
    async fn open(&self) -> impl Keeps {
        open(self).await
    }
}

async fn open(directory: &TempDir) -> SqliteStore {
    SqliteStore::open(&directory.path().join("credits.db"), &OPTIONS).await.unwrap()
}

trials!(tempfile::tempdir().unwrap());

#[tokio::test]
async fn of_a_batch_that_fails_nothing_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    make(&store, &["ada"]).await;
    assert_eq!(spend(&store, "ada", None).await, (Came::Spent(1), 1));
    let block = "CREATE TRIGGER full BEFORE UPDATE ON account BEGIN SELECT raise(ABORT, 'x'); END";
    let mut turn = store.writer.turn().await.unwrap();
    sqlx::raw_sql(block).execute(&mut *turn.connection).await.unwrap();
    drop(turn);
    let mut decide = |mut loaded: Loaded| {
        let before = loaded.workspaces.pop_first().unwrap().1;
        vec![change(before, None, |after| set_used(after, "ada", 2))]
    };
    assert!(store.transact(&[of("ada", None)], &mut decide).await.is_err());
    assert!(store.kept().guess(&[of("ada", None)]).is_none());
    let mut turn = store.writer.turn().await.unwrap();
    sqlx::raw_sql("DROP TRIGGER full").execute(&mut *turn.connection).await.unwrap();
    drop(turn);
    assert_eq!(spend(&store, "ada", None).await.0, Came::Spent(2));
}
