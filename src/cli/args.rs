//! What can be said on the command line.

mod values;
mod change;
mod queues;
mod rewards;

pub(super) use change::{Adjust, Grant, Once, Revoke, Seat};
pub(super) use queues::{Inbox, Outbox, Picked};
pub(super) use rewards::Rewards;

use crate::api_key::Scope;
use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;
use values::id;

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
    CheckConfig(Form),
    /// The settings as they hold.
    Config {
        #[command(subcommand)]
        what: Config,
    },
    /// Look at everything that must be right, and say how to mend what is not.
    Doctor(Form),
    /// Bring the database's schema up to date.
    Migrate(Rehearsal),
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
    /// Why an account has what it has: what is taken next, what comes next, who caused each line.
    Explain(Explain),
    /// Seats: who holds them.
    Seat {
        #[command(subcommand)]
        what: Seat,
    },
    /// Give an account credits outside its plan.
    Grant(Grant),
    /// Take back what is left of a grant.
    Revoke(Revoke),
    /// Correct what an account has.
    Adjust(Adjust),
    /// Claims of the share reward.
    Rewards {
        #[command(subcommand)]
        what: Rewards,
    },
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
    Verify(Form),
    /// Copy a SQLite database beside its daemon, and prove the copy.
    Backup(Backup),
    /// Print the OpenAPI description of the HTTP interface.
    Openapi,
    /// Print what a shell needs to complete these commands.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page, or write the pages of all commands.
    Man(Man),
}

/// `creditd config …`.
#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Show every setting; secrets are hidden.
    Show(ShownConfig),
}

/// How settings are shown.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct ShownConfig {
    /// Say where each was set.
    #[arg(long)]
    pub(super) origin: bool,
    #[command(flatten)]
    pub(super) form: Form,
}

/// `creditd man`.
#[derive(Debug, Args)]
pub(super) struct Man {
    /// Write a page for each command into this folder.
    #[arg(long, value_name = "FOLDER")]
    pub(super) into: Option<PathBuf>,
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
        #[command(flatten)]
        rehearsal: Rehearsal,
    },
    /// Show all keys by their public ids.
    List(Form),
    /// Make a key useless, within 5 seconds.
    Revoke {
        /// The key's public id.
        id: String,
        #[command(flatten)]
        rehearsal: Rehearsal,
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

/// `creditd explain`.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The account.
    #[arg(value_parser = id)]
    pub(super) account: String,
    /// Say also whether this action would be accepted now, and if not, why.
    #[arg(long)]
    pub(super) action: Option<String>,
    /// How many such actions.
    #[arg(long, requires = "action", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) quantity: u32,
    /// The app of an integration action; its owner pays.
    #[arg(long, requires = "action", value_parser = id)]
    pub(super) app: Option<String>,
    /// How many coming instants.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub(super) turns: u32,
    /// How many lines of the ledger.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub(super) entries: u32,
    #[command(flatten)]
    pub(super) form: Form,
}

/// `creditd backup`.
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The file to be made; it must not be there.
    #[arg(value_name = "FILE")]
    pub(super) to: PathBuf,
    /// Do not prove the copy: for books that are known to be wrong.
    #[arg(long)]
    pub(super) no_verify: bool,
    #[command(flatten)]
    pub(super) rehearsal: Rehearsal,
    #[command(flatten)]
    pub(super) form: Form,
}

/// Whether a change is only spoken of.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Rehearsal {
    /// Print what would be done, and change nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
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
    #[command(flatten)]
    pub(super) form: Form,
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
