//! What can be said on the command line.

use crate::api_key::Scope;
use crate::store::{EventState, MailState};
use chrono::{DateTime, Utc};
use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use creditd_rules::id::is_valid;
use creditd_rules::{Amount, Kind};
use std::path::PathBuf;

/// Exact credit metering for AI products.
#[derive(Debug, Parser)]
#[command(name = "creditd", version, about, disable_help_subcommand = true, max_term_width = 100)]
pub(super) struct Cli {
    /// The settings' file; without it /etc/creditd/creditd.toml is read, if there is one.
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the daemon.
    Serve,
    /// Play through a purchase, an exact reset, a run-out, an upgrade and a moved seat.
    Demo,
    /// Let the running daemon read plans, templates and log level again.
    Reload,
    /// Show every setting with its origin, and all that is wrong.
    CheckConfig,
    /// Bring the database's schema up to date.
    Migrate,
    /// Copy a stopped installation from SQLite to PostgreSQL, and prove the copy.
    Move(Move),
    /// API keys.
    Keys {
        #[command(subcommand)]
        what: Keys,
    },
    /// One person's credits.
    Account {
        #[command(subcommand)]
        what: Account,
    },
    /// Seats: who holds them.
    Seat {
        #[command(subcommand)]
        what: Seat,
    },
    /// Give an account credits outside its plan.
    Grant(Grant),
    /// Compare all subscriptions with Stripe and heal what differs.
    Sync(Sync),
    /// Stripe's customers: whose they are, and who waits to be known.
    Customers {
        #[command(subcommand)]
        what: Customers,
    },
    /// Subscriptions: ours beside Stripe's.
    Subscriptions {
        #[command(subcommand)]
        what: Subscriptions,
    },
    /// Stripe's events.
    Inbox {
        #[command(subcommand)]
        what: Inbox,
    },
    /// Mails.
    Outbox {
        #[command(subcommand)]
        what: Outbox,
    },
    /// Prove that the books add up.
    Verify,
    /// Print the OpenAPI description of the HTTP interface.
    Openapi,
}

/// `creditd move`.
#[derive(Debug, Args)]
pub(super) struct Move {
    /// Where to: postgres://…; without it, database.move_to of the settings. Others on this machine
    /// can read a password that stands here.
    #[arg(long, value_name = "URL")]
    pub(super) to: Option<String>,
    /// Only say what would be moved, and what is in the way.
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// `creditd keys …`.
#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// Make a key and print it, alone and only this once.
    Create {
        /// What it may do; repeat it for several.
        #[arg(long = "scope", required = true, value_name = "SCOPE", value_parser = PossibleValuesParser::new(Scope::ALL.map(Scope::as_str)))]
        scopes: Vec<String>,
    },
    /// Show all keys by their public ids.
    List(Form),
    /// Make a key useless, within 5 seconds.
    Revoke {
        /// The key's public id.
        id: String,
    },
}

/// `creditd account …`.
#[derive(Debug, Subcommand)]
pub(super) enum Account {
    /// Show balance and latest entries.
    Show {
        /// The account.
        #[arg(value_parser = id)]
        id: String,
        /// How many entries.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=1000))]
        entries: u32,
        #[command(flatten)]
        form: Form,
    },
}

