//! The same from several sides at once, as daemons on one database do.

use super::answers::answer;
use super::lists::promo;
use super::queues::{event, mail, promise};
use super::sample::at;
use crate::store::{EventState, Reservation, Store};
use chrono::TimeDelta;
use creditd_rules::id::AccountId;
use futures_util::future::join_all;
use std::collections::BTreeSet;

pub(super) async fn an_event_is_new_to_one_of_many(store: &dyn Store) {
    let events: Vec<_> =
        (0..20).map(|number| event(&format!("evt_{number}"), EventState::Pending)).collect();
    let kept = join_all((0..6).map(|sender| {
        let mut events = events.clone();
        events.rotate_left(sender * 3);
        async move { store.keep_events(&events).await.unwrap() }
    }));
    let new = kept.await.into_iter().flatten().filter(|new| *new).count();
    assert_eq!(new, events.len());
    let pending = store.pending_events(100).await.unwrap();
    let places: BTreeSet<u64> = pending.iter().map(|event| event.arrival).collect();
    assert_eq!((pending.len(), places.len()), (events.len(), events.len()));
}

pub(super) async fn a_mail_is_claimed_by_one_of_many(store: &dyn Store) {
    promise(store, vec![mail("ada"), mail("bob"), mail("eve"), mail("joe"), mail("zoe")]).await;
    let due_at = store.next_mail_at().await.unwrap().unwrap() + TimeDelta::seconds(1);
    let lease = due_at + TimeDelta::minutes(1);
    let claims = (0..4).map(|_| async { store.claim_mails(due_at, lease, 3).await.unwrap() });
    let claimed: Vec<_> = join_all(claims).await.into_iter().flatten().collect();
    let ids: BTreeSet<_> = claimed.iter().map(|mail| &mail.id).collect();
    assert_eq!((claimed.len(), ids.len()), (5, 5));
}

pub(super) async fn r15_a_code_is_redeemed_by_no_more_than_its_limit(store: &dyn Store) {
    store.create_promo(&promo("A", 3), "k", &answer(1)).await.unwrap().unwrap();
    let held = join_all((0..16).map(async |number| {
        // Each account tries twice.
        let account = AccountId::from(format!("acct_{}", number / 2).as_str());
        let grant = format!("g{number}").as_str().into();
        let answer = store.reserve_promo("A", &account, &grant, at(1)).await.unwrap();
        (account, answer)
    }));
    let held = held.await;
    let holders: Vec<_> =
        held.iter().filter(|(_, answer)| matches!(answer, Reservation::Held(_))).collect();
    assert_eq!(holders.len(), 3, "{held:?}");
    for (account, _) in holders {
        let mut answers = held.iter().filter(|(other, _)| other == account);
        let own = |answer: &Reservation<_>| {
            matches!(answer, Reservation::Held(_) | Reservation::Already(_))
        };
        assert!(answers.all(|(_, answer)| own(answer)), "{held:?}");
    }
    assert_eq!(store.promo("A").await.unwrap().unwrap().redeemed, 3);
}

pub(super) async fn r17_one_key_makes_and_ends_a_code_once(store: &dyn Store) {
    let code = promo("A", 1);
    let made = join_all((0..6).map(|number| {
        let code = &code;
        async move { store.create_promo(code, "made", &answer(number)).await.unwrap().unwrap() }
    }));
    let made = made.await;
    assert_eq!(made.iter().filter(|kept| kept.is_none()).count(), 1, "{made:?}");
    let kept: Vec<_> = made.iter().flatten().collect();
    assert!(kept.windows(2).all(|pair| pair[0] == pair[1]), "{kept:?}");

    let ended = join_all((0..6).map(|number| async move {
        let show = |_: &crate::store::Promo| answer(number);
        store.end_promo("A", at(50), "ended", &show).await.unwrap().unwrap()
    }));
    let ended = ended.await;
    assert_eq!(ended.iter().filter(|(_, replayed)| !replayed).count(), 1, "{ended:?}");
    assert!(ended.windows(2).all(|pair| pair[0].0 == pair[1].0), "{ended:?}");
}

pub(super) async fn r15_a_post_goes_to_one_of_many(store: &dyn Store) {
    let post = "https://x.com/1";
    let held = join_all((0..6).map(|number| {
        let account = format!("acct_{number}").as_str().into();
        let reward = format!("r{number}").as_str().into();
        async move { store.reserve_post(post, &account, &reward, at(1)).await.unwrap() }
    }));
    let held = held.await;
    let count = |wanted: fn(&Reservation<_>) -> bool| held.iter().filter(|one| wanted(one)).count();
    assert_eq!(count(|one| matches!(one, Reservation::Held(_))), 1, "{held:?}");
    assert_eq!(count(|one| *one == Reservation::Taken), 5, "{held:?}");
}
