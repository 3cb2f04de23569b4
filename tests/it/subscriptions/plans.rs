//! Higher and lower plans, by the month and by the year, at once and by a schedule.

use super::{BOUGHT, GRANTED as STARTER, Shop, Way, each_way};
use crate::engine::{Engine, on_each_engine};
use fake_stripe::request::{ItemChange, NewPhase, NewSchedule, PhaseLength, ScheduleChange};
use fake_stripe::{Fault, Stripe};
use serde_json::{Value, json};

on_each_engine! {
    on threads:
    r9_an_upgrade_raises_at_once_and_keeps_the_anchor
    r10_a_downgrade_waits_for_the_boundary_and_an_upgrade_withdraws_it
    r4_a_plan_that_changes_with_its_anchor_begins_a_cycle_of_the_new_plan
    r4_a_yearly_subscription_resets_by_the_month_through_its_renewal
    r4_from_months_to_years_the_anchor_and_what_is_used_stay
    r10_what_a_schedule_announces_is_granted_by_the_boundary_itself
    r10_what_a_schedule_announced_and_gave_up_does_not_come
    r10_a_schedules_price_that_goes_by_its_lookup_key_is_asked_for
}

const RESET: &str = "2026-04-01T10:00:00Z";
const BUILDER: &str = "2026-03-01T10:00:00Z allowance 250 -> 250";

async fn r9_an_upgrade_raises_at_once_and_keeps_the_anchor(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.buys(&[("price_starter", 1)]).await;
        shop.daemon.chats("ann", 40).await;
        shop.until("2026-03-11T00:00:00Z").await;
        shop.changes_to("price_builder").await;
        shop.is("ann", "builder: 40 used, 210 left").await;
        shop.until("2026-04-02T00:00:00Z").await;
        let lines = [
            STARTER,
            "2026-03-11T00:00:00Z raise 150 -> 210",
            "2026-04-01T10:00:00Z expire -210 -> 0",
            "2026-04-01T10:00:00Z allowance 250 -> 250",
        ];
        shop.has_lines("ann", &lines).await;
    })
    .await;
}

async fn r10_a_downgrade_waits_for_the_boundary_and_an_upgrade_withdraws_it(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.buys(&[("price_builder", 1)]).await;
        shop.daemon.chats("ann", 120).await;
        shop.until("2026-03-11T00:00:00Z").await;
        shop.changes_to("price_starter").await;
        shop.is("ann", "builder: 120 used, 130 left").await;
        assert_eq!(shop.daemon.seats("team").await[0]["next_plan"], "starter");
        shop.until("2026-03-12T00:00:00Z").await;
        shop.changes_to("price_builder").await;
        shop.until("2026-03-13T00:00:00Z").await;
        shop.changes_to("price_starter").await;
        shop.until("2026-04-01T09:59:59Z").await;
        shop.is("ann", "builder: 120 used, 130 left").await;
        shop.until("2026-04-02T00:00:00Z").await;
        let lines = [
            BUILDER,
            "2026-04-01T10:00:00Z expire -130 -> 0",
            "2026-04-01T10:00:00Z allowance 100 -> 100",
        ];
        shop.has_lines("ann", &lines).await;
        shop.changes_to("price_builder").await;
        shop.is("ann", "builder: 0 used, 250 left").await;
    })
    .await;
}

/// Stripe can be told to begin the period anew with a change of plan.
async fn r4_a_plan_that_changes_with_its_anchor_begins_a_cycle_of_the_new_plan(engine: Engine) {
    let ways = [
        ("price_starter", "price_builder", "starter"),
        ("price_builder", "price_starter", "builder"),
    ];
    for (from, to, plan) in ways {
        each_way(engine, BOUGHT, async |shop: &mut Shop| {
            shop.buys(&[(from, 1)]).await;
            shop.daemon.chats("ann", 40).await;
            shop.until("2026-03-11T00:00:00Z").await;
            shop.changes(|change, items| {
                change.items = vec![ItemChange::price(&items[0].id, to)];
                change.resets_anchor = true;
            })
            .await;
            let lines = match plan {
                "starter" => [
                    STARTER,
                    "2026-03-11T00:00:00Z expire -60 -> 0",
                    "2026-03-11T00:00:00Z allowance 250 -> 250",
                ],
                _ => [
                    BUILDER,
                    "2026-03-11T00:00:00Z expire -210 -> 0",
                    "2026-03-11T00:00:00Z allowance 100 -> 100",
                ],
            };
            shop.has_lines("ann", &lines).await;
            shop.resets("ann", &["2026-04-11T00:00:00Z", "2026-05-11T00:00:00Z"]).await;
        })
        .await;
    }
}

