//! Lists of accounts, seats, grants and claims.
//!
//! Lists of one workspace or account stay in its bucket. Those of all workspaces go by the
//! directory or by an index of their own, and are for people, not for debits.

use super::PostgresStore;
use super::bucket::bucket;
use super::record::{read, record_sql};
use crate::store::page::{before_grant, grants, page};
use crate::store::row::people::{AccountRow, GrantRow, RewardRow};
use crate::store::row::plans::{HELD_PLANS, SeatRow};
use crate::store::row::{Row, instant};
use crate::store::{Home, Page, PageQuery, StoreResult};
use creditd_rules::Workspace;
use creditd_rules::id::{AccountId, PlanId, WorkspaceId};
use creditd_rules::state::{RewardStatus, SeatStatus};
use creditd_rules::view::{AccountView, GrantView, RewardView, SeatView};
use std::sync::LazyLock;

/// Accounts of one workspace, which lies in bucket `$1`.
pub(super) static ACCOUNTS_OF: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM account WHERE bucket = $1 AND workspace = $2 AND id > $3
         ORDER BY id LIMIT $4",
        record_sql("account", AccountRow::COLUMNS)
    )
});

/// Accounts of all workspaces, found by their directory.
pub(super) static ACCOUNTS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM directory
         JOIN account ON account.bucket = get_byte(sha256(directory.workspace::bytea), 0)
             AND account.workspace = directory.workspace AND account.id = directory.id
         WHERE directory.kind = 'account' AND directory.id > $1
         ORDER BY directory.id LIMIT $2",
        record_sql("account", AccountRow::COLUMNS)
    )
});

pub(super) static SEATS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM seat
         WHERE bucket = $1 AND workspace = $2
             AND (status = $3 OR ($3 IS NULL AND status <> 'ended')) AND id > $4
         ORDER BY id LIMIT $5",
        record_sql("seat", SeatRow::COLUMNS)
    )
});

pub(super) static GRANTS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM credit_grant
         WHERE bucket = $1 AND workspace = $2 AND account = $3
             AND (created_at, id) < (coalesce($4, 'infinity'::timestamptz), $5)
         ORDER BY created_at DESC, id DESC LIMIT $6",
        record_sql("credit_grant", GrantRow::COLUMNS)
    )
});

/// Claims of one status.
pub(super) static REWARDS_OF: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM reward WHERE status = $1 AND id > $2 ORDER BY id LIMIT $3",
        record_sql("reward", RewardRow::COLUMNS)
    )
});

/// Claims of all; `$1` is not used.
static REWARDS: LazyLock<String> =
    LazyLock::new(|| REWARDS_OF.replace("status = $1", "$1::text IS NULL"));

impl PostgresStore {
    pub(super) async fn list_accounts(
        &self, workspace: Option<&WorkspaceId>, asked: &PageQuery,
    ) -> StoreResult<Page<AccountView>> {
        let (after, limit) = (asked.after(), asked.fetched());
        let query = match workspace {
            Some(workspace) => sqlx::query(ACCOUNTS_OF.as_str())
                .bind(bucket(workspace.as_str()))
                .bind(workspace.as_str())
                .bind(after)
                .bind(limit),
            None => sqlx::query(ACCOUNTS.as_str()).bind(after).bind(limit),
        };
        let rows = query.fetch_all(&mut *self.session().await?).await?;
        let mut views = Vec::with_capacity(rows.len());
        for row in &rows {
            let row: AccountRow<'_> = read(row, 0)?;
            let workspace = Workspace::new(row.workspace.as_str().into());
            views.extend(row.read()?.map(|account| AccountView::of(&workspace, &account)));
        }
        Ok(page(views, asked, |view| view.id.as_str().to_owned()))
    }

    pub(super) async fn list_seats(
        &self, workspace: &WorkspaceId, status: Option<SeatStatus>, asked: &PageQuery,
    ) -> StoreResult<Page<SeatView>> {
        let (after, limit) = (asked.after(), asked.fetched());
        let rows = sqlx::query(SEATS.as_str())
            .bind(bucket(workspace.as_str()))
            .bind(workspace.as_str())
            .bind(status.map(SeatStatus::as_str))
            .bind(after)
            .bind(limit)
            .fetch_all(&mut *self.session().await?)
            .await?;
        let views = rows
            .iter()
            .map(|row| Ok(SeatView::of(&read::<SeatRow<'_>>(row, 0)?.read()?)))
            .collect::<StoreResult<Vec<_>>>()?;
        Ok(page(views, asked, |view| view.id.as_str().to_owned()))
    }

    pub(super) async fn list_held_plans(&self) -> StoreResult<Vec<PlanId>> {
        let mut db = self.session().await?;
        let plans: Vec<String> = sqlx::query_scalar(HELD_PLANS).fetch_all(&mut *db).await?;
        Ok(plans.into_iter().map(PlanId::from).collect())
    }

    pub(super) async fn list_grants(
        &self, account: &AccountId, asked: &PageQuery,
    ) -> StoreResult<Page<GrantView>> {
        let before = before_grant(asked)?;
        let Some(workspace) = self.find_workspace(&Home::Account(account.clone())).await? else {
            return Ok(Page { rows: Vec::new(), next: None });
        };
        let rows = sqlx::query(GRANTS.as_str())
            .bind(bucket(workspace.as_str()))
            .bind(workspace.as_str())
            .bind(account.as_str())
            .bind(before.map(|(us, _)| instant(us)).transpose()?)
            .bind(before.map_or("", |(_, id)| id))
            .bind(asked.fetched())
            .fetch_all(&mut *self.session().await?)
            .await?;
        let views = rows
            .iter()
            .map(|row| Ok(GrantView::of(&read::<GrantRow<'_>>(row, 0)?.read()?)))
            .collect::<StoreResult<Vec<_>>>()?;
        Ok(grants(views, asked))
    }

    pub(super) async fn list_rewards(
        &self, status: Option<RewardStatus>, asked: &PageQuery,
    ) -> StoreResult<Page<RewardView>> {
        let (after, limit) = (asked.after(), asked.fetched());
        let sql = if status.is_some() { REWARDS_OF.as_str() } else { REWARDS.as_str() };
        let rows = sqlx::query(sql)
            .bind(status.map(RewardStatus::as_str))
            .bind(after)
            .bind(limit)
            .fetch_all(&mut *self.session().await?)
            .await?;
        let views = rows
            .iter()
            .map(|row| Ok(RewardView::of(&read::<RewardRow<'_>>(row, 0)?.read()?)))
            .collect::<StoreResult<Vec<_>>>()?;
        Ok(page(views, asked, |view| view.id.as_str().to_owned()))
    }
}
