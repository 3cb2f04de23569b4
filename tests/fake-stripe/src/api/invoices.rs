//! `/v1/invoices` and `/v1/invoiceitems`.

use super::list::list;
use super::{Call, Reply, read};
use crate::fault::Fault;
use serde_json::json;

pub(super) fn route(call: &mut Call<'_>, method: &str, rest: &[&str]) -> Option<Reply> {
    Some(match (method, rest) {
        ("POST", []) => create(call),
        ("GET", []) => all(call),
        ("GET", [id]) => {
            let found = call.stripe.invoice(id).ok_or_else(|| Fault::missing("invoice", id));
            found.map(|invoice| call.renderer.invoice(invoice))
        }
        ("POST", [id]) => {
            let (metadata, _) = call.form.metadata_change("metadata");
            let updated = call.stripe.update_invoice(id, &metadata);
            updated.map(|invoice| call.renderer.invoice(&invoice))
        }
        ("DELETE", [id]) => {
            let deleted = call.stripe.delete_invoice(id);
            deleted.map(|()| json!({ "id": id, "object": "invoice", "deleted": true }))
        }
        ("POST", [id, "pay"]) => {
            let method = call.form.text("payment_method");
            let paid = call.stripe.pay_invoice(id, method.as_deref());
            paid.map(|invoice| call.renderer.invoice(&invoice))
        }
        ("POST", [id, step @ ("finalize" | "void" | "mark_uncollectible" | "send")]) => {
            let moved = call.stripe.move_invoice(id, step);
            moved.map(|invoice| call.renderer.invoice(&invoice))
        }
        _ => return None,
    })
}

fn create(call: &mut Call<'_>) -> Reply {
    let form = &mut call.form;
    let customer = form.required("customer")?;
    let (description, is_sent) = (form.text("description"), read::sends_invoices(form)?);
    form.text("pending_invoice_items_behavior");
    let invoice = call.stripe.create_invoice(&customer, description, is_sent.unwrap_or(false))?;
    Ok(call.renderer.invoice(&invoice))
}

fn all(call: &mut Call<'_>) -> Reply {
    let (customer, renderer) = (call.form.text("customer"), call.renderer);
    let (subscription, status) = (call.form.text("subscription"), call.form.text("status"));
    list(
        call,
        "invoice",
        |stripe| stripe.invoices(),
        |invoice| {
            customer.as_ref().is_none_or(|customer| invoice.customer == *customer)
                && (subscription.is_none() || invoice.subscription == subscription)
                && status.as_ref().is_none_or(|status| invoice.status.as_str() == status)
        },
        |_, invoice| renderer.invoice(invoice),
    )
}

pub(super) fn route_items(call: &mut Call<'_>, method: &str, rest: &[&str]) -> Option<Reply> {
    Some(match (method, rest) {
        ("POST", []) => create_item(call),
        ("DELETE", [id]) => {
            let deleted = call.stripe.delete_invoice_item(id);
            deleted.map(|()| json!({ "id": id, "object": "invoiceitem", "deleted": true }))
        }
        _ => return None,
    })
}

fn create_item(call: &mut Call<'_>) -> Reply {
    let form = &mut call.form;
    let customer = form.required("customer")?;
    let (amount, currency) = (form.number("amount")?.unwrap_or(0), form.text("currency"));
    let description = form.text("description");
    let currency = currency.unwrap_or_else(|| "usd".to_owned());
    let item = call.stripe.create_invoice_item(&customer, amount, &currency, description)?;
    Ok(call.renderer.invoice_item(&item))
}
