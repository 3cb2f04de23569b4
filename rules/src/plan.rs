//! The catalogue: what plans allow, what actions cost, and the host's choices.

use crate::amount::Amount;
use crate::id::{ActionId, PlanId};
use alloc::collections::BTreeMap;
use alloc::string::String;
use chrono::TimeDelta;
use core::fmt;
use core::ops::{Index, IndexMut};
use core::str::FromStr;

/// A kind of credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Kind {
    /// Building with the AI.
    Message,
    /// A live app calling outside tools.
    Integration,
}

impl Kind {
    /// Both kinds, in the order in which entries are written.
    pub const ALL: [Self; 2] = [Self::Message, Self::Integration];

    /// The name in settings, ledger and API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Integration => "integration",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "message" => Ok(Self::Message),
            "integration" => Ok(Self::Integration),
            _ => Err("must be \"message\" or \"integration\""),
        }
    }
}

/// One value for each kind of credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PerKind<T> {
    /// The value for message credits.
    pub message: T,
    /// The value for integration credits.
    pub integration: T,
}

impl<T> PerKind<T> {
    /// The value that `make` gives for each kind.
    pub fn from_fn(mut make: impl FnMut(Kind) -> T) -> Self {
        Self { message: make(Kind::Message), integration: make(Kind::Integration) }
    }
}

impl<T> Index<Kind> for PerKind<T> {
    type Output = T;

    fn index(&self, kind: Kind) -> &T {
        match kind {
            Kind::Message => &self.message,
            Kind::Integration => &self.integration,
        }
    }
}

impl<T> IndexMut<Kind> for PerKind<T> {
    fn index_mut(&mut self, kind: Kind) -> &mut T {
        match kind {
            Kind::Message => &mut self.message,
            Kind::Integration => &mut self.integration,
        }
    }
}

/// The span for which a limit holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Per {
    /// 86,400 seconds.
    Day,
    /// A calendar month.
    Month,
}

/// How much of one kind a plan allows: for a day, for a month, or both.
///
/// The longest is the allowance, which alone is granted and expires; a shorter one only caps what
/// may be drawn from it (R14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Limits {
    /// Credits a day.
    pub day: Option<Amount>,
    /// Credits a month.
    pub month: Option<Amount>,
}

impl Limits {
    /// A limit for a day alone.
    #[must_use]
    pub const fn daily(amount: Amount) -> Self {
        Self { day: Some(amount), month: None }
    }

    /// A limit for a month alone.
    #[must_use]
    pub const fn monthly(amount: Amount) -> Self {
        Self { day: None, month: Some(amount) }
    }

    /// The longest limit's amount: what is granted; zero where there is no limit at all.
    #[must_use]
    pub fn allowance(&self) -> Amount {
        self.month.or(self.day).unwrap_or(Amount::ZERO)
    }

    /// The longest limit's span.
    #[must_use]
    pub const fn longest(&self) -> Per {
        if self.month.is_some() { Per::Month } else { Per::Day }
    }

    /// The shorter limit that caps draws on a longer one.
    #[must_use]
    pub const fn cap(&self) -> Option<Amount> {
        if self.month.is_some() { self.day } else { None }
    }

    /// The most that one use can take from a fresh allowance.
    #[must_use]
    pub fn most(&self) -> Amount {
        self.cap().map_or(self.allowance(), |cap| cap.min(self.allowance()))
    }
}

/// Whether a plan is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Class {
    /// The one plan of people without an active seat.
    Free,
    /// A plan that comes with a seat.
    Paid,
}

/// A plan of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Plan {
    /// Its name.
    pub id: PlanId,
    /// Free or paid.
    pub class: Class,
    /// Where it stands among plans: a move to a higher rank is an upgrade. No two are equal.
    pub rank: u32,
    /// What it allows of each kind.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub limits: PerKind<Limits>,
}

/// What one action costs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Action {
    /// Its name.
    pub id: ActionId,
    /// The kind of credit that it takes.
    pub kind: Kind,
    /// What it costs on any plan.
    pub cost: Amount,
    /// What it costs on plans of a class, where that differs.
    pub cost_by_class: BTreeMap<Class, Amount>,
}

impl Action {
    /// The cost of one such action for a payer on a plan of `class`.
    #[must_use]
    pub fn cost_for(&self, class: Class) -> Amount {
        self.cost_by_class.get(&class).copied().unwrap_or(self.cost)
    }
}

/// When a free window begins (R8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FreeWindow {
    /// At the first debit that draws on the free allowance.
    #[default]
    FirstUse,
    /// In fixed steps from the account's creation.
    Signup,
}

/// When a lower plan counts (R10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Downgrade {
    /// At the next boundary.
    #[default]
    AtReset,
    /// At once.
    Immediately,
}

/// What a subscription bought after another ended brings (R12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rebuy {
    /// A full allowance.
    #[default]
    Full,
    /// The allowance less what its buyer used in the ended one's running cycle.
    CarryUsed,
}

/// How often one person may claim a share reward (R15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RewardOnce {
    /// Once for each network.
    #[default]
    Network,
    /// Once for each account.
    Account,
}

