//! Plans, actions, the host's choices, and which plan a price buys.

use super::layers::{BUILT_IN, closest};
use super::reader::{
    AMOUNT_ALLOWED, Entry, Reader, amount, integer_of, list_of, one_of, origin_of, table_of,
    text_of,
};
use super::sections;
use crate::stripe::snapshot::{PriceRef, Prices};
use chrono::TimeDelta;
use config::Value;
use creditd_rules::id::{ActionId, PlanId, is_valid};
use creditd_rules::plan::{
    Action, Catalogue, Class, Downgrade, FreeWindow, Limits, PerKind, Plan, Policy, Rebuy,
    RewardOnce,
};
use creditd_rules::{Amount, Kind};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Which plan a price buys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PriceMap {
    prices: BTreeMap<String, PlanId>,
    products: BTreeMap<String, PlanId>,
}

impl PriceMap {
    /// The plan of a price: by its id, else by its lookup key, else by its product.
    #[must_use]
    pub fn plan_for(
        &self, price_id: &str, lookup_key: Option<&str>, product: Option<&str>,
    ) -> Option<&PlanId> {
        let by_price = |key: &str| self.prices.get(key);
        by_price(price_id)
            .or_else(|| lookup_key.and_then(by_price))
            .or_else(|| product.and_then(|product| self.products.get(product)))
    }

    /// The plan that what is known of a price buys.
    #[must_use]
    pub fn bought_by(&self, price: &PriceRef<'_>) -> Option<PlanId> {
        self.plan_for(price.id, price.lookup_key, price.product).cloned()
    }

    /// The map as what applies events asks for it.
    #[must_use]
    pub fn into_prices(self) -> Arc<Prices> {
        Arc::new(move |price| self.bought_by(price))
    }

    /// The price ids and lookup keys, then the products, that buy a plan.
    pub fn of_plan<'a>(&'a self, plan: &'a PlanId) -> impl Iterator<Item = &'a str> {
        let both = self.prices.iter().chain(&self.products);
        both.filter(move |(_, of)| *of == plan).map(|(name, _)| name.as_str())
    }
}

/// The host's choices.
pub(super) fn policy(reader: &mut Reader) -> Option<Policy> {
    let free_window = reader.word(
        "credits.free_window",
        &[("first_use", FreeWindow::FirstUse), ("signup", FreeWindow::Signup)],
    );
    let downgrade = reader.word(
        "credits.downgrade",
        &[("at_reset", Downgrade::AtReset), ("immediately", Downgrade::Immediately)],
    );
    let past_due_grace = reader.duration("credits.past_due_grace");
    let rebuy =
        reader.word("credits.rebuy", &[("full", Rebuy::Full), ("carry_used", Rebuy::CarryUsed)]);
    let share_reward_once = reader.word(
        "credits.share_reward_once",
        &[("network", RewardOnce::Network), ("account", RewardOnce::Account)],
    );
    let share_reward = reader.amount("credits.share_reward");
    let share_followers_above = reader.integer("credits.share_followers_above", 0..=i64::MAX);
    let message = reader.amount("credits.signup_grant.message");
    let integration = reader.amount("credits.signup_grant.integration");
    let mail_run_out = sections::kinds(reader, "mail.run_out");
    let mail_warning = sections::kinds(reader, "mail.warn_at_80");
    Some(Policy {
        free_window: free_window?,
        downgrade: downgrade?,
        past_due_grace: TimeDelta::from_std(past_due_grace?).ok()?,
        rebuy: rebuy?,
        share_reward_once: share_reward_once?,
        share_reward: share_reward?,
        share_followers_above: share_followers_above?,
        signup_grant: PerKind { message: message?, integration: integration? },
        mail_run_out: mail_run_out?,
        mail_warning: mail_warning?,
    })
}

/// Plans and actions, and the map of prices.
pub(super) fn plans(reader: &mut Reader, policy: Option<Policy>) -> Option<(Catalogue, PriceMap)> {
    let faults_before = reader.errors.len();
    let mut plans = Vec::new();
    let mut prices = PriceMap::default();
    let mut origin = BUILT_IN.to_owned();
    for (_, entry) in reader.entries("plans") {
        origin.clone_from(&entry.origin);
        let read = plan(reader, &entry);
        let id = read.as_ref().map_or_else(|| PlanId::from("?"), |plan| plan.id.clone());
        let free = read.as_ref().is_some_and(|plan| plan.class == Class::Free);
        map_prices(reader, &entry, &id, free, &mut prices);
        plans.extend(read);
    }
    let actions: Vec<Option<Action>> = reader
        .entries("actions")
        .into_iter()
        .map(|(name, entry)| action(reader, &name, &entry))
        .collect();
    if reader.errors.len() > faults_before {
        return None;
    }
    match Catalogue::try_new(plans, actions.into_iter().flatten(), policy?) {
        Ok(catalogue) => Some((catalogue, prices)),
        Err(error) => {
            reader.wrong_at(origin, "plans", format!("do not make a catalogue: {error}"));
            None
        }
    }
}

