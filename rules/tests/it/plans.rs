//! R9, R10, R12, R13: plans go up and down, seats come, go and change hands.

use crate::world::{Told, World, at};
use creditd_rules::Command;
use creditd_rules::command::ItemPlan;
use creditd_rules::entry::Reason;
use creditd_rules::plan::{Downgrade, Rebuy};
use creditd_rules::state::{SeatStatus, Status};

fn bought(plan: &str) -> (World, Told) {
    let mut world = World::of(&["ann", "bob", "cat"]);
    let told = Told::bought("sub", plan, "2026-01-01");
    world.tell(&told);
    (world, told)
}

#[test]
fn r9_an_upgrade_counts_at_once_and_what_was_used_stays_used() {
    let (mut world, told) = bought("starter");
    world.chat("ann", 7);
    let from = world.ledger.len();
    world.go("2026-01-10").tell(&told.plan("builder"));
    assert_eq!(world.lines_from(from), ["raise 15 ann 01-10T00:00"]);
    assert_eq!(world.spendable("ann"), "18");
    assert_eq!(world.seat_of("ann").cycle.unwrap().end, at("2026-02-01"));
}

#[test]
fn r9_what_grants_paid_is_not_used() {
    let (mut world, told) = bought("starter");
    world.grant("ann", "5", Some("2026-01-20"));
    world.chat("ann", 7);
    world.tell(&told.plan("builder"));
    assert_eq!(world.message("ann").used.to_string(), "2");
    assert_eq!(world.spendable("ann"), "23");
}

#[test]
fn r9_a_rise_while_payment_fails_waits() {
    for status in [Status::PastDue, Status::Unpaid, Status::Incomplete] {
        let (mut world, told) = bought("starter");
        let risen = told.plan("pro").quantity(2);
        world.go("2026-01-02").tell(&risen.clone().status(status));
        assert_eq!(world.ws.seats.len(), 1, "{status:?}");
        assert_eq!(world.seat_of("ann").plan.as_str(), "starter", "{status:?}");
        world.tell(&risen);
        assert_eq!(world.ws.seats.len(), 2, "{status:?}");
        assert_eq!(world.spendable("ann"), "50", "{status:?}");
    }
}

#[test]
fn r9_a_rise_waits_across_a_suspension_too() {
    let (mut world, told) = bought("starter");
    world.go("2026-01-30").tell(&told.clone().status(Status::PastDue));
    world.tell(&told.clone().plan("pro").status(Status::Paused));
    world.go("2026-02-02").tell(&told.clone().plan("pro").status(Status::PastDue));
    assert_eq!(world.spendable("ann"), "10");
    world.tell(&told.plan("pro"));
    assert_eq!(world.spendable("ann"), "50");
}

#[test]
fn r9_a_downgrade_that_is_due_stands_while_payment_fails() {
    let (mut world, told) = bought("pro");
    world.go("2026-01-30").tell(&told.clone().plan("starter"));
    world.tell(&told.clone().status(Status::PastDue));
    world.go("2026-02-01");
    assert_eq!(world.spendable("ann"), "10");
    world.tell(&told);
    assert_eq!(world.spendable("ann"), "50");
}

#[test]
fn r10_a_downgrade_waits_for_the_boundary() {
    let (mut world, told) = bought("builder");
    world.chat("ann", 5);
    let from = world.ledger.len();
    world.go("2026-01-10").tell(&told.plan("starter"));
    assert_eq!(world.spendable("ann"), "20");
    assert_eq!(world.seat_of("ann").next_plan, Some("starter".into()));
    world.go("2026-02-01").settle();
    assert_eq!(
        world.lines_from(from),
        ["expire -20 ann 02-01T00:00", "allowance 10 ann 02-01T00:00"]
    );
}

#[test]
fn r10_or_counts_at_once_where_the_host_says_so() {
    for (used, left, line) in [(5, "5", "cut -15"), (12, "0", "cut -13")] {
        let (mut world, told) = bought("builder");
        world.catalogue.policy.downgrade = Downgrade::Immediately;
        world.chat("ann", used);
        let from = world.ledger.len();
        world.go("2026-01-10").tell(&told.clone().plan("starter"));
        assert_eq!(world.lines_from(from), [format!("{line} ann 01-10T00:00")]);
        assert_eq!(world.spendable("ann"), left);
        world.tell(&told);
        assert_eq!(world.message("ann").remaining.to_string(), (25 - used).to_string());
    }
}

