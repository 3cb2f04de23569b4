//! The queue in memory, with faults.

use crate::outbox::MailQueue;
use crate::store::{MailOutcome, MailState, StoreError, StoreResult, StoredMail};
use crate::traces::Traceparent;
use chrono::{DateTime, Utc};
use creditd_rules::command::{Mail, MailTemplate};
use creditd_rules::{Amount, Kind};
use std::sync::Mutex;

/// A store whose next calls can be made to fail.
#[derive(Default)]
pub(super) struct Fake {
    mails: Mutex<Vec<StoredMail>>,
    /// What the next calls that claim or mark answer instead.
    pub(super) faults: Mutex<Vec<StoreError>>,
}

impl Fake {
    fn fault(&self) -> StoreResult<()> {
        self.faults.lock().unwrap().pop().map_or(Ok(()), Err)
    }

    /// All mails, oldest first.
    pub(super) fn mails(&self) -> Vec<StoredMail> {
        self.mails.lock().unwrap().clone()
    }

    /// Queues a mail.
    pub(super) fn promise(&self, to: &str) {
        let at = DateTime::from_timestamp(1_772_546_709, 0).unwrap();
        let mut mails = self.mails.lock().unwrap();
        let id = format!("0199-{}", mails.len());
        mails.push(StoredMail {
            id,
            workspace: "team".into(),
            mail: Mail {
                template: MailTemplate::RunOut,
                account: "user_1".into(),
                to: to.to_owned(),
                name: Some("Ada Lovelace".to_owned()),
                locale: None,
                kind: Kind::Integration,
                spendable: Amount::ZERO,
                allowance: Amount::credits(10_000),
                resets_at: Some(at),
            },
            created_at: at,
            state: MailState::Queued,
            attempts: 0,
            next_attempt_at: at,
            last_error: None,
            sent_at: None,
            trace: None,
        });
    }
}

fn is_queued(mail: &StoredMail) -> bool {
    mail.state == MailState::Queued
}

#[async_trait::async_trait]
impl MailQueue for Fake {
    async fn claim_mails(
        &self, wall: DateTime<Utc>, lease: DateTime<Utc>, limit: u32,
    ) -> StoreResult<Vec<StoredMail>> {
        self.fault()?;
        let mut mails = self.mails.lock().unwrap();
        let mut claimed = Vec::new();
        for mail in mails.iter_mut().filter(|mail| is_queued(mail) && mail.next_attempt_at <= wall)
        {
            if claimed.len() < usize::try_from(limit).unwrap() {
                mail.next_attempt_at = lease;
                claimed.push(mail.clone());
            }
        }
        Ok(claimed)
    }

    async fn next_mail_at(&self) -> StoreResult<Option<DateTime<Utc>>> {
        let mails = self.mails.lock().unwrap();
        Ok(mails.iter().filter(|mail| is_queued(mail)).map(|mail| mail.next_attempt_at).min())
    }

    async fn mark_mail(
        &self, id: &str, outcome: &MailOutcome, wall: DateTime<Utc>,
    ) -> StoreResult<()> {
        self.fault()?;
        let mut mails = self.mails.lock().unwrap();
        let mail = mails.iter_mut().find(|mail| mail.id == id && is_queued(mail)).unwrap();
        mail.attempts += 1;
        match outcome {
            MailOutcome::Sent => {
                mail.state = MailState::Sent;
                mail.sent_at = Some(wall);
            }
            MailOutcome::Retry { next_attempt_at, error } => {
                mail.next_attempt_at = *next_attempt_at;
                mail.last_error = Some(error.clone());
            }
            MailOutcome::Park { error } => {
                mail.state = MailState::Parked;
                mail.last_error = Some(error.clone());
            }
        }
        Ok(())
    }

    async fn traces_behind(&self, _: &StoredMail) -> StoreResult<Vec<Traceparent>> {
        panic!("asked though nothing is traced");
    }
}