/// `creditd seat …`.
#[derive(Debug, Subcommand)]
pub(super) enum Seat {
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
pub(super) struct Grant {
    /// Who gets the credits.
    #[arg(value_parser = id)]
    pub(super) account: String,
    /// The kind of credit.
    #[arg(long, value_parser = kind)]
    pub(super) kind: Kind,
    /// How many, such as 20 or 0.5.
    #[arg(long, value_parser = amount)]
    pub(super) amount: Amount,
    /// Why.
    #[arg(long, value_parser = words)]
    pub(super) reason: String,
    /// Where they come from.
    #[arg(long, default_value = "support", value_parser = words)]
    pub(super) source: String,
    /// When they end, such as 2027-01-31T00:00:00Z.
    #[arg(long, value_name = "INSTANT")]
    pub(super) expires_at: Option<DateTime<Utc>>,
    #[command(flatten)]
    pub(super) once: Once,
}

/// How a change is told from its repetition.
#[derive(Debug, Args)]
pub(super) struct Once {
    /// The same key again changes nothing and gives the first answer.
    #[arg(long, value_name = "KEY", value_parser = words)]
    pub(super) idempotency_key: Option<String>,
    #[command(flatten)]
    pub(super) form: Form,
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Form {
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// `creditd sync`.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Sync {
    /// Print what differs and change nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// `creditd customers …`.
#[derive(Debug, Subcommand)]
pub(super) enum Customers {
    /// Show customers with their workspaces, and what waits for some that are not known.
    List {
        /// How many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Only what waits.
        #[arg(long)]
        waiting: bool,
        #[command(flatten)]
        form: Form,
    },
    /// Show one customer with its subscriptions and what waits for it.
    Show(OfStripe),
}

/// `creditd subscriptions …`.
#[derive(Debug, Subcommand)]
pub(super) enum Subscriptions {
    /// Show one subscription, ours beside Stripe's, with the differences marked.
    Show(OfStripe),
}

/// One thing of Stripe's.
#[derive(Debug, Args)]
pub(super) struct OfStripe {
    /// Stripe's id.
    #[arg(value_parser = id)]
    pub(super) id: String,
    #[command(flatten)]
    pub(super) form: Form,
}

/// `creditd inbox …`.
#[derive(Debug, Subcommand)]
pub(super) enum Inbox {
    /// Show events, newest first.
    List {
        /// Only those in this state.
        #[arg(long)]
        state: Option<EventStateArg>,
        /// How many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        #[command(flatten)]
        form: Form,
    },
    /// Show one event with its body.
    Show {
        /// Its id.
        id: String,
        #[command(flatten)]
        form: Form,
    },
    /// Let the daemon apply events once more.
    Replay(Picked),
}

/// `creditd outbox …`.
#[derive(Debug, Subcommand)]
pub(super) enum Outbox {
    /// Show mails, newest first.
    List {
        /// Only those in this state.
        #[arg(long)]
        state: Option<MailStateArg>,
        /// How many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        #[command(flatten)]
        form: Form,
    },
    /// Let the daemon try parked mails once more.
    Retry(Picked),
}

/// Which events or mails.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Picked {
    /// Their ids.
    pub(super) ids: Vec<String>,
    /// All that are parked.
    #[arg(long)]
    pub(super) parked: bool,
}

/// An event's state, as a word.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum EventStateArg {
    Pending,
    Done,
    Ignored,
    Waiting,
    Parked,
    Marked,
}

impl From<EventStateArg> for EventState {
    fn from(word: EventStateArg) -> Self {
        match word {
            EventStateArg::Pending => Self::Pending,
            EventStateArg::Done => Self::Done,
            EventStateArg::Ignored => Self::Ignored,
            EventStateArg::Waiting => Self::Waiting,
            EventStateArg::Parked => Self::Parked,
            EventStateArg::Marked => Self::Marked,
        }
    }
}

/// A mail's state, as a word.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum MailStateArg {
    Queued,
    Sent,
    Parked,
    Dropped,
}

impl From<MailStateArg> for MailState {
    fn from(word: MailStateArg) -> Self {
        match word {
            MailStateArg::Queued => Self::Queued,
            MailStateArg::Sent => Self::Sent,
            MailStateArg::Parked => Self::Parked,
            MailStateArg::Dropped => Self::Dropped,
        }
    }
}

fn id(text: &str) -> Result<String, String> {
    if is_valid(text) {
        return Ok(text.to_owned());
    }
    Err("an id has 1 to 128 letters, digits, or _.:@-".to_owned())
}

fn kind(text: &str) -> Result<Kind, String> {
    text.parse().map_err(str::to_owned)
}

fn amount(text: &str) -> Result<Amount, String> {
    let amount: Amount = text.parse().map_err(|error| format!("it {error}"))?;
    if amount.is_negative() || amount.is_zero() {
        return Err("it must be above zero".to_owned());
    }
    Ok(amount)
}

/// Words to keep: some, no more than 500 characters, none of them a control character.
fn words(text: &str) -> Result<String, String> {
    match text {
        _ if text.trim().is_empty() => Err("it is blank".to_owned()),
        _ if text.chars().count() > 500 => Err("it is longer than 500 characters".to_owned()),
        _ if text.chars().any(char::is_control) => Err("it holds a control character".to_owned()),
        _ => Ok(text.to_owned()),
    }
}
