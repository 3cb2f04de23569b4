//! The inbox with a key, against a fake Stripe in the same process.

use super::ground::Middle;
use super::*;
use crate::reconcile::Reconcile;
use crate::reconcile::events::CaughtUp;
use crate::reconcile::full::Mode;
use crate::store::{MarkKind, MarkState, ObjectRef, PageQuery};
use crate::stripe::api::manners::Manners;
use crate::stripe::api::{ApiError, StripeApi};
use creditd_rules::id::SubscriptionId;
use creditd_rules::state;
use fake_stripe::api::{Account, Request as Asked};
use fake_stripe::object::{Card, Recurring};
use fake_stripe::post::{Disorder, Post, Writing};
use fake_stripe::render::Renderer;
use fake_stripe::request::{
    ItemChange, NewPhase, NewPrice, NewSchedule, NewSubscription, PhaseLength, ScheduleChange,
    SubscriptionChange,
};
use fake_stripe::{ApiVersion, Settings, Stripe};

const BOUGHT: i64 = 1_769_853_600; // 2026-01-31T10:00:00Z
const DAY: i64 = 86_400;

/// The fake's API without a network.
struct FakeApi {
    account: Mutex<Account>,
    /// What the next requests get instead of an answer.
    faults: Mutex<Vec<ApiError>>,
    asked: Mutex<Vec<String>>,
}

#[async_trait::async_trait]
impl StripeApi for FakeApi {
    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<String, ApiError> {
        self.asked.lock().unwrap().push(path.to_owned());
        if let Some(fault) = self.faults.lock().unwrap().pop() {
            return Err(fault);
        }
        let query: Vec<String> =
            query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = Asked::get(&format!("/v1{path}"), &query.join("&"));
        request.version = Some(stripe_client_core::VERSION.as_str().to_owned());
        let answer = self.account.lock().unwrap().answer(&request);
        match answer.status {
            200 => Ok(answer.body.to_string()),
            _ if answer.body["error"]["code"] == "resource_missing" => Err(ApiError::Missing),
            status => Err(ApiError::Request(format!("{status} {}", answer.body))),
        }
    }
}

/// A middle with a key, and the Stripe that it asks.
struct Pair {
    middle: Middle,
    api: Arc<FakeApi>,
    post: Post,
    writing: fn(Renderer) -> Writing,
}

impl Pair {
    async fn new() -> Self {
        let settings = Settings { now: at(BOUGHT), ..Settings::default() };
        let mut stripe = Stripe::new(settings);
        for id in ["price_builder", "price_starter"] {
            stripe.create_price(NewPrice::recurring(id, 1_000, Recurring::MONTHLY)).unwrap();
        }
        let account = Mutex::new(Account::new(stripe, Vec::new()));
        let (faults, asked) = Default::default();
        let api = Arc::new(FakeApi { account, faults, asked });
        let mut middle = Middle::at(at(BOUGHT)).await;
        let manners = Manners {
            rate: 0,
            pause: Duration::ZERO,
            pause_max: Duration::ZERO,
            ..Manners::default()
        };
        let metrics = Arc::clone(&middle.inbox.metrics);
        let asking = Asking::new(Arc::clone(&api) as Arc<dyn StripeApi>, manners, false, metrics);
        middle.inbox.stripe = Some(Arc::new(asking));
        let post = Post::new(1, Disorder::default());
        Self { middle, api, post, writing: Writing::Whole }
    }

    fn stripe<R>(&self, change: impl FnOnce(&mut Stripe) -> R) -> R {
        change(&mut self.api.account.lock().unwrap().stripe)
    }

    /// A subscription that somebody buys.
    fn buys(&self, price: &str, quantity: u64, metadata: &[(&str, &str)]) -> String {
        self.stripe(|stripe| {
            let customer = stripe.customer_with(Card::Pays, metadata).id.clone();
            let new = NewSubscription::of(&customer, price, quantity);
            stripe.create_subscription(new).unwrap().id.clone()
        })
    }

    fn changes(&self, id: &str, change: impl FnOnce(&str) -> SubscriptionChange) {
        self.stripe(|stripe| {
            let item = stripe.subscription(id).unwrap().items[0].id.clone();
            stripe.update_subscription(id, change(&item)).unwrap();
        });
    }

