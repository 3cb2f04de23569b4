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
    let used = action.as_ref().map_or("a use", |action| action.as_str());
    let is_free = pot.is_none();
    let pot = match pot {
        Some(Pot::Seat(id)) => format!("seat {id}"),
        Some(Pot::Free(_)) => "the free plan".to_owned(),
        Some(Pot::Grant(id)) => format!("grant {id}"),
        None => "-".to_owned(),
    };
    let mut text = match reason {
        Reason::Allowance => format!("new credits of {pot}"),
        Reason::Raise => format!("the plan of {pot} rose"),
        Reason::Cut => format!("the plan of {pot} fell"),
        Reason::Expire => format!("unused in {pot}, gone at its end"),
        Reason::Use if is_free => format!("{used}, which is free"),
        Reason::Use => format!("{used} from {pot}"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use creditd_rules::view::{GrantView, SeatKindView};

    fn at(text: &str) -> Instant {
        format!("{text}T10:00:00Z").parse().unwrap()
    }

    fn credits(text: &str) -> Amount {
        text.parse().unwrap()
    }

    fn seat_view() -> SeatView {
        let kind = SeatKindView { used: Amount::ZERO, allowance: credits("100") };
        SeatView {
            id: "s1".into(),
            subscription: "sub_1".into(),
            plan: "pro".into(),
            next_plan: None,
            holder: Some("ann".into()),
            anchor: at("2026-03-01"),
            assigned_at: None,
            resets_at: None,
            ends_at: None,
            status: SeatStatus::Active,
            message: kind.clone(),
            integration: kind,
        }
    }

    #[test]
    fn a_seat_is_told_with_all_that_is_special_about_it() {
        let plain = "They hold seat s1, plan pro, of subscription sub_1";
        assert_eq!(seat(&seat_view()), format!("{plain}."));
        let suspended = SeatView { status: SeatStatus::Suspended, ..seat_view() };
        let words = ", which is suspended: it keeps what is in it, and the free plan counts.";
        assert_eq!(seat(&suspended), format!("{plain}{words}"));
        let ends_at = Some(at("2026-04-01"));
        let falling = SeatView { next_plan: Some("starter".into()), ends_at, ..seat_view() };
        let words = "; its next cycle is on plan starter; it ends on 2026-04-01 10:00:00Z.";
        assert_eq!(seat(&falling), format!("{plain}{words}"));
    }

    fn allowance() -> Part {
        Part {
            pot: "seat/s1".into(),
            available: credits("4"),
            held_back: Amount::ZERO,
            more_at: None,
            ends_at: Some(at("2026-04-01")),
            opens: false,
            grant: None,
        }
    }

    #[test]
    fn each_part_says_when_it_is_gone_and_what_is_held_back() {
        let gone = "the allowance of seat s1: 4, gone on 2026-04-01 10:00:00Z";
        assert_eq!(part(&allowance()), gone);
        let (held_back, more_at) = (credits("36"), Some(at("2026-03-02")));
        let held = part(&Part { held_back, more_at, ..allowance() });
        let words = "; 36 more are held back by the day's limit until 2026-03-02 10:00:00Z";
        assert_eq!(held, format!("{gone}{words}"));
        let free = Part { pot: "free/ann".into(), ends_at: None, opens: true, ..allowance() };
        let words = "the free plan's allowance: 4; its time begins to run with the next debit";
        assert_eq!(part(&free), words);
        let grant = GrantView {
            id: "g1".into(),
            account: "ann".into(),
            kind: Kind::Message,
            amount: credits("4"),
            remaining: credits("4"),
            source: "promo:SPRING".into(),
            reason: "spring".into(),
            created_at: at("2026-03-01"),
            expires_at: None,
            ended: false,
        };
        let grant =
            Part { pot: "grant/g1".into(), ends_at: None, grant: Some(grant), ..allowance() };
        assert_eq!(part(&grant), "grant g1 (promo:SPRING: spring): 4, without an end");
    }

    #[test]
    fn a_refusal_says_from_when_on_it_fits() {
        let now = at("2026-03-05");
        let told = |fits_at| {
            let (needed, left) = (credits("3"), credits("0.5"));
            let action = "chat".into();
            let refusal = Refused { action, needed, left, at: at("2026-03-02"), fits_at };
            refused(Kind::Message, &refusal, now)
        };
        let why = "Refused: chat on 2026-03-02 10:00:00Z, since it takes 3 message credits, and 0.5 \
                   were left.";
        assert_eq!(told(Some(now)), format!("{why} It would be accepted now."));
        assert_eq!(told(None), format!("{why} Nothing that is in sight brings enough."));
        let later = "If nothing else is spent, it fits from 2026-04-01 10:00:00Z on.";
        assert_eq!(told(Some(at("2026-04-01"))), format!("{why} {later}"));
    }

    #[test]
    fn a_turn_tells_only_of_what_it_changes() {
        let same = Moved { expires: Amount::ZERO, granted: Amount::ZERO, spendable: credits("5") };
        let turn = Turn {
            at: at("2026-04-01"),
            what: vec![Event::SeatEnds("s1".into()), Event::GrantEnds("g1".into())],
            plan: "free".into(),
            message: Moved { expires: credits("7"), ..same },
            integration: same,
        };
        let had = PerKind { message: credits("12"), integration: credits("5") };
        assert_eq!(
            turn_words(&turn, &had, &"pro".into()),
            "  2026-04-01 10:00:00Z  seat s1 ends, grant g1 ends; the plan is free then; \
             message credits: 7 are gone unused, 5 can be spent"
        );
        let day = Turn { what: vec![Event::DayEnds(Kind::Message)], message: same, ..turn };
        let had = PerKind { message: credits("1"), integration: credits("5") };
        assert_eq!(
            turn_words(&day, &had, &"free".into()),
            "  2026-04-01 10:00:00Z  the day of message credits ends, and its limit with it; \
             message credits: 5 can be spent"
        );
    }

    #[test]
    fn every_reason_of_the_ledger_has_its_words() {
        let line_of = |reason, pot: Option<Pot>| {
            line(&Entry {
                pot,
                account: Some("ann".into()),
                use_id: None,
                kind: Kind::Message,
                amount: credits("1"),
                pot_after: None,
                reason,
                cycle_started_at: None,
                effective_at: at("2026-03-01"),
                actor: Some("visitor".into()),
                app: Some("shop".into()),
                action: Some("agent_message".into()),
                price: None,
                cause: None,
                cause_at: None,
            })
        };
        let words = line_of(Reason::Use, Some(Pot::Seat("s1".into())));
        assert_eq!(words, "agent_message from seat s1, by visitor, app shop");
        let words = line_of(Reason::Use, None);
        assert_eq!(words, "agent_message, which is free, by visitor, app shop");
        for reason in Reason::ALL {
            let words = line_of(reason, Some(Pot::Grant("g1".into())));
            assert!(words.contains("grant g1"), "{words}");
        }
    }
}
