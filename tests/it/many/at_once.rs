//! The same things asked of all daemons at once.

use super::{Crew, count};
use crate::daemon::PATIENCE;
use crate::daemon::calls::{accepted, word};
use crate::daemon::stripe::event;
use creditd::client::Response;
use creditd::store::{MailState, PageQuery};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tokio::time::{Instant, sleep};

/// A debit of message credits.
fn usage(key: String, action: &str, account: &str) -> (String, String, Value) {
    ("/v1/usage".into(), key, json!({ "action": action, "account": account }))
}

#[tokio::test]
async fn r3_debits_through_all_daemons_never_oversell() {
    for daemons in [2, 3] {
        let crew = Crew::of(daemons).await;
        // Two accounts of one workspace, and one of another.
        crew.any().team("team", &["ann", "bob"]).await;
        crew.any().person("eve").await;
        crew.any().buys("team", "ann", "price_starter").await;
        crew.any().buys("eve", "eve", "price_starter").await;
        let names = ["ann", "bob", "eve"];
        let answers = crew.at_once(450, |n| usage(format!("k{n}"), "chat", names[n / 3 % 3])).await;
        assert_eq!(count(&answers, 200), 100 + 5 + 100);
        assert_eq!(count(&answers, 402), 50 + 145 + 50);
        for daemon in &crew.daemons {
            for name in names {
                assert_eq!(daemon.spendable(name).await, "0");
            }
        }
    }
}

#[tokio::test]
async fn r3_what_is_left_is_spent_to_the_last_tenth_by_whoever_comes_first() {
    let crew = Crew::of(3).await;
    crew.any().person("ann").await;
    // 5 credits are 16 times 0.3, and 0.2 that pay for none.
    let answers = crew.at_once(60, |n| usage(format!("k{n}"), "discuss", "ann")).await;
    assert_eq!((count(&answers, 200), count(&answers, 402)), (16, 44));
    assert_eq!(crew.any().spendable("ann").await, "0.2");
}

#[tokio::test]
async fn r17_one_key_through_all_daemons_at_once_gives_one_answer() {
    let crew = Crew::of(3).await;
    crew.any().person("ann").await;
    for (path, body) in [
        ("/v1/usage", json!({ "action": "chat", "account": "ann" })),
        ("/v1/usage", json!({ "action": "integration_call", "app": "ann-app" })),
        ("/v1/accounts/ann/grants", json!({ "kind": "message", "amount": "1", "reason": "x" })),
        (
            "/v1/accounts/ann/adjustments",
            json!({ "kind": "message", "amount": "-1", "reason": "x" }),
        ),
        (
            "/v1/promo-codes",
            json!({ "code": "P", "kind": "message", "amount": "1", "limit": 9,
            "ends_at": "2100-01-01T00:00:00Z" }),
        ),
        ("/v1/accounts/ann/redeem", json!({ "code": "P" })),
        (
            "/v1/accounts/ann/rewards",
            json!({ "network": "x", "followers": 101,
            "post_url": "https://x.com/ann/status/1" }),
        ),
    ] {
        let key = format!("key of {body}");
        let answers = crew.at_once(30, |_| (path.into(), key.clone(), body.clone())).await;
        one_answer(path, answers);
    }
    // 5 a day, 2 redeemed and granted; one chat and one credit taken by hand.
    assert_eq!(crew.any().spendable("ann").await, "5");
}

/// All accepted, one of them anew, and all with the same body.
#[track_caller]
fn one_answer(what: &str, answers: Vec<Response>) {
    let mut bodies = BTreeSet::new();
    let mut anew = 0;
    for answer in answers {
        let mut body = accepted(what, answer);
        anew += u32::from(body["replayed"] == false);
        body.as_object_mut().unwrap().remove("replayed").unwrap();
        bodies.insert(body.to_string());
    }
    assert_eq!((bodies.len(), anew), (1, 1), "{what}: {bodies:?}");
}

