//! Our statements on tables of credit, and how far each of them reaches.
//!
//! The credit path, from a request to its answer, stays in the buckets of the workspaces that it
//! names. What goes beyond is listed with its reason, and read to make sure that it does.

use super::parts::{Part, text};
use super::reach::{credit_tables, unbound};
use super::{PostgresOptions, PostgresStore};
use super::{answers, directory, due, entries, lists, load, mails, promos, upkeep, verify, write};
use crate::clock;
use crate::store::OpenOptions;
use crate::store::row::plans::HELD_PLANS;
use creditd_test_cluster::{Cluster, Version};
use sqlx::{AssertSqlSafe, Row as _};

/// What a batch and a read of a workspace run.
fn of_the_credit_path() -> Vec<(&'static str, String)> {
    let [one, holders, all] = entries::LEDGER.each_ref().map(String::as_str);
    let known = [
        ("load", load::PEOPLE.as_str()),
        ("load what is named", load::NAMED.as_str()),
        ("load a team", load::TEAM.as_str()),
        ("lock", write::LOCK),
        ("vacate seats", write::VACATE_SEAT),
        ("an account's ledger", one),
        ("a seat's ledger", holders),
        ("a workspace's ledger", all),
        ("a workspace's accounts", lists::ACCOUNTS_OF.as_str()),
        ("a workspace's seats", lists::SEATS.as_str()),
        ("an account's grants", lists::GRANTS.as_str()),
        ("keep an answer", answers::KEEP.as_str()),
        ("find an answer", answers::FIND.as_str()),
        ("verify a lot's lines", verify::LINES.as_str()),
        ("verify a lot's directory", verify::LOST),
    ];
    let mut statements: Vec<_> = known.map(|(name, sql)| (name, sql.to_owned())).into();
    statements.push(("write a batch", text(&Part::all())));
    for part in Part::all() {
        let mut parts = vec![Part::Changed, Part::Made, part];
        parts.sort_unstable();
        parts.dedup();
        statements.push(("write a part", text(&parts)));
    }
    statements
}

/// What is asked of all buckets, and why. None of it is part of a debit, a reset or a webhook.
const OF_ALL_BUCKETS: [(&str, &str); 10] = [
    ("the schedule asks for the next instant: the first of an index, in each place", due::NEXT),
    ("the schedule asks for what is due; what follows goes by workspace", due::DUE),
    ("the outbox claims mails; each is marked in its own bucket", mails::CLAIM),
    ("metrics count what is open", upkeep::DEPTHS),
    ("maintenance forgets answers", upkeep::FORGET_ANSWERS),
    ("maintenance forgets mails", upkeep::FORGET_MAILS),
    ("maintenance forgets alerts", upkeep::FORGET_ALERTS),
    ("maintenance looks for posts of rejected claims", promos::LOOSE),
    ("a start asks which plans are held", HELD_PLANS),
    ("verify looks for lines of nobody", verify::STRAY),
];

#[test]
fn the_credit_path_stays_in_its_buckets() {
    let tables = credit_tables(include_str!("../../../migrations/postgres/0001_ground.sql"));
    assert!(tables.len() > 10, "{tables:?}");
    for (name, sql) in of_the_credit_path() {
        let beyond = unbound(&sql, &tables);
        assert_eq!(beyond, Vec::<String>::new(), "{name}: {sql}");
        assert!(tables.iter().any(|table| sql.contains(table)), "{name} reads no credit");
    }
}

#[test]
fn what_goes_beyond_is_known_to() {
    let tables = credit_tables(include_str!("../../../migrations/postgres/0001_ground.sql"));
    for (why, sql) in OF_ALL_BUCKETS {
        assert_ne!(unbound(sql, &tables), Vec::<String>::new(), "{why}: {sql}");
    }
    for sql in [lists::REWARDS_OF.as_str(), lists::ACCOUNTS.as_str()] {
        // Lists of everything are for people; accounts are found one by one by the directory.
        assert_ne!(unbound(sql, &tables), Vec::<String>::new(), "{sql}");
    }
}

/// Statements are planned once. A plan that was made while the tables were known to be empty must
/// not compare all that is in them later with all that is asked for.
#[tokio::test]
async fn what_is_asked_for_is_looked_up_however_small_the_tables_were() {
    let database = Cluster::shared(Version::V15).database();
    let options =
        OpenOptions { migrate: true, create: true, clock: clock::Mode::System, checkpoint: true };
    let postgres = PostgresOptions::default();
    let store = PostgresStore::open(&database.url, &options, &postgres).await.unwrap();
    database.sql("VACUUM ANALYZE");
    let proofs = text(&[Part::Same, Part::NewKeys, Part::Server, Part::Since]);
    let reads = [&load::PEOPLE, &load::NAMED, &load::TEAM].map(|sql| sql.as_str());
    let all = reads.into_iter().chain([directory::FIND_ALL, directory::RESERVE, &proofs]);
    let mut db = store.session().await.unwrap();
    for sql in all {
        let parameters = (1..).take_while(|at| sql.contains(&format!("${at}"))).count();
        let nulls = vec!["NULL"; parameters].join(", ");
        let prepare = format!("PREPARE looked AS {sql}");
        sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *db).await.unwrap();
        let explain = format!("EXPLAIN EXECUTE looked ({nulls})");
        let rows = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_all(&mut *db).await.unwrap();
        let plan: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
        assert!(plan.iter().any(|line| line.contains("Index Cond")), "{plan:#?}");
        assert!(!plan.iter().any(|line| line.contains("Join Filter")), "{plan:#?}");
        sqlx::raw_sql("DEALLOCATE looked").execute(&mut *db).await.unwrap();
    }
}
