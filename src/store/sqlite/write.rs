//! Writes what a batch changed: only what differs, all rows of a table in one statement.

use super::answers;
use super::entries;
use super::load::ids;
use super::mails;
use super::proof::Proof;
use super::statement::{Frame, Part, Statement, together};
use crate::store::changed::ChangedRows;
use crate::store::row::Row;
use crate::store::row::answers::AnswerRow;
use crate::store::row::entries::{EntryRow, new_holders};
use crate::store::row::people::{AccountRow, AppRow, GrantRow, RewardRow, WorkspaceRow};
use crate::store::row::plans::{SeatRow, SubscriptionRow};
use crate::store::row::spent::{
    ChangedWorkspace, FreeIntegration, FreeMessage, GrantRest, SeatIntegration, SeatMessage,
};
use crate::store::{Change, StoreError, StoreResult};
use chrono::{DateTime, Utc};
use creditd_rules::Instant;
use serde::Serialize;
use sqlx::SqliteConnection;
use std::sync::LazyLock;
use tracing::error;

/// Seats that change hands are vacated first: two people may swap theirs in one batch.
const VACATE_SEAT: &str =
    "UPDATE seat SET holder = NULL WHERE id IN (SELECT value FROM json_each(?1))";

static MAKE_WORKSPACE: LazyLock<Statement> =
    LazyLock::new(|| Statement::insert::<WorkspaceRow>("workspace"));
static CHANGE_WORKSPACE: LazyLock<Statement> = LazyLock::new(|| {
    let guards = [("id", "id"), ("loaded_version", "version")];
    Statement::update::<ChangedWorkspace>("workspace", &guards)
});
static PUT_ACCOUNT: LazyLock<Statement> =
    LazyLock::new(|| Statement::upsert::<AccountRow>("account"));
static PUT_APP: LazyLock<Statement> = LazyLock::new(|| Statement::upsert::<AppRow>("app"));
static PUT_SUBSCRIPTION: LazyLock<Statement> =
    LazyLock::new(|| Statement::upsert::<SubscriptionRow>("subscription"));
static PUT_SEAT: LazyLock<Statement> = LazyLock::new(|| Statement::upsert::<SeatRow>("seat"));
static PUT_GRANT: LazyLock<Statement> =
    LazyLock::new(|| Statement::upsert::<GrantRow>("credit_grant"));
static PUT_REWARD: LazyLock<Statement> = LazyLock::new(|| Statement::upsert::<RewardRow>("reward"));

/// Rows are found by their id, in their workspace.
const BY_ID: [(&str, &str); 2] = [("id", "id"), ("workspace", "workspace")];

static SPEND_FREE_MESSAGE: LazyLock<Statement> =
    LazyLock::new(|| Statement::update::<FreeMessage>("account", &BY_ID));
static SPEND_FREE_INTEGRATION: LazyLock<Statement> =
    LazyLock::new(|| Statement::update::<FreeIntegration>("account", &BY_ID));
static SPEND_SEAT_MESSAGE: LazyLock<Statement> =
    LazyLock::new(|| Statement::update::<SeatMessage>("seat", &BY_ID));
static SPEND_SEAT_INTEGRATION: LazyLock<Statement> =
    LazyLock::new(|| Statement::update::<SeatIntegration>("seat", &BY_ID));
static SPEND_GRANT: LazyLock<Statement> =
    LazyLock::new(|| Statement::update::<GrantRest>("credit_grant", &BY_ID));

/// Writes `changes` that were decided at `now`, and commits, where the proof of what they were
/// decided on holds. The transaction begins here, unless it has `begun`.
pub(super) async fn changes(
    db: &mut SqliteConnection, changes: &[Change], now: Instant, wall: DateTime<Utc>,
    proof: &Proof<'_>, begun: bool,
) -> StoreResult<()> {
    let mut rows = ChangedRows::default();
    for Change { before, after, .. } in changes {
        rows.add(before, after)?;
    }
    let (entries, answers) = (entries::rows(changes, now), answers::rows(changes, wall)?);
    if rows.are_spent() && changes.iter().all(says_nothing) {
        return spend(&rows, db, &entries, &answers, proof, begun).await;
    }
    proof.run(db, !begun).await?;
    put_all(&rows, db).await?;
    entries::remember_seats(db, changes).await?;
    mails::promise(db, changes, now, wall).await?;
    spend(&rows, db, &entries, &answers, &Proof::default(), true).await
}

