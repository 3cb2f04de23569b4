//! R1 to R3, R14, R16: what an action costs, who pays, in which order, and running out.

use crate::world::{Told, World, at, capped, credits};
use creditd_rules::command::{Answer, Effect, Rejection};
use creditd_rules::entry::{Pot, Reason};
use creditd_rules::plan::{FreeWindow, PerKind};
use creditd_rules::{Amount, Command, Kind};

/// What an action costs an account; `none` where it is refused.
fn cost(world: &mut World, account: &str, action: &str) -> String {
    let command = world.debit(account, action, 1);
    match world.run(&command) {
        Ok(Answer::Used(used)) => used.cost.to_string(),
        _ => "none".to_owned(),
    }
}

#[test]
fn r1_the_shipped_prices() {
    let mut world = World::of(&["free", "paid"]);
    world.tell(&Told::bought("sub", "pro", "2026-01-01").by("paid"));
    for (action, on_free, on_paid) in [
        ("discuss", "0.3", "0.3"),
        ("chat", "1", "1"),
        ("visual_edit", "0", "0"),
        ("visual_edit_ai", "1", "1"),
        ("auto_fix", "1", "0"),
        ("resolve_with_ai", "1", "0"),
    ] {
        assert_eq!(cost(&mut world, "free", action), on_free, "{action}");
        assert_eq!(cost(&mut world, "paid", action), on_paid, "{action}");
    }
    assert_eq!(world.message("free").used, credits("4.3"));
}

#[test]
fn r1_three_chats_and_two_fixes_cost_5_on_free_and_3_on_paid() {
    let mut world = World::of(&["free", "paid"]);
    world.tell(&Told::bought("sub", "pro", "2026-01-01").by("paid"));
    for account in ["free", "paid"] {
        world.chat(account, 3);
        cost(&mut world, account, "auto_fix");
        cost(&mut world, account, "auto_fix");
    }
    assert_eq!(world.message("free").used, credits("5"));
    assert_eq!(world.message("paid").used, credits("3"));
}

#[test]
fn r1_a_free_action_is_recorded_and_refused_only_for_an_unknown_payer() {
    let mut world = World::of(&["ann"]);
    world.chat("ann", 5);
    assert_eq!(cost(&mut world, "ann", "visual_edit"), "0");
    let entry = world.ledger.last().unwrap();
    assert_eq!((entry.amount, entry.reason), (Amount::ZERO, Reason::Use));
    assert_eq!((&entry.pot, entry.pot_after, entry.cycle_started_at), (&None, None, None));
    let command = world.debit("nobody", "visual_edit", 1);
    assert_eq!(world.code(&command), "account_not_found");
}

#[test]
fn r2_the_owner_of_the_app_pays_for_integrations_as_it_is_owned_now() {
    let mut world = World::of(&["ann", "bob"]);
    world.app("shop", "ann");
    world.call("shop", Some("a visitor"), 1);
    world.app("shop", "bob");
    world.call("shop", None, 2);
    assert_eq!(world.balance("ann").integration.used, credits("1"));
    assert_eq!(world.balance("bob").integration.used, credits("2"));
    let entry = world.ledger.last().unwrap();
    assert_eq!((entry.account.as_ref().unwrap().as_str(), &entry.actor), ("bob", &None));
}

#[test]
fn r2_names_that_pay_nothing_are_kept_as_given() {
    let mut world = World::of(&["ann"]);
    world.app("shop", "ann");
    world.call("shop", Some("a visitor / 7"), 1);
    assert_eq!(world.ledger.last().unwrap().actor.as_deref(), Some("a visitor / 7"));
    let mut command = world.debit("ann", "chat", 1);
    if let Command::Use { app, .. } = &mut command {
        *app = Some("unheard of".into());
    }
    world.ok(&command);
    assert_eq!(world.ledger.last().unwrap().app, Some("unheard of".into()));
}

