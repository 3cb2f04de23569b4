//! Lists of accounts, seats, grants and claims.

use super::PostgresStore;
use crate::store::{Page, PageQuery, StoreError, StoreResult};
use creditd_rules::id::{AccountId, PlanId, WorkspaceId};
use creditd_rules::state::{RewardStatus, SeatStatus};
use creditd_rules::view::{AccountView, GrantView, RewardView, SeatView};

impl PostgresStore {
    pub(super) async fn list_accounts(
        &self, _workspace: Option<&WorkspaceId>, _asked: &PageQuery,
    ) -> StoreResult<Page<AccountView>> {
        Err(StoreError::Unavailable("not built".into()))
    }

    pub(super) async fn list_seats(
        &self, _workspace: &WorkspaceId, _status: Option<SeatStatus>, _asked: &PageQuery,
    ) -> StoreResult<Page<SeatView>> {
        Err(StoreError::Unavailable("not built".into()))
    }

    pub(super) async fn list_held_plans(&self) -> StoreResult<Vec<PlanId>> {
        Err(StoreError::Unavailable("not built".into()))
    }

    pub(super) async fn list_grants(
        &self, _account: &AccountId, _asked: &PageQuery,
    ) -> StoreResult<Page<GrantView>> {
        Err(StoreError::Unavailable("not built".into()))
    }

    pub(super) async fn list_rewards(
        &self, _status: Option<RewardStatus>, _asked: &PageQuery,
    ) -> StoreResult<Page<RewardView>> {
        Err(StoreError::Unavailable("not built".into()))
    }
}
