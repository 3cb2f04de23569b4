//! What the doors stand on in tests: directories, workspaces and a writer, all in memory, with the
//! real rules. Calls that no door makes are not there.

use crate::store::partial::{Unmarked, partial_store};
use crate::store::*;
use crate::writer::{Reply, Request, Submit, SubmitError, answer_body};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use creditd_rules::command::Touch;
use creditd_rules::id::*;
use creditd_rules::plan::Catalogue;
use creditd_rules::state::{RewardStatus, SeatStatus};
use creditd_rules::view::{AccountView, GrantView, RewardView, SeatView};
use creditd_rules::{Context, Instant, Workspace, decide};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// Everything that is kept.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) workspaces: BTreeMap<WorkspaceId, Workspace>,
    lines: BTreeMap<WorkspaceId, Vec<Line>>,
    answers: BTreeMap<(WorkspaceId, String), KeptAnswer>,
    accounts: BTreeMap<AccountId, WorkspaceId>,
    apps: BTreeMap<AppId, WorkspaceId>,
    customers: BTreeMap<CustomerId, WorkspaceId>,
    promos: BTreeMap<String, Promo>,
    promo_answers: BTreeMap<String, KeptAnswer>,
    pub(super) redemptions: BTreeMap<(String, AccountId), (GrantId, bool)>,
    pub(super) posts: BTreeMap<String, (AccountId, RewardId, bool)>,
    pub(super) keys: BTreeMap<[u8; 32], ApiKey>,
    pub(super) released: Vec<String>,
    pub(super) now: Instant,
}

/// The store and the writer.
pub(super) struct Fake {
    kept: Mutex<Kept>,
    catalogue: Arc<Catalogue>,
    /// How often a key was looked up.
    pub(super) key_lookups: AtomicUsize,
    /// What the writer answers instead, while it is set.
    pub(super) writer_fault: Mutex<Option<SubmitError>>,
    /// What the store answers instead, while it is set.
    pub(super) store_down: Mutex<bool>,
}

impl Fake {
    pub(super) fn new(catalogue: Arc<Catalogue>, now: Instant) -> Self {
        Self {
            kept: Mutex::new(Kept { now, ..Kept::default() }),
            catalogue,
            key_lookups: AtomicUsize::new(0),
            writer_fault: Mutex::new(None),
            store_down: Mutex::new(false),
        }
    }

    pub(super) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }

    fn up(&self) -> StoreResult<MutexGuard<'_, Kept>> {
        if *self.store_down.lock().unwrap() {
            return Err(StoreError::Unavailable("it is down".to_owned()));
        }
        Ok(self.kept())
    }
}

impl Kept {
    fn home(&self, home: &Home) -> Option<WorkspaceId> {
        let holding = |holds: &dyn Fn(&Workspace) -> bool| {
            self.workspaces.values().find(|one| holds(one)).map(|one| one.id.clone())
        };
        match home {
            Home::Workspace(id) => Some(id.clone()),
            Home::Account(id) => self.accounts.get(id).cloned(),
            Home::App(id) => self.apps.get(id).cloned(),
            Home::Customer(id) => self.customers.get(id).cloned(),
            Home::Seat(id) => holding(&|one| one.seats.contains_key(id)),
            Home::Grant(id) => holding(&|one| one.grants.contains_key(id)),
            Home::Reward(id) => holding(&|one| one.rewards.contains_key(id)),
        }
    }
}

#[async_trait]
impl Submit for Fake {
    async fn submit(&self, request: Request) -> Result<Reply, SubmitError> {
        if let Some(fault) = self.writer_fault.lock().unwrap().clone() {
            return Err(fault);
        }
        let kept = &mut *self.kept();
        let Some(home) = kept.home(&request.home) else {
            return Err(SubmitError::NoHome(request.home));
        };
        let place = request.key.as_ref().map(|key| (home.clone(), key.key.clone()));
        if let Some((known, key)) =
            place.as_ref().and_then(|at| kept.answers.get(at)).zip(request.key.as_ref())
        {
            return if known.fingerprint == key.fingerprint {
                Ok(Reply::Done { body: known.body.clone(), replayed: true })
            } else {
                Err(SubmitError::KeyMismatch)
            };
        }
        let workspace =
            kept.workspaces.entry(home.clone()).or_insert_with(|| Workspace::new(home.clone()));
        let context = Context { catalogue: &self.catalogue, now: kept.now, cause: &request.cause };
        let decision = decide(workspace, &request.command, &context);
        workspace.version += 1;
        for entry in decision.entries {
            let line = Line { seq: Some(workspace.next_seq), posted_at: Some(kept.now), entry };
            workspace.next_seq += 1;
            kept.lines.entry(home.clone()).or_default().push(line);
        }
        let answer = match decision.answer {
            Ok(answer) => answer,
            Err(rejection) => return Ok(Reply::Rejected(rejection)),
        };
        let body = answer_body(&answer, workspace).unwrap();
        if let Some((place, key)) = place.zip(request.key) {
            let answer =
                KeptAnswer { fingerprint: key.fingerprint, status: 200, body: body.clone() };
            kept.answers.insert(place, answer);
        }
        Ok(Reply::Done { body, replayed: false })
    }
}

