//! How Stripe is asked: seldom, again and again, and on from where it was cut off.

use super::{NOW, Pair, all, setup};
use crate::daemon::{Mortal, PATIENCE, Setup};
use crate::engine::{Engine, on_each_engine};
use creditd::store::EventState;
use fake_stripe::api::Account;
use fake_stripe::post::Writing;
use fake_stripe::request::{Patch, SubscriptionChange};
use fake_stripe::server::Server;
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

on_each_engine! {
    on threads:
    a_burst_of_events_is_one_request
    what_was_not_delivered_is_caught_up_with_while_it_runs
    a_comparison_that_was_cut_off_goes_on_where_it_was
    on_a_terminal_a_comparison_shows_how_far_it_is
    nobody_at_stripes_address_costs_nothing
}

async fn a_burst_of_events_is_one_request(engine: Engine) {
    let mut pair = Pair::prepare(engine, "").await;
    let slow = setup(&pair.stripe.url());
    let stripe = slow.stripe.replace("debounce = \"10ms\"", "debounce = \"2s\"");
    pair.daemon.reconfigure(Setup { stripe, ..slow });
    pair.daemon.run().await;
    pair.daemon.clock(NOW).await;
    pair.daemon.person("ann").await;
    let sub = pair.buys("price_starter", &[("account", "ann")]);
    for number in 0..20 {
        let description = Patch::Set(format!("{number}"));
        let change = SubscriptionChange { description, ..SubscriptionChange::default() };
        pair.stripe.with(|stripe| drop(stripe.update_subscription(&sub, change).unwrap()));
    }
    pair.deliver(Writing::Whole).await;
    pair.stands("ann", "starter: 0 used, 100 left").await;
    pair.nothing_is_dirty().await;
    let path = format!("/v1/subscriptions/{sub}");
    let asked = pair.stripe.requests().iter().filter(|request| request.path == path).count();
    // One more, should the burst have taken longer than the pause.
    assert!((1..=2).contains(&asked), "{asked}");
    let rows = pair.daemon.store().await.events(None, &all()).await.unwrap().rows;
    assert!(rows.len() > 20 && rows.iter().all(|row| row.event.state == EventState::Done));
}

async fn what_was_not_delivered_is_caught_up_with_while_it_runs(engine: Engine) {
    let mut pair = Pair::prepare(engine, "").await;
    let often = setup(&pair.stripe.url());
    let stripe = format!("{}\ncatch_up = \"100ms\"", often.stripe);
    pair.daemon.reconfigure(Setup { stripe, ..often });
    pair.daemon.run().await;
    pair.daemon.clock(NOW).await;
    pair.daemon.person("ann").await;
    let sub = pair.buys("price_starter", &[("account", "ann")]);
    pair.stands("ann", "starter: 0 used, 100 left").await;
    pair.upgrades(&sub);
    pair.stands("ann", "builder: 0 used, 250 left").await;
    pair.stripe.with(|stripe| drop(stripe.cancel_subscription(&sub, Default::default()).unwrap()));
    pair.stands("ann", "free: 0 used, 5 left").await;
    assert!(pair.daemon.metric("creditd_caught_up_events_total").await >= 2.0);
}

/// So many people with a subscription each, of which nobody told.
async fn with_subscriptions(engine: Engine, count: usize) -> Pair {
    let mut pair = Pair::prepare(engine, "").await;
    pair.daemon.run().await;
    pair.daemon.clock(NOW).await;
    for number in 0..count {
        pair.daemon.put(&format!("/v1/accounts/p{number}"), json!({})).await;
        pair.buys("price_starter", &[("account", &format!("p{number}"))]);
    }
    pair.daemon.stop();
    pair.lose();
    pair
}

