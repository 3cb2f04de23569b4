use super::*;
use crate::store::NewEvent;
use crate::stripe::envelope::receive;
use crate::stripe::snapshot::PriceRef;
use crate::writer::{Reply, Request};
use chrono::{DateTime, Utc};
use creditd_rules::command::{ItemPlan, Snapshot, Source};
use creditd_rules::id::PlanId;
use creditd_rules::{Command, Rejection};
use fake::{FakeStore, FakeWriter};
use serde_json::{Value, json};
use std::sync::Mutex;

pub(crate) mod fake;
mod asked;
mod ground;
mod linking;
mod working;

const CREATED: i64 = 1_790_000_000;

/// An inbox over a fake store and a fake writer.
struct Scene {
    store: Arc<FakeStore>,
    writer: Arc<FakeWriter>,
    inbox: Inbox,
    held: Mutex<HashMap<String, Instant>>,
}

impl Scene {
    fn new() -> Self {
        let store = Arc::new(FakeStore::default());
        let writer = FakeWriter::new(&store);
        let pause = Duration::ZERO;
        let inbox = Inbox {
            store: Arc::clone(&store) as Arc<dyn Store>,
            writer: Arc::clone(&writer) as Arc<dyn Submit>,
            prices: Arc::new(|price: &PriceRef<'_>| match price.id {
                "price_panics" => panic!("as told"),
                id => id.strip_prefix("price_").map(PlanId::from),
            }),
            stripe: None,
            metrics: Arc::new(Metrics::new("sqlite")),
            wake: Arc::new(Notify::new()),
            tracker: TaskTracker::new(),
            tempo: Tempo { pause, pause_max: pause, poll: Duration::from_secs(60), tries: 5 },
        };
        Self { store, writer, inbox, held: Mutex::default() }
    }

    /// A team with a member, as their PUT makes them.
    fn with(self, account: &str, workspace: &str) -> Self {
        self.store.put_account(account, workspace);
        self
    }

    fn with_customer(self, customer: &str, workspace: &str) -> Self {
        self.store.known().customers.insert(customer.into(), workspace.into());
        self
    }

    async fn keep(&self, event: &Value) {
        let event = receive(event.to_string().as_bytes(), at(CREATED), false);
        assert_eq!(self.store.keep_events(&[event]).await.unwrap(), [true]);
    }

    async fn round(&self) -> Round {
        let mut held = std::mem::take(&mut *self.held.lock().unwrap());
        let round = self.inbox.round(&mut held, &CancellationToken::new()).await;
        *self.held.lock().unwrap() = held;
        round
    }

    /// Handles all that can be handled.
    async fn drain(&self) {
        while let Round::Worked = self.round().await {}
    }

    /// Keeps an event, drains, and says what became of it: its state and what it waits for.
    async fn tell(&self, event: Value) -> (EventState, Option<String>) {
        self.keep(&event).await;
        self.drain().await;
        self.state(event["id"].as_str().unwrap())
    }

    fn state(&self, id: &str) -> (EventState, Option<String>) {
        let stored = self.store.stored(id);
        (stored.event.state, stored.waits_for)
    }

    /// The workspace that a customer is linked to.
    fn linked(&self, customer: &str) -> Option<String> {
        self.store.known().customers.get(customer).map(|workspace| workspace.to_string())
    }

    fn applied(&self) -> Vec<Request> {
        std::mem::take(&mut *self.writer.applied.lock().unwrap())
    }

    /// The one snapshot that was applied, and where.
    #[track_caller]
    fn observed(&self) -> (Home, Snapshot) {
        match &self.applied()[..] {
            [Request { home, command: Command::Observe(snapshot), .. }] => {
                (home.clone(), snapshot.clone())
            }
            other => panic!("{other:?}"),
        }
    }

    fn alerts(&self, code: &'static str) -> u64 {
        self.inbox.metrics.alerted(code)
    }
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

pub(crate) fn event(id: &str, kind: &str, object: Value) -> Value {
    json!({ "id": id, "object": "event", "type": kind, "created": CREATED, "livemode": false,
        "data": { "object": object } })
}

pub(crate) fn subscription(metadata: Value) -> Value {
    json!({ "id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "active",
        "created": CREATED, "metadata": metadata,
        "items": { "data": [{ "id": "si_1", "price": { "id": "price_builder" }, "quantity": 2 }] } })
}

fn created(metadata: Value) -> Value {
    event("evt_1", "customer.subscription.created", subscription(metadata))
}

fn checkout(id: &str, reference: Option<&str>, metadata: Value) -> Value {
    let session = json!({ "object": "checkout.session", "customer": "cus_1", "subscription": "sub_1",
        "client_reference_id": reference, "metadata": metadata });
    event(id, "checkout.session.completed", session)
}

fn home(workspace: &str) -> Home {
    Home::Workspace(workspace.into())
}

fn waiting(on: &str) -> (EventState, Option<String>) {
    (EventState::Waiting, Some(on.to_owned()))
}

const DONE: (EventState, Option<String>) = (EventState::Done, None);
const PARKED: (EventState, Option<String>) = (EventState::Parked, None);

#[tokio::test]
async fn a_snapshot_is_observed_with_the_event_as_its_cause() {
    let scene = Scene::new().with("ann", "team").with_customer("cus_1", "team");
    assert_eq!(scene.tell(created(json!({ "account": "ann" }))).await, DONE);
    let [request] = &scene.applied()[..] else { panic!() };
    let Command::Observe(snapshot) = &request.command else { panic!("{request:?}") };
    assert_eq!(request.home, home("team"));
    assert_eq!(request.cause.by.as_deref(), Some("evt_1"));
    assert_eq!(request.cause.at, Some(at(CREATED)));
    assert_eq!(snapshot.buyer, Some("ann".into()));
    assert_eq!((snapshot.created, snapshot.source), (at(CREATED), Source::Event { rank: 0 }));
    assert_eq!(snapshot.items[0].plan, ItemPlan::Plan("builder".into()));
}

