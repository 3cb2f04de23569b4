//! Quantities, items and several subscriptions of one team.

use super::{BOUGHT, GRANTED, Shop, each_way};
use crate::engine::{Engine, on_each_engine};
use fake_stripe::object::Card;
use fake_stripe::request::ItemChange;
use serde_json::Value;

on_each_engine! {
    on threads:
    r12_a_quantity_goes_up_and_down
    r12_a_quantity_that_goes_down_and_up_within_a_cycle_yields_no_more
    r12_several_items_are_seats_of_their_plans_and_metered_ones_are_none
    r12_an_item_replaced_by_another_keeps_what_was_used
    r12_of_two_subscriptions_the_buyer_holds_the_higher_seat
    r12_two_customers_of_one_team_buy_for_it
}

async fn r12_a_quantity_goes_up_and_down(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.buys(&[("price_starter", 1)]).await;
        shop.daemon.chats("ann", 60).await;
        shop.until("2026-03-05T00:00:00Z").await;
        shop.changes_quantity(3).await;
        shop.has_seats(&["starter - 0", "starter - 0", "starter ann 60"]).await;
        shop.daemon.assigns("team", "bob").await;
        shop.daemon.chats("bob", 5).await;
        shop.until("2026-03-06T00:00:00Z").await;
        shop.changes_quantity(2).await;
        shop.has_seats(&["starter ann 60", "starter bob 5"]).await;
        shop.until("2026-03-07T00:00:00Z").await;
        shop.changes_quantity(1).await;
        shop.is("bob", "starter: 5 used, 95 left").await;
        shop.resets("bob", &[]).await;
        shop.until("2026-04-02T00:00:00Z").await;
        shop.has_seats(&["starter ann 0"]).await;
        shop.is("bob", "free: 0 used, 5 left").await;
        let last = shop.daemon.lines("bob").await.pop().unwrap();
        assert_eq!(last, "2026-04-01T10:00:00Z expire -95 -> 0");
    })
    .await;
}

async fn r12_a_quantity_that_goes_down_and_up_within_a_cycle_yields_no_more(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.buys(&[("price_starter", 2)]).await;
        let seat = shop.daemon.assigns("team", "bob").await;
        shop.daemon.chats("bob", 30).await;
        // Chosen to end, and then not.
        for (instant, many) in [("2026-03-05T00:00:00Z", 1), ("2026-03-06T00:00:00Z", 2)] {
            shop.until(instant).await;
            shop.changes_quantity(many).await;
            shop.is("bob", "starter: 30 used, 70 left").await;
        }
        // A vacant one ends at once, and is the first to return.
        shop.daemon.post(&format!("/v1/seats/{seat}/release"), Value::Null).await;
        for (instant, many) in [("2026-03-07T00:00:00Z", 1), ("2026-03-08T00:00:00Z", 2)] {
            shop.until(instant).await;
            shop.changes_quantity(many).await;
        }
        assert_eq!(shop.daemon.assigns("team", "bob").await, seat);
        shop.is("bob", "starter: 30 used, 70 left").await;
        shop.until("2026-04-02T00:00:00Z").await;
        shop.has_seats(&["starter ann 0", "starter bob 0"]).await;
    })
    .await;
}

async fn r12_several_items_are_seats_of_their_plans_and_metered_ones_are_none(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.buys_with(&[("price_starter", 2), ("price_builder", 1)], |new| {
            new.items.push(ItemChange {
                price: Some(String::from("price_metered")),
                ..ItemChange::default()
            });
        })
        .await;
        shop.has_seats(&["builder ann 0", "starter - 0", "starter - 0"]).await;
        shop.daemon.assigns("team", "bob").await;
        shop.daemon.chats("bob", 20).await;
        shop.until("2026-03-11T00:00:00Z").await;
        // Another item more, and one less; places of the same plan stay where they are.
        shop.changes(|change, items| {
            let starter = items.iter().find(|item| item.price.id == "price_starter").unwrap();
            change.items =
                vec![ItemChange::removal(&starter.id), ItemChange::new("price_starter_year", 1)];
        })
        .await;
        shop.has_seats(&["builder ann 0", "starter bob 20"]).await;
        shop.until("2026-04-02T00:00:00Z").await;
        shop.has_seats(&["builder ann 0", "starter bob 0"]).await;
    })
    .await;
}

