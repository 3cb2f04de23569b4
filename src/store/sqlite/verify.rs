//! Checks the whole database against the books (R18).
//!
//! Workspaces are checked some at a time, each lot from one snapshot, so that a daemon that runs
//! beside is not held up and its log does not grow without end.

use super::SqliteStore;
use super::load::{Texts, ids, parse};
use super::row::array_sql;
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
use sqlx::SqliteConnection;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Workspaces that are checked from one snapshot.
const LOT: i64 = 256;

/// Everything that is stored of workspaces.
static WHOLE: LazyLock<String> = LazyLock::new(|| {
    let workspace = array_sql("workspace", WorkspaceRow::COLUMNS);
    let account = array_sql("account", AccountRow::COLUMNS);
    let app = array_sql("app", AppRow::COLUMNS);
    let subscription = array_sql("subscription", SubscriptionRow::COLUMNS);
    let seat = array_sql("seat", SeatRow::COLUMNS);
    let grant = array_sql("credit_grant", GrantRow::COLUMNS);
    let reward = array_sql("reward", RewardRow::COLUMNS);
    format!(
        "WITH home (id) AS MATERIALIZED (SELECT value FROM json_each(?1)),
         person (id) AS MATERIALIZED (
             SELECT id FROM account WHERE workspace IN (SELECT id FROM home))
         SELECT
             (SELECT json_group_array({workspace}) FROM workspace
                 WHERE id IN (SELECT id FROM home)),
             (SELECT json_group_array({account}) FROM account WHERE id IN (SELECT id FROM person)),
             (SELECT json_group_array({app}) FROM app WHERE owner IN (SELECT id FROM person)),
             (SELECT json_group_array({subscription}) FROM subscription
                 WHERE workspace IN (SELECT id FROM home)),
             (SELECT json_group_array({seat}) FROM seat WHERE workspace IN (SELECT id FROM home)),
             (SELECT json_group_array({grant}) FROM credit_grant
                 WHERE account IN (SELECT id FROM person)),
             (SELECT json_group_array({reward}) FROM reward
                 WHERE account IN (SELECT id FROM person))"
    )
});

static LINES: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT workspace, {} FROM entry
         WHERE workspace IN (SELECT value FROM json_each(?1)) ORDER BY workspace, seq",
        array_sql("entry", EntryRow::COLUMNS)
    )
});

/// Lines of workspaces that do not exist.
const STRAY: &str = "
    SELECT workspace, count(*) FROM entry
    WHERE NOT EXISTS (SELECT 1 FROM workspace WHERE id = entry.workspace)
    GROUP BY workspace LIMIT 100";

impl SqliteStore {
    pub(super) async fn check(
        &self, progress: &(dyn Fn(u64, u64) + Sync),
    ) -> StoreResult<Vec<Fault>> {
        let mut faults = self.integrity().await?;
        let sql = "SELECT count(*) FROM workspace";
        let total: i64 = sqlx::query_scalar(sql).fetch_one(&self.reader).await?;
        let total = u64::try_from(total).unwrap_or(0);
        let mut done: u64 = 0;
        let mut last = String::new();
        loop {
            progress(done, total.max(done));
            let mut db = self.reader.begin().await?;
            let sql = "SELECT id FROM workspace WHERE id > ?1 ORDER BY id LIMIT ?2";
            let lot: Vec<String> =
                sqlx::query_scalar(sql).bind(&last).bind(LOT).fetch_all(&mut *db).await?;
            let Some(end) = lot.last() else { break };
            faults.extend(check_lot(&mut db, &lot).await?);
            done = done.saturating_add(lot.len() as u64);
            last.clone_from(end);
        }
        let strays: Vec<(String, i64)> = sqlx::query_as(STRAY).fetch_all(&self.reader).await?;
        faults.extend(strays.into_iter().map(|(workspace, lines)| Fault {
            subject: format!("workspace {workspace}"),
            detail: format!("it does not exist and has {lines} lines in the ledger"),
        }));
        Ok(faults)
    }

    /// What SQLite itself finds wrong with the file.
    async fn integrity(&self) -> StoreResult<Vec<Fault>> {
        let found: Vec<String> =
            sqlx::query_scalar("PRAGMA quick_check(100)").fetch_all(&self.reader).await?;
        let found = found.into_iter().filter(|line| line != "ok");
        Ok(found.map(|detail| Fault { subject: "database file".to_owned(), detail }).collect())
    }
}

async fn check_lot(db: &mut SqliteConnection, lot: &[String]) -> StoreResult<Vec<Fault>> {
    let names: Vec<&str> = lot.iter().map(String::as_str).collect();
    let names = ids(&names);
    let row = sqlx::query(WHOLE.as_str()).bind(&names).fetch_one(&mut *db).await?;
    let texts = Texts::of(&row, 0)?;
    let rows = FoundRows {
        workspaces: texts.read(0)?,
        accounts: texts.read(1)?,
        apps: texts.read(2)?,
        subscriptions: texts.read(3)?,
        seats: texts.read(4)?,
        grants: texts.read(5)?,
        rewards: texts.read(6)?,
        customers: Vec::new(),
    };
    let fresh = lot.iter().map(|id| WorkspaceId::from(id.as_str()));
    let mut whole: BTreeMap<WorkspaceId, Workspace> =
        fresh.map(|id| (id.clone(), Workspace::new(id))).collect();
    rows.place(&mut whole)?;

    let mut books: BTreeMap<String, Books> = BTreeMap::new();
    let mut lines = sqlx::query_as::<_, (String, String)>(LINES.as_str()).bind(&names).fetch(db);
    while let Some((workspace, text)) = lines.try_next().await? {
        let line = parse::<EntryRow<'_>>(&text)?.read()?;
        books.entry(workspace).or_default().add(&line);
    }
    let mut faults = Vec::new();
    for workspace in whole.values() {
        let books = books.remove(workspace.id.as_str()).unwrap_or_default();
        faults.extend(books.faults(workspace));
    }
    Ok(faults)
}
