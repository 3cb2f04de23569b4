use super::*;
use crate::request::{NewPhase, NewSchedule, PhaseLength, ScheduleChange, When};

const BOUGHT: &str = "2026-01-31T10:00:00Z";

fn phase(price: &str, quantity: u64) -> NewPhase {
    NewPhase { items: vec![ItemChange::new(price, quantity)], ..NewPhase::default() }
}

/// A downgrade at the end of the running period, as customer portals make it.
fn scheduled(cancels_at_end: bool) -> (Life, String) {
    let mut life =
        Life::with(Settings { now: instant(BOUGHT), ..Settings::default() }, Card::Pays, |new| {
            new.items = vec![ItemChange::new("more", 1)]
        });
    life.to("2026-02-10T00:00:00Z").told();
    let new = NewSchedule { from_subscription: Some(life.id.clone()), ..NewSchedule::default() };
    let schedule = life.stripe.create_schedule(new).unwrap().id.clone();
    let change = ScheduleChange {
        phases: vec![phase("more", 1), phase("month", 2)],
        cancels_at_end: Some(cancels_at_end),
        ..ScheduleChange::default()
    };
    life.stripe.update_schedule(&schedule, change).unwrap();
    assert_eq!(
        life.told(),
        [
            "02-10 00:00 sub_schedule.created",
            "02-10 00:00 sub.updated active",
            "02-10 00:00 sub_schedule.updated",
        ]
    );
    assert_eq!(life.sub().items[0].price.id, "more");
    (life, schedule)
}

#[test]
fn a_phase_turns_with_the_renewal_as_one_change() {
    let (mut life, schedule) = scheduled(false);
    life.to("2026-03-01T00:00:00Z");
    assert_eq!(life.told(), ["02-28 10:00 sub.updated active", "02-28 10:00 sub_schedule.updated"]);
    let item = &life.sub().items[0];
    assert_eq!((item.price.id.as_str(), item.quantity), ("month", Some(2)));
    life.check_period("2026-02-28T10:00:00Z", "2026-03-31T10:00:00Z");
    assert_eq!(life.sub().anchor.at, instant(BOUGHT));
    life.to("2026-04-01T00:00:00Z");
    assert_eq!(
        life.told(),
        ["03-31 10:00 sub.updated active", "03-31 10:00 sub_schedule.completed"]
    );
    assert_eq!((life.status(), life.sub().schedule.clone()), ("active", None));
    assert_eq!(life.stripe.schedule(&schedule).unwrap().status.as_str(), "completed");
}

#[test]
fn the_last_phase_may_end_the_subscription() {
    let (mut life, _) = scheduled(true);
    life.to("2026-05-01T00:00:00Z");
    assert_eq!(
        life.told()[2..],
        ["03-31 10:00 sub_schedule.completed", "03-31 10:00 sub.deleted canceled"]
    );
}

#[test]
fn a_schedule_is_released_or_canceled_with_its_subscription() {
    let (mut life, schedule) = scheduled(false);
    life.stripe.release_schedule(&schedule).unwrap();
    assert_eq!(
        life.told(),
        ["02-10 00:00 sub_schedule.released", "02-10 00:00 sub.updated active"]
    );
    life.to("2026-03-01T00:00:00Z");
    assert_eq!(life.sub().items[0].price.id, "more");
    assert_eq!(life.stripe.release_schedule(&schedule).unwrap_err().status, 400);

    let (mut life, schedule) = scheduled(false);
    life.stripe.cancel_schedule(&schedule).unwrap();
    assert_eq!(
        life.told(),
        ["02-10 00:00 sub.deleted canceled", "02-10 00:00 sub_schedule.canceled"]
    );
}

#[test]
fn a_schedule_begins_a_subscription_at_its_instant() {
    let mut life = Life::at(BOUGHT);
    life.told();
    let new = NewSchedule {
        customer: Some(life.customer.clone()),
        start: Some(When::At(instant("2026-02-05T12:00:00Z"))),
        phases: vec![
            NewPhase { length: PhaseLength::Iterations(2), ..phase("more", 1) },
            NewPhase {
                length: PhaseLength::Until(instant("2026-04-20T00:00:00Z")),
                ..phase("month", 1)
            },
        ],
        ..NewSchedule::default()
    };
    let schedule = life.stripe.create_schedule(new).unwrap().id.clone();
    life.to("2026-02-06T00:00:00Z");
    assert_eq!(
        life.told(),
        [
            "01-31 10:00 sub_schedule.created",
            "02-05 12:00 sub.created active",
            "02-05 12:00 sub.updated active",
            "02-05 12:00 sub_schedule.updated",
        ]
    );
    let begun = life.stripe.schedule(&schedule).unwrap().subscription.clone().unwrap();
    life.to("2026-04-10T00:00:00Z");
    let sub = life.stripe.subscription(&begun).unwrap();
    assert_eq!(
        (sub.items[0].price.id.as_str(), sub.anchor.at),
        ("month", instant("2026-02-05T12:00:00Z"))
    );
}
