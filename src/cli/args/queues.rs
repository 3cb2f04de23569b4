//! `creditd inbox …` and `creditd outbox …`.

use super::{Form, Rehearsal};
use crate::store::{EventState, MailState};
use clap::{Args, Subcommand, ValueEnum};

/// `creditd inbox …`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Inbox {
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
    Replay {
        #[command(flatten)]
        picked: Picked,
        #[command(flatten)]
        rehearsal: Rehearsal,
    },
}

/// `creditd outbox …`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Outbox {
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
    Retry {
        #[command(flatten)]
        picked: Picked,
        #[command(flatten)]
        rehearsal: Rehearsal,
    },
}

/// Which events or mails.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(in crate::cli) struct Picked {
    /// Their ids.
    pub(in crate::cli) ids: Vec<String>,
    /// All that are parked.
    #[arg(long)]
    pub(in crate::cli) parked: bool,
}

/// An event's state, as a word.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(in crate::cli) enum EventStateArg {
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
pub(in crate::cli) enum MailStateArg {
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
