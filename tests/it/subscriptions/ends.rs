//! The ends of subscriptions, foreseen, sudden and undone.

use super::{BOUGHT, GRANTED, Shop, each_way};
use crate::daemon::time::at;
use crate::engine::{Engine, on_each_engine};
use fake_stripe::request::{CancelAt, Patch};

on_each_engine! {
    on threads:
    r11_canceled_at_the_end_of_the_period_counts_up_to_it
    r11_canceled_at_an_instant_counts_up_to_it
    r11_canceled_now_ends_at_once_and_what_is_bought_again_is_full
    r11_a_cancellation_that_is_undone_changes_nothing
    r11_a_deleted_customer_ends_all_it_bought
}

async fn r11_canceled_at_the_end_of_the_period_counts_up_to_it(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        // Stripe says only later that it is over.
        shop.stripe.with(|stripe| stripe.settings.lag = chrono::TimeDelta::minutes(20));
        shop.buys(&[("price_starter", 1)]).await;
        shop.until("2026-03-11T00:00:00Z").await;
        shop.changes(|change, _| change.cancel_at_period_end = Some(true)).await;
        shop.resets("ann", &[]).await;
        assert_eq!(shop.daemon.resets_at("ann").await, "2026-04-01T10:00:00Z");
        shop.until("2026-04-01T09:59:59Z").await;
        shop.daemon.chats("ann", 30).await;
        shop.until("2026-04-01T10:00:00Z").await;
        shop.is("ann", "free: 0 used, 5 left").await;
        shop.has_lines("ann", &[GRANTED]).await;
        shop.until("2026-04-02T00:00:00Z").await;
        shop.has_seats(&[]).await;
        shop.has_lines("ann", &[GRANTED, "2026-04-01T10:20:00Z expire -70 -> 0"]).await;
    })
    .await;
}

async fn r11_canceled_at_an_instant_counts_up_to_it(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.buys(&[("price_starter", 1)]).await;
        let end = "2026-04-16T00:00:00Z";
        shop.changes(|change, _| change.cancel_at = Patch::Set(CancelAt::At(at(end)))).await;
        shop.resets("ann", &["2026-04-01T10:00:00Z"]).await;
        shop.until("2026-04-15T23:59:59Z").await;
        shop.is("ann", "starter: 0 used, 100 left").await;
        shop.until(end).await;
        shop.is("ann", "free: 0 used, 5 left").await;
        shop.has_seats(&[]).await;
        let lines = [
            GRANTED,
            "2026-04-01T10:00:00Z expire -100 -> 0",
            "2026-04-01T10:00:00Z allowance 100 -> 100",
            "2026-04-16T00:00:00Z expire -100 -> 0",
        ];
        shop.has_lines("ann", &lines).await;
    })
    .await;
}

async fn r11_canceled_now_ends_at_once_and_what_is_bought_again_is_full(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.buys(&[("price_starter", 1)]).await;
        shop.daemon.chats("ann", 30).await;
        shop.until("2026-03-11T00:00:00Z").await;
        shop.does(|stripe, sub| {
            stripe.cancel_subscription(sub, Default::default()).unwrap();
        })
        .await;
        shop.is("ann", "free: 0 used, 5 left").await;
        shop.has_lines("ann", &[GRANTED, "2026-03-11T00:00:00Z expire -70 -> 0"]).await;
        shop.until("2026-03-12T00:00:00Z").await;
        shop.buys(&[("price_starter", 1)]).await;
        shop.is("ann", "starter: 0 used, 100 left").await;
        shop.resets("ann", &["2026-04-12T00:00:00Z"]).await;
    })
    .await;
}

async fn r11_a_cancellation_that_is_undone_changes_nothing(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.buys(&[("price_starter", 1)]).await;
        shop.daemon.chats("ann", 30).await;
        shop.until("2026-03-11T00:00:00Z").await;
        shop.changes(|change, _| change.cancel_at_period_end = Some(true)).await;
        shop.until("2026-03-20T00:00:00Z").await;
        shop.changes(|change, _| change.cancel_at_period_end = Some(false)).await;
        shop.until("2026-04-02T00:00:00Z").await;
        let lines = [
            GRANTED,
            "2026-04-01T10:00:00Z expire -70 -> 0",
            "2026-04-01T10:00:00Z allowance 100 -> 100",
        ];
        shop.has_lines("ann", &lines).await;
        shop.resets("ann", &["2026-05-01T10:00:00Z", "2026-06-01T10:00:00Z"]).await;
    })
    .await;
}

async fn r11_a_deleted_customer_ends_all_it_bought(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.buys(&[("price_starter", 1)]).await;
        shop.buys(&[("price_builder", 2)]).await;
        shop.daemon.assigns("team", "bob").await;
        shop.daemon.chats("ann", 50).await;
        shop.until("2026-03-11T00:00:00Z").await;
        let customer = shop.customer.clone();
        shop.does(|stripe, _| drop(stripe.delete_customer(&customer).unwrap())).await;
        shop.has_seats(&[]).await;
        for person in ["ann", "bob"] {
            shop.is(person, "free: 0 used, 5 left").await;
        }
        let last = shop.daemon.lines("ann").await.pop().unwrap();
        assert_eq!(last, "2026-03-11T00:00:00Z expire -200 -> 0");
    })
    .await;
}
