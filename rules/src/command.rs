//! What can be asked of a workspace, and what it answers.

mod rejection;

pub use rejection::{Rejection, seat_refusal};

use crate::amount::Amount;
use crate::calendar::{Instant, Timeline};
use crate::entry::Entry;
use crate::id::{
    AccountId, ActionId, AppId, CustomerId, GrantId, PlanId, RewardId, SeatId, SubscriptionId,
    UseId,
};
use crate::plan::Kind;
use crate::state::Status;
use crate::view::{AccountView, AppView, GrantView, RewardView, SeatView, UseView, WorkspaceView};
use alloc::string::String;
use alloc::vec::Vec;

/// What brought a command about; it stands on every entry that the command writes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cause {
    /// An event's id, an idempotency key, a command of ours, or `clock`.
    pub by: Option<String>,
    /// When it happened, where that was not when it was decided.
    pub at: Option<Instant>,
}

/// A change of an optional text: left as it is, set, or erased.
pub type Change = Option<Option<String>>;

/// Something asked of one workspace. Ids of new things are chosen by the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Debits an action (R1 to R3).
    Use {
        /// The debit's id.
        id: UseId,
        /// The action.
        action: ActionId,
        /// Who acts; the payer of message actions, anyone for integration actions.
        account: Option<String>,
        /// The app; its owner pays for integration actions.
        app: Option<AppId>,
        /// How many such actions, at least 1.
        quantity: u32,
    },
    /// Creates or changes an account.
    PutAccount {
        /// The account.
        id: AccountId,
        /// Its address for mail.
        email: Change,
        /// Its name in mail.
        name: Change,
        /// Its language.
        locale: Change,
        /// The id of the sign-up grants, should there be any; the kind's name is added.
        grant: GrantId,
    },
    /// Closes an account for good (R19).
    CloseAccount {
        /// The account.
        id: AccountId,
    },
    /// Names the workspace's owner.
    SetOwner {
        /// A member.
        owner: AccountId,
    },
    /// Creates an app or gives it another owner.
    PutApp {
        /// The app.
        id: AppId,
        /// A member.
        owner: AccountId,
    },
    /// Applies what Stripe says of a subscription (R4, R9 to R12).
    Observe(Snapshot),
    /// Takes note of the items that a schedule brings from an instant on (R10).
    Announce {
        /// The subscription.
        subscription: SubscriptionId,
        /// From when, and which; none where the schedule is gone.
        change: Option<(Instant, Vec<SnapshotItem>)>,
    },
    /// Ends all subscriptions of a customer whom Stripe deleted (R11).
    EndCustomer {
        /// The customer.
        customer: CustomerId,
    },
    /// Posts what is due on these seats and on these accounts' grants (R6).
    Settle {
        /// Seats.
        seats: Vec<SeatId>,
        /// Accounts.
        accounts: Vec<AccountId>,
    },
    /// Seats a person in a vacant seat (R13).
    Assign {
        /// The seat.
        seat: SeatId,
        /// Who gets it.
        account: AccountId,
    },
    /// Moves a seat from its holder to another person (R13).
    Transfer {
        /// The seat.
        seat: SeatId,
        /// Who gets it.
        to: AccountId,
    },
    /// Makes a seat vacant (R13).
    Release {
        /// The seat.
        seat: SeatId,
    },
    /// Gives credits outside a plan (R15).
    Grant {
        /// Its id.
        id: GrantId,
        /// Who gets them.
        account: AccountId,
        /// The kind.
        kind: Kind,
        /// How many, above zero.
        amount: Amount,
        /// Where they come from.
        source: String,
        /// Why.
        reason: String,
        /// When they end.
        expires_at: Option<Instant>,
    },
    /// Takes back what is left of a grant.
    Revoke {
        /// The grant.
        id: GrantId,
        /// Why.
        reason: String,
    },
    /// Corrects what an account has by hand (R15).
    Adjust {
        /// The account.
        account: AccountId,
        /// The kind.
        kind: Kind,
        /// Added where positive, taken in R14's order where negative; not zero.
        amount: Amount,
        /// Why.
        reason: String,
        /// The id of the pot that a positive correction lies in.
        grant: GrantId,
    },
    /// Claims a share reward.
    Claim {
        /// The claim's id.
        id: RewardId,
        /// Who claims.
        account: AccountId,
        /// `linkedin` or `x`.
        network: String,
        /// The post's address in its normal form.
        post_url: String,
        /// Followers, as claimed.
        followers: u64,
        /// The app that was shared.
        app: Option<AppId>,
    },
    /// Approves or rejects a claim.
    DecideReward {
        /// The claim.
        id: RewardId,
        /// Whether credits are granted.
        approve: bool,
        /// Why.
        reason: Option<String>,
        /// The id of the grant that an approval makes.
        grant: GrantId,
    },
}

/// What a command must find in the state that it is decided on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Touch {
    /// Accounts, each with its live seat and live grants, where they exist.
    pub accounts: Vec<AccountId>,
    /// Apps, each with its owner as an account.
    pub apps: Vec<AppId>,
    /// Seats, each with its holder as an account.
    pub seats: Vec<SeatId>,
    /// Grants, ended ones too, each with its account.
    pub grants: Vec<GrantId>,
    /// Claims, each with its account.
    pub rewards: Vec<RewardId>,
    /// All claims that are not rejected of the named accounts.
    pub claims: bool,
    /// All subscriptions and seats, their holders and buyers, and the workspace's owner.
    pub team: bool,
}

