//! Statements that take rows as arrays, one array a column.

use super::record::{EPOCH_US, stored_name};
use crate::store::row::{CellKind, Column, Row, Value, names};
use crate::store::{StoreError, StoreResult};
use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgTypeInfo, Postgres};
use sqlx::query::Query;
use sqlx::{Arguments as _, Type};

/// What the elements of an array are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Bucket,
    Int,
    Instant,
    Flag,
    Text,
    /// A text that is cast where it is stored.
    Json,
    Bytes,
}

impl Element {
    fn of(name: &str, kind: CellKind) -> Self {
        match kind {
            CellKind::Int if name.ends_with("_us") => Self::Instant,
            CellKind::Int => Self::Int,
            CellKind::Flag => Self::Flag,
            CellKind::Text => Self::Text,
            CellKind::Json => Self::Json,
            CellKind::Bytes => Self::Bytes,
        }
    }

    /// The array's type in SQL, and the number of the element's type.
    const fn sql(self) -> (&'static str, u32) {
        match self {
            Self::Bucket => ("smallint[]", 21),
            Self::Int => ("bigint[]", 20),
            Self::Instant => ("timestamptz[]", 1_184),
            Self::Flag => ("boolean[]", 16),
            Self::Text | Self::Json => ("text[]", 25),
            Self::Bytes => ("bytea[]", 17),
        }
    }

    fn array_type(self) -> PgTypeInfo {
        match self {
            Self::Bucket => <Vec<i16> as Type<Postgres>>::type_info(),
            Self::Int => <Vec<i64> as Type<Postgres>>::type_info(),
            Self::Instant => <Vec<chrono::DateTime<chrono::Utc>> as Type<Postgres>>::type_info(),
            Self::Flag => <Vec<bool> as Type<Postgres>>::type_info(),
            Self::Text | Self::Json => <Vec<String> as Type<Postgres>>::type_info(),
            Self::Bytes => <Vec<Vec<u8>> as Type<Postgres>>::type_info(),
        }
    }
}

/// What the columns of a row are, all groups taken apart.
fn elements(columns: &[Column]) -> Vec<Element> {
    let of = |column: &Column| match column {
        Column::Plain(name, kind) => vec![Element::of(name, *kind)],
        Column::Group(_, inner) => elements(inner),
    };
    columns.iter().flat_map(of).collect()
}

/// One array of parameters, as it goes over the wire.
#[derive(Debug, Clone)]
struct Array {
    element: Element,
    count: u32,
    has_null: bool,
    bytes: Vec<u8>,
}

impl Array {
    const fn new(element: Element) -> Self {
        Self { element, count: 0, has_null: false, bytes: Vec::new() }
    }

    fn push(&mut self, value: Value<'_>) {
        self.count = self.count.saturating_add(1);
        match value {
            Value::Null => {
                self.has_null = true;
                self.bytes.extend((-1_i32).to_be_bytes());
            }
            Value::Text(text) => self.put(text.as_bytes()),
            Value::Bytes(bytes) => self.put(bytes),
            Value::Int(number) => match self.element {
                Element::Flag => self.put(&[u8::from(number != 0)]),
                Element::Instant => self.put(&number.saturating_sub(EPOCH_US).to_be_bytes()),
                Element::Bucket => self.put(&i16::try_from(number).unwrap_or(0).to_be_bytes()),
                Element::Int | Element::Text | Element::Json | Element::Bytes => {
                    self.put(&number.to_be_bytes());
                }
            },
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.bytes.extend(bytes);
    }
}

impl Type<Postgres> for Array {
    fn type_info() -> PgTypeInfo {
        Element::Text.array_type()
    }
}

impl Encode<'_, Postgres> for Array {
    fn encode_by_ref(&self, to: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let dimensions = u32::from(self.count > 0);
        to.extend(dimensions.to_be_bytes());
        to.extend(u32::from(self.has_null).to_be_bytes());
        to.extend(self.element.sql().1.to_be_bytes());
        if self.count > 0 {
            to.extend(self.count.to_be_bytes());
            to.extend(1_u32.to_be_bytes());
        }
        to.extend(&self.bytes);
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.element.array_type())
    }
}

/// Rows of one kind as parameters: their buckets, then one array a column.
#[derive(Debug)]
pub(super) struct Arrays(Vec<Array>);

impl Arrays {
    /// No row yet.
    pub(super) fn of<R: Row>() -> Self {
        let all = [Element::Bucket].into_iter().chain(elements(R::COLUMNS));
        Self(all.map(Array::new).collect())
    }

    /// Keys of things: buckets, workspaces, ids.
    pub(super) fn keys() -> Self {
        Self([Element::Bucket, Element::Text, Element::Text].map(Array::new).into())
    }

    /// Keys of workspaces: buckets, ids.
    pub(super) fn workspaces() -> Self {
        Self([Element::Bucket, Element::Text].map(Array::new).into())
    }

