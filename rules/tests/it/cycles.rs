//! R4 to R7, R11: boundaries, moved anchors, suspension and return.

use crate::world::{Told, World, at};
use creditd_rules::Command;
use creditd_rules::entry::Reason;
use creditd_rules::state::{SeatStatus, Status};
use creditd_rules::view::schedule;

/// Ann's builder seat (25 a month), bought at an instant.
fn bought(start: &str) -> (World, Told) {
    let mut world = World::of(&["ann", "bob"]);
    let told = Told::bought("sub", "builder", start);
    world.go(start).tell(&told);
    (world, told)
}

#[test]
fn r4_boundaries_are_counted_from_the_anchor() {
    let (world, _) = bought("2026-01-31T10:00:00Z");
    let account = &world.ws.accounts["ann"];
    let expected = ["2026-02-28T10:00:00Z", "2026-03-31T10:00:00Z", "2026-04-30T10:00:00Z"];
    assert_eq!(schedule(&world.ws, account, world.now, 3), expected.map(at));
}

#[test]
fn r4_a_trial_is_one_cycle_that_ends_with_it() {
    let mut world = World::of(&["ann"]);
    let told = Told::bought("sub", "builder", "2026-02-01").trial("2026-03-03");
    world.go("2026-02-01").tell(&told);
    world.chat("ann", 25);
    world.go("2026-03-02T23:59:59Z");
    assert_eq!(world.spendable("ann"), "0");
    world.go("2026-03-03");
    assert_eq!(world.spendable("ann"), "25");
}

#[test]
fn r4_an_anchor_in_the_running_cycle_is_a_boundary() {
    let (mut world, told) = bought("2026-01-01");
    world.chat("ann", 20);
    let from = world.ledger.len();
    world.go("2026-01-10T12:00:00Z").tell(&told.anchor("2026-01-10"));
    assert_eq!(
        world.lines_from(from),
        ["expire -5 ann 01-10T00:00", "allowance 25 ann 01-10T00:00"]
    );
    assert_eq!(world.seat_of("ann").cycle.unwrap().end, at("2026-02-10"));
    assert_eq!(world.alerts(), Vec::<&str>::new());
}

#[test]
fn r4_else_the_cycle_goes_on_to_the_anchors_next_boundary() {
    for (anchor, end) in [("2025-12-20", "2026-01-20"), ("2026-01-25", "2026-01-25")] {
        let (mut world, told) = bought("2026-01-01");
        world.chat("ann", 20);
        let from = world.ledger.len();
        let mut told = told.anchor(anchor);
        told.0.timeline.start = at("2025-11-01");
        world.go("2026-01-10").tell(&told);
        assert_eq!(world.lines_from(from), Vec::<String>::new(), "{anchor}");
        let cycle = world.seat_of("ann").cycle.unwrap();
        assert_eq!((cycle.start, cycle.end), (at("2026-01-01"), at(end)), "{anchor}");
        assert_eq!(world.spendable("ann"), "5");
        world.go(end);
        assert_eq!(world.spendable("ann"), "25");
    }
}

#[test]
fn r4_a_second_move_within_28_days_keeps_what_was_used() {
    let (mut world, told) = bought("2026-01-01");
    world.go("2026-01-10").tell(&told.clone().anchor("2026-01-10"));
    world.chat("ann", 20);
    let from = world.ledger.len();
    world.go("2026-02-06T23:59:59Z").tell(&told.clone().anchor("2026-02-06T23:59:59Z"));
    let expected = ["expire -5 ann 02-06T23:59", "allowance 5 ann 02-06T23:59"];
    assert_eq!(world.lines_from(from), expected);
    assert_eq!(world.seat_of("ann").allowances.message.used.to_string(), "20");
    assert_eq!(world.alerts(), ["anchor_moved_again"]);
    // The month after it is a full one, and 28 days after the first move another may be.
    world.go("2026-03-06T23:59:59Z");
    assert_eq!(world.spendable("ann"), "25");
}