    /// What happened since the last time is delivered, none of it is handled.
    async fn deliver(&mut self) -> usize {
        let api = Arc::clone(&self.api);
        let (events, now) = {
            let stripe = &api.account.lock().unwrap().stripe;
            let renderer = Renderer::new(&stripe.settings, ApiVersion::default());
            let writing = (self.writing)(renderer);
            let events: Vec<String> =
                self.post.round(stripe).iter().map(|event| writing.body(event)).collect();
            (events, stripe.now())
        };
        let store = &self.middle.inbox.store;
        store.set_test_clock(now).await.unwrap().unwrap();
        let events: Vec<_> =
            events.iter().map(|body| receive(body.as_bytes(), now, false)).collect();
        store.keep_events(&events).await.unwrap();
        events.len()
    }

    async fn deliver_and_handle(&mut self) {
        self.deliver().await;
        self.middle.inbox.handle_all().await.unwrap();
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.api.asked.lock().unwrap())
    }

    fn fail(&self, fault: ApiError, times: usize) {
        *self.api.faults.lock().unwrap() = vec![fault; times];
    }

    async fn ours(&self, id: &str) -> Option<state::Subscription> {
        let id = SubscriptionId::from(id);
        let home = self.middle.inbox.store.workspace_of_subscription(&id).await.unwrap()?;
        self.middle.inbox.ours(&home, &id).await.unwrap().1
    }

    async fn states(&self) -> Vec<(String, EventState)> {
        let page = PageQuery { limit: 1_000, cursor: None };
        let events = self.middle.inbox.store.events(None, &page).await.unwrap();
        events.rows.into_iter().map(|row| (row.event.kind, row.event.state)).collect()
    }

    async fn marks(&self) -> Vec<(String, MarkState)> {
        let page = PageQuery { limit: 1_000, cursor: None };
        let marks = self.middle.inbox.store.marks(&page).await.unwrap();
        marks.rows.into_iter().map(|mark| (mark.object.id, mark.state)).collect()
    }

    fn reconcile(&self) -> Reconcile {
        Reconcile { inbox: self.middle.inbox.clone() }
    }

    fn alerts(&self, code: &'static str) -> u64 {
        self.middle.inbox.metrics.alerted(code)
    }
}

fn down() -> ApiError {
    ApiError::Down { code: "server_error", why: "503".to_owned(), retry_after: None }
}

#[tokio::test]
async fn an_event_is_a_hint_and_what_is_fetched_counts() {
    let mut pair = Pair::new().await;
    pair.middle.put_account("ann", "team").await;
    let sub = pair.buys("price_builder", 2, &[("account", "ann")]);
    // What it has become meanwhile is what counts.
    pair.changes(&sub, |item| SubscriptionChange {
        items: vec![ItemChange { quantity: Some(3), ..ItemChange::price(item, "price_builder") }],
        ..SubscriptionChange::default()
    });
    pair.deliver_and_handle().await;
    let ours = pair.ours(&sub).await.unwrap();
    assert_eq!((ours.items[0].quantity, ours.places_made), (3, 3));
    assert_eq!(pair.marks().await, []);
    assert!(
        pair.states()
            .await
            .iter()
            .all(|(_, state)| { matches!(state, EventState::Done | EventState::Ignored) })
    );
    let fetched = pair.asked().iter().filter(|path| path.contains("/subscriptions/")).count();
    assert_eq!(fetched, 1, "several events are one fetch");
    let entries = pair.middle.entries("team").await;
    pair.middle.inbox.handle_all().await.unwrap();
    assert_eq!(pair.middle.entries("team").await, entries);
    assert_eq!(pair.asked(), [""; 0]);
}

#[tokio::test]
async fn thin_events_are_fetched_whatever_they_name() {
    let mut pair = Pair::new().await;
    pair.writing = Writing::Thin;
    pair.middle.put_account("ann", "team").await;
    let sub = pair.buys("price_builder", 1, &[("account", "ann")]);
    pair.deliver_and_handle().await;
    assert_eq!(pair.ours(&sub).await.unwrap().items[0].quantity, 1);
    let asked = pair.asked();
    for path in ["/subscriptions/", "/customers/", "/invoices/"] {
        assert!(asked.iter().any(|asked| asked.starts_with(path)), "{path} in {asked:?}");
    }
    pair.stripe(|stripe| stripe.advance_to(at(BOUGHT + 40 * DAY)));
    pair.changes(&sub, |_| SubscriptionChange {
        cancel_at_period_end: Some(true),
        ..SubscriptionChange::default()
    });
    pair.deliver_and_handle().await;
    assert!(pair.ours(&sub).await.unwrap().cancel_at.is_some());
    assert_eq!(pair.marks().await, []);
}

