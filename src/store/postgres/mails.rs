//! The outbox: mails promised by batches, claimed and marked by those who send them.

use super::PostgresStore;
use crate::store::page::page;
use crate::store::row::count;
use crate::store::row::events::read_trace;
use crate::store::row::mails::{read_state, read_template, state_text};
use crate::store::row::people::kind;
use crate::store::{MailOutcome, MailState, Page, PageQuery, StoreResult, StoredMail};
use chrono::{DateTime, Utc};
use creditd_rules::Amount;
use creditd_rules::command::Mail;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

macro_rules! with_columns {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " outbox.id, workspace, account, template, recipient, name, locale, kind, spendable_uc,
                allowance_uc, resets_at, created_at, state, attempts, next_attempt_at, last_error,
                sent_at, trace ",
            $after
        )
    };
}

/// Picks and claims in one statement, and passes by what another daemon is claiming, so that two of
/// them never get the same mail.
pub(super) const CLAIM: &str = with_columns!(
    "WITH due AS MATERIALIZED (
         SELECT bucket, id FROM outbox WHERE state = 'queued' AND next_attempt_at <= $1
         ORDER BY next_attempt_at, id LIMIT $3
         FOR UPDATE SKIP LOCKED)
     UPDATE outbox SET next_attempt_at = $2
     FROM due WHERE outbox.bucket = due.bucket AND outbox.id = due.id
     RETURNING",
    ""
);

fn read(row: &PgRow) -> StoreResult<StoredMail> {
    let text = |column| row.try_get::<&str, _>(column);
    Ok(StoredMail {
        id: row.try_get("id")?,
        workspace: text("workspace")?.into(),
        mail: Mail {
            template: read_template(text("template")?)?,
            account: text("account")?.into(),
            to: row.try_get("recipient")?,
            name: row.try_get("name")?,
            locale: row.try_get("locale")?,
            kind: kind(text("kind")?)?,
            spendable: Amount::from_micros(row.try_get("spendable_uc")?),
            allowance: Amount::from_micros(row.try_get("allowance_uc")?),
            resets_at: row.try_get("resets_at")?,
        },
        created_at: row.try_get("created_at")?,
        state: read_state(text("state")?)?,
        attempts: count("a number of attempts", row.try_get::<i32, _>("attempts")?.into())?,
        next_attempt_at: row.try_get("next_attempt_at")?,
        last_error: row.try_get("last_error")?,
        sent_at: row.try_get("sent_at")?,
        trace: read_trace(row.try_get("trace")?),
    })
}

/// The bucket of a mail, which the last two digits of its id are; none where it can be no mail's.
fn bucket_of(id: &str) -> Option<i16> {
    let digits = id.len().checked_sub(2).and_then(|start| id.get(start..))?;
    let hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u8::from_str_radix(digits, 16).ok().filter(|_| hexadecimal).map(i16::from)
}

impl PostgresStore {
    pub(super) async fn claim(
        &self, wall: DateTime<Utc>, lease: DateTime<Utc>, limit: u32,
    ) -> StoreResult<Vec<StoredMail>> {
        let mut db = self.session().await?;
        let rows = sqlx::query(CLAIM)
            .bind(wall)
            .bind(lease)
            .bind(i64::from(limit))
            .fetch_all(&mut *db)
            .await
            .map_err(|error| db.meaning(error))?;
        db.commit().await?;
        let mut mails = rows.iter().map(read).collect::<StoreResult<Vec<_>>>()?;
        mails.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(mails)
    }

    pub(super) async fn next_mail(&self) -> StoreResult<Option<DateTime<Utc>>> {
        let mut db = self.session().await?;
        let sql = "SELECT min(next_attempt_at) FROM outbox WHERE state = 'queued'";
        Ok(sqlx::query_scalar(sql).fetch_one(&mut *db).await?)
    }

    pub(super) async fn mark_sent(
        &self, id: &str, outcome: &MailOutcome, wall: DateTime<Utc>,
    ) -> StoreResult<()> {
        let Some(bucket) = bucket_of(id) else { return Ok(()) };
        // A mail whose account was closed meanwhile stays dropped, unless it was sent after all.
        let query = match outcome {
            MailOutcome::Sent => sqlx::query(
                "UPDATE outbox SET state = 'sent', sent_at = $3, attempts = attempts + 1,
                     last_error = NULL
                 WHERE bucket = $1 AND id = $2",
            )
            .bind(bucket)
            .bind(id)
            .bind(wall),
            MailOutcome::Retry { next_attempt_at, error } => sqlx::query(
                "UPDATE outbox SET next_attempt_at = $3, attempts = attempts + 1, last_error = $4
                 WHERE bucket = $1 AND id = $2 AND state = 'queued'",
            )
            .bind(bucket)
            .bind(id)
            .bind(*next_attempt_at)
            .bind(error.as_str()),
            MailOutcome::Park { error } => sqlx::query(
                "UPDATE outbox SET state = 'parked', attempts = attempts + 1, last_error = $3
                 WHERE bucket = $1 AND id = $2 AND state = 'queued'",
            )
            .bind(bucket)
            .bind(id)
            .bind(error.as_str()),
        };
        self.write_alone(query).await?;
        Ok(())
    }

    pub(super) async fn unpark_mail(&self, id: &str, wall: DateTime<Utc>) -> StoreResult<bool> {
        let Some(bucket) = bucket_of(id) else { return Ok(false) };
        let sql = "UPDATE outbox SET state = 'queued', next_attempt_at = $3
                   WHERE bucket = $1 AND id = $2 AND state = 'parked'";
        let query = sqlx::query(sql).bind(bucket).bind(id).bind(wall);
        Ok(self.write_alone(query).await? > 0)
    }

    pub(super) async fn list_mails(
        &self, state: Option<MailState>, asked: &PageQuery,
    ) -> StoreResult<Page<StoredMail>> {
        let sql = with_columns!(
            "SELECT",
            "FROM outbox WHERE ($1 IS NULL OR state = $1) AND ($2 IS NULL OR id < $2)
             ORDER BY id DESC LIMIT $3"
        );
        let mut db = self.session().await?;
        let rows = sqlx::query(sql)
            .bind(state.map(state_text))
            .bind(asked.cursor.as_deref())
            .bind(asked.fetched())
            .fetch_all(&mut *db)
            .await?;
        let mails = rows.iter().map(read).collect::<StoreResult<Vec<_>>>()?;
        Ok(page(mails, asked, |mail| mail.id.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::bucket_of;

    #[test]
    fn a_mail_lies_where_its_id_ends() {
        assert_eq!(bucket_of("01936b1c-0000-7000-8000-0000000000ff"), Some(255));
        assert_eq!(bucket_of("07"), Some(7));
        for none in ["", "x", "é", "+7", "01936b1c-é"] {
            assert_eq!(bucket_of(none), None, "{none}");
        }
    }
}
