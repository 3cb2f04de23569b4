//! Promo codes and post addresses: each redemption and claim is held under its own key first.

use super::PostgresStore;
use crate::store::{
    KeptAnswer, Loose, Page, PageQuery, Promo, Reservation, StoreError, StoreResult,
};
use creditd_rules::Instant;
use creditd_rules::id::{AccountId, GrantId, RewardId};

impl PostgresStore {
    pub(super) async fn make_promo(
        &self, _promo: &Promo, _key: &str, _answer: &KeptAnswer,
    ) -> StoreResult<Result<Option<KeptAnswer>, ()>> {
        Err(StoreError::Unavailable("not built".into()))
    }

    pub(super) async fn stop_promo(
        &self, _code: &str, _at: Instant, _key: &str,
        _answer: &(dyn for<'p> Fn(&'p Promo) -> KeptAnswer + Sync),
    ) -> StoreResult<Option<(KeptAnswer, bool)>> {
        Err(StoreError::Unavailable("not built".into()))
    }

    pub(super) async fn find_promo(&self, _code: &str) -> StoreResult<Option<Promo>> {
        Err(StoreError::Unavailable("not built".into()))
    }

    pub(super) async fn list_promos(&self, _asked: &PageQuery) -> StoreResult<Page<Promo>> {
        Err(StoreError::Unavailable("not built".into()))
    }

    pub(super) async fn hold_promo(
        &self, _code: &str, _account: &AccountId, _grant: &GrantId, _now: Instant,
    ) -> StoreResult<Reservation<GrantId>> {
        Err(StoreError::Unavailable("not built".into()))
    }

    pub(super) async fn finish_promo(
        &self, _code: &str, _account: &AccountId, _made: bool,
    ) -> StoreResult<()> {
        Err(StoreError::Unavailable("not built".into()))
    }

    pub(super) async fn hold_post(
        &self, _post_url: &str, _account: &AccountId, _reward: &RewardId, _now: Instant,
    ) -> StoreResult<Reservation<RewardId>> {
        Err(StoreError::Unavailable("not built".into()))
    }

    pub(super) async fn finish_post(
        &self, _post_url: &str, _reward: &RewardId, _made: bool,
    ) -> StoreResult<()> {
        Err(StoreError::Unavailable("not built".into()))
    }

    pub(super) async fn list_loose(&self, _before: Instant) -> StoreResult<Vec<Loose>> {
        Err(StoreError::Unavailable("not built".into()))
    }
}
