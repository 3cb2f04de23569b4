//! Subscription schedules.

use super::subscribe::FirstBill;
use super::{Job, Stripe};
use crate::calendar::{Anchor, Instant};
use crate::event::Subject;
use crate::fault::Fault;
use crate::object::schedule::{Phase, PhaseItem, ScheduleStatus};
use crate::object::{Item, Schedule, Subscription};
use crate::request::{
    Cancellation, NewPhase, NewSchedule, NewSubscription, PhaseLength, Proration, ScheduleChange,
    When, merge,
};
use std::sync::Arc;

/// What the turn of a phase means beyond the items.
#[derive(Debug, Default)]
pub(super) struct Turn {
    schedule: Option<(String, Arc<Schedule>)>,
    pub(super) ends_subscription: bool,
    is_over: bool,
}

impl Stripe {
    /// Makes a schedule, from a running subscription or for one that it begins.
    ///
    /// # Errors
    /// When what it names is not there, or its phases do not follow each other.
    pub fn create_schedule(&mut self, new: NewSchedule) -> Result<Arc<Schedule>, Fault> {
        if let Some(subscription) = new.from_subscription.clone() {
            return self.take_over(&subscription, &new);
        }
        let customer = new.customer.as_deref().ok_or_else(|| Fault::required("customer"))?;
        let customer = self.live_customer("customer", customer)?;
        let now = self.now_of(customer.test_clock.as_deref());
        let start = match new.start {
            Some(When::At(at)) => at,
            Some(When::Now) | None => now,
        };
        let phases = self.phases(&new.phases, start, Anchor::at(start))?;
        let schedule = Schedule {
            id: self.seed.id("sub_sched"),
            created: now,
            customer: customer.id.clone(),
            subscription: None,
            released_subscription: None,
            status: ScheduleStatus::NotStarted,
            phases,
            cancels_at_end: new.cancels_at_end,
            canceled_at: None,
            completed_at: None,
            released_at: None,
            current: None,
            metadata: new.metadata,
            test_clock: customer.test_clock.clone(),
        };
        let id = self.schedules.put(schedule).id.clone();
        self.tell_schedule(now, "subscription_schedule.created", &id, None);
        if start <= now {
            self.begin_schedule(now, &id)?;
        } else {
            self.plan(Job::Schedule(id.clone()), customer.test_clock.as_deref(), Some(start));
        }
        self.found_schedule(&id)
    }

    /// A schedule whose first phase is what runs.
    fn take_over(&mut self, id: &str, new: &NewSchedule) -> Result<Arc<Schedule>, Fault> {
        let sub = self.found_subscription(id)?;
        if let Some(schedule) = &sub.schedule {
            let message =
                format!("The subscription is already attached to the schedule {schedule}.");
            return Err(Fault::param("from_subscription", message));
        }
        let now = self.now_of(sub.test_clock.as_deref());
        let start = sub.items.iter().map(|item| item.period_start).min().unwrap_or(now);
        let items = sub
            .items
            .iter()
            .map(|item| PhaseItem { price: Arc::clone(&item.price), quantity: item.quantity });
        let running = Phase {
            start,
            end: sub.period_end().unwrap_or(now),
            items: items.collect(),
            trial_end: sub.trial_end.filter(|_| sub.in_trial()),
            moves_anchor: false,
            proration: "create_prorations",
            metadata: Default::default(),
        };
        let schedule = Schedule {
            id: self.seed.id("sub_sched"),
            created: now,
            customer: sub.customer.clone(),
            subscription: Some(id.to_owned()),
            released_subscription: None,
            status: ScheduleStatus::Active,
            current: Some((running.start, running.end)),
            phases: vec![running],
            cancels_at_end: new.cancels_at_end,
            canceled_at: None,
            completed_at: None,
            released_at: None,
            metadata: new.metadata.clone(),
            test_clock: sub.test_clock.clone(),
        };
        let schedule = self.schedules.put(schedule);
        self.tell_schedule(now, "subscription_schedule.created", &schedule.id, None);
        self.edit(now, id, |sub| sub.schedule = Some(schedule.id.clone()));
        Ok(schedule)
    }

