//! R15: credits outside a plan.

use crate::daemon::stripe::event;
use crate::daemon::{Daemon, Setup};
use crate::engine::{Engine, on_each_engine};
use creditd::client::Response;
use creditd::store::Reservation;
use serde_json::{Value, json};

on_each_engine! {
    also pooled:
    r15_a_code_is_redeemed_once_by_each_and_never_beyond_its_limit
    r15_a_code_ends_by_its_instant_and_by_hand
    r15_a_redemption_that_was_cut_off_is_finished_or_freed
    r15_a_share_reward_is_claimed_once_and_decided_once
    r15_a_post_counts_once_across_all_accounts
    r15_a_rejected_claim_frees_network_and_address
    r15_the_share_reward_can_be_once_for_each_account
    r15_a_sign_up_grant_is_given_once
    r15_support_gives_revokes_and_adjusts
    r15_money_events_add_nothing
}

const NOW: &str = "2026-03-01T10:00:00Z";

/// A code for `amount` message credits that ends in a month.
async fn make_code(daemon: &Daemon, code: &str, amount: &str, limit: u32) -> Value {
    let body = json!({
        "code": code, "kind": "message", "amount": amount, "limit": limit,
        "ends_at": "2026-04-01T00:00:00Z", "grant_expires_at": "2026-03-20T00:00:00Z",
    });
    daemon.post("/v1/promo-codes", body).await
}

/// How many answers had this code; an empty one stands for 200.
fn count(answers: &[Response], code: &str) -> usize {
    answers.iter().filter(|answer| answer.text("/code") == code).count()
}

async fn r15_a_code_is_redeemed_once_by_each_and_never_beyond_its_limit(engine: Engine) {
    let mut daemon = Daemon::start(engine, NOW).await;
    for number in 0..12 {
        daemon.person(&format!("p{number}")).await;
    }
    make_code(&daemon, "SPRING", "10", 5).await;
    let body = json!({ "code": "SPRING" });
    let one = async |number: usize| {
        let path = format!("/v1/accounts/p{number}/redeem");
        daemon.at_once(1, &path, |_| (format!("redeem-{number}"), body.clone())).await.remove(0)
    };
    let answers = futures_util::future::join_all((0..12).map(one)).await;
    assert_eq!((count(&answers, ""), count(&answers, "code_used_up")), (5, 7));

    make_code(&daemon, "AGAIN", "10", 100).await;
    let body = json!({ "code": "AGAIN" });
    let path = "/v1/accounts/p1/redeem";
    let answers = daemon.at_once(8, path, |number| (format!("again-{number}"), body.clone())).await;
    assert_eq!((count(&answers, ""), count(&answers, "code_already_redeemed")), (1, 7));
    let listed = daemon.pages("/v1/promo-codes").await;
    let redeemed: Vec<_> = listed.iter().map(|code| (&code["code"], &code["redeemed"])).collect();
    assert_eq!(redeemed, [(&json!("AGAIN"), &json!(1)), (&json!("SPRING"), &json!(5))]);

    let granted = daemon.get("/v1/accounts/p1/grants").await["data"][0].take();
    assert_eq!(granted["source"], "promo:AGAIN");
    daemon.clock("2026-03-20T00:00:00Z").await;
    let end = daemon.lines("p1").await.pop().unwrap();
    assert_eq!(end, "2026-03-20T00:00:00Z expire -10 -> 0");
}

async fn r15_a_code_ends_by_its_instant_and_by_hand(engine: Engine) {
    let mut daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    make_code(&daemon, "A", "10", 5).await;
    make_code(&daemon, "B", "10", 5).await;
    let redeem = "/v1/accounts/ann/redeem";
    daemon.post("/v1/promo-codes/A/end", Value::Null).await;
    daemon.refuses(redeem, json!({ "code": "A" }), 409, "code_ended").await;
    daemon.clock("2026-04-01T00:00:00Z").await;
    daemon.refuses(redeem, json!({ "code": "B" }), 409, "code_ended").await;
    daemon.refuses(redeem, json!({ "code": "C" }), 404, "promo_code_not_found").await;
    assert_eq!(daemon.get("/v1/accounts/ann/grants").await["data"], json!([]));
}

