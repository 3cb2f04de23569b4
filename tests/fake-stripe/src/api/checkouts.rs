//! `/v1/checkout/sessions`, and the pages on which buyers pay.

use super::list::list;
use super::{Call, Reply};
use crate::fault::Fault;
use crate::object::CheckoutSession;
use crate::request::{NewCheckout, Payment};
use std::sync::Arc;

pub(super) fn route(call: &mut Call<'_>, method: &str, rest: &[&str]) -> Option<Reply> {
    Some(match (method, rest) {
        ("POST", []) => create(call),
        ("GET", []) => all(call),
        ("GET", [id]) => found(call, id).map(|session| call.renderer.checkout(&session)),
        ("POST", [id, "expire"]) => {
            call.stripe.expire_checkout(id).map(|session| call.renderer.checkout(&session))
        }
        _ => return None,
    })
}

fn found(call: &Call<'_>, id: &str) -> Result<Arc<CheckoutSession>, Fault> {
    call.stripe.checkout(id).cloned().ok_or_else(|| Fault::missing("checkout session", id))
}

fn create(call: &mut Call<'_>) -> Reply {
    let form = &mut call.form;
    let modes = [("subscription", false), ("payment", true)];
    let once = form.word("mode", &modes)?.ok_or_else(|| Fault::required("mode"))?;
    let mut line_items = Vec::new();
    for mut item in form.parts("line_items") {
        line_items.push((item.required("price")?, item.number("quantity")?.unwrap_or(1)));
        item.finish()?;
    }
    let mut data = form.under("subscription_data");
    let types = form.texts("payment_method_types");
    form.text("cancel_url");
    let new = NewCheckout {
        once,
        line_items,
        customer: form.text("customer"),
        customer_email: form.text("customer_email"),
        client_reference_id: form.text("client_reference_id"),
        metadata: form.metadata("metadata"),
        subscription_metadata: data.metadata("metadata"),
        trial_period_days: data.number("trial_period_days")?,
        success_url: form.text("success_url"),
        delayed: types.iter().any(|kind| kind == "sepa_debit"),
    };
    data.finish()?;
    let session = call.stripe.create_checkout(new)?;
    Ok(call.renderer.checkout(&session))
}

fn all(call: &mut Call<'_>) -> Reply {
    let (customer, renderer) = (call.form.text("customer"), call.renderer);
    list(
        call,
        "checkout session",
        |stripe| stripe.checkouts(),
        |session| customer.is_none() || session.customer == customer,
        |_, session| renderer.checkout(session),
    )
}

/// What a buyer's browser does.
pub(super) fn route_pages(call: &mut Call<'_>, method: &str, rest: &[&str]) -> Option<Reply> {
    Some(match (method, rest) {
        ("GET", [id]) => found(call, id).map(|session| call.renderer.checkout(&session)),
        ("POST", [id, "confirm"]) => confirm(call, id),
        _ => return None,
    })
}

fn confirm(call: &mut Call<'_>, id: &str) -> Reply {
    let method = call.form.required("payment_method")?;
    let expected: Option<i64> = call.form.number("expected_amount")?;
    let total = found(call, id)?.total();
    if expected.is_some_and(|expected| expected != total) {
        let message = format!("The amount is {total}.");
        return Err(Fault::param("expected_amount", message));
    }
    let session = call.stripe.complete_checkout(id, Payment::Id(method))?;
    Ok(call.renderer.checkout(&session))
}