#[test]
fn r10_up_and_down_yields_the_highest_plans_allowance() {
    let (mut world, told) = bought("starter");
    for plan in ["builder", "starter", "pro", "builder", "starter", "pro"] {
        world.tell(&told.clone().plan(plan));
        world.chat_all("ann");
    }
    assert_eq!(world.message("ann").used.to_string(), "50");
}

#[test]
fn r10_a_downgrade_made_at_a_boundary_counts_from_it() {
    for (created, line) in [
        ("2026-02-01T00:00:00Z", Some("cut -15 ann 02-01T00:00")),
        ("2026-02-01T00:10:00Z", Some("cut -15 ann 02-01T00:00")),
        ("2026-02-01T00:10:01Z", None),
        ("2026-01-31T23:59:59Z", None),
    ] {
        let (mut world, told) = bought("builder");
        world.go("2026-02-01T00:15:00Z").settle();
        let from = world.ledger.len();
        world.tell(&told.plan("starter").created(created));
        let expected: Vec<String> = line.into_iter().map(str::to_owned).collect();
        assert_eq!(world.lines_from(from), expected, "{created}");
    }
}

#[test]
fn r10_a_downgrade_known_late_goes_on_waiting_though_stripe_repeats_it_at_a_boundary() {
    let (mut world, told) = bought("builder");
    world.go("2026-02-05").settle();
    let (from, told) = (world.ledger.len(), told.plan("starter"));
    world.tell(&told.clone().created("2026-01-20"));
    world.tell(&told.clone().created("2026-02-01T00:00:30Z"));
    assert_eq!(world.lines_from(from), [""; 0]);
    world.go("2026-03-01").settle();
    assert_eq!(world.spendable("ann"), "10");
}

#[test]
fn r10_the_first_cycles_start_is_no_boundary() {
    let (mut world, told) = bought("builder");
    world.go("2026-01-01T00:05:00Z").tell(&told.plan("starter"));
    assert_eq!(world.spendable("ann"), "25");
    assert_eq!(world.seat_of("ann").next_plan, Some("starter".into()));
}

#[test]
fn r12_the_first_seat_goes_to_the_buyer_and_others_are_vacant() {
    let mut world = World::of(&["owner", "buyer"]);
    world.tell(&Told::bought("sub", "starter", "2026-01-01").quantity(3).by("buyer"));
    world.tell(&Told::bought("sub2", "starter", "2026-01-01"));
    assert_eq!(world.seat_of("buyer").id.as_str(), "seat_1_sub");
    assert_eq!(world.seat_of("owner").id.as_str(), "seat_1_sub2");
    assert_eq!(world.vacant(), ["seat_2_sub", "seat_3_sub"]);
    assert_eq!(world.count(Reason::Allowance), 4);
    assert_eq!(world.count(Reason::SeatIn), 0);
}

#[test]
fn r12_with_no_known_buyer_all_seats_are_vacant_and_it_is_alerted() {
    let mut world = World::new();
    world.tell(&Told::bought("sub", "starter", "2026-01-01"));
    assert_eq!(world.vacant(), ["seat_1_sub"]);
    assert_eq!(world.alerts(), ["no_buyer"]);
}

#[test]
fn r12_a_seat_bought_mid_cycle_has_the_anchor_and_a_full_allowance() {
    let (mut world, told) = bought("starter");
    world.chat("ann", 5);
    world.go("2026-01-20").tell(&told.quantity(2));
    world.assign("seat_2_sub", "bob");
    assert_eq!(world.spendable("bob"), "10");
    assert_eq!(world.seat_of("bob").cycle, world.seat_of("ann").cycle);
    assert_eq!(world.spendable("ann"), "5");
}