    /// The phases one after another, from `start` on.
    fn phases(
        &self, wanted: &[NewPhase], start: Instant, anchor: Anchor,
    ) -> Result<Vec<Phase>, Fault> {
        let mut phases: Vec<Phase> = Vec::with_capacity(wanted.len());
        for new in wanted {
            let given = match new.start {
                Some(When::At(at)) => Some(at),
                Some(When::Now) | None => None,
            };
            let start = phases.last().map(|phase| phase.end).or(given).unwrap_or(start);
            let mut items = Vec::with_capacity(new.items.len());
            for item in &new.items {
                let price = item.price.as_deref().ok_or_else(|| Fault::required("price"))?;
                let price = self.recurring_price(price)?;
                let quantity = (!price.is_metered()).then(|| item.quantity.unwrap_or(1));
                items.push(PhaseItem { price, quantity });
            }
            let Some(first) = items.first() else {
                return Err(Fault::required("phases[0][items]"));
            };
            let counted = if new.moves_anchor { Anchor::at(start) } else { anchor };
            let end = match new.length {
                PhaseLength::Until(end) => end,
                PhaseLength::Lasting(interval) => Anchor::at(start).boundary(interval, 1),
                PhaseLength::Iterations(times) => (0..times)
                    .fold(start, |end, _| counted.boundary_after(first.price.interval(), end)),
            };
            if end <= start {
                let message = "A phase must end after it starts.";
                return Err(Fault::param("phases", message));
            }
            let trial_end = new.trial_end.or(Some(end).filter(|_| new.is_trial));
            let proration = proration(new.proration);
            let (moves_anchor, metadata) = (new.moves_anchor, new.metadata.clone());
            phases.push(Phase { start, end, items, trial_end, moves_anchor, proration, metadata });
        }
        if phases.is_empty() {
            return Err(Fault::required("phases"));
        }
        Ok(phases)
    }

    /// The first phase begins, and with it a subscription.
    pub(super) fn schedule_due(&mut self, at: Instant, id: &str) {
        // A price or a customer that went in the meantime leaves the schedule as it is.
        self.begin_schedule(at, id).ok();
    }

    fn begin_schedule(&mut self, now: Instant, id: &str) -> Result<(), Fault> {
        let schedule = self.found_schedule(id)?;
        let Some(phase) = schedule.phase_at(now).or(schedule.phases.first()).cloned() else {
            return Ok(());
        };
        let items = phase.items.iter().map(|item| crate::request::ItemChange {
            price: Some(item.price.id.clone()),
            quantity: item.quantity,
            ..Default::default()
        });
        let new = NewSubscription {
            customer: schedule.customer.clone(),
            items: items.collect(),
            metadata: phase.metadata.clone(),
            trial_end: phase.trial_end.map(When::At),
            backdate: Some(phase.start).filter(|start| *start < now),
            ..NewSubscription::default()
        };
        let subscription = self.subscribe(&new, FirstBill::Drafted)?;
        let before = self.found_schedule(id)?;
        self.edit_schedule(id, |schedule| {
            schedule.subscription = Some(subscription.id.clone());
            schedule.status = ScheduleStatus::Active;
            schedule.current = Some((phase.start, phase.end));
        });
        self.edit(now, &subscription.id, |sub| sub.schedule = Some(id.to_owned()));
        self.tell_schedule(now, "subscription_schedule.updated", id, Some(before));
        Ok(())
    }

