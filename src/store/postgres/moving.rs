//! The target of a move: a database that is empty, filled in one transaction, and then proven.
//!
//! `moved` says how far it came. From its first word on until the proof nobody opens the database
//! for anything else, so that nothing half moved is ever served.

use super::connect::Work;
use super::record::stored_name;
use super::transaction::Session;
use super::{Pooler, PostgresStore};
use crate::store::moving::rows::Tally;
use crate::store::moving::tables::{TABLES, Table};
use crate::store::{StoreError, StoreResult};
use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use std::collections::BTreeMap;
use std::time::Duration;

/// How often we look whether other sessions have ended, and the pause between two looks.
const LOOKS: u32 = 60;
const PAUSE: Duration = Duration::from_millis(50);

/// It takes as long as it takes; but nobody else is waited for without end.
const PATIENT: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '10s';
    SET LOCAL idle_in_transaction_session_timeout = 0";

const BEGIN: &str = "
    INSERT INTO moved (one, origin, began_at) VALUES (1, $1, clock_timestamp())
    ON CONFLICT (one) DO UPDATE SET origin = excluded.origin, began_at = excluded.began_at
    WHERE moved.copied_at IS NULL";

const OTHERS: &str = "
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = $1";

/// Where a database's content came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Origin {
    /// The file.
    pub(in crate::store) origin: String,
    /// When everything was copied.
    pub(in crate::store) copied_at: Option<DateTime<Utc>>,
    /// When the copy was proven.
    pub(in crate::store) proven_at: Option<DateTime<Utc>>,
}

/// The one transaction that fills the database.
#[derive(Debug)]
pub(in crate::store) struct Filling(Session);

impl PostgresStore {
    /// Where its content came from; none where nothing was moved here.
    pub(in crate::store) async fn origin(&self) -> StoreResult<Option<Origin>> {
        let sql = "SELECT origin, copied_at, proven_at FROM moved";
        let found: Option<(String, _, _)> =
            sqlx::query_as(sql).fetch_optional(&mut *self.session().await?).await?;
        Ok(found.map(|(origin, copied_at, proven_at)| Origin { origin, copied_at, proven_at }))
    }

    /// A table that has rows; none where nothing was ever kept here.
    pub(in crate::store) async fn occupied(&self) -> StoreResult<Option<&'static Table>> {
        occupied(&mut *self.session().await?).await
    }

    /// Whether another creditd is connected. Sessions that a pooler keeps say nothing.
    pub(in crate::store) async fn is_in_use(&self) -> StoreResult<bool> {
        if self.connections.pooler == Pooler::Transaction {
            return Ok(false);
        }
        let mut db = self.session().await?;
        // Those of a command that was just used may not have ended yet.
        for _ in 0..LOOKS {
            let others: i64 = sqlx::query_scalar(OTHERS)
                .bind(Work::Use.application())
                .fetch_one(&mut *db)
                .await?;
            if others == 0 {
                return Ok(false);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(true)
    }

    /// Says that a move begins, so that nobody opens the database from now on, and begins to fill
    /// it. [`StoreError::Conflict`] where it is not empty any more, or another move fills it.
    pub(in crate::store) async fn fill(&self, origin: &str) -> StoreResult<Filling> {
        self.write_alone(sqlx::query(BEGIN).bind(origin)).await?;
        let mut db = self.begin().await?;
        sqlx::raw_sql(PATIENT).execute(&mut *db).await?;
        let free = "SELECT one FROM moved WHERE copied_at IS NULL FOR UPDATE";
        let free: Option<i16> = sqlx::query_scalar(free).fetch_optional(&mut *db).await?;
        if free.is_none() {
            return Err(StoreError::Conflict);
        }
        if occupied(&mut db).await?.is_some() {
            drop(db);
            // Somebody began to use it before we said a word; it is theirs.
            let unsaid = "DELETE FROM moved WHERE copied_at IS NULL";
            self.write_alone(sqlx::query(unsaid)).await?;
            return Err(StoreError::Conflict);
        }
        Ok(Filling(db))
    }

    /// What a table holds, as far as `expected` names columns.
    pub(in crate::store) async fn tally(
        &self, table: &Table, expected: &Tally,
    ) -> StoreResult<Tally> {
        let mut db = self.patient_snapshot().await?;
        // Everything is read once, in whatever order it lies.
        sqlx::raw_sql("SET LOCAL enable_seqscan = on").execute(&mut *db).await?;
        let types = types(&mut db, table).await?;
        let columns: Vec<&String> = expected.sums.iter().map(|(name, _)| name).collect();
        let sums = columns.iter().map(|name| sum_sql(name, &types));
        let all: Vec<String> = ["count(*)::text".to_owned()].into_iter().chain(sums).collect();
        let sql = format!("SELECT {} FROM {}", all.join(", "), table.name);
        let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut *db).await?;
        let sums = (1..).zip(columns).map(|(at, name)| {
            // JSON is the same and written otherwise: its length says nothing.
            let same = || expected.sum(name);
            Ok((name.clone(), number(&row, at)?.unwrap_or_else(same)))
        });
        let rows = u64::try_from(number(&row, 0)?.unwrap_or(0)).unwrap_or(0);
        Ok(Tally { rows, sums: sums.collect::<StoreResult<_>>()? })
    }

    /// Says that everything is here and sound; from now on the database may be served.
    pub(in crate::store) async fn set_proven(&self) -> StoreResult<()> {
        let sql = "UPDATE moved SET proven_at = clock_timestamp() WHERE proven_at IS NULL";
        self.write_alone(sqlx::query(sql)).await?;
        Ok(())
    }

    /// Tells the planner how much there is. Where the tables are another role's, their owner's
    /// server does it in its own time.
    pub(in crate::store) async fn analyze(&self) -> StoreResult<()> {
        let mut db = self.begin().await?;
        sqlx::raw_sql(PATIENT).execute(&mut *db).await?;
        sqlx::raw_sql("SET LOCAL client_min_messages = error; ANALYZE").execute(&mut *db).await?;
        db.commit().await
    }
}

