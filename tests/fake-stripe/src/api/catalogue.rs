//! `/v1/products` and `/v1/prices`.

use super::form::Form;
use super::list::{Created, list};
use super::{Call, Reply};
use crate::fault::Fault;
use crate::object::{Recurring, Unit};
use crate::request::NewPrice;
use crate::stripe::CatalogueChange;
use serde_json::json;

pub(super) fn route_products(call: &mut Call<'_>, method: &str, rest: &[&str]) -> Option<Reply> {
    Some(match (method, rest) {
        ("POST", []) => create_product(call),
        ("GET", []) => all_products(call),
        ("GET", [id]) => {
            let found = call.stripe.product(id).ok_or_else(|| Fault::missing("product", id));
            found.map(|product| call.renderer.product(product))
        }
        ("POST", [id]) => update_product(call, id),
        ("DELETE", [id]) => {
            let deleted = call.stripe.delete_product(id);
            deleted.map(|()| json!({ "id": id, "object": "product", "deleted": true }))
        }
        _ => return None,
    })
}

fn create_product(call: &mut Call<'_>) -> Reply {
    let name = call.form.required("name")?;
    let id = call.form.text("id");
    let nickname = call.form.patch("description");
    let metadata = call.form.metadata("metadata");
    let mut product = call.stripe.create_product(id, &name, metadata);
    if nickname != crate::request::Patch::Keep {
        let change = CatalogueChange { nickname, ..CatalogueChange::default() };
        product = call.stripe.update_product(&product.id, change)?;
    }
    Ok(call.renderer.product(&product))
}

fn update_product(call: &mut Call<'_>, id: &str) -> Reply {
    let form = &mut call.form;
    let change = CatalogueChange {
        name: form.text("name"),
        active: form.flag("active")?,
        nickname: form.patch("description"),
        metadata: form.metadata_change("metadata").0,
        ..CatalogueChange::default()
    };
    let product = call.stripe.update_product(id, change)?;
    Ok(call.renderer.product(&product))
}

fn all_products(call: &mut Call<'_>) -> Reply {
    let (active, renderer) = (call.form.flag("active")?, call.renderer);
    list(
        call,
        "product",
        |stripe| stripe.products(),
        |product| active.is_none_or(|active| product.active == active),
        |_, product| renderer.product(product),
    )
}

pub(super) fn route_prices(call: &mut Call<'_>, method: &str, rest: &[&str]) -> Option<Reply> {
    Some(match (method, rest) {
        ("POST", []) => create_price(call),
        ("GET", []) => all_prices(call),
        ("GET", [id]) => {
            let found = call.stripe.price(id).ok_or_else(|| Fault::missing("price", id));
            found.map(|price| call.renderer.price(price))
        }
        ("POST", [id]) => update_price(call, id),
        _ => return None,
    })
}

fn create_price(call: &mut Call<'_>) -> Reply {
    let form = &mut call.form;
    let currency = form.required("currency")?;
    let unit_amount = form.number("unit_amount")?;
    let recurring = recurring(form.under("recurring"))?;
    let product = match form.text("product") {
        Some(product) => product,
        None => {
            let mut data = form.under("product_data");
            let name = data.required("name")?;
            let metadata = data.metadata("metadata");
            data.finish()?;
            call.stripe.create_product(None, &name, metadata).id.clone()
        }
    };
    let form = &mut call.form;
    let price = NewPrice {
        id: None,
        product: Some(product),
        currency,
        unit_amount: unit_amount.unwrap_or(0),
        recurring,
        lookup_key: form.text("lookup_key"),
        nickname: form.text("nickname"),
        metadata: form.metadata("metadata"),
    };
    let price = call.stripe.create_price(price)?;
    Ok(call.renderer.price(&price))
}

fn recurring(mut form: Form) -> Result<Option<Recurring>, Fault> {
    if form.is_empty() {
        return Ok(None);
    }
    let word = form.required("interval")?;
    let invalid = || Fault::param("recurring[interval]", format!("Invalid interval: {word}"));
    let unit = Unit::parse(&word).ok_or_else(invalid)?;
    let metered = form.word("usage_type", &[("licensed", false), ("metered", true)])?;
    let read = Recurring {
        unit,
        count: form.number("interval_count")?.unwrap_or(1),
        metered: metered.unwrap_or(false),
        trial_period_days: form.number("trial_period_days")?,
    };
    form.text("meter");
    form.finish()?;
    Ok(Some(read))
}

fn update_price(call: &mut Call<'_>, id: &str) -> Reply {
    let form = &mut call.form;
    let change = CatalogueChange {
        active: form.flag("active")?,
        lookup_key: form.patch("lookup_key"),
        nickname: form.patch("nickname"),
        metadata: form.metadata_change("metadata").0,
        ..CatalogueChange::default()
    };
    let price = call.stripe.update_price(id, change)?;
    Ok(call.renderer.price(&price))
}

fn all_prices(call: &mut Call<'_>) -> Reply {
    let (created, renderer) = (Created::read(call)?, call.renderer);
    let (active, product) = (call.form.flag("active")?, call.form.text("product"));
    let keys = call.form.texts("lookup_keys");
    list(
        call,
        "price",
        |stripe| stripe.prices(),
        |price| {
            let keyed = || price.lookup_key.as_ref().is_some_and(|key| keys.contains(key));
            created.holds(price.created)
                && active.is_none_or(|active| price.active == active)
                && product.as_ref().is_none_or(|product| price.product == *product)
                && (keys.is_empty() || keyed())
        },
        |_, price| renderer.price(price),
    )
}