#[test]
fn r4_a_move_28_days_after_the_last_is_full() {
    let (mut world, told) = bought("2026-01-01");
    world.go("2026-01-10").tell(&told.clone().anchor("2026-01-10"));
    world.chat("ann", 20);
    world.go("2026-02-07").tell(&told.anchor("2026-02-07"));
    assert_eq!(world.spendable("ann"), "25");
    assert_eq!(world.alerts(), Vec::<&str>::new());
}

#[test]
fn r4_a_second_move_ahead_keeps_what_was_used_too() {
    let (mut world, told) = bought("2026-01-01");
    world.go("2026-01-10").tell(&told.clone().anchor("2026-01-10"));
    world.chat("ann", 20);
    world.tell(&told.clone().anchor("2026-01-20"));
    world.go("2026-01-20");
    assert_eq!(world.spendable("ann"), "5");
    world.go("2026-02-20");
    assert_eq!(world.spendable("ann"), "25");
}

#[test]
fn r4_the_first_trials_end_counts_for_nothing() {
    let mut world = World::of(&["ann"]);
    let told = Told::bought("sub", "builder", "2026-01-01").trial("2026-01-15");
    world.tell(&told);
    world.chat("ann", 25);
    // Ended by hand: the anchor moves to now. Then the anchor moves again, the first time to count.
    let told = told.status(Status::Active);
    world.go("2026-01-05").tell(&told.clone().anchor("2026-01-05"));
    assert_eq!(world.spendable("ann"), "25");
    world.chat("ann", 25);
    world.go("2026-01-06").tell(&told.clone().anchor("2026-01-06"));
    assert_eq!(world.spendable("ann"), "25");
    world.chat("ann", 25);
    world.go("2026-01-07").tell(&told.anchor("2026-01-07"));
    assert_eq!(world.spendable("ann"), "0");
}

#[test]
fn r4_a_trial_ends_once() {
    let mut world = World::of(&["ann"]);
    let told = Told::bought("sub", "builder", "2026-01-01");
    for (day, left) in [(2, "25"), (3, "25"), (4, "0"), (5, "0")] {
        world.tell(&told.clone().trial(&format!("2026-01-{day:02}")));
        world.chat_all("ann");
        world.go(&format!("2026-01-{day:02}"));
        assert_eq!(world.spendable("ann"), left, "day {day}");
    }
}

#[test]
fn r4_a_resume_after_a_passed_boundary_counts_for_nothing() {
    let (mut world, told) = bought("2026-01-01");
    world.go("2026-01-20").tell(&told.clone().status(Status::Paused));
    world.go("2026-02-10").tell(&told.clone().anchor("2026-02-10"));
    assert_eq!(world.spendable("ann"), "25");
    world.chat("ann", 25);
    world.go("2026-02-12").tell(&told.clone().anchor("2026-02-12"));
    assert_eq!(world.spendable("ann"), "25");
}

#[test]
fn r5_the_boundary_is_exact_for_reads_and_debits() {
    let (mut world, _) = bought("2026-01-01T13:37:42Z");
    world.chat("ann", 25);
    world.go("2026-02-01T13:37:41.999999Z");
    assert_eq!(world.spendable("ann"), "0");
    let one = world.debit("ann", "chat", 1);
    assert_eq!(world.code(&one), "message_credits_exhausted");
    world.go("2026-02-01T13:37:42Z");
    assert_eq!(world.spendable("ann"), "25");
    assert_eq!(world.code(&one), "ok");
}

#[test]
fn r5_a_clock_that_jumps_back_undoes_and_repeats_nothing() {
    let (mut world, _) = bought("2026-01-01");
    world.go("2026-02-01").chat("ann", 5);
    let posted = world.ledger.len();
    world.go("2026-01-15");
    assert_eq!(world.spendable("ann"), "20");
    world.settle().go("2026-02-01").settle();
    assert_eq!(world.ledger.len(), posted);
}

#[test]
fn r5_a_suspension_is_not_undone_by_a_clock_that_jumps_back() {
    let mut world = World::of(&["ann"]);
    world.tell(&Told::bought("sub", "builder", "2026-01-01").cancel_at("2026-01-10"));
    let unknown = world.debit("nobody", "chat", 1);
    world.go("2026-01-10");
    assert_eq!(world.code(&unknown), "account_not_found");
    world.go("2026-01-09");
    assert_eq!(world.spendable("ann"), "5");
}

