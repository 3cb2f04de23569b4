//! The ledger's lines, read newest first.

use super::bucket::bucket;
use super::record::{read, record_sql};
use crate::store::row::entries::EntryRow;
use crate::store::row::{Row as _, stored_count};
use crate::store::{LedgerQuery, Line, StoreResult};
use creditd_rules::entry::Pot;
use creditd_rules::id::WorkspaceId;
use sqlx::PgConnection;
use std::sync::LazyLock;

/// The record of a line. Nobody's is stored with an empty account.
pub(super) static LINE: LazyLock<String> = LazyLock::new(|| {
    record_sql("entry", EntryRow::COLUMNS).replace("entry.account", "nullif(entry.account, '')")
});

/// Lines of some accounts, each by its own part of the key: the newest of each, and of those the
/// newest. However many lines there are, it reads no more than asked for of each account.
pub(super) static LEDGER: LazyLock<[String; 3]> = LazyLock::new(|| {
    let one = "SELECT $2::text AS account";
    let holders = "SELECT '' AS account
         UNION SELECT account FROM seat_account WHERE bucket = $1 AND workspace = $9 AND seat = $2";
    let all = "SELECT account FROM had WHERE account IS NOT NULL AND $2::text IS NULL";
    [one, holders, all].map(ledger_sql)
});

/// Steps from one account with lines to the next.
const HAD: &str = "
    WITH RECURSIVE had (account) AS (
        (SELECT account FROM entry WHERE bucket = $1 AND workspace = $9 ORDER BY account LIMIT 1)
        UNION ALL
        SELECT (SELECT entry.account FROM entry
            WHERE bucket = $1 AND workspace = $9 AND entry.account > had.account
            ORDER BY entry.account LIMIT 1)
        FROM had WHERE account IS NOT NULL)";

fn ledger_sql(whose: &str) -> String {
    let had = if whose.contains("had") { HAD } else { "" };
    format!(
        "{had} SELECT thing FROM ({whose}) AS whose CROSS JOIN LATERAL (
             SELECT seq, {} AS thing FROM entry
             WHERE bucket = $1 AND workspace = $9 AND entry.account = whose.account AND seq < $3
                 AND ($4::text IS NULL OR pot = $4) AND ($5::text IS NULL OR kind = $5)
                 AND ($6::timestamptz IS NULL OR effective_at >= $6)
                 AND ($7::timestamptz IS NULL OR effective_at < $7)
                 AND (NOT $10 OR reason <> 'use')
             ORDER BY seq DESC LIMIT $8) AS line
         ORDER BY seq DESC LIMIT $8",
        *LINE
    )
}

/// Posted lines of a workspace, newest first.
///
/// A seat's lines are found through the accounts that held it.
pub(super) async fn ledger(
    db: &mut PgConnection, workspace: &WorkspaceId, query: &LedgerQuery,
) -> StoreResult<Vec<Line>> {
    let LedgerQuery { account, seat, kind, from, to, before_seq, without_uses, limit } = query;
    let [one, holders, all] = &*LEDGER;
    let (sql, whose) = match (account, seat) {
        (Some(account), _) => (one, Some(account.as_str())),
        (None, Some(seat)) => (holders, Some(seat.as_str())),
        (None, None) => (all, None),
    };
    let rows = sqlx::query(sql.as_str())
        .bind(bucket(workspace.as_str()))
        .bind(whose)
        .bind(before_seq.map_or(i64::MAX, stored_count))
        .bind(seat.as_ref().map(|seat| Pot::Seat(seat.clone()).to_string()))
        .bind(kind.map(|kind| kind.as_str()))
        .bind(from)
        .bind(to)
        .bind(i64::from(*limit))
        .bind(workspace.as_str())
        .bind(without_uses)
        .fetch_all(db)
        .await?;
    rows.iter().map(|row| Ok(read::<EntryRow<'_>>(row, 0)?.read()?)).collect()
}