impl Unmarked for Fake {}

partial_store! {
    Fake;
    has: {
        async fn read(&self, home: &Home, _: &Touch) -> StoreResult<Option<(Instant, Workspace)>> {
            let kept = self.up()?;
            let found = kept.home(home).and_then(|id| kept.workspaces.get(&id).cloned());
            Ok(found.map(|workspace| (kept.now.max(workspace.decided_at), workspace)))
        }

        async fn now(&self) -> StoreResult<Instant> {
            Ok(self.up()?.now)
        }

        async fn claim_account(
            &self, id: &AccountId, to: &WorkspaceId,
        ) -> StoreResult<WorkspaceId> {
            Ok(self.up()?.accounts.entry(id.clone()).or_insert_with(|| to.clone()).clone())
        }

        async fn claim_app(&self, id: &AppId, to: &WorkspaceId) -> StoreResult<WorkspaceId> {
            Ok(self.up()?.apps.entry(id.clone()).or_insert_with(|| to.clone()).clone())
        }

        async fn link_customer(
            &self, id: &CustomerId, to: &WorkspaceId, replace: bool,
        ) -> StoreResult<WorkspaceId> {
            let kept = &mut *self.up()?;
            let link = kept.customers.entry(id.clone()).or_insert_with(|| to.clone());
            if replace {
                link.clone_from(to);
            }
            Ok(link.clone())
        }

        async fn workspace_of(&self, home: &Home) -> StoreResult<Option<WorkspaceId>> {
            Ok(self.up()?.home(home))
        }

        async fn ledger(
            &self, workspace: &WorkspaceId, query: &LedgerQuery,
        ) -> StoreResult<Vec<Line>> {
            let kept = self.up()?;
            let lines = kept.lines.get(workspace).into_iter().flatten().rev();
            let asked = lines.filter(|line| {
                query.before_seq.is_none_or(|before| line.seq < Some(before))
                    && query.kind.is_none_or(|kind| kind == line.entry.kind)
                    && query
                        .account
                        .as_ref()
                        .is_none_or(|id| line.entry.account.as_ref() == Some(id))
            });
            Ok(asked.take(usize::try_from(query.limit).unwrap()).cloned().collect())
        }

        async fn accounts(
            &self, workspace: Option<&WorkspaceId>, _: &PageQuery,
        ) -> StoreResult<Page<AccountView>> {
            let kept = self.up()?;
            let all = kept.workspaces.values();
            let all = all.filter(|one| workspace.is_none_or(|id| *id == one.id));
            let rows =
                all.flat_map(|one| one.accounts.values().map(|each| AccountView::of(one, each)));
            Ok(Page { rows: rows.collect(), next: None })
        }

        async fn grants(&self, account: &AccountId, _: &PageQuery) -> StoreResult<Page<GrantView>> {
            let kept = self.up()?;
            let all = kept.workspaces.values().flat_map(|one| one.grants.values());
            let rows = all.filter(|grant| grant.account == *account).map(GrantView::of).collect();
            Ok(Page { rows, next: None })
        }

        async fn rewards(
            &self, status: Option<RewardStatus>, _: &PageQuery,
        ) -> StoreResult<Page<RewardView>> {
            let kept = self.up()?;
            let all = kept.workspaces.values().flat_map(|one| one.rewards.values());
            let rows = all.filter(|one| status.is_none_or(|status| status == one.status));
            Ok(Page { rows: rows.map(RewardView::of).collect(), next: None })
        }

        async fn release_events(&self, waits_for: &str) -> StoreResult<u64> {
            self.up()?.released.push(waits_for.to_owned());
            Ok(1)
        }

        async fn create_promo(
            &self, promo: &Promo, key: &str, answer: &KeptAnswer,
        ) -> StoreResult<Result<Option<KeptAnswer>, ()>> {
            let kept = &mut *self.up()?;
            if let Some(known) = kept.promo_answers.get(key) {
                return Ok(Ok(Some(known.clone())));
            }
            if kept.promos.contains_key(&promo.code) {
                return Ok(Err(()));
            }
            kept.promos.insert(promo.code.clone(), promo.clone());
            kept.promo_answers.insert(key.to_owned(), answer.clone());
            Ok(Ok(None))
        }

        async fn promo(&self, code: &str) -> StoreResult<Option<Promo>> {
            Ok(self.up()?.promos.get(code).cloned())
        }

        async fn reserve_promo(
            &self, code: &str, account: &AccountId, grant: &GrantId, now: Instant,
        ) -> StoreResult<Reservation<GrantId>> {
            let kept = &mut *self.up()?;
            let Some(promo) = kept.promos.get_mut(code) else { return Ok(Reservation::Unknown) };
            let place = (code.to_owned(), account.clone());
            if let Some((held, _)) = kept.redemptions.get(&place) {
                return Ok(Reservation::Already(held.clone()));
            }
            if let Some(closed) = promo.closed(now) {
                return Ok(closed);
            }
            promo.redeemed += 1;
            kept.redemptions.insert(place, (grant.clone(), false));
            Ok(Reservation::Held(grant.clone()))
        }

        async fn settle_promo(
            &self, code: &str, account: &AccountId, made: bool,
        ) -> StoreResult<()> {
            let kept = &mut *self.up()?;
            let place = (code.to_owned(), account.clone());
            if made {
                kept.redemptions.get_mut(&place).unwrap().1 = true;
            } else if kept.redemptions.remove(&place).is_some() {
                kept.promos.get_mut(code).unwrap().redeemed -= 1;
            }
            Ok(())
        }

        async fn reserve_post(
            &self, post_url: &str, account: &AccountId, reward: &RewardId, _: Instant,
        ) -> StoreResult<Reservation<RewardId>> {
            let kept = &mut *self.up()?;
            if let Some((holder, id, _)) = kept.posts.get(post_url) {
                return Ok(Reservation::held(holder.as_str(), account, id.clone()));
            }
            kept.posts.insert(post_url.to_owned(), (account.clone(), reward.clone(), false));
            Ok(Reservation::Held(reward.clone()))
        }

        async fn settle_post(
            &self, post_url: &str, reward: &RewardId, made: bool,
        ) -> StoreResult<()> {
            let kept = &mut *self.up()?;
            if kept.posts.get(post_url).is_some_and(|(_, id, _)| id == reward) {
                if made {
                    kept.posts.get_mut(post_url).unwrap().2 = true;
                } else {
                    kept.posts.remove(post_url);
                }
            }
            Ok(())
        }

        async fn api_key(&self, hash: &[u8; 32]) -> StoreResult<Option<ApiKey>> {
            self.key_lookups.fetch_add(1, Ordering::Relaxed);
            Ok(self.up()?.keys.get(hash).cloned())
        }

        async fn seats(
            &self, workspace: &WorkspaceId, status: Option<SeatStatus>, _: &PageQuery,
        ) -> StoreResult<Page<SeatView>> {
            let kept = self.up()?;
            let all = kept.workspaces.get(workspace).into_iter().flat_map(|one| one.seats.values());
            let rows = all.filter(|seat| status == Some(seat.status)).map(SeatView::of).collect();
            Ok(Page { rows, next: None })
        }

        async fn end_promo(
            &self, code: &str, at: Instant, key: &str,
            answer: &(dyn for<'p> Fn(&'p Promo) -> KeptAnswer + Sync),
        ) -> StoreResult<Option<(KeptAnswer, bool)>> {
            let kept = &mut *self.up()?;
            if let Some(known) = kept.promo_answers.get(key) {
                return Ok(Some((known.clone(), true)));
            }
            let Some(promo) = kept.promos.get_mut(code) else { return Ok(None) };
            promo.ends_at = promo.ends_at.min(at);
            let answer = answer(promo);
            kept.promo_answers.insert(key.to_owned(), answer.clone());
            Ok(Some((answer, false)))
        }
    }
    lacks: {
        fn transact(&[Job], &mut Decide<'_>) -> StoreResult<()>;
        fn set_test_clock(Instant) -> StoreResult<Result<(), Instant>>;
        fn ping() -> StoreResult<()>;
        fn workspace_of_subscription(&SubscriptionId) -> StoreResult<Option<WorkspaceId>>;
        fn next_due() -> StoreResult<Option<Instant>>;
        fn due(Instant, u32) -> StoreResult<Vec<Due>>;
        fn keep_events(&[NewEvent]) -> StoreResult<Vec<bool>>;
        fn pending_events(u32) -> StoreResult<Vec<StoredEvent>>;
        fn mark_event(&str, EventState, Option<&str>, Option<&str>) -> StoreResult<()>;
        fn events(Option<EventState>, &PageQuery) -> StoreResult<Page<StoredEvent>>;
        fn event(&str) -> StoreResult<Option<StoredEvent>>;
        fn claim_mails(DateTime<Utc>, DateTime<Utc>, u32) -> StoreResult<Vec<StoredMail>>;
        fn next_mail_at() -> StoreResult<Option<DateTime<Utc>>>;
        fn mark_mail(&str, &MailOutcome, DateTime<Utc>) -> StoreResult<()>;
        fn retry_mail(&str, DateTime<Utc>) -> StoreResult<bool>;
        fn mails(Option<MailState>, &PageQuery) -> StoreResult<Page<StoredMail>>;
        fn promos(&PageQuery) -> StoreResult<Page<Promo>>;
        fn loose_reservations(Instant) -> StoreResult<Vec<Loose>>;
        fn add_api_key(&ApiKey) -> StoreResult<()>;
        fn api_keys() -> StoreResult<Vec<ApiKey>>;
        fn revoke_api_key(&str, DateTime<Utc>) -> StoreResult<bool>;
        fn held_plans() -> StoreResult<Vec<PlanId>>;
        fn depths() -> StoreResult<Depths>;
        fn prune(DateTime<Utc>, DateTime<Utc>) -> StoreResult<u64>;
        fn verify(&(dyn Fn(u64, u64) + Sync)) -> StoreResult<Vec<Fault>>;
    }
}
