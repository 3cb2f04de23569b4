//! Why a command changes nothing.

use crate::amount::Amount;
use crate::calendar::Instant;
use crate::id::{AccountId, ActionId, AppId, GrantId, RewardId, SeatId};
use crate::plan::Kind;
use crate::state::SeatStatus;
use alloc::string::String;
use core::fmt;

/// Why a command changes nothing. Each is an answer for the caller, not a fault of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each says itself in words in `Display`")]
pub enum Rejection {
    AccountNotFound(String),
    AppNotFound(AppId),
    SeatNotFound(SeatId),
    GrantNotFound(GrantId),
    RewardNotFound(RewardId),
    AccountClosed(AccountId),
    UnknownAction(ActionId),
    /// A message action names no account.
    AccountMissing(ActionId),
    /// An integration action names no app.
    AppMissing(ActionId),
    /// The cost does not fit.
    CostTooLarge,
    CreditsExhausted {
        kind: Kind,
        needed: Amount,
        remaining: Amount,
        spendable: Amount,
        /// The first instant at which the action would fit.
        resets_at: Option<Instant>,
    },
    OtherWorkspace(AccountId),
    SeatTaken {
        seat: SeatId,
        holder: AccountId,
    },
    SeatVacant(SeatId),
    SeatEnded(SeatId),
    SeatSuspended(SeatId),
    AlreadySeated {
        account: AccountId,
        seat: SeatId,
    },
    BelowZero {
        available: Amount,
    },
    TooFewFollowers {
        needed_above: u64,
    },
    RewardAlreadyClaimed {
        network: String,
    },
    RewardAlreadyDecided(RewardId),
    /// Another redemption of the code made the grant that was held for both.
    AlreadyRedeemed(GrantId),
    /// A value that cannot be, by the name of its field.
    Invalid {
        field: &'static str,
        detail: &'static str,
    },
}

impl Rejection {
    /// The stable code that programs act on (CONTRACT).
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AccountNotFound(_) => "account_not_found",
            Self::AppNotFound(_) => "app_not_found",
            Self::SeatNotFound(_) => "seat_not_found",
            Self::GrantNotFound(_) => "grant_not_found",
            Self::RewardNotFound(_) => "reward_not_found",
            Self::AccountClosed(_) => "account_closed",
            Self::UnknownAction(_) => "unknown_action",
            Self::AccountMissing(_)
            | Self::AppMissing(_)
            | Self::CostTooLarge
            | Self::Invalid { .. } => "invalid_request",
            Self::CreditsExhausted { kind: Kind::Message, .. } => "message_credits_exhausted",
            Self::CreditsExhausted { kind: Kind::Integration, .. } => {
                "integration_credits_exhausted"
            }
            Self::OtherWorkspace(_) => "other_workspace",
            Self::SeatTaken { .. } => "seat_taken",
            Self::SeatVacant(_) => "seat_vacant",
            Self::SeatEnded(_) => "seat_ended",
            Self::SeatSuspended(_) => "seat_suspended",
            Self::AlreadySeated { .. } => "already_seated",
            Self::BelowZero { .. } => "below_zero",
            Self::TooFewFollowers { .. } => "too_few_followers",
            Self::RewardAlreadyClaimed { .. } => "reward_already_claimed",
            Self::RewardAlreadyDecided(_) => "reward_already_decided",
            Self::AlreadyRedeemed(_) => "code_already_redeemed",
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccountNotFound(id) => write!(f, "there is no account {id}"),
            Self::AppNotFound(id) => write!(f, "there is no app {id}"),
            Self::SeatNotFound(id) => write!(f, "there is no seat {id}"),
            Self::GrantNotFound(id) => write!(f, "there is no grant {id}"),
            Self::RewardNotFound(id) => write!(f, "there is no reward claim {id}"),
            Self::AccountClosed(id) => write!(f, "account {id} is closed"),
            Self::UnknownAction(id) => write!(f, "there is no action {id}"),
            Self::AccountMissing(id) => {
                write!(f, "{id} takes message credits: name the account that acts")
            }
            Self::AppMissing(id) => {
                write!(f, "{id} takes integration credits: name the app whose owner pays")
            }
            Self::CostTooLarge => f.write_str("the quantity costs more than can be counted"),
            Self::CreditsExhausted { kind, needed, spendable, resets_at, .. } => {
                write!(f, "{needed} {kind} credits are needed, {spendable} are left")?;
                match resets_at {
                    Some(at) => write!(f, "; it would fit from {}", at.format("%F %T UTC")),
                    None => f.write_str("; no reset will bring enough"),
                }
            }
            Self::OtherWorkspace(id) => write!(f, "{id} is not a member of this workspace"),
            Self::SeatTaken { seat, holder } => write!(f, "seat {seat} is held by {holder}"),
            Self::SeatVacant(id) => write!(f, "seat {id} has no holder"),
            Self::SeatEnded(id) => write!(f, "seat {id} has ended"),
            Self::SeatSuspended(id) => {
                write!(f, "seat {id} is suspended: its subscription does not count")
            }
            Self::AlreadySeated { account, seat } => {
                write!(f, "{account} holds seat {seat} already")
            }
            Self::BelowZero { available } => {
                write!(f, "only {available} can be taken; nothing goes below zero")
            }
            Self::TooFewFollowers { needed_above } => {
                write!(f, "the share reward is for more than {needed_above} followers")
            }
            Self::RewardAlreadyClaimed { network } => {
                write!(f, "the share reward for {network} has been claimed already")
            }
            Self::RewardAlreadyDecided(id) => write!(f, "reward claim {id} is decided already"),
            Self::AlreadyRedeemed(id) => write!(f, "the code is redeemed already, as grant {id}"),
            Self::Invalid { field, detail } => write!(f, "{field} {detail}"),
        }
    }
}

impl core::error::Error for Rejection {}

/// The answer for one seat's status when it cannot change hands.
#[must_use]
pub fn seat_refusal(id: &SeatId, status: SeatStatus) -> Option<Rejection> {
    match status {
        SeatStatus::Active => None,
        SeatStatus::Suspended => Some(Rejection::SeatSuspended(id.clone())),
        SeatStatus::Ended => Some(Rejection::SeatEnded(id.clone())),
    }
}
