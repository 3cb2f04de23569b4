//! What is shown of a workspace: balances, seats, schedules. Computed from settled state.

use crate::amount::Amount;
use crate::calendar::DAY;
use crate::calendar::{Cycle, Instant, day_step, later, month_after, month_step};
use crate::id::{
    AccountId, AppId, GrantId, PlanId, RewardId, SeatId, SubscriptionId, UseId, WorkspaceId,
};
use crate::plan::{Catalogue, FreeWindow, Kind, Limits, Per};
use crate::state::{
    Account, Allowance, Free, Grant, Reward, RewardStatus, Seat, SeatStatus, Workspace, earliest,
};
use alloc::string::String;
use alloc::vec::Vec;
use chrono::{DateTime, Utc};

macro_rules! views {
    ($($(#[$doc:meta])* pub struct $name:ident { $($(#[$fdoc:meta])* pub $field:ident: $type:ty,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub struct $name { $($(#[$fdoc])* pub $field: $type,)+ }
    )+};
}

views! {
    /// An accepted debit.
    pub struct UseView {
        /// The debit; entries name it in `use`.
        pub id: UseId,
        /// Who paid.
        pub payer: AccountId,
        /// The kind of credit.
        pub kind: Kind,
        /// What it cost.
        pub cost: Amount,
        /// The least left over all limits of the allowance.
        pub remaining: Amount,
        /// The same with grants: what can be spent now.
        pub spendable: Amount,
        /// When the allowance's longest limit resets; null while a free window is not open.
        pub resets_at: Option<DateTime<Utc>>,
    }

    /// One limit of an allowance.
    pub struct LimitView {
        /// `day` or `month`.
        pub per: Per,
        /// What it allows.
        pub allowance: Amount,
        /// What was drawn under it.
        pub used: Amount,
        /// When it counts anew.
        pub resets_at: Option<DateTime<Utc>>,
    }

    /// What an account has of one kind.
    pub struct KindBalance {
        /// The longest limit's amount.
        pub allowance: Amount,
        /// What was drawn on it.
        pub used: Amount,
        /// The least left over all limits.
        pub remaining: Amount,
        /// What is left in grants.
        pub grants: Amount,
        /// `remaining` and `grants`.
        pub spendable: Amount,
        /// Start of the cycle or window.
        pub cycle_started_at: Option<DateTime<Utc>>,
        /// Its end.
        pub resets_at: Option<DateTime<Utc>>,
        /// Every limit, longest first.
        pub limits: Vec<LimitView>,
    }

    /// What an account has.
    pub struct BalanceView {
        /// The account.
        pub account: AccountId,
        /// The plan that counts for it now.
        pub plan: PlanId,
        /// The active seat that it holds.
        pub seat: Option<SeatId>,
        /// The instant for which this holds.
        pub as_of: DateTime<Utc>,
        /// Grows whenever something in the workspace changes.
        pub version: u64,
        /// Message credits.
        pub message: KindBalance,
        /// Integration credits.
        pub integration: KindBalance,
    }

    /// What a seat has of one kind.
    pub struct SeatKindView {
        /// What was drawn in this cycle.
        pub used: Amount,
        /// What the cycle allows.
        pub allowance: Amount,
    }

    /// A seat.
    pub struct SeatView {
        /// Its id.
        pub id: SeatId,
        /// The subscription that pays for it.
        pub subscription: SubscriptionId,
        /// The plan in force.
        pub plan: PlanId,
        /// What the next boundary brings; null if unchanged.
        pub next_plan: Option<PlanId>,
        /// Who holds it.
        pub holder: Option<AccountId>,
        /// The instant from which its boundaries are counted.
        pub anchor: DateTime<Utc>,
        /// Since when it is held.
        pub assigned_at: Option<DateTime<Utc>>,
        /// Its next boundary.
        pub resets_at: Option<DateTime<Utc>>,
        /// When it ends, as far as is known.
        pub ends_at: Option<DateTime<Utc>>,
        /// `active`, `suspended` or `ended`.
        pub status: SeatStatus,
        /// Message credits.
        pub message: SeatKindView,
        /// Integration credits.
        pub integration: SeatKindView,
    }

    /// An account.
    pub struct AccountView {
        /// The host's id.
        pub id: AccountId,
        /// Its workspace.
        pub workspace: WorkspaceId,
        /// Where mail goes.
        pub email: Option<String>,
        /// Its name in mail.
        pub name: Option<String>,
        /// Its language.
        pub locale: Option<String>,
        /// When it was created.
        pub created_at: DateTime<Utc>,
        /// When it was closed.
        pub closed_at: Option<DateTime<Utc>>,
    }

    /// A workspace.
    pub struct WorkspaceView {
        /// Its id.
        pub id: WorkspaceId,
        /// Its owner.
        pub owner: Option<AccountId>,
    }

    /// An app.
    pub struct AppView {
        /// The host's id.
        pub id: AppId,
        /// Its workspace.
        pub workspace: WorkspaceId,
        /// Who pays for its integration actions.
        pub owner: AccountId,
    }

    /// A grant.
    pub struct GrantView {
        /// Its id.
        pub id: GrantId,
        /// Whose it is.
        pub account: AccountId,
        /// The kind of credit.
        pub kind: Kind,
        /// What was granted.
        pub amount: Amount,
        /// What is left.
        pub remaining: Amount,
        /// Where it came from.
        pub source: String,
        /// Why.
        pub reason: String,
        /// When it was made.
        pub created_at: DateTime<Utc>,
        /// When it ends.
        pub expires_at: Option<DateTime<Utc>>,
        /// It has expired or was revoked.
        pub ended: bool,
    }

    /// A claim of a share reward.
    pub struct RewardView {
        /// Its id.
        pub id: RewardId,
        /// Who claims.
        pub account: AccountId,
        /// `linkedin` or `x`.
        pub network: String,
        /// The post.
        pub post_url: String,
        /// Followers, as claimed.
        pub followers: u64,
        /// The app that was shared.
        pub app: Option<AppId>,
        /// `claimed`, `approved` or `rejected`.
        pub status: RewardStatus,
        /// When it was claimed.
        pub claimed_at: DateTime<Utc>,
        /// When it was decided.
        pub decided_at: Option<DateTime<Utc>>,
        /// Why it was decided so.
        pub reason: Option<String>,
        /// The grant that it became.
        pub grant: Option<GrantId>,
    }
}

impl AccountView {
    /// An account as it is.
    #[must_use]
    pub fn of(workspace: &Workspace, account: &Account) -> Self {
        Self {
            id: account.id.clone(),
            workspace: workspace.id.clone(),
            email: account.email.clone(),
            name: account.name.clone(),
            locale: account.locale.clone(),
            created_at: account.created_at,
            closed_at: account.closed_at,
        }
    }
}

impl GrantView {
    /// A grant as it is.
    #[must_use]
    pub fn of(grant: &Grant) -> Self {
        Self {
            id: grant.id.clone(),
            account: grant.account.clone(),
            kind: grant.kind,
            amount: grant.amount,
            remaining: grant.balance,
            source: grant.source.clone(),
            reason: grant.reason.clone(),
            created_at: grant.created_at,
            expires_at: grant.expires_at,
            ended: grant.ended,
        }
    }
}

impl RewardView {
    /// A claim as it is.
    #[must_use]
    pub fn of(reward: &Reward) -> Self {
        Self {
            id: reward.id.clone(),
            account: reward.account.clone(),
            network: reward.network.clone(),
            post_url: reward.post_url.clone(),
            followers: reward.followers,
            app: reward.app.clone(),
            status: reward.status,
            claimed_at: reward.claimed_at,
            decided_at: reward.decided_at,
            reason: reward.reason.clone(),
            grant: reward.grant.clone(),
        }
    }
}

impl SeatView {
    /// A seat as it is.
    #[must_use]
    pub fn of(seat: &Seat) -> Self {
        let kind = |kind| SeatKindView {
            used: seat.allowances[kind].used,
            allowance: seat.allowances[kind].limits.allowance(),
        };
        Self {
            id: seat.id.clone(),
            subscription: seat.subscription.clone(),
            plan: seat.plan.clone(),
            next_plan: seat.next_plan.clone(),
            holder: seat.holder.clone(),
            anchor: seat.timeline.anchor,
            assigned_at: seat.assigned_at,
            resets_at: seat.allowance_ends_at().filter(|_| seat.status == SeatStatus::Active),
            ends_at: seat.known_end().filter(|_| seat.is_live()),
            status: seat.status,
            message: kind(Kind::Message),
            integration: kind(Kind::Integration),
        }
    }
}

/// What the plan allows an account of one kind now: the seat's allowance, or the free one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// What of it is left and drawn; that of a window not yet open is full.
    pub(crate) allowance: Allowance,
    /// Its cycle or window; none for a free window that is not open.
    pub(crate) span: Option<Cycle>,
    /// Where it dies, or would if it were opened now.
    pub(crate) ends_at: Instant,
    /// The running day under a shorter limit.
    pub(crate) day: Option<Cycle>,
}