#[tokio::test]
async fn a_customer_who_is_not_known_is_asked_for_its_metadata() {
    let pair = Pair::new().await;
    pair.middle.put_account("ann", "team").await;
    let sub = pair.buys("price_builder", 1, &[("account", "ann")]);
    // The event about the customer is lost; the subscription's says nothing.
    let events: Vec<_> = pair.stripe(|stripe| {
        let renderer = Renderer::new(&stripe.settings, ApiVersion::default());
        let told = stripe.events().iter().filter(|event| event.kind.starts_with("customer.sub"));
        told.map(|event| Writing::Whole(renderer.clone()).body(event)).collect()
    });
    for body in events {
        let event = receive(body.as_bytes(), at(BOUGHT), false);
        pair.middle.inbox.store.keep_events(&[event]).await.unwrap();
    }
    pair.middle.inbox.handle_all().await.unwrap();
    assert_eq!(pair.ours(&sub).await.unwrap().items[0].quantity, 1);
    assert!(pair.states().await.iter().all(|(_, state)| *state == EventState::Done));
    assert_eq!(pair.marks().await, []);
}

#[tokio::test]
async fn an_unknown_customer_waits_and_is_released_by_its_link() {
    let mut pair = Pair::new().await;
    let sub = pair.buys("price_builder", 1, &[]);
    let customer = pair.stripe(|stripe| stripe.subscription(&sub).unwrap().customer.clone());
    pair.deliver_and_handle().await;
    let waits = pair.middle.inbox.store.waits().await.unwrap();
    let [waits] = &waits[..] else { panic!("{waits:?}") };
    assert_eq!(waits.waits_for, format!("customer:{customer}"));
    assert!(waits.events >= 1 && waits.marks == 1, "{waits:?}");
    pair.middle.put_account("ann", "team").await;
    let store = &pair.middle.inbox.store;
    store.link_customer(&customer.as_str().into(), &"team".into(), true).await.unwrap();
    store.release_events(&waits.waits_for).await.unwrap();
    pair.middle.inbox.handle_all().await.unwrap();
    assert_eq!(pair.ours(&sub).await.unwrap().items[0].quantity, 1);
    assert_eq!(pair.middle.inbox.store.waits().await.unwrap(), []);
    assert_eq!(pair.marks().await, []);
}

#[tokio::test]
async fn while_stripe_cannot_be_asked_events_are_applied_as_they_tell_and_healed_later() {
    for fault in [
        down(),
        ApiError::Refused { status: 401, code: "-".to_owned() },
        ApiError::Unreadable("it is a teapot".to_owned()),
    ] {
        let mut pair = Pair::new().await;
        pair.middle.put_account("ann", "team").await;
        let sub = pair.buys("price_builder", 2, &[("account", "ann")]);
        pair.fail(fault.clone(), 1_000);
        pair.deliver_and_handle().await;
        assert_eq!(pair.ours(&sub).await.unwrap().items[0].quantity, 2, "{fault}");
        let marks = pair.marks().await;
        assert_eq!(marks, [(sub.clone(), MarkState::Dirty)], "{fault}");
        // This change is told by nobody.
        pair.changes(&sub, |item| SubscriptionChange {
            items: vec![ItemChange {
                quantity: Some(5),
                ..ItemChange::price(item, "price_builder")
            }],
            ..SubscriptionChange::default()
        });
        let api = Arc::clone(&pair.api);
        pair.post.round(&api.account.lock().unwrap().stripe);
        pair.fail(fault, 0);
        pair.middle.inbox.handle_all().await.unwrap();
        assert_eq!(pair.ours(&sub).await.unwrap().items[0].quantity, 5);
        assert_eq!(pair.marks().await, []);
    }
}

#[tokio::test]
async fn what_stripe_does_not_have_is_parked_alerted_and_never_deleted() {
    let mut pair = Pair::new().await;
    pair.middle.put_account("ann", "team").await;
    let sub = pair.buys("price_builder", 1, &[("account", "ann")]);
    pair.fail(ApiError::Missing, 1_000);
    pair.deliver_and_handle().await;
    assert_eq!(pair.ours(&sub).await.unwrap().status, state::Status::Active, "as it was told");
    assert_eq!(pair.marks().await, [(sub.clone(), MarkState::Parked)]);
    assert_eq!(pair.alerts("stripe_missing"), 1);
    let object = ObjectRef { kind: MarkKind::Subscription, id: sub.clone() };
    pair.fail(ApiError::Missing, 0);
    pair.middle.inbox.mark(&object).await.unwrap();
    pair.middle.inbox.handle_all().await.unwrap();
    assert_eq!(pair.marks().await, [], "another event tries it again");
}

