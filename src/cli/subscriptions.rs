//! `creditd subscriptions show`: ours beside Stripe's, with the differences marked.

use super::args::{OfStripe, Subscriptions};
use super::{ground, table};
use crate::inbox::Inbox;
use crate::reconcile::Reconcile;
use crate::settings::Settings;
use crate::store::Mark;
use crate::stripe::api::ApiError;
use crate::stripe::difference::Field;
use anyhow::bail;
use creditd_rules::command::{ItemPlan, Snapshot, SnapshotItem, Source};
use creditd_rules::id::{SubscriptionId, WorkspaceId};
use creditd_rules::state::Subscription;
use serde_json::json;
use std::io::Write;

pub(super) async fn run(
    settings: &Settings, what: Subscriptions, out: &mut dyn Write,
) -> anyhow::Result<()> {
    ground::with_inbox(settings, async |inbox: Inbox| show(inbox, what, out).await).await
}

/// What is known of a subscription.
struct Shown {
    id: String,
    workspace: Option<WorkspaceId>,
    ours: Option<Subscription>,
    fields: Vec<Field>,
    /// What Stripe answered: `answered`, `missing`, or why it could not be asked.
    stripe: String,
    mark: Option<Mark>,
}

async fn show(inbox: Inbox, what: Subscriptions, out: &mut dyn Write) -> anyhow::Result<()> {
    let Subscriptions::Show(OfStripe { id, form }) = what;
    let shown = read(&inbox, id).await?;
    if form.json {
        let mark = shown.mark.as_ref().map(|mark| {
            json!({ "state": mark.state.as_str(), "attempts": mark.attempts, "note": mark.note,
                "waits_for": mark.waits_for, "marked_at": mark.marked_at })
        });
        let ours = shown.ours.as_ref();
        let all = json!({
            "id": shown.id,
            "workspace": shown.workspace,
            "buyer": ours.and_then(|ours| ours.buyer.clone()),
            "stripe": shown.stripe,
            "fields": shown.fields,
            "differs": shown.fields.iter().any(|field| field.differs),
            "mark": mark,
        });
        return table::json(out, &all);
    }
    let workspace = shown.workspace.as_ref().map(|id| id.as_str());
    let buyer = shown.ours.as_ref().and_then(|ours| ours.buyer.as_ref()).map(|id| id.as_str());
    writeln!(out, "subscription  {}", shown.id)?;
    writeln!(out, "workspace     {}", table::text(workspace))?;
    writeln!(out, "buyer         {}", table::text(buyer))?;
    writeln!(out, "Stripe        {}", shown.stripe)?;
    if let Some(Mark { state, note, .. }) = &shown.mark {
        let note = table::text(note.as_deref());
        writeln!(out, "to fetch      {}: {note}", state.as_str())?;
    }
    writeln!(out)?;
    let rows: Vec<_> = shown.fields.iter().map(row).collect();
    table::write(out, ["", "FIELD", "OURS", "STRIPE"], &rows)?;
    Ok(())
}

fn row(field: &Field) -> [String; 4] {
    [
        if field.differs { "*" } else { " " }.to_owned(),
        field.kind.to_owned(),
        table::text(field.ours.as_deref()),
        table::text(field.stripe.as_deref()),
    ]
}

async fn read(inbox: &Inbox, id: String) -> anyhow::Result<Shown> {
    let subscription = SubscriptionId::from(id.as_str());
    let workspace = inbox.store.workspace_of_subscription(&subscription).await?;
    let ours = match &workspace {
        Some(workspace) => inbox.ours(workspace, &subscription).await?.1,
        None => None,
    };
    let mark = inbox.store.mark_of(&id).await?;
    let asked = match &inbox.stripe {
        Some(stripe) => Some(stripe.subscription(&id).await),
        None => None,
    };
    let (fields, stripe) = match asked {
        Some(Ok(fetched)) => {
            let reconcile = Reconcile { inbox: inbox.clone() };
            (reconcile.beside(&fetched).await?.0, "answered".to_owned())
        }
        Some(Err(ApiError::Missing)) => (alone(ours.as_ref()), "missing".to_owned()),
        Some(Err(cause)) => (alone(ours.as_ref()), cause.to_string()),
        None => (alone(ours.as_ref()), "not asked: stripe.api_key is not set".to_owned()),
    };
    if ours.is_none() && fields.is_empty() && mark.is_none() {
        bail!("there is no subscription {id} (Stripe: {stripe})");
    }
    Ok(Shown { id, workspace, ours, fields, stripe, mark })
}

/// Our own fields, with nothing beside them.
fn alone(ours: Option<&Subscription>) -> Vec<Field> {
    let Some(ours) = ours else { return Vec::new() };
    let items = ours.items.iter().map(|item| SnapshotItem {
        id: item.id.clone(),
        plan: ItemPlan::Plan(item.plan.clone()),
        quantity: item.quantity,
    });
    let same = Snapshot {
        subscription: ours.id.clone(),
        customer: ours.customer.clone(),
        buyer: None,
        status: Some(ours.status),
        items: items.collect(),
        timeline: ours.timeline,
        trial_end: None,
        cancel_at: ours.cancel_at,
        created: ours.told.created,
        source: Source::Fetched,
    };
    let fields = crate::stripe::difference::fields(Some(ours), &same);
    fields.into_iter().map(|field| Field { stripe: None, differs: false, ..field }).collect()
}
