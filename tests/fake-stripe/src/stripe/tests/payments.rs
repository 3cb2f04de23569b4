use super::*;
use crate::request::{PaymentBehavior, Proration};
use crate::stripe::AfterRetries;

fn bought_with(card: Card, behavior: PaymentBehavior) -> Life {
    let settings = Settings { now: instant("2026-01-31T10:00:00Z"), ..Settings::default() };
    Life::with(settings, card, |new| new.payment_behavior = behavior)
}

#[test]
fn a_first_payment_that_fails_has_23_hours_to_come() {
    for card in [Card::Declines, Card::Confirms] {
        let mut life = bought_with(card, PaymentBehavior::AllowIncomplete);
        assert_eq!(life.status(), "incomplete");
        life.to("2026-02-01T08:59:59Z");
        assert_eq!(life.told(), ["01-31 10:00 sub.created incomplete"]);
        let mut late = Life {
            stripe: life.stripe.clone(),
            id: life.id.clone(),
            customer: life.customer.clone(),
            seen: life.seen,
        };
        late.to("2026-02-01T09:00:00Z");
        assert_eq!(late.told(), ["02-01 09:00 sub.updated incomplete_expired"]);

        life.stripe.set_card(&life.customer.clone(), Card::Pays).unwrap();
        let invoice = life.sub().latest_invoice.clone().unwrap();
        life.stripe.pay_invoice(&invoice, None).unwrap();
        assert_eq!(life.told(), ["02-01 08:59 sub.updated active"]);
        life.to("2026-03-01T00:00:00Z")
            .check_period("2026-02-28T10:00:00Z", "2026-03-31T10:00:00Z");
    }
}

#[test]
fn payment_behavior_decides_how_a_subscription_begins() {
    let begins = |card, behavior| bought_with(card, behavior).status();
    assert_eq!(begins(Card::Pays, PaymentBehavior::AllowIncomplete), "active");
    assert_eq!(begins(Card::Pays, PaymentBehavior::DefaultIncomplete), "incomplete");
    assert_eq!(begins(Card::Pays, PaymentBehavior::ErrorIfIncomplete), "active");
    let mut stripe = prices(Settings::default());
    let customer = stripe.customer_with(Card::Declines, &[]).id.clone();
    let mut new = NewSubscription::of(&customer, "month", 1);
    new.payment_behavior = PaymentBehavior::ErrorIfIncomplete;
    let fault = stripe.create_subscription(new).unwrap_err();
    assert_eq!((fault.status, fault.code), (402, Some("card_declined")));
    assert!(stripe.subscriptions().is_empty());
}

fn dunned(after_retries: AfterRetries) -> Life {
    let now = instant("2026-01-10T10:00:00Z");
    let settings = Settings { now, after_retries, retry_days: vec![3, 5], ..Settings::default() };
    let mut life = Life::with(settings, Card::Pays, |_| {});
    life.told();
    life.stripe.set_card(&life.customer.clone(), Card::Declines).unwrap();
    life
}

#[test]
fn a_renewal_that_fails_is_tried_again_and_then_ends_as_configured() {
    let renewed = "02-10 10:00 sub.updated active";
    let failed = "02-10 11:00 sub.updated past_due";
    for (after, end) in [
        (AfterRetries::Cancel, Some("02-18 11:00 sub.deleted canceled")),
        (AfterRetries::MarkUnpaid, Some("02-18 11:00 sub.updated unpaid")),
        (AfterRetries::LeavePastDue, None),
    ] {
        let mut life = dunned(after);
        life.to("2026-03-01T00:00:00Z");
        let expected: Vec<_> = [renewed, failed].into_iter().chain(end).collect();
        assert_eq!(life.told(), expected);
    }
}

