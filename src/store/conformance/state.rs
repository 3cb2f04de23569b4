//! What a transaction loads and writes of workspaces.

use super::sample::{
    account, allowance, at, change, commit, cycle, edit, grant, job, make, plain_account,
    plain_seat, reward, seat, see, subscription, team, uc, whole,
};
use crate::store::{Home, Job, Loaded, Store, StoreError};
use creditd_rules::Workspace;
use creditd_rules::command::Touch;
use creditd_rules::id::AccountId;
use creditd_rules::state::{RewardStatus, RunOut, SeatStatus, Status, Trial};

fn accounts(ids: &[&str]) -> Touch {
    Touch { accounts: ids.iter().map(|id| AccountId::from(*id)).collect(), ..Touch::default() }
}

pub(super) async fn everything_is_read_back(store: &dyn Store) {
    let made = team("w");
    make(store, &made).await;
    let (now, seen) = store.read(&Home::Account("ada".into()), &whole()).await.unwrap().unwrap();
    assert_eq!(seen, Workspace { version: 1, ..made });
    assert!(now >= seen.decided_at);
}

/// Changes every field, one commit each, and reads each back.
pub(super) async fn every_changed_field_is_written(store: &dyn Store) {
    make(store, &team("w")).await;
    let edits: Vec<fn(&mut Workspace)> = vec![
        |w| w.owner = Some("bob".into()),
        |w| w.decided_at = at(999),
        |w| w.next_seq = 5,
        |w| w.accounts.get_mut("ada").unwrap().email = None,
        |w| w.accounts.get_mut("ada").unwrap().name = Some("Eve".to_owned()),
        |w| w.accounts.get_mut("ada").unwrap().locale = None,
        |w| w.accounts.get_mut("bob").unwrap().closed_at = Some(at(5)),
        |w| w.accounts.get_mut("ada").unwrap().free.message.window = Some(cycle(7, 8)),
        |w| w.accounts.get_mut("ada").unwrap().free.message.window = None,
        |w| w.accounts.get_mut("ada").unwrap().free.integration.allowance = allowance(500),
        |w| w.accounts.get_mut("bob").unwrap().free.message.allowance = allowance(600),
        |w| w.accounts.get_mut("ada").unwrap().run_out.message = RunOut::default(),
        |w| w.accounts.get_mut("ada").unwrap().run_out.integration.armed = false,
        |w| w.accounts.get_mut("ada").unwrap().run_out.integration.warned = true,
        |w| w.apps.get_mut("app").unwrap().owner = "ada".into(),
        |w| w.subscriptions.get_mut("sub").unwrap().buyer = None,
        |w| w.subscriptions.get_mut("sub").unwrap().status = Status::Canceled,
        |w| w.subscriptions.get_mut("sub").unwrap().items.clear(),
        |w| w.subscriptions.get_mut("sub").unwrap().timeline.day = 1,
        |w| w.subscriptions.get_mut("sub").unwrap().past_due_since = None,
        |w| w.subscriptions.get_mut("sub").unwrap().cancel_at = None,
        |w| w.subscriptions.get_mut("sub").unwrap().places_made = 9,
        |w| w.subscriptions.get_mut("sub").unwrap().begun = false,
        |w| w.subscriptions.get_mut("sub").unwrap().trial = Trial::Running,
        |w| w.subscriptions.get_mut("sub").unwrap().anchor_full_at = None,
        |w| w.subscriptions.get_mut("sub").unwrap().anchor_move = None,
        |w| w.subscriptions.get_mut("sub").unwrap().announced = None,
        |w| w.subscriptions.get_mut("sub").unwrap().told.rank = 0,
        |w| w.subscriptions.get_mut("sub").unwrap().ended_at = None,
        |w| w.seats.get_mut("s1").unwrap().plan = "elite".into(),
        |w| w.seats.get_mut("s1").unwrap().next_plan = None,
        |w| w.seats.get_mut("s1").unwrap().announced = None,
        |w| w.seats.get_mut("s1").unwrap().holder = None,
        |w| w.seats.get_mut("s1").unwrap().holder = Some("bob".into()),
        |w| w.seats.get_mut("s1").unwrap().assigned_at = None,
        |w| w.seats.get_mut("s1").unwrap().status = SeatStatus::Suspended,
        |w| w.seats.get_mut("s1").unwrap().timeline.anchor = at(77),
        |w| w.seats.get_mut("s1").unwrap().cycle = Some(cycle(1, 900_000)),
        |w| w.seats.get_mut("s1").unwrap().carries_used = false,
        |w| w.seats.get_mut("s1").unwrap().begins_at = None,
        |w| w.seats.get_mut("s1").unwrap().grace_ends_at = None,
        |w| w.seats.get_mut("s1").unwrap().cancels_at = None,
        |w| w.seats.get_mut("s1").unwrap().ends_at = None,
        |w| w.seats.get_mut("s1").unwrap().allowances.message.balance = uc(0),
        |w| w.seats.get_mut("s2").unwrap().allowances.integration = allowance(700),
        |w| w.grants.get_mut("g1").unwrap().balance = uc(0),
        |w| w.grants.get_mut("g3").unwrap().ended = true,
        |w| w.grants.get_mut("g1").unwrap().reason = "another".to_owned(),
        |w| w.grants.get_mut("g1").unwrap().expires_at = None,
        |w| w.rewards.get_mut("r1").unwrap().status = RewardStatus::Approved,
        |w| w.rewards.get_mut("r1").unwrap().decided_at = None,
        |w| w.rewards.get_mut("r1").unwrap().reason = None,
        |w| w.rewards.get_mut("r1").unwrap().grant = None,
    ];
    for (index, make_edit) in edits.into_iter().enumerate() {
        let mut expected = see(store, "w", &whole()).await;
        make_edit(&mut expected);
        expected.version += 1;
        edit(store, "w", whole(), make_edit).await;
        assert_eq!(see(store, "w", &whole()).await, expected, "edit {index}");
    }
}