#[tokio::test]
async fn the_rank_of_a_second_is_that_of_the_type() {
    for (kind, rank) in [("created", 0), ("updated", 1), ("paused", 1), ("deleted", 2)] {
        let scene = Scene::new().with_customer("cus_1", "team");
        let kind = format!("customer.subscription.{kind}");
        scene.tell(event("evt_1", &kind, subscription(Value::Null))).await;
        assert_eq!(scene.observed().1.source, Source::Event { rank }, "{kind}");
    }
}

#[tokio::test]
async fn r11_a_deleted_customer_ends_its_subscriptions_wherever_they_are() {
    let scene = Scene::new().with_customer("cus_1", "new_team");
    scene.store.known().subscriptions.insert("sub_1".into(), "team".into());
    let customer = json!({ "id": "cus_1", "subscriptions": { "data": [{ "id": "sub_1" }] } });
    assert_eq!(scene.tell(event("evt_1", "customer.deleted", customer)).await, DONE);
    let ended: Vec<_> = scene
        .applied()
        .into_iter()
        .map(|request| {
            assert_eq!(request.command, Command::EndCustomer { customer: "cus_1".into() });
            request.home
        })
        .collect();
    assert_eq!(ended, [home("new_team"), home("team")]);
    let unknown = json!({ "id": "cus_2", "deleted": true });
    let told = scene.tell(event("evt_2", "customer.deleted", unknown)).await;
    assert_eq!(told, waiting("customer:cus_2"));
}

#[tokio::test]
async fn r10_a_schedule_announces_once_its_subscription_is_known() {
    let scene = Scene::new().with_customer("cus_1", "team");
    let schedule = json!({ "subscription": "sub_1", "customer": "cus_1", "status": "active",
        "current_phase": { "start_date": CREATED },
        "phases": [{ "start_date": CREATED, "items": [{ "price": "price_builder" }] },
            { "start_date": CREATED + 60, "items": [{ "price": "price_starter", "quantity": 3 }] }] });
    let told = scene.tell(event("evt_2", "subscription_schedule.updated", schedule)).await;
    assert_eq!(told, waiting("subscription:sub_1"));
    assert_eq!(scene.tell(created(json!({}))).await, DONE);
    assert_eq!(scene.state("evt_2"), DONE);
    let [_, Request { home: place, command: Command::Announce { subscription, change }, .. }] =
        &scene.applied()[..]
    else {
        panic!()
    };
    assert_eq!((place, subscription.as_str()), (&home("team"), "sub_1"));
    let (from, items) = change.as_ref().unwrap();
    assert_eq!(*from, at(CREATED + 60));
    assert_eq!((&items[0].plan, items[0].quantity), (&ItemPlan::Plan("starter".into()), 3));
}

#[tokio::test]
async fn money_and_catalogue_events_change_nothing() {
    let scene = Scene::new();
    for (id, kind) in
        [("evt_1", "invoice.paid"), ("evt_2", "price.updated"), ("evt_3", "charge.refunded")]
    {
        assert_eq!(scene.tell(event(id, kind, json!({ "amount": 1 }))).await, DONE);
    }
    assert!(scene.applied().is_empty());
    assert_eq!(scene.alerts("refund"), 1);
}

#[tokio::test]
async fn what_only_asking_stripe_can_tell_waits_for_a_key() {
    let scene = Scene::new().with_customer("cus_1", "team");
    let thin = json!({ "id": "evt_1", "object": "v2.core.event", "created": "2026-10-01T12:00:00Z",
        "type": "v1.customer.subscription.updated", "related_object": { "id": "sub_1" } });
    assert_eq!(scene.tell(thin).await, waiting("api_key"));
    let mut cut = subscription(json!({}));
    cut["items"]["has_more"] = json!(true);
    assert_eq!(
        scene.tell(event("evt_2", "customer.subscription.updated", cut)).await,
        waiting("api_key")
    );
    assert!(scene.applied().is_empty());
    assert_eq!(scene.alerts("api_key_needed"), 2);
}

#[tokio::test]
async fn what_cannot_be_read_or_is_refused_by_the_rules_is_parked_at_once() {
    let scene = Scene::new().with_customer("cus_1", "team");
    let told =
        scene.tell(event("evt_1", "customer.subscription.updated", json!({ "id": 7 }))).await;
    assert_eq!(told, PARKED);
    assert_eq!(scene.alerts("event_unreadable"), 1);
    let rejection = Rejection::Invalid { field: "items", detail: "are too many" };
    scene.writer.answer_next([Ok(Reply::Rejected(rejection))]);
    let told =
        scene.tell(event("evt_2", "customer.subscription.updated", subscription(json!({})))).await;
    assert_eq!(told, PARKED);
    assert_eq!(scene.alerts("event_refused"), 1);
    let note = scene.store.stored("evt_2").event.note.unwrap();
    assert_eq!(note, "invalid_request: items are too many");
}

#[tokio::test]
async fn a_stale_snapshot_is_done_and_says_so() {
    let scene = Scene::new().with_customer("cus_1", "team");
    let body = br#"{"applied":false}"#.to_vec();
    scene.writer.answer_next([Ok(Reply::Done { body, replayed: false })]);
    assert_eq!(scene.tell(created(json!({}))).await, DONE);
    assert!(scene.store.stored("evt_1").event.note.unwrap().contains("later"));
}
