//! What is reserved before it is granted: promo codes and posts (R15).

use super::*;
use crate::writer::SubmitError;

async fn with_code(limit: u32) -> World {
    let world = World::peopled().await;
    world.must("PUT", "/v1/accounts/bob", json!({})).await;
    let body = json!({ "code": "SPRING", "kind": "message", "amount": "10", "limit": limit,
        "ends_at": "2027-04-01T00:00:00Z", "grant_expires_at": "2027-05-01T00:00:00Z" });
    let got = world.keyed("make", "POST", "/v1/promo-codes", body.clone()).await;
    assert_eq!((&got.body["code"], &got.body["replayed"]), (&json!("SPRING"), &json!(false)));
    let got = world.keyed("make", "POST", "/v1/promo-codes", body.clone()).await;
    assert_eq!(got.body["replayed"], true);
    let got = world.keyed("make 2", "POST", "/v1/promo-codes", body).await;
    assert_eq!((got.status.as_u16(), got.code()), (409, "promo_code_exists"));
    let got = world
        .keyed(
            "make",
            "POST",
            "/v1/promo-codes",
            json!({ "code": "S", "kind": "message",
        "amount": "1", "limit": 1, "ends_at": "2027-04-01T00:00:00Z" }),
        )
        .await;
    assert_eq!((got.status.as_u16(), got.code()), (422, "idempotency_mismatch"));
    world
}

async fn redeem(world: &World, account: &str, key: &str) -> Got {
    let path = format!("/v1/accounts/{account}/redeem");
    world.keyed(key, "POST", &path, json!({ "code": "SPRING" })).await
}

#[tokio::test]
async fn r15_a_code_is_redeemed_once_for_each_account_and_within_its_limit() {
    let world = with_code(1).await;
    let first = redeem(&world, "ann", "k").await;
    assert_eq!(first.body["source"], "promo:SPRING");
    let again = redeem(&world, "ann", "k").await;
    assert_eq!((&again.body["id"], &again.body["replayed"]), (&first.body["id"], &json!(true)));
    assert_eq!(redeem(&world, "ann", "other").await.code(), "code_already_redeemed");
    assert_eq!(redeem(&world, "bob", "k").await.code(), "code_used_up");
    let balance = world.get("/v1/accounts/ann/balance").await.body;
    assert_eq!(balance["message"]["grants"], "10");
    world.fake.kept().now = instant("2027-06-01T00:00:00Z");
    assert_eq!(redeem(&world, "bob", "k").await.code(), "code_ended");
    assert_eq!(redeem(&world, "ann", "other").await.code(), "code_already_redeemed");
    assert_eq!(redeem(&world, "ann", "k").await.body["replayed"], true);
}

#[tokio::test]
async fn r15_a_redemption_that_was_cut_off_is_finished_under_its_grant() {
    let world = with_code(1).await;
    *world.fake.writer_fault.lock().unwrap() = Some(SubmitError::OutcomeUnknown);
    assert_eq!(redeem(&world, "ann", "k").await.code(), "outcome_unknown");
    let held = world.fake.kept().redemptions.values().next().unwrap().clone();
    assert!(!held.1);
    *world.fake.writer_fault.lock().unwrap() = None;
    assert_eq!(redeem(&world, "bob", "b").await.code(), "code_used_up");
    let done = redeem(&world, "ann", "k").await;
    assert_eq!(
        (done.body["id"].as_str(), &done.body["replayed"]),
        (Some(held.0.as_str()), &json!(false))
    );
    assert!(world.fake.kept().redemptions.values().all(|(_, made)| *made));
}

#[tokio::test]
async fn r15_a_refused_redemption_frees_its_place() {
    let world = with_code(1).await;
    world.must("DELETE", "/v1/accounts/ann", json!({})).await;
    assert_eq!(redeem(&world, "ann", "k").await.code(), "account_closed");
    assert!(world.fake.kept().redemptions.is_empty());
    let body = json!({ "action": "chat", "account": "bob" });
    assert_eq!(world.keyed("used", "POST", "/v1/usage", body).await.status.as_u16(), 200);
    assert_eq!(redeem(&world, "bob", "used").await.code(), "idempotency_mismatch");
    assert!(world.fake.kept().redemptions.is_empty());
    assert_eq!(redeem(&world, "bob", "new").await.status.as_u16(), 200);
}