/// The host's choices where the rules leave one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// When a free window begins.
    pub free_window: FreeWindow,
    /// When a lower plan counts.
    pub downgrade: Downgrade,
    /// How long a seat still counts after its payment failed.
    pub past_due_grace: TimeDelta,
    /// What buying again brings.
    pub rebuy: Rebuy,
    /// How often a share reward may be claimed.
    pub share_reward_once: RewardOnce,
    /// Message credits for an approved share.
    pub share_reward: Amount,
    /// A share counts for accounts with more followers than this.
    pub share_followers_above: u64,
    /// Credits given once, when an account is created.
    pub signup_grant: PerKind<Amount>,
    /// Which kinds are emailed when they run out.
    pub mail_run_out: PerKind<bool>,
    /// Which kinds are emailed when four fifths of the allowance are used.
    pub mail_warning: PerKind<bool>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            free_window: FreeWindow::default(),
            downgrade: Downgrade::default(),
            past_due_grace: TimeDelta::days(7),
            rebuy: Rebuy::default(),
            share_reward_once: RewardOnce::default(),
            share_reward: Amount::credits(20),
            share_followers_above: 100,
            signup_grant: PerKind::default(),
            mail_run_out: PerKind { message: false, integration: true },
            mail_warning: PerKind::default(),
        }
    }
}

/// Plans, actions and choices, as the settings give them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    free: Plan,
    paid: BTreeMap<PlanId, Plan>,
    actions: BTreeMap<ActionId, Action>,
    /// The host's choices.
    pub policy: Policy,
}

/// Why plans do not make a catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueError(pub String);

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for CatalogueError {}

impl Catalogue {
    /// A catalogue of `plans`, exactly one of them free, ranks unique, paid ones with months.
    ///
    /// # Errors
    /// Says which of these does not hold.
    pub fn try_new(
        plans: impl IntoIterator<Item = Plan>, actions: impl IntoIterator<Item = Action>,
        policy: Policy,
    ) -> Result<Self, CatalogueError> {
        let mut free = None;
        let mut paid = BTreeMap::new();
        let mut ranks: BTreeMap<u32, PlanId> = BTreeMap::new();
        for plan in plans {
            if let Some(other) = ranks.insert(plan.rank, plan.id.clone()) {
                return Err(CatalogueError(alloc::format!(
                    "plans {other} and {} both have rank {}; ranks are unique",
                    plan.id,
                    plan.rank
                )));
            }
            check_limits(&plan)?;
            match plan.class {
                Class::Free => match free.replace(plan) {
                    None => {}
                    Some(other) => return Err(second_free(&other.id)),
                },
                Class::Paid => {
                    if let Some(other) = paid.insert(plan.id.clone(), plan) {
                        return Err(CatalogueError(alloc::format!(
                            "plan {} is given twice",
                            other.id
                        )));
                    }
                }
            }
        }
        let free =
            free.ok_or_else(|| CatalogueError("no plan has class \"free\"; one must".into()))?;
        if paid.contains_key(&free.id) {
            return Err(CatalogueError(alloc::format!("plan {} is given twice", free.id)));
        }
        let actions = actions.into_iter().map(|action| (action.id.clone(), action)).collect();
        Ok(Self { free, paid, actions, policy })
    }

    /// The free plan.
    #[must_use]
    pub const fn free(&self) -> &Plan {
        &self.free
    }

    /// The plan of this name, free or paid.
    #[must_use]
    pub fn plan(&self, id: &PlanId) -> Option<&Plan> {
        if *id == self.free.id { Some(&self.free) } else { self.paid.get(id) }
    }

    /// All plans by rank, lowest first.
    #[must_use]
    pub fn plans(&self) -> alloc::vec::Vec<&Plan> {
        let mut plans: alloc::vec::Vec<_> =
            core::iter::once(&self.free).chain(self.paid.values()).collect();
        plans.sort_by_key(|plan| plan.rank);
        plans
    }

    /// The action of this name.
    #[must_use]
    pub fn action(&self, id: &ActionId) -> Option<&Action> {
        self.actions.get(id)
    }

    /// All actions by name.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.actions.values()
    }

    /// A plan's rank; plans that are not configured stand lowest.
    #[must_use]
    pub fn rank(&self, id: &PlanId) -> u32 {
        self.plan(id).map_or(0, |plan| plan.rank)
    }
}

fn second_free(other: &PlanId) -> CatalogueError {
    CatalogueError(alloc::format!("plan {other} has class \"free\" too; exactly one has"))
}

fn check_limits(plan: &Plan) -> Result<(), CatalogueError> {
    for kind in Kind::ALL {
        let limits = plan.limits[kind];
        if limits.day.is_none() && limits.month.is_none() {
            return Err(CatalogueError(alloc::format!("plan {} has no {kind} limit", plan.id)));
        }
        if plan.class == Class::Paid && limits.month.is_none() {
            return Err(CatalogueError(alloc::format!(
                "plan {} is paid and has no {kind} limit per month; paid plans reset monthly",
                plan.id
            )));
        }
    }
    Ok(())
}
