//! `/v1/subscriptions` and `/v1/subscription_items`.

use super::list::{Created, Page, list};
use super::{Call, Reply, read};
use crate::fault::Fault;
use crate::object::{Item, Object, Status, Subscription};
use crate::request::{Cancellation, ItemChange, NewSubscription, Patch, SubscriptionChange};
use serde_json::json;
use std::sync::Arc;

/// Since this version, subscriptions are billed flexibly unless they ask otherwise.
const FLEXIBLE_SINCE: &str = "2025-09-30";

pub(super) fn route(call: &mut Call<'_>, method: &str, rest: &[&str]) -> Option<Reply> {
    Some(match (method, rest) {
        ("POST", []) => create(call),
        ("GET", []) => all(call),
        ("GET", [id]) => found(call, id).map(|sub| call.renderer.subscription(&sub)),
        ("POST", [id]) => update(call, id),
        ("DELETE", [id]) => cancel(call, id),
        ("POST", [id, "pause"]) => pause(call, id),
        ("POST", [id, "resume"]) => resume(call, id),
        _ => return None,
    })
}

fn found(call: &Call<'_>, id: &str) -> Result<Arc<Subscription>, Fault> {
    call.stripe.subscription(id).cloned().ok_or_else(|| Fault::missing("subscription", id))
}

fn create(call: &mut Call<'_>) -> Reply {
    let form = &mut call.form;
    let modes = [("flexible", true), ("classic", false)];
    let flexible = form.under("billing_mode").word("type", &modes)?;
    let by_version = call.renderer.version.since(FLEXIBLE_SINCE);
    let new = NewSubscription {
        customer: form.required("customer")?,
        items: read::items(form, "items")?,
        metadata: form.metadata("metadata"),
        description: form.text("description"),
        trial_end: read::when(form, "trial_end")?,
        trial_period_days: form.number("trial_period_days")?,
        trial_from_plan: form.flag("trial_from_plan")?.unwrap_or(false),
        missing_payment: read::missing_payment(form)?.unwrap_or_default(),
        anchor: form.instant("billing_cycle_anchor")?,
        anchor_config: read::anchor_config(form)?,
        backdate: form.instant("backdate_start_date")?,
        cancel_at: read::cancel_at(form)?.value(),
        cancel_at_period_end: form.flag("cancel_at_period_end")?.unwrap_or(false),
        payment_method: form.text("default_payment_method").or_else(|| form.text("default_source")),
        payment_behavior: read::payment_behavior(form)?,
        proration: read::proration(form)?,
        sends_invoices: read::sends_invoices(form)?.unwrap_or(false),
        flexible: Some(flexible.unwrap_or(by_version)),
    };
    form.text("currency");
    let sub = call.stripe.create_subscription(new)?;
    Ok(call.renderer.subscription(&sub))
}

fn update(call: &mut Call<'_>, id: &str) -> Reply {
    let form = &mut call.form;
    let (metadata, clears_metadata) = form.metadata_change("metadata");
    let anchors = [("now", true), ("unchanged", false)];
    let change = SubscriptionChange {
        items: read::items(form, "items")?,
        metadata,
        clears_metadata,
        description: form.patch("description"),
        proration: read::proration(form)?,
        payment_behavior: read::payment_behavior(form)?,
        resets_anchor: form.word("billing_cycle_anchor", &anchors)?.unwrap_or(false),
        trial_end: read::when(form, "trial_end")?,
        missing_payment: read::missing_payment(form)?,
        cancel_at: read::cancel_at(form)?,
        cancel_at_period_end: form.flag("cancel_at_period_end")?,
        pause_collection: read::pause_collection(form)?,
        payment_method: form.patch("default_payment_method"),
        sends_invoices: read::sends_invoices(form)?,
    };
    let sub = call.stripe.update_subscription(id, change)?;
    Ok(call.renderer.subscription(&sub))
}

fn cancel(call: &mut Call<'_>, id: &str) -> Reply {
    // What was not used is credited on an invoice, which changes nothing here.
    call.form.flag("prorate")?;
    let how = Cancellation { invoice_now: call.form.flag("invoice_now")?.unwrap_or(false) };
    let sub = call.stripe.cancel_subscription(id, how)?;
    Ok(call.renderer.subscription(&sub))
}

fn pause(call: &mut Call<'_>, id: &str) -> Reply {
    call.form.word("type", &[("subscription", ())])?;
    for part in ["bill_for", "invoicing_behavior"] {
        call.form.text(part);
        call.form.under(part);
    }
    let sub = call.stripe.pause_subscription(id)?;
    Ok(call.renderer.subscription(&sub))
}

