use super::*;
use crate::object::subscription::MissingPayment;
use crate::request::{CustomerChange, When};

fn trial(days: u32, card: Option<Card>, missing: MissingPayment) -> Life {
    let settings = Settings { now: instant("2026-02-01T09:00:00Z"), ..Settings::default() };
    let mut stripe = prices(settings);
    let customer = match card {
        Some(card) => stripe.customer_with(card, &[]).id.clone(),
        None => stripe.create_customer(CustomerChange::default()).unwrap().id.clone(),
    };
    let mut new = NewSubscription::of(&customer, "month", 1);
    new.trial_period_days = Some(days);
    new.missing_payment = missing;
    let seen = stripe.events().len();
    let id = stripe.create_subscription(new).unwrap().id.clone();
    Life { stripe, customer, id, seen }
}

#[test]
fn a_trial_is_one_period_that_the_anchor_ends() {
    let mut life = trial(30, Some(Card::Pays), MissingPayment::CreateInvoice);
    life.check_period("2026-02-01T09:00:00Z", "2026-03-03T09:00:00Z");
    assert_eq!(life.sub().anchor.at, instant("2026-03-03T09:00:00Z"));
    life.to("2026-03-03T09:00:00Z").check_period("2026-03-03T09:00:00Z", "2026-04-03T09:00:00Z");
    assert_eq!(
        life.told(),
        [
            "02-01 09:00 sub.created trialing",
            "02-28 09:00 sub.trial_will_end trialing",
            "03-03 09:00 sub.updated active",
        ]
    );
}

#[test]
fn a_short_trial_is_announced_at_once() {
    let mut life = trial(1, Some(Card::Pays), MissingPayment::CreateInvoice);
    assert_eq!(
        life.told(),
        ["02-01 09:00 sub.created trialing", "02-01 09:00 sub.trial_will_end trialing",]
    );
}

#[test]
fn a_trial_without_a_card_ends_as_was_agreed() {
    for (missing, told) in [
        (MissingPayment::CreateInvoice, "02-08 10:00 sub.updated past_due"),
        (MissingPayment::Cancel, "02-08 09:00 sub.deleted canceled"),
        (MissingPayment::Pause, "02-08 09:00 sub.paused paused"),
    ] {
        let mut life = trial(7, None, missing);
        life.to("2026-02-08T11:00:00Z");
        assert_eq!(life.told().last().map(String::as_str), Some(told), "{missing:?}");
    }
}

#[test]
fn a_trial_may_be_prolonged_or_cut_short() {
    let mut life = trial(7, Some(Card::Pays), MissingPayment::CreateInvoice);
    life.update(|change| change.trial_end = Some(When::At(instant("2026-02-20T09:00:00Z"))));
    life.to("2026-02-10T00:00:00Z");
    assert_eq!(life.status(), "trialing");
    life.check_period("2026-02-01T09:00:00Z", "2026-02-20T09:00:00Z");
    assert_eq!(life.sub().anchor.at, instant("2026-02-20T09:00:00Z"));
    life.told();
    life.update(|change| change.trial_end = Some(When::Now));
    assert_eq!(life.status(), "active");
    let cut = ["02-10 00:00 sub.updated active", "02-10 00:00 sub.trial_will_end active"];
    assert_eq!(life.told(), cut);
    life.check_period("2026-02-10T00:00:00Z", "2026-03-10T00:00:00Z");
    assert_eq!(life.sub().trial_end, Some(instant("2026-02-10T00:00:00Z")));
}

#[test]
fn a_running_subscription_may_get_a_trial_which_moves_its_anchor() {
    let mut life = Life::at("2026-01-31T10:00:00Z");
    life.to("2026-02-10T00:00:00Z");
    life.update(|change| change.trial_end = Some(When::At(instant("2026-03-15T00:00:00Z"))));
    assert_eq!(
        (life.status(), life.sub().anchor.at),
        ("trialing", instant("2026-03-15T00:00:00Z"))
    );
    life.to("2026-03-15T00:00:00Z").check_period("2026-03-15T00:00:00Z", "2026-04-15T00:00:00Z");
    assert_eq!(life.status(), "active");
}

#[test]
fn canceling_at_the_end_of_the_period_ends_a_trial_without_a_charge() {
    let mut life = trial(7, Some(Card::Pays), MissingPayment::CreateInvoice);
    life.update(|change| change.cancel_at_period_end = Some(true));
    assert_eq!(life.sub().cancel_at, Some(instant("2026-02-08T09:00:00Z")));
    life.told();
    life.to("2026-02-09T00:00:00Z");
    let ends = ["02-05 09:00 sub.trial_will_end trialing", "02-08 09:00 sub.deleted canceled"];
    assert_eq!(life.told(), ends);
}
