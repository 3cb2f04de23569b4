//! Ways to a second allowance that were found by searching (R4, R12), each closed.

use crate::world::{Told, World, at};
use creditd_rules::Command;
use creditd_rules::plan::Rebuy;
use creditd_rules::state::Status;

/// Ann's builder seat (25 a month) and a first move of its anchor, on 10 January: it was full, and
/// all of it is used. Another move before 7 February brings nothing.
fn moved_once() -> (World, Told) {
    let mut world = World::of(&["ann", "bob"]);
    let told = Told::bought("sub", "builder", "2026-01-01");
    world.tell(&told);
    world.go("2026-01-10").tell(&told.clone().anchor("2026-01-10"));
    world.chat("ann", 25);
    (world, told)
}

#[test]
fn r4_a_move_while_paused_brings_nothing_by_the_return() {
    for (paused, resumed) in [("2026-01-12", "2026-01-13"), ("2026-01-13", "2026-01-13")] {
        let (mut world, told) = moved_once();
        let told = told.anchor(paused);
        world.go("2026-01-13").tell(&told.clone().status(Status::Paused));
        world.tell(&told.anchor(resumed));
        assert_eq!(world.spendable("ann"), "0", "{paused} {resumed}");
    }
}

#[test]
fn r4_a_boundary_that_brings_nothing_brings_nothing_by_a_pause_across_it() {
    let (mut world, told) = moved_once();
    world.tell(&told.clone().anchor("2026-01-12"));
    world.go("2026-01-11").tell(&told.clone().anchor("2026-01-12").status(Status::Paused));
    world.go("2026-01-13").tell(&told.clone().anchor("2026-01-13"));
    assert_eq!(world.spendable("ann"), "0");
    // A whole month later a boundary has passed that was a full one.
    world.go("2026-02-13");
    assert_eq!(world.spendable("ann"), "25");
}

#[test]
fn r12_a_seat_that_is_over_brings_nothing_by_returning_after_such_a_boundary() {
    let (mut world, told) = moved_once();
    world.release("seat_1_sub");
    world.tell(&told.clone().anchor("2026-01-12").quantity(0));
    world.go("2026-01-13").tell(&told.anchor("2026-01-12"));
    assert_eq!(world.message("ann").remaining.to_string(), "0");
    assert_eq!(world.ws.seats.len(), 1);
}

#[test]
fn r4_an_anchor_moved_while_there_is_no_seat_counts() {
    let (mut world, told) = moved_once();
    world.go("2026-01-11").tell(&told.clone().anchor("2026-01-10").quantity(0));
    world.go("2026-02-10").settle();
    // The seat ended. The anchor moves, is met by a new seat in full, and moves again.
    let moved = |anchor: &str| told.clone().anchor(anchor);
    world.tell(&moved("2026-02-12").quantity(0));
    world.tell(&moved("2026-02-12"));
    world.chat_all("ann");
    world.go("2026-02-12");
    assert_eq!(world.spendable("ann"), "25");
    world.chat_all("ann");
    world.go("2026-02-13").tell(&moved("2026-02-13"));
    assert_eq!(world.spendable("ann"), "0");
}

#[test]
fn r4_an_anchor_moved_with_the_snapshot_that_ends_the_last_seat_counts() {
    let mut world = World::of(&["ann"]);
    let told = Told::bought("sub", "builder", "2026-01-01");
    world.tell(&told.clone().status(Status::Paused));
    world.tell(&told);
    world.go("2026-01-02").tell(&told.clone().status(Status::Paused));
    world.go("2026-01-03").tell(&told.clone().anchor("2026-01-03").status(Status::Paused));
    world.go("2026-01-04").tell(&told.clone().anchor("2026-01-05").quantity(0));
    world.tell(&told.anchor("2026-01-05"));
    world.chat_all("ann");
    world.go("2026-01-05");
    assert_eq!(world.spendable("ann"), "0");
}

#[test]
fn r12_what_a_seat_used_before_its_end_is_carried_across_a_boundary_that_brings_nothing() {
    for told_again in [false, true] {
        let (mut world, told) = moved_once();
        world.catalogue.policy.rebuy = Rebuy::CarryUsed;
        world.release("seat_1_sub");
        let none = told.anchor("2026-01-12").quantity(0);
        world.go("2026-01-11").tell(&none);
        // The boundary passes, and whether anybody speaks of the subscription after it is all one.
        world.go("2026-01-13");
        if told_again {
            world.tell(&none);
        }
        world.ok(&Command::EndCustomer { customer: "cus".into() });
        world.tell(&Told::bought("sub2", "builder", "2026-01-13"));
        assert_eq!(world.spendable("ann"), "0", "told again: {told_again}");
    }
}

#[test]
fn r4_a_move_of_an_empty_subscription_counts_alike_when_it_is_known_late() {
    for known in ["2026-01-20", "2026-02-03"] {
        let mut world = World::of(&["ann"]);
        let told = Told::bought("sub", "builder", "2026-01-01");
        world.tell(&told);
        world.release("seat_1_sub");
        let none = told.clone().quantity(0);
        world.go("2026-01-02").tell(&none);
        // Nothing is posted on 1 February, and the anchor was moved before it.
        let moved = none.anchor("2026-01-20").created("2026-01-20");
        world.go(known).tell(&moved);
        let full_at = world.ws.subscriptions.values().next().unwrap().anchor_full_at;
        assert_eq!(full_at, Some(at("2026-01-20")), "known on {known}");
    }
}
