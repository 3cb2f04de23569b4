//! The process is killed in the middle of traffic: what was acknowledged is there, and nothing is
//! there twice.

use crate::daemon::Daemon;
use crate::daemon::calls::accepted;
use crate::engine::{Engine, on_each_engine};
use crate::writers::{Known, Writers, kept, people};
use std::collections::BTreeSet;

on_each_engine! {
    kill_9_under_200_writers_loses_nothing
}

const WRITERS: usize = 200;
/// Debits that must be acknowledged before the kill.
const ENOUGH: usize = 1_000;

async fn kill_9_under_200_writers_loses_nothing(engine: Engine) {
    let mut daemon = Daemon::start(engine, "2026-03-01T10:00:00Z").await;
    people(&daemon).await;
    daemon.buys("p0", "p0", "price_starter").await;
    let mut acknowledged = BTreeSet::new();
    for round in 0..2 {
        let known = cut_off(&mut daemon, round).await;
        daemon.run().await;
        let mut again = BTreeSet::new();
        for (key, body) in &known.open {
            let answer = daemon.client().post("/v1/usage", key, body).await.unwrap();
            let answer = accepted(key, answer);
            assert!(again.insert(answer["id"].as_str().unwrap().to_owned()));
        }
        assert!(again.is_disjoint(&known.acknowledged));
        acknowledged.extend(known.acknowledged);
        acknowledged.extend(again);
        let (debits, spent) = kept(&daemon).await;
        assert_eq!(debits, acknowledged, "all that was acknowledged, and nothing else");
        assert_eq!(spent, acknowledged.len(), "each of them once");
        daemon.done(&["verify"]);
    }
}

/// Lets 200 writers debit, and kills the daemon in their midst.
async fn cut_off(daemon: &mut Daemon, round: usize) -> Known {
    let writers = Writers::start(daemon, &round.to_string(), WRITERS);
    writers.until(ENOUGH).await;
    daemon.kill();
    let known = writers.meet_the_end().await;
    assert_eq!(known.open.len(), WRITERS, "each was in the middle of one");
    known
}
