//! Anchors that Stripe sets apart from the purchase, and moves.

use super::{BOUGHT, GRANTED, Shop, each_way};
use crate::daemon::time::at;
use crate::engine::{Engine, on_each_engine};
use fake_stripe::calendar::AnchorConfig;

on_each_engine! {
    on threads:
    r4_day_31_is_the_last_day_of_each_month
    r4_an_anchor_ahead_ends_the_first_cycle
    r4_an_anchor_that_the_portal_resets_is_a_boundary
    r4_intervals_that_move_the_anchor_again_and_again_grant_no_more
}

async fn r4_day_31_is_the_last_day_of_each_month(engine: Engine) {
    each_way(engine, "2026-02-10T10:00:00Z", async |shop: &mut Shop| {
        let on_the_last =
            AnchorConfig { day_of_month: 31, month: None, hour: None, minute: None, second: None };
        shop.buys_with(&[("price_starter", 1)], |new| new.anchor_config = Some(on_the_last)).await;
        let month_ends = [
            "2026-02-28T10:00:00Z",
            "2026-03-31T10:00:00Z",
            "2026-04-30T10:00:00Z",
            "2026-05-31T10:00:00Z",
        ];
        shop.resets("ann", &month_ends).await;
        shop.until("2026-05-15T00:00:00Z").await;
        let mut lines = vec![String::from("2026-02-10T10:00:00Z allowance 100 -> 100")];
        for end in &month_ends[..3] {
            lines.push(format!("{end} expire -100 -> 0"));
            lines.push(format!("{end} allowance 100 -> 100"));
        }
        assert_eq!(shop.daemon.lines("ann").await, lines);
        shop.resets("ann", &month_ends[3..]).await;
    })
    .await;
}

/// All customers are billed on the 20th.
async fn r4_an_anchor_ahead_ends_the_first_cycle(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        let anchor = "2026-03-20T00:00:00Z";
        shop.buys_with(&[("price_starter", 1)], |new| new.anchor = Some(at(anchor))).await;
        shop.resets("ann", &[anchor, "2026-04-20T00:00:00Z"]).await;
        shop.daemon.chats("ann", 10).await;
        shop.until("2026-03-21T00:00:00Z").await;
        let lines = [
            GRANTED,
            "2026-03-20T00:00:00Z expire -90 -> 0",
            "2026-03-20T00:00:00Z allowance 100 -> 100",
        ];
        shop.has_lines("ann", &lines).await;
    })
    .await;
}

async fn r4_an_anchor_that_the_portal_resets_is_a_boundary(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.buys(&[("price_starter", 2)]).await;
        shop.daemon.assigns("team", "bob").await;
        shop.daemon.chats("bob", 25).await;
        shop.until("2026-03-11T06:00:00Z").await;
        shop.changes(|change, _| change.resets_anchor = true).await;
        for (person, rest) in [("ann", 100), ("bob", 75)] {
            shop.is(person, "starter: 0 used, 100 left").await;
            shop.resets(person, &["2026-04-11T06:00:00Z", "2026-05-11T06:00:00Z"]).await;
            let lines = shop.daemon.lines(person).await;
            let expected = [
                format!("2026-03-11T06:00:00Z expire -{rest} -> 0"),
                String::from("2026-03-11T06:00:00Z allowance 100 -> 100"),
            ];
            assert_eq!(lines[1..], expected, "{person}");
        }
        assert_eq!(shop.daemon.alerts("anchor_moved_again").await, 0);
    })
    .await;
}

/// In classic billing mode each change between months and years begins a period.
async fn r4_intervals_that_move_the_anchor_again_and_again_grant_no_more(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.buys_with(&[("price_starter", 1)], |new| new.flexible = Some(false)).await;
        shop.daemon.chats("ann", 10).await;
        let steps = [
            ("2026-03-05T00:00:00Z", "price_starter_year", 30),
            ("2026-03-08T00:00:00Z", "price_starter", 20),
            ("2026-03-09T00:00:00Z", "price_starter_year", 50),
        ];
        for (instant, price, chats) in steps {
            shop.until(instant).await;
            shop.changes_to(price).await;
            assert_eq!(shop.theirs().anchor.at, at(instant));
            shop.daemon.chats("ann", chats).await;
        }
        shop.daemon.cannot_chat("ann", 1).await;
        let lines = [
            GRANTED,
            "2026-03-05T00:00:00Z expire -90 -> 0",
            "2026-03-05T00:00:00Z allowance 100 -> 100",
            "2026-03-08T00:00:00Z expire -70 -> 0",
            "2026-03-08T00:00:00Z allowance 70 -> 70",
            "2026-03-09T00:00:00Z expire -50 -> 0",
            "2026-03-09T00:00:00Z allowance 50 -> 50",
        ];
        shop.has_lines("ann", &lines).await;
        assert_eq!(shop.daemon.alerts("anchor_moved_again").await, 2);
        shop.until("2026-04-10T00:00:00Z").await;
        shop.is("ann", "starter: 0 used, 100 left").await;
        shop.resets("ann", &["2026-05-09T00:00:00Z"]).await;
    })
    .await;
}