    /// Keys of workspaces with their versions: buckets, ids, versions.
    pub(super) fn versions() -> Self {
        Self([Element::Bucket, Element::Text, Element::Int].map(Array::new).into())
    }

    /// Instants.
    pub(super) fn instants() -> Self {
        Self(vec![Array::new(Element::Instant)])
    }

    /// Adds a row.
    pub(super) fn push<R: Row>(&mut self, bucket: i16, row: &R) {
        let mut columns = self.0.iter_mut();
        let mut put = |value| {
            if let Some(column) = columns.next() {
                column.push(value);
            }
        };
        put(Value::Int(i64::from(bucket)));
        row.give(&mut put);
    }

    /// Adds the key of something.
    pub(super) fn push_key(&mut self, bucket: i16, texts: &[&str]) {
        let values = texts.iter().map(|text| Value::Text(text));
        self.push_values([Value::Int(i64::from(bucket))].into_iter().chain(values));
    }

    /// Adds the key of a workspace with its version.
    pub(super) fn push_version(&mut self, bucket: i16, id: &str, version: i64) {
        self.push_values([Value::Int(i64::from(bucket)), Value::Text(id), Value::Int(version)]);
    }

    /// Adds an instant, in microseconds since 1970.
    pub(super) fn push_instant(&mut self, us: i64) {
        self.push_values([Value::Int(us)]);
    }

    fn push_values<'v>(&mut self, values: impl IntoIterator<Item = Value<'v>>) {
        for (column, value) in self.0.iter_mut().zip(values) {
            column.push(value);
        }
    }

    /// Adds them to the parameters of a statement.
    pub(super) fn bind(&self, to: &mut PgArguments) -> StoreResult<()> {
        for array in &self.0 {
            to.add(array).map_err(|error| StoreError::Refused(error.to_string()))?;
        }
        Ok(())
    }

    /// A statement that takes nothing else.
    pub(super) fn query(&self, sql: &'static str) -> StoreResult<Query<'_, Postgres, PgArguments>> {
        let mut values = PgArguments::default();
        self.bind(&mut values)?;
        Ok(sqlx::query_with(sql, values))
    }
}

/// Arrays as rows: parameters from `$first` on, each a column with its name and its array's type.
///
/// They are taken apart side by side in one pass. As functions in `FROM`, each of them would be
/// written to a store of its own first, and read from there.
pub(super) fn as_rows<'c>(
    columns: impl IntoIterator<Item = (&'c str, &'c str)>, first: usize, alias: &str,
) -> String {
    let columns: Vec<String> = (first..)
        .zip(columns)
        .map(|(at, (name, array))| format!("unnest(${at}::{array}) AS {name}"))
        .collect();
    format!("(SELECT {}) AS {alias}", columns.join(", "))
}

/// What a statement does with rows that are given as arrays.
#[derive(Debug)]
pub(super) struct Shape {
    table: &'static str,
    verb: Verb,
    columns: Vec<(String, Element)>,
}

#[derive(Debug)]
enum Verb {
    /// Inserts; what follows says what becomes of rows that exist.
    Insert(String),
    /// Changes rows that exist; guards are columns given, and what they must equal.
    Update(Vec<(&'static str, &'static str)>),
}

impl Shape {
    fn new<R: Row>(table: &'static str, verb: Verb) -> Self {
        let names = names(R::COLUMNS).into_iter().map(|name| stored_name(&name).to_owned());
        let bucket = [("bucket".to_owned(), Element::Bucket)];
        let columns = bucket.into_iter().chain(names.zip(elements(R::COLUMNS))).collect();
        Self { table, verb, columns }
    }

    /// Inserts rows.
    pub(super) fn insert<R: Row>(table: &'static str) -> Self {
        Self::new::<R>(table, Verb::Insert(String::new()))
    }

    /// Inserts rows that do not exist yet.
    pub(super) fn insert_new<R: Row>(table: &'static str) -> Self {
        Self::new::<R>(table, Verb::Insert(" ON CONFLICT DO NOTHING".to_owned()))
    }

    /// Inserts rows, or writes over all but the key of those that exist.
    pub(super) fn upsert<R: Row>(table: &'static str) -> Self {
        let mut shape = Self::insert::<R>(table);
        let is_key = |name: &str| ["bucket", "workspace", "id"].contains(&name);
        let sets: Vec<String> = shape
            .columns
            .iter()
            .filter(|(name, _)| !is_key(name))
            .map(|(name, _)| format!("{name} = excluded.{name}"))
            .collect();
        let conflict =
            format!(" ON CONFLICT (bucket, workspace, id) DO UPDATE SET {}", sets.join(", "));
        shape.verb = Verb::Insert(conflict);
        shape
    }

    /// Changes rows that exist. `guards` are names in `R` whose values are not written: they must
    /// be what the column that is named with them holds.
    pub(super) fn update<R: Row>(
        table: &'static str, guards: &[(&'static str, &'static str)],
    ) -> Self {
        let guards = [("bucket", "bucket")].iter().chain(guards).copied().collect();
        Self::new::<R>(table, Verb::Update(guards))
    }