#[test]
fn r2_a_payer_that_is_not_named_is_refused() {
    let mut world = World::of(&["ann"]);
    let use_of = |action: &str, account: Option<&str>, app: Option<&str>| Command::Use {
        id: "u".into(),
        action: action.into(),
        account: account.map(str::to_owned),
        app: app.map(Into::into),
        quantity: 1,
    };
    for (command, code) in [
        (use_of("chat", None, Some("shop")), "invalid_request"),
        (use_of("chat", Some("no such id!"), None), "account_not_found"),
        (use_of("integration_call", Some("ann"), None), "invalid_request"),
        (use_of("integration_call", Some("ann"), Some("shop")), "app_not_found"),
        (use_of("dance", Some("ann"), None), "unknown_action"),
    ] {
        assert_eq!(world.code(&command), code, "{command:?}");
    }
}

#[test]
fn r3_what_does_not_cover_the_cost_is_not_taken() {
    let mut world = World::of(&["ann"]);
    let sixteen = world.debit("ann", "discuss", 16);
    world.ok(&sixteen);
    assert_eq!(world.spendable("ann"), "0.2");
    let one = world.debit("ann", "discuss", 1);
    let Err(Rejection::CreditsExhausted { needed, spendable, resets_at, .. }) = world.run(&one)
    else {
        panic!("0.2 does not pay for 0.3");
    };
    assert_eq!((needed, spendable), (credits("0.3"), credits("0.2")));
    assert_eq!(resets_at, Some(at("2026-01-02")));
    assert_eq!(world.spendable("ann"), "0.2");
}

#[test]
fn r3_a_cost_that_cannot_be_counted_is_refused() {
    let mut world = World::of(&["ann"]);
    let two = world.debit("ann", "dear", 2);
    assert_eq!(world.code(&two), "invalid_request");
}

/// The message pots that one debit of everything draws on, in order.
fn order(world: &mut World, account: &str) -> Vec<String> {
    let left = world.message(account).spendable.micros() / 1_000_000;
    let from = world.ledger.len();
    world.chat(account, u32::try_from(left).unwrap());
    let drawn = world.ledger[from..].iter().filter(|entry| entry.reason == Reason::Use);
    drawn
        .map(|entry| match entry.pot.as_ref().unwrap() {
            Pot::Seat(_) | Pot::Free(_) => "allowance".to_owned(),
            Pot::Grant(id) => id.to_string(),
        })
        .collect()
}

#[test]
fn r14_what_dies_soonest_goes_first() {
    let mut world = World::of(&["ann"]);
    world.tell(&Told::bought("sub", "starter", "2026-01-01"));
    let forever = world.grant("ann", "1", None);
    world.now += chrono::TimeDelta::hours(1);
    let forever_too = world.grant("ann", "1", None);
    let late = world.grant("ann", "1", Some("2026-02-02"));
    let same = world.grant("ann", "1", Some("2026-02-01"));
    let soon = world.grant("ann", "1", Some("2026-01-31"));
    let expected = [&soon, "allowance", &same, &late, &forever, &forever_too].map(String::from);
    assert_eq!(order(&mut world, "ann"), expected);
}

#[test]
fn r14_a_seat_that_is_to_end_dies_then() {
    let mut world = World::of(&["ann"]);
    world.tell(&Told::bought("sub", "starter", "2026-01-01").cancel_at("2026-01-20"));
    let grant = world.grant("ann", "1", Some("2026-01-21"));
    assert_eq!(order(&mut world, "ann"), ["allowance", &grant]);
}

#[test]
fn r14_a_shorter_limit_caps_the_longest_and_no_grant() {
    let mut world = World::of(&["ann"]);
    world.tell(&Told::bought("sub", "capped", "2026-01-01T06:00:00Z"));
    world.go("2026-01-02T05:00:00Z").grant("ann", "3", None);
    let balance = world.message("ann");
    assert_eq!((balance.allowance, balance.remaining), (credits("40"), credits("4")));
    assert_eq!(balance.spendable, credits("7"));
    world.chat("ann", 7);
    assert_eq!(world.spendable("ann"), "0");
    world.go("2026-01-02T05:59:59.999999Z");
    assert_eq!(world.spendable("ann"), "0");
    world.go("2026-01-02T06:00:00Z");
    assert_eq!(world.spendable("ann"), "4");
}

