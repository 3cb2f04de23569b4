//! Every life of a subscription, from Stripe to the ledger: it is lived on the fake Stripe, whose
//! signed events the daemon hears, and what people have is looked at over HTTP.
//!
//! Each life is lived in both ways: without an API key, as whole events tell; and with one, where
//! events only name what has changed and Stripe is asked. In the end Stripe and we must agree.

mod types;
mod trials;
mod payments;
mod plans;
mod anchors;
mod seats;
mod ends;
mod late;

use crate::asked::{send, setup};
use crate::daemon::time::at;
use crate::daemon::{Daemon, PATIENCE, SECRET, Setup};
use crate::engine::Engine;
use creditd::store::{Depths, Store};
use fake_stripe::api::Account;
use fake_stripe::life::PRICES;
use fake_stripe::object::{Card, Item, Recurring, Subscription};
use fake_stripe::post::{Disorder, Post, Writing};
use fake_stripe::render::Renderer;
use fake_stripe::request::{
    CustomerChange, ItemChange, NewPrice, NewSubscription, SubscriptionChange,
};
use fake_stripe::server::Server;
use fake_stripe::stripe::AfterRetries;
use fake_stripe::{ApiVersion, Settings, Stripe};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;

/// When most of them begin, and what a starter's seat is granted then.
const BOUGHT: &str = "2026-03-01T10:00:00Z";
const GRANTED: &str = "2026-03-01T10:00:00Z allowance 100 -> 100";
/// The same with its first renewal, where nothing was used.
const RENEWED: [&str; 3] =
    [GRANTED, "2026-04-01T10:00:00Z expire -100 -> 0", "2026-04-01T10:00:00Z allowance 100 -> 100"];

/// How the daemon learns what has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// From whole events alone.
    AsTold,
    /// By asking, when a thin event names something.
    Asked,
}

/// A daemon with the team of ann, who owns it and buys, bob and cat; and their Stripe.
struct Shop {
    daemon: Daemon,
    stripe: Server,
    way: Way,
    /// Whoever asks hears only what has changed, and not how.
    thin: bool,
    /// The store beside the daemon.
    store: Arc<dyn Store>,
    post: Post,
    /// The customer that stands for the team.
    customer: String,
    /// The subscription that was bought last.
    sub: String,
    _tasks: TaskTracker,
}

/// Lives a life in both ways.
async fn each_way(engine: Engine, begin: &str, life: impl AsyncFn(&mut Shop)) {
    for way in [Way::AsTold, Way::Asked] {
        println!("{way:?}");
        let mut shop = Shop::open(engine, way, begin).await;
        life(&mut shop).await;
        shop.agrees();
    }
}

impl Shop {
    async fn open(engine: Engine, way: Way, begin: &str) -> Self {
        let now = at(begin);
        let after_retries = AfterRetries::MarkUnpaid;
        let mut stripe = Stripe::new(Settings { now, after_retries, ..Settings::default() });
        for (id, amount, unit, metered) in PRICES {
            let recurring = Recurring { unit, count: 1, metered, trial_period_days: None };
            stripe.create_price(NewPrice::recurring(id, amount, recurring)).unwrap();
        }
        let mut keyed = NewPrice::recurring("price_keyed", 2_000, Recurring::MONTHLY);
        keyed.lookup_key = Some(String::from("starter_key"));
        stripe.create_price(keyed).unwrap();
        let customer = stripe.customer_with(Card::Pays, &[("account", "ann")]).id.clone();
        let tasks = TaskTracker::new();
        let account = Account::new(stripe, vec![String::from("sk_test_good")]);
        let stripe = Server::start(account, &tasks).await.unwrap();
        let plans = include_str!("../lives/plans.toml");
        let plans = Some(plans.replace("\"price_starter\"", "\"price_starter\", \"starter_key\""));
        let setup = match way {
            Way::AsTold => Setup { plans, ..Setup::default() },
            Way::Asked => Setup { plans, ..setup(&stripe.url()) },
        };
        let daemon = Daemon::with(engine, begin, setup).await;
        daemon.team("team", &["ann", "bob", "cat"]).await;
        let post = Post::new(1, Disorder::default());
        let (sub, thin, store) = (String::new(), way == Way::Asked, daemon.store().await);
        let mut shop =
            Self { daemon, stripe, way, thin, store, post, customer, sub, _tasks: tasks };
        shop.tell().await;
        shop
    }

    /// Does something at Stripe, which tells of it.
    async fn does<R>(&mut self, change: impl FnOnce(&mut Stripe, &str) -> R) -> R {
        let sub = self.sub.clone();
        let done = self.stripe.with(|stripe| change(stripe, &sub));
        self.tell().await;
        done
    }

    /// Buys what is described, beginning with so many of some prices.
    async fn buys_with(
        &mut self, items: &[(&str, u64)], describe: impl FnOnce(&mut NewSubscription),
    ) {
        let mut new = NewSubscription {
            customer: self.customer.clone(),
            items: items.iter().map(|(price, many)| ItemChange::new(price, *many)).collect(),
            ..NewSubscription::default()
        };
        describe(&mut new);
        let bought = self.stripe.with(|stripe| stripe.create_subscription(new).unwrap());
        self.sub = bought.id.clone();
        self.tell().await;
    }

    /// Buys so many of some prices.
    async fn buys(&mut self, items: &[(&str, u64)]) {
        self.buys_with(items, |_| ()).await;
    }

