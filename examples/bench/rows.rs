//! What can be measured, by the name by which it is asked for.

use super::report::Round;
use super::served::Ask;
use super::spread::Spread;
use super::stage::{Stage, Standing};
use super::{ACCOUNTS, pgbench::Script};
use creditd::settings::Engine;
use std::time::Duration;

/// Names of the engines in the names of figures.
pub(super) const POSTGRES: &str = "postgres";
/// See [`POSTGRES`].
pub(super) const SQLITE: &str = "sqlite";

/// Connections that ask one thing after the other.
const CONNECTIONS: usize = 64;
/// Connections that send batches.
const BATCHING: usize = 4;
/// Connections at twice the load: more than the daemon takes requests at a time.
const CROWD: usize = 6_000;

/// A row of the design's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(super) enum Row {
    /// Debits through the writer, in this process.
    Writer,
    /// Debits over HTTP, one a request, and their waits at half that load.
    Http,
    /// Debits over HTTP, 1,000 a request.
    Batch,
    /// Debits over HTTP, all on one account.
    Hot,
    /// Many seats that are due at one instant, while debits on them go on.
    Boundary,
    /// Webhooks.
    Webhooks,
    /// Repetitions of requests under their keys.
    Replays,
    /// Debits that are not covered.
    Refusals,
    /// Debits of which most are on a few accounts.
    Zipf,
    /// Twice as many debits as can be done.
    Overload,
    /// Memory and speed with many accounts that do nothing.
    Rest,
    /// Speed with a long ledger.
    Ledger,
    /// Start to ready.
    Start,
    /// One debit, nothing else going on.
    Alone,
}

impl Row {
    /// The rows whose figures of the same round this one is compared with.
    pub(super) const fn needs(self) -> &'static [Self] {
        match self {
            Self::Replays | Self::Refusals | Self::Zipf | Self::Overload => &[Self::Http],
            Self::Writer | Self::Http | Self::Batch | Self::Hot | Self::Boundary => &[],
            Self::Webhooks | Self::Rest | Self::Ledger | Self::Start | Self::Alone => &[],
        }
    }

    /// Measures the references that this row is compared with, unless the round has them.
    pub(super) async fn references(self, stage: &mut Stage, round: &mut Round) {
        let scripts: &[(&str, Script)] = match self {
            Self::Writer | Self::Http => &[("a", Script::Two), ("a1", Script::One)],
            Self::Batch => &[("a", Script::Two)],
            Self::Hot => &[("b", Script::Hot)],
            Self::Webhooks => &[("c", Script::Event)],
            Self::Boundary | Self::Replays | Self::Refusals | Self::Zipf | Self::Overload => &[],
            Self::Rest | Self::Ledger | Self::Start | Self::Alone => &[],
        };
        let span = stage.span;
        for (name, script) in scripts {
            if !round.contains_key(*name)
                && let Some(reference) = stage.reference().await
            {
                let rate = reference.rate(*script, span).await;
                round.insert((*name).to_owned(), rate);
            }
        }
        if self == Self::Alone
            && let Some(reference) = stage.reference().await
        {
            round.insert("lone".to_owned(), reference.lone_ms(span).await);
        }
        let beside_hand = matches!(self, Self::Writer | Self::Http | Self::Batch);
        if beside_hand && !round.contains_key("hand") && stage.has(Engine::Sqlite) {
            let rate = stage.by_hand().await.run(CONNECTIONS, span).await;
            round.insert("hand".to_owned(), rate);
        }
    }

    /// Measures it on one engine.
    pub(super) async fn measure(self, stage: &mut Stage, engine: Engine, round: &mut Round) {
        if self == Self::Boundary {
            super::boundary::measure(stage, engine, round).await;
        } else if self == Self::Rest {
            super::at_rest::measure(stage, engine, round).await;
        } else if self == Self::Ledger {
            super::ledger::measure(stage, engine, round).await;
        } else {
            self.on_standing(stage, engine, round).await;
        }
    }

    /// Measures what needs no books of its own.
    async fn on_standing(self, stage: &mut Stage, engine: Engine, round: &mut Round) {
        let (span, peak) = (stage.span, round.get(&name(engine, "http")).copied());
        let standing = stage.standing(engine).await;
        let mut put = |what: &str, value: f64| {
            round.insert(name(engine, what), value);
        };
        let even = Spread::Even(ACCOUNTS);
        match self {
            Self::Writer => {
                let many: &[usize] = match engine {
                    Engine::Sqlite => &[64, 1_000],
                    Engine::Postgres => &[64, 1_000, 3_000],
                };
                for at_once in many {
                    let load = standing.in_process.debits(&even, *at_once, span).await;
                    put(&format!("writer-{at_once}"), load.per_second());
                }
            }
            Self::Http => {
                let rate = asked(standing, Ask::One(even.clone()), span).await;
                put("http", rate);
                let pace = Some(rate / 2.0);
                let one = Ask::One(even);
                let mut half = standing.daemon().ask(&one, CONNECTIONS, span, pace).await;
                put("http-p99", half.quantile_ms(99));
            }
            Self::Batch => {
                let ask = Ask::Batch(even);
                let mut load = standing.daemon().ask(&ask, BATCHING, span, None).await;
                put("batch", load.per_second());
                put("batch-p99", load.quantile_ms(99));
            }
            Self::Hot => put("hot", asked(standing, Ask::One(Spread::One), span).await),
            Self::Webhooks => put("webhooks", asked(standing, Ask::Webhook, span).await),
            Self::Replays => put("replays", asked(standing, Ask::Again, span).await),
            Self::Refusals => put("refusals", asked(standing, Ask::TooMuch(even), span).await),
            Self::Zipf => {
                let zipf = Spread::zipf(usize::try_from(ACCOUNTS).unwrap());
                put("zipf", asked(standing, Ask::One(zipf), span).await);
            }
            Self::Overload => {
                let pace = peak.map(|peak| peak * 2.0);
                let ask = Ask::One(even);
                let mut load = standing.daemon().ask(&ask, CROWD, span, pace).await;
                put("overload", load.per_second());
                put("overload-refused", load.refused_per_second());
                put("overload-p99", load.quantile_ms(99));
            }
            Self::Start => {
                let clean = standing.restart(false).await;
                put("start", clean);
                asked_batches(standing, span).await;
                put("start-killed", standing.restart(true).await);
            }
            Self::Alone => {
                let mut load = standing.in_process.debits(&even, 1, span).await;
                put("alone", load.quantile_ms(50));
                let mut load = standing.daemon().ask(&Ask::One(even), 1, span, None).await;
                put("alone-http", load.quantile_ms(50));
            }
            Self::Boundary | Self::Rest | Self::Ledger => {}
        }
    }
}

/// How often a second it is done by many connections.
async fn asked(standing: &Standing, ask: Ask, span: Duration) -> f64 {
    standing.daemon().ask(&ask, CONNECTIONS, span, None).await.per_second()
}

/// Debits in batches, as fast as they go.
async fn asked_batches(standing: &Standing, span: Duration) {
    standing.daemon().ask(&Ask::Batch(Spread::Even(ACCOUNTS)), BATCHING, span, None).await;
}

/// The name of a figure of ours.
pub(super) fn name(engine: Engine, what: &str) -> String {
    let engine = match engine {
        Engine::Sqlite => SQLITE,
        Engine::Postgres => POSTGRES,
    };
    format!("{engine}/{what}")
}
