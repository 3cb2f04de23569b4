//! The commands that change an account by hand.

use super::Form;
use super::values::{amount, id, kind, signed, words};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use creditd_rules::{Amount, Kind};

/// `creditd seat …`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Seat {
    /// Give a vacant seat to an account.
    Assign {
        /// The seat.
        #[arg(value_parser = id)]
        seat: String,
        /// Who gets it.
        #[arg(long, value_name = "ACCOUNT", value_parser = id)]
        account: String,
        #[command(flatten)]
        once: Once,
    },
    /// Move a seat, with what is used, to another account.
    Transfer {
        /// The seat.
        #[arg(value_parser = id)]
        seat: String,
        /// Who gets it.
        #[arg(long, value_name = "ACCOUNT", value_parser = id)]
        to: String,
        #[command(flatten)]
        once: Once,
    },
    /// Make a seat vacant.
    Release {
        /// The seat.
        #[arg(value_parser = id)]
        seat: String,
        #[command(flatten)]
        once: Once,
    },
}

/// `creditd grant`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Grant {
    /// Who gets the credits.
    #[arg(value_parser = id)]
    pub(in crate::cli) account: String,
    /// The kind of credit.
    #[arg(long, value_parser = kind)]
    pub(in crate::cli) kind: Kind,
    /// How many, such as 20 or 0.5.
    #[arg(long, value_parser = amount)]
    pub(in crate::cli) amount: Amount,
    /// Why.
    #[arg(long, value_parser = words)]
    pub(in crate::cli) reason: String,
    /// Where they come from.
    #[arg(long, default_value = "support", value_parser = words)]
    pub(in crate::cli) source: String,
    /// When they end, such as 2027-01-31T00:00:00Z.
    #[arg(long, value_name = "INSTANT")]
    pub(in crate::cli) expires_at: Option<DateTime<Utc>>,
    #[command(flatten)]
    pub(in crate::cli) once: Once,
}

/// `creditd revoke`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Revoke {
    /// The grant.
    #[arg(value_parser = id)]
    pub(in crate::cli) grant: String,
    /// Why.
    #[arg(long, value_parser = words)]
    pub(in crate::cli) reason: String,
    #[command(flatten)]
    pub(in crate::cli) once: Once,
}

/// `creditd adjust`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Adjust {
    /// Whose credits.
    #[arg(value_parser = id)]
    pub(in crate::cli) account: String,
    /// The kind of credit.
    #[arg(long, value_parser = kind)]
    pub(in crate::cli) kind: Kind,
    /// How many more, or with a minus how many fewer: 20 or -0.5. Never below zero.
    #[arg(long, value_parser = signed, allow_hyphen_values = true)]
    pub(in crate::cli) amount: Amount,
    /// Why.
    #[arg(long, value_parser = words)]
    pub(in crate::cli) reason: String,
    #[command(flatten)]
    pub(in crate::cli) once: Once,
}

/// How a change by hand is made.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct Once {
    /// Decide it and print what would change; change nothing.
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    /// Who does this, for the ledger; without it, the user of this shell.
    #[arg(long, value_name = "NAME", value_parser = words)]
    pub(in crate::cli) by: Option<String>,
    /// The same key again changes nothing and gives the first answer.
    #[arg(long, value_name = "KEY", value_parser = words)]
    pub(in crate::cli) idempotency_key: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) form: Form,
}