#[tokio::test]
async fn r15_a_code_redeemed_through_all_daemons_at_once_is_redeemed_once_and_within_its_limit() {
    let crew = Crew::of(3).await;
    let code = |code: &str, limit: u32| {
        json!({ "code": code, "kind": "message", "amount": "10", "limit": limit,
            "ends_at": "2100-01-01T00:00:00Z" })
    };
    crew.any().person("ann").await;
    for round in 0..10 {
        crew.any().post("/v1/promo-codes", code(&format!("ONE{round}"), 9)).await;
        let redeem = json!({ "code": format!("ONE{round}") });
        let path = "/v1/accounts/ann/redeem".to_owned();
        let answers =
            crew.at_once(6, |n| (path.clone(), format!("{round}-{n}"), redeem.clone())).await;
        only_the_first(&answers, "code_already_redeemed");
    }
    assert_eq!(crew.any().spendable("ann").await, "105");

    crew.any().post("/v1/promo-codes", code("FEW", 5)).await;
    for number in 0..12 {
        crew.any().person(&format!("p{number}")).await;
    }
    let redeem = json!({ "code": "FEW" });
    let answers = crew
        .at_once(12, |n| (format!("/v1/accounts/p{n}/redeem"), format!("few-{n}"), redeem.clone()))
        .await;
    assert_eq!((count(&answers, 200), count(&answers, 409)), (5, 7));
}

#[tokio::test]
async fn r15_a_post_claimed_through_all_daemons_at_once_is_claimed_once() {
    let crew = Crew::of(3).await;
    for round in 0..10 {
        let name = format!("p{round}");
        crew.any().person(&name).await;
        let claim = json!({ "network": "x", "followers": 101,
            "post_url": format!("https://x.com/ann/status/{round}") });
        let path = format!("/v1/accounts/{name}/rewards");
        let answers =
            crew.at_once(6, |n| (path.clone(), format!("{round}-{n}"), claim.clone())).await;
        only_the_first(&answers, "reward_already_claimed");
    }
}

/// One is accepted; the others are refused so.
#[track_caller]
fn only_the_first(answers: &[Response], code: &str) {
    assert_eq!(count(answers, 200), 1, "{answers:?}");
    let others = answers.iter().filter(|answer| answer.status.as_u16() != 200);
    for other in others {
        assert_eq!((other.status.as_u16(), other.text("/code")), (409, code), "{}", other.body);
    }
}

#[tokio::test]
async fn an_event_sent_to_all_daemons_at_once_is_kept_and_applied_once() {
    let crew = Crew::of(3).await;
    crew.any().person("ann").await;
    let bought = crate::daemon::stripe::Subscription::new(
        "sub_1",
        "ann",
        "ann",
        "price_starter",
        super::NOW,
    );
    for number in 0..10 {
        let told = event(
            &format!("evt_many_{number}"),
            if number == 0 {
                "customer.subscription.created"
            } else {
                "customer.subscription.updated"
            },
            &bought.0,
            crew.any().now,
        )
        .to_string();
        let sent = crew.daemons.iter().flat_map(|daemon| {
            let told = &told;
            (0..3).map(move |_| daemon.webhook(told))
        });
        for answer in join_all(sent).await {
            accepted("webhook", answer);
        }
    }
    for number in 0..10 {
        crew.any().dealt_with(&format!("evt_many_{number}")).await;
    }
    let kept = crew.any().store().await.events(None, &all()).await.unwrap();
    assert_eq!(kept.rows.len(), 10);
    assert_eq!(crew.any().lines("ann").await, ["2026-03-01T10:00:00Z allowance 100 -> 100"]);
}

fn all() -> PageQuery {
    PageQuery { limit: 1_000, cursor: None }
}

#[tokio::test]
async fn r16_mails_that_all_daemons_may_send_are_sent_once() {
    const PEOPLE: usize = 40;
    let crew = Crew::of(3).await;
    for number in 0..PEOPLE {
        crew.any().person(&format!("p{number}")).await;
    }
    let answers = crew
        .at_once(PEOPLE, |n| {
            let app = format!("p{n}-app");
            let body = json!({ "action": "integration_call", "app": app, "quantity": 25 });
            ("/v1/usage".into(), format!("k{n}"), body)
        })
        .await;
    assert_eq!(count(&answers, 200), PEOPLE);
    let store = crew.any().store().await;
    let deadline = Instant::now() + PATIENCE;
    let mails = loop {
        let mails = store.mails(None, &all()).await.unwrap().rows;
        if mails.iter().all(|mail| mail.state == MailState::Sent) {
            break mails;
        }
        assert!(Instant::now() < deadline, "{mails:?}");
        sleep(std::time::Duration::from_millis(5)).await;
    };
    assert_eq!(mails.len(), PEOPLE);
    assert!(mails.iter().all(|mail| mail.attempts == 1));
    let mut sent = Vec::new();
    for daemon in &crew.daemons {
        sent.extend(daemon.mails_now());
    }
    let ids: BTreeSet<String> = sent
        .iter()
        .map(|mail| word(&mail.lines().find(|line| line.starts_with("Message-ID")).unwrap().into()))
        .collect();
    assert_eq!((sent.len(), ids.len()), (PEOPLE, PEOPLE));
}
