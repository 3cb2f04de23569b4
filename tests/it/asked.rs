//! The daemon with a key of Stripe's API, against the fake Stripe as a server: what events tell of
//! is fetched, what was lost is found, and every way in which Stripe may fail is survived.

mod catching_up;

use crate::daemon::calls::word;
use crate::daemon::stripe::event;
use crate::daemon::time::at;
use crate::daemon::{Daemon, PATIENCE, SECRET, Setup};
use crate::engine::{Engine, on_each_engine};
use bytes::Bytes;
use creditd::clock;
use creditd::store::{EventState, MarkState};
use fake_stripe::api::Account;
use fake_stripe::object::{Card, Recurring};
use fake_stripe::post::{Disorder, Post, Writing, signature};
use fake_stripe::render::Renderer;
use fake_stripe::request::{ItemChange, NewPrice, NewSubscription, SubscriptionChange};
use fake_stripe::server::{Failure, Server};
use fake_stripe::{ApiVersion, Settings, Stripe};
use hyper::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;

on_each_engine! {
    on threads:
    what_events_tell_of_is_fetched_whole_or_thin
    what_was_not_delivered_is_caught_up_with_after_a_restart
    sync_shows_what_differs_and_heals_it
    a_first_installation_is_a_sync
    customers_who_are_not_known_are_seen_and_released
    every_failure_of_stripe_is_survived
    bodies_that_nobody_can_read_are_kept_and_alerted
    secrets_are_rolled_mid_stream
}

const NOW: &str = "2026-03-01T10:00:00Z";

/// A daemon with a key, and the Stripe that it asks.
pub(crate) struct Pair {
    pub(crate) daemon: Daemon,
    pub(crate) stripe: Server,
    post: Post,
    _tasks: TaskTracker,
}

/// The settings of one that asks the Stripe at this address.
pub(crate) fn setup(url: &str) -> Setup {
    let stripe = format!(
        "api_key = \"sk_test_good\"\napi_base = \"{url}/\"\nrate = 100\ndebounce = \"10ms\"\n\
         pause = \"20ms\"\npause_max = \"100ms\"\ntimeout = \"500ms\""
    );
    Setup { stripe, ..Setup::default() }
}

impl Pair {
    pub(crate) async fn start(engine: Engine) -> Self {
        Self::start_with(engine, "").await
    }

    /// The same with more settings.
    pub(crate) async fn start_with(engine: Engine, settings: &str) -> Self {
        let mut pair = Self::prepare(engine, settings).await;
        pair.daemon.run().await;
        pair.daemon.clock(NOW).await;
        pair
    }

    async fn prepare(engine: Engine, settings: &str) -> Self {
        let mut stripe = Stripe::new(Settings { now: at(NOW), ..Settings::default() });
        for id in ["price_starter", "price_builder"] {
            stripe.create_price(NewPrice::recurring(id, 1_000, Recurring::MONTHLY)).unwrap();
        }
        let tasks = TaskTracker::new();
        let account = Account::new(stripe, vec!["sk_test_good".to_owned()]);
        let stripe = Server::start(account, &tasks).await.unwrap();
        let setup = Setup { settings: settings.to_owned(), ..setup(&stripe.url()) };
        let daemon = Daemon::prepare(engine, setup);
        Self { daemon, stripe, post: Post::new(1, Disorder::default()), _tasks: tasks }
    }

    /// A subscription for one seat; nobody is told yet.
    pub(crate) fn buys(&self, price: &str, metadata: &[(&str, &str)]) -> String {
        self.stripe.with(|stripe| {
            let customer = stripe.customer_with(Card::Pays, metadata).id.clone();
            let new = NewSubscription::of(&customer, price, 1);
            stripe.create_subscription(new).unwrap().id.clone()
        })
    }

    fn upgrades(&self, id: &str) {
        self.stripe.with(|stripe| {
            let item = stripe.subscription(id).unwrap().items[0].id.clone();
            let items = vec![ItemChange::price(&item, "price_builder")];
            let change = SubscriptionChange { items, ..SubscriptionChange::default() };
            stripe.update_subscription(id, change).unwrap();
        });
    }

    /// Delivers what happened since the last time.
    async fn deliver(&mut self, writing: fn(Renderer) -> Writing) {
        self.deliver_with(writing, &[]).await;
    }

    /// The same with more headers.
    pub(crate) async fn deliver_with(
        &mut self, writing: fn(Renderer) -> Writing, headers: &[(&str, &str)],
    ) {
        let bodies: Vec<String> = self.stripe.with(|stripe| {
            let writing = writing(Renderer::new(&stripe.settings, ApiVersion::default()));
            self.post.round(stripe).iter().map(|event| writing.body(event)).collect()
        });
        for body in bodies {
            send_with(&self.daemon, SECRET, body, headers).await;
        }
    }

