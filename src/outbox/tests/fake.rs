//! The calls that the worker makes, in memory; everything else is not there.
#![expect(unused_variables, reason = "most of the store is not there")]

use super::store::*;
use chrono::{DateTime, Utc};
use creditd_rules::command::{Mail, MailTemplate, Touch};
use creditd_rules::id::*;
use creditd_rules::state::{RewardStatus, SeatStatus, Workspace};
use creditd_rules::view::{AccountView, GrantView, RewardView, SeatView};
use creditd_rules::{Amount, Instant, Kind};
use std::sync::Mutex;

/// A store whose next calls can be made to fail.
#[derive(Default)]
pub(super) struct Fake {
    mails: Mutex<Vec<StoredMail>>,
    /// What the next calls that claim or mark answer instead.
    pub(super) faults: Mutex<Vec<StoreError>>,
}

impl Fake {
    fn fault(&self) -> StoreResult<()> {
        self.faults.lock().unwrap().pop().map_or(Ok(()), Err)
    }

    /// Queues a mail.
    pub(super) fn promise(&self, to: &str) {
        let at = DateTime::from_timestamp(1_772_546_709, 0).unwrap();
        let mut mails = self.mails.lock().unwrap();
        let id = format!("0199-{}", mails.len());
        mails.push(StoredMail {
            id,
            workspace: "team".into(),
            mail: Mail {
                template: MailTemplate::RunOut,
                account: "user_1".into(),
                to: to.to_owned(),
                name: Some("Ada Lovelace".to_owned()),
                locale: None,
                kind: Kind::Integration,
                spendable: Amount::ZERO,
                allowance: Amount::credits(10_000),
                resets_at: Some(at),
            },
            created_at: at,
            state: MailState::Queued,
            attempts: 0,
            next_attempt_at: at,
            last_error: None,
            sent_at: None,
        });
    }
}

