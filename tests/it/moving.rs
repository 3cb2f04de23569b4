//! From SQLite to PostgreSQL: everything is the same afterwards, and whatever goes wrong, no half
//! of it is ever used.

mod cut_off;
mod refused;

use crate::daemon::calls::{accepted, word};
use crate::daemon::stripe::{Subscription, event};
use crate::daemon::{Daemon, Setup};
use crate::engine::{Books, Engine, cluster, migrated};
use creditd::store::{EventState, MailState, PageQuery, StoredEvent, StoredMail};
use serde_json::{Value, json};

const NOW: &str = "2026-03-01T10:00:00Z";

/// A daemon on SQLite with a past, stopped.
async fn with_a_past() -> Daemon {
    // Nobody listens there, so that mails stay queued.
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let retry = vec!["\"3s\""; 50].join(", ");
    let mail = format!("smtp_url = \"smtp://127.0.0.1:{port}?tls=none\"\nretry = [{retry}]\n");
    let mut daemon = Daemon::with(Engine::Sqlite, NOW, Setup { mail, ..Setup::default() }).await;
    a_past(&mut daemon).await;
    daemon
}

/// Lets a daemon live through something of everything.
pub(crate) async fn a_past(daemon: &mut Daemon) {
    daemon.team("atelier", &["ann", "bob", "cid"]).await;
    daemon.person("dan").await;
    daemon.buys_many("atelier", "ann", &[("price_builder", 2)]).await;
    daemon.assigns("atelier", "bob").await;
    daemon.chats("ann", 7).await;
    daemon.chats("bob", 3).await;
    let seat = daemon.seat_of("atelier", "bob").await;
    let to = json!({ "to": "cid" });
    daemon.post(&format!("/v1/seats/{seat}/transfer"), to).await;
    daemon.chats("cid", 1).await;
    daemon.spends("visual_edit", "bob", 2).await;
    let code = json!({ "code": "SPRING", "kind": "message", "amount": "10", "limit": 2,
        "ends_at": "2026-06-01T00:00:00Z", "grant_expires_at": "2026-07-01T00:00:00Z" });
    daemon.post("/v1/promo-codes", code).await;
    daemon.post("/v1/accounts/dan/redeem", json!({ "code": "SPRING" })).await;
    let post = json!({ "network": "x", "post_url": "https://x.com/dan/1", "followers": 300 });
    daemon.post("/v1/accounts/dan/rewards", post).await;
    daemon.grants("bob", "0.7", Some("2026-04-01T00:00:00Z")).await;
    accepted("the last integration credit", daemon.app_calls("dan", 25).await);
    let strange = Subscription::new("sub_x", "later", "eve", "price_starter", NOW);
    let told = event("evt_waits", "customer.subscription.created", &strange.0, daemon.now);
    assert_eq!(daemon.event(&told).await.event.state, EventState::Waiting);
    daemon.clock("2026-04-02T10:00:00Z").await;
    daemon.chats("ann", 1).await;
}

/// What the interface says of everything.
async fn shown(daemon: &Daemon) -> Vec<(String, Value)> {
    let mut paths = vec!["/v1/accounts", "/v1/promo-codes", "/v1/rewards"]
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    for account in ["ann", "bob", "cid", "dan"] {
        paths.push(format!("/v1/accounts/{account}"));
        for part in ["balance", "schedule?count=24", "ledger?limit=1000", "grants"] {
            paths.push(format!("/v1/accounts/{account}/{part}"));
        }
    }
    for seat in daemon.seats("atelier").await {
        paths.push(format!("/v1/seats/{}/ledger?limit=1000", word(&seat["id"])));
    }
    for path in ["/v1/workspaces/atelier", "/v1/workspaces/atelier/seats", "/v1/apps/dan-app"] {
        paths.push(path.to_owned());
    }
    paths.push("/v1/customers/cus_atelier".to_owned());
    let mut shown = Vec::new();
    for path in paths {
        let said = daemon.get(&path).await;
        shown.push((path, said));
    }
    shown
}

/// What waits inside.
async fn kept(daemon: &Daemon) -> (Vec<StoredEvent>, Vec<StoredMail>) {
    let (store, page) = (daemon.store().await, PageQuery { limit: 100, cursor: None });
    (store.events(None, &page).await.unwrap().rows, store.mails(None, &page).await.unwrap().rows)
}

#[tokio::test]
async fn a_story_goes_on_after_a_move() {
    let mut daemon = with_a_past().await;
    let chat = json!({ "action": "chat", "account": "dan" });
    let first = accepted("chat", daemon.client().post("/v1/usage", "k", &chat).await.unwrap());
    let before = shown(&daemon).await;
    daemon.stop();
    let (events, mails) = kept(&daemon).await;
    assert_eq!((mails.len(), mails[0].state), (1, MailState::Queued));

    let (file, database) = (daemon.path("creditd.db"), cluster().database());
    let bytes = std::fs::read(&file).unwrap();
    let said = daemon.done(&["move", "--to", &database.url, "--dry-run"]);
    assert!(said.contains("Nothing was moved"), "{said}");
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(database.sql(tables), "0\n", "a look makes nothing");
    let said = daemon.done(&["move", "--to", &database.url]);
    for expected in [
        "workspaces         2",
        "ledger lines",
        "Pots hold 20,513 credits, and the ledger adds up to 20,513.",
        "The books add up on both sides",
        &format!("url = \"{}\"", database.url),
    ] {
        assert!(said.contains(expected), "{expected} is not in {said}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), bytes, "the source is as it was");

    daemon.rebase(Books::on(database, ""));
    assert_eq!(kept(&daemon).await, (events, mails.clone()));
    daemon.reconfigure(Setup::default());
    daemon.run().await;
    for ((path, before), (_, after)) in before.iter().zip(&shown(&daemon).await) {
        assert_eq!(before, after, "{path}");
    }
    let again = accepted("chat", daemon.client().post("/v1/usage", "k", &chat).await.unwrap());
    assert_eq!((&again["id"], &again["replayed"]), (&first["id"], &json!(true)));
    assert!(daemon.mails(1).await[0].contains(&format!("Message-ID: <{}@", mails[0].id)));

    // What waited goes on: the customer becomes known.
    daemon.person("eve").await;
    daemon.put("/v1/customers/cus_later", json!({ "workspace": "eve" })).await;
    assert_eq!(daemon.dealt_with_at_last("evt_waits").await, EventState::Done);
    daemon.chats("ann", 2).await;
    daemon.post("/v1/accounts/bob/redeem", json!({ "code": "SPRING" })).await;
    let used_up = json!({ "code": "SPRING" });
    daemon.refuses("/v1/accounts/cid/redeem", used_up, 409, "code_used_up").await;
    let lines = daemon.ledger("ann").await;
    let seqs: Vec<u64> = lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert!(seqs.is_sorted_by(|a, b| a < b), "{seqs:?}");
    daemon.clock("2026-06-01T10:00:00Z").await;
    assert_eq!(daemon.standing("ann").await, "builder: 0 used, 250 left");
}

/// A copy of the tests' empty database, to move into.
fn empty() -> creditd_test_cluster::Database<'static> {
    cluster().copy(migrated())
}