async fn r15_a_redemption_that_was_cut_off_is_finished_or_freed(engine: Engine) {
    let mut daemon = Daemon::start(engine, NOW).await;
    for account in ["ann", "bob", "cid"] {
        daemon.person(account).await;
    }
    make_code(&daemon, "TWO", "10", 2).await;
    // Two daemons died after the first of the three steps.
    let store = daemon.store().await;
    for (account, grant) in [("ann", "gr_cut_off"), ("bob", "gr_lost")] {
        let held = store.reserve_promo("TWO", &account.into(), &grant.into(), daemon.now).await;
        assert_eq!(held.unwrap(), Reservation::Held(grant.into()));
    }
    let body = json!({ "code": "TWO" });
    daemon.refuses("/v1/accounts/cid/redeem", body.clone(), 409, "code_used_up").await;
    let finished = daemon.post("/v1/accounts/ann/redeem", body.clone()).await;
    assert_eq!(finished["id"], "gr_cut_off", "the grant that was reserved, not a second one");
    // Long after, a start frees what nobody finished.
    daemon.clock("2026-03-02T10:00:00Z").await;
    daemon.stop();
    daemon.run().await;
    let deadline = tokio::time::Instant::now() + crate::daemon::PATIENCE;
    while !store.loose_reservations(daemon.now).await.unwrap().is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "the reservation stays");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    daemon.post("/v1/accounts/cid/redeem", body.clone()).await;
    daemon.refuses("/v1/accounts/bob/redeem", body, 409, "code_used_up").await;
}

fn post(network: &str, url: &str) -> Value {
    json!({ "network": network, "post_url": url, "followers": 101 })
}

async fn r15_a_share_reward_is_claimed_once_and_decided_once(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let claim = "/v1/accounts/ann/rewards";
    let mut body = post("x", "https://x.com/ann/status/1");
    body["followers"] = 100.into();
    daemon.refuses(claim, body, 422, "too_few_followers").await;
    let elsewhere = post("x", "https://example.com/ann/status/1");
    daemon.refuses(claim, elsewhere, 400, "invalid_request").await;
    let reward = daemon.post(claim, post("x", "https://x.com/ann/status/1")).await;
    assert_eq!(reward["status"], "claimed");
    assert_eq!(daemon.spendable("ann").await, "5", "nothing before it is approved");
    daemon
        .refuses(claim, post("x", "https://x.com/ann/status/2"), 409, "reward_already_claimed")
        .await;
    let open = daemon.pages("/v1/rewards?status=claimed").await;
    assert_eq!((open.len(), &open[0]["id"]), (1, &reward["id"]));

    let decide = format!("/v1/rewards/{}", reward["id"].as_str().unwrap());
    let approved = daemon.post(&format!("{decide}/approve"), Value::Null).await;
    assert_eq!(approved["status"], "approved");
    assert_eq!(daemon.spendable("ann").await, "25");
    let grants = daemon.get("/v1/accounts/ann/grants").await["data"].take();
    assert_eq!(grants[0]["id"], approved["grant"]);
    for verb in ["approve", "reject"] {
        let body = json!({ "reason": "a second look" });
        daemon.refuses(&format!("{decide}/{verb}"), body, 409, "reward_already_decided").await;
    }
    // The other network counts for itself.
    daemon.post(claim, post("linkedin", "https://www.linkedin.com/posts/ann_1")).await;
}

async fn r15_a_post_counts_once_across_all_accounts(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    for number in 0..8 {
        daemon.person(&format!("p{number}")).await;
    }
    let spellings = [
        "https://x.com/ann/status/1",
        "https://twitter.com/ann/status/1",
        "https://X.COM/ann/status/1/",
        "https://x.com/ann/status/1?s=20",
        "https://x.com/ann/status/1#top",
    ];
    let one = async |number: usize| {
        let path = format!("/v1/accounts/p{number}/rewards");
        let body = post("x", spellings[number % spellings.len()]);
        daemon.at_once(1, &path, |_| (format!("claim-{number}"), body.clone())).await.remove(0)
    };
    let answers = futures_util::future::join_all((0..8).map(one)).await;
    assert_eq!((count(&answers, ""), count(&answers, "post_already_used")), (1, 7));
    let claims = daemon.pages("/v1/rewards").await;
    assert_eq!(claims.len(), 1);
    assert_eq!(claims[0]["post_url"], "https://x.com/ann/status/1");
}

async fn r15_a_rejected_claim_frees_network_and_address(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    daemon.person("bob").await;
    let url = "https://x.com/ann/status/1";
    let reward = daemon.post("/v1/accounts/bob/rewards", post("x", url)).await;
    daemon.refuses("/v1/accounts/ann/rewards", post("x", url), 409, "post_already_used").await;
    let reject = format!("/v1/rewards/{}/reject", reward["id"].as_str().unwrap());
    daemon.refuses(&reject, json!({}), 400, "invalid_request").await;
    let rejected = daemon.post(&reject, json!({ "reason": "it is ann's post" })).await;
    assert_eq!(
        (&rejected["status"], &rejected["reason"]),
        (&json!("rejected"), &json!("it is ann's post"))
    );
    daemon.post("/v1/accounts/ann/rewards", post("x", url)).await;
    daemon.post("/v1/accounts/bob/rewards", post("x", "https://x.com/bob/status/2")).await;
}

