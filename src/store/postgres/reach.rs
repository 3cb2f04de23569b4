//! Whether a statement stays in the buckets that it is given, found by reading it.
//!
//! Each table of credit that a query names must be bound to a bucket: by `bucket = …` with a
//! parameter or an outer query's row, or by an equality of buckets with rows that are given
//! (arrays, a CTE) or with another table that is bound. What is inserted must name its bucket.
//! This reads as much of SQL as our statements use, and takes what it does not know for a fault.

use std::collections::BTreeSet;

/// The tables that lie in buckets, as the migrations make them.
pub(super) fn credit_tables(migration: &str) -> BTreeSet<&str> {
    let tables = migration.split("\nCREATE TABLE ").skip(1);
    let named = tables.filter_map(|text| text.split_once(" (\n"));
    let bound = named.filter(|(_, columns)| columns.starts_with("    bucket "));
    bound.map(|(name, _)| name).collect()
}

/// Tables of credit that a statement reaches beyond the buckets that it is given.
pub(super) fn unbound(sql: &str, tables: &BTreeSet<&str>) -> Vec<String> {
    let tokens = tokens(sql);
    let mut found = Vec::new();
    read_level(&tokens, tables, &mut found);
    found
}

/// Words, parameters and signs; what stands in quotes is one sign.
fn tokens(sql: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = sql.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || "_$".contains(c);
        let length = if first == '\'' {
            rest.get(1..).and_then(|text| text.find('\'')).map_or(rest.len(), |end| end + 2)
        } else if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}

/// A table of credit, or rows that are given, as a query names it.
struct Relation<'s> {
    name: &'s str,
    table: Option<&'s str>,
    /// The group of relations whose buckets are equal.
    group: usize,
    bound: bool,
}

/// Reads the queries of one level, and then what stands in their parentheses.
fn read_level(tokens: &[&str], tables: &BTreeSet<&str>, found: &mut Vec<String>) {
    let (mut level, mut inner) = (Vec::new(), Vec::new());
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let end = if *token == "(" { closing(tokens, at) } else { at };
        let content = tokens.get(at + 1..end).unwrap_or_default();
        if *token == "(" && begins_query(content) {
            inner.push(content);
            level.extend(["(", ")"]);
            at = end;
        } else {
            level.push(*token);
        }
        at += 1;
    }
    for query in level.split(|token| ["UNION", ";"].contains(token)) {
        read_query(query, tables, found);
    }
    for content in inner {
        read_level(content, tables, found);
    }
}

/// Where the parenthesis at `open` is closed.
fn closing(tokens: &[&str], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match *token {
            "(" => depth += 1,
            ")" if depth == 1 => return at,
            ")" => depth -= 1,
            _ => {}
        }
    }
    tokens.len()
}

fn begins_query(content: &[&str]) -> bool {
    let first = content.iter().find(|token| **token != "(");
    first.is_some_and(|token| ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].contains(token))
}

/// Words that may stand behind a table and are not its alias.
const NO_ALIAS: [&str; 17] = [
    "ON",
    "USING",
    "WHERE",
    "SET",
    "JOIN",
    "CROSS",
    "LEFT",
    "ORDER",
    "GROUP",
    "LIMIT",
    "FOR",
    "FROM",
    "SELECT",
    "VALUES",
    "RETURNING",
    "AS",
    "ALL",
];

fn read_query(query: &[&str], tables: &BTreeSet<&str>, found: &mut Vec<String>) {
    let is_table = |token: Option<&&str>| token.is_some_and(|token| tables.contains(token));
    let mut relations: Vec<Relation<'_>> = Vec::new();
    let (mut in_from, mut depth) = (false, 0_usize);
    for (at, token) in query.iter().enumerate() {
        let next = query.get(at + 1);
        match *token {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            "INTO" if is_table(next) => {
                let names = query.get(at + 3..closing(query, at + 2)).unwrap_or_default();
                if !names.contains(&"bucket") {
                    found.push(format!("{} is inserted without a bucket", query[at + 1]));
                }
            }
            "FROM" | "JOIN" | "UPDATE" | "USING" => {
                in_from = *token == "FROM" || in_from;
                let is_list = *token == "USING" && next == Some(&"(") && !followed_by_as(query, at);
                let is_lock = *token == "UPDATE" && !is_table(next);
                if !is_list && !is_lock {
                    relations.extend(relation(query, at + 1, tables, relations.len()));
                } else if is_list && query.get(at + 2) == Some(&"bucket") {
                    join_last(&mut relations);
                }
            }
            "," if in_from && depth == 0 && is_table(next) => {
                relations.extend(relation(query, at + 1, tables, relations.len()));
            }
            "WHERE" | "ORDER" | "RETURNING" => in_from = false,
            _ => {}
        }
    }
    for at in 0..query.len() {
        bind(query, at, &mut relations);
    }
    let bound: BTreeSet<usize> =
        relations.iter().filter(|one| one.bound).map(|one| one.group).collect();
    for Relation { name, table, group, .. } in relations {
        if table.is_some() && !bound.contains(&group) {
            found.push(format!("{name} is reached in every bucket"));
        }
    }
}

/// Whether what is behind `USING` is a query of its own: `USING (…) AS old`.
fn followed_by_as(query: &[&str], at: usize) -> bool {
    query.get(closing(query, at + 1) + 1) == Some(&"AS")
}