#[test]
fn r6_every_missed_boundary_is_posted_in_order() {
    let (mut world, _) = bought("2026-01-31");
    world.chat("ann", 5);
    let from = world.ledger.len();
    world.go("2026-04-01").settle();
    let expected = [
        "expire -20 ann 02-28T00:00",
        "allowance 25 ann 02-28T00:00",
        "expire -25 ann 03-31T00:00",
        "allowance 25 ann 03-31T00:00",
    ];
    assert_eq!(world.lines_from(from), expected);
    let causes = world.ledger[from..].iter().map(|entry| entry.cause.as_deref());
    assert!(causes.eq(core::iter::repeat_n(Some("clock"), 8)));
}

#[test]
fn r6_a_boundary_writes_both_kinds_also_where_nothing_moves() {
    let (mut world, _) = bought("2026-01-01");
    world.chat("ann", 25);
    let from = world.ledger.len();
    world.go("2026-02-01").settle();
    let lines = world.ledger[from..].iter();
    let lines: Vec<_> =
        lines.map(|e| format!("{} {} {}", e.reason.as_str(), e.kind, e.amount)).collect();
    let expected = [
        "expire message 0",
        "expire integration -100",
        "allowance message 25",
        "allowance integration 100",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn r6_what_is_due_is_posted_in_the_order_of_time() {
    let mut world = World::of(&["ann", "bob"]);
    world.tell(&Told::bought("sub_b", "builder", "2026-01-10").by("bob"));
    world.tell(&Told::bought("sub_a", "builder", "2026-01-20").by("ann"));
    world.grant("ann", "1", Some("2026-02-15"));
    let from = world.ledger.len();
    world.go("2026-03-01").settle();
    let instants: Vec<_> = world.ledger[from..].iter().map(|entry| entry.effective_at).collect();
    assert!(instants.is_sorted(), "{instants:?}");
    assert_eq!(world.count(Reason::Expire), 3);
}

#[test]
fn r6_a_seat_first_seen_late_begins_with_the_cycle_of_now_in_full() {
    let mut world = World::of(&["ann"]);
    let from = world.ledger.len();
    world.go("2026-04-20").tell(&Told::bought("sub", "builder", "2026-01-31"));
    assert_eq!(world.lines_from(from), ["allowance 25 ann 03-31T00:00"]);
}

#[test]
fn r6_a_start_up_to_5_minutes_ahead_has_begun() {
    for (now, status, left) in [
        ("2026-01-10T11:55:00Z", SeatStatus::Active, "25"),
        ("2026-01-10T11:54:59Z", SeatStatus::Suspended, "5"),
    ] {
        let mut world = World::of(&["ann"]);
        world.go(now).tell(&Told::bought("sub", "builder", "2026-01-10T12:00:00Z"));
        assert_eq!(world.seat_of("ann").status, status, "{now}");
        assert_eq!(world.spendable("ann"), left, "{now}");
        // By the clock alone, with every boundary since, should the worker have been away.
        world.go("2026-02-10T12:00:00Z").settle();
        assert_eq!(world.count(Reason::Allowance), 2, "{now}");
        assert_eq!(world.spendable("ann"), "25");
    }
}

#[test]
fn r6_a_start_ahead_is_a_days_beginning() {
    let mut world = World::of(&["ann"]);
    let told = Told::bought("sub", "capped", "2026-01-10T12:00:00Z");
    world.go("2026-01-10T11:57:00Z").tell(&told);
    world.chat("ann", 4);
    world.go("2026-01-11T11:59:59Z");
    assert_eq!(world.spendable("ann"), "0");
    world.go("2026-01-11T12:00:00Z");
    assert_eq!(world.spendable("ann"), "4");
}

#[test]
fn r6_an_ended_seat_that_returns_within_its_cycle_gets_the_rest() {
    let (mut world, told) = bought("2026-01-01");
    world.chat("ann", 20);
    world.release("seat_1_sub");
    let from = world.ledger.len();
    world.go("2026-01-05").tell(&told.clone().quantity(0));
    world.go("2026-01-06").tell(&told);
    assert_eq!(world.lines_from(from), ["expire -5 - 01-05T00:00", "allowance 5 ann 01-06T00:00"]);
}

#[test]
fn r6_a_return_after_a_passed_boundary_writes_expire_and_a_full_allowance() {
    let (mut world, told) = bought("2026-01-01");
    world.chat("ann", 20);
    let from = world.ledger.len();
    world.go("2026-01-20").tell(&told.clone().status(Status::Unpaid));
    world.go("2026-03-10").tell(&told);
    assert_eq!(
        world.lines_from(from),
        ["expire -5 ann 03-10T00:00", "allowance 25 ann 03-10T00:00"]
    );
    assert_eq!(world.ledger.last().unwrap().cycle_started_at, Some(at("2026-03-01")));
}

#[test]
fn r7_nothing_rolls_over() {
    let (mut world, _) = bought("2026-01-01");
    world.chat("ann", 1);
    world.go("2026-02-01");
    assert_eq!(world.spendable("ann"), "25");
    world.chat("ann", 1);
    assert_eq!(world.count(Reason::Expire), 1);
}

#[test]
fn r11_what_counts() {
    use Status::{
        Active, Canceled, Incomplete, IncompleteExpired, PastDue, Paused, Trialing, Unpaid,
    };
    for (status, left) in [
        (Active, "25"),
        (Trialing, "25"),
        (PastDue, "25"),
        (Unpaid, "5"),
        (Paused, "5"),
        (Incomplete, "5"),
        (Canceled, "5"),
        (IncompleteExpired, "5"),
    ] {
        let (mut world, told) = bought("2026-01-01");
        world.go("2026-01-02").tell(&told.status(status));
        assert_eq!(world.spendable("ann"), left, "{status:?}");
        let over = status.is_final();
        assert_eq!(world.seat("seat_1_sub").status == SeatStatus::Ended, over, "{status:?}");
        assert_eq!(world.seat("seat_1_sub").holder.is_none(), over, "{status:?}");
    }
}

#[test]
fn r11_grace_runs_from_the_first_that_said_past_due() {
    let (mut world, told) = bought("2026-01-01");
    let late = told.clone().status(Status::PastDue);
    world.go("2026-01-03").tell(&late.clone().created("2026-01-02"));
    world.go("2026-01-08").tell(&late);
    world.go("2026-01-08T23:59:59Z");
    assert_eq!(world.spendable("ann"), "25");
    world.go("2026-01-09");
    assert_eq!(world.spendable("ann"), "5");
    world.tell(&told);
    assert_eq!(world.spendable("ann"), "25");
    world.go("2026-01-10").tell(&late);
    world.go("2026-01-16");
    assert_eq!(world.spendable("ann"), "25");
}

#[test]
fn r11_suspension_keeps_all_and_posts_nothing() {
    let (mut world, told) = bought("2026-01-01");
    world.chat("ann", 20);
    let from = world.ledger.len();
    world.go("2026-01-20").tell(&told.clone().status(Status::Paused));
    world.go("2026-01-30").settle();
    assert_eq!(world.seat("seat_1_sub").holder, Some("ann".into()));
    world.tell(&told);
    assert_eq!(world.ledger.len(), from);
    assert_eq!(world.spendable("ann"), "5");
}

#[test]
fn r11_at_the_cancel_instant_there_is_no_reset() {
    let (mut world, told) = bought("2026-01-01");
    world.tell(&told.clone().cancel_at("2026-02-01"));
    let from = world.ledger.len();
    world.go("2026-02-01").settle();
    assert_eq!(world.ledger.len(), from);
    assert_eq!(world.seat("seat_1_sub").status, SeatStatus::Suspended);
    world.go("2026-02-02").tell(&told.status(Status::Canceled));
    assert_eq!(world.lines_from(from), ["expire -25 ann 02-02T00:00"]);
}

#[test]
fn r11_seats_that_are_to_end_stop_counting_too() {
    let (mut world, told) = bought("2026-01-01");
    world.tell(&told.clone().quantity(2));
    world.assign("seat_2_sub", "bob");
    world.go("2026-01-05").tell(&told.clone());
    world.tell(&told.clone().status(Status::Unpaid));
    assert_eq!(world.spendable("bob"), "5");
    world.tell(&told);
    assert_eq!(world.spendable("bob"), "25");
}

#[test]
fn r11_first_seen_while_it_does_not_count() {
    for status in [Status::Incomplete, Status::Unpaid, Status::Paused] {
        let mut world = World::of(&["ann"]);
        let told = Told::bought("sub", "builder", "2026-01-01");
        world.go("2026-01-20").tell(&told.clone().status(status));
        let seat = world.seat_of("ann");
        assert_eq!((seat.cycle, seat.plan.as_str()), (None, "builder"), "{status:?}");
        assert_eq!(world.ledger.len(), 0);
        world.go("2026-02-10").tell(&told);
        assert_eq!(world.lines_from(0), ["allowance 25 ann 02-01T00:00"], "{status:?}");
    }
}

#[test]
fn r11_a_deleted_customer_ends_all_its_subscriptions() {
    let (mut world, _) = bought("2026-01-01");
    world.tell(&Told::bought("sub2", "pro", "2026-01-01").by("bob"));
    world.ok(&Command::EndCustomer { customer: "cus".into() });
    assert!(world.ws.seats.values().all(|seat| seat.status == SeatStatus::Ended));
}

#[test]
fn r11_with_its_customer_a_subscription_that_was_never_paid_for_has_expired() {
    for (before, after) in [
        (Status::Incomplete, Status::IncompleteExpired),
        (Status::Active, Status::Canceled),
        (Status::PastDue, Status::Canceled),
    ] {
        let mut world = World::of(&["ann"]);
        world.tell(&Told::bought("sub", "builder", "2026-01-01").status(before));
        world.ok(&Command::EndCustomer { customer: "cus".into() });
        assert_eq!(world.ws.subscriptions["sub"].status, after);
    }
}

#[test]
fn r11_an_unknown_status_keeps_the_last_known_one_and_alerts() {
    let (mut world, told) = bought("2026-01-01");
    let mut strange = told;
    strange.0.status = None;
    world.go("2026-01-02").tell(&strange);
    assert_eq!(world.seat_of("ann").status, SeatStatus::Active);
    assert_eq!(world.alerts(), ["unknown_status"]);
}

#[test]
fn r11_the_last_word_stays_and_older_ones_come_too_late() {
    let (mut world, told) = bought("2026-01-02");
    world.tell(&told.clone().status(Status::Paused).created("2026-01-01T12:00:00Z"));
    assert_eq!(world.seat_of("ann").status, SeatStatus::Active);
    world.go("2026-01-03").tell(&told.clone().status(Status::Canceled));
    world.go("2026-01-04").tell(&told);
    assert_eq!(world.seat("seat_1_sub").status, SeatStatus::Ended);
}

#[test]
fn r11_how_it_ended_is_as_stripe_says_when_asked_and_brings_nothing() {
    let ends = [Status::Canceled, Status::IncompleteExpired];
    for (told_first, truth) in [(ends[0], ends[1]), (ends[1], ends[0])] {
        let (mut world, told) = bought("2026-01-02");
        world.go("2026-01-03").tell(&told.clone().status(told_first));
        let lines = world.ledger.len();
        world.go("2026-01-04").tell(&told.clone().status(truth));
        assert_eq!(world.ws.subscriptions["sub"].status, told_first, "an event's word is not it");
        world.go("2026-01-05").tell(&told.clone().status(truth).fetched());
        let sub = &world.ws.subscriptions["sub"];
        assert_eq!((sub.status, sub.ended_at), (truth, Some(at("2026-01-03"))));
        world.tell(&told.fetched());
        assert_eq!(world.ws.subscriptions["sub"].status, truth, "it never lives again");
        assert_eq!(world.ledger.len(), lines);
    }
}