#[test]
fn r12_vacant_seats_end_first_then_the_latest_assigned_at_the_boundary() {
    let (mut world, told) = bought("starter");
    world.tell(&told.clone().quantity(4));
    world.go("2026-01-02").assign("seat_3_sub", "bob");
    world.go("2026-01-03").assign("seat_2_sub", "cat");
    world.go("2026-01-04").tell(&told.clone().quantity(2));
    assert_eq!(world.seat("seat_4_sub").status, SeatStatus::Ended);
    assert_eq!(world.seat_of("cat").ends_at, Some(at("2026-02-01")));
    assert_eq!(world.seat_of("bob").ends_at, None);
    assert_eq!(world.spendable("cat"), "10");
    let from = world.ledger.len();
    world.go("2026-02-01").settle();
    assert_eq!(world.seat("seat_2_sub").status, SeatStatus::Ended);
    assert_eq!(world.spendable("cat"), "5");
    let lines = world.lines_from(from);
    assert!(lines.contains(&"expire -10 cat 02-01T00:00".to_owned()), "{lines:?}");
}

#[test]
fn r12_a_rise_before_the_boundary_withdraws_the_end() {
    let (mut world, told) = bought("starter");
    world.tell(&told.clone().quantity(2));
    world.assign("seat_2_sub", "bob");
    world.go("2026-01-04").tell(&told.clone());
    assert!(world.seat_of("bob").ends_at.is_some());
    world.go("2026-01-05").tell(&told.quantity(2));
    assert_eq!(world.seat_of("bob").ends_at, None);
    assert_eq!(world.ws.seats.len(), 2);
}

#[test]
fn r12_an_ended_seat_is_the_first_to_return_the_most_used_before_others() {
    let (mut world, told) = bought("starter");
    world.tell(&told.clone().quantity(3));
    world.assign("seat_2_sub", "bob");
    world.chat("bob", 4);
    world.release("seat_2_sub");
    world.tell(&told.clone());
    world.tell(&told.quantity(2));
    assert_eq!(world.seat("seat_2_sub").status, SeatStatus::Active);
    world.assign("seat_2_sub", "bob");
    assert_eq!(world.spendable("bob"), "6");
}

#[test]
fn r12_a_seat_does_not_become_new_by_returning_while_paused() {
    let (mut world, told) = bought("starter");
    world.tell(&told.clone().quantity(2));
    world.assign("seat_2_sub", "bob");
    world.chat("bob", 10);
    world.release("seat_2_sub");
    world.tell(&told.clone());
    world.tell(&told.clone().quantity(2).status(Status::Paused));
    world.tell(&told.quantity(2));
    assert_eq!(world.vacant(), ["seat_2_sub"]);
    world.assign("seat_2_sub", "bob");
    assert_eq!(world.message("bob").remaining.to_string(), "0");
}

#[test]
fn r12_a_quantity_that_fell_at_a_boundary_ends_the_seat_there() {
    let (mut world, told) = bought("starter");
    world.tell(&told.clone().quantity(2));
    world.assign("seat_2_sub", "bob");
    world.go("2026-02-01T00:02:00Z").chat("bob", 3);
    let from = world.ledger.len();
    world.go("2026-02-01T00:12:00Z").tell(&told.created("2026-02-01T00:01:00Z"));
    assert_eq!(world.lines_from(from), ["expire -7 bob 02-01T00:00"]);
    assert_eq!(world.spendable("bob"), "5");
}

#[test]
fn r12_places_are_matched_so_that_what_is_used_stays_used() {
    let (mut world, told) = bought("starter");
    world.tell(&told.clone().items(&[("starter", 2)]));
    world.go("2026-01-02").assign("seat_2_sub", "bob");
    world.chat("ann", 4);
    world.chat("bob", 3);
    // Of two equal seats the longest held rises; the item it comes from does not matter.
    world.tell(&told.clone().items(&[("pro", 1), ("starter", 1)]));
    assert_eq!(world.spendable("ann"), "46");
    assert_eq!(world.spendable("bob"), "7");
    // And the latest falls first, at the boundary.
    world.tell(&told.items(&[("pro", 2)]));
    assert_eq!(world.spendable("bob"), "47");
}