impl Entry {
    /// Notes keys that are not among `known`.
    fn only(&self, reader: &mut Reader, known: &[&str]) {
        let mut names: Vec<&String> = self.table.keys().collect();
        names.sort();
        for name in names.into_iter().filter(|name| !known.contains(&name.as_str())) {
            let hint = match closest(name, known.iter().map(|known| (*known).to_owned())) {
                Some(meant) => format!("did you mean {meant}?"),
                None => format!("there are {}", known.join(", ")),
            };
            let origin = self.table.get(name).map_or_else(|| self.origin.clone(), origin_of);
            reader.wrong_at(origin, &self.key(name), format!("is unknown; {hint}"));
        }
    }

    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    /// A value that `parse` takes; `allowed` completes "must be …".
    fn take<T>(
        &self, reader: &mut Reader, name: &str, allowed: &str,
        parse: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        let parsed = self.table.get(name).and_then(parse);
        if parsed.is_none() {
            let origin = self.table.get(name).map_or_else(|| self.origin.clone(), origin_of);
            let missing = if self.table.contains_key(name) { "" } else { "is missing; it " };
            reader.wrong_at(origin, &self.key(name), format!("{missing}must be {allowed}"));
        }
        parsed
    }

    /// A list of texts, none of them empty; no list at all is an empty one.
    fn texts(&self, reader: &mut Reader, name: &str) -> Vec<String> {
        if !self.table.contains_key(name) {
            return Vec::new();
        }
        let texts = |value: &Value| {
            let texts = list_of(value)?.iter().map(|item| text_of(item).map(str::to_owned));
            texts.collect::<Option<Vec<_>>>().filter(|texts| !texts.iter().any(String::is_empty))
        };
        self.take(reader, name, "a list of texts, none of them empty", texts).unwrap_or_default()
    }
}

fn plan(reader: &mut Reader, entry: &Entry) -> Option<Plan> {
    entry.only(reader, &["id", "class", "rank", "prices", "products", "message", "integration"]);
    let id = entry.take(reader, "id", "a name of 1 to 128 letters, digits, or _.:@-", |value| {
        text_of(value).filter(|text| is_valid(text)).map(PlanId::from)
    });
    let class =
        entry.take(reader, "class", &one_of(["free", "paid"].into_iter()), |value| match text_of(
            value,
        )? {
            "free" => Some(Class::Free),
            "paid" => Some(Class::Paid),
            _ => None,
        });
    let rank = entry.take(
        reader,
        "rank",
        "a whole number from 0; higher ranks are better plans",
        |value| integer_of(value).and_then(|rank| u32::try_from(rank).ok()),
    );
    let message = entry.take(reader, "message", LIMITS_ALLOWED, limits);
    let integration = entry.take(reader, "integration", LIMITS_ALLOWED, limits);
    let limits = PerKind { message: message?, integration: integration? };
    Some(Plan { id: id?, class: class?, rank: rank?, limits })
}

const LIMITS_ALLOWED: &str = "one or two limits, one a \"day\" and one a \"month\", with amounts in \
     quotes: [{ per = \"month\", credits = \"250\" }]";

/// One or two limits, no two for the same span.
fn limits(value: &Value) -> Option<Limits> {
    let mut limits = Limits::default();
    let list = list_of(value).filter(|list| !list.is_empty())?;
    for limit in list {
        let table = table_of(limit).filter(|table| table.len() == 2)?;
        let credits = amount(text_of(table.get("credits")?)?)?;
        let span = match text_of(table.get("per")?)? {
            "day" => &mut limits.day,
            "month" => &mut limits.month,
            _ => return None,
        };
        if span.replace(credits).is_some() {
            return None;
        }
    }
    Some(limits)
}

/// Notes which prices buy a plan.
fn map_prices(reader: &mut Reader, entry: &Entry, id: &PlanId, free: bool, map: &mut PriceMap) {
    for (name, plans) in [("prices", &mut map.prices), ("products", &mut map.products)] {
        for price in entry.texts(reader, name) {
            if free {
                let problem = "must not be given: the free plan is for those who bought nothing";
                reader.wrong_at(entry.origin.clone(), &entry.key(name), problem);
                break;
            }
            match plans.insert(price.clone(), id.clone()) {
                None => {}
                Some(other) if other == *id => {
                    let problem = format!("names {price:?} twice");
                    reader.wrong_at(entry.origin.clone(), &entry.key(name), problem);
                }
                Some(other) => {
                    let problem = format!("maps {price:?} to {id}, and plan {other} has it too");
                    reader.wrong_at(entry.origin.clone(), &entry.key(name), problem);
                }
            }
        }
    }
}

fn action(reader: &mut Reader, name: &str, entry: &Entry) -> Option<Action> {
    entry.only(reader, &["kind", "cost", "cost_by_class"]);
    if !is_valid(name) {
        let problem = "must be named with 1 to 128 letters, digits, or _.:@-";
        reader.wrong_at(entry.origin.clone(), &entry.path, problem);
    }
    let kind =
        entry.take(reader, "kind", &one_of(Kind::ALL.iter().map(|kind| kind.as_str())), |value| {
            text_of(value)?.parse().ok()
        });
    let cost = entry.take(reader, "cost", AMOUNT_ALLOWED, |value| amount(text_of(value)?));
    let cost_by_class = match entry.table.get("cost_by_class") {
        None => Some(BTreeMap::new()),
        Some(_) => entry.take(
            reader,
            "cost_by_class",
            "amounts in quotes for \"free\", \"paid\" or both: { paid = \"0\" }",
            cost_by_class,
        ),
    };
    Some(Action {
        id: ActionId::from(name),
        kind: kind?,
        cost: cost?,
        cost_by_class: cost_by_class?,
    })
}

fn cost_by_class(value: &Value) -> Option<BTreeMap<Class, Amount>> {
    let mut costs = BTreeMap::new();
    for (class, cost) in table_of(value)? {
        let class = match class.as_str() {
            "free" => Class::Free,
            "paid" => Class::Paid,
            _ => return None,
        };
        costs.insert(class, amount(text_of(cost)?)?);
    }
    Some(costs)
}
