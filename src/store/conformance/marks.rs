//! What is to be asked of Stripe.

use super::queues::event;
use super::sample::at;
use crate::clock;
use crate::store::{
    Bookmark, EventState, Mark, MarkKind, MarkOutcome, MarkState, ObjectRef, PageQuery, Store,
    Waits,
};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use std::collections::BTreeSet;

fn sub(id: &str) -> ObjectRef {
    ObjectRef { kind: MarkKind::Subscription, id: id.to_owned() }
}

fn lease() -> DateTime<Utc> {
    at(500)
}

async fn claimed(store: &dyn Store, wall: i64) -> Vec<Mark> {
    store.claim_marks(at(wall), lease(), 10).await.unwrap()
}

async fn claims_one(store: &dyn Store, wall: i64) -> Mark {
    let [mark] = <[Mark; 1]>::try_from(claimed(store, wall).await).unwrap();
    mark
}

async fn settle(store: &dyn Store, mark: &Mark, outcome: MarkOutcome) {
    store.settle_mark(mark, &outcome, at(70)).await.unwrap();
}

pub(super) async fn a_mark_is_claimed_when_due_and_clean_once_applied(store: &dyn Store) {
    assert_eq!(store.next_mark_at().await.unwrap(), None);
    assert!(store.mark(&sub("sub_1"), None, at(50)).await.unwrap());
    assert!(!store.mark(&sub("sub_1"), None, at(90)).await.unwrap());
    assert_eq!(store.next_mark_at().await.unwrap(), Some(at(50)), "the first time holds");
    assert_eq!(claimed(store, 49).await, []);
    let mark = claims_one(store, 50).await;
    assert_eq!((&mark.object, mark.marked, mark.attempts), (&sub("sub_1"), 2, 0));
    assert_eq!((mark.state, &mark.waits_for, &mark.note), (MarkState::Dirty, &None, &None));
    assert_eq!(claimed(store, 60).await, [], "leased");
    assert_eq!(store.next_mark_at().await.unwrap(), Some(lease()));
    assert_eq!(claims_one(store, 500).await.marked, 2, "whoever claimed it is gone");
    settle(store, &mark, MarkOutcome::Applied).await;
    assert_eq!(store.mark_of("sub_1").await.unwrap(), None);
    assert_eq!(store.next_mark_at().await.unwrap(), None);
}

pub(super) async fn what_is_marked_while_it_is_fetched_is_fetched_again(store: &dyn Store) {
    for outcome in [
        MarkOutcome::Applied,
        MarkOutcome::Waits("customer:cus".to_owned()),
        MarkOutcome::Parked("gone".to_owned()),
    ] {
        store.mark(&sub("sub_1"), None, at(50)).await.unwrap();
        let mark = claims_one(store, 50).await;
        assert!(!store.mark(&sub("sub_1"), None, at(60)).await.unwrap());
        assert_eq!(claimed(store, 60).await, [], "one fetch at a time");
        settle(store, &mark, outcome).await;
        assert_eq!(store.next_mark_at().await.unwrap(), Some(at(70)));
        let again = claims_one(store, 70).await;
        settle(store, &again, MarkOutcome::Applied).await;
        assert_eq!(store.mark_of("sub_1").await.unwrap(), None);
    }
}

pub(super) async fn a_mark_is_retried_waits_and_is_parked(store: &dyn Store) {
    store.mark(&sub("sub_1"), None, at(50)).await.unwrap();
    let mark = claims_one(store, 50).await;
    settle(store, &mark, MarkOutcome::Retry { at: at(80), note: "503".to_owned() }).await;
    assert_eq!(claimed(store, 79).await, []);
    let mark = claims_one(store, 80).await;
    assert_eq!((mark.attempts, mark.note.as_deref()), (1, Some("503")));
    settle(store, &mark, MarkOutcome::Waits("customer:cus".to_owned())).await;
    assert_eq!(claimed(store, 499).await, []);
    assert_eq!(store.release_events("customer:other").await.unwrap(), 0);
    assert_eq!(store.release_events("customer:cus").await.unwrap(), 1);
    let wall = clock::wall() + TimeDelta::seconds(1);
    let mark = store.claim_marks(wall, wall, 10).await.unwrap().remove(0);
    assert_eq!((mark.state, &mark.waits_for), (MarkState::Dirty, &None));
    settle(store, &mark, MarkOutcome::Parked("gone".to_owned())).await;
    let parked = store.mark_of("sub_1").await.unwrap().unwrap();
    assert_eq!((parked.state, parked.note.as_deref()), (MarkState::Parked, Some("gone")));
    let depths = store.depths().await.unwrap();
    assert_eq!(depths.marks, [("dirty", 0), ("parked", 1), ("waiting", 0)].into());
    store.mark(&sub("sub_1"), None, at(50)).await.unwrap();
    let mark = claims_one(store, 50).await;
    assert_eq!((mark.attempts, mark.marked), (0, 2), "an event tries it again");
}

