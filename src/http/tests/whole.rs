//! The doors over the real writer and the real store: what only holds together.

use super::*;
use crate::clock;
use crate::store::{OpenOptions, Store, open};
use crate::writer::{Ground, Limits as WriterLimits, Wakes, Writer};
use futures_util::future::join_all;
use std::num::NonZeroUsize;
use tokio_util::sync::CancellationToken;

/// Runs `story` on doors over a new database.
async fn on_sqlite(story: impl AsyncFnOnce(World)) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/creditd.db", directory.path().display());
    let options =
        OpenOptions { migrate: true, create: true, clock: clock::Mode::System, checkpoint: true };
    let store: Arc<dyn Store> = open(&url, &options).await.unwrap();
    let mut world = World::new().await;
    let known = world.fake.kept().keys.values().next().unwrap().clone();
    store.add_api_key(&known).await.unwrap();
    let catalogue = Live::new(catalogue());
    let metrics = world.metrics.clone();
    let wakes = Arc::new(Wakes::default());
    let ground = Ground { store: store.clone(), catalogue: catalogue.clone(), metrics, wakes };
    let (writer, lanes) = Writer::new(&ground, WriterLimits::default(), NonZeroUsize::MIN);
    world.router = api_router(Api {
        store,
        writer: Arc::new(writer),
        catalogue,
        metrics: world.metrics.clone(),
        webhooks: None,
        test_clock: None,
        inbox: Arc::default(),
        limits: Limits::default(),
    });
    let stop = CancellationToken::new();
    let story = async {
        story(world).await;
        stop.cancel();
    };
    let lanes = join_all(lanes.into_iter().map(|lane| lane.run(stop.clone())));
    tokio::join!(lanes, story);
}

/// How many answers have this status.
fn count(answers: &[Got], status: u16) -> usize {
    answers.iter().filter(|got| got.status.as_u16() == status).count()
}

#[tokio::test]
async fn r3_what_is_there_is_spent_once_however_many_ask() {
    on_sqlite(async |world| {
        world.must("PUT", "/v1/accounts/ann", json!({})).await;
        world.must("PUT", "/v1/apps/shop", json!({ "owner": "ann" })).await;
        let body = json!({ "action": "integration_call", "app": "shop" });
        let all = (0..40).map(|_| world.call("POST", "/v1/usage", body.clone()));
        let answers = join_all(all).await;
        assert_eq!((count(&answers, 200), count(&answers, 402)), (25, 15));
        let balance = world.get("/v1/accounts/ann/balance").await.body;
        assert_eq!(balance["integration"]["remaining"], "0");
        let ledger = world.get("/v1/accounts/ann/ledger?limit=1000").await.body;
        assert_eq!(ledger["data"].as_array().unwrap().len(), 26);
    })
    .await;
}

#[tokio::test]
async fn r17_the_same_key_at_once_debits_once() {
    on_sqlite(async |world| {
        world.must("PUT", "/v1/accounts/ann", json!({})).await;
        let body = json!({ "action": "chat", "account": "ann" });
        let all = (0..20).map(|_| world.keyed("k", "POST", "/v1/usage", body.clone()));
        let answers = join_all(all).await;
        assert_eq!(count(&answers, 200), 20);
        let first = answers.iter().filter(|got| got.body["replayed"] == false).count();
        assert_eq!(first, 1);
        assert!(answers.iter().all(|got| got.body["id"] == answers[0].body["id"]));
    })
    .await;
}

#[tokio::test]
async fn r15_a_code_is_redeemed_once_however_often_it_is_asked_for_at_once() {
    on_sqlite(async |world| {
        let body = json!({ "code": "SPRING", "kind": "message", "amount": "10", "limit": 3,
            "ends_at": "2999-01-01T00:00:00Z" });
        world.must("POST", "/v1/promo-codes", body).await;
        let people = ["a", "b", "c", "d", "e"];
        for id in people {
            world.must("PUT", &format!("/v1/accounts/{id}"), json!({})).await;
        }
        let body = json!({ "code": "SPRING" });
        let all = people.iter().flat_map(|id| std::iter::repeat_n(id, 4)).map(|id| {
            let (world, body) = (&world, body.clone());
            async move { world.call("POST", &format!("/v1/accounts/{id}/redeem"), body).await }
        });
        let answers = join_all(all).await;
        assert_eq!((count(&answers, 200), count(&answers, 409)), (3, 17));
        let codes = world.get("/v1/promo-codes").await.body;
        assert_eq!(codes["data"][0]["redeemed"], 3);
        let mut held = 0;
        for id in people {
            let grants = world.get(&format!("/v1/accounts/{id}/grants")).await.body;
            held += grants["data"].as_array().unwrap().len();
        }
        assert_eq!(held, 3);
    })
    .await;
}

#[tokio::test]
async fn a_list_is_read_page_by_page_and_a_strange_cursor_is_refused() {
    on_sqlite(async |world| {
        for id in ["a", "b", "c"] {
            world.must("PUT", &format!("/v1/accounts/{id}"), json!({ "workspace": "w" })).await;
            let body = json!({ "kind": "message", "amount": "1", "reason": "x" });
            world.must("POST", "/v1/accounts/a/grants", body).await;
        }
        for (path, rows) in [("/v1/accounts?workspace=w", 3), ("/v1/accounts/a/grants?", 3)] {
            let first = world.get(&format!("{path}&limit=2")).await.body;
            assert_eq!(first["data"].as_array().unwrap().len(), 2, "{path}");
            let cursor = first["next_cursor"].as_str().unwrap();
            let last = world.get(&format!("{path}&limit=2&cursor={cursor}")).await.body;
            assert_eq!(last["data"].as_array().unwrap().len(), rows - 2, "{path}");
            assert_eq!(last["next_cursor"], Value::Null);
        }
        let got = world.get("/v1/accounts/a/grants?cursor=strange").await;
        assert_eq!((got.status.as_u16(), got.code()), (400, "invalid_request"));
        assert_eq!(got.body["errors"][0]["pointer"], "?cursor");
        for status in ["", "?status=ended", "?status=active"] {
            let seats = world.get(&format!("/v1/workspaces/w/seats{status}")).await.body;
            assert_eq!(seats, json!({ "data": [], "next_cursor": null }));
        }
        let unset = world.get("/v1/test-clock").await;
        assert_eq!((unset.status.as_u16(), unset.code()), (404, "not_found"));
        let hook = world.raw("POST", "/webhooks/stripe", "{}").await;
        assert_eq!((hook.status.as_u16(), hook.code()), (503, "webhooks_not_configured"));
    })
    .await;
}
