//! The one statement that writes a batch, made of the parts that the batch needs.
//!
//! The first parts change or make the workspaces, each only as it was read, and prove what else the
//! batch rests on. Every other part is done where all of that is so, and the statement ends in an
//! error where it is not, which undoes it whole. So it needs no transaction around it, and workspaces
//! are locked first.

use super::bucket::bucket;
use super::statement::{Arrays, Shape};
use crate::store::StoreResult;
use crate::store::row::answers::AnswerRow;
use crate::store::row::entries::EntryRow;
use crate::store::row::mails::MailRow;
use crate::store::row::people::{AccountRow, AppRow, GrantRow, RewardRow, WorkspaceRow};
use crate::store::row::plans::{SeatRow, SubscriptionRow};
use crate::store::row::spent::{
    ChangedWorkspace, FreeIntegration, FreeMessage, GrantRest, SeatIntegration, SeatMessage,
};
use crate::store::row::{Row, Text, row, stored_count, us};
use creditd_rules::Instant;
use creditd_rules::id::WorkspaceId;
use sqlx::postgres::PgArguments;
use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

row! {
    /// An account that holds a seat, or did.
    pub(super) struct SeatAccountRow<'a> {
        workspace: Text<'a>,
        seat: Text<'a>,
        account: Text<'a>,
    }
}

row! {
    /// What the operator is told.
    pub(super) struct AlertRow<'a> {
        workspace: Text<'a>,
        version: i64,
        number: i64,
        at_us: i64,
        code: Text<'a>,
        subject: Text<'a>,
        detail: Text<'a>,
    }
}

/// A part of the statement, in the order in which they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Changed,
    Made,
    /// Workspaces that are not changed have these versions.
    Same,
    /// No answer is kept under these keys.
    NewKeys,
    /// The server is the one that started then.
    Server,
    /// It is not earlier than this.
    Since,
    /// The test clock shows this.
    TestNow,
    Accounts,
    FreeMessage,
    FreeIntegration,
    Apps,
    Subscriptions,
    Seats,
    SeatMessage,
    SeatIntegration,
    Grants,
    SpentGrants,
    Rewards,
    Entries,
    SeatAccounts,
    Answers,
    Erased,
    Mails,
    Alerts,
}

/// Rows are found by their key.
const BY_KEY: [(&str, &str); 2] = [("workspace", "workspace"), ("id", "id")];

/// Nobody is left to be told, and nothing of the person stays.
const ERASE: &str = "
    UPDATE outbox SET recipient = '', name = NULL, locale = NULL,
        state = CASE WHEN state IN ('queued', 'parked') THEN 'dropped' ELSE state END
    FROM (SELECT unnest($A::smallint[]) AS bucket, unnest($B::text[]) AS workspace,
        unnest($C::text[]) AS account) AS given
    WHERE outbox.bucket = given.bucket AND outbox.workspace = given.workspace
        AND outbox.account = given.account AND ";

/// What must be so, with the arrays that it takes.
const PROOFS: [(Part, usize, &str); 5] = [
    (
        Part::Same,
        3,
        "(SELECT count(*) FROM (SELECT unnest($A::smallint[]) AS bucket, \
             unnest($B::text[]) AS id, unnest($C::bigint[]) AS version) AS given CROSS JOIN LATERAL (SELECT 1 FROM workspace \
             WHERE workspace.bucket = given.bucket AND workspace.id = given.id \
             AND workspace.version = given.version OFFSET 0) AS found) = cardinality($A)",
    ),
    (
        Part::NewKeys,
        3,
        "NOT EXISTS (SELECT 1 FROM (SELECT unnest($A::smallint[]) AS bucket, \
             unnest($B::text[]) AS workspace, unnest($C::text[]) AS key) AS given CROSS JOIN LATERAL (SELECT 1 FROM answer \
             WHERE answer.bucket = given.bucket AND answer.workspace = given.workspace \
             AND answer.key = given.key OFFSET 0) AS found)",
    ),
    (Part::Server, 1, "($A::timestamptz[])[1] = pg_postmaster_start_time()"),
    (Part::Since, 1, "($A::timestamptz[])[1] <= clock_timestamp()"),
    (Part::TestNow, 1, "($A::timestamptz[])[1] = (SELECT now FROM test_clock)"),
];