pub(super) async fn events_belong_to_their_mark_until_they_are_done(store: &dyn Store) {
    let events = ["b", "a", "c", "d"].map(|id| event(id, EventState::Pending));
    store.keep_events(&events).await.unwrap();
    for (id, object) in [("a", "sub_1"), ("b", "sub_1"), ("c", "sub_2")] {
        store.mark(&sub(object), Some(id), at(50)).await.unwrap();
    }
    let ids = |events: Vec<crate::store::StoredEvent>| -> Vec<String> {
        events.into_iter().map(|stored| stored.event.id).collect()
    };
    assert_eq!(ids(store.pending_events(10).await.unwrap()), ["d"]);
    assert_eq!(ids(store.marked_events("sub_1").await.unwrap()), ["b", "a"]);
    let held = store.event("a").await.unwrap().unwrap();
    assert_eq!((held.event.state, held.waits_for.as_deref()), (EventState::Marked, Some("sub_1")));
    assert_eq!(store.release_events("sub_1").await.unwrap(), 0, "it is not waiting");
    store.mark_event("b", EventState::Done, None, None).await.unwrap();
    assert_eq!(ids(store.marked_events("sub_1").await.unwrap()), ["a"]);
    let page = store.marks(&PageQuery { limit: 1, cursor: None }).await.unwrap();
    assert_eq!(page.rows[0].object, sub("sub_1"));
    let page = store.marks(&PageQuery { limit: 1, cursor: page.next }).await.unwrap();
    assert_eq!((page.rows[0].object.clone(), page.next), (sub("sub_2"), None));
}

pub(super) async fn what_is_waited_for_is_counted(store: &dyn Store) {
    assert_eq!(store.waits().await.unwrap(), []);
    let events = ["a", "b", "c"].map(|id| event(id, EventState::Pending));
    store.keep_events(&events).await.unwrap();
    for (id, on) in [("a", "customer:cus"), ("b", "customer:cus"), ("c", "api_key")] {
        store.mark_event(id, EventState::Waiting, None, Some(on)).await.unwrap();
    }
    store.mark(&sub("sub_1"), None, at(50)).await.unwrap();
    let mark = claims_one(store, 50).await;
    settle(store, &mark, MarkOutcome::Waits("customer:cus".to_owned())).await;
    let waits = |on: &str, events, marks| {
        let oldest = Some(at(2));
        Waits { waits_for: on.to_owned(), events, marks, oldest }
    };
    let expected = [waits("api_key", 1, 0), waits("customer:cus", 2, 1)];
    assert_eq!(store.waits().await.unwrap(), expected);
}

pub(super) async fn customers_are_listed_by_id(store: &dyn Store) {
    for id in ["cus_2", "cus_1", "cus_3"] {
        store.link_customer(&id.into(), &"w".into(), false).await.unwrap();
    }
    let first = store.customers(&PageQuery { limit: 2, cursor: None }).await.unwrap();
    assert_eq!(first.rows, [("cus_1".into(), "w".into()), ("cus_2".into(), "w".into())]);
    let second = store.customers(&PageQuery { limit: 2, cursor: first.next }).await.unwrap();
    assert_eq!((second.rows, second.next), (vec![("cus_3".into(), "w".into())], None));
    let none = store.subscriptions(&PageQuery { limit: 2, cursor: None }).await.unwrap();
    assert_eq!((none.rows, none.next), (Vec::new(), None));
}

pub(super) async fn a_bookmark_is_kept_and_leased_to_one_reader(store: &dyn Store) {
    assert_eq!(store.bookmark("events").await.unwrap(), None);
    store.set_bookmark("events", Some("evt_1"), at(5)).await.unwrap();
    assert!(store.lease_bookmark("events", at(10), at(20)).await.unwrap());
    assert!(!store.lease_bookmark("events", at(19), at(30)).await.unwrap());
    store.set_bookmark("events", Some("evt_2"), at(15)).await.unwrap();
    let held = Bookmark { value: Some("evt_2".to_owned()), set_at: at(15) };
    assert_eq!(store.bookmark("events").await.unwrap(), Some(held));
    assert!(store.lease_bookmark("events", at(20), at(30)).await.unwrap(), "the lease is over");
    assert!(store.lease_bookmark("events", at(21), at(21)).await.unwrap(), "it is given back");
    assert!(store.lease_bookmark("events", at(21), at(30)).await.unwrap());
    assert!(store.lease_bookmark("sync", at(21), at(30)).await.unwrap(), "each list by itself");
    store.set_bookmark("sync", None, at(22)).await.unwrap();
    let held = Bookmark { value: None, set_at: at(22) };
    assert_eq!(store.bookmark("sync").await.unwrap(), Some(held));
}

pub(super) async fn a_mark_goes_to_one_of_many(store: &dyn Store) {
    let marks = (0..20).map(|n| async move {
        store.mark(&sub(&format!("sub_{}", n % 5)), None, at(50)).await.unwrap()
    });
    let clean = join_all(marks).await.into_iter().filter(|clean| *clean).count();
    assert_eq!(clean, 5);
    let claims = (0..4).map(|_| async { store.claim_marks(at(50), lease(), 3).await.unwrap() });
    let claimed: Vec<_> = join_all(claims).await.into_iter().flatten().collect();
    let ids: BTreeSet<_> = claimed.iter().map(|mark| &mark.object.id).collect();
    assert_eq!((claimed.len(), ids.len()), (5, 5));
    assert!(claimed.iter().all(|mark| mark.marked == 4));
    let leases = (0..4).map(|_| store.lease_bookmark("sync", at(1), at(9)));
    let leased = join_all(leases).await.into_iter().filter(|leased| *leased.as_ref().unwrap());
    assert_eq!(leased.count(), 1);
}
