//! A ledger that is long already.

use super::ACCOUNTS;
use super::books::{Books, Have};
use super::report::Round;
use super::rows::name;
use super::served::{Ask, Setup};
use super::spread::Spread;
use super::stage::Stage;
use chrono::TimeDelta;
use creditd::clock;
use creditd::settings::Engine;

/// Connections that send batches.
const BATCHING: usize = 4;

/// A daemon on fresh books, and one on books with many entries.
pub(super) struct Ground {
    fresh: Setup,
    long: Setup,
}

/// Measures debits on either.
pub(super) async fn measure(stage: &mut Stage, engine: Engine, round: &mut Round) {
    let (entries, key) = (stage.sizes.entries, engine.as_str());
    if !stage.ledgers.contains_key(key) {
        let (server, home) = (stage.server(engine), &stage.home);
        let have = Have::Seat(clock::wall() - TimeDelta::days(3));
        let accounts = usize::try_from(ACCOUNTS).unwrap();
        let fresh = Books::make(server, home, "ledger_fresh", accounts, have).await;
        let long = Books::make(server, home, "ledger_long", accounts, have).await;
        long.fill_ledger(accounts, entries).await;
        let fresh = Setup::make(&fresh, home, &format!("ledger-fresh-{key}")).await;
        let long = Setup::make(&long, home, &format!("ledger-long-{key}")).await;
        stage.ledgers.insert(key, Ground { fresh, long });
    }
    let ground = &stage.ledgers[key];
    if let Some(server) = stage.server(engine) {
        server.settle().await;
    }
    for (what, setup) in [("ledger-fresh", &ground.fresh), ("ledger-long", &ground.long)] {
        let daemon = setup.start().await;
        let ask = Ask::Batch(Spread::Even(ACCOUNTS));
        let load = daemon.ask(&ask, BATCHING, stage.span, None).await;
        round.insert(name(engine, what), load.per_second());
        daemon.stop().await;
    }
}