impl Filling {
    /// Appends lines in the text format of COPY.
    pub(in crate::store) async fn append(
        &mut self, table: &Table, columns: &[&str], lines: &[u8],
    ) -> StoreResult<()> {
        let sql = format!("COPY {} ({}) FROM STDIN", table.name, columns.join(", "));
        let mut copy = self.0.copy_in_raw(&sql).await?;
        copy.send(lines).await?;
        copy.finish().await?;
        Ok(())
    }

    /// Makes all of it durable, or none.
    pub(in crate::store) async fn commit(mut self) -> StoreResult<()> {
        let sql = "UPDATE moved SET copied_at = clock_timestamp()";
        sqlx::query(sql).execute(&mut *self.0).await?;
        self.0.commit().await
    }
}

async fn occupied(db: &mut PgConnection) -> StoreResult<Option<&'static Table>> {
    for table in &TABLES {
        let sql = format!("SELECT EXISTS (SELECT FROM {})", table.name);
        if sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *db).await? {
            return Ok(Some(table));
        }
    }
    Ok(None)
}

/// The types of a table's columns.
async fn types(db: &mut PgConnection, table: &Table) -> StoreResult<BTreeMap<String, String>> {
    let sql = "SELECT attname::text, format_type(atttypid, NULL) FROM pg_attribute
               WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
    let types: Vec<(String, String)> = sqlx::query_as(sql).bind(table.name).fetch_all(db).await?;
    Ok(types.into_iter().collect())
}

/// The sum of a column in the units of SQLite; null where there is none to compare.
fn sum_sql(name: &str, types: &BTreeMap<String, String>) -> String {
    let name = stored_name(name);
    let sum = match types.get(name).map(String::as_str) {
        Some("timestamp with time zone") => {
            format!("sum((extract(epoch FROM {name}) * 1000000)::bigint)")
        }
        Some("boolean") => format!("sum({name}::int)"),
        Some("text" | "bytea") => format!("sum(octet_length({name}))"),
        Some("bigint" | "integer" | "smallint") => format!("sum({name})"),
        _ => return "NULL::text".to_owned(),
    };
    format!("coalesce({sum}, 0)::text")
}

fn number(row: &PgRow, at: usize) -> StoreResult<Option<i128>> {
    let text: Option<&str> = row.try_get(at)?;
    let parsed = text.map(str::parse).transpose();
    parsed.map_err(|_| StoreError::Refused(format!("a sum of {text:?}")))
}
