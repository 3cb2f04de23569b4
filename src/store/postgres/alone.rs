//! Statements that are a transaction by themselves.

use super::PostgresStore;
use crate::store::{StoreError, StoreResult};
use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;

/// Losing so many races in a row is not bad luck.
const TRIES: usize = 16;

impl PostgresStore {
    /// Runs one statement that writes; how many rows it changed.
    pub(super) async fn write_alone(
        &self, query: Query<'_, Postgres, PgArguments>,
    ) -> StoreResult<u64> {
        let mut db = self.session().await?;
        let done = query.execute(&mut *db).await.map_err(|error| db.meaning(error))?;
        db.commit().await?;
        Ok(done.rows_affected())
    }
}

/// The outcome of the first attempt that does not lose a race. Of an attempt that loses, nothing
/// stays.
pub(super) async fn until_settled<T, F>(attempt: impl Fn() -> F) -> StoreResult<T>
where
    F: Future<Output = StoreResult<T>>,
{
    for _ in 1..TRIES {
        match attempt().await {
            Err(StoreError::Conflict) => {}
            settled => return settled,
        }
    }
    attempt().await
}
