//! The judges refuse what is wrong: a life that all of them accept is doctored a little.

use super::case::Case;
use super::ground::{Engine, Ground};
use super::judge::{holds, same_lines};
use super::late::{Late, nothing_is_missing};
use super::{Sides, each_life, in_time};
use chrono::TimeDelta;
use creditd::store::Line;
use creditd_rules::entry::Reason;
use creditd_rules::state::{SeatStatus, Status};
use creditd_rules::{Amount, Kind, Workspace};
use fake_stripe::object::{Card, Recurring, Subscription};
use fake_stripe::request::{NewPrice, NewSubscription};
use std::sync::Arc;

/// A purchase of two seats that people drew on, which an installation knows.
struct Bought {
    theirs: Vec<Arc<Subscription>>,
    team: Workspace,
    ledger: Vec<Line>,
}

async fn bought() -> Bought {
    let mut case = Case::new(1);
    case.stripe(|stripe| {
        // One that is there already stays as it is.
        stripe.create_price(NewPrice::recurring("price_builder", 1, Recurring::MONTHLY)).ok();
        let customer = stripe.customer_with(Card::Pays, &[("account", "ann")]).id.clone();
        let new = NewSubscription::of(&customer, "price_builder", 2);
        stripe.create_subscription(new).unwrap();
    });
    let sides = Sides::of(&case, &Ground::of(Engine::Memory)).await;
    let news = case.news();
    let mut courier = super::Courier::new(1);
    for batch in courier.mixed_up(&case, &news, false) {
        sides.other.hear(&batch).await;
    }
    sides.other.ask(&super::case::chats("ann", 250)).await;
    Bought {
        theirs: case.theirs(),
        team: sides.other.team().await,
        ledger: sides.other.ledger().await,
    }
}

#[tokio::test]
async fn a_line_that_is_missing_too_many_or_another_is_found() {
    let ledger = bought().await.ledger;
    assert_eq!(same_lines(&ledger, &ledger, &[]), Ok(()));
    let doctored = |change: &dyn Fn(&mut Vec<Line>)| {
        let mut doctored = ledger.clone();
        change(&mut doctored);
        same_lines(&ledger, &doctored, &[])
    };
    assert!(doctored(&|lines| drop(lines.pop())).is_err());
    assert!(doctored(&|lines| lines.push(lines[0].clone())).is_err());
    let one = Amount::from_micros(1);
    assert!(doctored(&|lines| lines[0].entry.amount = lines[0].entry.amount.plus(one)).is_err());
    assert!(doctored(&|lines| lines[0].entry.reason = Reason::Raise).is_err());
    assert!(doctored(&|lines| lines[0].entry.account = None).is_err());
    assert!(doctored(&|lines| lines[0].entry.cycle_started_at = None).is_err());
}

#[tokio::test]
async fn a_lost_anchor_plan_quantity_status_or_end_is_found() {
    let Bought { theirs, team, .. } = bought().await;
    assert_eq!(holds(&theirs, &team), Ok(()));
    let doctored = |change: &dyn Fn(&mut creditd_rules::state::Subscription)| {
        let mut doctored = team.clone();
        change(doctored.subscriptions.values_mut().next().unwrap());
        holds(&theirs, &doctored)
    };
    let second = TimeDelta::seconds(1);
    assert!(doctored(&|sub| sub.timeline.anchor += second).is_err());
    assert!(doctored(&|sub| sub.timeline.day += 1).is_err());
    assert!(doctored(&|sub| sub.items[0].plan = "starter".into()).is_err());
    assert!(doctored(&|sub| sub.items[0].quantity = 3).is_err());
    assert!(doctored(&|sub| sub.status = Status::PastDue).is_err());
    assert!(doctored(&|sub| sub.status = Status::Canceled).is_err());
    assert!(doctored(&|sub| sub.cancel_at = Some(sub.timeline.anchor)).is_err());
    let mut unknown = team.clone();
    unknown.subscriptions.clear();
    assert!(holds(&theirs, &unknown).is_err());
}

#[tokio::test]
async fn minted_credit_and_missing_credit_are_found() {
    let Bought { theirs, team, ledger } = bought().await;
    let late = Late::default();
    assert_eq!(late.nobody_drew_too_much(&ledger, &ledger), Ok(()));
    // All of one seat was drawn, and none of the other: one seat's credit more is found.
    let mut minted = ledger.clone();
    let mut used = ledger.iter().find(|line| line.entry.reason == Reason::Use).unwrap().clone();
    used.entry.amount = Amount::from_micros(-250_000_001);
    minted.push(used);
    assert!(late.nobody_drew_too_much(&ledger, &minted).is_err());

    let before = team.decided_at - TimeDelta::days(1);
    assert_eq!(nothing_is_missing(&theirs, &team, &team, before), Ok(()));
    let mut missing = team.clone();
    let seat = missing.seats.values_mut().next().unwrap();
    seat.allowances[Kind::Message].balance = Amount::from_micros(1);
    assert!(nothing_is_missing(&theirs, &team, &missing, before).is_err());
    let mut suspended = team.clone();
    suspended.seats.values_mut().next().unwrap().status = SeatStatus::Suspended;
    assert!(nothing_is_missing(&theirs, &team, &suspended, before).is_err());
}

/// A failure says its seed, and how to repeat it.
#[tokio::test]
#[should_panic(expected = "repeats it")]
async fn a_life_that_breaks_a_property_is_told_with_its_seed() {
    each_life(Engine::Memory, 1, async |seed, ground| {
        let (verdict, case) = in_time(seed, ground).await;
        (verdict.and(Err(String::from("doctored"))), case)
    })
    .await;
}