#[async_trait::async_trait]
impl Store for Fake {
    async fn transact(&self, jobs: &[Job], decide: &mut Decide<'_>) -> StoreResult<()> {
        unimplemented!()
    }
    async fn read(&self, home: &Home, touch: &Touch) -> StoreResult<Option<(Instant, Workspace)>> {
        unimplemented!()
    }
    async fn now(&self) -> StoreResult<Instant> {
        unimplemented!()
    }
    async fn set_test_clock(&self, now: Instant) -> StoreResult<Result<(), Instant>> {
        unimplemented!()
    }
    async fn ping(&self) -> StoreResult<()> {
        unimplemented!()
    }
    async fn claim_account(&self, id: &AccountId, to: &WorkspaceId) -> StoreResult<WorkspaceId> {
        unimplemented!()
    }
    async fn claim_app(&self, id: &AppId, to: &WorkspaceId) -> StoreResult<WorkspaceId> {
        unimplemented!()
    }
    async fn link_customer(
        &self, id: &CustomerId, to: &WorkspaceId, replace: bool,
    ) -> StoreResult<WorkspaceId> {
        unimplemented!()
    }
    async fn workspace_of(&self, home: &Home) -> StoreResult<Option<WorkspaceId>> {
        unimplemented!()
    }
    async fn workspace_of_subscription(
        &self, id: &SubscriptionId,
    ) -> StoreResult<Option<WorkspaceId>> {
        unimplemented!()
    }
    async fn ledger(&self, workspace: &WorkspaceId, query: &LedgerQuery) -> StoreResult<Vec<Line>> {
        unimplemented!()
    }
    async fn accounts(
        &self, workspace: Option<&WorkspaceId>, page: &PageQuery,
    ) -> StoreResult<Page<AccountView>> {
        unimplemented!()
    }
    async fn seats(
        &self, workspace: &WorkspaceId, status: Option<SeatStatus>, page: &PageQuery,
    ) -> StoreResult<Page<SeatView>> {
        unimplemented!()
    }
    async fn grants(&self, account: &AccountId, page: &PageQuery) -> StoreResult<Page<GrantView>> {
        unimplemented!()
    }
    async fn rewards(
        &self, status: Option<RewardStatus>, page: &PageQuery,
    ) -> StoreResult<Page<RewardView>> {
        unimplemented!()
    }
    async fn next_due(&self) -> StoreResult<Option<Instant>> {
        unimplemented!()
    }
    async fn due(&self, now: Instant, limit: u32) -> StoreResult<Vec<Due>> {
        unimplemented!()
    }
    async fn keep_events(&self, events: &[NewEvent]) -> StoreResult<Vec<bool>> {
        unimplemented!()
    }
    async fn pending_events(&self, limit: u32) -> StoreResult<Vec<StoredEvent>> {
        unimplemented!()
    }
    async fn mark_event(
        &self, id: &str, state: EventState, note: Option<&str>, waits_for: Option<&str>,
    ) -> StoreResult<()> {
        unimplemented!()
    }
    async fn release_events(&self, waits_for: &str) -> StoreResult<u64> {
        unimplemented!()
    }
    async fn events(
        &self, state: Option<EventState>, page: &PageQuery,
    ) -> StoreResult<Page<StoredEvent>> {
        unimplemented!()
    }
    async fn event(&self, id: &str) -> StoreResult<Option<StoredEvent>> {
        unimplemented!()
    }
    async fn create_promo(
        &self, promo: &Promo, key: &str, answer: &KeptAnswer,
    ) -> StoreResult<Result<Option<KeptAnswer>, ()>> {
        unimplemented!()
    }
    async fn end_promo(
        &self, code: &str, at: Instant, key: &str,
        answer: &(dyn for<'p> Fn(&'p Promo) -> KeptAnswer + Sync),
    ) -> StoreResult<Option<(KeptAnswer, bool)>> {
        unimplemented!()
    }
    async fn promo(&self, code: &str) -> StoreResult<Option<Promo>> {
        unimplemented!()
    }
    async fn promos(&self, page: &PageQuery) -> StoreResult<Page<Promo>> {
        unimplemented!()
    }
    async fn reserve_promo(
        &self, code: &str, account: &AccountId, grant: &GrantId, now: Instant,
    ) -> StoreResult<Reservation<GrantId>> {
        unimplemented!()
    }
    async fn settle_promo(&self, code: &str, account: &AccountId, made: bool) -> StoreResult<()> {
        unimplemented!()
    }
    async fn reserve_post(
        &self, post_url: &str, account: &AccountId, reward: &RewardId, now: Instant,
    ) -> StoreResult<Reservation<RewardId>> {
        unimplemented!()
    }
    async fn settle_post(&self, post_url: &str, reward: &RewardId, made: bool) -> StoreResult<()> {
        unimplemented!()
    }
    async fn loose_reservations(&self, before: Instant) -> StoreResult<Vec<Loose>> {
        unimplemented!()
    }
    async fn add_api_key(&self, key: &ApiKey) -> StoreResult<()> {
        unimplemented!()
    }
    async fn api_key(&self, hash: &[u8; 32]) -> StoreResult<Option<ApiKey>> {
        unimplemented!()
    }
    async fn api_keys(&self) -> StoreResult<Vec<ApiKey>> {
        unimplemented!()
    }
    async fn revoke_api_key(&self, id: &str, wall: DateTime<Utc>) -> StoreResult<bool> {
        unimplemented!()
    }
    async fn depths(&self) -> StoreResult<Depths> {
        unimplemented!()
    }
    async fn prune(&self, answers: DateTime<Utc>, handled: DateTime<Utc>) -> StoreResult<u64> {
        unimplemented!()
    }
    async fn verify(&self, progress: &(dyn Fn(u64, u64) + Sync)) -> StoreResult<Vec<Fault>> {
        unimplemented!()
    }

    async fn claim_mails(
        &self, wall: DateTime<Utc>, lease: DateTime<Utc>, limit: u32,
    ) -> StoreResult<Vec<StoredMail>> {
        self.fault()?;
        let mut mails = self.mails.lock().unwrap();
        let due =
            mails.iter_mut().filter(|m| m.state == MailState::Queued && m.next_attempt_at <= wall);
        Ok(due
            .take(limit as usize)
            .map(|m| {
                m.next_attempt_at = lease;
                m.clone()
            })
            .collect())
    }
    async fn next_mail_at(&self) -> StoreResult<Option<DateTime<Utc>>> {
        let mails = self.mails.lock().unwrap();
        Ok(mails.iter().filter(|m| m.state == MailState::Queued).map(|m| m.next_attempt_at).min())
    }
    async fn mark_mail(
        &self, id: &str, outcome: &MailOutcome, wall: DateTime<Utc>,
    ) -> StoreResult<()> {
        self.fault()?;
        let mut mails = self.mails.lock().unwrap();
        let m = mails.iter_mut().find(|m| m.id == id && m.state == MailState::Queued).unwrap();
        m.attempts += 1;
        match outcome {
            MailOutcome::Sent => {
                m.state = MailState::Sent;
                m.sent_at = Some(wall)
            }
            MailOutcome::Retry { next_attempt_at, error } => {
                m.next_attempt_at = *next_attempt_at;
                m.last_error = Some(error.clone())
            }
            MailOutcome::Park { error } => {
                m.state = MailState::Parked;
                m.last_error = Some(error.clone())
            }
        }
        Ok(())
    }
    async fn retry_mail(&self, _: &str, _: DateTime<Utc>) -> StoreResult<bool> {
        unimplemented!()
    }
    async fn mails(&self, _: Option<MailState>, _: &PageQuery) -> StoreResult<Page<StoredMail>> {
        Ok(Page { rows: self.mails.lock().unwrap().clone(), next: None })
    }
}
