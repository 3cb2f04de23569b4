//! Trials, and first payments that fail.

use super::{BOUGHT, GRANTED, Shop, each_way, without_card};
use crate::engine::{Engine, on_each_engine};
use fake_stripe::object::Card;
use fake_stripe::object::subscription::MissingPayment;
use fake_stripe::request::{PaymentBehavior, When};
use serde_json::Value;

on_each_engine! {
    on threads:
    r4_a_trial_is_one_cycle_and_its_end_begins_the_next
    r4_an_extended_trial_resets_by_the_month_and_ends_with_a_full_cycle
    r4_a_trial_that_is_cut_short_begins_a_cycle_at_once
    r11_a_trial_without_means_to_pay_ends_or_pauses
    r11_what_is_incomplete_counts_once_it_is_paid
    r11_what_is_never_paid_expires_and_leaves_nothing
}

/// A trial of 30 days from 1 February, which is longer than that month.
async fn r4_a_trial_is_one_cycle_and_its_end_begins_the_next(engine: Engine) {
    each_way(engine, "2026-02-01T08:00:00Z", async |shop: &mut Shop| {
        shop.buys_with(&[("price_starter", 1)], |new| new.trial_period_days = Some(30)).await;
        let next = ["2026-03-03T08:00:00Z", "2026-04-03T08:00:00Z", "2026-05-03T08:00:00Z"];
        shop.resets("ann", &next).await;
        shop.until("2026-03-03T07:59:59Z").await;
        shop.daemon.chats("ann", 30).await;
        shop.is("ann", "starter: 30 used, 70 left").await;
        shop.until("2026-03-04T00:00:00Z").await;
        shop.is("ann", "starter: 0 used, 100 left").await;
        let lines = [
            "2026-02-01T08:00:00Z allowance 100 -> 100",
            "2026-03-03T08:00:00Z expire -70 -> 0",
            "2026-03-03T08:00:00Z allowance 100 -> 100",
        ];
        shop.has_lines("ann", &lines).await;
        assert_eq!(shop.theirs().status.as_str(), "active");
    })
    .await;
}

async fn r4_an_extended_trial_resets_by_the_month_and_ends_with_a_full_cycle(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.buys_with(&[("price_starter", 1)], |new| new.trial_period_days = Some(14)).await;
        shop.daemon.chats("ann", 10).await;
        shop.until("2026-03-10T00:00:00Z").await;
        let end = "2026-04-20T10:00:00Z";
        shop.changes(|change, _| change.trial_end = Some(When::At(end.parse().unwrap()))).await;
        shop.is("ann", "starter: 10 used, 90 left").await;
        shop.resets("ann", &["2026-04-01T10:00:00Z", end, "2026-05-20T10:00:00Z"]).await;
        shop.until("2026-04-20T12:00:00Z").await;
        let lines = [
            GRANTED,
            "2026-04-01T10:00:00Z expire -90 -> 0",
            "2026-04-01T10:00:00Z allowance 100 -> 100",
            "2026-04-20T10:00:00Z expire -100 -> 0",
            "2026-04-20T10:00:00Z allowance 100 -> 100",
        ];
        shop.has_lines("ann", &lines).await;
    })
    .await;
}

async fn r4_a_trial_that_is_cut_short_begins_a_cycle_at_once(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.buys_with(&[("price_starter", 1)], |new| new.trial_period_days = Some(14)).await;
        shop.daemon.chats("ann", 40).await;
        shop.until("2026-03-10T00:00:00Z").await;
        shop.changes(|change, _| change.trial_end = Some(When::Now)).await;
        let lines = [
            GRANTED,
            "2026-03-10T00:00:00Z expire -60 -> 0",
            "2026-03-10T00:00:00Z allowance 100 -> 100",
        ];
        shop.has_lines("ann", &lines).await;
        shop.resets("ann", &["2026-04-10T00:00:00Z", "2026-05-10T00:00:00Z"]).await;
    })
    .await;
}

async fn r11_a_trial_without_means_to_pay_ends_or_pauses(engine: Engine) {
    for missing in [MissingPayment::Cancel, MissingPayment::Pause] {
        each_way(engine, BOUGHT, async |shop: &mut Shop| {
            shop.customer = shop.does(|stripe, _| without_card(stripe)).await;
            shop.buys_with(&[("price_starter", 1)], |new| {
                new.trial_period_days = Some(14);
                new.missing_payment = missing;
            })
            .await;
            shop.until("2026-03-15T09:59:59Z").await;
            shop.is("ann", "starter: 0 used, 100 left").await;
            shop.until("2026-03-15T10:00:00Z").await;
            shop.is("ann", "free: 0 used, 5 left").await;
            if missing == MissingPayment::Cancel {
                return shop.has_seats(&[]).await;
            }
            shop.seat_is("suspended").await;
            shop.until("2026-03-20T00:00:00Z").await;
            shop.card(Card::Pays).await;
            shop.does(|stripe, sub| drop(stripe.resume_subscription(sub, false).unwrap())).await;
            shop.is("ann", "starter: 0 used, 100 left").await;
            shop.resets("ann", &["2026-04-20T00:00:00Z"]).await;
        })
        .await;
    }
}

async fn r11_what_is_incomplete_counts_once_it_is_paid(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.buys_with(&[("price_starter", 1)], |new| {
            new.payment_behavior = PaymentBehavior::DefaultIncomplete;
        })
        .await;
        shop.is("ann", "free: 0 used, 5 left").await;
        shop.seat_is("suspended").await;
        shop.has_lines("ann", &[]).await;
        shop.until("2026-03-01T12:30:00Z").await;
        shop.pays().await;
        shop.is("ann", "starter: 0 used, 100 left").await;
        shop.has_lines("ann", &[GRANTED]).await;
        shop.resets("ann", &["2026-04-01T10:00:00Z"]).await;
    })
    .await;
}

async fn r11_what_is_never_paid_expires_and_leaves_nothing(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.card(Card::Declines).await;
        shop.buys(&[("price_builder", 2)]).await;
        assert_eq!(shop.theirs().status.as_str(), "incomplete");
        shop.until("2026-03-02T08:59:59Z").await;
        shop.has_seats(&["builder - 0", "builder ann 0"]).await;
        shop.until("2026-03-02T09:00:00Z").await;
        assert_eq!(shop.theirs().status.as_str(), "incomplete_expired");
        shop.has_seats(&[]).await;
        shop.is("ann", "free: 0 used, 5 left").await;
        assert_eq!(shop.daemon.ledger("ann").await, [Value::Null; 0]);
    })
    .await;
}
