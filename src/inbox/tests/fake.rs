//! A store and a writer that hold no more than the inbox and the door ask of them, and fail when
//! they are told to.

use crate::store::partial::{Unmarked, partial_store};
use crate::store::*;
use crate::writer::{Reply, Request, Submit, SubmitError};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use creditd_rules::command::Touch;
use creditd_rules::id::{
    AccountId, AppId, CustomerId, GrantId, PlanId, RewardId, SubscriptionId, WorkspaceId,
};
use creditd_rules::state::{Account, RewardStatus, SeatStatus};
use creditd_rules::view::{AccountView, GrantView, RewardView, SeatView};
use creditd_rules::{Command, Instant, Workspace};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::Notify;

/// What the fake knows.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) events: Vec<StoredEvent>,
    pub(crate) accounts: BTreeMap<AccountId, WorkspaceId>,
    pub(crate) customers: BTreeMap<CustomerId, WorkspaceId>,
    pub(crate) subscriptions: BTreeMap<SubscriptionId, WorkspaceId>,
    /// The next calls fail so: those that keep events.
    pub(crate) keep_faults: VecDeque<StoreError>,
    /// Those that read the inbox.
    pub(crate) inbox_faults: VecDeque<StoreError>,
    /// The sizes of the batches kept.
    pub(crate) batches: Vec<usize>,
    /// Becomes known just before the next event is marked.
    pub(crate) known_late: Option<(AccountId, WorkspaceId)>,
    /// An event of this id is refused.
    pub(crate) refused: Option<String>,
}

#[derive(Default)]
pub(crate) struct FakeStore {
    known: Mutex<Known>,
    /// Notified whenever an event is marked.
    pub(crate) marked: Notify,
    /// Held while events are being kept, so that a test decides when a commit ends.
    pub(crate) commits: tokio::sync::Mutex<()>,
}

impl FakeStore {
    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap()
    }

    /// Makes an account known, as its PUT does but for releasing what waits.
    pub(crate) fn put_account(&self, id: &str, workspace: &str) {
        self.known().accounts.insert(id.into(), workspace.into());
    }

    pub(crate) fn stored(&self, id: &str) -> StoredEvent {
        let known = self.known();
        known.events.iter().find(|stored| stored.event.id == id).unwrap().clone()
    }
}

impl Unmarked for FakeStore {}

