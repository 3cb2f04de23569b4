//! `creditd customers …`: whose Stripe's customers are, and what waits until that is known.

use super::args::{Customers, OfStripe};
use super::table;
use crate::store::{Home, PageQuery, Store, Waits};
use anyhow::bail;
use creditd_rules::command::Touch;
use creditd_rules::id::{CustomerId, WorkspaceId};
use creditd_rules::state::Subscription;
use serde_json::{Value, json};
use std::io::Write;

pub(super) async fn run(
    store: &dyn Store, what: Customers, out: &mut dyn Write,
) -> anyhow::Result<()> {
    match what {
        Customers::List { limit, waiting, form } => {
            let waits = store.waits().await?;
            let query = PageQuery { limit, cursor: None };
            let known = match waiting {
                true => Vec::new(),
                false => store.customers(&query).await?.rows,
            };
            if form.json {
                let known: Vec<Value> = known.iter().map(customer_json).collect();
                let all = json!({ "customers": known, "waiting": waits });
                return table::json(out, &all);
            }
            if !waiting {
                let rows: Vec<_> =
                    known.iter().map(|(id, home)| [id.to_string(), home.to_string()]).collect();
                table::write(out, ["CUSTOMER", "WORKSPACE"], &rows)?;
            }
            print_waits(&waits, !waiting, out)
        }
        Customers::Show(OfStripe { id, form }) => {
            let id = CustomerId::from(id);
            let home = store.workspace_of(&Home::Customer(id.clone())).await?;
            let on = format!("customer:{id}");
            let waits: Vec<Waits> =
                store.waits().await?.into_iter().filter(|waits| waits.waits_for == on).collect();
            if home.is_none() && waits.is_empty() {
                bail!("there is no customer {id}, and nothing waits for it");
            }
            let subscriptions = match &home {
                Some(home) => subscriptions(store, home, &id).await?,
                None => Vec::new(),
            };
            if form.json {
                let subscriptions: Vec<Value> = subscriptions.iter().map(as_json).collect();
                let all = json!({
                    "id": id, "workspace": home, "subscriptions": subscriptions, "waiting": waits,
                });
                return table::json(out, &all);
            }
            writeln!(out, "customer   {id}")?;
            writeln!(out, "workspace  {}", table::text(home.as_ref().map(|home| home.as_str())))?;
            let rows: Vec<_> = subscriptions.iter().map(row).collect();
            writeln!(out)?;
            table::write(out, ["SUBSCRIPTION", "STATUS", "ITEMS"], &rows)?;
            print_waits(&waits, true, out)
        }
    }
}

async fn subscriptions(
    store: &dyn Store, home: &WorkspaceId, customer: &CustomerId,
) -> anyhow::Result<Vec<Subscription>> {
    let touch = Touch { team: true, ..Touch::default() };
    let found = store.read(&Home::Workspace(home.clone()), &touch).await?;
    let all = found.map(|(_, workspace)| workspace.subscriptions).unwrap_or_default();
    Ok(all.into_values().filter(|subscription| subscription.customer == *customer).collect())
}

fn print_waits(waits: &[Waits], after_more: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if waits.is_empty() && after_more {
        return Ok(());
    }
    if after_more {
        writeln!(out)?;
    }
    let rows: Vec<_> = waits
        .iter()
        .map(|Waits { waits_for, events, marks, oldest }| {
            [waits_for.clone(), events.to_string(), marks.to_string(), table::instant(*oldest)]
        })
        .collect();
    table::write(out, ["WAITS FOR", "EVENTS", "TO FETCH", "SINCE"], &rows)?;
    Ok(())
}

fn customer_json((id, workspace): &(CustomerId, WorkspaceId)) -> Value {
    json!({ "id": id, "workspace": workspace })
}

fn row(subscription: &Subscription) -> [String; 3] {
    let items = subscription.items.iter().map(|item| format!("{} x {}", item.quantity, item.plan));
    [
        subscription.id.to_string(),
        subscription.status.as_str().to_owned(),
        items.collect::<Vec<_>>().join(", "),
    ]
}

fn as_json(subscription: &Subscription) -> Value {
    json!({
        "id": subscription.id,
        "status": subscription.status,
        "items": subscription.items,
        "buyer": subscription.buyer,
    })
}
