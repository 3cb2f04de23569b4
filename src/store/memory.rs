//! The oracle: the same promises in plain maps. Nothing is kept beyond the process.
//!
//! Every call holds one lock. A transaction works on a copy, which replaces what was when all went
//! well; what no transaction changes, or only adds to, is shared by both. It is meant for tests,
//! where being obviously right counts, and being fast only so far that thousands of cases pass.

mod books;
mod lists;
mod marks;
mod queues;
mod reservations;

use super::books::Books;
use super::{
    ApiKey, Bookmark, Decide, Depths, Due, EventState, Fault, Home, Job, KeptAnswer, LedgerQuery,
    Line, Loaded, Loose, MailOutcome, MailState, Mark, NewEvent, Page, PageQuery, Promo,
    Reservation, Store, StoreError, StoreResult, StoredEvent, StoredMail,
};
use crate::clock;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use creditd_rules::command::Touch;
use creditd_rules::id::{
    AccountId, AppId, CustomerId, GrantId, PlanId, RewardId, SubscriptionId, WorkspaceId,
};
use creditd_rules::state::{RewardStatus, SeatStatus};
use creditd_rules::view::{AccountView, GrantView, RewardView, SeatView};
use creditd_rules::{Instant, Workspace};
use lists::page;
use reservations::{Post, Redemption};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    clock: clock::Mode,
    kept: Mutex<Kept>,
}

/// All that is kept.
#[derive(Debug, Clone, Default)]
struct Kept {
    test_clock: Option<Instant>,
    workspaces: BTreeMap<WorkspaceId, Workspace>,
    accounts: BTreeMap<AccountId, WorkspaceId>,
    apps: BTreeMap<AppId, WorkspaceId>,
    customers: BTreeMap<CustomerId, WorkspaceId>,
    lines: BTreeMap<WorkspaceId, Vec<Arc<Line>>>,
    /// By workspace (empty for requests without one) and key; with the wall's time.
    answers: BTreeMap<(String, String), (KeptAnswer, DateTime<Utc>)>,
    mails: Vec<StoredMail>,
    events: Arc<Vec<StoredEvent>>,
    marks: BTreeMap<String, Mark>,
    /// With the end of the lease.
    bookmarks: BTreeMap<String, (Bookmark, DateTime<Utc>)>,
    promos: BTreeMap<String, Promo>,
    redemptions: BTreeMap<(String, AccountId), Redemption>,
    posts: BTreeMap<String, Post>,
    keys: Vec<ApiKey>,
}

