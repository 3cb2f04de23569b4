//! What is remembered of a workspace.
//!
//! A value of [`Workspace`] is usually partial: it holds what a command touches. Whatever account
//! is in it is complete: its live seat and its live grants are in it too; whatever seat is in it
//! has its holder in it.

mod subscription;

pub use subscription::{AnchorMove, Item, Status, Subscription, Told, Trial};

use crate::amount::Amount;
use crate::calendar::{Cycle, Instant, Timeline, day_step};
use crate::id::{
    AccountId, ActionId, AppId, GrantId, PlanId, RewardId, SeatId, SubscriptionId, WorkspaceId,
};
use crate::plan::{Kind, Limits, PerKind};
use alloc::collections::BTreeMap;
use alloc::string::String;

/// A team: its accounts, subscriptions and seats; the unit that is locked and decided as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    /// The owner, always a member; none before the first account.
    pub owner: Option<AccountId>,
    /// The latest instant at which anything here was decided (R5).
    pub decided_at: Instant,
    /// Grows with every commit that touches the workspace.
    pub version: u64,
    /// The number that the next entry gets.
    pub next_seq: u64,
    /// Accounts.
    pub accounts: BTreeMap<AccountId, Account>,
    /// Apps.
    pub apps: BTreeMap<AppId, App>,
    /// Subscriptions.
    pub subscriptions: BTreeMap<SubscriptionId, Subscription>,
    /// Seats.
    pub seats: BTreeMap<SeatId, Seat>,
    /// Grants.
    pub grants: BTreeMap<GrantId, Grant>,
    /// Claims of share rewards.
    pub rewards: BTreeMap<RewardId, Reward>,
    /// The instant up to which all that is in here has been settled in memory; not stored.
    pub settled_at: Option<Instant>,
}

impl Workspace {
    /// A workspace with nothing in it.
    #[must_use]
    pub fn new(id: WorkspaceId) -> Self {
        Self {
            id,
            owner: None,
            decided_at: Instant::UNIX_EPOCH,
            version: 0,
            next_seq: 1,
            accounts: BTreeMap::new(),
            apps: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            seats: BTreeMap::new(),
            grants: BTreeMap::new(),
            rewards: BTreeMap::new(),
            settled_at: None,
        }
    }

    /// The seat that an account holds, active or suspended.
    #[must_use]
    pub fn seat_of(&self, account: &AccountId) -> Option<&Seat> {
        self.seats.values().find(|seat| seat.is_live() && seat.holder.as_ref() == Some(account))
    }

    /// The active seat that an account spends from.
    #[must_use]
    pub fn active_seat_of(&self, account: &AccountId) -> Option<&Seat> {
        self.seat_of(account).filter(|seat| seat.status == SeatStatus::Active)
    }

    /// An account's live grants of a kind.
    pub fn grants_of<'a>(
        &'a self, account: &'a AccountId, kind: Kind,
    ) -> impl Iterator<Item = &'a Grant> {
        self.grants
            .values()
            .filter(move |grant| grant.kind == kind && grant.account == *account && !grant.ended)
    }
}

/// One person in one workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The host's id.
    pub id: AccountId,
    /// Where mail goes.
    pub email: Option<String>,
    /// How mail addresses them.
    pub name: Option<String>,
    /// The language of mail.
    pub locale: Option<String>,
    /// When it was created.
    pub created_at: Instant,
    /// When it was closed; it never works again (R19).
    pub closed_at: Option<Instant>,
    /// The free allowances (R8).
    pub free: PerKind<Free>,
    /// Whether running out is still to be told (R16).
    pub run_out: PerKind<RunOut>,
}

impl Account {
    /// An account without anything used.
    #[must_use]
    pub fn new(id: AccountId, created_at: Instant) -> Self {
        Self {
            id,
            email: None,
            name: None,
            locale: None,
            created_at,
            closed_at: None,
            free: PerKind::default(),
            run_out: PerKind::default(),
        }
    }
}

/// An allowance of one kind: what of it is left and what was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowance {
    /// The limits that it was granted with (R20).
    pub limits: Limits,
    /// What the pot holds: max(0, allowance − used) while it runs.
    pub balance: Amount,
    /// What was drawn in this cycle or window.
    pub used: Amount,
    /// The day in which the shorter limit last counted, by its start.
    pub day_started_at: Option<Instant>,
    /// What was drawn in that day.
    pub day_used: Amount,
}

impl Allowance {
    /// A full allowance.
    #[must_use]
    pub fn full(limits: Limits) -> Self {
        Self { limits, balance: limits.allowance(), ..Self::default() }
    }
}

/// An account's free allowance of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Free {
    /// The open window; none until a debit draws on the allowance.
    pub window: Option<Cycle>,
    /// What is left in the window.
    pub allowance: Allowance,
}

/// Whether a person is yet to be told that a kind of credit ran out (R16).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOut {
    /// The next run-out is told.
    pub armed: bool,
    /// The early warning was given in this cycle or window.
    pub warned: bool,
    /// The first refusal since it was armed.
    pub first_refusal: Option<Refusal>,
}

impl Default for RunOut {
    fn default() -> Self {
        Self { armed: true, warned: false, first_refusal: None }
    }
}

/// A refused action, kept for support.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Refusal {
    /// The action.
    pub action: ActionId,
    /// What it would have cost.
    pub needed: Amount,
    /// What could be spent.
    pub left: Amount,
    /// When.
    pub at: Instant,
}

