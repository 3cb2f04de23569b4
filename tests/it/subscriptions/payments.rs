//! Payments that fail and come after all, and pauses of both kinds.

use super::{BOUGHT, GRANTED, RENEWED, Shop, Way, each_way};
use crate::engine::{Engine, on_each_engine};
use fake_stripe::object::Card;
use fake_stripe::object::subscription::{PauseBehavior, PauseCollection};
use fake_stripe::request::{ItemChange, Patch, PaymentBehavior, Proration};

on_each_engine! {
    on threads:
    r11_past_due_counts_for_its_grace_and_recovers_as_it_was
    r11_unpaid_counts_no_more_and_what_is_paid_later_brings_the_cycle_of_now
    r11_a_collection_that_is_paused_changes_nothing
    r11_what_is_paused_and_resumed_is_as_it_was_or_begins_the_cycle_of_now
    r4_what_is_resumed_with_a_new_anchor_begins_there
    r9_an_upgrade_on_a_failing_card_counts_when_it_is_paid
}

/// The renewal is charged an hour after the boundary, and fails; the days of grace run from then.
async fn r11_past_due_counts_for_its_grace_and_recovers_as_it_was(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.buys(&[("price_starter", 1)]).await;
        shop.card(Card::Declines).await;
        shop.until("2026-04-01T11:00:00Z").await;
        assert_eq!(shop.theirs().status.as_str(), "past_due");
        shop.daemon.chats("ann", 20).await;
        // A retry fails on the way, which makes the grace no longer.
        shop.until("2026-04-08T10:59:59Z").await;
        shop.is("ann", "starter: 20 used, 80 left").await;
        shop.until("2026-04-08T11:00:00Z").await;
        shop.is("ann", "free: 0 used, 5 left").await;
        shop.seat_is("suspended").await;
        shop.until("2026-04-09T00:00:00Z").await;
        shop.pays().await;
        assert_eq!(shop.theirs().status.as_str(), "active");
        shop.is("ann", "starter: 20 used, 80 left").await;
        shop.has_lines("ann", &RENEWED).await;
        shop.resets("ann", &["2026-05-01T10:00:00Z"]).await;
    })
    .await;
}

async fn r11_unpaid_counts_no_more_and_what_is_paid_later_brings_the_cycle_of_now(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.buys(&[("price_starter", 1)]).await;
        shop.card(Card::Declines).await;
        shop.until("2026-04-02T00:00:00Z").await;
        shop.daemon.chats("ann", 20).await;
        shop.until("2026-04-20T00:00:00Z").await;
        assert_eq!(shop.theirs().status.as_str(), "unpaid");
        shop.is("ann", "free: 0 used, 5 left").await;
        shop.until("2026-05-10T00:00:00Z").await;
        shop.has_lines("ann", &RENEWED).await;
        shop.pays().await;
        assert_eq!(shop.theirs().status.as_str(), "active");
        shop.is("ann", "starter: 0 used, 100 left").await;
        let back =
            ["2026-05-10T00:00:00Z expire -80 -> 0", "2026-05-10T00:00:00Z allowance 100 -> 100"];
        shop.has_lines("ann", &[&RENEWED[..], &back].concat()).await;
        shop.resets("ann", &["2026-06-01T10:00:00Z"]).await;
    })
    .await;
}

async fn r11_a_collection_that_is_paused_changes_nothing(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.buys(&[("price_starter", 1)]).await;
        shop.until("2026-03-10T00:00:00Z").await;
        let pause = PauseCollection { behavior: PauseBehavior::Void, resumes_at: None };
        shop.changes(|change, _| change.pause_collection = Patch::Set(pause)).await;
        shop.until("2026-04-05T00:00:00Z").await;
        shop.is("ann", "starter: 0 used, 100 left").await;
        shop.changes(|change, _| change.pause_collection = Patch::Clear).await;
        shop.has_lines("ann", &RENEWED).await;
        shop.resets("ann", &["2026-05-01T10:00:00Z"]).await;
    })
    .await;
}

