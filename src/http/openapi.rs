//! The description of the API: OpenAPI 3.1 from the code, and a page to read it offline.

mod page;

use super::Doors;
use super::problem::{Code, Fault};
use axum::Router;
use axum::http::header;
use axum::routing::get;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Response,
    ResponseBuilder,
};
use utoipa::{IntoParams, IntoResponses, PartialSchema, ToSchema};

/// The header that every POST needs.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes a header, which is read by `keyed`")]
pub(crate) struct KeyHeader {
    /// A text of your own for each thing to do, bare or in quotes. The same key with the same
    /// request gives the first answer again, with `replayed: true`.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 255)]
    key: String,
}

/// The header that a PUT or DELETE may have.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes a header, which is read by `keyed`")]
pub(crate) struct OptionalKeyHeader {
    /// As for a POST, where it is given.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 255)]
    key: Option<String>,
}

/// Which part of a list.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes parameters, which are read by `input::query`")]
pub(crate) struct PageParams {
    /// How many at most; 50 where not given.
    #[param(minimum = 1, maximum = 1_000)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A problem document (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProblemDocument {
    /// Where the code is explained.
    r#type: String,
    /// What the code means.
    title: String,
    /// The status.
    status: u16,
    /// What happened and what to do.
    detail: String,
    /// The stable code.
    code: String,
    /// What is wrong with which part of the request.
    errors: Option<Vec<Fault>>,
}

/// The problems that any call may answer.
#[derive(Debug)]
pub(crate) struct Problems;

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(ProblemDocument::name())))
            .build();
        let problem = ResponseBuilder::new()
            .description("a problem; `code` says which")
            .content("application/problem+json", content)
            .build();
        BTreeMap::from([("default".to_owned(), problem.into())])
    }
}

const DESCRIPTION: &str = "Exact credit metering. Instants are RFC 3339, UTC; amounts are decimal \
strings with at most 6 decimals. Every POST needs an `Idempotency-Key`; PUT and DELETE may have \
one. Lists take `limit` and `cursor` and answer `data` and `next_cursor`. Whatever is not a result \
is a problem document with a stable `code`; for a bad request `errors` names each place: a JSON \
pointer into the body (`/quantity`), `?name` for a query parameter, `{name}` for a part of the \
path, or a header's name. 503 comes with `Retry-After`; after `outcome_unknown` the same key tells \
what became of the request.";

/// The document without its calls.
pub(crate) fn frame() -> OpenApi {
    let info = InfoBuilder::new()
        .title("creditd")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .build();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components = ComponentsBuilder::new()
        .security_scheme("key", bearer)
        .schema(Fault::name(), Fault::schema())
        .schema(ProblemDocument::name(), ProblemDocument::schema())
        .build();
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}

/// `/openapi.json`, and `/docs` made from it, once.
pub(crate) fn router(document: &OpenApi) -> Router<Arc<Doors>> {
    let value = serde_json::to_value(document).unwrap_or_default();
    let json: &'static str = Box::leak(value.to_string().into_boxed_str());
    let page: &'static str = Box::leak(page::write(&value, Code::ALL).into_boxed_str());
    let policy = "default-src 'none'; style-src 'self'; img-src data:; form-action 'none'; \
                  frame-ancestors 'none'; base-uri 'none'";
    Router::new()
        .route(
            "/openapi.json",
            get(async move || ([(header::CONTENT_TYPE, "application/json")], json)),
        )
        .route(
            "/docs",
            get(async move || {
                let headers = [
                    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
                    (header::CONTENT_SECURITY_POLICY, policy),
                    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
                    (header::REFERRER_POLICY, "no-referrer"),
                ];
                (headers, page)
            }),
        )
        .route(
            "/docs/style.css",
            get(async || ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], page::STYLE)),
        )
}
