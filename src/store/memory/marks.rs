//! Marks and bookmarks in plain maps.

use super::lists::page;
use super::{Kept, MemoryStore};
use crate::clock;
use crate::store::{
    Bookmark, EventState, Mark, MarkOutcome, MarkState, Marks, ObjectRef, Page, PageQuery,
    StoreResult, StoredEvent, Waits,
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use creditd_rules::id::{CustomerId, SubscriptionId, WorkspaceId};
use std::collections::BTreeMap;

impl Kept {
    /// Makes marks dirty that wait for this; returns how many.
    pub(super) fn release_marks(&mut self, waits_for: &str) -> u64 {
        let mut released = 0;
        for mark in self.marks.values_mut() {
            if mark.state == MarkState::Waiting && mark.waits_for.as_deref() == Some(waits_for) {
                mark.state = MarkState::Dirty;
                mark.waits_for = None;
                mark.due_at = clock::wall();
                released += 1;
            }
        }
        released
    }

    pub(super) fn marks_by_state(&self) -> BTreeMap<&'static str, u64> {
        let count = |state| self.marks.values().filter(|mark| mark.state == state).count() as u64;
        let states = [MarkState::Dirty, MarkState::Waiting, MarkState::Parked];
        states.into_iter().map(|state| (state.as_str(), count(state))).collect()
    }
}

#[async_trait]
impl Marks for MemoryStore {
    async fn mark(
        &self, object: &ObjectRef, event: Option<&str>, due: DateTime<Utc>,
    ) -> StoreResult<bool> {
        let mut kept = self.lock();
        let clean = !kept.marks.contains_key(&object.id);
        let mark = kept.marks.entry(object.id.clone()).or_insert_with(|| Mark {
            object: object.clone(),
            marked: 0,
            state: MarkState::Dirty,
            due_at: due,
            attempts: 0,
            waits_for: None,
            note: None,
            marked_at: clock::wall(),
        });
        mark.marked += 1;
        if mark.state != MarkState::Dirty {
            (mark.state, mark.due_at) = (MarkState::Dirty, due);
            (mark.attempts, mark.waits_for) = (0, None);
        }
        if let Some(event) = event {
            kept.mark_event(event, EventState::Marked, None, Some(&object.id));
        }
        Ok(clean)
    }

    async fn claim_marks(
        &self, wall: DateTime<Utc>, lease: DateTime<Utc>, limit: u32,
    ) -> StoreResult<Vec<Mark>> {
        let mut kept = self.lock();
        let dirty = |mark: &&mut Mark| mark.state == MarkState::Dirty && mark.due_at <= wall;
        let mut due: Vec<&mut Mark> = kept.marks.values_mut().filter(dirty).collect();
        due.sort_by_key(|mark| (mark.due_at, mark.object.id.clone()));
        due.truncate(limit as usize);
        for mark in &mut due {
            mark.due_at = lease;
        }
        let mut claimed: Vec<Mark> = due.into_iter().map(|mark| mark.clone()).collect();
        claimed.sort_by(|a, b| a.object.cmp(&b.object));
        Ok(claimed)
    }

    async fn next_mark_at(&self) -> StoreResult<Option<DateTime<Utc>>> {
        let kept = self.lock();
        let dirty = kept.marks.values().filter(|mark| mark.state == MarkState::Dirty);
        Ok(dirty.map(|mark| mark.due_at).min())
    }

    async fn marked_events(&self, id: &str) -> StoreResult<Vec<StoredEvent>> {
        let kept = self.lock();
        let theirs = kept.events.iter().filter(|stored| {
            stored.event.state == EventState::Marked && stored.waits_for.as_deref() == Some(id)
        });
        Ok(theirs.cloned().collect())
    }

