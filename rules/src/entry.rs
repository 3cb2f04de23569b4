//! The ledger: one immutable line for each change of a pot (R18).

use crate::amount::Amount;
use crate::calendar::Instant;
use crate::id::{AccountId, ActionId, AppId, GrantId, SeatId, UseId};
use crate::plan::Kind;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

/// Where credits lie. Together with a kind it names one pot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pot {
    /// A seat's allowance.
    Seat(SeatId),
    /// An account's free allowance.
    Free(AccountId),
    /// A grant.
    Grant(GrantId),
}

impl fmt::Display for Pot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seat(id) => write!(f, "seat/{id}"),
            Self::Free(id) => write!(f, "free/{id}"),
            Self::Grant(id) => write!(f, "grant/{id}"),
        }
    }
}

impl FromStr for Pot {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.split_once('/') {
            Some(("seat", id)) => Ok(Self::Seat(id.into())),
            Some(("free", id)) => Ok(Self::Free(id.into())),
            Some(("grant", id)) => Ok(Self::Grant(id.into())),
            _ => Err(()),
        }
    }
}

/// Why a pot changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Reason {
    /// A cycle's or window's credits.
    Allowance,
    /// The plan rose inside a cycle.
    Raise,
    /// The plan fell inside a cycle.
    Cut,
    /// What was left at an end.
    Expire,
    /// A debit.
    Use,
    /// Credits outside a plan.
    Grant,
    /// A grant taken back.
    Revoke,
    /// A correction by hand.
    Adjust,
    /// A seat left this holder.
    SeatOut,
    /// A seat came to this holder.
    SeatIn,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 10] = [
        Self::Allowance,
        Self::Raise,
        Self::Cut,
        Self::Expire,
        Self::Use,
        Self::Grant,
        Self::Revoke,
        Self::Adjust,
        Self::SeatOut,
        Self::SeatIn,
    ];

    /// The name in ledger and API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowance => "allowance",
            Self::Raise => "raise",
            Self::Cut => "cut",
            Self::Expire => "expire",
            Self::Use => "use",
            Self::Grant => "grant",
            Self::Revoke => "revoke",
            Self::Adjust => "adjust",
            Self::SeatOut => "seat_out",
            Self::SeatIn => "seat_in",
        }
    }
}

impl FromStr for Reason {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text).ok_or(())
    }
}

/// One line of the ledger, as decided; the store numbers it (`seq`) in posting order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The pot that changed; none for a free action.
    pub pot: Option<Pot>,
    /// Whose it was then; none for a vacant seat.
    pub account: Option<AccountId>,
    /// The debit that it belongs to.
    pub use_id: Option<UseId>,
    /// The kind of credit.
    pub kind: Kind,
    /// What was added, or taken where negative.
    pub amount: Amount,
    /// What the pot held afterwards; none for a free action.
    pub pot_after: Option<Amount>,
    /// Why.
    pub reason: Reason,
    /// Start of the cycle or window that it concerns.
    pub cycle_started_at: Option<Instant>,
    /// The instant from which it counts.
    pub effective_at: Instant,
    /// Who acted, as the request named them.
    pub actor: Option<String>,
    /// The app, as the request named it.
    pub app: Option<AppId>,
    /// The action.
    pub action: Option<ActionId>,
    /// What one such action costs.
    pub price: Option<Amount>,
    /// What brought it about: an event, a key, a command, or the clock.
    pub cause: Option<String>,
    /// When the cause happened where that was earlier.
    pub cause_at: Option<Instant>,
}
