//! What is moved: each table of PostgreSQL with what SQLite has for it.
//!
//! A column has the same name on both sides, but for the unit that SQLite appends to instants. So
//! `*` takes every column there is; a column that one side lacks fails the move, and its tests.

/// A table to be filled.
#[derive(Debug)]
pub(in crate::store) struct Table {
    /// Its name in PostgreSQL.
    pub(in crate::store) name: &'static str,
    /// What people call its rows.
    pub(in crate::store) rows: &'static str,
    /// The column that names the workspace, where it lies in a workspace's bucket.
    pub(in crate::store) home: Option<&'static str>,
    /// Its rows, on SQLite.
    pub(in crate::store) select: &'static str,
}

const fn shared(name: &'static str, rows: &'static str, select: &'static str) -> Table {
    Table { name, rows, home: None, select }
}

const fn credit(name: &'static str, rows: &'static str, select: &'static str) -> Table {
    Table { name, rows, home: Some("workspace"), select }
}

/// All tables, each after those that it refers to.
///
/// On SQLite, accounts and apps are their own directory, and those that were only claimed are no
/// more than that. A line without an account, and an alert's place, are written otherwise.
pub(in crate::store) static TABLES: [Table; 21] = [
    Table {
        name: "workspace",
        rows: "workspaces",
        home: Some("id"),
        select: "SELECT * FROM workspace",
    },
    credit("account", "accounts", "SELECT * FROM account WHERE created_at_us IS NOT NULL"),
    credit("app", "apps", "SELECT * FROM app WHERE owner IS NOT NULL"),
    credit("subscription", "subscriptions", "SELECT * FROM subscription"),
    credit("seat", "seats", "SELECT * FROM seat"),
    credit("credit_grant", "grants", "SELECT * FROM credit_grant"),
    credit("reward", "share rewards", "SELECT * FROM reward"),
    credit(
        "entry",
        "ledger lines",
        "SELECT workspace, seq, pot, ifnull(account, '') AS account, use_id, kind, amount_uc,
             pot_after_uc, reason, cycle_started_at_us, effective_at_us, posted_at_us, actor, app,
             action, price_uc, cause, cause_at_us
         FROM entry",
    ),
    credit(
        "seat_account",
        "seat holders",
        "SELECT seat.workspace, seat_account.* FROM seat_account JOIN seat ON seat.id = seat",
    ),
    credit("answer", "kept answers", "SELECT * FROM answer"),
    credit("outbox", "mails", "SELECT * FROM outbox"),
    credit("alert", "alerts", "SELECT alert.*, 0 AS version, rowid AS number FROM alert"),
    shared(
        "directory",
        "directory entries",
        "SELECT 'account' AS kind, id, workspace FROM account
         UNION ALL SELECT 'app', id, workspace FROM app
         UNION ALL SELECT 'customer', id, workspace FROM customer
         UNION ALL SELECT 'subscription', id, workspace FROM subscription
         UNION ALL SELECT 'seat', id, workspace FROM seat
         UNION ALL SELECT 'grant', id, workspace FROM credit_grant
         UNION ALL SELECT 'reward', id, workspace FROM reward",
    ),
    shared("inbox", "webhook events", "SELECT * FROM inbox"),
    shared("mark", "things to fetch", "SELECT * FROM mark"),
    shared("bookmark", "bookmarks", "SELECT * FROM bookmark"),
    shared("promo", "promo codes", "SELECT * FROM promo"),
    shared("redemption", "redemptions", "SELECT * FROM redemption"),
    shared("post", "shared posts", "SELECT * FROM post"),
    shared("api_key", "API keys", "SELECT * FROM api_key"),
    shared("test_clock", "test clocks", "SELECT * FROM test_clock"),
];
