//! The catalogue that tests run under: the shipped prices, and plans small enough to use up.

use creditd_rules::Kind;
use creditd_rules::id::PlanId;
use creditd_rules::plan::{Action, Catalogue, Class, Limits, PerKind, Plan, Policy};
use std::collections::BTreeMap;

use super::credits;

/// So many message credits a month, and four times as many for integrations.
fn monthly(message: i64) -> PerKind<Limits> {
    let limits = |credits| Limits::monthly(creditd_rules::Amount::credits(credits));
    PerKind { message: limits(message), integration: limits(message * 4) }
}

fn plan(id: &str, rank: u32, limits: PerKind<Limits>) -> Plan {
    let class = if rank == 0 { Class::Free } else { Class::Paid };
    Plan { id: PlanId::from(id), class, rank, limits }
}

/// Free: 5 a day, 25 for integrations. Starter 10, builder 25, pro 50 a month, and "capped": 40 a
/// month and 4 a day.
fn plans() -> Vec<Plan> {
    let daily = |credits| Limits::daily(creditd_rules::Amount::credits(credits));
    let capped = |limits: Limits, day: i64| Limits {
        day: Some(creditd_rules::Amount::credits(day)),
        ..limits
    };
    let forty = monthly(40);
    let capped =
        PerKind { message: capped(forty.message, 4), integration: capped(forty.integration, 16) };
    vec![
        plan("free", 0, PerKind { message: daily(5), integration: daily(25) }),
        plan("starter", 1, monthly(10)),
        plan("builder", 2, monthly(25)),
        plan("capped", 3, capped),
        plan("pro", 4, monthly(50)),
    ]
}

/// The shipped prices (R1), and "dear", of which two cannot be counted.
fn actions() -> Vec<Action> {
    let action = |id: &str, kind, cost| Action {
        id: id.into(),
        kind,
        cost: credits(cost),
        cost_by_class: BTreeMap::new(),
    };
    let free_if_paid = |id| {
        let mut action = action(id, Kind::Message, "1");
        action.cost_by_class.insert(Class::Paid, credits("0"));
        action
    };
    vec![
        action("discuss", Kind::Message, "0.3"),
        action("chat", Kind::Message, "1"),
        action("visual_edit", Kind::Message, "0"),
        action("visual_edit_ai", Kind::Message, "1"),
        free_if_paid("auto_fix"),
        free_if_paid("resolve_with_ai"),
        action("integration_call", Kind::Integration, "1"),
        action("agent_message", Kind::Integration, "3"),
        action("dear", Kind::Message, "9000000000000"),
    ]
}

/// The same with a free plan of so many credits a month, and 4 a day.
pub(crate) fn capped(month: creditd_rules::Amount) -> Catalogue {
    let mut plans = plans();
    let limits = Limits { day: Some(credits("4")), month: Some(month) };
    plans[0].limits = PerKind { message: limits, integration: limits };
    Catalogue::try_new(plans, actions(), Policy::default()).unwrap()
}

/// The same after every limit was doubled.
pub(crate) fn doubled() -> Catalogue {
    let mut plans = plans();
    let twice = |limit: Option<creditd_rules::Amount>| limit.and_then(|limit| limit.checked_mul(2));
    for plan in &mut plans {
        let limits = plan.limits;
        plan.limits = PerKind::from_fn(|kind| Limits {
            day: twice(limits[kind].day),
            month: twice(limits[kind].month),
        });
    }
    Catalogue::try_new(plans, actions(), Policy::default()).unwrap()
}

pub(crate) fn catalogue() -> Catalogue {
    Catalogue::try_new(plans(), actions(), Policy::default()).unwrap()
}
