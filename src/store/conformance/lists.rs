//! Lists, what falls due, promo codes, post addresses and API keys.

use super::answers::answer;
use super::sample::{
    at, grant, make, plain_account, plain_seat, reward, seat, subscription, team, uc,
};
use crate::store::{ApiKey, Due, Loose, PageQuery, Promo, Reservation, Store, StoreError};
use creditd_rules::id::PlanId;
use creditd_rules::state::{Grant, RewardStatus, SeatStatus};
use creditd_rules::view::{GrantView, RewardView, SeatView};
use creditd_rules::{Kind, Workspace};

fn first(limit: u32) -> PageQuery {
    PageQuery { limit, cursor: None }
}

pub(super) async fn accounts_are_listed_by_id(store: &dyn Store) {
    make(store, &team("w")).await;
    let mut other = Workspace::new("v".into());
    other.accounts.insert("bea".into(), plain_account("bea"));
    make(store, &other).await;
    store.claim_account(&"claimed".into(), &"w".into()).await.unwrap();
    let mut found = Vec::new();
    let mut page = first(2);
    loop {
        let rows = store.accounts(None, &page).await.unwrap();
        found.extend(rows.rows.into_iter().map(|view| (view.id.to_string(), view.workspace)));
        page.cursor = rows.next;
        if page.cursor.is_none() {
            break;
        }
    }
    let expected = [("ada", "w"), ("bea", "v"), ("bob", "w")];
    assert_eq!(found, expected.map(|(id, home)| (id.to_owned(), home.into())));
    let own = store.accounts(Some(&"w".into()), &first(1)).await.unwrap();
    assert_eq!((own.rows.len(), own.next.as_deref()), (1, Some("ada")));
    assert_eq!(own.rows[0].email.as_deref(), Some("ada@example.com"));
    assert_eq!(store.accounts(Some(&"x".into()), &first(1)).await.unwrap().rows, []);
}

pub(super) async fn seats_are_listed_by_status(store: &dyn Store) {
    let mut made = team("w");
    for (id, status) in [("s3", SeatStatus::Suspended), ("s4", SeatStatus::Ended)] {
        made.seats
            .insert(id.into(), creditd_rules::state::Seat { status, ..plain_seat(id, "sub") });
    }
    make(store, &made).await;
    let of = |status, query: PageQuery| async move {
        let page = store.seats(&"w".into(), status, &query).await.unwrap();
        let ids: Vec<String> = page.rows.iter().map(|seat| seat.id.to_string()).collect();
        (ids.join(" "), page)
    };
    assert_eq!(of(None, first(10)).await.0, "s1 s2 s3");
    assert_eq!(of(Some(SeatStatus::Ended), first(10)).await.0, "s4");
    assert_eq!(of(Some(SeatStatus::Suspended), first(10)).await.0, "s3");
    let (ids, page) = of(None, first(2)).await;
    assert_eq!(ids, "s1 s2");
    assert_eq!(page.rows[0], SeatView::of(&seat("s1", "sub", Some("ada"))));
    assert_eq!(of(None, PageQuery { limit: 2, cursor: page.next }).await.0, "s3");
}

pub(super) async fn r20_held_plans_are_those_of_seats_that_have_not_ended(store: &dyn Store) {
    assert_eq!(store.held_plans().await.unwrap(), Vec::<PlanId>::new());
    let mut made = team("w");
    made.seats.clear();
    for (id, plan, next_plan, status) in [
        ("s1", "pro", None, SeatStatus::Active),
        ("s2", "pro", Some("basic"), SeatStatus::Active),
        ("s3", "elite", None, SeatStatus::Suspended),
        ("s4", "gone", None, SeatStatus::Ended),
    ] {
        let (plan, next_plan) = (plan.into(), next_plan.map(PlanId::from));
        let seat = creditd_rules::state::Seat { plan, next_plan, status, ..plain_seat(id, "sub") };
        made.seats.insert(id.into(), seat);
    }
    make(store, &made).await;
    let held = ["basic", "elite", "pro"].map(PlanId::from);
    assert_eq!(store.held_plans().await.unwrap(), held);
}

pub(super) async fn grants_are_listed_newest_first(store: &dyn Store) {
    let mut made = team("w");
    let newest = Grant { created_at: at(99), ..grant("g0", "ada") };
    made.grants.insert("g0".into(), newest.clone());
    make(store, &made).await;
    let page = store.grants(&"ada".into(), &first(2)).await.unwrap();
    let ids: Vec<&str> = page.rows.iter().map(|view| view.id.as_str()).collect();
    assert_eq!(ids, ["g0", "g2"]);
    assert_eq!(page.rows[0], GrantView::of(&newest));
    let rest = PageQuery { limit: 2, cursor: page.next };
    let page = store.grants(&"ada".into(), &rest).await.unwrap();
    assert_eq!((page.rows.len(), page.next), (1, None));
    assert_eq!(page.rows[0].id.as_str(), "g1");
}

