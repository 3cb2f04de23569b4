//! R1 to R3: what an action costs, who pays, all or nothing.

use crate::world::{Told, World, at};
use creditd_rules::Command;
use creditd_rules::command::Answer;

fn cost(world: &mut World, command: &Command) -> String {
    match world.ok(command) {
        Answer::Used(used) => used.cost.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn r1_the_shipped_prices() {
    let mut free = World::of(&["ann"]);
    let mut paid = World::of(&["ann"]);
    paid.tell(&Told::bought("sub", "pro", "2026-01-01"));
    for (action, on_free, on_paid) in [
        ("discuss", "0.3", "0.3"),
        ("chat", "1", "1"),
        ("visual_edit", "0", "0"),
        ("visual_edit_ai", "1", "1"),
        ("auto_fix", "1", "0"),
        ("resolve_with_ai", "1", "0"),
    ] {
        let command = free.debit("ann", action, 1);
        assert_eq!(cost(&mut free, &command), on_free, "{action}");
        assert_eq!(cost(&mut paid, &command), on_paid, "{action}");
    }
}
