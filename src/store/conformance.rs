//! Every promise of [`Store`](super::Store), held by every engine.
//!
//! Each promise is one function that gets a fresh store. [`suite!`] makes a test of each for an
//! engine; a further engine adds one line.

mod answers;
mod at_once;
mod ledger;
mod lists;
mod moving;
mod marks;
mod queues;
mod sample;
mod state;

use super::memory::MemoryStore;
use super::sqlite::SqliteStore;
use super::{OpenOptions, Store, open};
use crate::clock;
use creditd_test_cluster::{Cluster, Database, Version};
use std::any::Any;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// A store with nothing in it, and what must live as long.
struct Fresh {
    store: Arc<dyn Store>,
    _place: Box<dyn Any + Send + Sync>,
}

const OPTIONS: OpenOptions =
    OpenOptions { migrate: true, create: true, clock: clock::Mode::Test, checkpoint: true };

async fn sqlite() -> Fresh {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("credits.db"), &OPTIONS).await.unwrap();
    begun(Fresh { store: Arc::new(store), _place: Box::new(directory) }).await
}

async fn memory() -> Fresh {
    let store = Arc::new(MemoryStore::new(clock::Mode::Test));
    begun(Fresh { store, _place: Box::new(()) }).await
}

/// A copy of a database that the first test makes.
async fn postgres(version: Version, empty: &OnceCell<Database<'static>>) -> Fresh {
    let cluster = Cluster::shared(version);
    let made = empty.get_or_init(async || {
        let database = cluster.database();
        drop(open(&database.url, &OPTIONS).await.unwrap());
        database
    });
    let database = cluster.copy(made.await);
    let store = open(&database.url, &OPTIONS).await.unwrap();
    begun(Fresh { store, _place: Box::new(database) }).await
}

async fn postgres_15() -> Fresh {
    static EMPTY: OnceCell<Database<'static>> = OnceCell::const_new();
    postgres(Version::V15, &EMPTY).await
}

async fn postgres_18() -> Fresh {
    static EMPTY: OnceCell<Database<'static>> = OnceCell::const_new();
    postgres(Version::V18, &EMPTY).await
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
            ledger {
                lines_are_read_back_newest_first,
                every_reason_and_pot_is_read_back,
                a_late_clock_does_not_post_before_what_was_decided,
                the_ledger_is_filtered,
                r18_right_books_are_found_right,
                r18_wrong_books_are_found_wrong,
                r18_a_line_that_does_not_follow_is_found,
                a_batch_that_cannot_be_written_leaves_no_line,
            }
            answers {
                r17_answers_are_kept_for_each_workspace,
                r17_a_key_is_kept_once,
                old_answers_are_forgotten,
                the_test_clock_stands_and_only_goes_forward,
                directories_keep_the_first_claim,
            }
            queues {
                an_event_is_kept_once_in_order_of_arrival,
                events_are_marked_released_and_listed,
                the_queues_tell_how_full_they_are,
                a_mail_is_claimed_by_one_and_sent,
                a_mail_is_tried_again_parked_and_retried,
                r19_a_closed_account_gets_no_mail_and_is_erased,
                mails_are_listed_newest_first,
                what_was_handled_long_ago_is_forgotten,
            }
            marks {
                a_mark_is_claimed_when_due_and_clean_once_applied,
                what_is_marked_while_it_is_fetched_is_fetched_again,
                a_mark_is_retried_waits_and_is_parked,
                events_belong_to_their_mark_until_they_are_done,
                what_is_waited_for_is_counted,
                customers_are_listed_by_id,
                a_bookmark_is_kept_and_leased_to_one_reader,
                a_mark_goes_to_one_of_many,
            }
            lists {
                accounts_are_listed_by_id,
                seats_are_listed_by_status,
                r20_held_plans_are_those_of_seats_that_have_not_ended,
                grants_are_listed_newest_first,
                claims_are_listed_by_status,
                r6_what_is_due_comes_earliest_first,
                r17_promo_codes_are_made_and_ended_once,
                r15_a_code_is_never_redeemed_beyond_its_limit,
                r15_a_post_counts_once_for_everybody,
                r15_a_post_of_a_rejected_claim_is_found_held,
                api_keys_are_kept_by_hash,
            }
            at_once {
                an_event_is_new_to_one_of_many,
                a_mail_is_claimed_by_one_of_many,
                r15_a_code_is_redeemed_by_no_more_than_its_limit,
                r17_one_key_makes_and_ends_a_code_once,
                r15_a_post_goes_to_one_of_many,
            }
        }
    )+};
}

promises! { sqlite memory postgres_15 postgres_18 }
