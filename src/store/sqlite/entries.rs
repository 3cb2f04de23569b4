//! The ledger's lines: appended by batches, read newest first.

use super::load::parse;
use super::people::kind;
use super::row::{
    Corrupt, Row, Text, amount, array_sql, count, instant, maybe_instant, row, stored_count, uc, us,
};
use super::statement::Statement;
use super::write::to_json;
use crate::store::{Change, LedgerQuery, Line, StoreResult};
use creditd_rules::entry::{Entry, Pot};
use creditd_rules::id::{AccountId, SeatId, WorkspaceId};
use creditd_rules::{Amount, Instant, Workspace};
use sqlx::SqliteConnection;
use std::collections::BTreeSet;
use std::sync::LazyLock;

row! {
    /// A line of the ledger.
    pub(super) struct EntryRow<'a> {
        workspace: Text<'a>,
        seq: i64,
        pot: Option<Text<'a>>,
        account: Option<Text<'a>>,
        use_id: Option<Text<'a>>,
        kind: Text<'a>,
        amount_uc: i64,
        pot_after_uc: Option<i64>,
        reason: Text<'a>,
        cycle_started_at_us: Option<i64>,
        effective_at_us: i64,
        posted_at_us: i64,
        actor: Option<Text<'a>>,
        app: Option<Text<'a>>,
        action: Option<Text<'a>>,
        price_uc: Option<i64>,
        cause: Option<Text<'a>>,
        cause_at_us: Option<i64>,
    }
}

/// Appends lines.
pub(super) static APPEND: LazyLock<Statement> =
    LazyLock::new(|| Statement::insert::<EntryRow>("entry"));

const REMEMBER_SEAT: &str = "
    INSERT INTO seat_account (seat, account)
    SELECT value->>0, value->>1 FROM json_each(?1) WHERE true
    ON CONFLICT DO NOTHING";

impl<'a> EntryRow<'a> {
    fn of(workspace: &'a WorkspaceId, seq: u64, posted_at: Instant, entry: &'a Entry) -> Self {
        let Entry {
            pot,
            account,
            use_id,
            kind,
            amount,
            pot_after,
            reason,
            cycle_started_at,
            effective_at,
            actor,
            app,
            action,
            price,
            cause,
            cause_at,
        } = entry;
        Self {
            workspace: workspace.as_str().into(),
            seq: stored_count(seq),
            pot: pot.as_ref().map(|pot| pot.to_string().into()),
            account: account.as_ref().map(|account| account.as_str().into()),
            use_id: use_id.as_ref().map(|id| id.as_str().into()),
            kind: kind.as_str().into(),
            amount_uc: amount.micros(),
            pot_after_uc: uc(*pot_after),
            reason: reason.as_str().into(),
            cycle_started_at_us: cycle_started_at.map(us),
            effective_at_us: us(*effective_at),
            posted_at_us: us(posted_at),
            actor: actor.as_deref().map(Text::from),
            app: app.as_ref().map(|app| app.as_str().into()),
            action: action.as_ref().map(|action| action.as_str().into()),
            price_uc: uc(*price),
            cause: cause.as_deref().map(Text::from),
            cause_at_us: cause_at.map(us),
        }
    }

    /// The line.
    pub(super) fn read(self) -> Result<Line, Corrupt> {
        let pot = self.pot.map(|pot| read_pot(pot.as_str())).transpose()?;
        let reason = self.reason.as_str().parse();
        let reason =
            reason.map_err(|()| Corrupt::new("an entry's reason", self.reason.as_str()))?;
        Ok(Line {
            seq: Some(count("an entry's seq", self.seq)?),
            posted_at: Some(instant(self.posted_at_us)?),
            entry: Entry {
                pot,
                account: self.account.map(|account| account.as_str().into()),
                use_id: self.use_id.map(|id| id.as_str().into()),
                kind: kind(self.kind.as_str())?,
                amount: Amount::from_micros(self.amount_uc),
                pot_after: amount(self.pot_after_uc),
                reason,
                cycle_started_at: maybe_instant(self.cycle_started_at_us)?,
                effective_at: instant(self.effective_at_us)?,
                actor: self.actor.map(Text::into_string),
                app: self.app.map(|app| app.as_str().into()),
                action: self.action.map(|action| action.as_str().into()),
                price: amount(self.price_uc),
                cause: self.cause.map(Text::into_string),
                cause_at: maybe_instant(self.cause_at_us)?,
            },
        })
    }
}

fn read_pot(text: &str) -> Result<Pot, Corrupt> {
    text.parse().map_err(|()| Corrupt::new("a pot", text))
}

/// The lines of `changes`, decided at `now`.
pub(super) fn rows(changes: &[Change], now: Instant) -> Vec<EntryRow<'_>> {
    let mut rows = Vec::new();
    for Change { before, after, entries, .. } in changes {
        let posted_at = now.max(after.decided_at);
        let numbered = (before.next_seq..).zip(entries);
        rows.extend(numbered.map(|(seq, entry)| EntryRow::of(&after.id, seq, posted_at, entry)));
    }
    rows
}

/// Notes who has lines on which seat's pots.
pub(super) async fn remember_seats(
    db: &mut SqliteConnection, changes: &[Change],
) -> StoreResult<()> {
    let mut seats = BTreeSet::new();
    for Change { before, after, entries, .. } in changes {
        seats.extend(new_holders(before, after, entries));
    }
    if !seats.is_empty() {
        sqlx::query(REMEMBER_SEAT).bind(to_json(&seats)?).execute(db).await?;
    }
    Ok(())
}

/// Seats with accounts that hold them now and did not before, and with those between the two
/// whom only the lines name.
fn new_holders<'a>(
    before: &'a Workspace, after: &'a Workspace, entries: &'a [Entry],
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let held = after.seats.values().filter_map(|seat| Some((&seat.id, seat.holder.as_ref()?)));
    let named = entries.iter().filter_map(|entry| match (&entry.pot, &entry.account) {
        (Some(Pot::Seat(seat)), Some(account)) => Some((seat, account)),
        _ => None,
    });
    let known = |seat: &SeatId, account: &AccountId| {
        before.seats.get(seat).is_some_and(|seat| seat.holder.as_ref() == Some(account))
    };
    held.chain(named)
        .filter(move |(seat, account)| !known(seat, account))
        .map(|(seat, account)| (seat.as_str(), account.as_str()))
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
             AND effective_at_us >= ?6 AND effective_at_us < ?7
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
    let LedgerQuery { account: _, seat, kind, from, to, before_seq, limit } = query;
    let texts: Vec<String> = sqlx::query_scalar(sql)
        .bind(workspace.as_str())
        .bind(account)
        .bind(before_seq.map_or(i64::MAX, stored_count))
        .bind(seat.as_ref().map(|seat| Pot::Seat(seat.clone()).to_string()))
        .bind(kind.map(|kind| kind.as_str()))
        .bind(from.map_or(i64::MIN, us))
        .bind(to.map_or(i64::MAX, us))
        .bind(i64::from(*limit))
        .fetch_all(db)
        .await?;
    texts.iter().map(|text| Ok(parse::<EntryRow<'_>>(text)?.read()?)).collect()
}