#[test]
fn r14_a_seats_last_day_is_cut_at_the_boundary() {
    let mut world = World::of(&["ann"]);
    // The start is no boundary of the 5th's anchor: the first cycle is 26 days and 18 hours long.
    let told = Told::bought("sub", "capped", "2026-01-10T06:00:00Z").anchor("2026-01-05");
    world.go("2026-01-10T06:00:00Z").tell(&told);
    world.go("2026-02-04T23:00:00Z").chat("ann", 4);
    assert_eq!(world.spendable("ann"), "0");
    world.go("2026-02-05");
    assert_eq!(world.spendable("ann"), "4");
}

#[test]
fn r14_a_seat_that_returns_keeps_its_day() {
    let mut world = World::of(&["ann"]);
    let told = Told::bought("sub", "capped", "2026-01-01");
    world.tell(&told);
    world.chat("ann", 4);
    let seat = world.seat_of("ann").id.to_string();
    world.release(&seat);
    world.tell(&told.clone().quantity(0));
    world.tell(&told);
    assert_eq!(world.seat_of("ann").id.as_str(), seat);
    assert_eq!(world.spendable("ann"), "0");
}

#[test]
fn r14_a_free_month_and_the_days_in_it() {
    let mut world = World::of(&["ann"]);
    world.catalogue = capped(credits("10"));
    world.go("2026-01-31T12:00:00Z").chat("ann", 4);
    assert_eq!(world.spendable("ann"), "0");
    assert_eq!(world.message("ann").resets_at, Some(at("2026-02-28T12:00:00Z")));
    world.go("2026-02-01T12:00:00Z");
    assert_eq!(world.spendable("ann"), "4");
    // The next day opens at its own first draw, and is cut at the month's end.
    world.go("2026-02-27T20:00:00Z").chat("ann", 4);
    assert_eq!(world.message("ann").limits[1].resets_at, Some(at("2026-02-28T12:00:00Z")));
    world.go("2026-02-28T12:00:00Z");
    assert_eq!(world.message("ann").resets_at, None);
    assert_eq!(world.spendable("ann"), "4");
}

#[test]
fn r16_the_debit_that_takes_the_rest_is_told_once() {
    let mut world = World::of(&["ann"]);
    world.app("shop", "ann");
    world.call("shop", None, 24);
    assert_eq!(world.mails(), 0);
    world.call("shop", None, 1);
    assert_eq!(world.mails(), 1);
    let Some(Effect::Mail(mail)) = world.effects.last() else { panic!("a mail") };
    assert_eq!((mail.to.as_str(), mail.kind), ("ann@example.com", Kind::Integration));
    assert_eq!(mail.resets_at, Some(at("2026-01-02")));
    assert_eq!(world.call_code("shop", 1), "integration_credits_exhausted");
    assert_eq!(world.mails(), 1);
    world.go("2026-01-02").call("shop", None, 25);
    assert_eq!(world.mails(), 2);
}

#[test]
fn r16_a_refusal_that_a_reset_cures_is_told_and_kept() {
    let mut world = World::of(&["ann"]);
    world.app("shop", "ann");
    world.call("shop", None, 20);
    assert_eq!(world.call_code("shop", 26), "integration_credits_exhausted");
    assert_eq!(world.mails(), 0, "more than a full allowance is no run-out");
    assert_eq!(world.call_code("shop", 6), "integration_credits_exhausted");
    assert_eq!(world.call_code("shop", 7), "integration_credits_exhausted");
    assert_eq!(world.mails(), 1);
    let kept = world.ws.accounts["ann"].run_out.integration.first_refusal.clone().unwrap();
    assert_eq!((kept.needed, kept.left), (credits("26"), credits("5")));
}