/// The relation that is named at `at`; rows that are given are bound by themselves.
fn relation<'s>(
    query: &[&'s str], at: usize, tables: &BTreeSet<&str>, group: usize,
) -> Option<Relation<'s>> {
    let named = query.get(at)?;
    let behind = match query.get(at + 1) {
        Some(&"(") => closing(query, at + 1) + 1,
        _ if *named == "(" => closing(query, at) + 1,
        _ => at + 1,
    };
    let alias = match query.get(behind) {
        Some(&"AS") => query.get(behind + 1),
        Some(word) if word.starts_with(char::is_alphabetic) && !NO_ALIAS.contains(word) => {
            query.get(behind)
        }
        _ => None,
    };
    let table = tables.contains(named).then_some(*named);
    Some(Relation { name: alias.unwrap_or(named), table, group, bound: table.is_none() })
}

/// `JOIN … USING (bucket, …)`: the last relation is in the bucket of the one before.
fn join_last(relations: &mut [Relation<'_>]) {
    if let [.., before, last] = relations {
        last.group = before.group;
    }
}

/// Reads an equality with a bucket on its left.
fn bind(query: &[&str], at: usize, relations: &mut [Relation<'_>]) {
    if query.get(at) != Some(&"bucket") || query.get(at + 1) != Some(&"=") {
        return;
    }
    let qualified = at >= 2 && query.get(at - 1) == Some(&".");
    let left = if qualified {
        relations.iter().position(|one| Some(&one.name) == query.get(at - 2))
    } else {
        let mut tables = (0..relations.len()).filter(|at| relations[*at].table.is_some());
        tables.next().filter(|_| tables.next().is_none())
    };
    let Some(left) = left else { return };
    let right = query.get(at + 2).copied().unwrap_or_default();
    let is_column = query.get(at + 3) == Some(&".");
    let is_bucket = is_column && query.get(at + 4) == Some(&"bucket");
    let other = relations.iter().position(|one| one.name == right);
    match other {
        Some(other) if is_bucket => {
            let (from, to) = (relations[left].group, relations[other].group);
            relations.iter_mut().filter(|one| one.group == from).for_each(|one| one.group = to);
        }
        // An outer query's row, or a parameter.
        None if is_bucket || right.starts_with('$') => relations[left].bound = true,
        _ => {}
    }
}

mod tests {
    use super::*;

    fn check(sql: &str) -> Vec<String> {
        unbound(sql, &["seat", "account", "entry", "outbox"].into())
    }

    #[test]
    fn what_stays_in_its_bucket_is_let_pass() {
        for sql in [
            "SELECT * FROM seat WHERE bucket = $1 AND id = $2",
            "SELECT id FROM unnest($1::smallint[], $2::text[]) AS wanted (bucket, id) \
             JOIN seat USING (bucket, id)",
            "WITH one AS (SELECT * FROM seat WHERE seat.bucket = $1) \
             SELECT * FROM one JOIN account a ON a.bucket = one.bucket AND a.id = one.holder",
            "SELECT * FROM seat JOIN account USING (bucket, workspace) WHERE seat.bucket = $1",
            "UPDATE seat SET holder = NULL FROM unnest($1) AS given (bucket, id) \
             WHERE seat.bucket = given.bucket AND seat.id = given.id AND true",
            "INSERT INTO entry (bucket, seq) SELECT given.bucket, given.seq FROM unnest($1, $2) \
             AS given (bucket, seq) WHERE (SELECT held FROM guard) ON CONFLICT DO NOTHING",
            "SELECT 1 FROM home WHERE EXISTS (SELECT FROM seat WHERE bucket = home.bucket)",
            "SELECT seat, account FROM notes ORDER BY account FOR UPDATE",
        ] {
            assert_eq!(check(sql), Vec::<String>::new(), "{sql}");
        }
    }

    #[test]
    fn what_crosses_buckets_is_found() {
        for (sql, expected) in [
            ("SELECT * FROM seat WHERE holder = $1", "seat is reached in every bucket"),
            (
                "UPDATE account SET name = $2 FROM seat WHERE seat.bucket = $1 \
                 AND account.id = seat.holder",
                "account is reached in every bucket",
            ),
            (
                "SELECT 1 FROM unnest($1, $2) AS given (bucket, id) JOIN seat ON seat.id = given.id",
                "seat is reached in every bucket",
            ),
            (
                "SELECT * FROM seat WHERE bucket = $1 AND EXISTS (SELECT FROM account \
                 WHERE account.id = seat.holder)",
                "account is reached in every bucket",
            ),
            (
                "SELECT 1 WHERE true UNION SELECT 1 FROM seat WHERE id = $1",
                "seat is reached in every bucket",
            ),
            (
                "DELETE FROM outbox USING (SELECT id FROM notes) AS old WHERE outbox.id = old.id",
                "outbox is reached in every bucket",
            ),
            (
                "SELECT 1 FROM notes, seat WHERE notes.id = seat.id",
                "seat is reached in every bucket",
            ),
            ("SELECT 1 FROM seat WHERE seat.bucket > $1", "seat is reached in every bucket"),
            (
                "SELECT 1 FROM seat WHERE seat.bucket = seat.place",
                "seat is reached in every bucket",
            ),
            ("INSERT INTO entry (workspace) VALUES ($1)", "entry is inserted without a bucket"),
        ] {
            assert_eq!(check(sql), [expected], "{sql}");
        }
        let each_other = "SELECT * FROM seat s JOIN account a ON a.bucket = s.bucket";
        assert_eq!(check(each_other).len(), 2, "equal buckets, and all of them");
    }

    #[test]
    fn tables_in_buckets_are_those_that_begin_with_one() {
        let migration = "-- x\nCREATE TABLE seat (\n    bucket smallint\n);\n\
             CREATE TABLE promo (\n    code text,\n    bucket text\n);";
        assert_eq!(credit_tables(migration), ["seat"].into());
    }
}
