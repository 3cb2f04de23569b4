//! R8, R15, R17 to R20: the free plan, grants, keys, books, closing, changed settings.

use crate::world::{Told, World, at, catalogue, credits};
use creditd_rules::command::Answer;
use creditd_rules::entry::Reason;
use creditd_rules::plan::{FreeWindow, RewardOnce};
use creditd_rules::state::{Allowance, RewardStatus, SeatStatus};
use creditd_rules::{Amount, Command, Kind, audit};

#[test]
fn r8_a_window_opens_at_the_first_draw_and_lasts_86400_seconds() {
    let mut world = World::of(&["ann"]);
    world.go("2026-01-05T13:37:42.123456Z");
    assert_eq!(world.message("ann").resets_at, None);
    world.chat("ann", 5);
    assert_eq!(world.message("ann").resets_at, Some(at("2026-01-06T13:37:42.123456Z")));
    world.go("2026-01-06T13:37:42.123455Z");
    assert_eq!(world.spendable("ann"), "0");
    world.go("2026-01-06T13:37:42.123456Z");
    assert_eq!(world.spendable("ann"), "5");
    assert_eq!(world.message("ann").resets_at, None);
    world.go("2026-01-07").chat("ann", 1);
    assert_eq!(world.message("ann").resets_at, Some(at("2026-01-08")));
    let expected = [
        "allowance 5 ann 01-05T13:37",
        "use -5 ann 01-05T13:37",
        "expire 0 ann 01-06T13:37",
        "allowance 5 ann 01-07T00:00",
        "use -1 ann 01-07T00:00",
    ];
    assert_eq!(world.lines_from(0), expected);
}

#[test]
fn r8_each_kind_has_its_own_window() {
    let mut world = World::of(&["ann"]);
    world.app("shop", "ann");
    world.chat("ann", 1);
    assert_eq!(world.balance("ann").integration.resets_at, None);
    world.go("2026-01-01T06:00:00Z").call("shop", None, 1);
    assert_eq!(world.balance("ann").integration.resets_at, Some(at("2026-01-02T06:00:00Z")));
}

#[test]
fn r8_free_actions_refusals_and_debits_paid_by_grants_open_none() {
    let mut world = World::of(&["ann"]);
    world.grant("ann", "1", Some("2026-01-01T01:00:00Z"));
    world.chat("ann", 1);
    let edit = world.debit("ann", "visual_edit", 1);
    world.ok(&edit);
    let six = world.debit("ann", "chat", 6);
    assert_eq!(world.code(&six), "message_credits_exhausted");
    assert_eq!(world.message("ann").resets_at, None);
}

#[test]
fn r8_signup_windows_are_fixed_steps_from_the_accounts_creation() {
    let mut world = World::new();
    world.catalogue.policy.free_window = FreeWindow::Signup;
    world.go("2026-01-01T08:00:00Z").account("ann");
    let from = world.ledger.len();
    world.go("2026-01-03T07:00:00Z").chat("ann", 5);
    let expected = ["allowance 5 ann 01-02T08:00", "use -5 ann 01-03T07:00"];
    assert_eq!(world.lines_from(from), expected);
    world.go("2026-01-03T08:00:00Z");
    assert_eq!(world.spendable("ann"), "5");
}

#[test]
fn r8_a_window_sleeps_while_its_person_holds_an_active_seat() {
    let mut world = World::of(&["ann", "bob"]);
    world.chat("ann", 3);
    world.go("2026-01-01T06:00:00Z").tell(&Told::bought("sub", "starter", "2026-01-01"));
    assert_eq!(world.spendable("ann"), "10");
    world.go("2026-01-01T12:00:00Z").transfer("seat_1_sub", "bob");
    assert_eq!(world.spendable("ann"), "2");
    assert_eq!(world.message("ann").resets_at, Some(at("2026-01-02")));
}