    /// Where the running phase is over, applies the next one to the subscription.
    pub(super) fn turn_phase(&mut self, at: Instant, sub: &mut Subscription) -> Turn {
        let Some(id) = sub.schedule.clone() else { return Turn::default() };
        let Some(schedule) = self.schedules.get(&id).cloned() else { return Turn::default() };
        if schedule.current.is_none_or(|(_, end)| end > at) {
            return Turn::default();
        }
        let mut turn = Turn { schedule: Some((id, Arc::clone(&schedule))), ..Turn::default() };
        let Some(phase) = schedule.phase_at(at) else {
            turn.is_over = true;
            turn.ends_subscription = schedule.cancels_at_end;
            if !turn.ends_subscription {
                sub.schedule = None;
            }
            return turn;
        };
        sub.items = self.items_of_phase(at, sub, phase);
        sub.metadata.extend(phase.metadata.clone());
        if phase.moves_anchor {
            sub.move_anchor(phase.start);
            sub.lay_periods(at, at);
        }
        turn
    }

    /// An item whose price goes on keeps its id; others are new.
    fn items_of_phase(&mut self, at: Instant, sub: &Subscription, phase: &Phase) -> Vec<Item> {
        let mut items = Vec::with_capacity(phase.items.len());
        for wanted in &phase.items {
            let kept = sub.items.iter().find(|item| item.price.id == wanted.price.id);
            let mut item = match kept {
                Some(item) => item.clone(),
                None => Item {
                    id: self.seed.id("si"),
                    created: at,
                    price: Arc::clone(&wanted.price),
                    quantity: None,
                    period_start: at,
                    period_end: sub.anchor.boundary_after(wanted.price.interval(), at),
                    metadata: Default::default(),
                },
            };
            if kept.is_none()
                && let Some(other) = sub.items.first()
            {
                // A period that ends now is renewed with the others, which bills it.
                let same = other.price.interval() == item.price.interval();
                if same {
                    (item.period_start, item.period_end) = (other.period_start, other.period_end);
                } else if other.period_end <= at {
                    item.period_end = at;
                }
            }
            item.quantity = wanted.quantity;
            items.push(item);
        }
        items
    }

    /// Tells of the turn of a phase, after the subscription was told of.
    pub(super) fn finish_schedule(&mut self, at: Instant, turn: &Turn, subscription: &str) {
        let Some((id, before)) = &turn.schedule else { return };
        self.edit_schedule(id, |schedule| {
            let phase = schedule.phase_at(at).map(|phase| (phase.start, phase.end));
            schedule.current = phase;
            if turn.is_over {
                schedule.status = ScheduleStatus::Completed;
                schedule.completed_at = Some(at);
            }
        });
        let kind = match turn.is_over {
            true => "subscription_schedule.completed",
            false => "subscription_schedule.updated",
        };
        self.tell_schedule(at, kind, id, Some(Arc::clone(before)).filter(|_| !turn.is_over));
        if turn.ends_subscription {
            if let Some(sub) = self.subscriptions.get_mut(subscription) {
                sub.schedule = None;
            }
            self.end(at, subscription, "cancellation_requested");
        } else {
            self.plan_subscription(subscription);
        }
    }

    /// Changes a schedule. New phases begin with the one that runs.
    ///
    /// # Errors
    /// When it is not there or over, or its phases do not follow each other.
    pub fn update_schedule(
        &mut self, id: &str, change: ScheduleChange,
    ) -> Result<Arc<Schedule>, Fault> {
        let before = self.live_schedule(id)?;
        let now = self.now_of(before.test_clock.as_deref());
        let sub = before.subscription.as_deref().and_then(|id| self.subscriptions.get(id)).cloned();
        let start = before.phases.first().map_or(now, |phase| phase.start);
        let anchor = sub.as_ref().map_or(Anchor::at(start), |sub| sub.anchor);
        let phases = match change.phases.as_slice() {
            [] => before.phases.clone(),
            phases => self.phases(phases, start, anchor)?,
        };
        let runs = before.status == ScheduleStatus::Active;
        self.edit_schedule(id, |schedule| {
            merge(&mut schedule.metadata, &change.metadata);
            schedule.cancels_at_end = change.cancels_at_end.unwrap_or(schedule.cancels_at_end);
            schedule.phases = phases;
            if runs {
                schedule.current = schedule.phase_at(now).map(|phase| (phase.start, phase.end));
            }
        });
        if let Some(sub) = sub.filter(|_| !change.phases.is_empty()) {
            let phase = self.found_schedule(id)?.phase_at(now).cloned();
            if let Some(phase) = phase {
                let items = self.items_of_phase(now, &sub, &phase);
                self.edit(now, &sub.id, |sub| sub.items = items);
            }
            self.plan_subscription(&sub.id);
        }
        let after = self.found_schedule(id)?;
        if after != before {
            self.tell_schedule(now, "subscription_schedule.updated", id, Some(before));
        }
        Ok(after)
    }