pub(super) async fn an_account_comes_with_its_seat_and_live_grants(store: &dyn Store) {
    make(store, &team("w")).await;
    let seen = see(store, "w", &accounts(&["ada"])).await;
    let expected = Workspace {
        version: 1,
        owner: Some("ada".into()),
        accounts: [("ada".into(), account("ada"))].into(),
        seats: [("s1".into(), seat("s1", "sub", Some("ada")))].into(),
        grants: [("g1".into(), grant("g1", "ada"))].into(),
        ..Workspace::new("w".into())
    };
    assert_eq!(seen, expected);
}

pub(super) async fn things_come_with_their_people(store: &dyn Store) {
    make(store, &team("w")).await;
    let ada = ["ada"].as_slice();
    let cases: Vec<(Touch, &[&str])> = vec![
        (Touch { apps: vec!["app".into()], ..Touch::default() }, &["bob"]),
        (Touch { seats: vec!["s1".into()], ..Touch::default() }, ada),
        (Touch { seats: vec!["s2".into()], ..Touch::default() }, &[]),
        (Touch { grants: vec!["g2".into()], ..Touch::default() }, ada),
        (Touch { rewards: vec!["r2".into()], ..Touch::default() }, ada),
        (Touch { team: true, ..Touch::default() }, ada),
        (Touch { claims: true, ..accounts(&["ada", "nobody"]) }, ada),
    ];
    for (touch, people) in cases {
        let seen = see(store, "w", &touch).await;
        let found: Vec<&str> = seen.accounts.keys().map(AccountId::as_str).collect();
        assert_eq!(found, people, "{touch:?}");
        let grants = seen.grants.values().filter(|grant| !grant.ended).count();
        assert_eq!(grants, people.len(), "live grants: {touch:?}");
    }
    let claims = see(store, "w", &Touch { claims: true, ..accounts(&["ada"]) }).await.rewards;
    assert_eq!(
        claims.into_values().collect::<Vec<_>>(),
        [reward("r1", "ada", RewardStatus::Claimed)]
    );
}

