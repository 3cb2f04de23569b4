//! Lists of accounts, seats, grants and claims, and what falls due.

use super::SqliteStore;
use super::load::parse;
use super::row::array_sql;
use crate::store::page::{before_grant, grants, page};
use crate::store::row::people::{AccountRow, GrantRow, RewardRow};
use crate::store::row::plans::{HELD_PLANS, SeatRow};
use crate::store::row::{Row, instant, us};
use crate::store::{Due, Page, PageQuery, StoreResult};
use creditd_rules::Instant;
use creditd_rules::Workspace;
use creditd_rules::id::{AccountId, PlanId, WorkspaceId};
use creditd_rules::state::{RewardStatus, SeatStatus};
use creditd_rules::view::{AccountView, GrantView, RewardView, SeatView};
use std::sync::LazyLock;

static ACCOUNTS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM account
         WHERE (?1 IS NULL OR workspace = ?1) AND created_at_us IS NOT NULL AND id > ?2
         ORDER BY id LIMIT ?3",
        array_sql("account", AccountRow::COLUMNS)
    )
});

static ACCOUNTS_OF: LazyLock<String> =
    LazyLock::new(|| ACCOUNTS.replace("(?1 IS NULL OR workspace = ?1)", "workspace = ?1"));

static SEATS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM seat
         WHERE workspace = ?1 AND (status = ?2 OR (?2 IS NULL AND status <> 'ended')) AND id > ?3
         ORDER BY id LIMIT ?4",
        array_sql("seat", SeatRow::COLUMNS)
    )
});

static GRANTS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM credit_grant
         WHERE account = ?1 AND (created_at_us, id) < (?2, ?3)
         ORDER BY created_at_us DESC, id DESC LIMIT ?4",
        array_sql("credit_grant", GrantRow::COLUMNS)
    )
});

static REWARDS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM reward WHERE (?1 IS NULL OR status = ?1) AND id > ?2
         ORDER BY id LIMIT ?3",
        array_sql("reward", RewardRow::COLUMNS)
    )
});

impl SqliteStore {
    pub(super) async fn list_accounts(
        &self, workspace: Option<&WorkspaceId>, asked: &PageQuery,
    ) -> StoreResult<Page<AccountView>> {
        let sql = if workspace.is_some() { ACCOUNTS_OF.as_str() } else { ACCOUNTS.as_str() };
        let texts: Vec<String> = sqlx::query_scalar(sql)
            .bind(workspace.map(WorkspaceId::as_str))
            .bind(asked.after())
            .bind(asked.fetched())
            .fetch_all(&self.reader)
            .await?;
        let mut views = Vec::with_capacity(texts.len());
        for text in &texts {
            let row: AccountRow<'_> = parse(text)?;
            let workspace = Workspace::new(row.workspace.as_str().into());
            views.extend(row.read()?.map(|account| AccountView::of(&workspace, &account)));
        }
        Ok(page(views, asked, |view| view.id.as_str().to_owned()))
    }

    pub(super) async fn list_seats(
        &self, workspace: &WorkspaceId, status: Option<SeatStatus>, asked: &PageQuery,
    ) -> StoreResult<Page<SeatView>> {
        let texts: Vec<String> = sqlx::query_scalar(SEATS.as_str())
            .bind(workspace.as_str())
            .bind(status.map(SeatStatus::as_str))
            .bind(asked.after())
            .bind(asked.fetched())
            .fetch_all(&self.reader)
            .await?;
        let views = texts
            .iter()
            .map(|text| Ok(SeatView::of(&parse::<SeatRow<'_>>(text)?.read()?)))
            .collect::<StoreResult<Vec<_>>>()?;
        Ok(page(views, asked, |view| view.id.as_str().to_owned()))
    }

    pub(super) async fn list_held_plans(&self) -> StoreResult<Vec<PlanId>> {
        let plans: Vec<String> = sqlx::query_scalar(HELD_PLANS).fetch_all(&self.reader).await?;
        Ok(plans.into_iter().map(PlanId::from).collect())
    }

    pub(super) async fn list_grants(
        &self, account: &AccountId, asked: &PageQuery,
    ) -> StoreResult<Page<GrantView>> {
        let (before_us, before_id) = before_grant(asked)?.unwrap_or((i64::MAX, ""));
        let texts: Vec<String> = sqlx::query_scalar(GRANTS.as_str())
            .bind(account.as_str())
            .bind(before_us)
            .bind(before_id)
            .bind(asked.fetched())
            .fetch_all(&self.reader)
            .await?;
        let views = texts
            .iter()
            .map(|text| Ok(GrantView::of(&parse::<GrantRow<'_>>(text)?.read()?)))
            .collect::<StoreResult<Vec<_>>>()?;
        Ok(grants(views, asked))
    }

    pub(super) async fn list_rewards(
        &self, status: Option<RewardStatus>, asked: &PageQuery,
    ) -> StoreResult<Page<RewardView>> {
        let texts: Vec<String> = sqlx::query_scalar(REWARDS.as_str())
            .bind(status.map(RewardStatus::as_str))
            .bind(asked.after())
            .bind(asked.fetched())
            .fetch_all(&self.reader)
            .await?;
        let views = texts
            .iter()
            .map(|text| Ok(RewardView::of(&parse::<RewardRow<'_>>(text)?.read()?)))
            .collect::<StoreResult<Vec<_>>>()?;
        Ok(page(views, asked, |view| view.id.as_str().to_owned()))
    }

    pub(super) async fn first_due(&self) -> StoreResult<Option<Instant>> {
        let sql = "
            SELECT min(at_us) FROM (
                SELECT (SELECT min(due_at_us) FROM seat WHERE due_at_us IS NOT NULL) AS at_us
                UNION ALL
                SELECT (SELECT min(expires_at_us) FROM credit_grant
                    WHERE ended = 0 AND expires_at_us IS NOT NULL))";
        let due_us: Option<i64> = sqlx::query_scalar(sql).fetch_one(&self.reader).await?;
        Ok(due_us.map(instant).transpose()?)
    }

    pub(super) async fn list_due(&self, now: Instant, limit: u32) -> StoreResult<Vec<Due>> {
        let sql = "
            SELECT 0, workspace, id, due_at_us AS at_us FROM (
                SELECT workspace, id, due_at_us FROM seat
                WHERE due_at_us <= ?1 ORDER BY due_at_us LIMIT ?2)
            UNION ALL
            SELECT 1, workspace, account, expires_at_us FROM (
                SELECT workspace, account, expires_at_us FROM credit_grant
                WHERE ended = 0 AND expires_at_us <= ?1 ORDER BY expires_at_us LIMIT ?2)
            ORDER BY at_us LIMIT ?2";
        let rows: Vec<(i64, String, String, i64)> = sqlx::query_as(sql)
            .bind(us(now))
            .bind(i64::from(limit))
            .fetch_all(&self.reader)
            .await?;
        rows.into_iter()
            .map(|(what, workspace, id, at_us)| {
                let at = instant(at_us)?;
                Ok(if what == 0 {
                    Due::Seat(workspace.into(), id.into(), at)
                } else {
                    Due::Grant(workspace.into(), id.into(), at)
                })
            })
            .collect()
    }
}
