//! The client over HTTP, against a fake Stripe that fails in every way.

use super::asking::Asking;
use super::client::Client;
use super::manners::Manners;
use super::{ApiError, StripeApi};
use crate::metrics::Metrics;
use fake_stripe::api::Account;
use fake_stripe::object::{Card, Recurring};
use fake_stripe::request::{NewPrice, NewSubscription};
use fake_stripe::server::{Failure, Server};
use fake_stripe::{Settings, Stripe};
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::task::TaskTracker;

const KEY: &str = "sk_test_good";

/// A fake with one subscription, and its id.
async fn server() -> (Server, String) {
    let mut stripe = Stripe::new(Settings::default());
    stripe.create_price(NewPrice::recurring("price_a", 1_000, Recurring::MONTHLY)).unwrap();
    let customer = stripe.customer_with(Card::Pays, &[]).id.clone();
    let new = NewSubscription::of(&customer, "price_a", 1);
    let id = stripe.create_subscription(new).unwrap().id.clone();
    let account = Account::new(stripe, vec![KEY.to_owned()]);
    (Server::start(account, &TaskTracker::new()).await.unwrap(), id)
}

fn client(server: &Server, key: &str) -> Client {
    let base = format!("{}/", server.url());
    Client::try_new(&base, &SecretString::from(key), Duration::from_millis(300)).unwrap()
}

#[tokio::test]
async fn an_object_is_asked_for_with_key_and_version() {
    let (server, id) = server().await;
    let json = client(&server, KEY).get(&format!("/subscriptions/{id}"), &[]).await.unwrap();
    assert!(json.contains(&id));
    let requests = server.requests();
    let [request] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!((request.method.as_str(), request.key.as_deref()), ("GET", Some(KEY)));
    assert_eq!(request.version.as_deref(), Some(stripe_client_core::VERSION.as_str()));
    let missing = client(&server, KEY).get("/subscriptions/sub_x", &[]).await;
    assert_eq!(missing, Err(ApiError::Missing));
    let wrong = client(&server, "sk_test_wrong").get("/events", &[]).await.unwrap_err();
    assert_eq!((wrong.code(), wrong.is_down()), ("key_invalid", true));
}

#[tokio::test]
async fn every_failure_of_stripe_is_told_apart_and_counted() {
    let (server, id) = server().await;
    let metrics = Arc::new(Metrics::new("sqlite"));
    let manners = Manners { rate: 0, ..Manners::default() };
    for (failure, code, is_down) in [
        (Failure::Status(401), "key_invalid", true),
        (Failure::Status(403), "key_forbidden", true),
        (Failure::Status(404), "refused", false),
        (Failure::Status(429), "too_many", true),
        (Failure::Status(500), "server_error", true),
        (Failure::Status(503), "server_error", true),
        (Failure::Hang, "timeout", true),
        (Failure::Garbage, "garbage", true),
        (Failure::Cut, "garbage", true),
    ] {
        let api = Arc::new(client(&server, KEY));
        let asking = Asking::new(api, manners, false, Arc::clone(&metrics));
        server.fail_next(failure, 1);
        let error = asking.subscription(&id).await.unwrap_err();
        assert_eq!((error.code(), error.is_down()), (code, is_down), "{failure:?}: {error}");
        assert_eq!(asking.is_up(), !is_down, "{failure:?}");
        assert_eq!(asking.pause().is_some(), is_down, "{failure:?}");
        let counted = metrics.stripe.asked_so_far(code);
        assert!(counted > 0, "{failure:?}");
        server.mend();
        assert!(asking.subscription(&id).await.is_ok(), "after {failure:?}");
        assert!(asking.is_up());
    }
    let asking = Asking::new(Arc::new(client(&server, KEY)), manners, false, metrics);
    server.fail_next(Failure::WrongShape, 1);
    let error = asking.subscription(&id).await.unwrap_err();
    assert_eq!((error.code(), asking.is_up()), ("unreadable", true));
    server.fail_next(Failure::WrongShape, 1);
    assert_eq!(asking.subscriptions(None).await.unwrap_err().code(), "unreadable");
}

#[tokio::test]
async fn stripe_is_asked_again_no_sooner_than_it_says() {
    let (server, id) = server().await;
    let manners = Manners { rate: 0, pause: Duration::from_millis(1), ..Manners::default() };
    let metrics = Arc::new(Metrics::new("sqlite"));
    let asking = Asking::new(Arc::new(client(&server, KEY)), manners, false, metrics);
    server.fail_next(Failure::TooMany(1_000), 1);
    assert_eq!(asking.subscription(&id).await.unwrap_err().code(), "too_many");
    assert!(asking.pause().unwrap() > Duration::from_secs(900));
}

#[tokio::test]
async fn nobody_at_the_address_is_said_in_words() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    drop(taken);
    let base = format!("http://{address}/");
    let nobody = Client::try_new(&base, &SecretString::from(KEY), Duration::from_secs(1)).unwrap();
    assert_eq!(nobody.get("/events", &[]).await.unwrap_err().code(), "unreachable");
}

#[tokio::test]
async fn stripes_clock_is_told_whatever_the_answer_is() {
    let (server, _) = server().await;
    for failure in [None, Some(Failure::Status(403)), Some(Failure::Status(500))] {
        server.mend();
        failure.into_iter().for_each(|failure| server.fail_always(failure));
        let before = crate::clock::wall().timestamp();
        let told = client(&server, KEY).date().await.unwrap().timestamp();
        // The server makes its text of the date anew only each second.
        assert!((before - 1..=before + 30).contains(&told), "{told} at {before}");
    }
    server.fail_always(Failure::Hang);
    assert_eq!(client(&server, KEY).date().await, None);
}
