use super::*;
use crate::request::{CancelAt, Cancellation, Patch};

const BOUGHT: &str = "2026-01-31T10:00:00Z";

#[test]
fn an_end_with_the_period_is_kept_undone_or_reached() {
    let mut life = Life::at(BOUGHT);
    life.to("2026-02-10T00:00:00Z").update(|change| change.cancel_at_period_end = Some(true));
    let sub = life.sub();
    assert_eq!(sub.cancel_at, Some(instant("2026-02-28T10:00:00Z")));
    assert_eq!(sub.canceled_at, Some(instant("2026-02-10T00:00:00Z")), "when it was asked for");
    life.update(|change| change.cancel_at_period_end = Some(false));
    assert_eq!((life.sub().cancel_at, life.sub().canceled_at), (None, None));
    life.update(|change| change.cancel_at_period_end = Some(true)).told();
    life.to("2026-04-01T00:00:00Z");
    assert_eq!(life.told(), ["02-28 10:00 sub.deleted canceled"], "and no renewal");
    let sub = life.sub();
    assert!(sub.cancel_at_period_end);
    assert_eq!(sub.ended_at, Some(instant("2026-02-28T10:00:00Z")));
    life.check_period(BOUGHT, "2026-02-28T10:00:00Z");
}

#[test]
fn an_end_may_be_any_instant() {
    for (wanted, ends) in [
        (CancelAt::At(instant("2026-03-07T01:02:03Z")), "03-07 01:02 sub.deleted canceled"),
        (CancelAt::FirstPeriodEnd, "02-28 10:00 sub.deleted canceled"),
        (CancelAt::LastPeriodEnd, "02-28 10:00 sub.deleted canceled"),
    ] {
        let mut life = Life::at(BOUGHT);
        life.update(|change| change.cancel_at = Patch::Set(wanted)).to("2026-05-01T00:00:00Z");
        assert_eq!(life.told().last().map(String::as_str), Some(ends), "{wanted:?}");
    }
    let mut life = Life::at(BOUGHT);
    life.update(|change| change.cancel_at = Patch::Set(CancelAt::FirstPeriodEnd));
    life.update(|change| change.cancel_at = Patch::Clear).to("2026-05-01T00:00:00Z");
    assert_eq!(life.status(), "active");
}

#[test]
fn an_end_at_once_clears_the_end_that_was_planned() {
    let mut life = Life::at(BOUGHT);
    life.update(|change| change.cancel_at_period_end = Some(true)).to("2026-02-03T00:00:00Z");
    life.told();
    let id = life.id.clone();
    life.stripe.cancel_subscription(&id, Cancellation::default()).unwrap();
    assert_eq!(life.told(), ["02-03 00:00 sub.deleted canceled"]);
    let sub = life.sub();
    assert_eq!((sub.cancel_at_period_end, sub.cancel_at), (false, None));
    assert_eq!(sub.ended_at, Some(instant("2026-02-03T00:00:00Z")));
    assert_eq!(sub.items[0].period_end, instant("2026-02-28T10:00:00Z"), "still ahead");
    let again = life.stripe.cancel_subscription(&id, Cancellation::default()).unwrap_err();
    assert_eq!((again.status, again.code), (404, Some("resource_missing")));
}

#[test]
fn a_deleted_customer_ends_all_its_subscriptions() {
    let mut life = Life::at(BOUGHT);
    let customer = life.customer.clone();
    let other = life.stripe.create_subscription(NewSubscription::of(&customer, "more", 2)).unwrap();
    life.seen = life.stripe.events().len();
    life.stripe.delete_customer(&customer).unwrap();
    let kinds: Vec<_> =
        life.stripe.events_since(life.seen).map(|event| event.kind.clone()).collect();
    let deleted = "customer.subscription.deleted";
    assert_eq!(kinds, [deleted, deleted, "customer.deleted"]);
    assert_eq!(
        (life.status(), life.stripe.subscription(&other.id).unwrap().is_live()),
        ("canceled", false)
    );
    assert_eq!(life.stripe.delete_customer(&customer).unwrap_err().status, 404);
}

#[test]
fn a_pause_stops_time_until_it_is_resumed() {
    for (keeps_anchor, resumed, anchor, start, end) in [
        (
            false,
            "2026-04-10T00:00:00Z",
            "2026-04-10T00:00:00Z",
            "2026-04-10T00:00:00Z",
            "2026-05-10T00:00:00Z",
        ),
        (true, "2026-04-10T00:00:00Z", BOUGHT, "2026-03-31T10:00:00Z", "2026-04-30T10:00:00Z"),
        (true, "2026-02-20T00:00:00Z", BOUGHT, BOUGHT, "2026-02-28T10:00:00Z"),
    ] {
        let mut life = Life::at(BOUGHT);
        life.to("2026-02-10T00:00:00Z").told();
        let id = life.id.clone();
        life.stripe.pause_subscription(&id).unwrap();
        life.to(resumed);
        life.check_period(BOUGHT, "2026-02-28T10:00:00Z");
        assert_eq!(
            life.told(),
            ["02-10 00:00 sub.updated paused", "02-10 00:00 sub.paused paused"]
        );
        life.stripe.resume_subscription(&id, keeps_anchor).unwrap();
        life.check_period(start, end);
        assert_eq!(life.sub().anchor.at, instant(anchor));
        let told: Vec<_> = life.told().iter().map(|word| word[12..].to_owned()).collect();
        assert_eq!(told, ["sub.updated active", "sub.resumed active"]);
        assert_eq!(life.stripe.resume_subscription(&id, false).unwrap_err().status, 400);
    }
}

#[test]
fn a_failing_card_leaves_it_paused_and_an_end_is_reached_all_the_same() {
    let mut life = Life::at(BOUGHT);
    let id = life.id.clone();
    life.update(|change| {
        change.cancel_at = Patch::Set(CancelAt::At(instant("2026-03-07T00:00:00Z")))
    });
    life.stripe.pause_subscription(&id).unwrap();
    life.stripe.set_card(&life.customer.clone(), Card::Declines).unwrap();
    assert_eq!(life.stripe.resume_subscription(&id, false).unwrap().status.as_str(), "paused");
    life.to("2026-04-01T00:00:00Z");
    assert_eq!(life.told().last().map(String::as_str), Some("03-07 00:00 sub.deleted canceled"));
}
