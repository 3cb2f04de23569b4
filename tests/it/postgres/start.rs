//! Databases that cannot be used: each start ends with its status and says why, and changes
//! nothing.

use crate::engine::{cluster, migrated};
use crate::faults::start::unprepared;
use creditd_test_cluster::Database;

/// What `serve`, `migrate` and `verify` say of a database that they refuse.
#[track_caller]
fn refused(url: &str, reason: &str) {
    for word in ["serve", "migrate", "verify"] {
        let said = unprepared(url).fails(1, word);
        assert!(said.contains(reason), "{word}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

/// The tables of a database, and a hash of what is in them.
fn contents(database: &Database<'_>) -> String {
    database.sql(
        "SELECT tablename, md5(query_to_xml('TABLE ' || quote_ident(tablename), true, true, '')::text)
         FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename",
    )
}

#[test]
fn a_server_that_cannot_be_reached_is_named() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    refused(&format!("postgres://owner:hunter2@{free}/books"), "the database does not answer");
    refused("postgres://owner:hunter2@nowhere.invalid/books", "the database does not answer");
}

#[test]
fn a_url_with_an_option_that_makes_no_sense_is_refused() {
    let url = format!("{}?sslmode=perhaps", cluster().url("owner", "books"));
    for word in ["serve", "migrate", "verify"] {
        let said = unprepared(&url).command(word).output().unwrap();
        let text = String::from_utf8(said.stderr).unwrap();
        assert!(matches!(said.status.code(), Some(1 | 78)), "{text}");
        assert!(text.contains("sslmode") || text.contains("perhaps"), "{text}");
    }
}

#[test]
fn a_server_without_tls_is_refused_where_the_url_wants_it() {
    let database = cluster().database();
    refused(&format!("{}?sslmode=require", database.url), "TLS");
}

#[test]
fn a_wrong_password_is_told_and_not_shown() {
    let database = cluster().database();
    let url = database.url_for("locked:hunter2");
    refused(&url, "password");
}

#[test]
fn a_database_that_is_not_there_is_named() {
    refused(&cluster().url("owner", "no_such_books"), "no_such_books");
}

#[test]
fn a_role_without_rights_is_told_which_it_lacks() {
    let database = cluster().database();
    for word in ["serve", "migrate"] {
        let said = unprepared(&database.url_for("stranger")).fails(1, word);
        assert!(said.contains("rights are missing"), "{said}");
    }
    assert_eq!(contents(&database), "");
    let database = cluster().copy(migrated());
    refused(&database.url_for("stranger"), "rights are missing");
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let database = cluster().database();
    database.sql("CREATE TABLE notes AS SELECT 'buy milk' AS note");
    let before = contents(&database);
    refused(&database.url, "it has a table \"notes\"");
    assert_eq!(contents(&database), before);
}

#[test]
fn a_newer_schema_is_left_to_the_newer_program() {
    let database = cluster().copy(migrated());
    database.sql("INSERT INTO creditd_schema VALUES (99, now(), now())");
    let before = contents(&database);
    refused(&database.url, "has schema 99, and this creditd knows ");
    assert_eq!(contents(&database), before);
}

#[test]
fn a_schema_that_is_not_whole_is_refused() {
    for spoilt in ["UPDATE creditd_schema SET finished_at = NULL", "DROP TABLE alert"] {
        let database = cluster().copy(migrated());
        database.sql(spoilt);
        let before = contents(&database);
        refused(&database.url, "the schema is not whole");
        assert_eq!(contents(&database), before);
    }
}

#[test]
fn an_empty_database_is_not_filled_where_that_is_not_wanted() {
    let database = cluster().database();
    let said =
        unprepared(&database.url).with("CREDITD__DATABASE__MIGRATE", "false").fails(1, "serve");
    assert!(said.contains("creditd migrate"), "{said}");
    assert_eq!(contents(&database), "");
}

#[test]
fn an_encoding_that_cannot_hold_every_name_is_refused() {
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let database = cluster().database_with(&format!("ENCODING '{encoding}'"));
        refused(&database.url, encoding);
        assert_eq!(contents(&database), "");
    }
}

#[test]
fn a_server_that_takes_no_more_connections_is_told() {
    let database = cluster().copy(migrated());
    cluster().sql("postgres", &format!("ALTER DATABASE {} CONNECTION LIMIT 0", database.name));
    refused(&database.url, "too many connections");
}

#[test]
fn a_database_that_is_only_read_is_refused() {
    let database = cluster().copy(migrated());
    let name = &database.name;
    cluster()
        .sql("postgres", &format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    let said = unprepared(&database.url).fails(1, "serve");
    assert!(said.contains("only reads"), "{said}");
}
