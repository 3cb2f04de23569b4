//! `creditd rewards …`.

use super::values::{id, words};
use super::{Form, Once};
use clap::{Subcommand, ValueEnum};
use creditd_rules::state::RewardStatus;

/// `creditd rewards …`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Rewards {
    /// Show claims, the first that was claimed first.
    List {
        /// Only those of this status.
        #[arg(long)]
        status: Option<RewardStatusArg>,
        /// How many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        #[command(flatten)]
        form: Form,
    },
    /// Approve a claim: its credits are granted at once.
    Approve {
        /// The claim.
        #[arg(value_parser = id)]
        claim: String,
        /// Why.
        #[arg(long, value_parser = words)]
        reason: Option<String>,
        #[command(flatten)]
        once: Once,
    },
    /// Reject a claim: its network and its post are free again.
    Reject {
        /// The claim.
        #[arg(value_parser = id)]
        claim: String,
        /// Why.
        #[arg(long, value_parser = words)]
        reason: String,
        #[command(flatten)]
        once: Once,
    },
}

/// A claim's status, as a word.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(in crate::cli) enum RewardStatusArg {
    Claimed,
    Approved,
    Rejected,
}

impl From<RewardStatusArg> for RewardStatus {
    fn from(word: RewardStatusArg) -> Self {
        match word {
            RewardStatusArg::Claimed => Self::Claimed,
            RewardStatusArg::Approved => Self::Approved,
            RewardStatusArg::Rejected => Self::Rejected,
        }
    }
}