    /// How many parameters it takes.
    pub(super) fn parameters(&self) -> usize {
        self.columns.len()
    }

    /// Its text, with parameters from `$first` on.
    pub(super) fn sql(&self, first: usize) -> String {
        self.sql_if(first, "true")
    }

    /// The same, for all rows or none: where `condition` holds.
    pub(super) fn sql_if(&self, first: usize, condition: &str) -> String {
        let columns = self.columns.iter().map(|(name, element)| (name.as_str(), element.sql().0));
        let given = as_rows(columns, first, "given");
        let table = self.table;
        match &self.verb {
            Verb::Insert(conflict) => {
                let values: Vec<String> =
                    self.columns.iter().map(|(name, element)| self.value(name, *element)).collect();
                let values = values.join(", ");
                let names: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
                let names = names.join(", ");
                format!(
                    "INSERT INTO {table} ({names}) SELECT {values} FROM {given} \
                     WHERE {condition}{conflict}"
                )
            }
            Verb::Update(guards) => {
                let guarded = |name: &str| guards.iter().any(|(given, _)| *given == name);
                let sets: Vec<String> = self
                    .columns
                    .iter()
                    .filter(|(name, _)| !guarded(name))
                    .map(|(name, element)| format!("{name} = {}", self.value(name, *element)))
                    .collect();
                let tests: Vec<String> = guards
                    .iter()
                    .map(|(given, column)| format!("{table}.{column} = given.{given}"))
                    .collect();
                format!(
                    "UPDATE {table} SET {} FROM {given} WHERE {} AND {condition}",
                    sets.join(", "),
                    tests.join(" AND ")
                )
            }
        }
    }

    /// What is stored of a column that is given.
    fn value(&self, name: &str, element: Element) -> String {
        match (self.table, name, element) {
            (_, _, Element::Json) => format!("given.{name}::jsonb"),
            // The account is part of the key, where nothing is null.
            ("entry", "account", _) => "coalesce(given.account, '')".to_owned(),
            _ => format!("given.{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::row::{Flag, Json, Text, row};

    row! {
        /// A row.
        pub(super) struct Sample<'a> {
            id: Text<'a>,
            workspace: Text<'a>,
            at_us: Option<i64>,
            note: Option<Json<'a>>,
            told: Flag,
        }
    }

    const GIVEN: &str = "(SELECT unnest($2::smallint[]) AS bucket, unnest($3::text[]) AS id, \
         unnest($4::text[]) AS workspace, unnest($5::timestamptz[]) AS at, \
         unnest($6::text[]) AS note, unnest($7::boolean[]) AS told) AS given";

    #[test]
    fn rows_are_inserted_from_arrays() {
        assert_eq!(
            Shape::insert::<Sample<'_>>("t").sql_if(2, "held"),
            format!(
                "INSERT INTO t (bucket, id, workspace, at, note, told) SELECT given.bucket, \
                 given.id, given.workspace, given.at, given.note::jsonb, given.told FROM {GIVEN} \
                 WHERE held"
            )
        );
        let upsert = Shape::upsert::<Sample<'_>>("t").sql(2);
        let over = "DO UPDATE SET at = excluded.at, note = excluded.note, told = excluded.told";
        assert!(upsert.ends_with(over), "{upsert}");
    }

    #[test]
    fn an_update_is_guarded() {
        let guards = [("id", "id"), ("workspace", "home")];
        assert_eq!(
            Shape::update::<Sample<'_>>("t", &guards).sql(2),
            format!(
                "UPDATE t SET at = given.at, note = given.note::jsonb, told = given.told \
                 FROM {GIVEN} WHERE t.bucket = given.bucket AND t.id = given.id \
                 AND t.home = given.workspace AND true"
            )
        );
    }

    #[test]
    fn a_row_gives_each_array_an_element() {
        let mut arrays = Arrays::of::<Sample<'_>>();
        for at_us in [None, Some(EPOCH_US + 1)] {
            let (id, workspace) = ("ab".into(), "w".into());
            arrays.push(7, &Sample { id, workspace, at_us, note: None, told: Flag(true) });
        }
        let bytes: Vec<&[u8]> = arrays.0.iter().map(|array| array.bytes.as_slice()).collect();
        assert_eq!(bytes[0], [0, 0, 0, 2, 0, 7, 0, 0, 0, 2, 0, 7]);
        assert_eq!(bytes[1], b"\0\0\0\x02ab\0\0\0\x02ab");
        let one = 1_i64.to_be_bytes();
        assert_eq!(bytes[3], [&[255, 255, 255, 255, 0, 0, 0, 8], one.as_slice()].concat());
        assert_eq!(bytes[5], [0, 0, 0, 1, 1, 0, 0, 0, 1, 1]);
        let nulls: Vec<bool> = arrays.0.iter().map(|array| array.has_null).collect();
        assert_eq!(nulls, [false, false, false, true, true, false]);
    }
}
