//! The inbox on the real ground: SQLite, the writer and the rules.

use super::*;
use crate::clock::Mode;
use crate::live::Live;
use crate::settings::Settings;
use crate::store::{LedgerQuery, OpenOptions, PageQuery, open};
use crate::writer::{Ground, Limits, Wakes, Writer};
use creditd_rules::state::SeatStatus;
use creditd_rules::{Cause, Instant as CreditInstant};
use std::num::NonZeroUsize;
use tempfile::TempDir;

const PLANS: &str = r#"
[[plans]]
id = "free"
class = "free"
rank = 0
message = [{ per = "day", credits = "5" }]
integration = [{ per = "day", credits = "25" }]
[[plans]]
id = "starter"
class = "paid"
rank = 1
prices = ["price_starter"]
message = [{ per = "month", credits = "100" }]
integration = [{ per = "month", credits = "2000" }]
[[plans]]
id = "builder"
class = "paid"
rank = 2
prices = ["price_builder", "builder_yearly"]
message = [{ per = "month", credits = "250" }]
integration = [{ per = "month", credits = "10000" }]
"#;

/// A daemon's middle without its doors.
pub(super) struct Middle {
    pub(super) inbox: Inbox,
    stop: CancellationToken,
    _dir: TempDir,
}

impl Middle {
    pub(super) async fn at(now: CreditInstant) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("creditd.toml");
        std::fs::write(&file, PLANS).unwrap();
        let settings = Settings::load(Some(&file), [], None).unwrap();
        let options =
            OpenOptions { migrate: true, create: true, clock: Mode::Test, checkpoint: true };
        let url = format!("sqlite://{}/creditd.db", dir.path().display());
        let store = open(&url, &options).await.unwrap();
        store.set_test_clock(now).await.unwrap().unwrap();
        let metrics = Arc::new(Metrics::new("sqlite"));
        let ground = Ground {
            store: Arc::clone(&store),
            catalogue: Live::new(settings.catalogue.clone()),
            metrics: Arc::clone(&metrics),
            wakes: Arc::new(Wakes::default()),
        };
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let writer =
            Writer::spawned(&ground, Limits::default(), NonZeroUsize::MIN, &tracker, &stop);
        let prices = settings.prices.clone();
        let plan_of = move |price: &PriceRef<'_>| {
            prices.plan_for(price.id, price.lookup_key, price.product).cloned()
        };
        let (wake, tempo) = (Arc::default(), Tempo { pause: Duration::ZERO, ..Tempo::default() });
        let prices: Arc<Prices> = Arc::new(plan_of);
        let (writer, stripe) = (Arc::new(writer), None);
        let inbox = Inbox { store, writer, prices, stripe, metrics, wake, tracker, tempo };
        Self { inbox, stop, _dir: dir }
    }

    pub(super) async fn put_account(&self, id: &str, workspace: &str) {
        self.inbox.store.claim_account(&id.into(), &workspace.into()).await.unwrap();
        let (email, name, locale) = (None, None, None);
        let command =
            Command::PutAccount { id: id.into(), email, name, locale, grant: "gr".into() };
        let (home, cause) = (Home::Account(id.into()), Cause::default());
        let request = Request { home, command, cause, key: None };
        let reply = self.inbox.writer.submit(request).await.unwrap();
        assert!(matches!(reply, Reply::Done { .. }), "{reply:?}");
    }

    pub(super) async fn tell(&self, event: &Value) -> EventState {
        let body = event.to_string();
        let event = receive(body.as_bytes(), at(CREATED), false);
        let id = event.id.clone();
        self.inbox.store.keep_events(&[event]).await.unwrap();
        self.drain().await;
        self.inbox.store.event(&id).await.unwrap().unwrap().event.state
    }

    pub(super) async fn drain(&self) {
        let (mut held, stop) = (HashMap::new(), CancellationToken::new());
        while let Round::Worked = self.inbox.round(&mut held, &stop).await {}
    }

    /// The seats of a workspace with one status: the plan and the holder of each.
    pub(super) async fn seats(
        &self, workspace: &str, status: SeatStatus,
    ) -> Vec<(String, Option<String>)> {
        let page = PageQuery { limit: 100, cursor: None };
        let seats = self.inbox.store.seats(&workspace.into(), Some(status), &page).await.unwrap();
        let rows = seats.rows.into_iter();
        rows.map(|seat| (seat.plan.to_string(), seat.holder.map(|id| id.to_string()))).collect()
    }

    pub(super) async fn entries(&self, workspace: &str) -> usize {
        let query = LedgerQuery { limit: 1_000, ..LedgerQuery::default() };
        self.inbox.store.ledger(&workspace.into(), &query).await.unwrap().len()
    }
}

