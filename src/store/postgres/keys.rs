//! API keys.

use super::PostgresStore;
use crate::store::row::Corrupt;
use crate::store::{ApiKey, StoreResult};
use chrono::{DateTime, Utc};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

fn read(row: &PgRow) -> StoreResult<ApiKey> {
    let hash: &[u8] = row.try_get("hash")?;
    let hash = <[u8; 32]>::try_from(hash).map_err(|_| Corrupt::new("a key's hash", hash.len()))?;
    Ok(ApiKey {
        id: row.try_get("id")?,
        hash,
        scopes: row.try_get::<&str, _>("scopes")?.split(' ').map(str::to_owned).collect(),
        created_at: row.try_get("created_at")?,
        revoked_at: row.try_get("revoked_at")?,
    })
}

impl PostgresStore {
    pub(super) async fn keep_key(&self, key: &ApiKey) -> StoreResult<()> {
        let ApiKey { id, hash, scopes, created_at, revoked_at } = key;
        let sql = "INSERT INTO api_key (id, hash, scopes, created_at, revoked_at)
                   VALUES ($1, $2, $3, $4, $5)";
        let query = sqlx::query(sql)
            .bind(id.as_str())
            .bind(hash.as_slice())
            .bind(scopes.join(" "))
            .bind(*created_at)
            .bind(*revoked_at);
        self.write_alone(query).await?;
        Ok(())
    }

    pub(super) async fn find_key(&self, hash: &[u8; 32]) -> StoreResult<Option<ApiKey>> {
        let sql = "SELECT id, hash, scopes, created_at, revoked_at FROM api_key WHERE hash = $1";
        let mut db = self.session().await?;
        let row = sqlx::query(sql).bind(hash.as_slice()).fetch_optional(&mut *db).await?;
        row.as_ref().map(read).transpose()
    }

    pub(super) async fn list_keys(&self) -> StoreResult<Vec<ApiKey>> {
        let sql = "SELECT id, hash, scopes, created_at, revoked_at FROM api_key
                   ORDER BY created_at DESC, id DESC";
        let mut db = self.session().await?;
        let rows = sqlx::query(sql).fetch_all(&mut *db).await?;
        rows.iter().map(read).collect()
    }

    pub(super) async fn revoke_key(&self, id: &str, wall: DateTime<Utc>) -> StoreResult<bool> {
        let sql = "UPDATE api_key SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1";
        Ok(self.write_alone(sqlx::query(sql).bind(id).bind(wall)).await? > 0)
    }
}