#[tokio::test]
async fn what_can_never_be_read_is_parked_after_its_tries() {
    let mut pair = Pair::new().await;
    pair.middle.put_account("ann", "team").await;
    let sub = pair.buys("price_builder", 1, &[("account", "ann")]);
    pair.fail(ApiError::Unreadable("it is a teapot".to_owned()), 1_000);
    pair.deliver().await;
    for _ in 0..5 {
        pair.middle.inbox.handle_all().await.unwrap();
    }
    assert_eq!(pair.marks().await, [(sub, MarkState::Parked)]);
    assert_eq!(pair.alerts("stripe_unreadable"), 1);
    let open = |state| matches!(state, EventState::Pending | EventState::Marked);
    assert!(!pair.states().await.iter().any(|(_, state)| open(*state)));
}

#[tokio::test]
async fn r10_a_schedules_next_phase_is_announced_and_the_boundary_brings_it() {
    let mut pair = Pair::new().await;
    pair.middle.put_account("ann", "team").await;
    let sub = pair.buys("price_builder", 1, &[("account", "ann")]);
    pair.deliver_and_handle().await;
    let renewal = pair.stripe(|stripe| {
        let renewal = stripe.subscription(&sub).unwrap().items[0].period_end;
        let new = NewSchedule { from_subscription: Some(sub.clone()), ..NewSchedule::default() };
        let id = stripe.create_schedule(new).unwrap().id.clone();
        let phase = |price: &str, length| NewPhase {
            items: vec![ItemChange::new(price, 1)],
            length,
            ..NewPhase::default()
        };
        let first = phase("price_builder", PhaseLength::Until(renewal));
        let phases = vec![first, phase("price_starter", PhaseLength::Iterations(1))];
        stripe
            .update_schedule(&id, ScheduleChange { phases, ..ScheduleChange::default() })
            .unwrap();
        renewal
    });
    pair.deliver_and_handle().await;
    let (at, items) = pair.ours(&sub).await.unwrap().announced.unwrap();
    assert_eq!((at, items[0].plan.as_str()), (renewal, "starter"));
    pair.stripe(|stripe| stripe.advance_to(renewal));
    pair.deliver_and_handle().await;
    let ours = pair.ours(&sub).await.unwrap();
    assert_eq!((ours.items[0].plan.as_str(), ours.announced), ("starter", None));
}

#[tokio::test]
async fn items_that_do_not_come_with_their_subscription_are_listed() {
    let mut pair = Pair::new().await;
    pair.middle.put_account("ann", "team").await;
    pair.stripe(|stripe| stripe.settings.embedded_items = 1);
    let sub = pair.stripe(|stripe| {
        let customer = stripe.customer_with(Card::Pays, &[("account", "ann")]).id.clone();
        let mut new = NewSubscription::of(&customer, "price_builder", 2);
        new.items.push(ItemChange::new("price_starter", 3));
        stripe.create_subscription(new).unwrap().id.clone()
    });
    pair.deliver_and_handle().await;
    let ours = pair.ours(&sub).await.unwrap();
    assert_eq!(ours.items.iter().map(|item| item.quantity).sum::<u32>(), 5);
}

#[tokio::test]
async fn events_that_were_not_delivered_are_found_in_the_list_in_order() {
    let mut pair = Pair::new().await;
    let reconcile = pair.reconcile();
    assert_eq!(reconcile.events().await.unwrap(), CaughtUp::Unknown, "at first");
    assert_eq!(reconcile.events().await.unwrap(), CaughtUp::New(0), "nothing happened at all");
    pair.middle.put_account("ann", "team").await;
    let sub = pair.buys("price_builder", 1, &[("account", "ann")]);
    assert_eq!(reconcile.events().await.unwrap(), CaughtUp::Unknown, "what was before is unknown");
    pair.deliver_and_handle().await;
    for quantity in 2..150 {
        pair.changes(&sub, |item| SubscriptionChange {
            items: vec![ItemChange {
                quantity: Some(quantity),
                ..ItemChange::price(item, "price_builder")
            }],
            ..SubscriptionChange::default()
        });
    }
    let CaughtUp::New(new) = reconcile.events().await.unwrap() else { panic!() };
    assert!(new >= 148, "{new}: more than a page");
    let page = PageQuery { limit: 1_000, cursor: None };
    let events = pair.middle.inbox.store.events(Some(EventState::Pending), &page).await.unwrap();
    let arrived: Vec<String> = events.rows.into_iter().rev().map(|row| row.event.id).collect();
    let happened: Vec<String> =
        pair.stripe(|stripe| stripe.events().iter().map(|event| event.id.clone()).collect());
    let mut happened = happened.into_iter();
    assert!(arrived.iter().all(|id| happened.any(|next| next == *id)), "in order");
    pair.middle.inbox.handle_all().await.unwrap();
    assert_eq!(pair.ours(&sub).await.unwrap().items[0].quantity, 149);
    assert_eq!(reconcile.events().await.unwrap(), CaughtUp::New(0));
    // Thirty days later the list no longer reaches back.
    pair.stripe(|stripe| stripe.advance_to(at(BOUGHT + 45 * DAY)));
    assert_eq!(reconcile.events().await.unwrap(), CaughtUp::Unknown);
}