pub(super) async fn a_team_holds_ended_seats_while_they_matter(store: &dyn Store) {
    let mut made = team("w");
    made.accounts.insert("eve".into(), plain_account("eve"));
    made.subscriptions.get_mut("sub").unwrap().buyer = Some("eve".into());
    let ended = |id, end| {
        let mut seat = plain_seat(id, "sub");
        seat.status = SeatStatus::Ended;
        seat.cycle = Some(cycle(0, end));
        seat
    };
    let mut carrying = ended("carrying", 1_000);
    carrying.carries_used = true;
    for seat in [ended("past", 1_000), ended("running", 1_001), carrying] {
        made.seats.insert(seat.id.clone(), seat);
    }
    make(store, &made).await;
    let seen = see(store, "w", &Touch { team: true, ..Touch::default() }).await;
    let seats: Vec<&str> = seen.seats.keys().map(|id| id.as_str()).collect();
    assert_eq!(seats, ["carrying", "running", "s1", "s2"]);
    let people: Vec<&str> = seen.accounts.keys().map(AccountId::as_str).collect();
    assert_eq!(people, ["ada", "eve"], "owner, holders and buyers");
    assert_eq!(seen.subscriptions.len(), 1);
}

pub(super) async fn a_seat_that_falls_brings_its_team(store: &dyn Store) {
    let mut made = team("w");
    made.accounts.insert("eve".into(), plain_account("eve"));
    make(store, &made).await;
    edit(store, "w", Touch::default(), |w| w.decided_at = at(499_999)).await;
    let seen = see(store, "w", &accounts(&["ada"])).await;
    assert!(seen.subscriptions.is_empty(), "it ends a moment later");
    edit(store, "w", Touch::default(), |w| w.decided_at = at(500_000)).await;
    let seen = see(store, "w", &accounts(&["ada"])).await;
    assert_eq!((seen.subscriptions.len(), seen.seats.len()), (1, 2));
}

pub(super) async fn homes_are_found(store: &dyn Store) {
    make(store, &team("w")).await;
    store.link_customer(&"cus".into(), &"w".into(), false).await.unwrap();
    let homes = [
        Home::Workspace("w".into()),
        Home::Account("ada".into()),
        Home::App("app".into()),
        Home::Seat("s1".into()),
        Home::Grant("g2".into()),
        Home::Reward("r2".into()),
        Home::Customer("cus".into()),
    ];
    let unknown = [
        Home::Account("x".into()),
        Home::App("x".into()),
        Home::Seat("x".into()),
        Home::Grant("x".into()),
        Home::Reward("x".into()),
        Home::Customer("x".into()),
    ];
    let mut jobs: Vec<_> = homes.iter().chain(&unknown).map(|home| job_at(home.clone())).collect();
    jobs.push(job("new", Touch::default()));
    let mut found = Vec::new();
    let mut versions = Vec::new();
    let mut look = |loaded: Loaded| {
        found = loaded.homes;
        versions = loaded.workspaces.values().map(|w| (w.id.to_string(), w.version)).collect();
        Vec::new()
    };
    store.transact(&jobs, &mut look).await.unwrap();
    for (home, found) in homes.iter().chain(&unknown).zip(&found) {
        let expected = Some("w".into()).filter(|_| homes.contains(home));
        assert_eq!(*found, expected, "{home:?}");
        assert_eq!(store.workspace_of(home).await.unwrap(), expected, "{home:?}");
    }
    assert_eq!(found.last().unwrap().as_ref().unwrap().as_str(), "new");
    assert_eq!(versions, [("new".to_owned(), 0), ("w".to_owned(), 1)]);
    assert_eq!(store.read(&Home::Workspace("new".into()), &Touch::default()).await.unwrap(), None);
    assert_eq!(store.workspace_of_subscription(&"sub".into()).await.unwrap(), Some("w".into()));
    assert_eq!(store.workspace_of_subscription(&"x".into()).await.unwrap(), None);
}

fn job_at(home: Home) -> Job {
    Job { home, touch: Touch::default(), key: None }
}

pub(super) async fn things_of_another_workspace_are_not_loaded(store: &dyn Store) {
    make(store, &team("w")).await;
    let mut other = Workspace::new("other".into());
    other.accounts.insert("eve".into(), plain_account("eve"));
    make(store, &other).await;
    let seen = see(store, "other", &whole()).await;
    assert!(seen.accounts.is_empty() && seen.apps.is_empty() && seen.grants.is_empty());
    assert!(seen.seats.is_empty() && seen.rewards.is_empty());
}