impl Standing {
    /// What the shorter limit leaves to draw; no bound where there is none.
    fn left_today(&self) -> Option<Amount> {
        let cap = self.allowance.limits.cap()?;
        Some(cap.less(self.used_today()))
    }

    /// What was drawn in the running day.
    fn used_today(&self) -> Amount {
        match self.day {
            Some(day) if self.allowance.day_started_at == Some(day.start) => {
                self.allowance.day_used
            }
            _ => Amount::ZERO,
        }
    }

    /// When the limit that holds most back counts anew: the day's end where the day is used up
    /// first, else the cycle's or window's.
    pub(crate) fn next_reset(&self) -> Option<Instant> {
        let held_by_day = self.left_today().is_some_and(|left| left < self.allowance.balance);
        let day = self.day.filter(|_| held_by_day).map(|day| day.end);
        earliest([day, self.span.map(|_| self.ends_at)])
    }

    /// The least left over all limits.
    pub(crate) fn remaining(&self) -> Amount {
        self.left_today().map_or(self.allowance.balance, |left| left.min(self.allowance.balance))
    }
}

/// Where an account stands with its plan's allowance of one kind, in settled state (R8, R14).
pub(crate) fn standing(
    workspace: &Workspace, account: &Account, kind: Kind, catalogue: &Catalogue, now: Instant,
) -> Standing {
    match workspace.active_seat_of(&account.id) {
        Some(seat) => Standing {
            allowance: seat.allowances[kind],
            span: seat.cycle,
            ends_at: seat.allowance_ends_at().unwrap_or(Instant::MAX_UTC),
            day: seat.allowances[kind].limits.cap().and_then(|_| seat.day_at(now)),
        },
        None => free_standing(account, kind, catalogue, now),
    }
}