#[test]
fn r16_what_arms_the_telling_again() {
    let mut world = World::of(&["ann", "bob"]);
    world.catalogue.policy.mail_run_out = PerKind { message: true, integration: true };
    world.chat("ann", 5);
    assert_eq!(world.mails(), 1);
    world.grant("ann", "2", None);
    world.chat("ann", 2);
    assert_eq!(world.mails(), 2, "a grant");
    world.tell(&Told::bought("sub", "starter", "2026-01-01"));
    world.chat("ann", 10);
    assert_eq!(world.mails(), 3, "a seat");
    world.tell(&Told::bought("sub", "builder", "2026-01-01"));
    world.chat("ann", 15);
    assert_eq!(world.mails(), 4, "an upgrade");
    world.go("2026-02-01").chat("ann", 25);
    assert_eq!(world.mails(), 5, "a reset");
    world.chat("bob", 5);
    let told = Told::bought("sub", "builder", "2026-01-01");
    world.tell(&told.quantity(2));
    world.assign("seat_2_sub", "bob");
    world.chat("bob", 25);
    assert_eq!(world.mails(), 7, "a received seat");
}

#[test]
fn r16_a_new_day_under_a_daily_limit_arms() {
    let mut world = World::of(&["ann"]);
    world.catalogue.policy.mail_run_out.message = true;
    world.tell(&Told::bought("sub", "capped", "2026-01-01"));
    world.chat("ann", 4);
    let Some(Effect::Mail(mail)) = world.effects.last() else { panic!("a mail") };
    assert_eq!(mail.resets_at, Some(at("2026-01-02")));
    world.go("2026-01-02").chat("ann", 4);
    assert_eq!(world.mails(), 2);
}

#[test]
fn r16_the_end_of_a_sleeping_window_arms_nothing() {
    let mut world = World::of(&["ann"]);
    world.catalogue.policy.mail_run_out.message = true;
    world.chat("ann", 1);
    world.tell(&Told::bought("sub", "starter", "2026-01-01"));
    world.chat("ann", 10);
    let one = world.debit("ann", "chat", 1);
    assert_eq!(world.code(&one), "message_credits_exhausted");
    world.go("2026-01-05");
    assert_eq!(world.code(&one), "message_credits_exhausted");
    assert_eq!(world.mails(), 1);
}

#[test]
fn r16_without_an_address_nothing_is_sent_and_it_is_counted() {
    let mut world = World::of(&["ann"]);
    world.app("shop", "ann");
    let grant = "none".into();
    let (email, name, locale) = (Some(None), None, None);
    world.ok(&Command::PutAccount { id: "ann".into(), email, name, locale, grant });
    world.call("shop", None, 25);
    assert_eq!(world.mails(), 0);
    assert!(matches!(world.effects.last(), Some(Effect::NoAddress { .. })));
}

#[test]
fn r16_a_warning_comes_at_four_fifths_where_switched_on() {
    let mut world = World::of(&["ann"]);
    world.catalogue.policy.mail_warning.message = true;
    world.chat("ann", 3);
    assert_eq!(world.mails(), 0);
    world.chat("ann", 1);
    assert_eq!(world.mails(), 1);
    let discuss = world.debit("ann", "discuss", 1);
    world.ok(&discuss);
    assert_eq!(world.mails(), 1);
}

#[test]
fn r16_the_answer_says_when_it_would_fit() {
    let mut world = World::of(&["ann"]);
    world.tell(&Told::bought("sub", "capped", "2026-01-01"));
    let fits = |world: &mut World, quantity| {
        let command = world.debit("ann", "chat", quantity);
        match world.run(&command) {
            Err(Rejection::CreditsExhausted { resets_at, .. }) => resets_at,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(fits(&mut world, 5), None);
    for day in 1..=10 {
        world.go(&format!("2026-01-{day:02}")).chat("ann", 4);
    }
    assert_eq!(fits(&mut world, 1), Some(at("2026-02-01")));
    world.go("2026-02-01").chat("ann", 3);
    assert_eq!(fits(&mut world, 2), Some(at("2026-02-02")));
}

#[test]
fn r8_signup_windows_stand_before_they_open() {
    let mut world = World::of(&["ann"]);
    world.catalogue.policy.free_window = FreeWindow::Signup;
    world.go("2026-01-03T12:00:00Z");
    assert_eq!(world.message("ann").resets_at, Some(at("2026-01-04")));
    world.chat("ann", 5);
    world.go("2026-01-04");
    assert_eq!(world.spendable("ann"), "5");
}