#[test]
fn r8_a_window_that_nothing_was_drawn_from_is_never_posted() {
    for mode in [FreeWindow::FirstUse, FreeWindow::Signup] {
        let mut world = World::of(&["ann"]);
        world.catalogue.policy.free_window = mode;
        world.go("2026-03-01").settle();
        assert_eq!(world.ledger.len(), 0, "{mode:?}");
    }
}

#[test]
fn r15_a_grant_is_made_once_whatever_is_repeated() {
    let mut world = World::of(&["ann"]);
    let grant = Command::Grant {
        id: "promo-ann".into(),
        account: "ann".into(),
        kind: Kind::Message,
        amount: credits("3"),
        source: "promo:SPRING".to_owned(),
        reason: "redeemed".to_owned(),
        expires_at: Some(at("2026-01-10")),
    };
    world.ok(&grant);
    world.chat("ann", 1);
    assert_eq!(world.code(&grant), "code_already_redeemed");
    assert_eq!(world.count(Reason::Grant), 1);
    world.go("2026-01-10");
    assert_eq!(world.message("ann").grants, Amount::ZERO);
    assert_eq!(world.code(&grant), "code_already_redeemed", "its end has come, and it was made");
    assert_eq!(world.count(Reason::Grant), 1);
}

#[test]
fn r15_a_grants_end_takes_the_rest() {
    let mut world = World::of(&["ann"]);
    world.grant("ann", "3", Some("2026-01-10"));
    world.chat("ann", 7);
    world.go("2026-02-01").settle();
    let line = "expire -1 ann 01-10T00:00".to_owned();
    assert!(world.lines_from(0).contains(&line), "{:?}", world.lines_from(0));
}

#[test]
fn r15_what_cannot_be_granted() {
    let mut world = World::of(&["ann"]);
    let grant = |account: &str, amount: Amount, end: Option<&str>| Command::Grant {
        id: "g".into(),
        account: account.into(),
        kind: Kind::Message,
        amount,
        source: "support".to_owned(),
        reason: "why".to_owned(),
        expires_at: end.map(at),
    };
    for (command, code) in [
        (grant("nobody", credits("1"), None), "account_not_found"),
        (grant("ann", credits("0"), None), "invalid_request"),
        (grant("ann", credits("-1"), None), "invalid_request"),
        (grant("ann", credits("1"), Some("2026-01-01")), "invalid_request"),
        (grant("ann", Amount::from_micros(i64::MAX), None), "invalid_request"),
    ] {
        assert_eq!(world.code(&command), code, "{command:?}");
    }
}

#[test]
fn r15_a_revoked_grant_gives_back_what_is_left() {
    let mut world = World::of(&["ann"]);
    let id = world.grant("ann", "3", Some("2026-01-01T12:00:00Z"));
    world.chat("ann", 1);
    let revoke = Command::Revoke { id: id.as_str().into(), reason: "mistake".to_owned() };
    world.ok(&revoke);
    world.ok(&revoke);
    assert_eq!(world.lines_from(2), ["revoke -2 ann 01-01T00:00"]);
    let unknown = Command::Revoke { id: "none".into(), reason: String::new() };
    assert_eq!(world.code(&unknown), "grant_not_found");
}

#[test]
fn r15_a_correction_by_hand_is_taken_in_order_and_not_below_zero() {
    let mut world = World::of(&["ann"]);
    world.grant("ann", "3", None);
    let adjust = |amount: &str| Command::Adjust {
        account: "ann".into(),
        kind: Kind::Message,
        amount: credits(amount),
        reason: "why".to_owned(),
        grant: "fix".into(),
    };
    assert_eq!(world.code(&adjust("-8.000001")), "below_zero");
    assert_eq!(world.code(&adjust("0")), "invalid_request");
    world.ok(&adjust("-6"));
    assert_eq!(world.spendable("ann"), "2");
    world.ok(&adjust("1.5"));
    assert_eq!(world.spendable("ann"), "3.5");
    let expected = [
        "grant 3 ann 01-01T00:00",
        "allowance 5 ann 01-01T00:00",
        "adjust -5 ann 01-01T00:00",
        "adjust -1 ann 01-01T00:00",
        "adjust 1.5 ann 01-01T00:00",
    ];
    assert_eq!(world.lines_from(0), expected);
}