#[test]
fn r12_a_buyer_on_a_lower_seat_moves_to_the_new_one() {
    let (mut world, _) = bought("starter");
    world.chat("ann", 4);
    world.tell(&Told::bought("sub2", "pro", "2026-01-01").by("ann"));
    assert_eq!(world.seat_of("ann").id.as_str(), "seat_1_sub2");
    assert_eq!(world.spendable("ann"), "50");
    assert_eq!(world.vacant(), ["seat_1_sub"]);
    // Not to an equal or lower one.
    world.tell(&Told::bought("sub3", "builder", "2026-01-01").by("ann"));
    assert_eq!(world.seat_of("ann").id.as_str(), "seat_1_sub2");
}

#[test]
fn r12_a_buyer_moves_when_the_better_seat_first_counts() {
    let (mut world, _) = bought("starter");
    let better = Told::bought("sub2", "pro", "2026-01-01").by("ann");
    world.tell(&better.clone().status(Status::Incomplete));
    assert_eq!(world.seat_of("ann").id.as_str(), "seat_1_sub");
    world.tell(&better);
    assert_eq!(world.seat_of("ann").id.as_str(), "seat_1_sub2");
    assert_eq!(world.count(Reason::SeatIn), 1, "into the seat that became vacant, by no one");
}

#[test]
fn r12_a_buyer_whose_seat_ended_gets_a_vacant_one_that_they_bought() {
    let (mut world, told) = bought("starter");
    world.tell(&Told::bought("sub2", "pro", "2026-01-01").by("ann"));
    world.tell(&Told::bought("sub3", "pro", "2026-01-01").by("bob").quantity(2));
    world
        .go("2026-01-02")
        .tell(&Told::bought("sub2", "pro", "2026-01-01").status(Status::Canceled));
    assert_eq!(world.seat_of("ann").id.as_str(), "seat_1_sub");
    world.go("2026-01-03").tell(&told.status(Status::Canceled));
    assert!(world.ws.seat_of(&"ann".into()).is_none());
}

#[test]
fn r12_after_a_transfer_or_release_nobody_is_given_one() {
    let (mut world, told) = bought("starter");
    world.tell(&told.quantity(2));
    world.transfer("seat_1_sub", "bob");
    assert!(world.ws.seat_of(&"ann".into()).is_none());
    world.release("seat_1_sub");
    world.settle();
    assert_eq!(world.vacant(), ["seat_1_sub", "seat_2_sub"]);
}

#[test]
fn r12_items_with_unmapped_or_metered_prices_are_no_places() {
    let (mut world, told) = bought("starter");
    let mut mixed = told.clone().items(&[("starter", 1), ("pro", 1), ("pro", 1)]);
    mixed.0.items[1].plan = ItemPlan::Unknown;
    mixed.0.items[2].plan = ItemPlan::NoPlace;
    world.tell(&mixed);
    assert_eq!(world.ws.seats.len(), 1);
    assert_eq!(world.alerts(), ["unknown_price"]);
    // A price that is not mapped any more leaves the old plan.
    let mut lost = told;
    lost.0.items[0].plan = ItemPlan::Unknown;
    world.tell(&lost);
    assert_eq!(world.seat_of("ann").plan.as_str(), "starter");
}

#[test]
fn r12_buying_again_is_a_new_purchase_or_carries_what_was_used() {
    for (rebuy, first, left) in [
        (Rebuy::Full, Status::Active, "10"),
        (Rebuy::CarryUsed, Status::Active, "3"),
        (Rebuy::CarryUsed, Status::Incomplete, "3"),
    ] {
        let (mut world, told) = bought("starter");
        world.catalogue.policy.rebuy = rebuy;
        world.chat("ann", 7);
        world.go("2026-01-10").tell(&told.status(Status::Canceled));
        let again = Told::bought("sub2", "starter", "2026-01-11");
        world.go("2026-01-11").tell(&again.clone().status(first));
        world.go("2026-01-12").tell(&again);
        assert_eq!(world.spendable("ann"), left, "{rebuy:?} {first:?}");
        // Once, and only within the cycle that ended.
        world.tell(&again.quantity(2));
        world.assign("seat_2_sub2", "bob");
        assert_eq!(world.spendable("bob"), "10", "{rebuy:?} {first:?}");
        world.go("2026-02-11");
        assert_eq!(world.spendable("ann"), "10");
    }
}

