//! The inbox, the outbox, and what is forgotten.

use super::Kept;
use crate::clock;
use crate::store::{Depths, EventState, MailOutcome, MailState, NewEvent, StoredEvent, StoredMail};
use chrono::{DateTime, Utc};
use std::sync::Arc;

impl Kept {
    pub(super) fn keep_event(&mut self, event: &NewEvent) -> bool {
        if self.events.iter().any(|kept| kept.event.id == event.id) {
            return false;
        }
        let arrival = self.events.last().map_or(1, |last| last.arrival + 1);
        let handled_at = Some(event.received_at).filter(|_| event.state != EventState::Pending);
        Arc::make_mut(&mut self.events).push(StoredEvent {
            event: event.clone(),
            arrival,
            attempts: 0,
            waits_for: None,
            handled_at,
        });
        true
    }

    pub(super) fn mark_event(
        &mut self, id: &str, state: EventState, note: Option<&str>, waits_for: Option<&str>,
    ) {
        let events = Arc::make_mut(&mut self.events).iter_mut();
        for kept in events.filter(|kept| kept.event.id == id) {
            kept.event.state = state;
            kept.event.note = note.map(str::to_owned);
            kept.waits_for = waits_for.map(str::to_owned);
            kept.attempts += 1;
            kept.handled_at = Some(clock::wall());
        }
    }

    pub(super) fn release(&mut self, waits_for: &str) -> u64 {
        let mut released = 0;
        for kept in Arc::make_mut(&mut self.events) {
            let waits = kept.event.state == EventState::Waiting;
            if waits && kept.waits_for.as_deref() == Some(waits_for) {
                kept.event.state = EventState::Pending;
                kept.waits_for = None;
                released += 1;
            }
        }
        released
    }

    pub(super) fn claim_mails(
        &mut self, wall: DateTime<Utc>, lease: DateTime<Utc>, limit: u32,
    ) -> Vec<StoredMail> {
        let mut due: Vec<&mut StoredMail> = self
            .mails
            .iter_mut()
            .filter(|mail| mail.state == MailState::Queued && mail.next_attempt_at <= wall)
            .collect();
        due.sort_by_key(|mail| (mail.next_attempt_at, mail.id.clone()));
        due.truncate(limit as usize);
        for mail in &mut due {
            mail.next_attempt_at = lease;
        }
        let mut claimed: Vec<StoredMail> = due.into_iter().map(|mail| mail.clone()).collect();
        claimed.sort_by(|a, b| a.id.cmp(&b.id));
        claimed
    }

    pub(super) fn mark_mail(&mut self, id: &str, outcome: &MailOutcome, wall: DateTime<Utc>) {
        let Some(mail) = self.mails.iter_mut().find(|mail| mail.id == id) else { return };
        let queued = mail.state == MailState::Queued;
        match outcome {
            MailOutcome::Sent => {
                mail.state = MailState::Sent;
                mail.sent_at = Some(wall);
                mail.last_error = None;
            }
            MailOutcome::Retry { next_attempt_at, error } if queued => {
                mail.next_attempt_at = *next_attempt_at;
                mail.last_error = Some(error.clone());
            }
            MailOutcome::Park { error } if queued => {
                mail.state = MailState::Parked;
                mail.last_error = Some(error.clone());
            }
            // Its account was closed meanwhile.
            MailOutcome::Retry { .. } | MailOutcome::Park { .. } => return,
        }
        mail.attempts += 1;
    }

    pub(super) fn retry_mail(&mut self, id: &str, wall: DateTime<Utc>) -> bool {
        let parked = |mail: &&mut StoredMail| mail.id == id && mail.state == MailState::Parked;
        let Some(mail) = self.mails.iter_mut().find(parked) else { return false };
        mail.state = MailState::Queued;
        mail.next_attempt_at = wall;
        true
    }

    pub(super) fn depths(&self) -> Depths {
        let events = |state| self.events.iter().filter(move |kept| kept.event.state == state);
        let mails = |state| self.mails.iter().filter(move |mail| mail.state == state);
        let count = |number: usize| number as u64;
        Depths {
            inbox: [
                ("pending", count(events(EventState::Pending).count())),
                ("waiting", count(events(EventState::Waiting).count())),
                ("parked", count(events(EventState::Parked).count())),
            ]
            .into(),
            inbox_oldest: events(EventState::Pending).map(|kept| kept.event.received_at).next(),
            marks: self.marks_by_state(),
            outbox: [
                ("queued", count(mails(MailState::Queued).count())),
                ("parked", count(mails(MailState::Parked).count())),
            ]
            .into(),
            outbox_oldest: mails(MailState::Queued).map(|mail| mail.created_at).min(),
        }
    }

    pub(super) fn prune(&mut self, answers: DateTime<Utc>, handled: DateTime<Utc>) -> u64 {
        let rows = |kept: &Self| kept.answers.len() + kept.events.len() + kept.mails.len();
        let before = rows(self);
        self.answers.retain(|_, (_, kept_at)| *kept_at >= answers);
        Arc::make_mut(&mut self.events).retain(|kept| {
            let closed = matches!(kept.event.state, EventState::Done | EventState::Ignored);
            !(closed && kept.handled_at.is_some_and(|at| at < handled))
        });
        self.mails.retain(|mail| {
            !(mail.state == MailState::Sent && mail.sent_at.is_some_and(|at| at < handled))
        });
        (before - rows(self)) as u64
    }
}
