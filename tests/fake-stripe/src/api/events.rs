//! `/v1/events`: the last 30 days.

use super::list::{Created, list};
use super::{Call, Reply};
use crate::fault::Fault;
use crate::render::Renderer;
use chrono::TimeDelta;

/// How long events are listed.
const KEPT: TimeDelta = TimeDelta::days(30);

/// The most types that one request may name.
const TYPES_MAX: usize = 20;

pub(super) fn route(call: &mut Call<'_>, method: &str, rest: &[&str]) -> Option<Reply> {
    Some(match (method, rest) {
        ("GET", []) => all(call),
        ("GET", [id]) => retrieve(call, id),
        _ => return None,
    })
}

/// Events keep the shape of the account's version, whatever version a request speaks.
fn renderer(call: &Call<'_>) -> Renderer {
    Renderer::new(&call.stripe.settings, call.stripe.settings.version.clone())
}

fn retrieve(call: &Call<'_>, id: &str) -> Reply {
    let event = call.stripe.event(id).ok_or_else(|| Fault::missing("event", id))?;
    Ok(renderer(call).event(event))
}

fn all(call: &mut Call<'_>) -> Reply {
    let created = Created::read(call)?;
    let types = call.form.texts("types");
    if types.len() > TYPES_MAX {
        let message = format!("You may name up to {TYPES_MAX} types.");
        return Err(Fault::param("types", message));
    }
    let (kind, delivered) = (call.form.text("type"), call.form.flag("delivery_success")?);
    let oldest = call.stripe.now() - KEPT;
    let renderer = renderer(call);
    list(
        call,
        "event",
        |stripe| stripe.events(),
        |event| {
            event.created >= oldest
                && created.holds(event.created)
                && (types.is_empty() || types.iter().any(|kind| fits(kind, &event.kind)))
                && kind.as_ref().is_none_or(|kind| fits(kind, &event.kind))
                && delivered.is_none_or(|delivered| event.is_delivered == delivered)
        },
        |_, event| renderer.event(event),
    )
}

/// `customer.subscription.*` stands for all that begin so.
fn fits(wanted: &str, kind: &str) -> bool {
    wanted.strip_suffix('*').map_or(wanted == kind, |start| kind.starts_with(start))
}