impl Drop for Middle {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn builder(holder: Option<&str>) -> (String, Option<String>) {
    (String::from("builder"), holder.map(String::from))
}

fn told(id: &str, kind: &str, created: i64, quantity: u32) -> Value {
    let mut object = subscription(json!({ "account": "ann" }));
    object["items"]["data"][0]["quantity"] = json!(quantity);
    object["status"] = json!(if kind == "deleted" { "canceled" } else { "active" });
    let mut event = event(id, &format!("customer.subscription.{kind}"), object);
    event["created"] = json!(created);
    event
}

#[tokio::test]
async fn a_purchase_waits_for_its_buyer_and_then_seats_them() {
    let middle = Middle::at(at(CREATED + 60)).await;
    let bought = told("evt_1", "created", CREATED, 2);
    assert_eq!(middle.tell(&bought).await, EventState::Waiting);
    middle.put_account("ann", "team").await;
    assert_eq!(middle.inbox.store.release_events("account:ann").await.unwrap(), 1);
    middle.drain().await;
    let mut seats = middle.seats("team", SeatStatus::Active).await;
    seats.sort();
    assert_eq!(seats, [builder(None), builder(Some("ann"))]);
}

#[tokio::test]
async fn r6_an_event_that_is_applied_twice_writes_its_entries_once() {
    let middle = Middle::at(at(CREATED + 60)).await;
    middle.put_account("ann", "team").await;
    assert_eq!(middle.tell(&told("evt_1", "created", CREATED, 1)).await, EventState::Done);
    let entries = middle.entries("team").await;
    assert_eq!(entries, 2);
    // The process ended after applying it and before marking it.
    middle.inbox.store.mark_event("evt_1", EventState::Pending, None, None).await.unwrap();
    middle.drain().await;
    assert_eq!(middle.entries("team").await, entries);
    assert_eq!(middle.seats("team", SeatStatus::Active).await, [builder(Some("ann"))]);
}

#[tokio::test]
async fn r11_in_any_order_and_however_often_what_ended_stays_ended() {
    let events = [
        told("evt_1", "created", CREATED, 1),
        told("evt_2", "updated", CREATED, 2),
        told("evt_3", "deleted", CREATED, 2),
    ];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let middle = Middle::at(at(CREATED + 60)).await;
        middle.put_account("ann", "team").await;
        for (nth, which) in order.into_iter().chain(order).enumerate() {
            let mut event = events[which].clone();
            event["id"] = json!(format!("evt_{nth}"));
            assert_eq!(middle.tell(&event).await, EventState::Done);
        }
        assert_eq!(middle.seats("team", SeatStatus::Active).await, [], "{order:?}");
    }
}

#[tokio::test]
async fn r12_at_one_second_an_update_is_later_than_the_creation() {
    for order in [["created", "updated"], ["updated", "created"]] {
        let middle = Middle::at(at(CREATED + 60)).await;
        middle.put_account("ann", "team").await;
        for kind in order {
            let quantity = if kind == "updated" { 3 } else { 1 };
            middle.tell(&told(kind, kind, CREATED, quantity)).await;
        }
        assert_eq!(middle.seats("team", SeatStatus::Active).await.len(), 3, "{order:?}");
    }
}

#[tokio::test]
async fn every_shape_of_subscription_is_applied() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/stripe");
    // A day after most of the fixtures' subscriptions began; one of them is still ahead.
    const NOW: i64 = 1_769_950_923;
    let middle = Middle::at(at(NOW)).await;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().replace(['.', '-'], "_");
        let mut object: Value =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let (buyer, team) = (format!("buyer_{name}"), format!("team_{name}"));
        middle.put_account(&buyer, &team).await;
        object["id"] = json!(format!("sub_{name}"));
        object["customer"] = json!(format!("cus_{name}"));
        object["metadata"] = json!({ "account": buyer });
        let ahead = object["start_date"].as_i64().is_some_and(|start| start > NOW);
        let wanted = match object["status"].as_str().unwrap() {
            "active" | "trialing" | "past_due" if !ahead => SeatStatus::Active,
            _ => SeatStatus::Suspended,
        };
        let mut event = event(&format!("evt_{name}"), "customer.subscription.updated", object);
        event["created"] = json!(NOW);
        assert_eq!(middle.tell(&event).await, EventState::Done, "{name}");
        let seats = middle.seats(&team, wanted).await;
        assert!(seats.contains(&builder(Some(&buyer))), "{name}: {seats:?}");
    }
}
