//! More than can be carried, slow senders, and ends in the middle of the work.

use crate::daemon::calls::word;
use crate::daemon::{Daemon, Setup};
use crate::engine::{Engine, on_each_engine};
use creditd::client::{Client, Response};
use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

on_each_engine! {
    on threads:
    what_the_writer_cannot_take_is_refused_at_once_and_the_rest_is_done
    senders_that_are_slow_hold_up_nobody
    a_daemon_that_was_stopped_by_a_signal_goes_on_where_it_was
    a_stop_in_mid_traffic_loses_nothing_that_was_acknowledged
    a_kill_in_mid_traffic_loses_nothing_that_was_acknowledged
}

const NOW: &str = "2026-03-01T10:00:00Z";

async fn rich(engine: Engine, settings: &str) -> Daemon {
    let setup = Setup { settings: settings.to_owned(), ..Setup::default() };
    let daemon = Daemon::with(engine, NOW, setup).await;
    daemon.person("ann").await;
    daemon.grants("ann", "1000000", None).await;
    daemon
}

/// A chat under this key.
async fn chat(client: &Client, key: &str) -> Option<Response> {
    let body = json!({ "action": "chat", "account": "ann" });
    client.post("/v1/usage", key, &body).await.ok()
}

async fn what_the_writer_cannot_take_is_refused_at_once_and_the_rest_is_done(engine: Engine) {
    let daemon = rich(engine, "[writer]\nqueue = 4").await;
    // The writer waits for somebody else's transaction, and the queue fills up behind it.
    let held = engine.hold(daemon.database()).await;
    let refused = (AtomicUsize::new(0), Notify::new());
    let one = async |number: usize| {
        let answer = chat(daemon.client(), &format!("k{number}")).await.unwrap();
        if answer.status.as_u16() != 200 {
            assert_eq!((answer.status.as_u16(), answer.text("/code")), (503, "overloaded"));
            refused.0.fetch_add(1, Ordering::Relaxed);
            refused.1.notify_one();
        }
        answer.status.as_u16()
    };
    let release = async {
        while refused.0.load(Ordering::Relaxed) < 25 {
            refused.1.notified().await;
        }
        held.let_go().await;
    };
    let (answers, ()) = tokio::join!(join_all((0..40).map(one)), release);
    let done = answers.iter().filter(|status| **status == 200).count();
    assert_eq!(done + refused.0.load(Ordering::Relaxed), 40);
    assert!((4..=15).contains(&done), "{done} were done");
    assert_eq!(daemon.spendable("ann").await, (1_000_005 - done).to_string());
}

async fn senders_that_are_slow_hold_up_nobody(engine: Engine) {
    let daemon = rich(engine, "").await;
    let mut slow = Vec::new();
    for part in ["", "POST", "POST /v1/usage HTTP/1.1\r\nhost: x\r\nx-half"] {
        for _ in 0..100 {
            let mut stream = TcpStream::connect(daemon.api()).await.unwrap();
            stream.write_all(part.as_bytes()).await.unwrap();
            slow.push(stream);
        }
    }
    daemon.chats("ann", 1).await;
    assert_eq!(daemon.ops().get("/readyz").await.unwrap().status.as_u16(), 200);
    // Stopping does not wait for them either; the daemon's end of each is closed.
    let mut daemon = daemon;
    daemon.stop();
    for mut stream in slow {
        let mut rest = Vec::new();
        // Closed in order or reset, both will do.
        stream.read_to_end(&mut rest).await.ok();
    }
    daemon.run().await;
}

async fn a_daemon_that_was_stopped_by_a_signal_goes_on_where_it_was(engine: Engine) {
    let daemon = rich(engine, "").await;
    daemon.signal(Signal::STOP);
    let asked = daemon.at_once(50, "/v1/usage", |number| {
        (format!("k{number}"), json!({ "action": "chat", "account": "ann" }))
    });
    let (answers, ()) = tokio::join!(asked, async { daemon.signal(Signal::CONT) });
    assert!(answers.iter().all(|answer| answer.status.as_u16() == 200));
    assert_eq!(daemon.spendable("ann").await, "999955");
}

/// Ends a daemon in the middle of the work of 200 senders and looks whether all that it said it did
/// was done, once.
async fn end_in_mid_traffic(engine: Engine, end: impl FnOnce(&mut Daemon)) {
    let mut daemon = rich(engine, "").await;
    let (done, enough) = (AtomicUsize::new(0), Notify::new());
    let client = daemon.client().clone();
    let sender = async |sender: usize| {
        let mut acknowledged = Vec::new();
        let mut asked = 0;
        loop {
            let key = format!("s{sender}-{asked}");
            asked += 1;
            match chat(&client, &key).await {
                Some(answer) if answer.status.as_u16() == 200 => {
                    acknowledged.push((key, word(&answer.body["id"])));
                    if done.fetch_add(1, Ordering::Relaxed) == 2_000 {
                        enough.notify_one();
                    }
                }
                Some(answer) => {
                    assert_eq!(answer.status.as_u16(), 503, "{}", answer.body);
                    return (asked, acknowledged);
                }
                None => return (asked, acknowledged),
            }
        }
    };
    let ending = async {
        enough.notified().await;
        // A stop waits for the daemon, which waits for answers to be taken.
        tokio::task::block_in_place(|| end(&mut daemon));
    };
    let (sent, ()) = tokio::join!(join_all((0..200).map(sender)), ending);
    daemon.run().await;
    let asked: usize = sent.iter().map(|(asked, _)| asked).sum();
    let acknowledged: Vec<_> = sent.into_iter().flat_map(|(_, keys)| keys).collect();
    let left: usize = daemon.spendable("ann").await.parse().unwrap();
    let taken = 1_000_005 - left;
    assert!((acknowledged.len()..=asked).contains(&taken), "{taken} of {asked}");
    for (key, id) in acknowledged.iter().rev().take(300) {
        let answer = chat(daemon.client(), key).await.unwrap();
        assert_eq!((answer.text("/id"), &answer.body["replayed"]), (&**id, &json!(true)));
    }
}

async fn a_stop_in_mid_traffic_loses_nothing_that_was_acknowledged(engine: Engine) {
    end_in_mid_traffic(engine, Daemon::stop).await;
}

async fn a_kill_in_mid_traffic_loses_nothing_that_was_acknowledged(engine: Engine) {
    end_in_mid_traffic(engine, Daemon::kill).await;
}