    /// What happened since the last time is told by nobody.
    fn lose(&mut self) {
        self.stripe.with(|stripe| self.post.round(stripe));
    }

    pub(crate) async fn stands(&self, account: &str, expected: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let standing = self.daemon.standing(account).await;
            if standing == expected {
                return;
            }
            assert!(Instant::now() < deadline, "{account}: {standing} and not {expected}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until nothing is to be fetched any more.
    async fn nothing_is_dirty(&self) {
        let (store, deadline) = (self.daemon.store().await, Instant::now() + PATIENCE);
        while store.depths().await.unwrap().marks["dirty"] > 0 {
            assert!(Instant::now() < deadline, "{:?}", store.marks(&Default::default()).await);
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Sends a body as Stripe does, which must be taken.
pub(crate) async fn send(daemon: &Daemon, secret: &str, body: String) {
    send_with(daemon, secret, body, &[]).await;
}

async fn send_with(daemon: &Daemon, secret: &str, body: String, more: &[(&str, &str)]) {
    let header = signature(&[secret], &body, clock::wall());
    let headers = [&[("stripe-signature", header.as_str())], more].concat();
    let answer =
        daemon.client().send(Method::POST, "/webhooks/stripe", &headers, Bytes::from(body));
    assert_eq!(answer.await.unwrap().status.as_u16(), 200);
}

async fn what_events_tell_of_is_fetched_whole_or_thin(engine: Engine) {
    for writing in [Writing::Whole as fn(Renderer) -> Writing, Writing::Thin] {
        let mut pair = Pair::start(engine).await;
        pair.daemon.person("ann").await;
        let sub = pair.buys("price_starter", &[("account", "ann")]);
        pair.deliver(writing).await;
        pair.stands("ann", "starter: 0 used, 100 left").await;
        pair.daemon.chats("ann", 30).await;
        pair.upgrades(&sub);
        pair.deliver(writing).await;
        pair.stands("ann", "builder: 30 used, 220 left").await;
        pair.stripe.with(|stripe| stripe.cancel_subscription(&sub, Default::default()).unwrap());
        pair.deliver(writing).await;
        pair.stands("ann", "free: 0 used, 5 left").await;
        pair.nothing_is_dirty().await;
        let ready = pair.daemon.ops().get("/readyz").await.unwrap();
        assert_eq!(ready.text("/stripe"), "webhooks and API");
        assert_eq!(pair.daemon.metric("creditd_stripe_up").await, 1.0);
    }
}

async fn what_was_not_delivered_is_caught_up_with_after_a_restart(engine: Engine) {
    let mut pair = Pair::start(engine).await;
    pair.daemon.person("ann").await;
    let sub = pair.buys("price_starter", &[("account", "ann")]);
    pair.deliver(Writing::Whole).await;
    pair.stands("ann", "starter: 0 used, 100 left").await;
    // The list of events is begun, so that the next start knows where it was.
    pair.daemon.stop();
    pair.daemon.run().await;
    pair.stands("ann", "starter: 0 used, 100 left").await;
    let deadline = Instant::now() + PATIENCE;
    let store = pair.daemon.store().await;
    while store.bookmark("events").await.unwrap().and_then(|bookmark| bookmark.value).is_none() {
        assert!(Instant::now() < deadline, "no bookmark");
        sleep(Duration::from_millis(5)).await;
    }
    // Whoever dies while it fetches holds what it fetches for the time of a lease.
    pair.nothing_is_dirty().await;
    pair.daemon.kill();
    pair.upgrades(&sub);
    pair.lose();
    pair.daemon.run().await;
    pair.stands("ann", "builder: 0 used, 250 left").await;
    pair.nothing_is_dirty().await;
    assert!(pair.daemon.metric("creditd_caught_up_events_total").await >= 1.0);
}

async fn sync_shows_what_differs_and_heals_it(engine: Engine) {
    let mut pair = Pair::start(engine).await;
    pair.daemon.person("ann").await;
    let sub = pair.buys("price_starter", &[("account", "ann")]);
    pair.deliver(Writing::Whole).await;
    pair.stands("ann", "starter: 0 used, 100 left").await;
    pair.nothing_is_dirty().await;
    let same = pair.daemon.done(&["sync"]);
    assert_eq!(same, "1 subscriptions compared, 0 differ\n");
    pair.upgrades(&sub);
    pair.lose();
    let dry = pair.daemon.done(&["sync", "--dry-run"]);
    let line = format!("{sub}  plan  ours: starter  Stripe: builder\n");
    let end = "1 subscriptions compared, 1 differ; plan: 1; nothing was changed\n";
    assert_eq!(dry, line.clone() + end);
    let shown = pair.daemon.done(&["subscriptions", "show", &sub]);
    assert!(shown.contains("*  plan "), "{shown}");
    let shown = pair.daemon.done(&["subscriptions", "show", &sub, "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["differs"], &shown["stripe"]), (&json!(true), &json!("answered")));
    assert_eq!(pair.daemon.standing("ann").await, "starter: 0 used, 100 left");
    let healed = pair.daemon.done(&["sync"]);
    assert!(healed.starts_with(&line) && healed.contains("1 healed, 0 wait"), "{healed}");
    pair.stands("ann", "builder: 0 used, 250 left").await;
    assert!(pair.daemon.done(&["sync"]).contains("0 differ"));
    let customer = pair.stripe.with(|stripe| stripe.subscription(&sub).unwrap().customer.clone());
    let shown = pair.daemon.done(&["customers", "show", &customer]);
    assert!(shown.contains(&sub) && shown.contains("workspace  ann"), "{shown}");
    let complaint = pair.daemon.fails(1, &["customers", "show", "cus_ghost"]);
    assert!(complaint.contains("there is no customer cus_ghost"), "{complaint}");
    let complaint = pair.daemon.fails(1, &["subscriptions", "show", "sub_ghost"]);
    assert!(complaint.contains("there is no subscription sub_ghost"), "{complaint}");
}

async fn a_first_installation_is_a_sync(engine: Engine) {
    let mut pair = Pair::prepare(engine, "").await;
    pair.stripe.fail_always(Failure::Status(503));
    pair.daemon.run().await;
    pair.daemon.clock(NOW).await;
    for number in 0..120 {
        let account = format!("p{number}");
        pair.daemon.put(&format!("/v1/accounts/{account}"), json!({})).await;
        pair.buys("price_starter", &[("account", &account)]);
    }
    pair.lose();
    pair.stripe.mend();
    let said = pair.daemon.done(&["sync"]);
    assert!(said.contains("120 subscriptions compared"), "{said}");
    for number in 0..120 {
        pair.stands(&format!("p{number}"), "starter: 0 used, 100 left").await;
    }
    assert!(pair.daemon.done(&["sync"]).contains("0 differ"));
}

async fn customers_who_are_not_known_are_seen_and_released(engine: Engine) {
    let mut pair = Pair::start(engine).await;
    pair.daemon.put("/v1/accounts/ann", json!({})).await;
    let sub = pair.buys("price_starter", &[]);
    let customer = pair.stripe.with(|stripe| stripe.subscription(&sub).unwrap().customer.clone());
    pair.deliver(Writing::Whole).await;
    pair.nothing_is_dirty().await;
    let store = pair.daemon.store().await;
    let mark = store.mark_of(&sub).await.unwrap().unwrap();
    assert_eq!(mark.state, MarkState::Waiting);
    assert!(pair.daemon.metric("creditd_inbox{state=\"waiting\"}").await >= 1.0);
    assert_eq!(pair.daemon.metric("creditd_marks{state=\"waiting\"}").await, 1.0);
    let listed = pair.daemon.done(&["customers", "list"]);
    assert!(listed.contains(&format!("customer:{customer}")), "{listed}");
    let shown = pair.daemon.done(&["customers", "show", &customer, "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["workspace"], &shown["waiting"][0]["marks"]), (&Value::Null, &json!(1)));
    pair.daemon.put(&format!("/v1/customers/{customer}"), json!({ "workspace": "ann" })).await;
    pair.nothing_is_dirty().await;
    let deadline = Instant::now() + PATIENCE;
    while pair.daemon.seats("ann").await.is_empty() {
        assert!(Instant::now() < deadline, "no seat");
        sleep(Duration::from_millis(5)).await;
    }
    let listed = pair.daemon.done(&["customers", "list", "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["customers"], json!([{ "id": customer, "workspace": "ann" }]));
}

async fn every_failure_of_stripe_is_survived(engine: Engine) {
    let mut pair = Pair::start(engine).await;
    let failures = [
        (Failure::Status(401), "key_invalid"),
        (Failure::Status(403), "key_forbidden"),
        (Failure::Status(404), "refused"),
        (Failure::TooMany(0), "too_many"),
        (Failure::Status(500), "server_error"),
        (Failure::Hang, "timeout"),
        (Failure::Garbage, "garbage"),
        (Failure::Cut, "garbage"),
        (Failure::WrongShape, "answered"),
    ];
    for (number, (failure, outcome)) in failures.into_iter().enumerate() {
        let account = format!("p{number}");
        pair.daemon.person(&account).await;
        pair.nothing_is_dirty().await;
        pair.stripe.fail_path("/v1/subscriptions", failure);
        let sub = pair.buys("price_starter", &[("account", &account)]);
        pair.deliver(Writing::Whole).await;
        pair.stands(&account, "starter: 0 used, 100 left").await;
        let requests = format!("creditd_stripe_requests_total{{outcome=\"{outcome}\"}}");
        let deadline = Instant::now() + PATIENCE;
        while pair.daemon.metric(&requests).await < 1.0 {
            assert!(Instant::now() < deadline, "{failure:?} is not counted");
            sleep(Duration::from_millis(5)).await;
        }
        pair.upgrades(&sub);
        pair.lose();
        pair.stripe.mend();
        pair.daemon.done(&["sync"]);
        pair.stands(&account, "builder: 0 used, 250 left").await;
    }
    let store = pair.daemon.store().await;
    assert_eq!(store.events(Some(EventState::Parked), &all()).await.unwrap().rows, []);
    assert_eq!(store.depths().await.unwrap().marks.values().sum::<u64>(), 0);
}

/// All rows of a list, as far as tests have some.
pub(crate) fn all() -> creditd::store::PageQuery {
    creditd::store::PageQuery { limit: 1_000, cursor: None }
}

async fn bodies_that_nobody_can_read_are_kept_and_alerted(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let sub = crate::daemon::stripe::Subscription::new("sub_1", "ann", "ann", "price_starter", NOW);
    let whole = event("evt_0", "customer.subscription.updated", &sub.0, daemon.now);
    let text = whole.to_string();
    for end in [1, text.len() / 3, text.len() - 1] {
        send(&daemon, SECRET, text[..end].to_owned()).await;
    }
    assert_eq!(daemon.alerts("event_unreadable").await, 3);
    let broken: [(&str, Value); 6] = [
        ("status", json!(7)),
        ("customer", json!(null)),
        ("items", json!("many")),
        ("created", json!("yesterday")),
        ("billing_cycle_anchor", json!(-1)),
        ("metadata", json!([1])),
    ];
    for (number, (field, value)) in broken.into_iter().enumerate() {
        let id = format!("evt_{}", number + 1);
        let object = sub.clone().set(field, value).0;
        let told = event(&id, "customer.subscription.updated", &object, daemon.now);
        let kept = daemon.event(&told).await;
        assert_eq!(kept.event.state, EventState::Parked, "{field}: {:?}", kept.event.note);
        assert!(!word(&json!(kept.event.note)).contains("yesterday"), "it is not quoted");
    }
    assert_eq!(daemon.alerts("event_unreadable").await, 9);
    let strange = sub.clone().price("price_nobody_knows");
    let told = event("evt_p", "customer.subscription.updated", &strange.0, daemon.now);
    assert_eq!(daemon.event(&told).await.event.state, EventState::Done);
    assert_eq!(daemon.alerts("unknown_price").await, 1);
    assert_eq!(daemon.standing("ann").await, "free: 0 used, 5 left");
    assert_eq!(daemon.store().await.depths().await.unwrap().inbox["parked"], 9);
}

async fn secrets_are_rolled_mid_stream(engine: Engine) {
    let mut daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    let tell = |id: &str| event(id, "customer.tax_id.created", &json!({ "id": "x" }), at(NOW));
    let both = |body: &str| signature(&[SECRET, "whsec_new"], body, clock::wall());
    let body = tell("evt_1").to_string();
    let header = both(&body);
    let headers = [("stripe-signature", header.as_str())];
    let answer =
        daemon.client().send(Method::POST, "/webhooks/stripe", &headers, Bytes::from(body));
    assert_eq!(answer.await.unwrap().status, 200, "both secrets sign, ours is one of them");
    daemon.stop();
    let file = daemon.path("creditd.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    let old = format!("[\"{SECRET}\"]");
    let two = settings.replace(&old, &format!("[\"{SECRET}\", \"whsec_new\"]"));
    std::fs::write(&file, two).unwrap();
    daemon.run().await;
    for (id, secret) in [("evt_2", SECRET), ("evt_3", "whsec_new")] {
        send(&daemon, secret, tell(id).to_string()).await;
    }
    daemon.stop();
    std::fs::write(&file, settings.replace(&old, "[\"whsec_new\"]")).unwrap();
    daemon.run().await;
    send(&daemon, "whsec_new", tell("evt_4").to_string()).await;
    assert_eq!(daemon.webhook(&tell("evt_5").to_string()).await.status, 400, "the old one is gone");
    assert_eq!(daemon.store().await.events(None, &all()).await.unwrap().rows.len(), 4);
}
