//! What a crash left behind is cured.

use super::*;
use crate::clock::Mode;
use crate::store::memory::MemoryStore;
use crate::store::{Change, Job, Reservation};
use creditd_rules::Workspace;
use creditd_rules::state::Reward;

const POST: &str = "https://x.com/ann/status/1";

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn claim(status: RewardStatus) -> Reward {
    Reward {
        id: "r".into(),
        account: "ann".into(),
        network: "x".to_owned(),
        post_url: POST.to_owned(),
        followers: 101,
        app: None,
        status,
        claimed_at: at(0),
        decided_at: None,
        reason: None,
        grant: None,
    }
}

/// Puts a claim into the workspace `w`.
async fn keep(store: &dyn Store, claim: Reward) {
    let job = Job { home: Home::Workspace("w".into()), touch: Touch::default(), key: None };
    let mut decide = |mut loaded: crate::store::Loaded| {
        let before = loaded.workspaces.remove("w").unwrap();
        let mut after = Workspace { version: before.version + 1, ..before.clone() };
        after.rewards.insert(claim.id.clone(), claim.clone());
        let (entries, answers, mails) = (Vec::new(), Vec::new(), Vec::new());
        vec![Change { before, after, entries, answers, mails, erased: vec![], alerts: vec![] }]
    };
    store.transact(&[job], &mut decide).await.unwrap();
}

/// What becomes of a post that `ann` holds, once the maintenance has been at work.
async fn after_upkeep(made: bool, status: Option<RewardStatus>) -> Reservation<RewardId> {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Mode::Test));
    store.set_test_clock(at(0)).await.unwrap().unwrap();
    store.reserve_post(POST, &"ann".into(), &"r".into(), at(0)).await.unwrap();
    if made {
        store.settle_post(POST, &"r".into(), true).await.unwrap();
    }
    if let Some(status) = status {
        keep(&*store, claim(status)).await;
    }
    store.set_test_clock(at(3_600)).await.unwrap().unwrap();
    finish_loose(&*store).await.unwrap();
    store.reserve_post(POST, &"bob".into(), &"b".into(), at(3_600)).await.unwrap()
}

#[tokio::test]
async fn r15_what_was_cut_off_is_finished_or_freed() {
    let free = || Reservation::Held("b".into());
    assert_eq!(after_upkeep(false, None).await, free(), "never made");
    assert_eq!(after_upkeep(false, Some(RewardStatus::Claimed)).await, Reservation::Taken);
    assert_eq!(after_upkeep(true, Some(RewardStatus::Approved)).await, Reservation::Taken);
    assert_eq!(after_upkeep(true, Some(RewardStatus::Rejected)).await, free(), "rejected");
    assert_eq!(after_upkeep(false, Some(RewardStatus::Rejected)).await, free(), "rejected");
}
