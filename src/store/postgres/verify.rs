//! Checks the whole database against the books (R18).
//!
//! Workspaces are checked some at a time, in the order of their keys, each lot from one snapshot.

use super::PostgresStore;
use super::bucket::bucket;
use super::entries::LINE;
use super::record::{read, record_sql};
use super::transaction::Session;
use crate::store::books::Books;
use crate::store::found::FoundRows;
use crate::store::row::Row;
use crate::store::row::entries::EntryRow;
use crate::store::row::people::{AccountRow, AppRow, GrantRow, RewardRow, WorkspaceRow};
use crate::store::row::plans::{SeatRow, SubscriptionRow};
use crate::store::{Fault, StoreResult};
use creditd_rules::Workspace;
use creditd_rules::id::WorkspaceId;
use futures_util::TryStreamExt as _;
use serde::Deserialize;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Workspaces that are checked from one snapshot.
const LOT: i64 = 256;

/// The next lot after a key.
const NEXT: &str = "
    SELECT bucket, id FROM workspace WHERE (bucket, id) > ($1, $2) ORDER BY bucket, id LIMIT $3";

/// Whatever is stored of the workspaces of a lot but for their lines, a statement for each table.
static WHOLE: LazyLock<Whole<String>> = LazyLock::new(|| Whole {
    workspaces: rows::<WorkspaceRow<'_>>("workspace", "id"),
    accounts: rows::<AccountRow<'_>>("account", "workspace"),
    apps: rows::<AppRow<'_>>("app", "workspace"),
    subscriptions: rows::<SubscriptionRow<'_>>("subscription", "workspace"),
    seats: rows::<SeatRow<'_>>("seat", "workspace"),
    grants: rows::<GrantRow<'_>>("credit_grant", "workspace"),
    rewards: rows::<RewardRow<'_>>("reward", "workspace"),
});

/// Their lines.
pub(super) static LINES: LazyLock<String> = LazyLock::new(|| {
    let lines = of_lot(&LINE, "entry", "workspace");
    format!("{lines} ORDER BY entry.bucket, entry.workspace, entry.seq")
});

/// Things of theirs that the directory does not lead to.
pub(super) const LOST: &str = "
    SELECT thing.kind, thing.id, home.id, directory.workspace
    FROM UNNEST($1::smallint[], $2::text[]) AS home (bucket, id)
    CROSS JOIN LATERAL (
        SELECT 'account' AS kind, id FROM account
        WHERE bucket = home.bucket AND workspace = home.id
        UNION ALL SELECT 'app', id FROM app WHERE bucket = home.bucket AND workspace = home.id
        UNION ALL SELECT 'subscription', id FROM subscription
        WHERE bucket = home.bucket AND workspace = home.id
        UNION ALL SELECT 'seat', id FROM seat WHERE bucket = home.bucket AND workspace = home.id
        UNION ALL SELECT 'grant', id FROM credit_grant
        WHERE bucket = home.bucket AND workspace = home.id
        UNION ALL SELECT 'reward', id FROM reward
        WHERE bucket = home.bucket AND workspace = home.id) AS thing
    LEFT JOIN directory ON directory.kind = thing.kind AND directory.id = thing.id
    WHERE directory.workspace IS DISTINCT FROM home.id
    LIMIT 100";

/// Lines of workspaces that do not exist, found by steps from one workspace to the next.
pub(super) const STRAY: &str = "
    WITH RECURSIVE home (bucket, id) AS (
        (SELECT bucket, workspace FROM entry ORDER BY bucket, workspace LIMIT 1)
        UNION ALL
        SELECT next.bucket, next.workspace FROM home CROSS JOIN LATERAL (
            SELECT entry.bucket, entry.workspace FROM entry
            WHERE (entry.bucket, entry.workspace) > (home.bucket, home.id)
            ORDER BY entry.bucket, entry.workspace LIMIT 1) AS next)
    SELECT home.id, (SELECT count(*) FROM entry
        WHERE entry.bucket = home.bucket AND entry.workspace = home.id)
    FROM home
    WHERE NOT EXISTS (SELECT FROM workspace
        WHERE workspace.bucket = home.bucket AND workspace.id = home.id)
    LIMIT 100";

/// Something for each table.
#[derive(Debug)]
struct Whole<T> {
    workspaces: T,
    accounts: T,
    apps: T,
    subscriptions: T,
    seats: T,
    grants: T,
    rewards: T,
}

/// Workspaces by bucket and id.
struct Lot {
    buckets: Vec<i16>,
    ids: Vec<String>,
}

const PATIENT: &str =
    "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = '60s'";

