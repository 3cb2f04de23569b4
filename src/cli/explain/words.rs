//! What lies ahead of an account, in sentences for people who answer customers.

use crate::cli::table;
use creditd_rules::entry::{Entry, Pot, Reason};
use creditd_rules::id::PlanId;
use creditd_rules::outlook::{Event, KindOutlook, Moved, Outlook, Part, Refused, Turn};
use creditd_rules::plan::PerKind;
use creditd_rules::state::SeatStatus;
use creditd_rules::view::SeatView;
use creditd_rules::{Amount, Instant, Kind};

fn day(at: Instant) -> String {
    table::instant(Some(at))
}

/// Whose account it is, and what counts for it.
pub(super) fn who(outlook: &Outlook, workspace: &str) -> Vec<String> {
    let Outlook { account, plan, as_of, .. } = outlook;
    let mut lines = vec![format!(
        "{account} of workspace {workspace} is on plan {plan}, as of {}.",
        day(*as_of)
    )];
    lines.extend(outlook.seat.as_ref().map(seat));
    lines
}

fn seat(seat: &SeatView) -> String {
    let SeatView { id, subscription, plan, status, ends_at, next_plan, .. } = seat;
    let mut text = format!("They hold seat {id}, plan {plan}, of subscription {subscription}");
    if *status == SeatStatus::Suspended {
        text += ", which is suspended: it keeps what is in it, and the free plan counts";
    }
    if let Some(plan) = next_plan {
        text += &format!("; its next cycle is on plan {plan}");
    }
    if let Some(at) = ends_at {
        text += &format!("; it ends on {}", day(*at));
    }
    text + "."
}

/// What can be spent of a kind, from where, and until when.
pub(super) fn order(kind: Kind, outlook: &KindOutlook) -> Vec<String> {
    let name = capital(kind);
    let spendable = outlook.spendable;
    if outlook.next.is_empty() {
        return vec![format!("{name} credits: none can be spent.")];
    }
    let mut lines =
        vec![format!("{name} credits: {spendable} can be spent. The next ones are taken from")];
    let parts = outlook.next.iter().zip(1..);
    lines.extend(parts.map(|(from, number)| format!("  {number}. {}", part(from))));
    lines
}

fn part(part: &Part) -> String {
    let Part { pot, available, held_back, more_at, ends_at, opens, grant } = part;
    let mut text = match (grant, pot.split_once('/')) {
        (Some(grant), _) => {
            let (id, source, reason) = (&grant.id, &grant.source, &grant.reason);
            format!("grant {id} ({source}: {reason}): {available}")
        }
        (None, Some(("seat", id))) => format!("the allowance of seat {id}: {available}"),
        (None, _) => format!("the free plan's allowance: {available}"),
    };
    text += &match ends_at {
        Some(at) => format!(", gone on {}", day(*at)),
        None if *opens => "; its time begins to run with the next debit".to_owned(),
        None => ", without an end".to_owned(),
    };
    if !held_back.is_zero() {
        let more = more_at.map(|at| format!(" until {}", day(at))).unwrap_or_default();
        text += &format!("; {held_back} more are held back by the day's limit{more}");
    }
    text
}

/// What was refused first since there was last something to spend.
pub(super) fn refused(kind: Kind, refused: &Refused, now: Instant) -> String {
    let Refused { action, needed, left, at, fits_at } = refused;
    let cure = match fits_at {
        Some(at) if *at <= now => "It would be accepted now.".to_owned(),
        Some(at) => format!("If nothing else is spent, it fits from {} on.", day(*at)),
        None => "Nothing that is in sight brings enough.".to_owned(),
    };
    let at = day(*at);
    let why = format!("it takes {needed} {kind} credits, and {left} were left");
    format!("Refused: {action} on {at}, since {why}. {cure}")
}

/// The next instants that change something, and what each does.
pub(super) fn turns(outlook: &Outlook) -> Vec<String> {
    let mut had =
        PerKind { message: outlook.message.spendable, integration: outlook.integration.spendable };
    let mut plan = outlook.plan.clone();
    let words = |turn: &Turn| {
        let words = turn_words(turn, &had, &plan);
        had = PerKind { message: turn.message.spendable, integration: turn.integration.spendable };
        plan.clone_from(&turn.plan);
        words
    };
    outlook.turns.iter().map(words).collect()
}

fn turn_words(turn: &Turn, had: &PerKind<Amount>, plan: &PlanId) -> String {
    let what: Vec<String> = turn.what.iter().map(event).collect();
    let mut text = format!("  {}  {}", day(turn.at), what.join(", "));
    if turn.plan != *plan {
        text += &format!("; the plan is {} then", turn.plan);
    }
    for (kind, now) in [(Kind::Message, turn.message), (Kind::Integration, turn.integration)] {
        let Moved { expires, granted, spendable } = now;
        if expires.is_zero() && granted.is_zero() && spendable == had[kind] {
            continue;
        }
        text += &format!("; {kind} credits: ");
        if !expires.is_zero() {
            text += &format!("{expires} are gone unused, ");
        }
        if !granted.is_zero() {
            text += &format!("{granted} come, ");
        }
        text += &format!("{spendable} can be spent");
    }
    text
}

fn event(event: &Event) -> String {
    match event {
        Event::Reset(seat) => format!("reset of seat {seat}"),
        Event::SeatBegins(seat) => format!("seat {seat} begins to count"),
        Event::SeatSuspends(seat) => format!("seat {seat} stops counting and keeps what is in it"),
        Event::SeatEnds(seat) => format!("seat {seat} ends"),
        Event::SeatComes(seat) => format!("seat {seat} comes to them"),
        Event::DayEnds(kind) => format!("the day of {kind} credits ends, and its limit with it"),
        Event::WindowEnds(kind) => format!("the free plan's time for {kind} credits ends"),
        Event::GrantEnds(grant) => format!("grant {grant} ends"),
    }
}

/// What a line of the ledger says.
pub(super) fn line(entry: &Entry) -> String {
    let Entry { reason, pot, action, actor, account, app, .. } = entry;
    let pot = match pot {
        Some(Pot::Seat(id)) => format!("seat {id}"),
        Some(Pot::Free(_)) => "the free plan".to_owned(),
        Some(Pot::Grant(id)) => format!("grant {id}"),
        None => "nothing, it is free".to_owned(),
    };
    let mut text = match reason {
        Reason::Allowance => format!("new credits of {pot}"),
        Reason::Raise => format!("the plan of {pot} rose"),
        Reason::Cut => format!("the plan of {pot} fell"),
        Reason::Expire => format!("unused in {pot}, gone at its end"),
        Reason::Use => {
            format!("{} from {pot}", action.as_ref().map_or("use", |action| action.as_str()))
        }
        Reason::Grant => format!("given as {pot}"),
        Reason::Revoke => format!("{pot} was taken back"),
        Reason::Adjust => format!("{pot} was corrected by hand"),
        Reason::SeatOut => format!("{pot} went to somebody else"),
        Reason::SeatIn => format!("{pot} came"),
    };
    let other =
        actor.as_deref().filter(|actor| account.as_ref().is_none_or(|id| id.as_str() != *actor));
    if let Some(actor) = other {
        text += &format!(", by {actor}");
    }
    if let Some(app) = app {
        text += &format!(", app {app}");
    }
    text
}

fn capital(kind: Kind) -> &'static str {
    match kind {
        Kind::Message => "Message",
        Kind::Integration => "Integration",
    }
}