async fn r4_a_yearly_subscription_resets_by_the_month_through_its_renewal(engine: Engine) {
    each_way(engine, "2026-01-31T10:00:00Z", async |shop: &mut Shop| {
        shop.buys(&[("price_builder_year", 1)]).await;
        shop.until("2026-04-15T00:00:00Z").await;
        let lines = [
            "2026-01-31T10:00:00Z allowance 250 -> 250",
            "2026-02-28T10:00:00Z expire -250 -> 0",
            "2026-02-28T10:00:00Z allowance 250 -> 250",
            "2026-03-31T10:00:00Z expire -250 -> 0",
            "2026-03-31T10:00:00Z allowance 250 -> 250",
        ];
        shop.has_lines("ann", &lines).await;
        shop.until("2027-02-10T00:00:00Z").await;
        assert_eq!(shop.daemon.lines("ann").await.len(), 1 + 2 * 12);
        shop.resets("ann", &["2027-02-28T10:00:00Z", "2027-03-31T10:00:00Z"]).await;
    })
    .await;
}

async fn r4_from_months_to_years_the_anchor_and_what_is_used_stay(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.buys(&[("price_starter", 1)]).await;
        shop.daemon.chats("ann", 40).await;
        shop.until("2026-03-11T00:00:00Z").await;
        shop.changes_to("price_starter_year").await;
        shop.is("ann", "starter: 40 used, 60 left").await;
        shop.has_lines("ann", &[STARTER]).await;
        shop.resets("ann", &[RESET, "2026-05-01T10:00:00Z"]).await;
    })
    .await;
}

/// Another price from the end of the running period on.
fn schedule(stripe: &mut Stripe, sub: &str, price: &str) -> Result<String, Fault> {
    let from = NewSchedule { from_subscription: Some(sub.to_owned()), ..NewSchedule::default() };
    let schedule = stripe.create_schedule(from)?;
    let running = &schedule.phases[0];
    let first = NewPhase {
        items: vec![ItemChange::new(&running.items[0].price.id, 1)],
        length: PhaseLength::Until(running.end),
        ..NewPhase::default()
    };
    let then = NewPhase { items: vec![ItemChange::new(price, 1)], ..NewPhase::default() };
    let change = ScheduleChange { phases: vec![first, then], ..ScheduleChange::default() };
    stripe.update_schedule(&schedule.id, change).map(|schedule| schedule.id.clone())
}

/// Stripe turns the phase some minutes after its instant: a lower plan came with the boundary, a
/// higher one comes when it is told.
async fn r10_what_a_schedule_announces_is_granted_by_the_boundary_itself(engine: Engine) {
    let lower = [
        BUILDER,
        "2026-04-01T10:00:00Z expire -210 -> 0",
        "2026-04-01T10:00:00Z allowance 100 -> 100",
    ];
    let higher = [
        STARTER,
        "2026-04-01T10:00:00Z expire -60 -> 0",
        "2026-04-01T10:00:00Z allowance 100 -> 100",
        "2026-04-01T10:04:00Z raise 150 -> 250",
    ];
    for (from, to, next, lines) in [
        ("price_builder", "price_starter", json!("starter"), &lower[..]),
        ("price_starter", "price_builder", Value::Null, &higher),
    ] {
        each_way(engine, BOUGHT, async |shop: &mut Shop| {
            shop.stripe.with(|stripe| stripe.settings.lag = chrono::TimeDelta::minutes(4));
            shop.buys(&[(from, 1)]).await;
            shop.daemon.chats("ann", 40).await;
            shop.until("2026-03-11T00:00:00Z").await;
            shop.does(|stripe, sub| schedule(stripe, sub, to).unwrap()).await;
            assert_eq!(shop.daemon.seats("team").await[0]["next_plan"], next);
            shop.until("2026-04-01T10:00:00Z").await;
            shop.has_lines("ann", &lines[..3]).await;
            shop.until("2026-04-02T00:00:00Z").await;
            shop.has_lines("ann", lines).await;
        })
        .await;
    }
}

async fn r10_what_a_schedule_announced_and_gave_up_does_not_come(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.buys(&[("price_builder", 1)]).await;
        let id = shop.does(|stripe, sub| schedule(stripe, sub, "price_starter").unwrap()).await;
        shop.until("2026-03-11T00:00:00Z").await;
        shop.does(|stripe, _| drop(stripe.release_schedule(&id).unwrap())).await;
        assert_eq!(shop.daemon.seats("team").await[0]["next_plan"], Value::Null);
        shop.until("2026-04-02T00:00:00Z").await;
        shop.is("ann", "builder: 0 used, 250 left").await;
    })
    .await;
}

/// Phases tell only the ids of their prices. Who cannot ask learns the plan when it comes.
async fn r10_a_schedules_price_that_goes_by_its_lookup_key_is_asked_for(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.stripe.with(|stripe| stripe.settings.lag = chrono::TimeDelta::minutes(4));
        shop.buys(&[("price_builder", 1)]).await;
        shop.does(|stripe, sub| schedule(stripe, sub, "price_keyed").unwrap()).await;
        shop.until("2026-04-02T00:00:00Z").await;
        shop.is("ann", "starter: 0 used, 100 left").await;
        let lines = shop.daemon.lines("ann").await;
        let expected = match shop.way {
            Way::Asked => &["2026-04-01T10:00:00Z allowance 100 -> 100"][..],
            Way::AsTold => &[
                "2026-04-01T10:00:00Z allowance 250 -> 250",
                "2026-04-01T10:00:00Z cut -150 -> 100",
            ],
        };
        assert_eq!(lines[2..], *expected);
    })
    .await;
}
