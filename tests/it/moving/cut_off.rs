//! A move that is cut off is made again, and what it left is not used.

use super::{empty, shown, with_a_past};
use crate::daemon::PATIENCE;
use crate::engine::{Books, cluster};
use crate::faults::start::unprepared;
use creditd_test_cluster::Database;
use sqlx::{Connection, PgConnection};
use std::process::Stdio;
use std::time::Instant;

#[track_caller]
fn nobody_may_use(database: &Database<'_>) {
    for word in ["serve", "verify", "migrate"] {
        let said = unprepared(&database.url).fails(1, word);
        assert!(
            said.contains("moved here only in part") && said.contains("creditd move"),
            "{said}"
        );
    }
}

/// Waits until somebody waits for a lock in this database.
fn until_somebody_waits(database: &Database<'_>) {
    let sql = "SELECT count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let deadline = Instant::now() + PATIENCE;
    while database.sql(sql) == "0\n" {
        assert!(Instant::now() < deadline, "nobody waits");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[tokio::test]
async fn a_move_killed_in_the_middle_is_made_again() {
    let mut daemon = with_a_past().await;
    let before = shown(&daemon).await;
    daemon.stop();
    let database = empty();
    // Somebody is about to insert the same event, so that the move waits when it comes to it.
    let url = cluster().url("postgres", &database.name);
    let mut other = PgConnection::connect(&url).await.unwrap();
    let same = "BEGIN; INSERT INTO inbox (id, arrival, kind, state, received_at, body)
        VALUES ('evt_waits', 7, 'x', 'done', now(), '')";
    sqlx::raw_sql(same).execute(&mut other).await.unwrap();
    let mut command = daemon.invocation(&["move", "--to", &database.url]);
    let mut moving = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    until_somebody_waits(&database);
    moving.kill().unwrap();
    moving.wait().unwrap();
    assert_eq!(database.sql("SELECT count(*) FROM workspace"), "0\n", "all or nothing");
    nobody_may_use(&database);
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    other.close().await.unwrap();

    // This time the settings say where to.
    let mut command = daemon.invocation(&["move"]);
    let output = command.env("CREDITD__DATABASE__MOVE_TO", &database.url).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("copying ledger lines (") && said.contains("proving the copy"), "{said}");
    daemon.rebase(Books::on(database, ""));
    daemon.run().await;
    for ((path, before), (_, after)) in before.iter().zip(&shown(&daemon).await) {
        assert_eq!(before, after, "{path}");
    }
}

#[tokio::test]
async fn a_copy_that_was_not_proven_is_proven_or_thrown_away() {
    let mut daemon = with_a_past().await;
    daemon.stop();
    let database = empty();
    let words = ["move", "--to", &database.url];
    daemon.done(&words);
    // As if it had been killed between the copy and its proof.
    let unproven = "UPDATE moved SET proven_at = NULL";
    database.sql(unproven);
    nobody_may_use(&database);
    let said = daemon.done(&words);
    assert!(said.contains("An earlier attempt had copied"), "{said}");
    unprepared(&database.url).done("verify");

    // The source went on meanwhile, or the copy was touched.
    database.sql(unproven);
    database.sql("UPDATE account SET email = 'mallory@creditd.test' WHERE id = 'ann'");
    let output = daemon.command(&words);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("accounts: account.email adds up to"), "{said}");
    database.sql("UPDATE seat SET message_balance_uc = message_balance_uc + 1");
    let output = daemon.command(&words);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("faults and is not to be used"), "{said}");
    nobody_may_use(&database);
}
