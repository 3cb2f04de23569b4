//! What Stripe says, built up from a plain purchase.

use super::at;
use chrono::DateTime;
use creditd_rules::calendar::Timeline;
use creditd_rules::command::{ItemPlan, Snapshot, SnapshotItem, Source};
use creditd_rules::state::Status;
use creditd_rules::{Command, Instant};

/// A snapshot to be told.
#[derive(Debug, Clone)]
pub(crate) struct Told(pub(crate) Snapshot);

impl Told {
    /// An active subscription `sub` to one seat of a plan, bought at an instant by `buyer`.
    pub(crate) fn bought(sub: &str, plan: &str, start: &str) -> Self {
        let start = at(start);
        Self(Snapshot {
            subscription: sub.into(),
            customer: "cus".into(),
            buyer: None,
            status: Some(Status::Active),
            items: vec![item(0, plan, 1)],
            timeline: Timeline::new(start, start),
            trial_end: None,
            cancel_at: None,
            created: DateTime::UNIX_EPOCH,
            source: Source::Event { rank: 1 },
        })
    }

    pub(crate) fn by(mut self, buyer: &str) -> Self {
        self.0.buyer = Some(buyer.into());
        self
    }

    pub(crate) fn status(mut self, status: Status) -> Self {
        self.0.status = Some(status);
        self
    }

    pub(crate) fn quantity(mut self, quantity: u32) -> Self {
        self.0.items[0].quantity = quantity;
        self
    }

    pub(crate) fn plan(mut self, plan: &str) -> Self {
        self.0.items[0].plan = ItemPlan::Plan(plan.into());
        self
    }

    /// Its items: plan and quantity of each.
    pub(crate) fn items(mut self, items: &[(&str, u32)]) -> Self {
        let items = items.iter().enumerate();
        self.0.items = items.map(|(n, (plan, quantity))| item(n, plan, *quantity)).collect();
        self
    }

    pub(crate) fn anchor(mut self, anchor: &str) -> Self {
        self.0.timeline = Timeline::new(self.0.timeline.start, at(anchor));
        self
    }

    /// On trial until an instant, which is its anchor.
    pub(crate) fn trial(self, until: &str) -> Self {
        let mut told = self.anchor(until).status(Status::Trialing);
        told.0.trial_end = Some(at(until));
        told
    }

    pub(crate) fn cancel_at(mut self, end: &str) -> Self {
        self.0.cancel_at = Some(at(end));
        self
    }

    /// Asked of Stripe.
    pub(crate) fn fetched(mut self) -> Self {
        self.0.source = Source::Fetched;
        self
    }

    /// When Stripe said so, where that was not the moment it is told.
    pub(crate) fn created(mut self, created: &str) -> Self {
        self.0.created = at(created);
        self
    }

    pub(crate) fn command(&self, now: Instant) -> Command {
        let mut snapshot = self.0.clone();
        if snapshot.created == DateTime::UNIX_EPOCH {
            snapshot.created = now;
        }
        Command::Observe(snapshot)
    }
}

/// An item as Stripe has it.
pub(crate) fn item(number: usize, plan: &str, quantity: u32) -> SnapshotItem {
    SnapshotItem { id: format!("si_{number}"), plan: ItemPlan::Plan(plan.into()), quantity }
}