partial_store! {
    FakeStore;
    has: {
        async fn read(
            &self, home: &Home, _: &Touch,
        ) -> StoreResult<Option<(Instant, Workspace)>> {
            let known = self.known();
            let id = match home {
                Home::Account(id) => known.accounts.get(id).cloned(),
                Home::Workspace(id) => known.accounts.values().find(|home| *home == id).cloned(),
                Home::App(_) | Home::Seat(_) | Home::Grant(_) | Home::Reward(_)
                | Home::Customer(_) => panic!("nobody asks for {home:?}"),
            };
            Ok(id.map(|id| {
                let mut workspace = Workspace::new(id.clone());
                workspace.version = 1;
                let members = known.accounts.iter().filter(|(_, home)| **home == id);
                let members = members.map(|(member, _)| member.clone());
                workspace.accounts = members
                    .map(|member| (member.clone(), Account::new(member, Instant::UNIX_EPOCH)))
                    .collect();
                (Instant::UNIX_EPOCH, workspace)
            }))
        }

        async fn link_customer(
            &self, id: &CustomerId, to: &WorkspaceId, replace: bool,
        ) -> StoreResult<WorkspaceId> {
            assert!(!replace, "only a PUT replaces a link");
            Ok(self.known().customers.entry(id.clone()).or_insert_with(|| to.clone()).clone())
        }

        async fn workspace_of(&self, home: &Home) -> StoreResult<Option<WorkspaceId>> {
            let Home::Customer(id) = home else { panic!("nobody asks for {home:?}") };
            Ok(self.known().customers.get(id).cloned())
        }

        async fn workspace_of_subscription(
            &self, id: &SubscriptionId,
        ) -> StoreResult<Option<WorkspaceId>> {
            Ok(self.known().subscriptions.get(id).cloned())
        }

        async fn keep_events(&self, events: &[NewEvent]) -> StoreResult<Vec<bool>> {
            let _commit = self.commits.lock().await;
            let mut known = self.known();
            known.batches.push(events.len());
            if let Some(fault) = known.keep_faults.pop_front() {
                return Err(fault);
            }
            if events.iter().any(|event| known.refused.as_ref() == Some(&event.id)) {
                return Err(StoreError::Refused(String::from("as told")));
            }
            let mut new = Vec::new();
            for event in events {
                let is_new = known.events.iter().all(|stored| stored.event.id != event.id);
                new.push(is_new);
                if is_new {
                    let arrival = known.events.len() as u64;
                    let event = event.clone();
                    let stored = StoredEvent {
                        event, arrival, attempts: 0, waits_for: None, handled_at: None,
                    };
                    known.events.push(stored);
                }
            }
            Ok(new)
        }

        async fn pending_events(&self, limit: u32) -> StoreResult<Vec<StoredEvent>> {
            let mut known = self.known();
            if let Some(fault) = known.inbox_faults.pop_front() {
                return Err(fault);
            }
            let pending = known.events.iter();
            let pending = pending.filter(|stored| stored.event.state == EventState::Pending);
            Ok(pending.take(limit as usize).cloned().collect())
        }

        async fn mark_event(
            &self, id: &str, state: EventState, note: Option<&str>, waits_for: Option<&str>,
        ) -> StoreResult<()> {
            let mut known = self.known();
            if let Some((account, workspace)) = known.known_late.take() {
                known.accounts.insert(account, workspace);
            }
            let stored = known.events.iter_mut().find(|stored| stored.event.id == id).unwrap();
            stored.event.state = state;
            stored.event.note = note.map(String::from);
            stored.waits_for = waits_for.map(String::from);
            stored.attempts += 1;
            self.marked.notify_one();
            Ok(())
        }

        async fn release_events(&self, waits_for: &str) -> StoreResult<u64> {
            let mut released = 0;
            for stored in &mut self.known().events {
                if stored.waits_for.as_deref() == Some(waits_for) {
                    stored.event.state = EventState::Pending;
                    stored.waits_for = None;
                    released += 1;
                }
            }
            Ok(released)
        }
    }
    lacks: {
        fn transact(&[Job], &mut Decide<'_>) -> StoreResult<()>;
        fn now() -> StoreResult<Instant>;
        fn set_test_clock(Instant) -> StoreResult<Result<(), Instant>>;
        fn ping() -> StoreResult<()>;
        fn claim_account(&AccountId, &WorkspaceId) -> StoreResult<WorkspaceId>;
        fn claim_app(&AppId, &WorkspaceId) -> StoreResult<WorkspaceId>;
        fn ledger(&WorkspaceId, &LedgerQuery) -> StoreResult<Vec<Line>>;
        fn accounts(Option<&WorkspaceId>, &PageQuery) -> StoreResult<Page<AccountView>>;
        fn seats(&WorkspaceId, Option<SeatStatus>, &PageQuery) -> StoreResult<Page<SeatView>>;
        fn grants(&AccountId, &PageQuery) -> StoreResult<Page<GrantView>>;
        fn rewards(Option<RewardStatus>, &PageQuery) -> StoreResult<Page<RewardView>>;
        fn next_due() -> StoreResult<Option<Instant>>;
        fn due(Instant, u32) -> StoreResult<Vec<Due>>;
        fn events(Option<EventState>, &PageQuery) -> StoreResult<Page<StoredEvent>>;
        fn event(&str) -> StoreResult<Option<StoredEvent>>;
        fn claim_mails(DateTime<Utc>, DateTime<Utc>, u32) -> StoreResult<Vec<StoredMail>>;
        fn next_mail_at() -> StoreResult<Option<DateTime<Utc>>>;
        fn mark_mail(&str, &MailOutcome, DateTime<Utc>) -> StoreResult<()>;
        fn retry_mail(&str, DateTime<Utc>) -> StoreResult<bool>;
        fn mails(Option<MailState>, &PageQuery) -> StoreResult<Page<StoredMail>>;
        fn create_promo(&Promo, &str, &KeptAnswer) -> StoreResult<Result<Option<KeptAnswer>, ()>>;
        fn end_promo(
            &str, Instant, &str, &(dyn for<'p> Fn(&'p Promo) -> KeptAnswer + Sync)
        ) -> StoreResult<Option<(KeptAnswer, bool)>>;
        fn promo(&str) -> StoreResult<Option<Promo>>;
        fn promos(&PageQuery) -> StoreResult<Page<Promo>>;
        fn reserve_promo(&str, &AccountId, &GrantId, Instant) -> StoreResult<Reservation<GrantId>>;
        fn settle_promo(&str, &AccountId, bool) -> StoreResult<()>;
        fn reserve_post(&str, &AccountId, &RewardId, Instant) -> StoreResult<Reservation<RewardId>>;
        fn settle_post(&str, &RewardId, bool) -> StoreResult<()>;
        fn loose_reservations(Instant) -> StoreResult<Vec<Loose>>;
        fn add_api_key(&ApiKey) -> StoreResult<()>;
        fn api_key(&[u8; 32]) -> StoreResult<Option<ApiKey>>;
        fn api_keys() -> StoreResult<Vec<ApiKey>>;
        fn revoke_api_key(&str, DateTime<Utc>) -> StoreResult<bool>;
        fn held_plans() -> StoreResult<Vec<PlanId>>;
        fn depths() -> StoreResult<Depths>;
        fn prune(DateTime<Utc>, DateTime<Utc>) -> StoreResult<u64>;
        fn verify(&(dyn Fn(u64, u64) + Sync)) -> StoreResult<Vec<Fault>>;
    }
}

/// Takes note of commands; answers as told, else that they were applied.
pub(crate) struct FakeWriter {
    store: Arc<FakeStore>,
    /// Answers to come.
    pub(crate) answers: Mutex<VecDeque<Result<Reply, SubmitError>>>,
    /// What was applied.
    pub(crate) applied: Mutex<Vec<Request>>,
}

impl FakeWriter {
    pub(crate) fn new(store: &Arc<FakeStore>) -> Arc<Self> {
        let (answers, applied) = Default::default();
        Arc::new(Self { store: Arc::clone(store), answers, applied })
    }

    pub(crate) fn answer_next(
        &self, answers: impl IntoIterator<Item = Result<Reply, SubmitError>>,
    ) {
        self.answers.lock().unwrap().extend(answers);
    }
}

#[async_trait]
impl Submit for FakeWriter {
    async fn submit(&self, request: Request) -> Result<Reply, SubmitError> {
        if let Some(answer) = self.answers.lock().unwrap().pop_front() {
            return answer;
        }
        let Home::Workspace(workspace) = &request.home else { panic!("{request:?}") };
        if let Command::Observe(snapshot) = &request.command {
            let subscription = snapshot.subscription.clone();
            self.store.known().subscriptions.insert(subscription, workspace.clone());
        }
        self.applied.lock().unwrap().push(request);
        Ok(Reply::Done { body: br#"{"applied":true}"#.to_vec(), replayed: false })
    }
}
