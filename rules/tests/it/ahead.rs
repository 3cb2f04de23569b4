//! What lies ahead of an account, as it is told to people who ask.

use crate::world::{Told, World, at, capped, credits};
use creditd_rules::Amount;
use creditd_rules::id::AccountId;
use creditd_rules::outlook::{Event, KindOutlook, Outlook, Part, Turn, outlook};
use creditd_rules::plan::FreeWindow;
use creditd_rules::state::Status;

fn ahead(world: &World, account: &str) -> Outlook {
    let read = world.read();
    let account = &read.accounts[&AccountId::from(account)];
    outlook(&read, account, &world.catalogue, world.now, 4)
}

/// `seat 3 until 04-01T00:00`, in the order of use.
fn order(kind: &KindOutlook) -> Vec<String> {
    let words = |part: &Part| {
        let pot = part.pot.split('/').next().unwrap();
        let until = part.ends_at.map(|end| format!(" until {}", end.format("%m-%dT%H:%M")));
        let opens = if part.opens { " opens" } else { "" };
        format!("{pot} {}{}{opens}", part.available, until.unwrap_or_default())
    };
    kind.next.iter().map(words).collect()
}

/// `04-01T00:00 Reset starter: -3 +10 = 10`, of message credits.
fn turns(outlook: &Outlook) -> Vec<String> {
    let words = |turn: &Turn| {
        let what: Vec<String> = turn
            .what
            .iter()
            .map(|event| format!("{event:?}").split('(').next().unwrap().to_owned())
            .collect();
        let (at, what, plan) = (turn.at.format("%m-%dT%H:%M"), what.join("+"), &turn.plan);
        let moved = turn.message;
        format!("{at} {what} {plan}: -{} +{} = {}", moved.expires, moved.granted, moved.spendable)
    };
    outlook.turns.iter().map(words).collect()
}

#[test]
fn r14_what_dies_soonest_is_told_first() {
    let mut world = World::of(&["ann"]);
    world.tell(&Told::bought("sub", "starter", "2026-01-01"));
    world.grant("ann", "1", None);
    world.grant("ann", "2", Some("2026-01-20"));
    world.grant("ann", "3", Some("2026-02-01"));
    world.grant("ann", "4", Some("2026-03-01"));
    world.chat("ann", 1);
    let told = ahead(&world, "ann");
    let expected = [
        "grant 1 until 01-20T00:00",
        "seat 10 until 02-01T00:00",
        "grant 3 until 02-01T00:00",
        "grant 4 until 03-01T00:00",
        "grant 1",
    ];
    assert_eq!(order(&told.message), expected);
    assert_eq!(told.message.spendable, credits("19"));
    assert_eq!(order(&told.integration), ["seat 40 until 02-01T00:00"]);
}

#[test]
fn r14_what_the_days_limit_holds_back_is_told_with_its_end() {
    let mut world = World::of(&["ann"]);
    world.tell(&Told::bought("sub", "capped", "2026-01-01"));
    world.go("2026-01-02T06:00:00Z");
    world.chat("ann", 3);
    let told = ahead(&world, "ann");
    let part = &told.message.next[0];
    assert_eq!((part.available, part.held_back), (credits("1"), credits("36")));
    assert_eq!(part.more_at, Some(at("2026-01-03")));
    let expected =
        ["01-03T00:00 DayEnds capped: -0 +0 = 4", "02-01T00:00 Reset capped: -37 +40 = 4"];
    assert_eq!(turns(&told)[..2], expected);
}

#[test]
fn r4_resets_are_told_with_what_they_take_and_bring() {
    let mut world = World::of(&["ann"]);
    world.now = at("2026-01-31T12:34:56Z");
    world.tell(&Told::bought("sub", "starter", "2026-01-31T12:34:56Z"));
    world.chat("ann", 7);
    let expected = [
        "02-28T12:34 Reset starter: -3 +10 = 10",
        "03-31T12:34 Reset starter: -10 +10 = 10",
        "04-30T12:34 Reset starter: -10 +10 = 10",
        "05-31T12:34 Reset starter: -10 +10 = 10",
    ];
    assert_eq!(turns(&ahead(&world, "ann")), expected);
}

#[test]
fn r10_the_plan_that_a_reset_brings_is_told() {
    let mut world = World::of(&["ann"]);
    world.tell(&Told::bought("sub", "builder", "2026-01-01"));
    world.go("2026-01-10");
    world.tell(&Told::bought("sub", "starter", "2026-01-01"));
    assert_eq!(turns(&ahead(&world, "ann"))[0], "02-01T00:00 Reset starter: -25 +10 = 10");
}

