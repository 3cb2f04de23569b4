//! `/v1/customers` and `/v1/payment_methods`.

use super::list::{Created, list};
use super::{Call, Reply, read};
use crate::fault::Fault;
use crate::object::Card;
use crate::request::CustomerChange;
use serde_json::json;

pub(super) fn route(call: &mut Call<'_>, method: &str, rest: &[&str]) -> Option<Reply> {
    Some(match (method, rest) {
        ("POST", []) => create(call),
        ("GET", []) => all(call),
        ("GET", [id]) => retrieve(call, id),
        ("POST", [id]) => update(call, id),
        ("DELETE", [id]) => delete(call, id),
        _ => return None,
    })
}

fn change(call: &mut Call<'_>) -> CustomerChange {
    let form = &mut call.form;
    CustomerChange {
        email: form.patch("email"),
        name: form.patch("name"),
        description: form.patch("description"),
        metadata: form.metadata_change("metadata").0,
        payment: read::payment(form),
        test_clock: form.text("test_clock"),
    }
}

fn create(call: &mut Call<'_>) -> Reply {
    let new = change(call);
    let customer = call.stripe.create_customer(new)?;
    Ok(call.renderer.customer(&customer))
}

fn update(call: &mut Call<'_>, id: &str) -> Reply {
    let change = change(call);
    let customer = call.stripe.update_customer(id, change)?;
    Ok(call.renderer.customer(&customer))
}

fn retrieve(call: &Call<'_>, id: &str) -> Reply {
    let customer = call.stripe.customer(id).ok_or_else(|| Fault::missing("customer", id))?;
    Ok(call.renderer.customer(customer))
}

fn delete(call: &mut Call<'_>, id: &str) -> Reply {
    call.stripe.delete_customer(id)?;
    Ok(json!({ "id": id, "object": "customer", "deleted": true }))
}

fn all(call: &mut Call<'_>) -> Reply {
    let (created, renderer) = (Created::read(call)?, call.renderer);
    let email = call.form.text("email");
    list(
        call,
        "customer",
        |stripe| stripe.customers(),
        |customer| {
            let named = email.is_none() || customer.email == email;
            !customer.deleted && named && created.holds(customer.created)
        },
        |_, customer| renderer.customer(customer),
    )
}

pub(super) fn route_methods(call: &mut Call<'_>, method: &str, rest: &[&str]) -> Option<Reply> {
    Some(match (method, rest) {
        ("POST", []) => create_method(call),
        ("GET", [id]) => {
            let found = call.stripe.payment_method(id);
            let found = found.ok_or_else(|| Fault::missing("PaymentMethod", id));
            found.map(|method| call.renderer.payment_method(method))
        }
        ("POST", [id, "attach"]) => attach(call, id),
        _ => return None,
    })
}

fn create_method(call: &mut Call<'_>) -> Reply {
    let kind = call.form.required("type")?;
    let mut details = call.form.under(&kind);
    let token = details.text("token").unwrap_or_default();
    let mut person = call.form.under("billing_details");
    let email = person.text("email");
    let card = match token.as_str() {
        "tok_chargeCustomerFail" | "tok_chargeDeclined" => Card::Declines,
        _ => Card::Pays,
    };
    let method = call.stripe.create_payment_method(&kind, card, email);
    Ok(call.renderer.payment_method(&method))
}

fn attach(call: &mut Call<'_>, id: &str) -> Reply {
    let customer = call.form.required("customer")?;
    let method = call.stripe.attach(id, &customer)?;
    Ok(call.renderer.payment_method(&method))
}
