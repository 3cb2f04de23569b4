//! `expand[]`: ids replaced by the objects that they name.

use crate::render::Renderer;
use crate::stripe::Stripe;
use serde_json::Value;

/// Replaces the ids at these paths, such as `data.customer` or `latest_invoice`. A path that leads
/// nowhere changes nothing.
pub(super) fn expand(stripe: &Stripe, renderer: &Renderer, body: &mut Value, paths: &[String]) {
    for path in paths {
        let steps: Vec<_> = path.split('.').collect();
        follow(stripe, renderer, body, &steps);
    }
}

fn follow(stripe: &Stripe, renderer: &Renderer, value: &mut Value, steps: &[&str]) {
    if let Value::Array(values) = value {
        for value in values {
            follow(stripe, renderer, value, steps);
        }
        return;
    }
    if let Some(object) = value.as_str().and_then(|id| named(stripe, renderer, id)) {
        *value = object;
    }
    if let Some((step, rest)) = steps.split_first()
        && let Some(next) = value.get_mut(step)
    {
        follow(stripe, renderer, next, rest);
    }
}

fn named(stripe: &Stripe, renderer: &Renderer, id: &str) -> Option<Value> {
    let customer = || Some(renderer.customer(stripe.customer(id)?));
    let subscription = || Some(renderer.subscription(stripe.subscription(id)?));
    let invoice = || Some(renderer.invoice(stripe.invoice(id)?));
    let schedule = || Some(renderer.schedule(stripe.schedule(id)?));
    let product = || Some(renderer.product(stripe.product(id)?));
    let method = || Some(renderer.payment_method(stripe.payment_method(id)?));
    let price = || Some(renderer.price(stripe.price(id)?));
    customer()
        .or_else(subscription)
        .or_else(invoice)
        .or_else(schedule)
        .or_else(product)
        .or_else(method)
        .or_else(price)
}