#[test]
fn r11_the_cancel_instant_is_told_and_nothing_after_it() {
    let mut world = World::of(&["ann"]);
    let mut told = Told::bought("sub", "starter", "2026-01-01");
    told.0.cancel_at = Some(at("2026-02-01"));
    world.tell(&told);
    let expected = ["02-01T00:00 SeatSuspends free: -0 +0 = 5"];
    assert_eq!(turns(&ahead(&world, "ann")), expected, "what it held is kept, and not spendable");
}

#[test]
fn r11_the_end_of_the_grace_is_told() {
    let mut world = World::of(&["ann"]);
    let mut told = Told::bought("sub", "starter", "2026-01-01");
    world.tell(&told);
    world.go("2026-01-10");
    told.0.status = Some(Status::PastDue);
    told.0.created = at("2026-01-10");
    world.tell(&told);
    assert_eq!(turns(&ahead(&world, "ann")), ["01-17T00:00 SeatSuspends free: -0 +0 = 5"]);
}

#[test]
fn r8_a_window_that_is_not_open_has_no_end_and_no_turn() {
    let mut world = World::of(&["ann"]);
    assert_eq!(order(&ahead(&world, "ann").message), ["free 5 opens"]);
    assert_eq!(turns(&ahead(&world, "ann")), [""; 0]);
    world.go("2026-01-02T09:00:00Z").chat("ann", 5);
    let told = ahead(&world, "ann");
    assert_eq!(order(&told.message), [""; 0]);
    assert_eq!(turns(&told), ["01-03T09:00 WindowEnds free: -0 +0 = 5"]);
    world.go("2026-01-03T08:00:00Z");
    world.catalogue.policy.free_window = FreeWindow::Signup;
    assert_eq!(order(&ahead(&world, "ann").integration), ["free 25 until 01-04T00:00"]);
}

#[test]
fn r14_a_free_day_inside_a_free_month_is_told() {
    let mut world = World::under(capped(credits("6")));
    world.account("ann");
    world.go("2026-01-05T10:00:00Z").chat("ann", 4);
    let told = ahead(&world, "ann");
    let expected =
        ["01-06T10:00 DayEnds free: -0 +0 = 2", "02-05T10:00 WindowEnds free: -2 +0 = 4"];
    assert_eq!(turns(&told), expected);
    assert_eq!(told.message.next[0].held_back, credits("2"));
}

#[test]
fn r15_the_end_of_a_grant_is_told() {
    let mut world = World::of(&["ann"]);
    let id = world.grant("ann", "2", Some("2026-01-20"));
    let told = ahead(&world, "ann");
    assert_eq!(told.turns[0].what, [Event::GrantEnds(id.as_str().into())]);
    assert_eq!(turns(&told), ["01-20T00:00 GrantEnds free: -2 +0 = 5"]);
}

#[test]
fn r12_a_seat_that_comes_when_another_ends_is_told() {
    let mut world = World::of(&["ann", "bob"]);
    let mut told = Told::bought("sub", "starter", "2026-01-01").by("ann");
    told.0.items[0].quantity = 2;
    world.tell(&told);
    let vacant = world.vacant()[0].to_owned();
    world.assign(&vacant, "bob");
    told.0.items[0].quantity = 1;
    told.0.created = at("2026-01-01T00:00:01Z");
    world.now = at("2026-01-10");
    world.tell(&told);
    let held = world.seat_of("bob").ends_at;
    assert_eq!(held, Some(at("2026-02-01")), "the latest assigned ends");
    let expected = ["02-01T00:00 SeatEnds free: -10 +0 = 5"];
    assert_eq!(turns(&ahead(&world, "bob")), expected);
}

#[test]
fn r16_the_first_refusal_is_told_with_when_it_would_fit() {
    let mut world = World::of(&["ann"]);
    world.chat("ann", 4);
    let too_much = world.debit("ann", "chat", 3);
    assert_eq!(world.code(&too_much), "message_credits_exhausted");
    let refused = ahead(&world, "ann").message.refused.unwrap();
    assert_eq!((refused.needed, refused.left), (credits("3"), credits("1")));
    assert_eq!(refused.fits_at, Some(at("2026-01-02")));
    let never = world.debit("ann", "chat", 4000);
    assert_eq!(world.code(&never), "message_credits_exhausted");
    assert_eq!(ahead(&world, "ann").message.refused.unwrap().needed, credits("3"), "the first");
    world.grant("ann", "9", None);
    assert_eq!(ahead(&world, "ann").message.refused, None, "a grant arms again");
    let far = world.debit("ann", "chat", 4000);
    assert_eq!(world.code(&far), "message_credits_exhausted");
    assert_eq!(ahead(&world, "ann").message.refused.unwrap().fits_at, None, "no reset brings it");
    assert_eq!(ahead(&world, "ann").integration.refused, None);
    assert_eq!(ahead(&world, "ann").turns[0].message.expires, credits("1"));
    assert_eq!(ahead(&world, "ann").turns[0].message.granted, Amount::ZERO);
}
