//! `/_fake/…`: what a test in another process does with the account, beside Stripe's own API.
//!
//! | request | effect |
//! |---|---|
//! | `POST /_fake/clock` `to=` or `by=` | moves the clock to an instant, or on by so many seconds |
//! | `POST /_fake/cards` `customer=&card=pays\|declines\|confirms` | what the customer's card does |
//! | `GET /_fake/webhooks?since=&secret=&sent_at=&version=&thin=` | events as signed webhooks |

use crate::api::form::Form;
use crate::api::{Account, Answer, Request};
use crate::fault::Fault;
use crate::object::Card;
use crate::post::{Writing, signature};
use crate::render::Renderer;
use crate::version::ApiVersion;
use chrono::TimeDelta;
use serde_json::{Value, json};

/// Answers a request of a test.
pub(super) fn answer(account: &mut Account, request: &Request) -> Answer {
    let given = if request.method == "GET" { &request.query } else { &request.body };
    let outcome = Form::parse(given).and_then(|mut form| {
        let body = match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/_fake/clock") => clock(account, &mut form),
            ("POST", "/_fake/cards") => card(account, &mut form),
            ("GET", "/_fake/webhooks") => webhooks(account, &mut form),
            _ => Err(Fault { status: 404, ..Fault::invalid("no such request") }),
        };
        form.finish().and(body)
    });
    let (status, body) = match outcome {
        Ok(body) => (200, body),
        Err(fault) => (fault.status, json!({ "error": fault.message })),
    };
    Answer { status, body, version: ApiVersion::default(), is_replayed: false }
}

fn clock(account: &mut Account, form: &mut Form) -> Result<Value, Fault> {
    let by = form.number("by")?.map(TimeDelta::seconds);
    let to = form.instant("to")?.or(by.map(|by| account.stripe.now() + by));
    account.stripe.advance_to(to.unwrap_or(account.stripe.now()));
    let events = account.stripe.events().len();
    Ok(json!({ "now": account.stripe.now().timestamp(), "events": events }))
}

fn card(account: &mut Account, form: &mut Form) -> Result<Value, Fault> {
    let customer = form.required("customer")?;
    let words = [("pays", Card::Pays), ("declines", Card::Declines), ("confirms", Card::Confirms)];
    let card = form.word("card", &words)?.ok_or_else(|| Fault::required("card"))?;
    account.stripe.set_card(&customer, card)?;
    Ok(json!({}))
}

fn webhooks(account: &Account, form: &mut Form) -> Result<Value, Fault> {
    let stripe = &account.stripe;
    let since = form.number("since")?.unwrap_or(0);
    let secret = form.required("secret")?;
    let sent_at = form.instant("sent_at")?.unwrap_or(stripe.now());
    let version = form.text("version").and_then(|text| ApiVersion::parse(&text));
    let renderer = Renderer::new(&stripe.settings, version.unwrap_or_default());
    let writing = match form.flag("thin")? {
        Some(true) => Writing::Thin(renderer),
        Some(false) | None => Writing::Whole(renderer),
    };
    let webhooks = stripe.events_since(since).map(|event| {
        let body = writing.body(event);
        let signature = signature(&[&secret], &body, sent_at);
        json!({ "id": event.id, "type": event.kind, "body": body, "signature": signature })
    });
    Ok(Value::Array(webhooks.collect()))
}
