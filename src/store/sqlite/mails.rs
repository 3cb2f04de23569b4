//! The outbox: mails promised by batches, claimed and marked by those who send them.

use super::SqliteStore;
use super::statement::Statement;
use super::write::to_json;
use crate::store::row::events::read_trace;
use crate::store::row::mails::{MailRow, mails, read_state, read_template, state_text};
use crate::store::row::people::kind;
use crate::store::row::{count, instant, maybe_instant, us};
use crate::store::{Change, MailOutcome, MailState, Page, PageQuery, StoreResult, StoredMail};
use chrono::{DateTime, Utc};
use creditd_rules::command::{Alert, Mail};
use creditd_rules::{Amount, Instant};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};
use std::sync::LazyLock;

static PROMISE: LazyLock<Statement> = LazyLock::new(|| Statement::insert::<MailRow>("outbox"));

/// Nobody is left to be told, and nothing of the person stays.
const ERASE: &str = "
    UPDATE outbox
    SET recipient = '', name = NULL, locale = NULL,
        state = iif(state IN ('queued', 'parked'), 'dropped', state)
    WHERE account IN (SELECT value FROM json_each(?1))";

const ALERT: &str = "
    INSERT INTO alert (at_us, workspace, code, subject, detail)
    SELECT ?2, value->>0, value->>1, value->>2, value->>3 FROM json_each(?1)";

const COLUMNS: &str = "id, workspace, account, template, recipient, name, locale, kind,
    spendable_uc, allowance_uc, resets_at_us, created_at_us, state, attempts, next_attempt_at_us,
    last_error, sent_at_us, trace";

/// Puts the mails and alerts of `changes` down, and erases what is to be forgotten.
pub(super) async fn promise(
    db: &mut SqliteConnection, changes: &[Change], now: Instant, wall: DateTime<Utc>,
) -> StoreResult<()> {
    let mails: Vec<_> = changes.iter().flat_map(|change| mails(change, now, wall)).collect();
    PROMISE.run(db, &mails).await?;
    let erased: Vec<_> =
        changes.iter().flat_map(|change| &change.erased).map(|account| account.as_str()).collect();
    if !erased.is_empty() {
        sqlx::query(ERASE).bind(to_json(&erased)?).execute(&mut *db).await?;
    }
    let alerts: Vec<_> = changes
        .iter()
        .flat_map(|change| {
            change.alerts.iter().map(|Alert { code, subject, detail }| {
                (change.after.id.as_str(), *code, subject.as_str(), detail.as_str())
            })
        })
        .collect();
    if !alerts.is_empty() {
        sqlx::query(ALERT).bind(to_json(&alerts)?).bind(us(now)).execute(db).await?;
    }
    Ok(())
}

fn read(row: &SqliteRow) -> StoreResult<StoredMail> {
    let text = |column| row.try_get::<String, _>(column);
    Ok(StoredMail {
        id: text("id")?,
        workspace: text("workspace")?.into(),
        mail: Mail {
            template: read_template(&text("template")?)?,
            account: text("account")?.into(),
            to: text("recipient")?,
            name: row.try_get("name")?,
            locale: row.try_get("locale")?,
            kind: kind(&text("kind")?)?,
            spendable: Amount::from_micros(row.try_get("spendable_uc")?),
            allowance: Amount::from_micros(row.try_get("allowance_uc")?),
            resets_at: maybe_instant(row.try_get("resets_at_us")?)?,
        },
        created_at: instant(row.try_get("created_at_us")?)?,
        state: read_state(&text("state")?)?,
        attempts: count("a number of attempts", row.try_get("attempts")?)?,
        next_attempt_at: instant(row.try_get("next_attempt_at_us")?)?,
        last_error: row.try_get("last_error")?,
        sent_at: maybe_instant(row.try_get("sent_at_us")?)?,
        trace: read_trace(row.try_get("trace")?),
    })
}

impl SqliteStore {
    /// One statement picks and claims, so that two daemons never get the same mail.
    pub(super) async fn claim(
        &self, wall: DateTime<Utc>, lease: DateTime<Utc>, limit: u32,
    ) -> StoreResult<Vec<StoredMail>> {
        let sql = format!(
            "UPDATE outbox SET next_attempt_at_us = ?2
             WHERE id IN (SELECT id FROM outbox
                 WHERE state = 'queued' AND next_attempt_at_us <= ?1
                 ORDER BY next_attempt_at_us, id LIMIT ?3)
             RETURNING {COLUMNS}"
        );
        let mut turn = self.writer.turn().await?;
        let mut db = turn.begin().await?;
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(us(wall))
            .bind(us(lease))
            .bind(i64::from(limit))
            .fetch_all(&mut *db)
            .await?;
        db.commit().await?;
        let mut mails = rows.iter().map(read).collect::<StoreResult<Vec<_>>>()?;
        mails.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(mails)
    }

    pub(super) async fn next_mail(&self) -> StoreResult<Option<DateTime<Utc>>> {
        let sql = "SELECT min(next_attempt_at_us) FROM outbox WHERE state = 'queued'";
        let us: Option<i64> = sqlx::query_scalar(sql).fetch_one(&self.reader).await?;
        Ok(maybe_instant(us)?)
    }

    pub(super) async fn mark_sent(
        &self, id: &str, outcome: &MailOutcome, wall: DateTime<Utc>,
    ) -> StoreResult<()> {
        // A mail whose account was closed meanwhile stays dropped, unless it was sent after all.
        let query = match outcome {
            MailOutcome::Sent => sqlx::query(
                "UPDATE outbox SET state = 'sent', sent_at_us = ?2, attempts = attempts + 1,
                     last_error = NULL
                 WHERE id = ?1",
            )
            .bind(id)
            .bind(us(wall)),
            MailOutcome::Retry { next_attempt_at, error } => sqlx::query(
                "UPDATE outbox SET next_attempt_at_us = ?2, attempts = attempts + 1,
                     last_error = ?3
                 WHERE id = ?1 AND state = 'queued'",
            )
            .bind(id)
            .bind(us(*next_attempt_at))
            .bind(error.as_str()),
            MailOutcome::Park { error } => sqlx::query(
                "UPDATE outbox SET state = 'parked', attempts = attempts + 1, last_error = ?2
                 WHERE id = ?1 AND state = 'queued'",
            )
            .bind(id)
            .bind(error.as_str()),
        };
        let mut turn = self.writer.turn().await?;
        let mut db = turn.begin().await?;
        query.execute(&mut *db).await?;
        db.commit().await
    }

    pub(super) async fn unpark_mail(&self, id: &str, wall: DateTime<Utc>) -> StoreResult<bool> {
        let sql = "UPDATE outbox SET state = 'queued', next_attempt_at_us = ?2
                   WHERE id = ?1 AND state = 'parked'";
        let mut turn = self.writer.turn().await?;
        let mut db = turn.begin().await?;
        let done = sqlx::query(sql).bind(id).bind(us(wall)).execute(&mut *db).await?;
        db.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    pub(super) async fn list_mails(
        &self, state: Option<MailState>, page: &PageQuery,
    ) -> StoreResult<Page<StoredMail>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM outbox
             WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR id < ?2)
             ORDER BY id DESC LIMIT ?3"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(state.map(state_text))
            .bind(page.cursor.as_deref())
            .bind(page.fetched())
            .fetch_all(&self.reader)
            .await?;
        let mails = rows.iter().map(read).collect::<StoreResult<Vec<_>>>()?;
        Ok(crate::store::page::page(mails, page, |mail| mail.id.clone()))
    }
}