#[tokio::test]
async fn r15_a_code_can_be_ended_before_its_time() {
    let world = with_code(9).await;
    let path = "/v1/promo-codes/SPRING/end";
    let got = world.keyed("stop", "POST", path, json!({})).await.body;
    assert_eq!(
        (&got["ends_at"], &got["replayed"]),
        (&json!("2027-03-01T10:00:00Z"), &json!(false))
    );
    assert_eq!(world.keyed("stop", "POST", path, json!({})).await.body["replayed"], true);
    assert_eq!(world.keyed("stop", "POST", path, json!(null)).await.status.as_u16(), 400);
    assert_eq!(redeem(&world, "ann", "k").await.code(), "code_ended");
    let got = world.call("POST", "/v1/promo-codes/WINTER/end", json!({})).await;
    assert_eq!((got.status.as_u16(), got.code()), (404, "promo_code_not_found"));
}

async fn claim(world: &World, account: &str, key: &str, url: &str) -> Got {
    let path = format!("/v1/accounts/{account}/rewards");
    let body = json!({ "network": "x", "post_url": url, "followers": 101, "app": "shop" });
    world.keyed(key, "POST", &path, body).await
}

#[tokio::test]
async fn r15_a_post_counts_once_and_a_rejected_claim_frees_it() {
    let world = World::peopled().await;
    world.must("PUT", "/v1/accounts/bob", json!({})).await;
    let post = "https://twitter.com/ann/status/1/?s=1";
    let first = claim(&world, "ann", "k", post).await.body;
    assert_eq!(first["post_url"], "https://x.com/ann/status/1");
    assert_eq!(first["status"], "claimed");
    assert_eq!(claim(&world, "ann", "k", post).await.body["replayed"], true);
    assert_eq!(claim(&world, "ann", "k2", post).await.code(), "reward_already_claimed");
    let other = "https://x.com/ann/status/2";
    assert_eq!(claim(&world, "ann", "k2", other).await.code(), "reward_already_claimed");
    assert!(!world.fake.kept().posts.contains_key(other), "the post is free again");
    assert_eq!(claim(&world, "bob", "b", post).await.code(), "post_already_used");

    let reject = format!("/v1/rewards/{}/reject", first["id"].as_str().unwrap());
    let got = world.must("POST", &reject, json!({ "reason": "not public" })).await;
    assert_eq!(got["status"], "rejected");
    let got = world.call("POST", &reject, json!({ "reason": "again" })).await;
    assert_eq!((got.status.as_u16(), got.code()), (409, "reward_already_decided"));
    let second = claim(&world, "bob", "b", post).await.body;
    assert_eq!(second["status"], "claimed");
    let late = claim(&world, "ann", "k", post).await.body;
    assert_eq!((&late["id"], &late["replayed"]), (&first["id"], &json!(true)), "R17 comes first");

    let approve = format!("/v1/rewards/{}/approve", second["id"].as_str().unwrap());
    let got = world.raw("POST", &approve, "").await.body;
    assert_eq!(got["status"], "approved");
    let balance = world.get("/v1/accounts/bob/balance").await.body;
    assert_eq!(balance["message"]["grants"], "20");
    let open = world.get("/v1/rewards?status=claimed").await.body;
    assert_eq!(open["data"], json!([]));
}

#[tokio::test]
async fn r15_a_rejection_that_was_cut_off_keeps_nobody_from_the_post() {
    let world = World::peopled().await;
    let post = "https://x.com/ann/status/1";
    let first = claim(&world, "ann", "k", post).await.body;
    let held = world.fake.kept().posts[post].clone();
    let reject = format!("/v1/rewards/{}/reject", first["id"].as_str().unwrap());
    world.must("POST", &reject, json!({ "reason": "not public" })).await;
    world.fake.kept().posts.insert(post.to_owned(), held);
    let second = claim(&world, "ann", "k2", post).await.body;
    assert_eq!(second["status"], "claimed");
    assert_ne!(second["id"], first["id"]);
}

#[tokio::test]
async fn r15_too_few_followers_claim_nothing() {
    let world = World::peopled().await;
    let body = json!({ "network": "linkedin", "post_url": "https://www.linkedin.com/posts/a",
        "followers": 100 });
    let got = world.call("POST", "/v1/accounts/ann/rewards", body).await;
    assert_eq!((got.status.as_u16(), got.code()), (422, "too_few_followers"));
    assert!(world.fake.kept().posts.is_empty());
}
