//! Subscription schedules: phases that follow each other.

use super::{Metadata, Price};
use crate::calendar::Instant;
use std::sync::Arc;

/// `status`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScheduleStatus {
    /// Its first phase lies ahead.
    NotStarted,
    /// It runs.
    Active,
    /// All phases have passed.
    Completed,
    /// The subscription was let go.
    Released,
    /// It was ended, and the subscription with it.
    Canceled,
}

impl ScheduleStatus {
    /// Stripe's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "not_started",
            Self::Active => "active",
            Self::Completed => "completed",
            Self::Released => "released",
            Self::Canceled => "canceled",
        }
    }

    /// Whether something still follows.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::NotStarted | Self::Active)
    }
}

/// What is bought in a phase.
#[derive(Debug, Clone, PartialEq)]
pub struct PhaseItem {
    /// The price.
    pub price: Arc<Price>,
    /// How many; none for a metered price.
    pub quantity: Option<u64>,
}

/// One phase.
#[derive(Debug, Clone, PartialEq)]
pub struct Phase {
    /// From when.
    pub start: Instant,
    /// Until when.
    pub end: Instant,
    /// What is bought.
    pub items: Vec<PhaseItem>,
    /// Until when it is a trial.
    pub trial_end: Option<Instant>,
    /// The anchor moves to the phase's start (`billing_cycle_anchor=phase_start`).
    pub moves_anchor: bool,
    /// `proration_behavior`
    pub proration: &'static str,
    /// Metadata that the subscription gets.
    pub metadata: Metadata,
}

/// A schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// `sub_sched_…`
    pub id: String,
    /// When it was made.
    pub created: Instant,
    /// Whose it is.
    pub customer: String,
    /// Which subscription it steers; none before its first phase.
    pub subscription: Option<String>,
    /// Which subscription it let go.
    pub released_subscription: Option<String>,
    /// Its status.
    pub status: ScheduleStatus,
    /// Its phases, in order.
    pub phases: Vec<Phase>,
    /// Whether the subscription ends with the last phase.
    pub cancels_at_end: bool,
    /// When it was ended.
    pub canceled_at: Option<Instant>,
    /// When its last phase ended.
    pub completed_at: Option<Instant>,
    /// When it let the subscription go.
    pub released_at: Option<Instant>,
    /// The start and the end of the phase that runs.
    pub current: Option<(Instant, Instant)>,
    /// Its metadata.
    pub metadata: Metadata,
    /// The test clock of its customer.
    pub test_clock: Option<String>,
}

impl Schedule {
    /// The phase that holds an instant.
    #[must_use]
    pub fn phase_at(&self, at: Instant) -> Option<&Phase> {
        self.phases.iter().find(|phase| phase.start <= at && at < phase.end)
    }

    /// When its last phase ends.
    #[must_use]
    pub fn end(&self) -> Option<Instant> {
        self.phases.last().map(|phase| phase.end)
    }
}
