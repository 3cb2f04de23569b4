//! Plans and actions as they are configured.

use super::Doors;
use super::auth::{May, Read};
use super::input::query::Params;
use super::list::List;
use super::openapi::{PageParams, Problems};
use super::problem::Problem;
use axum::Json;
use axum::extract::State;
use creditd_rules::plan::{Class, Limits, Per};
use creditd_rules::{Amount, Kind};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A limit of a plan.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct PlanLimit {
    /// The span that it holds for.
    per: Per,
    /// What it allows.
    credits: Amount,
}

/// A plan.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct PlanView {
    /// Its name.
    id: String,
    /// Free or paid.
    class: Class,
    /// Where it stands: a move to a higher rank is an upgrade.
    rank: u32,
    /// What it allows of message credits, the longest span first.
    message: Vec<PlanLimit>,
    /// What it allows of integration credits, the longest span first.
    integration: Vec<PlanLimit>,
}

/// An action.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ActionView {
    /// Its name.
    id: String,
    /// The kind of credit that it takes.
    kind: Kind,
    /// What one costs.
    cost: Amount,
    /// What one costs on plans of a class, where that differs.
    cost_by_class: BTreeMap<&'static str, Amount>,
}

/// List plans
#[utoipa::path(get, path = "/v1/plans", operation_id = "list_plans", tag = "catalogue", params(PageParams),
    security(("key" = ["read"])),
    responses((status = 200, description = "the lowest rank first", body = List<PlanView>), Problems))]
pub(crate) async fn plans(
    _: May<Read>, State(doors): State<Arc<Doors>>, mut params: Params,
) -> Result<Json<List<PlanView>>, Problem> {
    let page = params.page();
    let catalogue = doors.api.catalogue.now();
    let plans = catalogue.plans();
    let after = page.cursor.as_deref();
    let seen = plans.iter().position(|plan| Some(plan.id.as_str()) == after);
    if after.is_some() && seen.is_none() {
        params.fault("?cursor", "must be the next_cursor of an earlier answer");
    }
    params.finish()?;
    let rest = plans.into_iter().skip(seen.map_or(0, |seen| seen.saturating_add(1)));
    let views = rest.map(|plan| PlanView {
        id: plan.id.to_string(),
        class: plan.class,
        rank: plan.rank,
        message: limits(plan.limits.message),
        integration: limits(plan.limits.integration),
    });
    Ok(Json(List::cut(views, page.limit, |plan| &plan.id)))
}

/// List actions
#[utoipa::path(get, path = "/v1/actions", operation_id = "list_actions", tag = "catalogue", params(PageParams),
    security(("key" = ["read"])),
    responses((status = 200, description = "by name", body = List<ActionView>), Problems))]
pub(crate) async fn actions(
    _: May<Read>, State(doors): State<Arc<Doors>>, mut params: Params,
) -> Result<Json<List<ActionView>>, Problem> {
    let page = params.page();
    params.finish()?;
    let after = page.cursor.as_deref();
    let catalogue = doors.api.catalogue.now();
    let actions = catalogue.actions();
    let rest = actions.filter(|action| after.is_none_or(|after| action.id.as_str() > after));
    let views = rest.map(|action| ActionView {
        id: action.id.to_string(),
        kind: action.kind,
        cost: action.cost,
        cost_by_class: action
            .cost_by_class
            .iter()
            .map(|(class, cost)| (class_name(*class), *cost))
            .collect(),
    });
    Ok(Json(List::cut(views, page.limit, |action| &action.id)))
}

fn limits(limits: Limits) -> Vec<PlanLimit> {
    let limit = |per, credits: Option<Amount>| credits.map(|credits| PlanLimit { per, credits });
    [limit(Per::Month, limits.month), limit(Per::Day, limits.day)].into_iter().flatten().collect()
}

const fn class_name(class: Class) -> &'static str {
    match class {
        Class::Free => "free",
        Class::Paid => "paid",
    }
}