pub(super) async fn claims_are_listed_by_status(store: &dyn Store) {
    make(store, &team("w")).await;
    let claimed = store.rewards(Some(RewardStatus::Claimed), &first(5)).await.unwrap();
    let expected = RewardView::of(&reward("r1", "ada", RewardStatus::Claimed));
    assert_eq!((claimed.rows, claimed.next), (vec![expected], None));
    let page = store.rewards(None, &first(1)).await.unwrap();
    assert_eq!(page.rows[0].id.as_str(), "r1");
    let page = store.rewards(None, &PageQuery { limit: 1, cursor: page.next }).await.unwrap();
    assert_eq!((page.rows[0].id.as_str(), page.next), ("r2", None));
}

pub(super) async fn r6_what_is_due_comes_earliest_first(store: &dyn Store) {
    assert_eq!(store.next_due().await.unwrap(), None);
    let mut made = Workspace::new("w".into());
    made.accounts.insert("ada".into(), plain_account("ada"));
    made.subscriptions.insert("sub".into(), subscription("sub"));
    let due_seat = |id, end| {
        let mut seat = plain_seat(id, "sub");
        seat.cycle = Some(super::sample::cycle(0, end));
        seat
    };
    let mut over = due_seat("over", 1);
    over.status = SeatStatus::Ended;
    for seat in [due_seat("s1", 30), due_seat("s2", 10), over] {
        made.seats.insert(seat.id.clone(), seat);
    }
    let ends =
        |id: &str, at_us, ended| Grant { expires_at: Some(at(at_us)), ended, ..grant(id, "ada") };
    let endless = Grant { expires_at: None, ..grant("g4", "ada") };
    for grant in [ends("g1", 20, false), ends("g2", 5, true), ends("g3", 40, false), endless] {
        made.grants.insert(grant.id.clone(), grant);
    }
    make(store, &made).await;
    let (w, s1, s2) = ("w", "s1", "s2");
    let expected = [
        Due::Seat(w.into(), s2.into(), at(10)),
        Due::Grant(w.into(), "ada".into(), at(20)),
        Due::Seat(w.into(), s1.into(), at(30)),
    ];
    assert_eq!(store.next_due().await.unwrap(), Some(at(10)));
    assert_eq!(store.due(at(9), 10).await.unwrap(), []);
    assert_eq!(store.due(at(30), 10).await.unwrap(), expected);
    assert_eq!(store.due(at(30), 2).await.unwrap(), expected[..2]);
    let touch = super::sample::whole();
    super::sample::edit(store, "w", touch, |w| {
        w.seats.get_mut("s2").unwrap().cycle = Some(super::sample::cycle(10, 50));
        w.grants.get_mut("g1").unwrap().ended = true;
    })
    .await;
    assert_eq!(store.due(at(30), 10).await.unwrap(), expected[2..]);
}

pub(super) fn promo(code: &str, limit: u32) -> Promo {
    Promo {
        code: code.to_owned(),
        kind: Kind::Message,
        amount: uc(5),
        limit,
        redeemed: 0,
        ends_at: at(100),
        grant_expires_at: Some(at(200)),
        created_at: at(1),
    }
}

pub(super) async fn r17_promo_codes_are_made_and_ended_once(store: &dyn Store) {
    let made = store.create_promo(&promo("A", 1), "k1", &answer(1)).await.unwrap();
    assert_eq!(made, Ok(None));
    let again = store.create_promo(&promo("A", 1), "k1", &answer(2)).await.unwrap();
    assert_eq!(again, Ok(Some(answer(1))));
    assert_eq!(store.create_promo(&promo("A", 1), "k2", &answer(2)).await.unwrap(), Err(()));
    assert_eq!(store.create_promo(&promo("B", 2), "k2", &answer(2)).await.unwrap(), Ok(None));
    assert_eq!(store.promo("A").await.unwrap(), Some(promo("A", 1)));
    assert_eq!(store.promo("X").await.unwrap(), None);
    let page = store.promos(&first(1)).await.unwrap();
    assert_eq!((page.rows, page.next.as_deref()), (vec![promo("A", 1)], Some("A")));

    let shown = |promo: &Promo| {
        assert_eq!(promo.ends_at, at(50));
        answer(3)
    };
    let ended = store.end_promo("A", at(50), "k3", &shown).await.unwrap();
    assert_eq!(ended, Some((answer(3), false)));
    let again = store.end_promo("A", at(60), "k3", &|_| answer(4)).await.unwrap();
    assert_eq!(again, Some((answer(3), true)));
    assert_eq!(store.promo("A").await.unwrap().unwrap().ends_at, at(50));
    assert_eq!(store.end_promo("X", at(50), "k4", &|_| answer(4)).await.unwrap(), None);
    let late = store.end_promo("A", at(99), "k5", &|_| answer(5)).await.unwrap();
    assert_eq!(late, Some((answer(5), false)));
    assert_eq!(store.promo("A").await.unwrap().unwrap().ends_at, at(50), "the first end holds");
}