impl Command {
    /// What must be in the state that this command is decided on.
    #[must_use]
    pub fn touch(&self) -> Touch {
        let mut touch = Touch::default();
        match self {
            Self::Use { account, app, .. } => {
                let account = account.as_deref().filter(|text| crate::id::is_valid(text));
                touch.accounts.extend(account.map(AccountId::from));
                touch.apps.extend(app.clone());
            }
            Self::PutAccount { id, .. } => touch.accounts.push(id.clone()),
            Self::CloseAccount { id } => {
                touch.accounts.push(id.clone());
                touch.team = true;
            }
            Self::SetOwner { owner } => touch.accounts.push(owner.clone()),
            Self::PutApp { id, owner } => {
                touch.apps.push(id.clone());
                touch.accounts.push(owner.clone());
            }
            Self::Observe(Snapshot { buyer, .. }) => {
                touch.accounts.extend(buyer.clone());
                touch.team = true;
            }
            Self::Announce { .. } | Self::EndCustomer { .. } => touch.team = true,
            Self::Settle { seats, accounts } => {
                touch.seats.clone_from(seats);
                touch.accounts.clone_from(accounts);
            }
            Self::Assign { seat, account: to } | Self::Transfer { seat, to } => {
                touch.seats.push(seat.clone());
                touch.accounts.push(to.clone());
            }
            Self::Release { seat } => touch.seats.push(seat.clone()),
            Self::Grant { id, account, .. } | Self::Adjust { account, grant: id, .. } => {
                touch.accounts.push(account.clone());
                touch.grants.push(id.clone());
            }
            Self::Claim { id, account, .. } => {
                touch.accounts.push(account.clone());
                touch.rewards.push(id.clone());
                touch.claims = true;
            }
            Self::Revoke { id, .. } => touch.grants.push(id.clone()),
            Self::DecideReward { id, .. } => touch.rewards.push(id.clone()),
        }
        touch
    }
}

/// Where a snapshot comes from, which decides whether it may be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Asked of Stripe: it is the truth.
    Fetched,
    /// It came in an event, which may be late: it is applied under a guard.
    Event {
        /// Among events of one second: deleted 2, updates 1, created 0.
        rank: u8,
    },
}

/// What an item of a subscription buys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemPlan {
    /// Seats of a plan.
    Plan(PlanId),
    /// A price that no plan names; it leaves the old plan, and gives none to a new item.
    Unknown,
    /// Nothing that is a seat: a metered price.
    NoPlace,
}

/// One item of a subscription, normalised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotItem {
    /// Stripe's item; may be empty in old shapes.
    pub id: String,
    /// What it buys.
    pub plan: ItemPlan,
    /// How many.
    pub quantity: u32,
}

/// What Stripe says of a subscription, normalised from any API version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Stripe's id.
    pub subscription: SubscriptionId,
    /// Stripe's customer.
    pub customer: CustomerId,
    /// `metadata.account`, where it names one.
    pub buyer: Option<AccountId>,
    /// The status; none for a word that is not known.
    pub status: Option<Status>,
    /// Its items.
    pub items: Vec<SnapshotItem>,
    /// Start, anchor and day.
    pub timeline: Timeline,
    /// The end of the trial.
    pub trial_end: Option<Instant>,
    /// The instant at which it is to end: `cancel_at`, else, with `cancel_at_period_end`, the
    /// latest end of its items' periods.
    pub cancel_at: Option<Instant>,
    /// When Stripe said so.
    pub created: Instant,
    /// How it reached us.
    pub source: Source,
}

/// What an accepted command answers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the thing that its name says, as it is now")]
pub enum Answer {
    Used(UseView),
    Account(AccountView),
    Workspace(WorkspaceView),
    App(AppView),
    Seat(SeatView),
    Grant(GrantView),
    /// A negative adjustment: what was taken, and what can still be spent.
    Adjusted {
        taken: Amount,
        spendable: Amount,
    },
    Reward(RewardView),
    /// A snapshot or announcement: whether anything was newer than what is known.
    Observed {
        applied: bool,
    },
    Settled,
}

/// A mail that a decision promises; it goes to the outbox in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Which.
    pub template: MailTemplate,
    /// Whom it is for.
    pub account: AccountId,
    /// The address.
    pub to: String,
    /// The name.
    pub name: Option<String>,
    /// The language.
    pub locale: Option<String>,
    /// The kind of credit that it is about.
    pub kind: Kind,
    /// What can still be spent.
    pub spendable: Amount,
    /// The plan's allowance.
    pub allowance: Amount,
    /// The next reset.
    pub resets_at: Option<Instant>,
}

/// A kind of mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum MailTemplate {
    /// Credits ran out.
    RunOut,
    /// Four fifths are used.
    Warning,
}

/// Something for the operator to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// A stable word for metrics.
    pub code: &'static str,
    /// What it is about: a subscription or a seat.
    pub subject: String,
    /// In words.
    pub detail: String,
}

/// What a decision brings about beside entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A mail is promised.
    Mail(Mail),
    /// A mail was due to someone without an address.
    NoAddress {
        /// Whom.
        account: AccountId,
        /// About what.
        kind: Kind,
    },
    /// Unsent mails of a closed account are dropped and sent ones erased.
    EraseMail {
        /// The account.
        account: AccountId,
    },
    /// The operator is told.
    Alert(Alert),
}

/// All that one command brought about, beside the changed state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What the caller is answered.
    pub answer: Result<Answer, Rejection>,
    /// New lines of the ledger, in posting order. A refused command writes only what was due.
    pub entries: Vec<Entry>,
    /// Mails and alerts.
    pub effects: Vec<Effect>,
}