/// Whether a change needs no statement beside those of its rows, lines and answers.
fn says_nothing(change: &Change) -> bool {
    let Change { mails, erased, alerts, before: _, after: _, entries: _, answers: _ } = change;
    mails.is_empty()
        && erased.is_empty()
        && alerts.is_empty()
        && new_holders(change).next().is_none()
}

/// Writes what is new or changed in more than what was spent, what others refer to first.
async fn put_all(rows: &ChangedRows<'_>, db: &mut SqliteConnection) -> StoreResult<()> {
    put(db, &MAKE_WORKSPACE, &rows.made, raced).await?;
    put(db, &PUT_ACCOUNT, &rows.accounts, elsewhere).await?;
    put(db, &PUT_APP, &rows.apps, elsewhere).await?;
    put(db, &PUT_SUBSCRIPTION, &rows.subscriptions, elsewhere).await?;
    if !rows.vacated.is_empty() {
        let vacated: Vec<&str> = rows.vacated.iter().map(|(_, seat)| *seat).collect();
        sqlx::query(VACATE_SEAT).bind(ids(&vacated)).execute(&mut *db).await?;
    }
    put(db, &PUT_SEAT, &rows.seats, elsewhere).await?;
    put(db, &PUT_GRANT, &rows.grants, elsewhere).await?;
    put(db, &PUT_REWARD, &rows.rewards, elsewhere).await
}

/// Writes all that a debit writes, and commits, in as few executions as can be.
async fn spend(
    rows: &ChangedRows<'_>, db: &mut SqliteConnection, entries: &Vec<EntryRow<'_>>,
    answers: &Vec<AnswerRow<'_>>, proof: &Proof<'_>, begun: bool,
) -> StoreResult<()> {
    let [same_versions, new_keys] = proof.parts();
    let parts = [
        same_versions,
        new_keys,
        Part { statement: &CHANGE_WORKSPACE, rows: &rows.changed },
        Part { statement: &SPEND_FREE_MESSAGE, rows: &rows.free_message },
        Part { statement: &SPEND_FREE_INTEGRATION, rows: &rows.free_integration },
        Part { statement: &SPEND_SEAT_MESSAGE, rows: &rows.seat_message },
        Part { statement: &SPEND_SEAT_INTEGRATION, rows: &rows.seat_integration },
        Part { statement: &SPEND_GRANT, rows: &rows.spent_grants },
        Part { statement: &entries::APPEND, rows: entries },
        Part { statement: &answers::KEEP, rows: answers },
    ];
    let frame = Frame { begin: !begun, commit: true };
    let written = together(db, parts, frame).await?;
    // The proof says that the workspaces are as they were when their rows were read: none can be
    // missing that is not missing from the file itself.
    let missed = parts.iter().zip(written).skip(2).any(|(part, written)| part.missed(written));
    if missed {
        error!("rows were missing that a batch had read: the file is damaged; run creditd verify");
    }
    Ok(())
}

/// Another writer was faster with a workspace.
fn raced() -> StoreError {
    StoreError::Conflict
}

/// A thing stays in its workspace.
fn elsewhere() -> StoreError {
    StoreError::Refused("what it names belongs to another workspace".to_owned())
}

/// Writes rows, all of them or it is an error.
async fn put<R: Row + Sync>(
    db: &mut SqliteConnection, statement: &'static Statement, rows: &Vec<R>,
    missed: fn() -> StoreError,
) -> StoreResult<()> {
    let written = statement.run(db, rows).await?;
    if written == rows.len() as u64 { Ok(()) } else { Err(missed()) }
}

/// Rows as one JSON array.
pub(super) fn to_json<T: Serialize + ?Sized>(rows: &T) -> StoreResult<String> {
    serde_json::to_string(rows).map_err(|error| StoreError::Refused(error.to_string()))
}
