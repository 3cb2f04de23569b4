//! Many accounts that do nothing: what they cost in memory, and what they cost the others.

use super::books::{Books, Have};
use super::report::Round;
use super::rows::name;
use super::served::{Ask, Setup};
use super::spread::Spread;
use super::stage::Stage;
use creditd::settings::Engine;
use std::time::Duration;

/// Accounts of the smaller books.
const FEW: usize = 100_000;
/// Connections that send batches.
const BATCHING: usize = 4;
/// How long a daemon is left alone before its memory is looked at.
const LEFT_ALONE: Duration = Duration::from_secs(2);

/// A daemon on books with few accounts, and one on books with many.
pub(super) struct Ground {
    few: Setup,
    many: Setup,
}

/// Measures memory at rest, and debits on all accounts of either.
pub(super) async fn measure(stage: &mut Stage, engine: Engine, round: &mut Round) {
    let (resting, key) = (stage.sizes.resting, engine.as_str());
    if !stage.resting.contains_key(key) {
        let (server, home) = (stage.server(engine), &stage.home);
        let few = Books::make(server, home, "rest_few", FEW, Have::Nothing).await;
        let many = Books::make(server, home, "rest_many", resting, Have::Nothing).await;
        let few = Setup::make(&few, home, &format!("rest-few-{key}")).await;
        let many = Setup::make(&many, home, &format!("rest-many-{key}")).await;
        stage.resting.insert(key, Ground { few, many });
    }
    let ground = &stage.resting[key];
    if let Some(server) = stage.server(engine) {
        server.settle().await;
    }
    for (what, setup, accounts) in
        [("rest-few", &ground.few, FEW), ("rest-many", &ground.many, resting)]
    {
        let daemon = setup.start().await;
        tokio::time::sleep(LEFT_ALONE).await;
        if what == "rest-many" {
            round.insert(name(engine, "rest-resident"), daemon.resident_mib());
        }
        let ask = Ask::Batch(Spread::Even(u64::try_from(accounts).unwrap()));
        let load = daemon.ask(&ask, BATCHING, stage.span, None).await;
        round.insert(name(engine, what), load.per_second());
        daemon.stop().await;
    }
}
