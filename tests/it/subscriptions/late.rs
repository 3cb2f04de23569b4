//! Facts that are known after their instant: they count from when they are applied, and nothing
//! that was posted is undone.

use super::{BOUGHT, GRANTED, RENEWED, Shop, each_way};
use crate::engine::{Engine, on_each_engine};
use fake_stripe::object::Card;
use fake_stripe::request::ItemChange;

on_each_engine! {
    on threads:
    r6_a_purchase_told_late_begins_with_the_cycle_of_now
    r11_an_end_told_late_counts_from_then
    r9_an_upgrade_told_late_raises_from_then
    r10_a_downgrade_told_late_waits_for_the_next_boundary
    r12_a_lower_quantity_told_late_waits_for_the_next_boundary
    r11_grace_runs_from_the_instant_however_late_it_is_told
    r4_a_moved_anchor_told_late_is_a_boundary_of_its_own_instant
}

async fn r6_a_purchase_told_late_begins_with_the_cycle_of_now(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        let new = fake_stripe::request::NewSubscription::of(&shop.customer, "price_starter", 1);
        shop.stripe.with(|stripe| stripe.create_subscription(new).unwrap());
        shop.until_untold("2026-04-05T00:00:00Z").await;
        shop.is("ann", "free: 0 used, 5 left").await;
        shop.tell().await;
        shop.has_lines("ann", &["2026-04-01T10:00:00Z allowance 100 -> 100"]).await;
        shop.resets("ann", &["2026-05-01T10:00:00Z"]).await;
    })
    .await;
}

async fn r11_an_end_told_late_counts_from_then(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.buys(&[("price_starter", 1)]).await;
        shop.until("2026-03-20T00:00:00Z").await;
        shop.stripe.with(|stripe| {
            stripe.cancel_subscription(&shop.sub, Default::default()).unwrap();
        });
        shop.until_untold("2026-04-05T00:00:00Z").await;
        shop.daemon.chats("ann", 10).await;
        shop.tell().await;
        shop.is("ann", "free: 0 used, 5 left").await;
        let end = "2026-04-05T00:00:00Z expire -90 -> 0";
        shop.has_lines("ann", &[&RENEWED[..], &[end]].concat()).await;
        let end = shop.daemon.ledger("ann").await.pop().unwrap();
        assert_eq!(end["cause_at"], "2026-03-20T00:00:00Z");
    })
    .await;
}

async fn r9_an_upgrade_told_late_raises_from_then(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.thin = false;
        shop.buys(&[("price_starter", 1)]).await;
        shop.until("2026-03-20T00:00:00Z").await;
        shop.changes_untold(|change, items| {
            change.items = vec![ItemChange::price(&items[0].id, "price_builder")];
        });
        shop.until_untold("2026-04-05T00:00:00Z").await;
        shop.daemon.chats("ann", 10).await;
        shop.tell().await;
        let raise = "2026-04-05T00:00:00Z raise 150 -> 240";
        shop.has_lines("ann", &[&RENEWED[..], &[raise]].concat()).await;
        let raise = shop.daemon.ledger("ann").await.pop().unwrap();
        assert_eq!(raise["cause_at"], "2026-03-20T00:00:00Z");
    })
    .await;
}

async fn r10_a_downgrade_told_late_waits_for_the_next_boundary(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.thin = false;
        shop.buys(&[("price_builder", 1)]).await;
        shop.until("2026-03-20T00:00:00Z").await;
        shop.changes_untold(|change, items| {
            change.items = vec![ItemChange::price(&items[0].id, "price_starter")];
        });
        shop.until_untold("2026-04-05T00:00:00Z").await;
        shop.tell().await;
        // The renewal repeats it at the boundary, which does not make it one of the boundary's.
        shop.is("ann", "builder: 0 used, 250 left").await;
        shop.until("2026-05-02T00:00:00Z").await;
        shop.is("ann", "starter: 0 used, 100 left").await;
        let lines = shop.daemon.lines("ann").await;
        assert!(lines.iter().all(|line| !line.contains("cut")), "{lines:?}");
    })
    .await;
}

async fn r12_a_lower_quantity_told_late_waits_for_the_next_boundary(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.thin = false;
        shop.buys(&[("price_starter", 2)]).await;
        shop.daemon.assigns("team", "bob").await;
        shop.until("2026-03-20T00:00:00Z").await;
        shop.changes_untold(|change, items| {
            change.items = vec![ItemChange::quantity(&items[0].id, 1)];
        });
        shop.until_untold("2026-04-05T00:00:00Z").await;
        shop.tell().await;
        shop.is("bob", "starter: 0 used, 100 left").await;
        shop.until("2026-05-01T10:00:00Z").await;
        shop.is("bob", "free: 0 used, 5 left").await;
        shop.has_seats(&["starter ann 0"]).await;
    })
    .await;
}

async fn r11_grace_runs_from_the_instant_however_late_it_is_told(engine: Engine) {
    for (told, expected) in [
        ("2026-04-05T00:00:00Z", "starter: 0 used, 100 left"),
        ("2026-04-10T00:00:00Z", "free: 0 used, 5 left"),
    ] {
        each_way(engine, BOUGHT, async |shop: &mut Shop| {
            shop.buys(&[("price_starter", 1)]).await;
            shop.card(Card::Declines).await;
            shop.until("2026-04-01T10:30:00Z").await;
            shop.until_untold(told).await;
            shop.tell().await;
            shop.is("ann", expected).await;
            shop.until("2026-04-10T00:00:01Z").await;
            shop.is("ann", "free: 0 used, 5 left").await;
            shop.has_lines("ann", &RENEWED).await;
        })
        .await;
    }
}

async fn r4_a_moved_anchor_told_late_is_a_boundary_of_its_own_instant(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.buys(&[("price_starter", 1)]).await;
        shop.daemon.chats("ann", 10).await;
        shop.until("2026-03-11T00:00:00Z").await;
        shop.changes_untold(|change, _| change.resets_anchor = true);
        shop.until_untold("2026-03-20T00:00:00Z").await;
        shop.daemon.chats("ann", 5).await;
        shop.tell().await;
        shop.is("ann", "starter: 0 used, 100 left").await;
        let lines = [
            GRANTED,
            "2026-03-11T00:00:00Z expire -85 -> 0",
            "2026-03-11T00:00:00Z allowance 100 -> 100",
        ];
        shop.has_lines("ann", &lines).await;
        let granted = shop.daemon.ledger("ann").await.pop().unwrap();
        assert_eq!(granted["posted_at"], "2026-03-20T00:00:00Z");
        shop.resets("ann", &["2026-04-11T00:00:00Z"]).await;
    })
    .await;
}