impl PostgresStore {
    pub(super) async fn check(
        &self, progress: &(dyn Fn(u64, u64) + Sync),
    ) -> StoreResult<Vec<Fault>> {
        let mut db = self.patient_snapshot().await?;
        let total: i64 =
            sqlx::query_scalar("SELECT count(*) FROM workspace").fetch_one(&mut *db).await?;
        let total = u64::try_from(total).unwrap_or(0);
        let mut faults = Vec::new();
        let mut done: u64 = 0;
        let mut last = (i16::MIN, String::new());
        loop {
            progress(done, total.max(done));
            db = self.patient_snapshot().await?;
            let lot: Vec<(i16, String)> = sqlx::query_as(NEXT)
                .bind(last.0)
                .bind(&last.1)
                .bind(LOT)
                .fetch_all(&mut *db)
                .await?;
            let Some(end) = lot.last() else { break };
            last.clone_from(end);
            done = done.saturating_add(lot.len() as u64);
            let (buckets, ids) = lot.into_iter().unzip();
            faults.extend(check_lot(&mut db, &Lot { buckets, ids }).await?);
        }
        let strays: Vec<(String, i64)> = sqlx::query_as(STRAY).fetch_all(&mut *db).await?;
        faults.extend(strays.into_iter().map(|(workspace, lines)| Fault {
            subject: format!("workspace {workspace}"),
            detail: format!("it does not exist and has {lines} lines in the ledger"),
        }));
        Ok(faults)
    }

    /// A snapshot whose statements may take long, and what is done between them too: it holds no
    /// lock.
    pub(super) async fn patient_snapshot(&self) -> StoreResult<Session> {
        let mut db = self.snapshot().await?;
        sqlx::raw_sql(PATIENT).execute(&mut *db).await?;
        Ok(db)
    }
}

async fn check_lot(db: &mut PgConnection, lot: &Lot) -> StoreResult<Vec<Fault>> {
    let found = load(db, lot).await?;
    let rows = FoundRows {
        workspaces: read_all(&found.workspaces)?,
        accounts: read_all(&found.accounts)?,
        apps: read_all(&found.apps)?,
        subscriptions: read_all(&found.subscriptions)?,
        seats: read_all(&found.seats)?,
        grants: read_all(&found.grants)?,
        rewards: read_all(&found.rewards)?,
        customers: Vec::new(),
    };
    let fresh = lot.ids.iter().map(|id| WorkspaceId::from(id.as_str()));
    let mut whole: BTreeMap<WorkspaceId, Workspace> =
        fresh.map(|id| (id.clone(), Workspace::new(id))).collect();
    rows.place(&mut whole)?;

    let mut books: BTreeMap<String, Books> = BTreeMap::new();
    let mut lines = sqlx::query(LINES.as_str()).bind(&lot.buckets).bind(&lot.ids).fetch(&mut *db);
    while let Some(row) = lines.try_next().await? {
        let row: EntryRow<'_> = read(&row, 0)?;
        let workspace = row.workspace.as_str().to_owned();
        books.entry(workspace).or_default().add(&row.read()?);
    }
    drop(lines);
    let mut faults = misplaced(lot);
    for workspace in whole.values() {
        let books = books.remove(workspace.id.as_str()).unwrap_or_default();
        faults.extend(books.faults(workspace));
    }
    faults.extend(lost(db, lot).await?);
    Ok(faults)
}

async fn load(db: &mut PgConnection, lot: &Lot) -> StoreResult<Whole<Vec<PgRow>>> {
    let Whole { workspaces, accounts, apps, subscriptions, seats, grants, rewards } = &*WHOLE;
    Ok(Whole {
        workspaces: fetch(db, workspaces, lot).await?,
        accounts: fetch(db, accounts, lot).await?,
        apps: fetch(db, apps, lot).await?,
        subscriptions: fetch(db, subscriptions, lot).await?,
        seats: fetch(db, seats, lot).await?,
        grants: fetch(db, grants, lot).await?,
        rewards: fetch(db, rewards, lot).await?,
    })
}

async fn fetch(db: &mut PgConnection, sql: &'static str, lot: &Lot) -> StoreResult<Vec<PgRow>> {
    Ok(sqlx::query(sql).bind(&lot.buckets).bind(&lot.ids).fetch_all(db).await?)
}

fn read_all<'r, R: Deserialize<'r>>(rows: &'r [PgRow]) -> StoreResult<Vec<R>> {
    rows.iter().map(|row| read(row, 0)).collect()
}

fn rows<R: Row>(table: &str, home: &str) -> String {
    of_lot(&record_sql(table, R::COLUMNS), table, home)
}

/// What belongs to a lot's workspaces in a table.
fn of_lot(record: &str, table: &str, home: &str) -> String {
    format!(
        "SELECT {record} FROM UNNEST($1::smallint[], $2::text[]) AS home (bucket, id)
         JOIN {table} ON {table}.bucket = home.bucket AND {table}.{home} = home.id"
    )
}

/// Workspaces that do not lie where they are looked for.
fn misplaced(lot: &Lot) -> Vec<Fault> {
    let stored = lot.buckets.iter().zip(&lot.ids);
    stored
        .filter(|(stored, id)| **stored != bucket(id))
        .map(|(stored, id)| Fault {
            subject: format!("workspace {id}"),
            detail: format!("it lies in bucket {stored}, and its id says {}", bucket(id)),
        })
        .collect()
}

async fn lost(db: &mut PgConnection, lot: &Lot) -> StoreResult<Vec<Fault>> {
    let rows = fetch(db, LOST, lot).await?;
    rows.iter()
        .map(|row| {
            let (kind, id, home): (&str, &str, &str) =
                (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let leads: Option<&str> = row.try_get(3)?;
            let leads = leads.map_or_else(|| "nowhere".to_owned(), |to| format!("to {to}"));
            Ok(Fault {
                subject: format!("workspace {home}: {kind} {id}"),
                detail: format!("the directory leads {leads}"),
            })
        })
        .collect()
}
