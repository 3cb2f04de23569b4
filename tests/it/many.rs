//! Several daemons on one PostgreSQL database: one truth, whatever happens to any of them, to the
//! server or to the way between.

mod at_once;
mod boundaries;
mod clocks;
mod frozen;
mod killed;
mod senders;
mod servers;
mod silence;
mod wire;
mod wires;

use crate::daemon::{Daemon, Setup};
use crate::engine::{Books, cluster, migrated};
use creditd::client::Response;
use creditd_test_cluster::Database;
use futures_util::future::join_all;
use serde_json::Value;

/// Where the test clock stands.
const NOW: &str = "2026-03-01T10:00:00Z";

/// Daemons on one database, which outlives them.
struct Crew {
    daemons: Vec<Daemon>,
    database: Option<Database<'static>>,
}

impl Crew {
    /// So many daemons on a database of the tests' server.
    async fn of(count: usize) -> Self {
        let database = cluster().copy(migrated());
        let mut crew = Self::on(&database.url, &vec![Setup::default(); count]).await;
        crew.database = Some(database);
        crew
    }

    /// Daemons on a database that somebody else keeps, whose first one sets the clock.
    async fn on(url: &str, setups: &[Setup]) -> Self {
        let mut crew = Self { daemons: Vec::new(), database: None };
        for setup in setups {
            crew.joins(url, setup.clone()).await;
        }
        if !setups[0].system_clock {
            crew.daemons[0].clock(NOW).await;
            let now = crew.daemons[0].now;
            crew.daemons.iter_mut().for_each(|daemon| daemon.now = now);
        }
        crew
    }

    /// One more daemon.
    async fn joins(&mut self, url: &str, setup: Setup) {
        let mut daemon = Daemon::prepare_on(Books::at(url.to_owned()), setup);
        daemon.count_from(u32::try_from(self.daemons.len()).unwrap() * 100_000);
        daemon.run().await;
        self.daemons.push(daemon);
    }

    /// The first one, where it does not matter which.
    fn any(&self) -> &Daemon {
        &self.daemons[0]
    }

    /// Sends `count` requests at once through all of them in turn; their answers, in order.
    async fn at_once(
        &self, count: usize, request: impl Fn(usize) -> (String, String, Value),
    ) -> Vec<Response> {
        let one = |number: usize| {
            let client = self.daemons[number % self.daemons.len()].client();
            let (path, key, body) = request(number);
            async move { client.post(&path, &key, &body).await.unwrap() }
        };
        join_all((0..count).map(one)).await
    }
}

/// How many of the answers have this status.
fn count(answers: &[Response], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status.as_u16() == status).count()
}
