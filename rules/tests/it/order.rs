//! R14: where each kind has one limit, no other order of use serves more.

use crate::world::{Told, World, at};
use chrono::TimeDelta;
use creditd_rules::Command;
use proptest::prelude::*;

/// A pot in whole credits: what it holds, and the day at whose start it is gone.
#[derive(Debug, Clone, Copy)]
struct Pot {
    left: u32,
    gone: u32,
}

/// Whether every request, each on its day, can be served by some choice of pots.
fn all_served(pots: &mut Vec<Pot>, requests: &[(u32, u32)]) -> bool {
    let Some((&(day, cost), rest)) = requests.split_first() else { return true };
    split(pots, 0, day, cost, rest)
}

/// The same after `cost` was taken on `day` from the pots from the `n`th on, in any parts.
fn split(pots: &mut Vec<Pot>, n: usize, day: u32, cost: u32, rest: &[(u32, u32)]) -> bool {
    if cost == 0 {
        return all_served(pots, rest);
    }
    let Some(pot) = pots.get(n).copied() else { return false };
    let most = if day < pot.gone { pot.left.min(cost) } else { 0 };
    (0..=most).any(|part| {
        pots[n].left -= part;
        let served = split(pots, n + 1, day, cost - part, rest);
        pots[n].left = pot.left;
        served
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Requests are served in turn: where one is refused, no choice of pots for those before it
    /// would have left enough.
    #[test]
    fn r14_no_other_order_of_use_serves_more(
        grants in prop::collection::vec((1_u32..4, prop::option::of(1_u32..9)), 0..3),
        seat_ends in prop::option::of(1_u32..9),
        mut requests in prop::collection::vec((0_u32..9, 1_u32..4), 1..6),
    ) {
        requests.sort_unstable_by_key(|(day, _)| *day);
        let mut world = World::of(&["ann"]);
        let day = |n: u32| at("2026-01-01") + TimeDelta::days(n.into());
        let mut pots = Vec::new();
        // The seat has three credits left of its ten, until it is cancelled or for a month.
        let mut told = Told::bought("sub", "starter", "2026-01-01");
        told.0.cancel_at = seat_ends.map(day);
        world.tell(&told);
        world.chat("ann", 7);
        pots.push(Pot { left: 3, gone: seat_ends.unwrap_or(31) });
        for (amount, end) in &grants {
            let end_text = end.map(|end| day(end).to_rfc3339());
            world.grant("ann", &amount.to_string(), end_text.as_deref());
            pots.push(Pot { left: *amount, gone: end.unwrap_or(99) });
        }
        let mut served: usize = 0;
        for (on, cost) in requests.clone() {
            // After the seat's end its holder is on free, which opens anew: not of this question.
            if seat_ends.is_some_and(|end| on >= end) {
                requests.truncate(served);
                break;
            }
            world.now = day(on);
            let command: Command = world.debit("ann", "chat", cost);
            if world.run(&command).is_err() {
                requests.truncate(served + 1);
                break;
            }
            served += 1;
        }
        // All that were served and the one that was refused: no order serves that one as well.
        prop_assert_eq!(all_served(&mut pots, &requests), served == requests.len());
    }
}