async fn r12_an_item_replaced_by_another_keeps_what_was_used(engine: Engine) {
    for (price, expected, lines) in [
        ("price_starter_year", "starter: 40 used, 60 left", &[GRANTED][..]),
        (
            "price_builder",
            "builder: 40 used, 210 left",
            &[GRANTED, "2026-03-11T00:00:00Z raise 150 -> 210"],
        ),
    ] {
        each_way(engine, BOUGHT, async |shop: &mut Shop| {
            shop.buys(&[("price_starter", 1)]).await;
            let seat = shop.daemon.seat_of("team", "ann").await;
            shop.daemon.chats("ann", 40).await;
            shop.until("2026-03-11T00:00:00Z").await;
            shop.changes(|change, items| {
                change.items = vec![ItemChange::removal(&items[0].id), ItemChange::new(price, 1)];
            })
            .await;
            shop.is("ann", expected).await;
            assert_eq!(shop.daemon.seat_of("team", "ann").await, seat);
            shop.has_lines("ann", lines).await;
        })
        .await;
    }
}

async fn r12_of_two_subscriptions_the_buyer_holds_the_higher_seat(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.buys(&[("price_starter", 1)]).await;
        shop.daemon.chats("ann", 20).await;
        shop.until("2026-03-11T00:00:00Z").await;
        shop.buys(&[("price_builder", 1)]).await;
        shop.is("ann", "builder: 0 used, 250 left").await;
        shop.resets("ann", &["2026-04-11T00:00:00Z"]).await;
        shop.has_seats(&["builder ann 0", "starter - 20"]).await;
        shop.daemon.assigns("team", "bob").await;
        shop.is("bob", "starter: 20 used, 80 left").await;
        shop.resets("bob", &["2026-04-01T10:00:00Z"]).await;
        shop.daemon
            .post(
                &format!("/v1/seats/{}/release", shop.daemon.seat_of("team", "bob").await),
                Value::Null,
            )
            .await;
        // Without her higher seat she gets the vacant one that she bought.
        shop.until("2026-03-12T00:00:00Z").await;
        shop.does(|stripe, sub| {
            stripe.cancel_subscription(sub, Default::default()).unwrap();
        })
        .await;
        shop.is("ann", "starter: 20 used, 80 left").await;
    })
    .await;
}

async fn r12_two_customers_of_one_team_buy_for_it(engine: Engine) {
    each_way(engine, BOUGHT, async |shop: &mut Shop| {
        shop.buys(&[("price_starter", 1)]).await;
        shop.until("2026-03-11T00:00:00Z").await;
        let bobs = |stripe: &mut fake_stripe::Stripe| {
            stripe.customer_with(Card::Pays, &[("workspace", "team")]).id.clone()
        };
        shop.customer = shop.does(|stripe, _| bobs(stripe)).await;
        shop.buys_with(&[("price_builder", 2)], |new| {
            new.metadata = [(String::from("account"), String::from("bob"))].into();
        })
        .await;
        shop.has_seats(&["builder - 0", "builder bob 0", "starter ann 0"]).await;
        shop.resets("bob", &["2026-04-11T00:00:00Z"]).await;
        shop.resets("ann", &["2026-04-01T10:00:00Z"]).await;
        shop.until("2026-05-01T00:00:00Z").await;
        assert_eq!(shop.daemon.lines("ann").await.len(), 3);
        assert_eq!(shop.daemon.lines("bob").await.len(), 3);
    })
    .await;
}