    async fn settle_mark(
        &self, seen: &Mark, outcome: &MarkOutcome, due: DateTime<Utc>,
    ) -> StoreResult<()> {
        let mut kept = self.lock();
        let Some(mark) = kept.marks.get_mut(&seen.object.id) else { return Ok(()) };
        let again = mark.marked > seen.marked;
        match outcome {
            MarkOutcome::Retry { at, note } => {
                mark.due_at = *at;
                mark.attempts += 1;
                mark.note = Some(note.clone());
            }
            _ if again => (mark.due_at, mark.attempts) = (due, 0),
            MarkOutcome::Applied => drop(kept.marks.remove(&seen.object.id)),
            MarkOutcome::Waits(on) => {
                (mark.state, mark.waits_for) = (MarkState::Waiting, Some(on.clone()));
                mark.note = None;
            }
            MarkOutcome::Parked(note) => {
                (mark.state, mark.waits_for) = (MarkState::Parked, None);
                mark.note = Some(note.clone());
            }
        }
        Ok(())
    }

    async fn mark_of(&self, id: &str) -> StoreResult<Option<Mark>> {
        Ok(self.lock().marks.get(id).cloned())
    }

    async fn marks(&self, asked: &PageQuery) -> StoreResult<Page<Mark>> {
        let kept = self.lock();
        Ok(page(kept.marks.values().cloned(), asked, |mark| mark.object.id.clone()))
    }

    async fn waits(&self) -> StoreResult<Vec<Waits>> {
        let kept = self.lock();
        let mut waits: BTreeMap<String, Waits> = BTreeMap::new();
        let mut add = |on: &Option<String>, received_at: Option<DateTime<Utc>>| {
            let Some(on) = on else { return };
            let none = Waits { waits_for: on.clone(), events: 0, marks: 0, oldest: None };
            let waits = waits.entry(on.clone()).or_insert(none);
            match received_at {
                Some(at) => {
                    waits.events += 1;
                    waits.oldest = Some(waits.oldest.map_or(at, |oldest| oldest.min(at)));
                }
                None => waits.marks += 1,
            }
        };
        for stored in kept.events.iter().filter(|kept| kept.event.state == EventState::Waiting) {
            add(&stored.waits_for, Some(stored.event.received_at));
        }
        for mark in kept.marks.values().filter(|mark| mark.state == MarkState::Waiting) {
            add(&mark.waits_for, None);
        }
        Ok(waits.into_values().collect())
    }

    async fn customers(&self, asked: &PageQuery) -> StoreResult<Page<(CustomerId, WorkspaceId)>> {
        let rows = self.lock().customers.clone();
        Ok(page(rows, asked, |(id, _)| id.to_string()))
    }

    async fn subscriptions(
        &self, asked: &PageQuery,
    ) -> StoreResult<Page<(SubscriptionId, WorkspaceId)>> {
        let kept = self.lock();
        let mut rows = BTreeMap::new();
        for whole in kept.workspaces.values() {
            rows.extend(whole.subscriptions.keys().map(|id| (id.clone(), whole.id.clone())));
        }
        Ok(page(rows, asked, |(id, _)| id.to_string()))
    }

    async fn bookmark(&self, name: &str) -> StoreResult<Option<Bookmark>> {
        Ok(self.lock().bookmarks.get(name).map(|(bookmark, _)| bookmark.clone()))
    }

    async fn set_bookmark(
        &self, name: &str, value: Option<&str>, wall: DateTime<Utc>,
    ) -> StoreResult<()> {
        let bookmark = Bookmark { value: value.map(str::to_owned), set_at: wall };
        let mut kept = self.lock();
        match kept.bookmarks.get_mut(name) {
            Some((held, _)) => *held = bookmark,
            None => {
                let free = (bookmark, DateTime::UNIX_EPOCH);
                kept.bookmarks.insert(name.to_owned(), free);
            }
        }
        Ok(())
    }

    async fn lease_bookmark(
        &self, name: &str, wall: DateTime<Utc>, lease: DateTime<Utc>,
    ) -> StoreResult<bool> {
        let mut kept = self.lock();
        let new = (Bookmark { value: None, set_at: wall }, DateTime::UNIX_EPOCH);
        let (_, leased_until) = kept.bookmarks.entry(name.to_owned()).or_insert(new);
        let free = *leased_until <= wall || lease <= wall;
        if free {
            *leased_until = lease;
        }
        Ok(free)
    }
}
