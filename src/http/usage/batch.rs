//! Many debits in one request. Each stands for itself: its key, its answer, its refusal.

use super::{UseRequest, debit_item};
use crate::http::Doors;
use crate::http::auth::{May, Usage};
use crate::http::input::field::{Detail, Field, Text, Whole};
use crate::http::input::{Members, body, members, pointer_to, read};
use crate::http::keyed::{Keyed, check_key, fingerprint};
use crate::http::openapi::{KeyHeader, ProblemDocument, Problems};
use crate::http::problem::Problem;
use crate::writer::Key;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use creditd_rules::id::{ActionId, AppId};
use creditd_rules::view::UseView;
use futures_util::future::join_all;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::Arc;

/// The most items in one request.
const ITEMS_MAX: usize = 1_000;

const PATH: &str = "/v1/usage/batch";

body! {
    /// One debit of a batch.
    pub(crate) struct BatchItem {
        /// Its own idempotency key, in the same space as the header's of `POST /v1/usage`.
        key: ItemKey,
        /// The action, one of `GET /v1/actions`.
        action: ActionId,
        /// Who acts; message actions need it.
        account: Option<Text<255>>,
        /// The app; integration actions need it.
        app: Option<AppId>,
        /// How many such actions; 1 where not given.
        quantity: Option<Whole<1, 1_000_000>>,
    }
}

/// An item's idempotency key: 1 to 255 characters, no control characters.
#[derive(Debug, utoipa::ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 255)]
pub(crate) struct ItemKey(String);

impl Field for ItemKey {
    fn read(value: Value) -> Result<Self, Detail> {
        match value {
            Value::String(key) => check_key(&key).map_err(Cow::Borrowed).map(|()| Self(key)),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => Err("must be a string".into()),
        }
    }
}

/// Many debits.
#[derive(Debug, utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes the body, which is read item by item")]
pub(crate) struct BatchRequest {
    /// 1 to 1,000 of them.
    #[schema(min_items = 1, max_items = 1_000)]
    items: Vec<BatchItem>,
}

/// The answer to one item, with the status that `POST /v1/usage` would have.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes the answer, which is put together from kept bodies")]
pub(crate) enum ItemAnswer {
    /// It was debited.
    Debited(DebitedItem),
    /// It was refused.
    Refused(ProblemDocument),
}

/// A debited item.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct DebitedItem {
    /// Always 200.
    status: u16,
    #[serde(flatten)]
    debit: UseView,
    /// It was debited earlier, under the same key.
    replayed: bool,
}

/// The answers, in the order of the items.
#[derive(Debug, utoipa::ToSchema)]
#[expect(dead_code, reason = "as its items")]
pub(crate) struct BatchAnswer {
    /// One for each item.
    data: Vec<ItemAnswer>,
}

/// Debit many actions
///
/// Each item stands for itself, under its own key: a refused one does not sink the others. The
/// request's own Idempotency-Key is needed as for any POST; the items' keys do its work.
#[utoipa::path(post, path = "/v1/usage/batch", operation_id = "debit_many", tag = "usage", params(KeyHeader),
    request_body = BatchRequest, security(("key" = ["usage"])),
    responses((status = 200, description = "an answer for each item", body = BatchAnswer), Problems))]
pub(crate) async fn debit_many(
    _: May<Usage>, State(doors): State<Arc<Doors>>, keyed: Keyed,
) -> Result<impl IntoResponse, Problem> {
    let items = items(&keyed.body)?;
    let debits = items.iter().enumerate().map(|(place, item)| debit_one(&doors, place, item));
    let answers = join_all(debits).await;
    let body = [br#"{"data":["#.as_slice(), &answers.join(&b','), b"]}"].concat();
    Ok(([(header::CONTENT_TYPE, "application/json")], body))
}

/// The items as they stand in the body, so that each has a fingerprint of its own.
fn items(body: &[u8]) -> Result<Vec<&RawValue>, Problem> {
    let Members { mut values, twice } = members::<&RawValue>(body)?;
    if let Some(name) = twice.first() {
        return Err(Problem::invalid_at(pointer_to(name), "is given twice"));
    }
    let items = values.remove("items");
    if let Some(name) = values.keys().next() {
        return Err(Problem::invalid_at(pointer_to(name), "is not a known field"));
    }
    let items = items.ok_or_else(|| Problem::invalid_at("/items", "must be given"))?;
    match serde_json::from_str::<Vec<&RawValue>>(items.get()) {
        Ok(items) if (1..=ITEMS_MAX).contains(&items.len()) => Ok(items),
        _ => Err(Problem::invalid_at("/items", "must be a list of 1 to 1,000 items")),
    }
}

/// One item's answer as JSON.
async fn debit_one(doors: &Doors, place: usize, item: &RawValue) -> Vec<u8> {
    let raw = item.get().as_bytes();
    let answer = match read::<BatchItem>(raw) {
        Ok(BatchItem { key, action, account, app, quantity }) => {
            let key = Key { key: key.0, fingerprint: fingerprint("POST", PATH, raw) };
            debit_item(doors, UseRequest { action, account, app, quantity }, key).await
        }
        Err(problem) => Err(problem),
    };
    match answer {
        Ok(done) => done.with_first(r#""status":200"#).sent(),
        Err(problem) => {
            let document = problem.inside(&format!("/items/{place}")).document();
            Value::Object(document).to_string().into_bytes()
        }
    }
}