#[test]
fn a_card_that_pays_again_makes_it_active_at_the_next_try() {
    let mut life = dunned(AfterRetries::Cancel);
    life.to("2026-02-12T00:00:00Z").told();
    life.stripe.set_card(&life.customer.clone(), Card::Pays).unwrap();
    life.to("2026-03-01T00:00:00Z");
    assert_eq!(life.told(), ["02-13 11:00 sub.updated active"]);
    life.check_period("2026-02-10T10:00:00Z", "2026-03-10T10:00:00Z");
}

#[test]
fn an_older_invoice_that_fails_again_changes_nothing_while_the_latest_is_paid() {
    let now = instant("2026-01-10T10:00:00Z");
    let mut life = Life::with(
        Settings { now, retry_days: vec![10], ..Settings::default() },
        Card::Pays,
        |new| {
            new.items = vec![ItemChange::new("week", 1)];
        },
    );
    let customer = life.customer.clone();
    life.stripe.set_card(&customer, Card::Declines).unwrap();
    life.to("2026-01-18T00:00:00Z");
    assert_eq!(life.status(), "past_due");
    life.stripe.set_card(&customer, Card::Pays).unwrap();
    life.to("2026-01-25T00:00:00Z");
    assert_eq!(life.status(), "active", "the next renewal was paid");
    life.stripe.set_card(&customer, Card::Declines).unwrap();
    life.to("2026-01-28T00:00:00Z");
    assert_eq!(life.status(), "active", "the first one was tried on the 27th");
}

#[test]
fn an_unpaid_subscription_goes_on_with_drafts() {
    let mut life = dunned(AfterRetries::MarkUnpaid);
    life.to("2026-02-20T00:00:00Z");
    life.billed();
    life.to("2026-04-01T00:00:00Z");
    assert_eq!(life.billed(), ["03-10 10:00 invoice.created draft"]);
    life.check_period("2026-03-10T10:00:00Z", "2026-04-10T10:00:00Z");
}

#[test]
fn an_upgrade_on_a_failing_card_does_what_was_asked_for() {
    let upgraded = |behavior| {
        let mut life = Life::at("2026-01-31T10:00:00Z");
        life.to("2026-02-05T00:00:00Z").told();
        life.stripe.set_card(&life.customer.clone(), Card::Declines).unwrap();
        let item = life.item();
        let change = SubscriptionChange {
            items: vec![ItemChange::price(&item, "more")],
            proration: Proration::Invoice,
            payment_behavior: behavior,
            ..SubscriptionChange::default()
        };
        let outcome = life.stripe.update_subscription(&life.id.clone(), change);
        let price = life.sub().items[0].price.id.clone();
        (life, outcome.map(|_| price).map_err(|fault| fault.status))
    };
    let (life, price) = upgraded(PaymentBehavior::AllowIncomplete);
    assert_eq!((price.as_deref(), life.status()), (Ok("more"), "past_due"));
    let (life, price) = upgraded(PaymentBehavior::ErrorIfIncomplete);
    assert_eq!((price, life.status()), (Err(402), "active"));

    let (mut life, price) = upgraded(PaymentBehavior::PendingIfIncomplete);
    assert_eq!((price.as_deref(), life.status()), (Ok("month"), "active"));
    let mut given_up = Life {
        stripe: life.stripe.clone(),
        id: life.id.clone(),
        customer: life.customer.clone(),
        seen: life.seen,
    };
    given_up.told();
    given_up.to("2026-02-06T00:00:00Z");
    let expired =
        ["02-05 23:00 sub.updated active", "02-05 23:00 sub.pending_update_expired active"];
    assert_eq!(given_up.told(), expired);
    assert_eq!(given_up.sub().items[0].price.id, "month");

    life.told();
    life.stripe.set_card(&life.customer.clone(), Card::Pays).unwrap();
    let invoice = life.sub().latest_invoice.clone().unwrap();
    life.stripe.pay_invoice(&invoice, None).unwrap();
    let applied =
        ["02-05 00:00 sub.updated active", "02-05 00:00 sub.pending_update_applied active"];
    assert_eq!(life.told(), applied);
    assert_eq!(life.sub().items[0].price.id, "more");
}
