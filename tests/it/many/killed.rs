//! Daemons and servers that are killed: what was acknowledged is there, and nothing twice.

use super::Crew;
use super::senders::{Enough, clients, persistent, rich, until_lost};
use crate::daemon::Setup;
use creditd_test_cluster::{Cluster, Durability, Version};
use tokio::join;

/// Daemons on a server of their own that keeps its promises.
async fn crew_on(server: &Cluster, daemons: usize) -> Crew {
    let url = server.database().keep();
    let crew = Crew::on(&url, &vec![Setup::default(); daemons]).await;
    rich(crew.any()).await;
    crew
}

#[tokio::test]
async fn a_daemon_that_is_killed_among_others_loses_nothing_and_stops_nobody() {
    let mut crew = Crew::of(2).await;
    rich(crew.any()).await;
    let clients = clients(&crew);
    let enough = Enough::default();
    let (lost, kept) = (&clients[1..], &clients[..1]);
    let victim = &mut crew.daemons[1];
    let (mut known, others, ()) = join!(
        until_lost(lost, 100, "a", &enough),
        persistent(kept, 100, 15, "b", &enough),
        async {
            enough.wait_for(1_000).await;
            victim.kill();
        }
    );
    assert_eq!(known.open.len(), 100, "each was in the middle of one");
    known.repeat(crew.any()).await;
    known.acknowledged.extend(others.acknowledged);
    known.is_all_there_is(crew.any()).await;
    crew.daemons[1].run().await;
    known.is_all_there_is(&crew.daemons[1]).await;
}

#[tokio::test]
async fn kill_9_of_daemons_and_of_postgresql_under_200_writers_loses_nothing() {
    let server = Cluster::start(Version::V18, Durability::Full);
    let mut crew = crew_on(&server, 2).await;
    let mut all = super::senders::Known::default();
    for round in 0..2 {
        let clients = clients(&crew);
        let enough = Enough::default();
        let name = format!("{round}");
        let [first, second] = &mut crew.daemons[..] else { panic!("there are two") };
        let (mut known, ()) = join!(until_lost(&clients, 200, &name, &enough), async {
            enough.wait_for(1_500).await;
            // At the same moment, or nearly so, and in both orders.
            if round == 0 {
                first.kill();
                server.crash();
            } else {
                server.crash();
                first.kill();
            }
        });
        assert_eq!(known.open.len(), 200, "each was in the middle of one");
        second.kill();
        server.run();
        for daemon in &mut crew.daemons {
            daemon.run().await;
        }
        known.repeat(&crew.daemons[1]).await;
        all.acknowledged.extend(known.acknowledged);
        all.is_all_there_is(crew.any()).await;
        crew.any().done(&["verify"]);
    }
}
