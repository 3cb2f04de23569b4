//! What happens by itself: each at its own instant, in order, however far the clock is moved.

use super::{Job, Stripe};
use crate::calendar::Instant;
use crate::event::Subject;
use crate::fault::Fault;
use crate::object::invoice::Reason;
use crate::object::subscription::{MissingPayment, Paused};
use crate::object::{Item, Status, Subscription, TestClock};
use chrono::{SubsecRound, TimeDelta};
use std::sync::Arc;

/// How long before the end of a trial it is announced.
pub(super) const TRIAL_NOTICE: TimeDelta = TimeDelta::days(3);

/// How long the first payment may take.
const FIRST_PAYMENT_TIME: TimeDelta = TimeDelta::hours(23);

impl Stripe {
    /// Moves the clock on to an instant, through all that happens by itself until then. An instant
    /// that has passed changes nothing.
    pub fn advance_to(&mut self, to: Instant) {
        let to = to.trunc_subsecs(0);
        while let Some((at, job)) = self.take_due(None, to) {
            self.now = self.now.max(at);
            self.run(at, &job);
        }
        self.now = self.now.max(to);
    }

    /// Moves the clock on.
    pub fn advance(&mut self, by: TimeDelta) {
        self.advance_to(self.now + by);
    }

    /// When something next happens by itself under the fake's own clock; none where nothing does.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.agenda.get(&None)?.first().map(|(at, _)| *at)
    }

    /// Moves a test clock on.
    ///
    /// # Errors
    /// When it is not there, or stands later.
    pub fn advance_test_clock(&mut self, id: &str, to: Instant) -> Result<Arc<TestClock>, Fault> {
        let clock = self.test_clocks.get_mut(id).ok_or_else(|| Fault::missing("testclock", id))?;
        if to <= clock.frozen_time {
            let message = "Cannot advance a test clock to the past.";
            return Err(Fault::param("frozen_time", message));
        }
        let advancing = TestClock { is_advancing: true, ..clock.clone() };
        let subject = Subject::TestClock(Arc::new(advancing));
        self.emit(self.now, "test_helpers.test_clock.advancing", subject, None);
        while let Some((at, job)) = self.take_due(Some(id), to) {
            self.set_test_clock(id, at);
            self.run(at, &job);
        }
        self.set_test_clock(id, to);
        let clock = self.test_clocks.get(id).cloned();
        let clock = clock.ok_or_else(|| Fault::missing("testclock", id))?;
        let subject = Subject::TestClock(Arc::clone(&clock));
        self.emit(self.now, "test_helpers.test_clock.ready", subject, None);
        Ok(clock)
    }

    fn set_test_clock(&mut self, id: &str, at: Instant) {
        if let Some(clock) = self.test_clocks.get_mut(id) {
            clock.frozen_time = clock.frozen_time.max(at);
        }
    }

    fn take_due(&mut self, clock: Option<&str>, to: Instant) -> Option<(Instant, Job)> {
        let agenda = self.agenda.get_mut(&clock.map(str::to_owned))?;
        if agenda.first()?.0 > to {
            return None;
        }
        let (at, job) = agenda.pop_first()?;
        self.due.remove(&job);
        Some((at, job))
    }

    fn run(&mut self, at: Instant, job: &Job) {
        match job {
            Job::Subscription(id) => self.subscription_due(at, id),
            Job::Schedule(id) => self.schedule_due(at, id),
            Job::Invoice(id) => self.invoice_due(at, id),
        }
    }

    /// Plans when a subscription is next due.
    pub(super) fn plan_subscription(&mut self, id: &str) {
        let Some(sub) = self.subscriptions.get(id).cloned() else { return };
        let at = self.subscription_next(&sub);
        self.plan(Job::Subscription(id.to_owned()), sub.test_clock.as_deref(), at);
    }

    fn subscription_next(&self, sub: &Subscription) -> Option<Instant> {
        let mut instants = Vec::with_capacity(8);
        if sub.status.is_final() {
            return None;
        }
        let late = |at: Instant| at + self.settings.lag;
        instants.extend(sub.cancel_at.map(late));
        if sub.status == Status::Incomplete {
            instants.push(sub.created + FIRST_PAYMENT_TIME);
        }
        instants.extend(sub.pending_update.as_ref().map(|pending| pending.expires_at));
        if sub.status.renews() {
            instants.extend(sub.items.iter().map(|item| late(item.period_end)));
            instants.extend(sub.pause_collection.and_then(|pause| pause.resumes_at));
            let schedule = sub.schedule.as_deref().and_then(|id| self.schedules.get(id));
            instants.extend(schedule.and_then(|schedule| Some(late(schedule.current?.1))));
        }
        if sub.in_trial() {
            instants.extend(sub.trial_end.map(late));
            let notice = sub.trial_end.map(|end| end - TRIAL_NOTICE);
            instants.extend(notice.filter(|_| !sub.trial_end_told));
        }
        instants.into_iter().min()
    }

    /// All that an instant means for a subscription, told as one change where it is one.
    fn subscription_due(&mut self, at: Instant, id: &str) {
        let Some(found) = self.subscriptions.get(id).cloned() else { return };
        let mut sub = Subscription::clone(&found);
        if sub.status == Status::Incomplete && sub.created + FIRST_PAYMENT_TIME <= at {
            return self.expire(at, sub);
        }
        if sub.cancel_at.is_some_and(|end| end <= at) {
            return self.end(at, id, "cancellation_requested");
        }
        if sub.pending_update.as_ref().is_some_and(|pending| pending.expires_at <= at) {
            return self.expire_update(at, sub);
        }
        if sub.pause_collection.and_then(|pause| pause.resumes_at).is_some_and(|end| end <= at) {
            sub.pause_collection = None;
        }
        let turned = self.turn_phase(at, &mut sub);
        if turned.ends_subscription {
            return self.finish_schedule(at, &turned, id);
        }
        if self.announces_trial_end(at, &mut sub) {
            self.subscriptions.put(sub.clone());
            self.tell_subscription(at, "customer.subscription.trial_will_end", id);
        }
        let mut paused = false;
        let mut renewed = Vec::new();
        if sub.in_trial() && sub.trial_end.is_some_and(|end| end <= at) {
            match self.after_trial(&sub) {
                MissingPayment::CreateInvoice => {
                    sub.status = Status::Active;
                    sub.lay_periods(at, sub.trial_end.unwrap_or(at));
                    renewed.clone_from(&sub.items);
                }
                MissingPayment::Cancel => return self.end(at, id, "cancellation_requested"),
                MissingPayment::Pause => {
                    sub.status = Status::Paused;
                    let reason = "trial_end_without_payment_method";
                    sub.paused = Some(Paused { at, reason });
                    paused = true;
                }
            }
        } else if sub.status.renews() {
            renewed = renew(&mut sub, at);
        }
        let lines: Vec<_> = renewed.iter().map(|item| self.line(item, item.amount())).collect();
        let invoice = (!lines.is_empty()).then(|| self.draft(at, &mut sub, Reason::Cycle, lines));
        self.store(at, sub);
        if paused {
            self.tell_subscription(at, "customer.subscription.paused", id);
        }
        self.finish_schedule(at, &turned, id);
        if let Some(invoice) = invoice {
            self.leave_draft(at, &invoice);
        }
    }

    fn announces_trial_end(&self, at: Instant, sub: &mut Subscription) -> bool {
        let due = super::subscribe::is_short_trial(sub, at) && !sub.trial_end_told;
        sub.trial_end_told |= due;
        due && sub.trial_end.is_some_and(|end| end > at)
    }

    fn expire(&mut self, at: Instant, mut sub: Subscription) {
        sub.status = Status::IncompleteExpired;
        sub.ended_at = Some(at);
        let invoice = sub.latest_invoice.clone();
        self.store(at, sub);
        if let Some(invoice) = invoice {
            self.void(at, &invoice);
        }
    }

    fn expire_update(&mut self, at: Instant, mut sub: Subscription) {
        let Some(pending) = sub.pending_update.take() else { return };
        let sub = self.store(at, sub);
        self.tell_subscription(at, "customer.subscription.pending_update_expired", &sub.id);
        self.void(at, &pending.invoice);
    }
}

/// Begins the next period of each item whose period is over.
fn renew(sub: &mut Subscription, at: Instant) -> Vec<Item> {
    let anchor = sub.anchor;
    let over = sub.items.iter_mut().filter(|item| item.period_end <= at);
    let renewed = over.map(|item| {
        item.period_start = item.period_end;
        item.period_end = anchor.boundary_after(item.price.interval(), item.period_start);
        item.clone()
    });
    renewed.collect()
}
