//! Everything that a database has, to be compared.

use creditd_test_cluster::Cluster;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Each table's rows, as texts.
#[derive(PartialEq)]
pub(super) struct Tables(BTreeMap<String, BTreeSet<String>>);

impl Tables {
    /// Those of a file, without what Litestream keeps beside them.
    pub(super) async fn of_file(file: &Path) -> Self {
        let mut db = SqliteConnection::connect(&super::url_of(file)).await.unwrap();
        let names: Vec<String> = sqlx::query_scalar(
            "SELECT name FROM sqlite_schema WHERE type = 'table'
                AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
                AND name NOT LIKE '\\_litestream\\_%' ESCAPE '\\'",
        )
        .fetch_all(&mut db)
        .await
        .unwrap();
        let mut tables = BTreeMap::new();
        for name in names {
            let columns: String = sqlx::query_scalar(
                "SELECT group_concat('quote(' || name || ')', ' || '','' || ')
                    FROM pragma_table_info(?)",
            )
            .bind(&name)
            .fetch_one(&mut db)
            .await
            .unwrap();
            let rows = AssertSqlSafe(format!("SELECT {columns} FROM {name}"));
            let rows: Vec<String> = sqlx::query_scalar(rows).fetch_all(&mut db).await.unwrap();
            tables.insert(name, rows.into_iter().collect());
        }
        db.close().await.unwrap();
        Self(tables)
    }

    /// Those of a server's database.
    pub(super) fn of_database(server: &Cluster, database: &str) -> Self {
        let names = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'";
        let names = server.sql(database, names);
        let rows = |name: &str| {
            let rows = server.sql(database, &format!("SELECT row FROM {name} AS row"));
            rows.lines().map(str::to_owned).collect()
        };
        Self(names.lines().map(|name| (name.to_owned(), rows(name))).collect())
    }

    /// All of it must be as in `other`.
    #[track_caller]
    pub(super) fn are(&self, other: &Self) {
        let names = |tables: &Self| tables.0.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(self), names(other));
        assert!(self.0.contains_key("entry"), "these are our tables");
        for (name, rows) in &self.0 {
            let other = &other.0[name];
            let missing = other.difference(rows).next();
            let new = rows.difference(other).next();
            assert_eq!((missing, new), (None, None), "{name}: {} and {}", other.len(), rows.len());
        }
    }

    /// Every line of the ledger must be one of `whole`'s; how many of those are missing.
    #[track_caller]
    pub(super) fn are_a_past_of(&self, whole: &Self) -> usize {
        let (ours, all) = (&self.0["entry"], &whole.0["entry"]);
        let new = ours.difference(all).next();
        assert_eq!(new, None, "a line that never was");
        all.len() - ours.len()
    }
}