#[test]
fn r15_signup_grants_come_once() {
    let mut world = World::new();
    world.catalogue.policy.signup_grant.message = credits("10");
    world.account("ann");
    world.account("ann");
    assert_eq!(world.spendable("ann"), "15");
    assert_eq!(world.count(Reason::Grant), 1);
}

fn claim(world: &mut World, network: &str, followers: u64) -> Command {
    Command::Claim {
        id: world.fresh("claim").as_str().into(),
        account: "ann".into(),
        network: network.to_owned(),
        post_url: "https://example.com/post".to_owned(),
        followers,
        app: None,
    }
}

fn decide(world: &mut World, claim: &Answer, approve: bool) -> &'static str {
    let Answer::Reward(reward) = claim else { panic!("{claim:?}") };
    let grant = format!("grant-{}", reward.id).as_str().into();
    world.code(&Command::DecideReward { id: reward.id.clone(), approve, reason: None, grant })
}

#[test]
fn r15_the_share_reward_is_20_credits_once_a_network() {
    let mut world = World::of(&["ann"]);
    let few = claim(&mut world, "x", 100);
    assert_eq!(world.code(&few), "too_few_followers");
    let first = claim(&mut world, "x", 101);
    let first = world.ok(&first);
    let second = claim(&mut world, "x", 101);
    assert_eq!(world.code(&second), "reward_already_claimed");
    assert_eq!(decide(&mut world, &first, true), "ok");
    assert_eq!(decide(&mut world, &first, true), "reward_already_decided");
    assert_eq!(world.spendable("ann"), "25");
    let other = claim(&mut world, "linkedin", 101);
    assert_eq!(world.code(&other), "ok");
}

#[test]
fn r15_or_once_an_account_where_the_host_says_so() {
    let mut world = World::of(&["ann"]);
    world.catalogue.policy.share_reward_once = RewardOnce::Account;
    let first = claim(&mut world, "x", 101);
    world.ok(&first);
    let other = claim(&mut world, "linkedin", 101);
    assert_eq!(world.code(&other), "reward_already_claimed");
}

#[test]
fn r15_a_rejected_claim_frees_its_network() {
    let mut world = World::of(&["ann"]);
    let first = claim(&mut world, "x", 101);
    let first = world.ok(&first);
    assert_eq!(decide(&mut world, &first, false), "ok");
    let again = claim(&mut world, "x", 101);
    assert_eq!(world.code(&again), "ok");
    assert_eq!(world.spendable("ann"), "5");
    let rejected = world.ws.rewards.values().filter(|r| r.status == RewardStatus::Rejected);
    assert_eq!(rejected.count(), 1);
}

#[test]
fn r17_a_refusal_leaves_nothing_that_keeps_the_same_command_from_succeeding() {
    let mut world = World::of(&["ann"]);
    world.chat("ann", 5);
    let one = world.debit("ann", "chat", 1);
    assert_eq!(world.code(&one), "message_credits_exhausted");
    world.go("2026-01-02");
    assert_eq!(world.code(&one), "ok");
}

/// The findings of an audit, after something was changed behind the rules' back.
#[track_caller]
fn finds(spoil: impl Fn(&mut World), detail: &str) {
    let mut world = World::of(&["ann", "bob"]);
    world.tell(&Told::bought("sub", "starter", "2026-01-01").quantity(2));
    world.grant("ann", "3", None);
    spoil(&mut world);
    let findings = audit::workspace(&world.ws);
    assert!(findings.iter().any(|found| found.detail.contains(detail)), "{findings:?}");
}