pub(super) async fn r15_a_code_is_never_redeemed_beyond_its_limit(store: &dyn Store) {
    store.create_promo(&promo("A", 2), "k", &answer(1)).await.unwrap().unwrap();
    let hold = |account: &'static str, grant: &'static str, now| async move {
        store.reserve_promo("A", &account.into(), &grant.into(), now).await.unwrap()
    };
    assert_eq!(hold("ada", "g1", at(10)).await, Reservation::Held("g1".into()));
    assert_eq!(hold("ada", "g2", at(10)).await, Reservation::Already("g1".into()));
    assert_eq!(hold("bob", "g3", at(10)).await, Reservation::Held("g3".into()));
    assert_eq!(hold("eve", "g4", at(10)).await, Reservation::Taken);
    store.settle_promo("A", &"ada".into(), true).await.unwrap();
    store.settle_promo("A", &"bob".into(), false).await.unwrap();
    store.settle_promo("A", &"ada".into(), false).await.unwrap();
    assert_eq!(store.promo("A").await.unwrap().unwrap().redeemed, 1, "what is made stays made");
    assert_eq!(hold("eve", "g4", at(100)).await, Reservation::Ended);
    assert_eq!(hold("ada", "g5", at(100)).await, Reservation::Already("g1".into()));
    assert_eq!(hold("eve", "g4", at(99)).await, Reservation::Held("g4".into()));
    let unknown = store.reserve_promo("X", &"ada".into(), &"g".into(), at(1)).await.unwrap();
    assert_eq!(unknown, Reservation::Unknown);
    let loose = Loose::Promo { code: "A".to_owned(), account: "eve".into(), grant: "g4".into() };
    assert_eq!(store.loose_reservations(at(99)).await.unwrap(), []);
    assert_eq!(store.loose_reservations(at(100)).await.unwrap(), [loose]);
}

pub(super) async fn r15_a_post_counts_once_for_everybody(store: &dyn Store) {
    let post = "https://x.com/1";
    let hold = |account: &'static str, reward: &'static str| async move {
        store.reserve_post(post, &account.into(), &reward.into(), at(10)).await.unwrap()
    };
    assert_eq!(hold("ada", "r1").await, Reservation::Held("r1".into()));
    assert_eq!(hold("ada", "r2").await, Reservation::Already("r1".into()));
    assert_eq!(hold("bob", "r3").await, Reservation::Taken);
    let account = "ada".into();
    let loose = Loose::Post { post_url: post.to_owned(), account, reward: "r1".into() };
    assert_eq!(store.loose_reservations(at(11)).await.unwrap(), [loose]);
    store.settle_post(post, &"r3".into(), false).await.unwrap();
    assert_eq!(hold("bob", "r3").await, Reservation::Taken, "only its own claim frees it");
    store.settle_post(post, &"r1".into(), true).await.unwrap();
    assert_eq!(store.loose_reservations(at(11)).await.unwrap(), []);
    store.settle_post(post, &"r1".into(), false).await.unwrap();
    assert_eq!(hold("bob", "r3").await, Reservation::Held("r3".into()), "it was rejected");
}

pub(super) async fn r15_a_post_of_a_rejected_claim_is_found_held(store: &dyn Store) {
    make(store, &team("w")).await;
    for claim in ["r1", "r2"] {
        let post = format!("https://x.com/{claim}");
        store.reserve_post(&post, &"ada".into(), &claim.into(), at(80)).await.unwrap();
        store.settle_post(&post, &claim.into(), true).await.unwrap();
    }
    let rejected = Loose::Post {
        post_url: "https://x.com/r2".to_owned(),
        account: "ada".into(),
        reward: "r2".into(),
    };
    assert_eq!(store.loose_reservations(at(70)).await.unwrap(), [rejected]);
    store.settle_post("https://x.com/r2", &"r2".into(), false).await.unwrap();
    assert_eq!(store.loose_reservations(at(999)).await.unwrap(), []);
}

pub(super) async fn api_keys_are_kept_by_hash(store: &dyn Store) {
    let key = |id: &str, n: u8| ApiKey {
        id: id.to_owned(),
        hash: [n; 32],
        scopes: vec!["usage".to_owned(), "read".to_owned()],
        created_at: at(i64::from(n)),
        revoked_at: None,
    };
    store.add_api_key(&key("a", 1)).await.unwrap();
    store.add_api_key(&key("b", 2)).await.unwrap();
    let twice = store.add_api_key(&key("c", 1)).await;
    assert!(matches!(twice, Err(StoreError::Conflict)));
    assert_eq!(store.api_key(&[1; 32]).await.unwrap(), Some(key("a", 1)));
    assert_eq!(store.api_key(&[3; 32]).await.unwrap(), None);
    assert!(store.revoke_api_key("a", at(9)).await.unwrap());
    assert!(store.revoke_api_key("a", at(10)).await.unwrap());
    assert!(!store.revoke_api_key("x", at(9)).await.unwrap());
    let revoked = ApiKey { revoked_at: Some(at(9)), ..key("a", 1) };
    assert_eq!(store.api_keys().await.unwrap(), [key("b", 2), revoked]);
}
