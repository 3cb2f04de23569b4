//! Lists: pages, cursors and filters.

use crate::daemon::Daemon;
use crate::daemon::calls::refused;
use crate::engine::{Engine, on_each_engine};
use serde_json::{Value, json};

on_each_engine! {
    pages_follow_each_other_without_gap_or_repetition
    a_ledger_is_filtered_by_kind_and_time
    lines_that_fall_due_between_two_pages_move_nothing
    wrong_limits_and_cursors_are_named
}

const NOW: &str = "2026-03-01T10:00:00Z";

/// All rows of a list, in pages of `limit`.
async fn paged(daemon: &Daemon, path: &str, limit: usize) -> Vec<Value> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let mark = if path.contains('?') { '&' } else { '?' };
        let mut page = daemon.get(&format!("{path}{mark}limit={limit}{cursor}")).await;
        let found = page["data"].as_array().unwrap().len();
        assert!(found <= limit);
        assert!(page["next_cursor"].is_null() || found == limit, "only the last one is short");
        rows.append(page["data"].as_array_mut().unwrap());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return rows,
        }
    }
}

async fn pages_follow_each_other_without_gap_or_repetition(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    let names: Vec<String> = (0..7).map(|number| format!("p{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    daemon.team("team", &names).await;
    daemon.buys_many("team", "p0", &[("price_starter", 7)]).await;
    for number in 0..7 {
        daemon.chats("p0", 1).await;
        daemon.grants("p0", "1", None).await;
        let code = json!({
            "code": format!("C{number}"), "kind": "message", "amount": "1", "limit": 1,
            "ends_at": "2027-01-01T00:00:00Z",
        });
        daemon.post("/v1/promo-codes", code).await;
        let claim = json!({
            "network": "x", "post_url": format!("https://x.com/p/status/{number}"),
            "followers": 900,
        });
        daemon.post(&format!("/v1/accounts/p{number}/rewards"), claim).await;
    }
    for path in [
        "/v1/accounts",
        "/v1/accounts?workspace=team",
        "/v1/accounts/p0/ledger",
        "/v1/accounts/p0/grants",
        "/v1/workspaces/team/seats",
        "/v1/promo-codes",
        "/v1/rewards?status=claimed",
    ] {
        let all = paged(&daemon, path, 1_000).await;
        assert!(all.len() >= 7, "{path}: {}", all.len());
        for limit in [1, 3, 7] {
            assert_eq!(paged(&daemon, path, limit).await, all, "{path} by {limit}");
        }
    }
}

async fn a_ledger_is_filtered_by_kind_and_time(engine: Engine) {
    let mut daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    daemon.buys("ann", "ann", "price_starter").await;
    for day in ["02", "03", "04"] {
        daemon.clock(&format!("2026-03-{day}T00:00:00Z")).await;
        daemon.chats("ann", 1).await;
        daemon.app_calls("ann", 1).await;
    }
    let count = async |query: &str| {
        let rows = daemon.pages(&format!("/v1/accounts/ann/ledger?{query}")).await;
        rows.len()
    };
    assert_eq!(count("kind=message").await, 4);
    assert_eq!(count("from=2026-03-03T00:00:00Z").await, 4, "from that instant on");
    assert_eq!(count("to=2026-03-03T00:00:00Z").await, 4, "before that instant");
    let both = "kind=integration&from=2026-03-03T00:00:00Z&to=2026-03-03T00:00:00.000001Z";
    assert_eq!(count(both).await, 1);
    for query in ["kind=gold", "from=yesterday", "colour=red", "kind=message&kind=message"] {
        let answer = daemon.client().get(&format!("/v1/accounts/ann/ledger?{query}")).await;
        refused(query, answer.unwrap(), 400, "invalid_request");
    }
}

async fn lines_that_fall_due_between_two_pages_move_nothing(engine: Engine) {
    let mut daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    daemon.chats("ann", 3).await;
    daemon.clock("2026-03-05T00:00:00Z").await;
    // The end of the free window is due, and stays so until the next command.
    let first = daemon.get("/v1/accounts/ann/ledger?limit=1").await;
    assert_eq!(first["data"][0]["posted_at"], Value::Null);
    daemon.chats("ann", 1).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = daemon.get(&format!("/v1/accounts/ann/ledger?cursor={cursor}")).await;
    let reasons: Vec<_> =
        rest["data"].as_array().unwrap().iter().map(|line| line["reason"].clone()).collect();
    assert_eq!(reasons, ["use", "allowance"]);
}

async fn wrong_limits_and_cursors_are_named(engine: Engine) {
    let daemon = Daemon::start(engine, NOW).await;
    daemon.person("ann").await;
    for (query, pointer) in [
        ("limit=0", "?limit"),
        ("limit=1001", "?limit"),
        ("limit=ten", "?limit"),
        ("limit=1.5", "?limit"),
    ] {
        for path in ["/v1/accounts", "/v1/accounts/ann/ledger", "/v1/rewards", "/v1/plans"] {
            let answer = daemon.client().get(&format!("{path}?{query}")).await.unwrap();
            let problem = refused(path, answer, 400, "invalid_request");
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{path}?{query}");
        }
    }
    for path in ["/v1/accounts/ann/ledger", "/v1/accounts/ann/grants"] {
        let answer = daemon.client().get(&format!("{path}?cursor=nonsense")).await.unwrap();
        let problem = refused(path, answer, 400, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], "?cursor", "{path}");
    }
}