fn resume(call: &mut Call<'_>, id: &str) -> Reply {
    read::proration(&mut call.form)?;
    let anchors = [("now", false), ("unchanged", true)];
    let keeps_anchor = call.form.word("billing_cycle_anchor", &anchors)?.unwrap_or(false);
    let sub = call.stripe.resume_subscription(id, keeps_anchor)?;
    Ok(call.renderer.subscription(&sub))
}

/// Which statuses a list shows: without a word, those that are not canceled.
fn shows(status: Status, wanted: Option<&str>) -> bool {
    match wanted {
        None => status != Status::Canceled,
        Some("all") => true,
        Some("ended") => status.is_final(),
        Some(word) => status.as_str() == word,
    }
}

fn all(call: &mut Call<'_>) -> Reply {
    let (created, renderer) = (Created::read(call)?, call.renderer);
    let (customer, price) = (call.form.text("customer"), call.form.text("price"));
    let status = call.form.text("status").filter(|status| !status.is_empty());
    let known = |word: &str| {
        ["all", "ended"].contains(&word) || Status::ALL.iter().any(|status| status.as_str() == word)
    };
    if let Some(status) = status.as_deref().filter(|status| !known(status)) {
        return Err(Fault::param("status", format!("Invalid status: {status}")));
    }
    list(
        call,
        "subscription",
        |stripe| stripe.subscriptions(),
        |sub| {
            let has = |price: &String| sub.items.iter().any(|item| item.price.id == *price);
            shows(sub.status, status.as_deref())
                && created.holds(sub.created)
                && customer.as_ref().is_none_or(|customer| sub.customer == *customer)
                && price.as_ref().is_none_or(has)
        },
        |_, sub| renderer.subscription(sub),
    )
}

pub(super) fn route_items(call: &mut Call<'_>, method: &str, rest: &[&str]) -> Option<Reply> {
    Some(match (method, rest) {
        ("GET", []) => all_items(call),
        ("POST", []) => add_item(call),
        ("GET", [id]) => of_item(call, id).map(|(sub, item)| call.renderer.item(&sub, &item)),
        ("POST", [id]) => update_item(call, id),
        ("DELETE", [id]) => delete_item(call, id),
        _ => return None,
    })
}

impl Object for Item {
    fn id(&self) -> &str {
        &self.id
    }
}

fn all_items(call: &mut Call<'_>) -> Reply {
    let id = call.form.required("subscription")?;
    let page = Page::read(call)?;
    let sub = found(call, &id)?;
    let items: Vec<_> = sub.items.iter().cloned().map(Arc::new).collect();
    let (shown, has_more) = page.of(&items, "subscription item")?;
    let data: Vec<_> = shown.iter().map(|item| call.renderer.item(&sub, item)).collect();
    Ok(json!({ "object": "list", "data": data, "has_more": has_more, "url": call.path }))
}

fn of_item(call: &Call<'_>, id: &str) -> Result<(Arc<Subscription>, Item), Fault> {
    let found = call.stripe.subscriptions().iter().find_map(|sub| {
        let item = sub.items.iter().find(|item| item.id == id)?;
        Some((Arc::clone(sub), item.clone()))
    });
    found.ok_or_else(|| Fault::missing("subscription_item", id))
}

fn change_of(call: &mut Call<'_>, item: ItemChange) -> Result<SubscriptionChange, Fault> {
    Ok(SubscriptionChange {
        items: vec![item],
        proration: read::proration(&mut call.form)?,
        payment_behavior: read::payment_behavior(&mut call.form)?,
        description: Patch::Keep,
        ..SubscriptionChange::default()
    })
}

fn add_item(call: &mut Call<'_>) -> Reply {
    let id = call.form.required("subscription")?;
    let item = read::item(&mut call.form)?;
    let change = change_of(call, item)?;
    let sub = call.stripe.update_subscription(&id, change)?;
    let item = sub.items.last().ok_or_else(|| Fault::missing("subscription_item", &id))?;
    Ok(call.renderer.item(&sub, item))
}

fn update_item(call: &mut Call<'_>, id: &str) -> Reply {
    let (sub, _) = of_item(call, id)?;
    let item = ItemChange { id: Some(id.to_owned()), ..read::item(&mut call.form)? };
    let change = change_of(call, item)?;
    call.stripe.update_subscription(&sub.id, change)?;
    let (sub, item) = of_item(call, id)?;
    Ok(call.renderer.item(&sub, &item))
}

fn delete_item(call: &mut Call<'_>, id: &str) -> Reply {
    let (sub, _) = of_item(call, id)?;
    let change = change_of(call, ItemChange::removal(id))?;
    call.stripe.update_subscription(&sub.id, change)?;
    Ok(json!({ "id": id, "object": "subscription_item", "deleted": true }))
}
