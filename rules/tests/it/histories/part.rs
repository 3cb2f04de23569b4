//! The part of a workspace that a command touches, as `Touch` and `Workspace` promise it.

use crate::world::World;
use creditd_rules::id::AccountId;
use creditd_rules::{Cause, Command, Context, Workspace, decide};

/// Decides a command on the part that it touches and on the whole, and compares.
#[track_caller]
pub(super) fn decides_as_the_whole(world: &mut World, command: &Command) {
    let mut part = part_of(&world.ws, command);
    let cause = Cause { by: Some("test".to_owned()), at: None };
    let context = Context { catalogue: &world.catalogue, now: world.now, cause: &cause };
    let decided = decide(&mut part, command, &context);
    let from = world.ledger.len();
    let answer = world.run(command);
    let ended = world.ledger[from..]
        .iter()
        .any(|entry| entry.cause.as_deref() == Some("clock") && entry.reason.as_str() == "seat_in");
    if ended {
        // A buyer whose seat ended by the clock gets one that lies outside the part.
        return;
    }
    assert_eq!(decided.answer, answer, "{command:?}");
    let whole = &world.ws;
    part.accounts.iter().for_each(|(id, account)| assert_eq!(account, &whole.accounts[id]));
    part.seats.iter().for_each(|(id, seat)| assert_eq!(seat, &whole.seats[id]));
    part.grants.iter().for_each(|(id, grant)| assert_eq!(grant, &whole.grants[id]));
    part.apps.iter().for_each(|(id, app)| assert_eq!(app, &whole.apps[id]));
    part.subscriptions.iter().for_each(|(id, sub)| assert_eq!(sub, &whole.subscriptions[id]));
    for entry in &decided.entries {
        assert!(world.ledger[from..].contains(entry), "{entry:?}");
    }
}

fn part_of(whole: &Workspace, command: &Command) -> Workspace {
    let touch = command.touch();
    let mut part = Workspace {
        owner: whole.owner.clone(),
        decided_at: whole.decided_at,
        ..Workspace::new(whole.id.clone())
    };
    let mut people: Vec<AccountId> = touch.accounts.clone();
    for id in &touch.apps {
        if let Some(app) = whole.apps.get(id) {
            people.push(app.owner.clone());
            part.apps.insert(id.clone(), app.clone());
        }
    }
    for id in &touch.grants {
        if let Some(grant) = whole.grants.get(id) {
            people.push(grant.account.clone());
            part.grants.insert(id.clone(), grant.clone());
        }
    }
    for seat in whole.seats.values().filter(|seat| touch.team || touch.seats.contains(&seat.id)) {
        people.extend(seat.holder.clone());
        part.seats.insert(seat.id.clone(), seat.clone());
    }
    if touch.team {
        people.extend(whole.owner.clone());
        people.extend(whole.subscriptions.values().filter_map(|sub| sub.buyer.clone()));
        part.subscriptions.clone_from(&whole.subscriptions);
    }
    for id in people {
        let Some(account) = whole.accounts.get(&id) else { continue };
        if let Some(seat) = whole.seat_of(&id) {
            part.seats.insert(seat.id.clone(), seat.clone());
        }
        let grants = whole.grants.values().filter(|grant| grant.account == id && !grant.ended);
        part.grants.extend(grants.map(|grant| (grant.id.clone(), grant.clone())));
        part.accounts.insert(id, account.clone());
    }
    part
}
