use super::*;
use crate::calendar::AnchorConfig;
use crate::object::table::Object;

#[test]
fn periods_end_on_the_day_of_purchase_or_the_last_of_the_month() {
    for (bought, asked, start, end) in [
        (
            "2026-01-31T10:20:30Z",
            "2026-02-28T10:20:29Z",
            "2026-01-31T10:20:30Z",
            "2026-02-28T10:20:30Z",
        ),
        (
            "2026-01-31T10:20:30Z",
            "2026-02-28T10:20:30Z",
            "2026-02-28T10:20:30Z",
            "2026-03-31T10:20:30Z",
        ),
        (
            "2026-01-31T10:20:30Z",
            "2026-04-30T12:00:00Z",
            "2026-04-30T10:20:30Z",
            "2026-05-31T10:20:30Z",
        ),
        (
            "2028-01-30T00:00:00Z",
            "2028-02-29T00:00:00Z",
            "2028-02-29T00:00:00Z",
            "2028-03-30T00:00:00Z",
        ),
        (
            "2026-12-15T23:59:59Z",
            "2027-01-16T00:00:00Z",
            "2027-01-15T23:59:59Z",
            "2027-02-15T23:59:59Z",
        ),
    ] {
        let mut life = Life::at(bought);
        life.to(asked).check_period(start, end);
        assert_eq!(life.sub().anchor.at, instant(bought));
        assert_eq!(life.sub().start_date, instant(bought));
    }
}

#[test]
fn a_year_is_renewed_after_twelve_months() {
    let settings = Settings { now: instant("2028-02-29T08:00:00Z"), ..Settings::default() };
    let mut life =
        Life::with(settings, Card::Pays, |new| new.items = vec![ItemChange::new("year", 1)]);
    life.check_period("2028-02-29T08:00:00Z", "2029-02-28T08:00:00Z");
    life.to("2029-03-01T00:00:00Z").check_period("2029-02-28T08:00:00Z", "2030-02-28T08:00:00Z");
}

#[test]
fn items_of_several_intervals_have_periods_of_their_own() {
    let mut life = Life::with(Settings::default(), Card::Pays, |new| {
        new.items = vec![ItemChange::new("month", 1), ItemChange::new("year", 1)];
    });
    life.to("2026-03-10T00:00:00Z");
    let ends: Vec<_> = life.sub().items.iter().map(|item| item.period_end).collect();
    assert_eq!(ends, [instant("2026-04-01T00:00:00Z"), instant("2027-01-01T00:00:00Z")]);
}

#[test]
fn a_renewal_is_told_at_its_instant_and_its_invoice_is_final_an_hour_later() {
    let mut life = Life::at("2026-01-31T10:00:00Z");
    assert_eq!(life.told(), ["01-31 10:00 sub.created active"]);
    life.to("2026-03-31T12:00:00Z");
    let seen = life.seen;
    assert_eq!(life.told(), ["02-28 10:00 sub.updated active", "03-31 10:00 sub.updated active"]);
    life.seen = seen;
    assert_eq!(
        life.billed()[..4],
        [
            "02-28 10:00 invoice.created draft",
            "02-28 11:00 invoice.finalized open",
            "02-28 11:00 invoice.paid paid",
            "02-28 11:00 invoice.payment_succeeded paid",
        ]
    );
}

#[test]
fn moving_the_clock_in_one_step_or_in_many_tells_the_same() {
    let run = |hours: i64| {
        let mut life = Life::at("2026-01-31T10:00:00Z");
        let end = instant("2026-07-01T00:00:00Z");
        while life.stripe.now() < end {
            let next = life.stripe.now() + chrono::TimeDelta::hours(hours);
            life.stripe.advance_to(next.min(end));
        }
        let words: Vec<_> =
            life.stripe.events().iter().map(|event| (word(event), event.id().to_owned())).collect();
        words
    };
    assert_eq!(run(10_000), run(7));
}

#[test]
fn the_anchor_may_lie_ahead_and_a_configured_day_is_kept() {
    let settings = || Settings { now: instant("2026-02-10T13:02:03Z"), ..Settings::default() };
    let mut life = Life::with(settings(), Card::Pays, |new| {
        new.anchor = Some(instant("2026-03-01T00:00:00Z"));
    });
    life.check_period("2026-02-10T13:02:03Z", "2026-03-01T00:00:00Z");
    life.to("2026-03-02T00:00:00Z").check_period("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z");

    let mut life = Life::with(settings(), Card::Pays, |new| {
        new.anchor_config = Some(AnchorConfig {
            day_of_month: 31,
            month: None,
            hour: None,
            minute: None,
            second: None,
        });
    });
    life.check_period("2026-02-10T13:02:03Z", "2026-02-28T13:02:03Z");
    assert_eq!(life.sub().anchor.at, instant("2026-02-28T13:02:03Z"));
    life.to("2026-03-01T00:00:00Z").check_period("2026-02-28T13:02:03Z", "2026-03-31T13:02:03Z");
}

#[test]
fn what_cannot_be_is_refused() {
    let refused = |edit: fn(&mut NewSubscription)| {
        let mut stripe = prices(Settings::default());
        let customer = stripe.customer_with(Card::Pays, &[]).id.clone();
        let mut new = NewSubscription::of(&customer, "month", 1);
        edit(&mut new);
        let before = stripe.events().len();
        let fault = stripe.create_subscription(new).unwrap_err();
        assert_eq!(stripe.events().len(), before, "nothing happened");
        (fault.status, fault.param.unwrap_or_default())
    };
    assert_eq!(refused(|new| new.customer = "cus_no".into()), (400, "customer".into()));
    assert_eq!(refused(|new| new.items.clear()), (400, "items".into()));
    assert_eq!(
        refused(|new| new.items[0].price = Some("no".into())),
        (400, "items[0][price]".into())
    );
    assert_eq!(refused(|new| new.items.push(ItemChange::new("month", 1))), (400, "items".into()));
    let past = |new: &mut NewSubscription| new.anchor = Some(instant("2025-01-01T00:00:00Z"));
    assert_eq!(refused(past), (400, "billing_cycle_anchor".into()));
    let late = |new: &mut NewSubscription| new.anchor = Some(instant("2026-03-01T00:00:00Z"));
    assert_eq!(refused(late), (400, "billing_cycle_anchor".into()));
}

#[test]
fn a_late_renewal_keeps_the_exact_boundary() {
    let now = instant("2026-01-31T10:00:00Z");
    let lag = chrono::TimeDelta::minutes(7);
    let mut life = Life::with(Settings { now, lag, ..Settings::default() }, Card::Pays, |_| {});
    life.told();
    life.to("2026-02-28T10:06:59Z").check_period("2026-01-31T10:00:00Z", "2026-02-28T10:00:00Z");
    life.to("2026-02-28T10:07:00Z").check_period("2026-02-28T10:00:00Z", "2026-03-31T10:00:00Z");
    assert_eq!(life.told(), ["02-28 10:07 sub.updated active"]);
    life.update(|change| change.cancel_at_period_end = Some(true)).told();
    life.to("2026-04-01T00:00:00Z");
    assert_eq!(life.told(), ["03-31 10:07 sub.deleted canceled"]);
    assert_eq!(life.sub().ended_at, Some(instant("2026-03-31T10:00:00Z")));
}
