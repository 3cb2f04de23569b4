//! Every promise of [`Store`](super::Store), held by every engine.
//!
//! Each promise is one function that gets a fresh store. [`suite!`] makes a test of each for an
//! engine; a further engine adds one line.

mod sample;
mod state;

use super::{OpenOptions, Store, sqlite::SqliteStore};
use crate::clock;
use std::sync::Arc;

/// A store with nothing in it, and what must live as long.
struct Fresh {
    store: Arc<dyn Store>,
    _directory: Option<tempfile::TempDir>,
}

async fn sqlite() -> Fresh {
    let directory = tempfile::tempdir().unwrap();
    let options = OpenOptions { migrate: true, create: true, clock: clock::Mode::Test };
    let store = SqliteStore::open(&directory.path().join("credits.db"), &options).await.unwrap();
    begun(Fresh { store: Arc::new(store), _directory: Some(directory) }).await
}

/// Sets the clock, so that nothing depends on the day of the test.
async fn begun(fresh: Fresh) -> Fresh {
    fresh.store.set_test_clock(sample::at(1_000)).await.unwrap().unwrap();
    fresh
}

macro_rules! suite {
    ($engine:ident: $($area:ident { $($promise:ident,)+ })+) => {
        mod $engine {
            $(mod $area {
                $(
                    #[tokio::test]
                    async fn $promise() {
                        let fresh = super::super::$engine().await;
                        super::super::$area::$promise(&*fresh.store).await;
                    }
                )+
            })+
        }
    };
}

/// The promises, by area.
macro_rules! promises {
    ($($engine:ident)+) => {$(
        suite! {
            $engine:
            state {
                everything_is_read_back,
                every_changed_field_is_written,
                an_account_comes_with_its_seat_and_live_grants,
                things_come_with_their_people,
                a_team_holds_ended_seats_while_they_matter,
                a_seat_that_falls_brings_its_team,
                homes_are_found,
                things_of_another_workspace_are_not_loaded,
                what_belongs_to_a_workspace_stays_there,
                a_change_of_an_old_version_is_a_conflict,
                two_people_swap_seats_in_one_batch,
                nobody_holds_two_seats,
                nothing_is_ever_removed,
                a_batch_changes_many_workspaces,
                subscriptions_of_one_batch_come_before_their_seats,
            }
        }
    )+};
}

promises! { sqlite }