#[test]
fn r18_an_audit_finds_what_breaks_a_rule() {
    let seat = |world: &mut World, n: usize| world.ws.seats.keys().nth(n).unwrap().clone();
    finds(
        |w| w.ws.seats.values_mut().next().unwrap().allowances.message.balance = credits("9"),
        "not 10",
    );
    finds(|w| w.ws.seats.values_mut().next().unwrap().cycle = None, "no cycle");
    finds(|w| w.ws.seats.values_mut().next().unwrap().status = SeatStatus::Ended, "has a holder");
    finds(
        |w| {
            let id = seat(w, 1);
            w.ws.seats.get_mut(&id).unwrap().holder = Some("ann".into());
        },
        "holds seats",
    );
    finds(
        |w| {
            let id = seat(w, 1);
            w.ws.seats.get_mut(&id).unwrap().holder = Some("nobody".into());
        },
        "no open account",
    );
    finds(|w| w.ws.grants.values_mut().next().unwrap().balance = credits("4"), "holds 4 of 3");
    finds(|w| w.ws.grants.values_mut().next().unwrap().ended = true, "has ended and holds");
    finds(|w| w.ws.owner = Some("nobody".into()), "not a member");
    finds(
        |w| {
            let ann = w.ws.accounts.values_mut().next().unwrap();
            ann.free.message.allowance =
                Allowance { balance: credits("1"), ..Allowance::default() };
        },
        "outside a window",
    );
}

#[test]
fn r19_closing_an_account_ends_what_is_its_own() {
    let mut world = World::of(&["ann", "bob"]);
    world.tell(&Told::bought("sub", "starter", "2026-01-01"));
    world.app("shop", "ann");
    world.grant("ann", "3", None);
    world.chat("bob", 1);
    let close = Command::CloseAccount { id: "ann".into() };
    world.ok(&close);
    assert_eq!(world.vacant(), ["seat_1_sub"]);
    let ann = &world.ws.accounts["ann"];
    assert_eq!((&ann.email, &ann.name, &ann.locale), (&None, &None, &None));
    assert!(world.ws.grants.values().all(|grant| grant.ended));
    let chat = world.debit("ann", "chat", 1);
    let grant = "none".into();
    let (email, name, locale) = (None, None, None);
    let put = Command::PutAccount { id: "ann".into(), email, name, locale, grant };
    for command in [chat, close, put, Command::SetOwner { owner: "ann".into() }] {
        assert_eq!(world.code(&command), "account_closed", "{command:?}");
    }
    assert_eq!(world.call_code("shop", 1), "account_closed");
    world.app("shop", "bob");
    assert_eq!(world.call_code("shop", 1), "ok");
}

#[test]
fn r19_what_lay_in_an_open_free_window_expires() {
    let mut world = World::of(&["ann"]);
    world.chat("ann", 1);
    world.ok(&Command::CloseAccount { id: "ann".into() });
    assert_eq!(world.lines_from(2), ["expire -4 ann 01-01T00:00"]);
    world.go("2026-02-01").settle();
    assert_eq!(world.ledger.len(), 3);
}

#[test]
fn r20_a_cycle_and_a_window_keep_the_limits_that_they_were_granted_with() {
    let mut world = World::of(&["ann", "bob"]);
    world.tell(&Told::bought("sub", "starter", "2026-01-01").quantity(2));
    world.chat("bob", 1);
    world.catalogue = crate::world::doubled();
    assert_eq!(world.spendable("ann"), "10");
    assert_eq!(world.spendable("bob"), "4");
    // Also a seat that ends and returns in its cycle.
    world.tell(&Told::bought("sub", "starter", "2026-01-01"));
    world.tell(&Told::bought("sub", "starter", "2026-01-01").quantity(2));
    world.assign("seat_2_sub", "bob");
    assert_eq!(world.spendable("bob"), "10");
    world.release("seat_2_sub");
    world.go("2026-02-01");
    assert_eq!(world.spendable("ann"), "20");
    assert_eq!(world.spendable("bob"), "10");
}

#[test]
fn r20_a_plan_that_is_not_configured_any_more_keeps_its_seats_running() {
    let mut world = World::of(&["ann"]);
    world.tell(&Told::bought("sub", "starter", "2026-01-01"));
    world.catalogue = catalogue();
    world.ws.seats.values_mut().next().unwrap().plan = "forgotten".into();
    world.go("2026-02-01");
    assert_eq!(world.spendable("ann"), "10");
}