#[tokio::test]
async fn all_subscriptions_are_compared_and_what_differs_is_healed() {
    let pair = Pair::new().await;
    pair.middle.put_account("ann", "team").await;
    let subs: Vec<String> =
        (0..130).map(|_| pair.buys("price_builder", 1, &[("account", "ann")])).collect();
    let reconcile = pair.reconcile();
    let mut pages = Vec::new();
    let mut progress = |found| {
        if let crate::reconcile::full::Found::Seen(seen) = found {
            pages.push(seen);
        }
    };
    let dry = reconcile.compare_all(Mode::DryRun, &mut progress).await.unwrap();
    assert_eq!((dry.seen, dry.differing, dry.kinds), (130, 130, [("new", 130)].into()));
    assert_eq!(pages, [100, 130]);
    assert_eq!(pair.marks().await, [], "nothing was changed");
    let report = reconcile.compare_all(Mode::Heal, &mut |_| {}).await.unwrap();
    assert_eq!(report.marked.len(), 130);
    pair.middle.inbox.handle_all().await.unwrap();
    for sub in &subs {
        assert_eq!(pair.ours(sub).await.unwrap().status, state::Status::Active);
    }
    let report = reconcile.compare_all(Mode::Heal, &mut |_| {}).await.unwrap();
    assert_eq!((report.seen, report.differing, report.resumed), (130, 0, false));
    // One is changed, one is ended, and one of ours is not there.
    pair.changes(&subs[0], |item| SubscriptionChange {
        items: vec![ItemChange::price(item, "price_starter")],
        ..SubscriptionChange::default()
    });
    pair.stripe(|stripe| stripe.cancel_subscription(&subs[1], Default::default()).unwrap());
    let report = reconcile.compare_all(Mode::Heal, &mut |_| {}).await.unwrap();
    assert_eq!(report.kinds, [("plan", 1), ("status", 1)].into());
    let drift = |kind| pair.middle.inbox.metrics.stripe.drifted_so_far(kind);
    assert_eq!((drift("new"), drift("plan"), drift("status")), (130, 1, 1));
    pair.middle.inbox.handle_all().await.unwrap();
    let report = reconcile.compare_all(Mode::Heal, &mut |_| {}).await.unwrap();
    assert_eq!(report.differing, 0);
}

#[tokio::test]
async fn a_comparison_that_was_cut_off_goes_on_where_it_was() {
    let pair = Pair::new().await;
    pair.middle.put_account("ann", "team").await;
    for _ in 0..230 {
        pair.buys("price_builder", 1, &[("account", "ann")]);
    }
    let reconcile = pair.reconcile();
    let mut found = |found| {
        if matches!(found, crate::reconcile::full::Found::Seen(100)) {
            pair.fail(down(), 1);
        }
    };
    assert!(reconcile.compare_all(Mode::Heal, &mut found).await.is_err());
    let report = reconcile.compare_all(Mode::Heal, &mut |_| {}).await.unwrap();
    assert_eq!((report.seen, report.resumed), (130, true));
    assert_eq!(pair.marks().await.len(), 230);
    let report = reconcile.compare_all(Mode::DryRun, &mut |_| {}).await.unwrap();
    assert_eq!((report.seen, report.resumed), (230, false));
}

#[tokio::test]
async fn a_subscription_that_only_we_know_is_alerted() {
    let mut pair = Pair::new().await;
    pair.middle.put_account("ann", "team").await;
    let told = super::created(json!({ "account": "ann" }));
    pair.fail(down(), 1_000);
    pair.middle.tell(&told).await;
    pair.middle.inbox.handle_all().await.unwrap();
    pair.fail(down(), 0);
    let lives = pair.ours("sub_1").await.unwrap();
    assert_eq!(lives.status, state::Status::Active);
    pair.deliver().await;
    let report = pair.reconcile().compare_all(Mode::Heal, &mut |_| {}).await.unwrap();
    assert_eq!(report.kinds, [("missing", 1)].into());
    pair.middle.inbox.handle_all().await.unwrap();
    assert_eq!(pair.alerts("stripe_missing"), 1);
    assert_eq!(pair.ours("sub_1").await.unwrap().status, state::Status::Active);
}
