//! Which workspace a thing belongs to, and the credit clock.

use super::SqliteStore;
use crate::clock;
use crate::store::row::{instant, maybe_instant, us};
use crate::store::{Home, StoreResult};
use creditd_rules::Instant;
use creditd_rules::id::{CustomerId, SubscriptionId, WorkspaceId};

const CLAIM_ACCOUNT: &str =
    "INSERT INTO account (id, workspace) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING";
const CLAIM_APP: &str =
    "INSERT INTO app (id, workspace) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING";
const LINK: &str =
    "INSERT INTO customer (id, workspace) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING";
const RELINK: &str = "INSERT INTO customer (id, workspace) VALUES (?1, ?2)
     ON CONFLICT (id) DO UPDATE SET workspace = excluded.workspace";

impl SqliteStore {
    /// Gives an account or app its workspace unless it has one.
    pub(super) async fn claim_home(
        &self, home: &Home, to: &WorkspaceId,
    ) -> StoreResult<WorkspaceId> {
        if let Some(found) = self.find_workspace(home).await? {
            return Ok(found);
        }
        let (sql, id) = match home {
            Home::Account(id) => (CLAIM_ACCOUNT, id.as_str()),
            Home::App(id) => (CLAIM_APP, id.as_str()),
            Home::Customer(id) => (LINK, id.as_str()),
            Home::Workspace(_) | Home::Seat(_) | Home::Grant(_) | Home::Reward(_) => {
                return Ok(to.clone());
            }
        };
        let mut turn = self.writer.turn().await?;
        let mut db = turn.begin().await?;
        let done = sqlx::query(sql).bind(id).bind(to.as_str()).execute(&mut *db).await?;
        db.commit().await?;
        if done.rows_affected() > 0 {
            return Ok(to.clone());
        }
        Ok(self.find_workspace(home).await?.unwrap_or_else(|| to.clone()))
    }

    pub(super) async fn link(
        &self, id: &CustomerId, to: &WorkspaceId, replace: bool,
    ) -> StoreResult<WorkspaceId> {
        if !replace {
            return self.claim_home(&Home::Customer(id.clone()), to).await;
        }
        let mut turn = self.writer.turn().await?;
        let mut db = turn.begin().await?;
        sqlx::query(RELINK).bind(id.as_str()).bind(to.as_str()).execute(&mut *db).await?;
        db.commit().await?;
        Ok(to.clone())
    }

    pub(super) async fn find_workspace(&self, home: &Home) -> StoreResult<Option<WorkspaceId>> {
        let (sql, id) = match home {
            Home::Workspace(id) => ("SELECT id FROM workspace WHERE id = ?1", id.as_str()),
            Home::Account(id) => ("SELECT workspace FROM account WHERE id = ?1", id.as_str()),
            Home::App(id) => ("SELECT workspace FROM app WHERE id = ?1", id.as_str()),
            Home::Seat(id) => ("SELECT workspace FROM seat WHERE id = ?1", id.as_str()),
            Home::Grant(id) => ("SELECT workspace FROM credit_grant WHERE id = ?1", id.as_str()),
            Home::Reward(id) => ("SELECT workspace FROM reward WHERE id = ?1", id.as_str()),
            Home::Customer(id) => ("SELECT workspace FROM customer WHERE id = ?1", id.as_str()),
        };
        let found: Option<String> =
            sqlx::query_scalar(sql).bind(id).fetch_optional(&self.reader).await?;
        Ok(found.map(WorkspaceId::from))
    }

    pub(super) async fn find_subscription(
        &self, id: &SubscriptionId,
    ) -> StoreResult<Option<WorkspaceId>> {
        let sql = "SELECT workspace FROM subscription WHERE id = ?1";
        let found: Option<String> =
            sqlx::query_scalar(sql).bind(id.as_str()).fetch_optional(&self.reader).await?;
        Ok(found.map(WorkspaceId::from))
    }

    pub(super) async fn credit_clock(&self) -> StoreResult<Instant> {
        if self.clock == clock::Mode::System {
            return Ok(clock::wall());
        }
        let sql = "SELECT now_us FROM test_clock";
        let now_us: Option<i64> = sqlx::query_scalar(sql).fetch_optional(&self.reader).await?;
        Ok(maybe_instant(now_us)?.unwrap_or_else(clock::wall))
    }

    pub(super) async fn set_clock(&self, now: Instant) -> StoreResult<Result<(), Instant>> {
        let mut turn = self.writer.turn().await?;
        let mut db = turn.begin().await?;
        let latest = "SELECT max(
            ifnull((SELECT now_us FROM test_clock), -9223372036854775808),
            ifnull((SELECT max(decided_at_us) FROM workspace), -9223372036854775808))";
        let latest_us: i64 = sqlx::query_scalar(latest).fetch_one(&mut *db).await?;
        if us(now) < latest_us {
            return Ok(Err(instant(latest_us)?));
        }
        let sql = "INSERT INTO test_clock (one, now_us) VALUES (1, ?1)
                   ON CONFLICT (one) DO UPDATE SET now_us = excluded.now_us";
        sqlx::query(sql).bind(us(now)).execute(&mut *db).await?;
        db.commit().await?;
        Ok(Ok(()))
    }
}
