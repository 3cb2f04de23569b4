//! All subscriptions, compared with ours.

use super::{LEASE, Reconcile, SyncError};
use crate::clock;
use crate::store::{ObjectRef, PageQuery, StoreError};
use crate::stripe::api::ApiError;
use crate::stripe::api::asking::Fetched;
use crate::stripe::difference::{self, Field};
use chrono::TimeDelta;
use creditd_rules::command::Source;
use creditd_rules::id::{SubscriptionId, WorkspaceId};
use creditd_rules::state;
use std::collections::{BTreeMap, HashSet};
use tracing::warn;

/// The name under which it is kept how far the list was read.
pub(super) const BOOKMARK: &str = "sync";

/// A comparison that was cut off is continued for so long; then it begins anew.
const RESUMED_WITHIN: TimeDelta = TimeDelta::days(1);

/// Rows of one page of ours.
const PAGE: u32 = 500;

/// What a comparison is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// What differs is marked, to be fetched and applied.
    Heal,
    /// Nothing is changed.
    DryRun,
}

/// What a comparison comes across.
#[derive(Debug, Clone)]
pub enum Found {
    /// So many subscriptions of Stripe's were looked at so far.
    Seen(u64),
    /// One that differs.
    Differs {
        /// Stripe's id.
        id: String,
        /// All its fields, ours beside Stripe's.
        fields: Vec<Field>,
        /// The kinds of difference: `new`, `missing`, or the names of fields.
        kinds: Vec<&'static str>,
    },
    /// One that cannot be read, and why.
    Unreadable {
        /// Stripe's id; empty where not even that can be read.
        id: String,
        /// Why.
        why: String,
    },
}

/// What came of a comparison.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// How many of Stripe's subscriptions were looked at.
    pub seen: u64,
    /// How many differ.
    pub differing: u64,
    /// How often each kind of difference was found.
    pub kinds: BTreeMap<&'static str, u64>,
    /// How many could not be read.
    pub unreadable: u64,
    /// It went on where an earlier one was cut off.
    pub resumed: bool,
    /// Those that were marked.
    pub marked: Vec<String>,
}

impl Reconcile {
    /// Compares all of Stripe's subscriptions with ours, page by page; `found` is told what there
    /// is. Where it is cut off, the next one goes on from there.
    ///
    /// One that we do not know and that is over is left out: it would bring nothing.
    ///
    /// # Errors
    /// When Stripe or the store cannot be read; what was marked stays so.
    pub async fn compare_all(
        &self, mode: Mode, found: &mut (dyn FnMut(Found) + Send),
    ) -> Result<Report, SyncError> {
        let store = &self.inbox.store;
        let mut report = Report::default();
        let mut ids = HashSet::new();
        let mut after = self.resumed_from(mode).await?;
        report.resumed = after.is_some();
        loop {
            let page = match self.stripe()?.subscriptions(after.as_deref()).await {
                Ok(page) => page,
                Err(ApiError::Missing) if after.is_some() => {
                    // Where it was cut off is gone.
                    after = None;
                    continue;
                }
                Err(cause) => return Err(cause.into()),
            };
            for json in page.objects {
                report.seen = report.seen.saturating_add(1);
                self.compare(json, mode, &mut ids, &mut report, found).await?;
            }
            found(Found::Seen(report.seen));
            after = page.last.filter(|_| page.has_more);
            if mode == Mode::Heal {
                let now = clock::wall();
                store.set_bookmark(BOOKMARK, after.as_deref(), now).await?;
                store.lease_bookmark(BOOKMARK, now, now + LEASE).await?;
            }
            if after.is_none() {
                break;
            }
        }
        // A comparison that went on has not seen the first ones.
        if !report.resumed {
            self.find_missing(mode, &ids, &mut report, found).await?;
        }
        Ok(report)
    }

    async fn resumed_from(&self, mode: Mode) -> Result<Option<String>, StoreError> {
        if mode == Mode::DryRun {
            return Ok(None);
        }
        let bookmark = self.inbox.store.bookmark(BOOKMARK).await?;
        let oldest = clock::wall() - RESUMED_WITHIN;
        Ok(bookmark.filter(|bookmark| bookmark.set_at >= oldest).and_then(|found| found.value))
    }