    /// Changes the subscription that was bought last, which has these items.
    async fn changes(&mut self, describe: impl FnOnce(&mut SubscriptionChange, &[Item])) {
        self.changes_untold(describe);
        self.tell().await;
    }

    /// The same, and nobody is told for now.
    fn changes_untold(&self, describe: impl FnOnce(&mut SubscriptionChange, &[Item])) {
        let mut change = SubscriptionChange::default();
        describe(&mut change, &self.theirs().items);
        self.stripe.with(|stripe| stripe.update_subscription(&self.sub, change).unwrap());
    }

    /// Its first item gets another price.
    async fn changes_to(&mut self, price: &str) {
        self.changes(|change, items| change.items = vec![ItemChange::price(&items[0].id, price)])
            .await;
    }

    /// So many of its first item.
    async fn changes_quantity(&mut self, many: u64) {
        self.changes(|change, items| change.items = vec![ItemChange::quantity(&items[0].id, many)])
            .await;
    }

    /// From now on the customer's card behaves so.
    async fn card(&mut self, card: Card) {
        let customer = self.customer.clone();
        self.does(|stripe, _| stripe.set_card(&customer, card).unwrap()).await;
    }

    /// What is owed is paid.
    async fn pays(&mut self) {
        self.card(Card::Pays).await;
        self.does(|stripe, sub| {
            let invoice = stripe.subscription(sub).unwrap().latest_invoice.clone().unwrap();
            stripe.pay_invoice(&invoice, None).unwrap();
        })
        .await;
    }

    /// The subscription that was bought last, as Stripe has it.
    fn theirs(&self) -> Arc<Subscription> {
        self.stripe.with(|stripe| Arc::clone(stripe.subscription(&self.sub).unwrap()))
    }

    /// Time passes up to an instant. What happens by itself on the way is told as it happens.
    async fn until(&mut self, instant: &str) {
        let end = at(instant);
        loop {
            let due = self.stripe.with(|stripe| stripe.next_due()).filter(|due| *due <= end);
            self.stripe.with(|stripe| stripe.advance_to(due.unwrap_or(end)));
            self.tell().await;
            if due.is_none() {
                return;
            }
        }
    }

    /// Time passes up to an instant, and nothing is told for now.
    async fn until_untold(&mut self, instant: &str) {
        self.stripe.with(|stripe| stripe.advance_to(at(instant)));
        self.daemon.clock(instant).await;
    }

    /// Tells what has happened since the last time, at the instant at which it is there.
    async fn tell(&mut self) {
        let (now, told) = self.stripe.with(|stripe| {
            let renderer = Renderer::new(&stripe.settings, ApiVersion::default());
            let writing =
                if self.thin { Writing::Thin(renderer) } else { Writing::Whole(renderer) };
            let told: Vec<_> =
                self.post.round(stripe).iter().map(|event| writing.body(event)).collect();
            (stripe.now(), told)
        });
        self.daemon.clock_to(now).await;
        for body in told {
            send(&self.daemon, SECRET, body).await;
            self.is_dealt_with(|depths| depths.inbox["pending"] == 0).await;
        }
        self.is_dealt_with(|depths| depths.marks["dirty"] == 0).await;
    }

    async fn is_dealt_with(&self, is_done: impl Fn(&Depths) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let depths = self.store.depths().await.unwrap();
            if is_done(&depths) {
                return;
            }
            assert!(Instant::now() < deadline, "{depths:?}");
            sleep(Duration::from_millis(3)).await;
        }
    }

    /// Plan, and what is used and left of the messages.
    async fn is(&self, account: &str, expected: &str) {
        assert_eq!(self.daemon.standing(account).await, expected, "{account}");
    }

    /// The lines of an account's messages, without debits.
    async fn has_lines(&self, account: &str, expected: &[&str]) {
        assert_eq!(self.daemon.lines(account).await, expected, "{account}");
    }

    /// The next boundaries of an account.
    async fn resets(&self, account: &str, expected: &[&str]) {
        let count = u32::try_from(expected.len()).unwrap();
        assert_eq!(self.daemon.schedule(account, count.max(1)).await, expected, "{account}");
    }

    /// The seats in short, in any order: `builder ann 30`, with what was used last.
    async fn has_seats(&self, expected: &[&str]) {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let seats = self.daemon.seats("team").await;
        let mut seats: Vec<_> = seats
            .iter()
            .map(|seat| {
                let used = text(&seat["message"]["used"]);
                format!("{} {} {used}", text(&seat["plan"]), text(&seat["holder"]))
            })
            .collect();
        seats.sort();
        assert_eq!(seats, expected);
    }

    /// How the only seat stands.
    async fn seat_is(&self, status: &str) {
        let seats = self.daemon.seats("team").await;
        assert_eq!((seats.len(), &seats[0]["status"]), (1, &Value::from(status)), "{seats:?}");
    }

    /// Stripe, asked about all its subscriptions, has each as we do.
    fn agrees(&self) {
        let mut sync = self.daemon.invocation(&["sync", "--dry-run"]);
        sync.env("CREDITD__STRIPE__API_KEY", "sk_test_good");
        let base = format!("{}/", self.stripe.url());
        let output = sync.env("CREDITD__STRIPE__API_BASE", base).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains(" 0 differ"), "{said}");
    }
}

/// A customer of the team without any means to pay.
fn without_card(stripe: &mut Stripe) -> String {
    let metadata = vec![(String::from("account"), String::from("ann"))];
    let new = CustomerChange { metadata, ..CustomerChange::default() };
    stripe.create_customer(new).unwrap().id.clone()
}