async fn a_comparison_that_was_cut_off_goes_on_where_it_was(engine: Engine) {
    let pair = with_subscriptions(engine, 110).await;
    let mut slowly = pair.daemon.invocation(&["sync"]);
    slowly.env("CREDITD__STRIPE__RATE", "1").stdout(Stdio::null()).stderr(Stdio::null());
    let cut_off = Mortal(slowly.spawn().unwrap());
    let (store, deadline) = (pair.daemon.store().await, Instant::now() + PATIENCE);
    while store.bookmark("sync").await.unwrap().and_then(|bookmark| bookmark.value).is_none() {
        assert!(Instant::now() < deadline, "no bookmark");
        sleep(Duration::from_millis(5)).await;
    }
    drop(cut_off);
    let said = pair.daemon.done(&["sync"]);
    assert!(said.contains("went on where the last comparison was cut off"), "{said}");
    assert!(said.contains("10 subscriptions compared"), "{said}");
    let mut pair = pair;
    // What the first one had marked is fetched by whoever comes next.
    pair.daemon.run().await;
    pair.nothing_is_dirty().await;
    for number in [0, 50, 109] {
        pair.stands(&format!("p{number}"), "starter: 0 used, 100 left").await;
    }
    let said = pair.daemon.done(&["sync"]);
    assert!(said.starts_with("110 subscriptions compared, 0 differ"), "{said}");
}

async fn on_a_terminal_a_comparison_shows_how_far_it_is(engine: Engine) {
    let pair = with_subscriptions(engine, 3).await;
    let sync = pair.daemon.invocation(&["sync"]);
    let words = [sync.get_program()].into_iter().chain(sync.get_args());
    let words: Vec<_> = words.map(|word| word.to_str().unwrap()).collect();
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--command", &words.join(" "), "/dev/null"]);
    for (name, value) in sync.get_envs() {
        match value {
            Some(value) => terminal.env(name, value),
            None => terminal.env_remove(name),
        };
    }
    let output = terminal.env("TERM", "xterm").stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("3/3 healed"), "{said}");
    assert!(said.contains("3 subscriptions compared, 3 differ; new: 3"), "{said}");
    let plain = pair.daemon.command(&["sync"]);
    assert!(plain.stderr.is_empty(), "no bar where nobody looks");
}

/// The same Stripe goes on at another address, or is back at this one.
async fn moves(pair: &mut Pair, address: Option<SocketAddr>) {
    let model = pair.stripe.with(|stripe| stripe.clone());
    let account = Account::new(model, vec![String::from("sk_test_good")]);
    let address = address.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    pair.stripe = Server::start_on(address, account, &pair._tasks).await.unwrap();
}

async fn nobody_at_stripes_address_costs_nothing(engine: Engine) {
    let mut pair = Pair::start(engine).await;
    pair.daemon.person("ann").await;
    let address = pair.stripe.address();
    moves(&mut pair, None).await;
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(address).await.is_ok() {
        assert!(Instant::now() < deadline, "somebody still listens");
        sleep(Duration::from_millis(5)).await;
    }
    let sub = pair.buys("price_starter", &[("account", "ann")]);
    pair.deliver(Writing::Whole).await;
    pair.stands("ann", "starter: 0 used, 100 left").await;
    let unreachable = "creditd_stripe_requests_total{outcome=\"unreachable\"}";
    while pair.daemon.metric(unreachable).await < 1.0 {
        assert!(Instant::now() < deadline, "it is not counted");
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(pair.daemon.metric("creditd_stripe_up").await, 0.0);
    let ready = pair.daemon.ops().get("/readyz").await.unwrap();
    assert_eq!(ready.status, 200, "debits go on: {}", ready.body);
    assert!(ready.text("/stripe").contains("not"), "{}", ready.body);
    pair.upgrades(&sub);
    pair.lose();
    moves(&mut pair, Some(address)).await;
    // What was applied as told is compared with the truth once there is one.
    pair.stands("ann", "builder: 0 used, 250 left").await;
    pair.nothing_is_dirty().await;
    assert_eq!(pair.daemon.metric("creditd_stripe_up").await, 1.0);
}