    async fn compare(
        &self, json: String, mode: Mode, ids: &mut HashSet<String>, report: &mut Report,
        found: &mut (dyn FnMut(Found) + Send),
    ) -> Result<(), SyncError> {
        let fetched = match self.stripe()?.whole(json).await {
            Ok(fetched) => fetched,
            Err(cause @ (ApiError::Unreadable(_) | ApiError::Request(_) | ApiError::Missing)) => {
                warn!(%cause, "a subscription in Stripe's list cannot be read");
                report.unreadable = report.unreadable.saturating_add(1);
                found(Found::Unreadable { id: String::new(), why: cause.to_string() });
                return Ok(());
            }
            Err(cause) => return Err(cause.into()),
        };
        let id = fetched.subscription.id().clone();
        ids.insert(id.to_string());
        let (fields, kinds) = match self.beside(&fetched).await {
            Ok((fields, kinds)) => (fields, kinds),
            Err(SyncError::Api(cause)) if !cause.is_down() => {
                report.unreadable = report.unreadable.saturating_add(1);
                found(Found::Unreadable { id: id.to_string(), why: cause.to_string() });
                return Ok(());
            }
            Err(cause) => return Err(cause),
        };
        if !kinds.is_empty() {
            self.differs(&id, fields, kinds, mode, report, found).await?;
        }
        Ok(())
    }

    /// All fields of a subscription beside ours, and the kinds in which it differs.
    ///
    /// # Errors
    /// When it cannot be read, or the store cannot.
    pub async fn beside(
        &self, fetched: &Fetched,
    ) -> Result<(Vec<Field>, Vec<&'static str>), SyncError> {
        let subscription = &fetched.subscription;
        let store = &self.inbox.store;
        let home = store.workspace_of_subscription(subscription.id()).await?;
        let (now, ours) = match &home {
            Some(workspace) => self.inbox.ours(workspace, subscription.id()).await?,
            None => (store.now().await?, None),
        };
        let prices = &*self.inbox.prices;
        let snapshot =
            subscription.snapshot(prices, None, now, Source::Fetched).map_err(ApiError::from)?;
        let change = self.stripe()?.next_change(fetched.schedule.as_ref(), prices, now).await?;
        let mut fields = difference::fields(ours.as_ref(), &snapshot);
        fields.push(difference::announced(ours.as_ref(), change.as_ref()));
        let over = snapshot.status.is_some_and(state::Status::is_final);
        let kinds = match &ours {
            None if over => Vec::new(),
            ours => difference::kinds(ours.as_ref(), &fields),
        };
        Ok((fields, kinds))
    }

    async fn differs(
        &self, id: &SubscriptionId, fields: Vec<Field>, kinds: Vec<&'static str>, mode: Mode,
        report: &mut Report, found: &mut (dyn FnMut(Found) + Send),
    ) -> Result<(), StoreError> {
        report.differing = report.differing.saturating_add(1);
        for kind in &kinds {
            let count = report.kinds.entry(kind).or_default();
            *count = count.saturating_add(1);
        }
        if mode == Mode::Heal {
            let object = ObjectRef::subscription(id);
            let clean = self.inbox.store.mark(&object, None, clock::wall()).await?;
            // One that is marked already was told of, and is no drift.
            for kind in kinds.iter().filter(|_| clean) {
                self.inbox.metrics.stripe.drifted(kind);
            }
            report.marked.push(object.id);
            if let Some(stripe) = &self.inbox.stripe {
                stripe.wake.notify_one();
            }
        }
        found(Found::Differs { id: id.to_string(), fields, kinds });
        Ok(())
    }

    /// Subscriptions that we know as living and that Stripe did not list. They are asked for one
    /// by one, which alerts, and are never deleted.
    async fn find_missing(
        &self, mode: Mode, ids: &HashSet<String>, report: &mut Report,
        found: &mut (dyn FnMut(Found) + Send),
    ) -> Result<(), StoreError> {
        let mut query = PageQuery { limit: PAGE, cursor: None };
        loop {
            let page = self.inbox.store.subscriptions(&query).await?;
            for (id, workspace) in &page.rows {
                if !ids.contains(id.as_str()) && self.lives(workspace, id).await? {
                    self.differs(id, Vec::new(), vec!["missing"], mode, report, found).await?;
                }
            }
            query.cursor = page.next;
            if query.cursor.is_none() {
                return Ok(());
            }
        }
    }

    async fn lives(&self, home: &WorkspaceId, id: &SubscriptionId) -> Result<bool, StoreError> {
        let (_, ours) = self.inbox.ours(home, id).await?;
        Ok(ours.is_some_and(|ours| !ours.status.is_final()))
    }
}