/// Something built by the host's users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// The host's id.
    pub id: AppId,
    /// Who pays for its integration actions.
    pub owner: AccountId,
}

/// Where a seat stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum SeatStatus {
    /// It counts.
    Active,
    /// It keeps everything, and its holder is on free (R11).
    Suspended,
    /// It is over.
    Ended,
}

impl SeatStatus {
    /// The name in API and store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Ended => "ended",
        }
    }
}

/// One paid place of a subscription. It owns the allowance; people own grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// Its id.
    pub id: SeatId,
    /// The subscription that pays for it.
    pub subscription: SubscriptionId,
    /// Its number in the subscription, from 1.
    pub place: u32,
    /// The plan in force.
    pub plan: PlanId,
    /// The plan that the next boundary brings, where it differs.
    pub next_plan: Option<PlanId>,
    /// The plan that a schedule announced for it, and the boundary that brings it where it is
    /// lower (R10).
    pub announced: Option<(Instant, PlanId)>,
    /// Who sits in it.
    pub holder: Option<AccountId>,
    /// Since when.
    pub assigned_at: Option<Instant>,
    /// Where it stands.
    pub status: SeatStatus,
    /// What decides its boundaries.
    pub timeline: Timeline,
    /// The running cycle; none until it first counts.
    pub cycle: Option<Cycle>,
    /// The end of this cycle grants max(0, allowance − used), not a full allowance (R4).
    pub carries_used: bool,
    /// When it begins to count, where that lies ahead.
    pub begins_at: Option<Instant>,
    /// When it stops counting unless its subscription is paid by then (R11).
    pub grace_ends_at: Option<Instant>,
    /// The cancel instant: it stops counting then (R11).
    pub cancels_at: Option<Instant>,
    /// The boundary at which it ends because the quantity fell (R12).
    pub ends_at: Option<Instant>,
    /// Its allowances.
    pub allowances: PerKind<Allowance>,
}

impl Seat {
    /// Whether it is active or suspended.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.status != SeatStatus::Ended
    }

    /// When its allowance dies: the cycle's end, or its own before that.
    #[must_use]
    pub fn allowance_ends_at(&self) -> Option<Instant> {
        earliest([self.cycle.map(|cycle| cycle.end), self.known_end()])
    }

    /// When it ends for good as far as is known: the quantity's fall or the cancel instant.
    #[must_use]
    pub fn known_end(&self) -> Option<Instant> {
        earliest([self.cancels_at, self.ends_at])
    }

    /// When it stops counting, as far as is known.
    #[must_use]
    pub fn suspends_at(&self) -> Option<Instant> {
        earliest([self.grace_ends_at, self.cancels_at])
    }

    /// The next instant at which something falls due on it.
    #[must_use]
    pub fn due_at(&self) -> Option<Instant> {
        match self.status {
            SeatStatus::Active => earliest([self.allowance_ends_at(), self.grace_ends_at]),
            SeatStatus::Suspended => earliest([self.begin_due_at(), self.ends_at]),
            SeatStatus::Ended => None,
        }
    }

    /// When it begins by the clock alone: not if its subscription is to end before that.
    #[must_use]
    pub fn begin_due_at(&self) -> Option<Instant> {
        self.begins_at.filter(|begin| self.cancels_at.is_none_or(|cancel| *begin < cancel))
    }

    /// The running 24-hour step of the cycle, the last one cut at the boundary (R14).
    #[must_use]
    pub fn day_at(&self, now: Instant) -> Option<Cycle> {
        let cycle = self.cycle?;
        let step = day_step(cycle.start, now);
        Some(Cycle { start: step.start, end: step.end.min(cycle.end) })
    }
}

/// Credits outside a plan (R15).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// Whose it is.
    pub account: AccountId,
    /// The kind of credit.
    pub kind: Kind,
    /// What was granted.
    pub amount: Amount,
    /// What is left.
    pub balance: Amount,
    /// Where it came from: `support`, `promo:CODE`, `share:NETWORK`, `signup`, `adjustment`, or
    /// what the request said.
    pub source: String,
    /// Why, in words.
    pub reason: String,
    /// When it was made; older ones are spent first.
    pub created_at: Instant,
    /// The end, where there is one.
    pub expires_at: Option<Instant>,
    /// It has expired, was revoked, or its person's account was closed.
    pub ended: bool,
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RewardStatus {
    /// Waits for support.
    Claimed,
    /// The credits were granted.
    Approved,
    /// It was turned down; network and address are free again.
    Rejected,
}

impl RewardStatus {
    /// The name in API and store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }
}

/// A claim of a share reward (R15).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reward {
    /// Its id.
    pub id: RewardId,
    /// Who claims.
    pub account: AccountId,
    /// The network: `linkedin` or `x`.
    pub network: String,
    /// The post's address in its one normal form.
    pub post_url: String,
    /// Followers, as claimed.
    pub followers: u64,
    /// The app that was shared.
    pub app: Option<AppId>,
    /// What became of it.
    pub status: RewardStatus,
    /// When it was claimed.
    pub claimed_at: Instant,
    /// When it was decided.
    pub decided_at: Option<Instant>,
    /// Why it was decided so.
    pub reason: Option<String>,
    /// The grant that it became.
    pub grant: Option<GrantId>,
}

/// The earliest of the instants that are given.
#[must_use]
pub fn earliest<const N: usize>(instants: [Option<Instant>; N]) -> Option<Instant> {
    instants.into_iter().flatten().min()
}