async fn r11_what_is_paused_and_resumed_is_as_it_was_or_begins_the_cycle_of_now(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.buys(&[("price_starter", 1)]).await;
        shop.daemon.chats("ann", 30).await;
        shop.until("2026-03-10T00:00:00Z").await;
        shop.does(|stripe, sub| drop(stripe.pause_subscription(sub).unwrap())).await;
        shop.is("ann", "free: 0 used, 5 left").await;
        shop.seat_is("suspended").await;
        shop.until("2026-03-20T00:00:00Z").await;
        shop.does(|stripe, sub| drop(stripe.resume_subscription(sub, true).unwrap())).await;
        shop.is("ann", "starter: 30 used, 70 left").await;
        shop.has_lines("ann", &[GRANTED]).await;
        shop.does(|stripe, sub| drop(stripe.pause_subscription(sub).unwrap())).await;
        shop.until("2026-04-10T00:00:00Z").await;
        shop.has_lines("ann", &[GRANTED]).await;
        shop.does(|stripe, sub| drop(stripe.resume_subscription(sub, true).unwrap())).await;
        let lines = [
            GRANTED,
            "2026-04-10T00:00:00Z expire -70 -> 0",
            "2026-04-10T00:00:00Z allowance 100 -> 100",
        ];
        shop.has_lines("ann", &lines).await;
        let granted = shop.daemon.ledger("ann").await.pop().unwrap();
        assert_eq!(granted["cycle_started_at"], "2026-04-01T10:00:00Z");
        shop.resets("ann", &["2026-05-01T10:00:00Z"]).await;
    })
    .await;
}

async fn r4_what_is_resumed_with_a_new_anchor_begins_there(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.buys(&[("price_starter", 1)]).await;
        shop.daemon.chats("ann", 30).await;
        shop.until("2026-03-10T00:00:00Z").await;
        shop.does(|stripe, sub| drop(stripe.pause_subscription(sub).unwrap())).await;
        shop.until("2026-04-10T00:00:00Z").await;
        shop.does(|stripe, sub| drop(stripe.resume_subscription(sub, false).unwrap())).await;
        shop.is("ann", "starter: 0 used, 100 left").await;
        let lines = [
            GRANTED,
            "2026-04-10T00:00:00Z expire -70 -> 0",
            "2026-04-10T00:00:00Z allowance 100 -> 100",
        ];
        shop.has_lines("ann", &lines).await;
        shop.resets("ann", &["2026-05-10T00:00:00Z"]).await;
    })
    .await;
}

/// By `payment_behavior`: Stripe has the new plan at once and is owed for it, or keeps the change
/// back, or refuses it.
async fn r9_an_upgrade_on_a_failing_card_counts_when_it_is_paid(engine: Engine) {
    use PaymentBehavior::{AllowIncomplete, ErrorIfIncomplete, PendingIfIncomplete};
    let behaviors = [
        (AllowIncomplete, "past_due"),
        (PendingIfIncomplete, "active"),
        (ErrorIfIncomplete, "active"),
    ];
    for (behavior, status) in behaviors {
        each_way(engine, BOUGHT, async |shop: &mut Shop| {
            shop.buys(&[("price_starter", 1)]).await;
            shop.daemon.chats("ann", 40).await;
            shop.card(Card::Declines).await;
            shop.until("2026-03-11T00:00:00Z").await;
            let mut upgrade = fake_stripe::request::SubscriptionChange {
                proration: Proration::Invoice,
                payment_behavior: behavior,
                ..Default::default()
            };
            upgrade.items = vec![ItemChange {
                quantity: Some(2),
                ..ItemChange::price(&shop.theirs().items[0].id, "price_builder")
            }];
            let answer = shop.does(|stripe, sub| stripe.update_subscription(sub, upgrade)).await;
            assert_eq!(answer.is_err(), behavior == ErrorIfIncomplete);
            assert_eq!(shop.theirs().status.as_str(), status, "{behavior:?}");
            if (shop.way, behavior) == (Way::AsTold, AllowIncomplete) {
                // It hears of the new plan first, while all is paid, and then of the failure.
                return shop.is("ann", "builder: 40 used, 210 left").await;
            }
            shop.is("ann", "starter: 40 used, 60 left").await;
            shop.has_seats(&["starter ann 40"]).await;
            if behavior == ErrorIfIncomplete {
                return;
            }
            shop.until("2026-03-11T20:00:00Z").await;
            shop.pays().await;
            shop.is("ann", "builder: 40 used, 210 left").await;
            shop.has_seats(&["builder - 0", "builder ann 40"]).await;
            shop.has_lines("ann", &[GRANTED, "2026-03-11T20:00:00Z raise 150 -> 210"]).await;
            shop.resets("ann", &["2026-04-01T10:00:00Z"]).await;
        })
        .await;
    }
}