pub(super) async fn what_belongs_to_a_workspace_stays_there(store: &dyn Store) {
    make(store, &team("w")).await;
    let moved = commit(store, "other", Touch::default(), |before, _| {
        change(before, |w| {
            w.accounts.insert("ada".into(), plain_account("ada"));
        })
    });
    assert!(matches!(moved.await, Err(StoreError::Refused(_))));
    assert_eq!(see(store, "w", &whole()).await, Workspace { version: 1, ..team("w") });
    assert_eq!(
        store.read(&Home::Workspace("other".into()), &Touch::default()).await.unwrap(),
        None
    );
}

pub(super) async fn a_change_of_an_old_version_is_a_conflict(store: &dyn Store) {
    make(store, &team("w")).await;
    let old = see(store, "w", &whole()).await;
    edit(store, "w", whole(), |w| w.decided_at = at(1)).await;
    let expected = see(store, "w", &whole()).await;
    let stale = commit(store, "w", whole(), |_, _| change(old, |w| w.decided_at = at(2)));
    assert!(matches!(stale.await, Err(StoreError::Conflict)));
    let again = commit(store, "w", Touch::default(), |_, _| change(team("w"), |_| ()));
    assert!(matches!(again.await, Err(StoreError::Conflict)), "it exists already");
    assert_eq!(see(store, "w", &whole()).await, expected);
}

pub(super) async fn two_people_swap_seats_in_one_batch(store: &dyn Store) {
    let mut made = team("w");
    made.seats.get_mut("s2").unwrap().holder = Some("bob".into());
    make(store, &made).await;
    edit(store, "w", whole(), |w| {
        w.seats.get_mut("s1").unwrap().holder = Some("bob".into());
        w.seats.get_mut("s2").unwrap().holder = Some("ada".into());
    })
    .await;
    let seen = see(store, "w", &whole()).await;
    assert_eq!(seen.seat_of(&"ada".into()).unwrap().id.as_str(), "s2");
    assert_eq!(seen.seat_of(&"bob".into()).unwrap().id.as_str(), "s1");
}

pub(super) async fn nobody_holds_two_seats(store: &dyn Store) {
    make(store, &team("w")).await;
    let second = commit(store, "w", whole(), |before, _| {
        change(before, |w| w.seats.get_mut("s2").unwrap().holder = Some("ada".into()))
    });
    assert!(second.await.is_err());
    assert_eq!(see(store, "w", &whole()).await, Workspace { version: 1, ..team("w") });
}

pub(super) async fn nothing_is_ever_removed(store: &dyn Store) {
    make(store, &team("w")).await;
    let removal = commit(store, "w", whole(), |before, _| {
        change(before, |w| {
            w.grants.clear();
        })
    });
    assert!(matches!(removal.await, Err(StoreError::Refused(_))));
    assert_eq!(see(store, "w", &whole()).await.grants.len(), 3);
}

pub(super) async fn a_batch_changes_many_workspaces(store: &dyn Store) {
    let names: Vec<String> = (0..50).map(|n| format!("w{n}")).collect();
    let jobs: Vec<_> = names.iter().map(|name| job(name, accounts(&[name]))).collect();
    for round in 1..=2_u64 {
        let mut decide = |loaded: Loaded| {
            let changes = loaded.workspaces.into_values().map(|before| {
                change(before, |w| {
                    let id = AccountId::from(w.id.as_str());
                    let account =
                        w.accounts.entry(id.clone()).or_insert_with(|| account(id.as_str()));
                    account.free.message.allowance.used = uc(i64::try_from(round).unwrap());
                })
            });
            changes.collect()
        };
        store.transact(&jobs, &mut decide).await.unwrap();
        for name in &names {
            let seen = see(store, name, &accounts(&[name])).await;
            let used = seen.accounts.values().next().unwrap().free.message.allowance.used;
            assert_eq!((seen.version, used.micros()), (round, i64::try_from(round).unwrap()));
        }
    }
}

pub(super) async fn subscriptions_of_one_batch_come_before_their_seats(store: &dyn Store) {
    let mut made = Workspace::new("w".into());
    made.subscriptions.insert("sub".into(), subscription("sub"));
    made.seats.insert("s".into(), plain_seat("s", "sub"));
    make(store, &made).await;
    let seen = see(store, "w", &Touch { team: true, ..Touch::default() }).await;
    assert_eq!(seen, Workspace { version: 1, ..made });
}