fn free_standing(account: &Account, kind: Kind, catalogue: &Catalogue, now: Instant) -> Standing {
    let Free { window, allowance } = account.free[kind];
    match window {
        Some(window) => Standing {
            allowance,
            span: Some(window),
            ends_at: window.end,
            day: free_day(&allowance, window, now),
        },
        None => {
            let limits = catalogue.free().limits[kind];
            let window = new_window(account, limits, catalogue.policy.free_window, now);
            let fixed = catalogue.policy.free_window == FreeWindow::Signup;
            Standing {
                allowance: Allowance::full(limits),
                span: Some(window).filter(|_| fixed),
                ends_at: window.end,
                day: None,
            }
        }
    }
}

/// The free window that opens with a draw at `now`.
pub(crate) fn new_window(
    account: &Account, limits: Limits, mode: FreeWindow, now: Instant,
) -> Cycle {
    match (mode, limits.longest()) {
        (FreeWindow::FirstUse, Per::Day) => Cycle { start: now, end: later(now, DAY) },
        (FreeWindow::FirstUse, Per::Month) => Cycle { start: now, end: month_after(now) },
        (FreeWindow::Signup, Per::Day) => day_step(account.created_at, now),
        (FreeWindow::Signup, Per::Month) => month_step(account.created_at, now),
    }
}

/// The open free day inside a free month, cut at the month's end; none once it is over.
fn free_day(allowance: &Allowance, window: Cycle, now: Instant) -> Option<Cycle> {
    let start = allowance.day_started_at?;
    let end = later(start, DAY).min(window.end);
    (now < end).then_some(Cycle { start, end })
}

/// What is left in an account's grants of a kind.
pub(crate) fn grants_left(workspace: &Workspace, account: &AccountId, kind: Kind) -> Amount {
    workspace.grants_of(account, kind).map(|grant| grant.balance).sum()
}

/// The balance of an account in state that is settled at `now`.
#[must_use]
pub fn balance(
    workspace: &Workspace, account: &Account, catalogue: &Catalogue, now: Instant,
) -> BalanceView {
    let seat = workspace.active_seat_of(&account.id);
    let kind = |kind| {
        let standing = standing(workspace, account, kind, catalogue, now);
        kind_balance(&standing, grants_left(workspace, &account.id, kind))
    };
    BalanceView {
        account: account.id.clone(),
        plan: seat.map_or_else(|| catalogue.free().id.clone(), |seat| seat.plan.clone()),
        seat: seat.map(|seat| seat.id.clone()),
        as_of: now,
        version: workspace.version,
        message: kind(Kind::Message),
        integration: kind(Kind::Integration),
    }
}

fn kind_balance(standing: &Standing, grants: Amount) -> KindBalance {
    let Allowance { limits, used, .. } = standing.allowance;
    let resets_at = standing.span.map(|_| standing.ends_at);
    let longest =
        LimitView { per: limits.longest(), allowance: limits.allowance(), used, resets_at };
    let day = limits.cap().map(|cap| LimitView {
        per: Per::Day,
        allowance: cap,
        used: standing.used_today(),
        resets_at: standing.day.map(|day| day.end.min(standing.ends_at)),
    });
    let remaining = standing.remaining();
    KindBalance {
        allowance: limits.allowance(),
        used,
        remaining,
        grants,
        spendable: remaining.plus(grants),
        cycle_started_at: standing.span.map(|span| span.start),
        resets_at,
        limits: core::iter::once(longest).chain(day).collect(),
    }
}

/// The next `count` resets of an account in state that is settled at `now`, first one first.
#[must_use]
pub fn schedule(
    workspace: &Workspace, account: &Account, now: Instant, count: usize,
) -> Vec<Instant> {
    let Some(seat) = workspace.active_seat_of(&account.id) else {
        let windows = Kind::ALL.into_iter().filter_map(|kind| account.free[kind].window);
        let mut ends: Vec<Instant> =
            windows.map(|window| window.end).filter(|end| *end > now).collect();
        ends.sort_unstable();
        ends.dedup();
        ends.truncate(count);
        return ends;
    };
    let stop = seat.known_end();
    let first = seat.cycle.map(|cycle| cycle.end);
    core::iter::successors(first, |last| Some(seat.timeline.next_after(*last)))
        .take_while(|boundary| stop.is_none_or(|stop| *boundary < stop))
        .take(count)
        .collect()
}