/// Fills in the parameters of a text that takes up to three.
fn numbered(text: &str, first: usize) -> String {
    let names = ["$A", "$B", "$C"];
    names
        .iter()
        .zip(first..)
        .fold(text.to_owned(), |text, (name, number)| text.replace(name, &format!("${number}")))
}

static SHAPES: LazyLock<BTreeMap<Part, Shape>> = LazyLock::new(|| {
    let versions = [("id", "id"), ("loaded_version", "version")];
    [
        (Part::Changed, Shape::update::<ChangedWorkspace<'_>>("workspace", &versions)),
        (Part::Made, Shape::insert_new::<WorkspaceRow<'_>>("workspace")),
        (Part::Accounts, Shape::upsert::<AccountRow<'_>>("account")),
        (Part::FreeMessage, Shape::update::<FreeMessage<'_>>("account", &BY_KEY)),
        (Part::FreeIntegration, Shape::update::<FreeIntegration<'_>>("account", &BY_KEY)),
        (Part::Apps, Shape::upsert::<AppRow<'_>>("app")),
        (Part::Subscriptions, Shape::upsert::<SubscriptionRow<'_>>("subscription")),
        (Part::Seats, Shape::upsert::<SeatRow<'_>>("seat")),
        (Part::SeatMessage, Shape::update::<SeatMessage<'_>>("seat", &BY_KEY)),
        (Part::SeatIntegration, Shape::update::<SeatIntegration<'_>>("seat", &BY_KEY)),
        (Part::Grants, Shape::upsert::<GrantRow<'_>>("credit_grant")),
        (Part::SpentGrants, Shape::update::<GrantRest<'_>>("credit_grant", &BY_KEY)),
        (Part::Rewards, Shape::upsert::<RewardRow<'_>>("reward")),
        (Part::Entries, Shape::insert::<EntryRow<'_>>("entry")),
        (Part::SeatAccounts, Shape::insert_new::<SeatAccountRow<'_>>("seat_account")),
        (Part::Answers, Shape::insert::<AnswerRow<'_>>("answer")),
        (Part::Mails, Shape::insert::<MailRow<'_>>("outbox")),
        (Part::Alerts, Shape::insert::<AlertRow<'_>>("alert")),
    ]
    .into()
});

impl Part {
    /// All of them, in order.
    #[cfg(test)]
    pub(super) fn all() -> Vec<Self> {
        let proofs = PROOFS.map(|(part, ..)| part);
        let mut all: Vec<Self> =
            SHAPES.keys().copied().chain(proofs).chain([Self::Erased]).collect();
        all.sort_unstable();
        all
    }

    /// Whether it changes rows that must exist, so that each row given must be found.
    const fn must_find(self) -> bool {
        matches!(
            self,
            Self::FreeMessage
                | Self::FreeIntegration
                | Self::SeatMessage
                | Self::SeatIntegration
                | Self::SpentGrants
        )
    }

    /// Its text with parameters from `$first` on, and how many it takes.
    fn sql(self, first: usize, condition: &str) -> (String, usize) {
        if let Some(shape) = SHAPES.get(&self) {
            return (shape.sql_if(first, condition), shape.parameters());
        }
        (numbered(ERASE, first) + condition, 3)
    }

    /// The condition that it proves, where it writes nothing, with parameters from `$first` on, and
    /// how many it takes.
    fn proof(self, first: usize) -> Option<(String, usize)> {
        let (_, parameters, text) = PROOFS.iter().find(|(part, ..)| *part == self)?;
        Some((numbered(text, first), *parameters))
    }
}

/// The rows of a batch, by part.
#[derive(Debug, Default)]
pub(super) struct Parts(BTreeMap<Part, Arrays>);

impl Parts {
    /// Adds rows to a part, each with the bucket that `bucket` says.
    pub(super) fn add<R: Row>(&mut self, part: Part, rows: &[R], bucket: impl Fn(&R) -> i16) {
        for row in rows {
            let arrays = self.0.entry(part).or_insert_with(Arrays::of::<R>);
            arrays.push(bucket(row), row);
        }
    }

    /// Adds the key of something to a part.
    pub(super) fn add_key(&mut self, part: Part, bucket: i16, workspace: &str, id: &str) {
        self.0.entry(part).or_insert_with(Arrays::keys).push_key(bucket, &[workspace, id]);
    }

    /// Adds workspaces with the versions that they must have.
    pub(super) fn add_versions<'w>(
        &mut self, versions: impl Iterator<Item = (&'w WorkspaceId, u64)>,
    ) {
        for (id, version) in versions {
            let arrays = self.0.entry(Part::Same).or_insert_with(Arrays::versions);
            arrays.push_version(bucket(id.as_str()), id.as_str(), stored_count(version));
        }
    }

    /// Adds an instant to prove.
    pub(super) fn add_instant(&mut self, part: Part, at: Instant) {
        self.0.entry(part).or_insert_with(Arrays::instants).push_instant(us(at));
    }

    /// The statement and its parameters.
    pub(super) fn statement(&self) -> StoreResult<(SqlStr, PgArguments)> {
        /// Texts that were made, by their parts.
        static TEXTS: Mutex<BTreeMap<Vec<Part>, Arc<str>>> = Mutex::new(BTreeMap::new());

        let mut values = PgArguments::default();
        for arrays in self.0.values() {
            arrays.bind(&mut values)?;
        }
        let parts: Vec<Part> = self.0.keys().copied().collect();
        let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
        let text = texts.entry(parts).or_insert_with_key(|parts| text(parts).into());
        Ok((AssertSqlSafe(Arc::clone(text)).into_sql_str(), values))
    }
}

/// The text of a statement of these parts.
pub(super) fn text(parts: &[Part]) -> String {
    let (mut with, mut proofs, mut lost) = (Vec::new(), Vec::new(), Vec::new());
    let (mut first, mut guarding) = (1, 0);
    for part in parts {
        if let Some((condition, parameters)) = part.proof(first) {
            proofs.push(condition);
            first += parameters;
            continue;
        }
        let name = format!("{part:?}").to_lowercase();
        let guards = matches!(part, Part::Changed | Part::Made);
        let (sql, parameters) =
            part.sql(first, if guards { "true" } else { "(SELECT held FROM guard)" });
        if guards {
            proofs.push(format!("(SELECT count(*) FROM {name}) = cardinality(${first})"));
            with.push(format!("{name} AS ({sql} RETURNING 1)"));
            guarding += 1;
        } else if part.must_find() {
            lost.push(format!("(SELECT count(*) FROM {name}) - cardinality(${first})"));
            with.push(format!("{name} AS ({sql} RETURNING 1)"));
        } else {
            with.push(format!("{name} AS ({sql})"));
        }
        first += parameters;
    }
    let held = proofs.join(" AND ");
    with.insert(guarding, format!("guard AS MATERIALIZED (SELECT {held} AS held)"));
    // One divided by nothing where a race was lost; the root of less than nothing where a row is
    // gone that must be there. Either undoes the statement.
    let lost = if lost.is_empty() { "0".to_owned() } else { lost.join(" + ") };
    format!(
        "WITH {} SELECT statement_timestamp(), 1 / held::int, sqrt({lost}) FROM guard",
        with.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_proved_writes_nothing() {
        let sql = text(&[Part::Same, Part::NewKeys, Part::Since]);
        let begin = "WITH guard AS MATERIALIZED (SELECT (SELECT count(*) FROM (SELECT unnest($1::smallint[])";
        assert!(sql.starts_with(begin), "{sql}");
        assert!(sql.contains("= cardinality($1) AND NOT EXISTS"), "{sql}");
        let keys = "unnest($4::smallint[]) AS bucket, unnest($5::text[]) AS workspace, \
            unnest($6::text[]) AS key";
        assert!(sql.contains(keys), "{sql}");
        assert!(sql.contains("AND ($7::timestamptz[])[1] <= clock_timestamp() AS held"), "{sql}");
    }

    #[test]
    fn a_statement_has_only_the_parts_that_it_needs() {
        let sql = text(&[Part::Changed, Part::FreeMessage, Part::Erased]);
        for (index, begin) in [
            "WITH changed AS (UPDATE workspace",
            "guard AS MATER",
            "freemessage AS (UPDATE account",
        ]
        .iter()
        .enumerate()
        {
            assert!(sql.contains(begin), "{index}: {sql}");
        }
        let end = "SELECT statement_timestamp(), 1 / held::int, sqrt((SELECT count(*) FROM freemessage) - cardinality($8)) \
                   FROM guard";
        assert!(sql.ends_with(end), "{sql}");
        assert!(!sql.contains("INSERT"), "{sql}");
    }
}
