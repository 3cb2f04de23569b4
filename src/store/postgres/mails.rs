//! The outbox: mails promised by batches, claimed and marked by those who send them.

use super::PostgresStore;
use crate::store::{MailOutcome, MailState, Page, PageQuery, StoreError, StoreResult, StoredMail};
use chrono::{DateTime, Utc};

impl PostgresStore {
    pub(super) async fn claim(
        &self, _wall: DateTime<Utc>, _lease: DateTime<Utc>, _limit: u32,
    ) -> StoreResult<Vec<StoredMail>> {
        Err(StoreError::Unavailable("not built".into()))
    }

    pub(super) async fn next_mail(&self) -> StoreResult<Option<DateTime<Utc>>> {
        Err(StoreError::Unavailable("not built".into()))
    }

    pub(super) async fn mark_sent(
        &self, _id: &str, _outcome: &MailOutcome, _wall: DateTime<Utc>,
    ) -> StoreResult<()> {
        Err(StoreError::Unavailable("not built".into()))
    }

    pub(super) async fn unpark_mail(&self, _id: &str, _wall: DateTime<Utc>) -> StoreResult<bool> {
        Err(StoreError::Unavailable("not built".into()))
    }

    pub(super) async fn list_mails(
        &self, _state: Option<MailState>, _page: &PageQuery,
    ) -> StoreResult<Page<StoredMail>> {
        Err(StoreError::Unavailable("not built".into()))
    }
}