async fn r15_the_share_reward_can_be_once_for_each_account(engine: Engine) {
    let settings = "[credits]\nshare_reward_once = \"account\"\nshare_reward = \"7\"\n".to_owned();
    let daemon = Daemon::with(engine, NOW, Setup { settings, ..Setup::default() }).await;
    daemon.person("ann").await;
    let claim = "/v1/accounts/ann/rewards";
    let reward = daemon.post(claim, post("x", "https://x.com/ann/status/1")).await;
    let other = post("linkedin", "https://www.linkedin.com/posts/ann_1");
    daemon.refuses(claim, other, 409, "reward_already_claimed").await;
    daemon
        .post(&format!("/v1/rewards/{}/approve", reward["id"].as_str().unwrap()), json!({}))
        .await;
    assert_eq!(daemon.spendable("ann").await, "12");
}

async fn r15_a_sign_up_grant_is_given_once(engine: Engine) {
    let settings =
        "[credits]\nsignup_grant = { message = \"3\", integration = \"0\" }\n".to_owned();
    let daemon = Daemon::with(engine, NOW, Setup { settings, ..Setup::default() }).await;
    for _ in 0..2 {
        daemon.person("ann").await;
    }
    let grants = daemon.pages("/v1/accounts/ann/grants").await;
    assert_eq!((grants.len(), &grants[0]["amount"]), (1, &json!("3")));
    assert_eq!(grants[0]["source"], "signup");
    assert_eq!(daemon.spendable("ann").await, "8");
}

async fn r15_support_gives_revokes_and_adjusts(engine: Engine) {
    let mut daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let grant = daemon.grants("ann", "10", None).await;
    daemon.clock("2026-03-01T11:00:00Z").await;
    daemon.grants("ann", "2", Some("2026-03-01T12:00:00Z")).await;
    daemon.chats("ann", 1).await;
    let revoke = format!("/v1/grants/{}/revoke", grant["id"].as_str().unwrap());
    daemon.refuses(&revoke, json!({}), 400, "invalid_request").await;
    // Taken from what dies soonest: 1 of the grant that ends, then the allowance.
    let adjust = "/v1/accounts/ann/adjustments";
    let less = |amount: &str| json!({ "kind": "message", "amount": amount, "reason": "a mistake" });
    let taken = daemon.post(adjust, less("-4")).await;
    assert_eq!((&taken["taken"], &taken["spendable"]), (&json!("4"), &json!("12")));
    assert_eq!(daemon.standing("ann").await, "free: 3 used, 2 left");
    let problem = daemon.refuses(adjust, less("-12.000001"), 422, "below_zero").await;
    assert_eq!(problem["available"], "12");
    let revoked = daemon.post(&revoke, json!({ "reason": "given twice" })).await;
    assert_eq!((&revoked["ended"], &revoked["remaining"]), (&json!(true), &json!("0")));
    let more = daemon.post(adjust, less("6")).await;
    assert_eq!(more["remaining"], "6", "a positive one is a grant");
    let lines = [
        "2026-03-01T10:00:00Z grant 10 -> 10",
        "2026-03-01T11:00:00Z grant 2 -> 2",
        "2026-03-01T11:00:00Z adjust -1 -> 0",
        "2026-03-01T11:00:00Z allowance 5 -> 5",
        "2026-03-01T11:00:00Z adjust -3 -> 2",
        "2026-03-01T11:00:00Z revoke -10 -> 0",
        "2026-03-01T11:00:00Z adjust 6 -> 6",
    ];
    assert_eq!(daemon.lines("ann").await, lines);
    assert_eq!(daemon.ledger("ann").await.len(), 8);
    daemon
        .refuses("/v1/grants/gr_ghost/revoke", json!({ "reason": "x" }), 404, "grant_not_found")
        .await;
}

async fn r15_money_events_add_nothing(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let sub = daemon.buys("ann", "ann", "price_starter").await;
    let before = daemon.ledger("ann").await;
    let invoice = json!({
        "id": "in_1", "object": "invoice", "customer": "cus_ann", "subscription": sub.id(),
        "status": "paid", "amount_paid": 5_000,
    });
    let session = json!({
        "id": "cs_1", "object": "checkout.session", "customer": "cus_ann", "mode": "payment",
        "payment_status": "paid", "client_reference_id": "ann", "metadata": {},
    });
    let told = [
        ("evt_i", "invoice.paid", &invoice),
        ("evt_c", "checkout.session.completed", &session),
        ("evt_f", "invoice.payment_failed", &invoice),
    ];
    for (id, kind, object) in told {
        daemon.event(&event(id, kind, object, daemon.now)).await;
    }
    assert_eq!(daemon.ledger("ann").await, before);
}