#[test]
fn r12_an_absurd_quantity_is_alerted_and_bounded() {
    let mut world = World::of(&["ann"]);
    world.tell(
        &Told::bought("sub", "starter", "2026-01-01").quantity(u32::MAX).status(Status::Paused),
    );
    assert_eq!(world.ws.seats.len(), 10_000);
    assert_eq!(world.alerts(), ["too_many_seats"]);
}

#[test]
fn r12_a_new_workspace_owner_moves_no_seat() {
    let (mut world, _) = bought("starter");
    world.ok(&Command::SetOwner { owner: "bob".into() });
    assert_eq!(world.seat_of("ann").id.as_str(), "seat_1_sub");
}

#[test]
fn r12_a_quantity_that_returns_from_nothing_seats_the_buyer_again() {
    let (mut world, told) = bought("starter");
    world.go("2026-01-20").tell(&told.clone().quantity(0));
    world.go("2026-02-03").settle().tell(&told);
    assert_eq!(world.spendable("ann"), "10");
}

#[test]
fn r13_a_transfer_moves_plan_anchor_and_what_is_used() {
    let (mut world, _) = bought("starter");
    world.chat("bob", 2);
    world.chat("ann", 4);
    world.grant("ann", "3", None);
    let (before, from) = (world.seat_of("ann").clone(), world.ledger.len());
    world.go("2026-01-01T10:00:00Z").transfer("seat_1_sub", "bob");
    assert_eq!(
        world.lines_from(from),
        ["seat_out -6 ann 01-01T10:00", "seat_in 6 bob 01-01T10:00"]
    );
    let after = world.seat_of("bob");
    assert_eq!(
        (&after.plan, after.timeline, after.allowances),
        (&before.plan, before.timeline, before.allowances)
    );
    assert_eq!(world.spendable("bob"), "6");
    assert_eq!(world.spendable("ann"), "8", "on free, with her grant");
    // The receiver's free window sleeps, and holds what was used when it wakes.
    world.transfer("seat_1_sub", "cat");
    assert_eq!(world.spendable("bob"), "3");
}

#[test]
fn r13_assigning_and_releasing_write_the_same_lines_with_no_one_on_the_other_side() {
    let (mut world, _) = bought("starter");
    let from = world.ledger.len();
    world.release("seat_1_sub");
    world.assign("seat_1_sub", "bob");
    let expected = [
        "seat_out -10 ann 01-01T00:00",
        "seat_in 10 - 01-01T00:00",
        "seat_out -10 - 01-01T00:00",
        "seat_in 10 bob 01-01T00:00",
    ];
    assert_eq!(world.lines_from(from), expected);
}

#[test]
fn r13_what_cannot_change_hands_says_why() {
    let (mut world, told) = bought("starter");
    world.tell(&told.clone().quantity(3));
    world.assign("seat_2_sub", "bob");
    world.tell(&Told::bought("paused", "starter", "2026-01-01").status(Status::Paused).by("cat"));
    world.tell(&Told::bought("over", "starter", "2026-01-01").by("nobody"));
    world.tell(&Told::bought("over", "starter", "2026-01-01").status(Status::Canceled));
    let transfer = |seat: &str, to: &str| Command::Transfer { seat: seat.into(), to: to.into() };
    let assign = |seat: &str, to: &str| Command::Assign { seat: seat.into(), account: to.into() };
    for (command, code) in [
        (transfer("seat_1_sub", "bob"), "already_seated"),
        (transfer("seat_1_sub", "cat"), "already_seated"),
        (transfer("seat_1_sub", "ann"), "already_seated"),
        (transfer("seat_1_sub", "stranger"), "other_workspace"),
        (transfer("seat_3_sub", "bob"), "seat_vacant"),
        (transfer("seat_1_paused", "ann"), "seat_suspended"),
        (transfer("seat_1_over", "ann"), "seat_ended"),
        (transfer("none", "ann"), "seat_not_found"),
        (assign("seat_1_sub", "cat"), "seat_taken"),
        (assign("seat_3_sub", "cat"), "already_seated"),
        (Command::Release { seat: "seat_3_sub".into() }, "seat_vacant"),
    ] {
        assert_eq!(world.code(&command), code, "{command:?}");
    }
}
