//! The ledger's lines: appended by batches, read newest first.

use super::load::parse;
use super::row::array_sql;
use super::statement::Statement;
use super::write::to_json;
use crate::store::row::entries::{EntryRow, lines, new_holders};
use crate::store::row::{Row, stored_count, us};
use crate::store::{Change, LedgerQuery, Line, StoreResult};
use creditd_rules::Instant;
use creditd_rules::entry::Pot;
use creditd_rules::id::{SeatId, WorkspaceId};
use sqlx::SqliteConnection;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Appends lines.
pub(super) static APPEND: LazyLock<Statement> =
    LazyLock::new(|| Statement::insert::<EntryRow>("entry"));

const REMEMBER_SEAT: &str = "
    INSERT INTO seat_account (seat, account)
    SELECT value->>0, value->>1 FROM json_each(?1) WHERE true
    ON CONFLICT DO NOTHING";

/// The lines of `changes`, decided at `now`.
pub(super) fn rows(changes: &[Change], now: Instant) -> Vec<EntryRow<'_>> {
    changes.iter().flat_map(|change| lines(change, now)).collect()
}

/// Notes who has lines on which seat's pots.
pub(super) async fn remember_seats(
    db: &mut SqliteConnection, changes: &[Change],
) -> StoreResult<()> {
    let seats: BTreeSet<_> = changes.iter().flat_map(new_holders).collect();
    if !seats.is_empty() {
        sqlx::query(REMEMBER_SEAT).bind(to_json(&seats)?).execute(db).await?;
    }
    Ok(())
}

/// Lines of one account, or of vacant seats where `?2` is null.
static OF_ACCOUNT: LazyLock<String> = LazyLock::new(|| ledger_sql("AND account IS ?2"));

/// Lines of everybody; `?2` is not used.
static OF_ALL: LazyLock<String> = LazyLock::new(|| ledger_sql("AND ?2 IS NULL"));

fn ledger_sql(whose: &str) -> String {
    format!(
        "SELECT {} FROM entry
         WHERE workspace = ?1 {whose} AND seq < ?3
             AND (?4 IS NULL OR pot = ?4) AND (?5 IS NULL OR kind = ?5)
             AND effective_at_us >= ?6 AND effective_at_us < ?7 AND (NOT ?9 OR reason <> 'use')
         ORDER BY seq DESC LIMIT ?8",
        array_sql("entry", EntryRow::COLUMNS)
    )
}

/// Posted lines of a workspace, newest first.
///
/// A seat's lines are found through the accounts that held it, each by its own part of the index.
pub(super) async fn ledger(
    db: &mut SqliteConnection, workspace: &WorkspaceId, query: &LedgerQuery,
) -> StoreResult<Vec<Line>> {
    let mut lines = match (&query.account, &query.seat) {
        (Some(account), _) => {
            of_one(db, &OF_ACCOUNT, workspace, Some(account.as_str()), query).await?
        }
        (None, None) => of_one(db, &OF_ALL, workspace, None, query).await?,
        (None, Some(seat)) => {
            let mut lines = of_one(db, &OF_ACCOUNT, workspace, None, query).await?;
            for holder in holders(db, seat).await? {
                lines.extend(of_one(db, &OF_ACCOUNT, workspace, Some(&holder), query).await?);
            }
            lines
        }
    };
    lines.sort_by_key(|line| std::cmp::Reverse(line.seq));
    lines.truncate(query.limit as usize);
    Ok(lines)
}

async fn holders(db: &mut SqliteConnection, seat: &SeatId) -> StoreResult<Vec<String>> {
    let sql = "SELECT account FROM seat_account WHERE seat = ?1";
    Ok(sqlx::query_scalar(sql).bind(seat.as_str()).fetch_all(db).await?)
}

async fn of_one(
    db: &mut SqliteConnection, sql: &'static str, workspace: &WorkspaceId, account: Option<&str>,
    query: &LedgerQuery,
) -> StoreResult<Vec<Line>> {
    let LedgerQuery { account: _, seat, kind, from, to, before_seq, without_uses, limit } = query;
    let texts: Vec<String> = sqlx::query_scalar(sql)
        .bind(workspace.as_str())
        .bind(account)
        .bind(before_seq.map_or(i64::MAX, stored_count))
        .bind(seat.as_ref().map(|seat| Pot::Seat(seat.clone()).to_string()))
        .bind(kind.map(|kind| kind.as_str()))
        .bind(from.map_or(i64::MIN, us))
        .bind(to.map_or(i64::MAX, us))
        .bind(i64::from(*limit))
        .bind(without_uses)
        .fetch_all(db)
        .await?;
    texts.iter().map(|text| Ok(parse::<EntryRow<'_>>(text)?.read()?)).collect()
}
