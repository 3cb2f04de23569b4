use super::*;
use crate::inbox::tests::fake::FakeStore;
use crate::stripe::envelope::receive;
use chrono::DateTime;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

/// A keeper whose commits the test holds up.
struct Door {
    store: Arc<FakeStore>,
    keeper: EventKeeper,
    metrics: Arc<Metrics>,
    inbox: Arc<Notify>,
    stop: CancellationToken,
}

impl Door {
    fn new() -> (Self, KeeperWorker) {
        let store = Arc::new(FakeStore::default());
        let (metrics, inbox) = (Arc::new(Metrics::new("sqlite")), Arc::new(Notify::new()));
        let shared = Arc::clone(&store) as Arc<dyn Store>;
        let (keeper, worker) = EventKeeper::new(shared, Arc::clone(&metrics), Arc::clone(&inbox));
        (Self { store, keeper, metrics, inbox, stop: CancellationToken::new() }, worker)
    }

    fn alerted(&self, code: &'static str) -> u64 {
        self.metrics.alerted(code)
    }
}

fn event(id: &str) -> NewEvent {
    body(&format!(r#"{{"id":"{id}","type":"invoice.paid","livemode":false}}"#))
}

fn body(body: &str) -> NewEvent {
    receive(body.as_bytes(), DateTime::UNIX_EPOCH, false)
}

/// Lets a future begin, up to where it waits.
async fn begin<T>(mut future: Pin<&mut (impl Future<Output = T> + ?Sized)>) {
    poll_fn(|context| {
        assert!(future.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
}

type Keeping<'a> = Pin<Box<dyn Future<Output = Result<bool, KeepError>> + 'a>>;

/// Keeps events all at once: they are queued in order before the worker sees them.
async fn begin_all(keeper: &EventKeeper, events: Vec<NewEvent>) -> Vec<Keeping<'_>> {
    let mut keeping: Vec<Keeping<'_>> = Vec::new();
    for event in events {
        let mut future: Keeping<'_> = Box::pin(keeper.keep(event));
        begin(future.as_mut()).await;
        keeping.push(future);
    }
    keeping
}

/// The outcomes of keeping events, with the worker running until all of them are there.
async fn outcomes(
    door: &Door, worker: KeeperWorker, events: Vec<NewEvent>,
) -> Vec<Result<bool, KeepError>> {
    let keeping = begin_all(&door.keeper, events).await;
    let all = async {
        let mut outcomes = Vec::new();
        for future in keeping {
            outcomes.push(future.await);
        }
        door.stop.cancel();
        outcomes
    };
    tokio::join!(all, worker.run(door.stop.clone())).0
}

#[tokio::test]
async fn what_waits_is_committed_together_and_each_learns_whether_it_is_new() {
    let (door, worker) = Door::new();
    let events = vec![event("evt_1"), event("evt_2"), event("evt_1")];
    assert_eq!(outcomes(&door, worker, events).await, [Ok(true), Ok(true), Ok(false)]);
    assert_eq!(door.store.known().batches, [3]);
    door.inbox.notified().await;
}

#[tokio::test]
async fn nothing_is_answered_before_its_commit() {
    let (door, worker) = Door::new();
    let syncing = door.store.commits.lock().await;
    let mut running = pin!(worker.run(door.stop.clone()));
    let mut first = pin!(door.keeper.keep(event("evt_1")));
    begin(first.as_mut()).await;
    begin(running.as_mut()).await;
    // The first batch is being synced; what comes meanwhile forms the next.
    let mut next = begin_all(&door.keeper, vec![event("evt_2"), event("evt_3")]).await;
    begin(running.as_mut()).await;
    begin(first.as_mut()).await;
    drop(syncing);
    let all = async {
        assert_eq!(first.await, Ok(true));
        for future in next.drain(..) {
            assert_eq!(future.await, Ok(true));
        }
        door.stop.cancel();
    };
    tokio::join!(all, running);
    assert_eq!(door.store.known().batches, [1, 2]);
}

#[tokio::test]
async fn an_event_that_the_database_refuses_does_not_sink_its_batch() {
    let (door, worker) = Door::new();
    door.store.known().refused = Some(String::from("evt_2"));
    let events = vec![event("evt_1"), event("evt_2"), event("evt_3")];
    let refused = Err(KeepError::Unavailable);
    assert_eq!(outcomes(&door, worker, events).await, [Ok(true), refused, Ok(true)]);
}

#[tokio::test]
async fn a_lost_race_or_unknown_outcome_is_tried_again_and_a_dead_database_is_not() {
    let (door, worker) = Door::new();
    door.store.known().keep_faults.extend([StoreError::OutcomeUnknown, StoreError::Conflict]);
    assert_eq!(outcomes(&door, worker, vec![event("evt_1")]).await, [Ok(true)]);

    let (door, worker) = Door::new();
    let fault = StoreError::Unavailable(String::from("as told"));
    door.store.known().keep_faults.push_back(fault);
    let unavailable = Err(KeepError::Unavailable);
    let events = vec![event("evt_1"), event("evt_2")];
    assert_eq!(outcomes(&door, worker, events).await, [unavailable, unavailable]);
    assert_eq!(door.store.known().batches, [2]);
}

#[tokio::test]
async fn too_many_events_or_bytes_are_refused_at_once() {
    let (door, _worker) = Door::new();
    let events = (0..QUEUE_EVENTS).map(|n| event(&format!("evt_{n}"))).collect();
    let waiting = begin_all(&door.keeper, events).await;
    assert_eq!(door.keeper.keep(event("evt_last")).await, Err(KeepError::Overloaded));
    drop(waiting);

    let (door, _worker) = Door::new();
    let half = || NewEvent { body: vec![b' '; QUEUE_BYTES / 2], ..event("evt_big") };
    let waiting = begin_all(&door.keeper, vec![half(), half()]).await;
    assert_eq!(door.keeper.keep(event("evt_last")).await, Err(KeepError::Overloaded));
    drop(waiting);
}

#[tokio::test]
async fn room_is_given_back_after_a_commit() {
    let (door, worker) = Door::new();
    let whole = NewEvent { body: vec![b' '; QUEUE_BYTES], ..event("evt_big") };
    assert_eq!(outcomes(&door, worker, vec![whole]).await, [Ok(true)]);
    assert_eq!(door.keeper.room.available_permits(), QUEUE_BYTES);
}

#[tokio::test]
async fn what_was_taken_in_before_the_stop_is_kept_and_nothing_after_it() {
    let (door, worker) = Door::new();
    let keeping = begin_all(&door.keeper, vec![event("evt_1")]).await;
    door.stop.cancel();
    worker.run(door.stop.clone()).await;
    for future in keeping {
        assert_eq!(future.await, Ok(true));
    }
    assert_eq!(door.keeper.keep(event("evt_2")).await, Err(KeepError::Stopping));
}

#[tokio::test]
async fn what_has_no_use_is_kept_and_alerted_once() {
    let (door, worker) = Door::new();
    let other_mode = r#"{"id":"evt_2","type":"invoice.paid","livemode":true}"#;
    let kinds = [r#"{"id":"evt_1","type":"a.b.c"}"#, other_mode, "junk"];
    let events = kinds.iter().chain(&kinds).map(|text| body(text)).collect();
    let answers = outcomes(&door, worker, events).await;
    assert_eq!(answers, [Ok(true), Ok(true), Ok(true), Ok(false), Ok(false), Ok(false)]);
    let codes = ["event_type_unknown", "event_other_mode", "event_unreadable"];
    assert_eq!(codes.map(|code| door.alerted(code)), [1; 3]);
}