    /// Lets the subscription go, which stays as it is.
    ///
    /// # Errors
    /// When it is not there, or over.
    pub fn release_schedule(&mut self, id: &str) -> Result<Arc<Schedule>, Fault> {
        let schedule = self.live_schedule(id)?;
        let now = self.now_of(schedule.test_clock.as_deref());
        self.edit_schedule(id, |schedule| {
            schedule.status = ScheduleStatus::Released;
            schedule.released_at = Some(now);
            schedule.released_subscription = schedule.subscription.take();
            schedule.current = None;
        });
        self.plan(Job::Schedule(id.to_owned()), schedule.test_clock.as_deref(), None);
        self.tell_schedule(now, "subscription_schedule.released", id, None);
        if let Some(subscription) = &schedule.subscription {
            self.edit(now, subscription, |sub| sub.schedule = None);
        }
        self.found_schedule(id)
    }

    /// Ends a schedule, and its subscription with it.
    ///
    /// # Errors
    /// When it is not there, or over.
    pub fn cancel_schedule(&mut self, id: &str) -> Result<Arc<Schedule>, Fault> {
        let schedule = self.live_schedule(id)?;
        let now = self.now_of(schedule.test_clock.as_deref());
        match &schedule.subscription {
            Some(subscription) => {
                self.cancel_subscription(subscription, Cancellation::default())?;
            }
            None => {
                self.edit_schedule(id, |schedule| {
                    schedule.status = ScheduleStatus::Canceled;
                    schedule.canceled_at = Some(now);
                });
                self.plan(Job::Schedule(id.to_owned()), schedule.test_clock.as_deref(), None);
                self.tell_schedule(now, "subscription_schedule.canceled", id, None);
            }
        }
        self.found_schedule(id)
    }

    pub(super) fn edit_schedule(&mut self, id: &str, edit: impl FnOnce(&mut Schedule)) {
        if let Some(schedule) = self.schedules.get_mut(id) {
            edit(schedule);
        }
    }

    pub(super) fn tell_schedule(
        &mut self, now: Instant, kind: &str, id: &str, before: Option<Arc<Schedule>>,
    ) {
        if let Some(schedule) = self.schedules.get(id).cloned() {
            let before = before.map(Subject::Schedule);
            self.emit(now, kind, Subject::Schedule(schedule), before);
        }
    }

    fn found_schedule(&self, id: &str) -> Result<Arc<Schedule>, Fault> {
        let found = self.schedules.get(id).cloned();
        found.ok_or_else(|| Fault::missing("subscription schedule", id))
    }

    fn live_schedule(&self, id: &str) -> Result<Arc<Schedule>, Fault> {
        let schedule = self.found_schedule(id)?;
        if schedule.status.is_live() {
            return Ok(schedule);
        }
        let status = schedule.status.as_str();
        Err(Fault::invalid(format!("The subscription schedule is {status} and cannot be changed.")))
    }
}

const fn proration(proration: Proration) -> &'static str {
    match proration {
        Proration::Create => "create_prorations",
        Proration::Invoice => "always_invoice",
        Proration::None => "none",
    }
}
