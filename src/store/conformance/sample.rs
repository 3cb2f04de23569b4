//! Workspaces to store: with everything set that can be, so that nothing can be forgotten.

use crate::store::{Change, Home, Job, Loaded, Store, StoreResult};
use chrono::DateTime;
use creditd_rules::calendar::{Cycle, Timeline};
use creditd_rules::command::Touch;
use creditd_rules::entry::{Entry, Pot, Reason};
use creditd_rules::id::{AccountId, WorkspaceId};
use creditd_rules::plan::{Limits, PerKind};
use creditd_rules::state::{
    Account, Allowance, AnchorMove, App, Free, Grant, Item, Refusal, Reward, RewardStatus, RunOut,
    Seat, SeatStatus, Status, Subscription, Told, Trial,
};
use creditd_rules::{Amount, Instant, Kind, Workspace};

/// An instant `us` microseconds into a day of 2026.
pub(super) fn at(us: i64) -> Instant {
    DateTime::from_timestamp_micros(1_790_000_000_000_000 + us).unwrap()
}

pub(super) fn uc(micros: i64) -> Amount {
    Amount::from_micros(micros)
}

pub(super) fn cycle(start: i64, end: i64) -> Cycle {
    Cycle { start: at(start), end: at(end) }
}

pub(super) fn timeline() -> Timeline {
    Timeline { start: at(1), anchor: at(2), day: 31 }
}

pub(super) fn allowance(n: i64) -> Allowance {
    Allowance {
        limits: Limits { day: Some(uc(n + 1)), month: Some(uc(n + 2)) },
        balance: uc(n + 3),
        used: uc(n + 4),
        day_started_at: Some(at(n + 5)),
        day_used: uc(n + 6),
    }
}

pub(super) fn account(id: &str) -> Account {
    let free = |n| Free { window: Some(cycle(n, n + 1)), allowance: allowance(n) };
    let refusal = Refusal { action: "chat".into(), needed: uc(1), left: uc(0), at: at(3) };
    Account {
        email: Some(format!("{id}@example.com")),
        name: Some("Ada \"the first\" \\ Łöve".to_owned()),
        locale: Some("pl".to_owned()),
        free: PerKind { message: free(10), integration: free(20) },
        run_out: PerKind {
            message: RunOut { armed: false, warned: true, first_refusal: Some(refusal) },
            integration: RunOut::default(),
        },
        ..Account::new(id.into(), at(0))
    }
}

pub(super) fn plain_account(id: &str) -> Account {
    Account::new(id.into(), at(0))
}

pub(super) fn subscription(id: &str) -> Subscription {
    let item = Item { id: "si_1".to_owned(), plan: "pro".into(), quantity: 3 };
    Subscription {
        id: id.into(),
        customer: "cus_1".into(),
        buyer: Some("ada".into()),
        status: Status::PastDue,
        items: vec![item.clone()],
        timeline: timeline(),
        past_due_since: Some(at(30)),
        cancel_at: Some(at(31)),
        places_made: 2,
        begun: true,
        trial: Trial::Over,
        anchor_full_at: Some(at(32)),
        anchor_move: Some(AnchorMove { boundary: at(33), counts: true, carries_used: false }),
        announced: Some((at(34), vec![item])),
        told: Told { created: at(35), rank: 2 },
        ended_at: Some(at(36)),
    }
}

/// A vacant active seat with nothing else set.
pub(super) fn plain_seat(id: &str, subscription: &str) -> Seat {
    Seat {
        id: id.into(),
        subscription: subscription.into(),
        place: 1,
        plan: "pro".into(),
        next_plan: None,
        announced: None,
        holder: None,
        assigned_at: None,
        status: SeatStatus::Active,
        timeline: timeline(),
        cycle: None,
        carries_used: false,
        begins_at: None,
        grace_ends_at: None,
        cancels_at: None,
        ends_at: None,
        allowances: PerKind::default(),
    }
}

pub(super) fn seat(id: &str, subscription: &str, holder: Option<&str>) -> Seat {
    Seat {
        next_plan: Some("builder".into()),
        announced: Some((at(45), "starter".into())),
        holder: holder.map(AccountId::from),
        assigned_at: Some(at(40)),
        cycle: Some(cycle(100, 200_000)),
        carries_used: true,
        begins_at: Some(at(50_000_000)),
        grace_ends_at: Some(at(300_000)),
        cancels_at: Some(at(400_000)),
        ends_at: Some(at(500_000)),
        allowances: PerKind { message: allowance(50), integration: allowance(60) },
        ..plain_seat(id, subscription)
    }
}

pub(super) fn grant(id: &str, account: &str) -> Grant {
    Grant {
        id: id.into(),
        account: account.into(),
        kind: Kind::Integration,
        amount: uc(70),
        balance: uc(71),
        source: "promo:SUMMER".to_owned(),
        reason: "a \"present\"".to_owned(),
        created_at: at(72),
        expires_at: Some(at(73)),
        ended: false,
    }
}

