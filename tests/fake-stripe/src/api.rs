//! Stripe's HTTP API as a function: a request in, an answer out, without a network.

pub mod form;
mod read;
mod list;
mod expand;
mod customers;
mod catalogue;
mod subscriptions;
mod schedules;
mod invoices;
mod checkouts;
mod events;
mod clocks;

use crate::fault::Fault;
use crate::render::Renderer;
use crate::stripe::Stripe;
use crate::version::ApiVersion;
use form::Form;
use serde_json::{Value, json};
use std::collections::HashMap;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// `GET`, `POST` or `DELETE`.
    pub method: String,
    /// `/v1/…`, without the query.
    pub path: String,
    /// The query, without `?`.
    pub query: String,
    /// The form.
    pub body: String,
    /// The API key.
    pub key: Option<String>,
    /// `Stripe-Version`
    pub version: Option<String>,
    /// `Idempotency-Key`
    pub idempotency_key: Option<String>,
}

impl Request {
    /// A request for something, without a key.
    #[must_use]
    pub fn get(path: &str, query: &str) -> Self {
        let (method, path, query) = ("GET".to_owned(), path.to_owned(), query.to_owned());
        Self { method, path, query, ..Self::default() }
    }

    /// A request that changes something.
    #[must_use]
    pub fn post(path: &str, body: &str) -> Self {
        let (method, path, body) = ("POST".to_owned(), path.to_owned(), body.to_owned());
        Self { method, path, body, ..Self::default() }
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The JSON.
    pub body: Value,
    /// The version that it is rendered in.
    pub version: ApiVersion,
    /// Whether it is the answer to an earlier request of the same idempotency key.
    pub is_replayed: bool,
}

/// A Stripe account with the keys that open it, and the answers that it must repeat.
#[derive(Debug, Clone)]
pub struct Account {
    /// What is in it.
    pub stripe: Stripe,
    /// The keys that are good; all are, where there are none.
    pub keys: Vec<String>,
    replays: HashMap<String, (Request, Answer)>,
}

impl Account {
    /// An account that these keys open.
    #[must_use]
    pub fn new(stripe: Stripe, keys: Vec<String>) -> Self {
        Self { stripe, keys, replays: HashMap::new() }
    }

    /// Answers a request, once for each idempotency key.
    pub fn answer(&mut self, request: &Request) -> Answer {
        let good =
            self.keys.is_empty() || request.key.as_ref().is_some_and(|key| self.keys.contains(key));
        if !good {
            return refuse(self.stripe.settings.version.clone(), &unauthorized(request));
        }
        let key = request.idempotency_key.clone().filter(|_| request.method == "POST");
        if let Some((first, answer)) = key.as_ref().and_then(|key| self.replays.get(key)) {
            return repeat(first, answer, request);
        }
        let answer = answer(&mut self.stripe, request);
        if let Some(key) = key.filter(|_| answer.status < 500) {
            self.replays.insert(key, (request.clone(), answer.clone()));
        }
        answer
    }
}

fn repeat(first: &Request, answer: &Answer, request: &Request) -> Answer {
    if (&first.path, &first.body) == (&request.path, &request.body) {
        return Answer { is_replayed: true, ..answer.clone() };
    }
    let message = "Keys for idempotent requests can only be used with the same parameters they \
                   were first used with.";
    let fault = Fault { kind: "idempotency_error", ..Fault::invalid(message) };
    refuse(answer.version.clone(), &fault)
}

fn unauthorized(request: &Request) -> Fault {
    let message = match &request.key {
        Some(_) => "Invalid API Key provided",
        None => "You did not provide an API key.",
    };
    Fault { status: 401, ..Fault::invalid(message) }
}

fn refuse(version: ApiVersion, fault: &Fault) -> Answer {
    let error = json!({
        "code": fault.code,
        "decline_code": fault.decline_code,
        "message": fault.message,
        "param": fault.param,
        "type": fault.kind,
    });
    let mut body = json!({ "error": error });
    if let Value::Object(error) = &mut body["error"] {
        error.retain(|_, value| !value.is_null());
    }
    Answer { status: fault.status, body, version, is_replayed: false }
}

/// Answers a request, whatever key it bears.
pub fn answer(stripe: &mut Stripe, request: &Request) -> Answer {
    let wanted = request.version.as_deref().and_then(ApiVersion::parse);
    let version = wanted.unwrap_or_else(|| stripe.settings.version.clone());
    let renderer = Renderer::new(&stripe.settings, version.clone());
    let parameters = if request.method == "GET" { &request.query } else { &request.body };
    stripe.begin_request(request.idempotency_key.clone());
    let outcome = Form::parse(parameters).and_then(|mut form| {
        let expansions = form.texts("expand");
        let mut call = Call { stripe, renderer: &renderer, form, path: &request.path };
        let body = route(&mut call, &request.method)?;
        call.form.finish()?;
        Ok((body, expansions))
    });
    stripe.begin_request(None);
    match outcome {
        Ok((mut body, expansions)) => {
            expand::expand(stripe, &renderer, &mut body, &expansions);
            Answer { status: 200, body, version, is_replayed: false }
        }
        Err(fault) => refuse(version, &fault),
    }
}

/// A request on its way to an answer.
struct Call<'a> {
    stripe: &'a mut Stripe,
    renderer: &'a Renderer,
    form: Form,
    path: &'a str,
}

type Reply = Result<Value, Fault>;

fn route(call: &mut Call<'_>, method: &str) -> Reply {
    let path = call.path;
    let parts: Vec<_> = path.trim_matches('/').split('/').collect();
    let Some((&"v1", parts)) = parts.split_first() else { return Err(unknown_path(method, path)) };
    let answered = match parts {
        ["customers", rest @ ..] => customers::route(call, method, rest),
        ["payment_methods", rest @ ..] => customers::route_methods(call, method, rest),
        ["products", rest @ ..] => catalogue::route_products(call, method, rest),
        ["prices", rest @ ..] => catalogue::route_prices(call, method, rest),
        ["subscriptions", rest @ ..] => subscriptions::route(call, method, rest),
        ["subscription_items", rest @ ..] => subscriptions::route_items(call, method, rest),
        ["subscription_schedules", rest @ ..] => schedules::route(call, method, rest),
        ["invoices", rest @ ..] => invoices::route(call, method, rest),
        ["invoiceitems", rest @ ..] => invoices::route_items(call, method, rest),
        ["checkout", "sessions", rest @ ..] => checkouts::route(call, method, rest),
        ["payment_pages", rest @ ..] => checkouts::route_pages(call, method, rest),
        ["events", rest @ ..] => events::route(call, method, rest),
        ["test_helpers", "test_clocks", rest @ ..] => clocks::route(call, method, rest),
        _ => None,
    };
    answered.unwrap_or_else(|| Err(unknown_path(method, path)))
}

fn unknown_path(method: &str, path: &str) -> Fault {
    let message = format!("Unrecognized request URL ({method}: {path}).");
    Fault { status: 404, ..Fault::invalid(message) }
}

#[cfg(test)]
mod tests;
