//! Random histories of a small team, and what must hold in all of them.

mod ahead;
mod fulls;
mod part;
mod steps;

use crate::world::{World, settle};
use creditd_rules::decide::settle_for_reading;
use creditd_rules::entry::{Entry, Reason};
use creditd_rules::view::balance;
use creditd_rules::{Command, Instant};
use fulls::Fulls;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::collections::BTreeMap;
use steps::{Play, Step, histories, hunts};

/// Cases of each property, the same ones every time; with `PROPTEST_CASES` so many new ones.
const CASES: u32 = 256;

fn cases() -> ProptestConfig {
    let defaults = ProptestConfig::default();
    let searching = std::env::var_os("PROPTEST_CASES").is_some();
    let (cases, rng_seed) =
        if searching { (defaults.cases, defaults.rng_seed) } else { (CASES, RngSeed::Fixed(20)) };
    let max_shrink_iters = 20_000;
    ProptestConfig { cases, rng_seed, max_shrink_iters, failure_persistence: None, ..defaults }
}

/// The lines of each pot, in posting order.
fn by_pot(ledger: &[Entry]) -> BTreeMap<String, Vec<&Entry>> {
    let mut pots: BTreeMap<String, Vec<&Entry>> = BTreeMap::new();
    for entry in ledger {
        let pot = entry.pot.as_ref().map_or_else(String::new, ToString::to_string);
        pots.entry(format!("{pot} {}", entry.kind)).or_default().push(entry);
    }
    pots
}

/// One reset a boundary: the clock grants no cycle of a pot twice. What a return grants inside a
/// cycle is the command's.
fn one_reset_a_boundary(ledger: &[Entry]) {
    for (pot, lines) in by_pot(ledger) {
        let mut last: Option<Instant> = None;
        let granted = lines.iter().filter(|entry| entry.reason == Reason::Allowance);
        for entry in granted.filter(|entry| entry.cause.as_deref() == Some("clock")) {
            let start = entry.cycle_started_at.unwrap();
            assert!(last.is_none_or(|last| last < start), "{pot}: {start} is granted twice");
            last = Some(start);
        }
    }
}

proptest! {
    #![proptest_config(cases())]

    /// R3, R6, R18, and that a refused command only settles: `World::run` checks after each step.
    #[test]
    fn r18_books_add_up_after_every_command(
        steps in histories(), choices in any::<u8>(),
    ) {
        let mut play = Play::new(choices);
        for step in &steps {
            play.step(step);
        }
        one_reset_a_boundary(&play.world.ledger);
    }

    /// R5, R6: a late or absent worker changes no balance, no line and nobody's mail.
    #[test]
    fn r6_a_late_worker_changes_nothing(
        steps in histories(), choices in any::<u8>(), when in any::<u64>(),
    ) {
        let (mut late, mut early) = (Play::new(choices), Play::new(choices));
        for (n, step) in steps.iter().enumerate() {
            let pause = step.pause(&late.world);
            for part in 1..=4 {
                if (when >> ((n * 4 + part) % 64)) & 1 == 1 {
                    early.world.now = late.world.now + pause / 5 * i32::try_from(part).unwrap();
                    early.world.settle();
                }
            }
            early.world.now = late.world.now;
            late.step_after(pause, step);
            early.step_after(pause, step);
        }
        let (late, early) = (late.over(), early.over());
        for (id, seat) in &late.ws.seats {
            prop_assert_eq!(seat, &early.ws.seats[id]);
        }
        for (id, account) in &late.ws.accounts {
            prop_assert_eq!(account, &early.ws.accounts[id]);
        }
        prop_assert_eq!(&late.ws, &early.ws);
        prop_assert_eq!(by_pot(&late.ledger), by_pot(&early.ledger));
        prop_assert_eq!(late.effects, early.effects);
    }

    /// R5: what is read at an instant is what posting at that instant leaves.
    #[test]
    fn r5_reading_equals_posting(
        steps in histories(), choices in any::<u8>(),
    ) {
        let mut play = Play::new(choices);
        for step in &steps {
            let pause = step.pause(&play.world);
            let mut posted = play.world.clone();
            posted.now += pause;
            let mut read = posted.ws.clone();
            read.settled_at = None;
            let from = posted.ledger.len();
            let lines = settle_for_reading(&mut read, &posted.catalogue, posted.now);
            posted.settle();
            prop_assert_eq!(&lines[..], &posted.ledger[from..]);
            let now = posted.ws.decided_at;
            for (id, account) in &posted.ws.accounts {
                let shown = balance(&read, &read.accounts[id], &posted.catalogue, now);
                prop_assert_eq!(shown, balance(&posted.ws, account, &posted.catalogue, now));
            }
            play.step_after(pause, step);
        }
    }

    /// What a command touches is enough to decide it: the part of the workspace that it names
    /// answers as the whole does, and leaves the same.
    #[test]
    fn r6_a_part_of_the_workspace_decides_as_the_whole(
        steps in histories(), choices in any::<u8>(),
    ) {
        let mut play = Play::new(choices);
        for step in &steps {
            play.world.now += step.pause(&play.world);
            let command = play.command(&step.op);
            part::decides_as_the_whole(&mut play.world, &command);
        }
    }

    /// What Stripe says may be told twice at one instant, asked for and told by events: the second
    /// time changes nothing.
    #[test]
    fn r11_what_is_told_twice_is_told_once(
        steps in histories(), choices in any::<u8>(),
    ) {
        let mut play = Play::new(choices);
        for step in &steps {
            let Some(told) = play.step(step) else { continue };
            // What a plan with a shorter limit makes due falls due in both.
            let (mut once, mut twice) = (play.world.clone(), play.world.clone());
            once.settle();
            twice.ok(&Command::Observe(told));
            twice.settle();
            prop_assert_eq!(&twice.ws, &once.ws);
            prop_assert_eq!(twice.ledger, once.ledger);
        }
    }

    /// R4, R9 to R12: nothing mints.
    #[test]
    fn r12_no_history_yields_more_than_the_highest_quantity_times_allowance(
        steps in histories(), choices in any::<u8>(),
    ) {
        mints_nothing(&steps, choices);
    }

    /// The same, searched for on purpose.
    #[test]
    fn r12_no_hunt_yields_more_than_the_highest_quantity_times_allowance(
        steps in hunts(), choices in any::<u8>(),
    ) {
        mints_nothing(&steps, choices);
    }
}

fn mints_nothing(steps: &[Step], choices: u8) {
    let mut play = Play::new(choices);
    let mut fulls = Fulls::default();
    for step in steps {
        let pause = step.pause(&play.world);
        let from = play.world.ledger.len();
        let told = play.step_after(pause, step);
        fulls.follow(&play.world, told.as_ref(), from);
    }
}

impl Play {
    /// The end: all that is due is posted, and what only says when is set apart.
    fn over(mut self) -> World {
        self.world.ok(&settle());
        self.world.ws.settled_at = None;
        self.world
    }
}
