//! Order, failures and pauses of the worker.

use super::*;

#[tokio::test]
async fn a_poisoned_event_is_parked_after_its_tries_and_holds_up_nobody() {
    let scene = Scene::new().with_customer("cus_1", "team");
    let mut poisoned = subscription(json!({}));
    poisoned["items"]["data"][0]["price"]["id"] = json!("price_panics");
    scene.keep(&event("evt_bad", "customer.subscription.updated", poisoned)).await;
    scene.keep(&created(json!({}))).await;
    assert!(matches!(scene.round().await, Round::Worked));
    assert_eq!(scene.state("evt_1"), DONE);
    assert_eq!(scene.state("evt_bad"), (EventState::Pending, None));
    scene.drain().await;
    assert_eq!(scene.state("evt_bad"), PARKED);
    assert_eq!(scene.store.stored("evt_bad").attempts, 5);
    assert_eq!(scene.alerts("event_failed"), 1);
}

#[tokio::test]
async fn an_event_that_the_database_refuses_is_parked_after_its_tries() {
    let scene = Scene::new().with_customer("cus_1", "team");
    scene.writer.answer_next((0..5).map(|_| Err(SubmitError::Refused(String::from("as told")))));
    assert_eq!(scene.tell(created(json!({}))).await, PARKED);
    assert_eq!(scene.store.stored("evt_1").attempts, 5);
    assert!(scene.applied().is_empty());
}

#[tokio::test]
async fn an_event_that_failed_is_held_back_for_its_pause() {
    let mut scene = Scene::new().with_customer("cus_1", "team");
    scene.inbox.tempo.pause = Duration::from_secs(3_600);
    scene.inbox.tempo.pause_max = Duration::from_secs(3_600);
    scene.writer.answer_next([Err(SubmitError::Refused(String::from("as told")))]);
    scene.keep(&created(json!({}))).await;
    assert!(matches!(scene.round().await, Round::Worked));
    assert!(matches!(scene.round().await, Round::Idle(Some(_))));
    assert_eq!(scene.store.stored("evt_1").attempts, 1);
}

#[tokio::test]
async fn nothing_is_counted_against_events_while_nothing_can_be_applied() {
    let scene = Scene::new().with_customer("cus_1", "team");
    scene.keep(&created(json!({}))).await;
    let faults = [SubmitError::Unavailable, SubmitError::Overloaded, SubmitError::OutcomeUnknown];
    for fault in faults {
        scene.writer.answer_next([Err(fault)]);
        assert!(matches!(scene.round().await, Round::Paused));
    }
    scene.store.known().inbox_faults.push_back(StoreError::Unavailable(String::from("as told")));
    assert!(matches!(scene.round().await, Round::Paused));
    assert_eq!(scene.store.stored("evt_1").attempts, 0);
    scene.writer.answer_next([Err(SubmitError::Stopping)]);
    assert!(matches!(scene.round().await, Round::Stopping));
    scene.drain().await;
    assert_eq!(scene.state("evt_1"), DONE);
}

#[tokio::test]
async fn events_of_one_customer_are_applied_in_order() {
    let scene = Scene::new().with_customer("cus_1", "team");
    let ids: Vec<String> = (0..300).map(|n| format!("evt_{n}")).collect();
    for (id, seconds) in ids.iter().zip(CREATED..) {
        let mut event = event(id, "customer.subscription.updated", subscription(json!({})));
        event["created"] = json!(seconds);
        scene.keep(&event).await;
    }
    scene.drain().await;
    let applied: Vec<_> =
        scene.applied().into_iter().filter_map(|request| request.cause.by).collect();
    assert_eq!(applied, ids);
}

#[tokio::test]
async fn of_one_second_only_the_last_event_about_a_subscription_is_applied() {
    let scene = Scene::new().with_customer("cus_1", "team");
    scene.keep(&created(json!({}))).await;
    scene.keep(&event("evt_2", "customer.subscription.updated", subscription(json!({})))).await;
    scene.drain().await;
    let applied = scene.applied();
    let applied: Vec<_> =
        applied.iter().filter_map(|request| request.cause.by.as_deref()).collect();
    assert_eq!(applied, ["evt_2"]);
    assert_eq!((scene.state("evt_1"), scene.state("evt_2")), (DONE, DONE));
}

#[test]
fn all_that_belongs_to_a_customer_shares_its_lane() {
    let of = |event: &Value| -> NewEvent { receive(event.to_string().as_bytes(), at(0), false) };
    let lane = |event: &Value| apply::lane(&of(event), usize::MAX);
    let customer = json!({ "id": "cus_1", "object": "customer" });
    let expected = lane(&created(json!({})));
    assert_eq!(lane(&checkout("evt_2", None, json!({}))), expected);
    assert_eq!(lane(&event("evt_3", "customer.deleted", customer)), expected);
    assert_ne!(lane(&event("evt_4", "price.updated", json!({ "id": "price_1" }))), expected);
}

#[test]
fn pauses_double_up_to_the_longest() {
    let tempo = Tempo::default();
    let seconds = |failures| tempo.pause_after(failures).as_secs_f64();
    assert_eq!([1, 2, 3, 4].map(seconds), [0.2, 0.4, 0.8, 1.6]);
    assert_eq!([9, 100, u32::MAX].map(seconds), [30.0; 3]);
}

#[tokio::test]
async fn the_worker_is_woken_and_ends_when_told() {
    let scene = Scene::new().with_customer("cus_1", "team");
    let stop = CancellationToken::new();
    let worker = scene.inbox.tracker.spawn(run(scene.inbox.clone(), stop.clone()));
    scene.keep(&created(json!({}))).await;
    scene.inbox.wake.notify_one();
    scene.store.marked.notified().await;
    assert_eq!(scene.state("evt_1"), DONE);
    stop.cancel();
    worker.await.unwrap();
}
