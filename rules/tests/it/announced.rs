//! R10, R12: plans that wait for a boundary, and those that a schedule announced for one.

use crate::world::{Told, World, at, item};
use creditd_rules::Command;

fn bought(plan: &str) -> (World, Told) {
    let mut world = World::of(&["ann", "bob", "cat"]);
    let told = Told::bought("sub", plan, "2026-01-01");
    world.tell(&told);
    (world, told)
}

/// Announces a plan for the subscription from an instant on.
fn announce(world: &mut World, change: Option<(&str, &str)>) {
    let change = change.map(|(from, plan)| (at(from), vec![item(0, plan, 1)]));
    world.ok(&Command::Announce { subscription: "sub".into(), change });
}

#[test]
fn r10_an_announced_downgrade_comes_with_the_boundary_that_it_names() {
    for (from, allowances) in [
        ("2026-02-01", ["10", "10", "10"]),
        ("2026-03-01", ["25", "10", "10"]),
        ("2026-04-01", ["25", "25", "10"]),
        ("2026-03-15", ["25", "25", "25"]),
    ] {
        let (mut world, _) = bought("builder");
        announce(&mut world, Some((from, "starter")));
        for (month, allowance) in [2, 3, 4].into_iter().zip(allowances) {
            world.go(&format!("2026-{month:02}-01"));
            assert_eq!(world.spendable("ann"), allowance, "{from}: month {month}");
            world.settle();
        }
    }
}

#[test]
fn r10_an_announcement_that_is_gone_brings_nothing() {
    let (mut world, _) = bought("builder");
    announce(&mut world, Some(("2026-02-01", "starter")));
    assert_eq!(world.seat_of("ann").next_plan, Some("starter".into()));
    announce(&mut world, None);
    assert_eq!(world.seat_of("ann").next_plan, None);
    world.go("2026-02-01");
    assert_eq!(world.spendable("ann"), "25");
}

#[test]
fn r12_who_meets_a_lower_plan_does_not_change_because_stripe_repeats_itself() {
    for (is_announced, lower) in [
        (false, &[("builder", 1), ("starter", 1)][..]),
        (true, &[("builder", 1), ("starter", 1)]),
        // A seat is bought for the same boundary.
        (true, &[("builder", 1), ("starter", 2)]),
    ] {
        let (mut world, told) = bought("builder");
        let two = told.quantity(2);
        world.go("2026-01-02").tell(&two);
        world.assign("seat_2_sub", "bob");
        let told = if is_announced { two } else { two.items(lower) };
        if is_announced {
            let items = lower.iter().enumerate().map(|(n, (plan, count))| item(n, plan, *count));
            let change = Some((at("2026-02-01"), items.collect()));
            world.ok(&Command::Announce { subscription: "sub".into(), change });
        } else {
            world.go("2026-01-03").tell(&told);
        }
        assert_eq!(world.seat("seat_2_sub").next_plan, Some("starter".into()), "{is_announced}");
        // The other seat is now the one that was assigned last.
        world.go("2026-01-04").release("seat_1_sub");
        world.assign("seat_1_sub", "ann");
        world.go("2026-01-05").tell(&told);
        assert_eq!(world.seat("seat_2_sub").next_plan, Some("starter".into()), "{is_announced}");
        assert_eq!(world.seat("seat_1_sub").next_plan, None, "{is_announced}");
        world.go("2026-02-01");
        assert_eq!((world.spendable("ann"), world.spendable("bob")), ("25".into(), "10".into()));
    }
}

#[test]
fn r10_what_is_announced_does_not_lift_a_downgrade_that_is_due() {
    let mut world = World::of(&["ann"]);
    let told = Told::bought("sub", "pro", "2026-01-01");
    world.tell(&told);
    let change = Some((at("2026-02-01"), vec![item(0, "builder", 1)]));
    world.ok(&Command::Announce { subscription: "sub".into(), change });
    world.go("2026-01-10").tell(&told.plan("starter"));
    world.go("2026-02-01");
    assert_eq!(world.spendable("ann"), "10");
}

/// ann's and bob's seats, of which bob's was assigned last and meets the lower plan; later the order
/// is the other one.
#[test]
fn r12_whoever_waits_for_a_lower_plan_is_the_one_for_whom_a_schedule_announces_it() {
    let lower = [("builder", 1), ("starter", 1)];
    let two_plans = |world: &mut World, from: Option<&str>| {
        let items = lower.iter().enumerate().map(|(n, (plan, count))| item(n, plan, *count));
        let change = from.map(|from| (at(from), items.collect()));
        world.ok(&Command::Announce { subscription: "sub".into(), change });
    };
    for told_first in [true, false] {
        for announced_for in ["2026-02-01", "2026-03-01"] {
            for is_withdrawn in [true, false] {
                let (mut world, told) = bought("builder");
                world.go("2026-01-02").tell(&told.clone().quantity(2));
                world.assign("seat_2_sub", "bob");
                let (now, told) = (told.clone().quantity(2), told.items(&lower));
                let case = (told_first, announced_for, is_withdrawn);
                world.go("2026-01-03");
                match told_first {
                    true => world.tell(&told),
                    false => two_plans(&mut world, Some("2026-02-01")),
                }
                world.go("2026-01-04").release("seat_1_sub");
                world.assign("seat_1_sub", "ann");
                world.go("2026-01-05");
                match told_first {
                    true => two_plans(&mut world, Some(announced_for)),
                    false => world.tell(&now),
                }
                // Stripe repeats itself, or tells what it announced.
                world.tell(&told);
                if is_withdrawn {
                    two_plans(&mut world, None);
                }
                let next = |seat| world.seat(seat).next_plan.as_ref().map(|plan| plan.as_str());
                assert_eq!(
                    (next("seat_1_sub"), next("seat_2_sub")),
                    (None, Some("starter")),
                    "{case:?}"
                );
                for month in ["2026-02-01", "2026-03-01"] {
                    world.go(month).tell(&told);
                    let left = (world.spendable("ann"), world.spendable("bob"));
                    assert_eq!(left, ("25".into(), "10".into()), "{case:?} {month}");
                }
            }
        }
    }
}

#[test]
fn r12_what_falls_further_than_announced_is_not_lowered_for_another_seat() {
    let (mut world, told) = bought("builder");
    let told = told.quantity(3);
    world.go("2026-01-02").tell(&told);
    world.assign("seat_2_sub", "bob");
    world.go("2026-01-03").assign("seat_3_sub", "cat");
    let change = Some((at("2026-02-01"), vec![item(0, "builder", 2), item(1, "starter", 1)]));
    world.ok(&Command::Announce { subscription: "sub".into(), change });
    assert_eq!(world.seat("seat_3_sub").next_plan, Some("starter".into()));
    // cat's seat becomes the one held longest, and two are to be lower.
    for (seat, holder) in [("seat_1_sub", "ann"), ("seat_2_sub", "bob")] {
        world.go("2026-01-04").release(seat);
        world.assign(seat, holder);
    }
    world.go("2026-01-05").tell(&told.items(&[("builder", 1), ("starter", 2)]));
    let next = |seat| world.seat(seat).next_plan.as_ref().map(|plan| plan.as_str());
    let nexts = ["seat_1_sub", "seat_2_sub", "seat_3_sub"].map(next);
    assert_eq!(nexts, [Some("starter"), Some("starter"), None]);
}
