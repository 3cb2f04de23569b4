//! What is told to lie ahead is what happens.

use super::cases;
use super::steps::{Play, histories};
use crate::world::World;
use chrono::TimeDelta;
use creditd_rules::entry::Reason;
use creditd_rules::id::AccountId;
use creditd_rules::outlook::{KindOutlook, Outlook, outlook};
use creditd_rules::{Amount, Command, Kind};
use proptest::prelude::*;

/// Turns that are looked ahead.
const TURNS: usize = 6;

fn ahead(world: &World, account: &AccountId) -> Outlook {
    let read = world.read();
    let now = world.now.max(world.ws.decided_at);
    outlook(&read, &read.accounts[account], &world.catalogue, now, TURNS)
}

/// Takes all message credits of an account: chats as long as they are covered, then the rest at
/// once. What each pot gave, in the order in which it was drawn on.
fn drawn(world: &mut World, account: &AccountId, chats: u32) -> Vec<(String, Amount)> {
    let from = world.ledger.len();
    for _ in 0..chats {
        let chat = world.debit(account.as_str(), "chat", 1);
        if world.run(&chat).is_err() {
            break;
        }
    }
    let left = world.message(account.as_str()).spendable;
    if !left.is_zero() {
        let take = Command::Adjust {
            account: account.clone(),
            kind: Kind::Message,
            amount: left.negated(),
            reason: "all of it".to_owned(),
            grant: world.fresh("grant").as_str().into(),
        };
        world.ok(&take);
    }
    let mut drawn: Vec<(String, Amount)> = Vec::new();
    let draws = world.ledger[from..].iter();
    for entry in draws.filter(|entry| matches!(entry.reason, Reason::Use | Reason::Adjust)) {
        let pot = entry.pot.as_ref().unwrap().to_string();
        let amount = entry.amount.negated();
        match drawn.last_mut() {
            Some((last, sum)) if *last == pot => *sum = sum.checked_add(amount).unwrap(),
            _ => drawn.push((pot, amount)),
        }
    }
    drawn
}

fn told(kind: &KindOutlook) -> Vec<(String, Amount)> {
    let giving = kind.next.iter().filter(|part| !part.available.is_zero());
    giving.map(|part| (part.pot.clone(), part.available)).collect()
}

proptest! {
    #![proptest_config(cases())]

    /// The order that is told is the order in which debits draw, pot by pot, to the last unit.
    #[test]
    fn r14_debits_draw_in_the_order_that_is_told(
        steps in histories(), choices in any::<u8>(), chats in 0_u32..40,
    ) {
        let mut play = Play::new(choices);
        for step in &steps {
            play.step(step);
        }
        let open = play.world.ws.accounts.values().filter(|account| account.closed_at.is_none());
        let open: Vec<AccountId> = open.map(|account| account.id.clone()).collect();
        for account in &open {
            let before = ahead(&play.world, account);
            let sum: Amount = before.message.next.iter().map(|part| part.available).sum();
            prop_assert_eq!(sum, before.message.spendable);
            let mut world = play.world.clone();
            prop_assert_eq!(drawn(&mut world, account, chats), told(&before.message));
            prop_assert_eq!(ahead(&world, account).message.spendable, Amount::ZERO);
        }
    }

    /// Each turn that is told comes at its instant, with the plan and the credits that were told,
    /// and between the turns nothing changes.
    #[test]
    fn r5_what_is_told_to_come_comes_then_and_not_before(
        steps in histories(), choices in any::<u8>(),
    ) {
        let mut play = Play::new(choices);
        for step in &steps {
            play.step(step);
        }
        let accounts: Vec<AccountId> = play.world.ws.accounts.keys().cloned().collect();
        for account in &accounts {
            let mut world = play.world.clone();
            let now = world.now.max(world.ws.decided_at);
            let told = ahead(&world, account);
            let mut holds = {
                let balance = world.balance(account.as_str());
                (balance.plan, balance.message.spendable, balance.integration.spendable)
            };
            let mut last = now;
            for turn in &told.turns {
                prop_assert!(last < turn.at, "{:?}", told.turns);
                last = turn.at;
                for (at, settled) in [(turn.at - TimeDelta::microseconds(1), false), (turn.at, true)] {
                    world.now = at;
                    if settled {
                        let plan = turn.plan.clone();
                        holds = (plan, turn.message.spendable, turn.integration.spendable);
                        // Whether somebody looks in between makes no difference.
                        world.settle();
                    }
                    let found = world.balance(account.as_str());
                    let found = (found.plan, found.message.spendable, found.integration.spendable);
                    prop_assert_eq!(&found, &holds, "{} at {}: {:?}", account, at, &told.turns);
                }
            }
        }
    }
}