pub(super) fn reward(id: &str, account: &str, status: RewardStatus) -> Reward {
    Reward {
        id: id.into(),
        account: account.into(),
        network: "x".to_owned(),
        post_url: format!("https://x.com/{id}"),
        followers: 101,
        app: Some("app".into()),
        status,
        claimed_at: at(80),
        decided_at: Some(at(81)),
        reason: Some("nice".to_owned()),
        grant: Some("g".into()),
    }
}

/// A team of two with a subscription, two seats, an app, grants and claims; everything is set.
pub(super) fn team(id: &str) -> Workspace {
    let mut team = Workspace::new(id.into());
    team.owner = Some("ada".into());
    for account in [account("ada"), plain_account("bob")] {
        team.accounts.insert(account.id.clone(), account);
    }
    team.apps.insert("app".into(), App { id: "app".into(), owner: "bob".into() });
    team.subscriptions.insert("sub".into(), subscription("sub"));
    for seat in [seat("s1", "sub", Some("ada")), plain_seat("s2", "sub")] {
        team.seats.insert(seat.id.clone(), seat);
    }
    let ended = Grant { ended: true, expires_at: None, ..grant("g2", "ada") };
    for grant in [grant("g1", "ada"), ended, grant("g3", "bob")] {
        team.grants.insert(grant.id.clone(), grant);
    }
    for (id, status) in [("r1", RewardStatus::Claimed), ("r2", RewardStatus::Rejected)] {
        team.rewards.insert(id.into(), reward(id, "ada", status));
    }
    team
}

/// What to touch to see the whole of [`team`].
pub(super) fn whole() -> Touch {
    Touch {
        accounts: vec!["ada".into(), "bob".into()],
        apps: vec!["app".into()],
        seats: vec!["s1".into(), "s2".into()],
        grants: vec!["g1".into(), "g2".into(), "g3".into()],
        rewards: vec!["r1".into(), "r2".into()],
        claims: true,
        team: true,
    }
}

/// A line with everything set, of a seat's pot.
pub(super) fn entry(seat: &str, account: Option<&str>, amount: i64) -> Entry {
    Entry {
        pot: Some(Pot::Seat(seat.into())),
        account: account.map(AccountId::from),
        use_id: Some("use".into()),
        kind: Kind::Message,
        amount: uc(amount),
        pot_after: Some(uc(7)),
        reason: Reason::Use,
        cycle_started_at: Some(at(90)),
        effective_at: at(91),
        actor: Some("Ada's \"bot\"".to_owned()),
        app: Some("app".into()),
        action: Some("chat".into()),
        price: Some(uc(1)),
        cause: Some("key".to_owned()),
        cause_at: Some(at(92)),
    }
}

/// A line of a free pot.
pub(super) fn free_entry(account: &str, amount: i64) -> Entry {
    Entry {
        pot: Some(Pot::Free(account.into())),
        kind: Kind::Integration,
        ..entry("", Some(account), amount)
    }
}

/// One job on a workspace.
pub(super) fn job(workspace: &str, touch: Touch) -> Job {
    Job { home: Home::Workspace(workspace.into()), touch, key: None }
}

/// The change from `before` to what `edit` makes of it.
pub(super) fn change(before: Workspace, edit: impl FnOnce(&mut Workspace)) -> Change {
    let mut after = before.clone();
    edit(&mut after);
    after.version = before.version + 1;
    Change {
        before,
        after,
        entries: Vec::new(),
        answers: Vec::new(),
        mails: Vec::new(),
        erased: Vec::new(),
        alerts: Vec::new(),
    }
}

/// Loads what `touch` names of one workspace and commits the change that `decide` makes of it.
pub(super) async fn commit(
    store: &dyn Store, workspace: &str, touch: Touch,
    decide: impl FnOnce(Workspace, Instant) -> Change + Send,
) -> StoreResult<()> {
    let id = WorkspaceId::from(workspace);
    let mut decide = Some(decide);
    store
        .transact(&[job(workspace, touch)], &mut |mut loaded: Loaded| {
            let decide = decide.take().expect("decided once");
            vec![decide(loaded.workspaces.remove(&id).unwrap(), loaded.now)]
        })
        .await
}

/// Makes a workspace as given; its version becomes 1.
pub(super) async fn make(store: &dyn Store, workspace: &Workspace) {
    let made = commit(store, workspace.id.as_str(), Touch::default(), |before, _| {
        change(before, |after| *after = workspace.clone())
    });
    made.await.unwrap();
}

/// Changes what `touch` loads.
pub(super) async fn edit(
    store: &dyn Store, workspace: &str, touch: Touch, edit: impl FnOnce(&mut Workspace) + Send,
) {
    commit(store, workspace, touch, |before, _| change(before, edit)).await.unwrap();
}

/// A workspace as a read shows it.
pub(super) async fn see(store: &dyn Store, workspace: &str, touch: &Touch) -> Workspace {
    store.read(&Home::Workspace(workspace.into()), touch).await.unwrap().unwrap().1
}