impl MemoryStore {
    /// A store with nothing in it.
    #[must_use]
    pub fn new(clock: clock::Mode) -> Self {
        Self { clock, kept: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clock_of(&self, kept: &Kept) -> Instant {
        let set = kept.test_clock.filter(|_| self.clock == clock::Mode::Test);
        set.unwrap_or_else(clock::wall)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn transact(&self, jobs: &[Job], decide: &mut Decide<'_>) -> StoreResult<()> {
        let mut kept = self.lock();
        let now = self.clock_of(&kept);
        let touches: Vec<_> = jobs.iter().map(|job| (&job.home, &job.touch)).collect();
        let (homes, workspaces) = kept.load(&touches, now);
        let mut answers = BTreeMap::new();
        for (job, home) in jobs.iter().zip(&homes) {
            let (Some(home), Some(key)) = (home, &job.key) else { continue };
            let place = (home.as_str().to_owned(), key.clone());
            if let Some((answer, _)) = kept.answers.get(&place) {
                answers.insert((home.clone(), key.clone()), answer.clone());
            }
        }
        let changes = decide(Loaded { now, homes, workspaces, answers });
        let mut next = kept.clone();
        for change in &changes {
            next.take(change, now, clock::wall())?;
        }
        *kept = next;
        Ok(())
    }

    async fn read(&self, home: &Home, touch: &Touch) -> StoreResult<Option<(Instant, Workspace)>> {
        let kept = self.lock();
        let now = self.clock_of(&kept);
        let (_, parts) = kept.load(&[(home, touch)], now);
        let part = parts.into_values().find(|part| part.version > 0);
        Ok(part.map(|part| (now.max(part.decided_at), part)))
    }

    async fn now(&self) -> StoreResult<Instant> {
        Ok(self.clock_of(&self.lock()))
    }

    async fn set_test_clock(&self, now: Instant) -> StoreResult<Result<(), Instant>> {
        let mut kept = self.lock();
        let decided = kept.workspaces.values().map(|whole| whole.decided_at).max();
        match decided.max(kept.test_clock) {
            Some(latest) if now < latest => Ok(Err(latest)),
            _ => {
                kept.test_clock = Some(now);
                Ok(Ok(()))
            }
        }
    }

    async fn ping(&self) -> StoreResult<()> {
        Ok(())
    }

    async fn claim_account(&self, id: &AccountId, to: &WorkspaceId) -> StoreResult<WorkspaceId> {
        Ok(self.lock().accounts.entry(id.clone()).or_insert_with(|| to.clone()).clone())
    }

    async fn claim_app(&self, id: &AppId, to: &WorkspaceId) -> StoreResult<WorkspaceId> {
        Ok(self.lock().apps.entry(id.clone()).or_insert_with(|| to.clone()).clone())
    }

    async fn link_customer(
        &self, id: &CustomerId, to: &WorkspaceId, replace: bool,
    ) -> StoreResult<WorkspaceId> {
        let mut kept = self.lock();
        let link = kept.customers.entry(id.clone()).or_insert_with(|| to.clone());
        if replace {
            *link = to.clone();
        }
        Ok(link.clone())
    }

    async fn workspace_of(&self, home: &Home) -> StoreResult<Option<WorkspaceId>> {
        let kept = self.lock();
        Ok(match home {
            Home::Workspace(id) => kept.workspaces.get(id).map(|whole| whole.id.clone()),
            Home::Account(_)
            | Home::App(_)
            | Home::Seat(_)
            | Home::Grant(_)
            | Home::Reward(_)
            | Home::Customer(_) => kept.home(home),
        })
    }

    async fn workspace_of_subscription(
        &self, id: &SubscriptionId,
    ) -> StoreResult<Option<WorkspaceId>> {
        let kept = self.lock();
        let whole = kept.workspaces.values().find(|whole| whole.subscriptions.contains_key(id));
        Ok(whole.map(|whole| whole.id.clone()))
    }

    async fn ledger(&self, workspace: &WorkspaceId, query: &LedgerQuery) -> StoreResult<Vec<Line>> {
        Ok(self.lock().ledger(workspace, query))
    }

    async fn accounts(
        &self, workspace: Option<&WorkspaceId>, page: &PageQuery,
    ) -> StoreResult<Page<AccountView>> {
        Ok(self.lock().accounts(workspace, page))
    }

    async fn seats(
        &self, workspace: &WorkspaceId, status: Option<SeatStatus>, page: &PageQuery,
    ) -> StoreResult<Page<SeatView>> {
        Ok(self.lock().seats(workspace, status, page))
    }

    async fn grants(&self, account: &AccountId, page: &PageQuery) -> StoreResult<Page<GrantView>> {
        Ok(self.lock().grants(account, page))
    }

    async fn rewards(
        &self, status: Option<RewardStatus>, page: &PageQuery,
    ) -> StoreResult<Page<RewardView>> {
        Ok(self.lock().rewards(status, page))
    }

    async fn next_due(&self) -> StoreResult<Option<Instant>> {
        Ok(self.lock().due().first().map(|(at, _)| *at))
    }

    async fn due(&self, now: Instant, limit: u32) -> StoreResult<Vec<Due>> {
        let due = self.lock().due().into_iter().take_while(|(at, _)| *at <= now);
        Ok(due.take(limit as usize).map(|(_, due)| due).collect())
    }

    async fn keep_events(&self, events: &[NewEvent]) -> StoreResult<Vec<bool>> {
        let mut kept = self.lock();
        Ok(events.iter().map(|event| kept.keep_event(event)).collect())
    }

    async fn pending_events(&self, limit: u32) -> StoreResult<Vec<StoredEvent>> {
        let kept = self.lock();
        let pending = kept.events.iter().filter(|kept| kept.event.state == EventState::Pending);
        Ok(pending.take(limit as usize).cloned().collect())
    }

    async fn mark_event(
        &self, id: &str, state: EventState, note: Option<&str>, waits_for: Option<&str>,
    ) -> StoreResult<()> {
        self.lock().mark_event(id, state, note, waits_for);
        Ok(())
    }

    async fn release_events(&self, waits_for: &str) -> StoreResult<u64> {
        let mut kept = self.lock();
        Ok(kept.release(waits_for) + kept.release_marks(waits_for))
    }

    async fn events(
        &self, state: Option<EventState>, asked: &PageQuery,
    ) -> StoreResult<Page<StoredEvent>> {
        let kept = self.lock();
        let events = kept.events.iter().rev().cloned();
        let events = events.filter(|kept| state.is_none_or(|state| kept.event.state == state));
        Ok(page(events, asked, |kept| kept.arrival.to_string()))
    }

    async fn event(&self, id: &str) -> StoreResult<Option<StoredEvent>> {
        Ok(self.lock().events.iter().find(|kept| kept.event.id == id).cloned())
    }

    async fn claim_mails(
        &self, wall: DateTime<Utc>, lease: DateTime<Utc>, limit: u32,
    ) -> StoreResult<Vec<StoredMail>> {
        Ok(self.lock().claim_mails(wall, lease, limit))
    }

    async fn next_mail_at(&self) -> StoreResult<Option<DateTime<Utc>>> {
        let kept = self.lock();
        let queued = kept.mails.iter().filter(|mail| mail.state == MailState::Queued);
        Ok(queued.map(|mail| mail.next_attempt_at).min())
    }

    async fn mark_mail(
        &self, id: &str, outcome: &MailOutcome, wall: DateTime<Utc>,
    ) -> StoreResult<()> {
        self.lock().mark_mail(id, outcome, wall);
        Ok(())
    }

    async fn retry_mail(&self, id: &str, wall: DateTime<Utc>) -> StoreResult<bool> {
        Ok(self.lock().retry_mail(id, wall))
    }

    async fn mails(
        &self, state: Option<MailState>, asked: &PageQuery,
    ) -> StoreResult<Page<StoredMail>> {
        let kept = self.lock();
        let mails = kept.mails.iter().rev().cloned();
        let mails = mails.filter(|mail| state.is_none_or(|state| mail.state == state));
        Ok(page(mails, asked, |mail| mail.id.clone()))
    }

    async fn create_promo(
        &self, promo: &Promo, key: &str, answer: &KeptAnswer,
    ) -> StoreResult<Result<Option<KeptAnswer>, ()>> {
        let mut kept = self.lock();
        let place = (String::new(), key.to_owned());
        if let Some((answer, _)) = kept.answers.get(&place) {
            return Ok(Ok(Some(answer.clone())));
        }
        if kept.promos.contains_key(&promo.code) {
            return Ok(Err(()));
        }
        kept.promos.insert(promo.code.clone(), promo.clone());
        kept.answers.insert(place, (answer.clone(), clock::wall()));
        Ok(Ok(None))
    }

    async fn end_promo(
        &self, code: &str, at: Instant, key: &str,
        answer: &(dyn for<'p> Fn(&'p Promo) -> KeptAnswer + Sync),
    ) -> StoreResult<Option<(KeptAnswer, bool)>> {
        let mut kept = self.lock();
        let place = (String::new(), key.to_owned());
        if let Some((answer, _)) = kept.answers.get(&place) {
            return Ok(Some((answer.clone(), true)));
        }
        let Some(promo) = kept.promos.get_mut(code) else { return Ok(None) };
        promo.ends_at = promo.ends_at.min(at);
        let answer = answer(promo);
        kept.answers.insert(place, (answer.clone(), clock::wall()));
        Ok(Some((answer, false)))
    }

    async fn promo(&self, code: &str) -> StoreResult<Option<Promo>> {
        Ok(self.lock().promos.get(code).cloned())
    }

    async fn promos(&self, asked: &PageQuery) -> StoreResult<Page<Promo>> {
        let kept = self.lock();
        Ok(page(kept.promos.values().cloned(), asked, |promo| promo.code.clone()))
    }

    async fn reserve_promo(
        &self, code: &str, account: &AccountId, grant: &GrantId, now: Instant,
    ) -> StoreResult<Reservation<GrantId>> {
        Ok(self.lock().reserve_promo(code, account, grant, now))
    }

    async fn settle_promo(&self, code: &str, account: &AccountId, made: bool) -> StoreResult<()> {
        self.lock().settle_promo(code, account, made);
        Ok(())
    }

    async fn reserve_post(
        &self, post_url: &str, account: &AccountId, reward: &RewardId, now: Instant,
    ) -> StoreResult<Reservation<RewardId>> {
        Ok(self.lock().reserve_post(post_url, account, reward, now))
    }

    async fn settle_post(&self, post_url: &str, reward: &RewardId, made: bool) -> StoreResult<()> {
        self.lock().settle_post(post_url, reward, made);
        Ok(())
    }

    async fn loose_reservations(&self, before: Instant) -> StoreResult<Vec<Loose>> {
        Ok(self.lock().loose(before))
    }

    async fn add_api_key(&self, key: &ApiKey) -> StoreResult<()> {
        let mut kept = self.lock();
        if kept.keys.iter().any(|kept| kept.id == key.id || kept.hash == key.hash) {
            return Err(StoreError::Conflict);
        }
        kept.keys.push(key.clone());
        Ok(())
    }

    async fn api_key(&self, hash: &[u8; 32]) -> StoreResult<Option<ApiKey>> {
        Ok(self.lock().keys.iter().find(|key| key.hash == *hash).cloned())
    }

    async fn api_keys(&self) -> StoreResult<Vec<ApiKey>> {
        let mut keys = self.lock().keys.clone();
        keys.sort_by_key(|key| std::cmp::Reverse((key.created_at, key.id.clone())));
        Ok(keys)
    }

    async fn revoke_api_key(&self, id: &str, wall: DateTime<Utc>) -> StoreResult<bool> {
        let mut kept = self.lock();
        let Some(key) = kept.keys.iter_mut().find(|key| key.id == id) else { return Ok(false) };
        key.revoked_at.get_or_insert(wall);
        Ok(true)
    }

    async fn held_plans(&self) -> StoreResult<Vec<PlanId>> {
        Ok(self.lock().held_plans())
    }

    async fn depths(&self) -> StoreResult<Depths> {
        Ok(self.lock().depths())
    }

    async fn prune(&self, answers: DateTime<Utc>, handled: DateTime<Utc>) -> StoreResult<u64> {
        Ok(self.lock().prune(answers, handled))
    }

    async fn verify(&self, progress: &(dyn Fn(u64, u64) + Sync)) -> StoreResult<Vec<Fault>> {
        let kept = self.lock();
        let mut faults = Vec::new();
        for whole in kept.workspaces.values() {
            let mut books = Books::default();
            for line in kept.lines.get(&whole.id).into_iter().flatten() {
                books.add(line);
            }
            faults.extend(books.faults(whole));
        }
        progress(kept.workspaces.len() as u64, kept.workspaces.len() as u64);
        Ok(faults)
    }
}
