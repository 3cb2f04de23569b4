//! The other objects that events bring: checkout sessions, customers, schedules.

use super::loose::{List, Metadata, Named, Seconds, Stub, Whole, null_is_default};
use super::snapshot::{ObjectError, Price, Prices, count, plan_of, usable};
use chrono::{DateTime, Utc};
use creditd_rules::command::{ItemPlan, SnapshotItem};
use creditd_rules::id::{CustomerId, SubscriptionId};
use serde::Deserialize;
use std::collections::BTreeSet;

/// A checkout session. Whether it is paid does not matter here: it only says who bought.
#[derive(Debug, Deserialize)]
pub struct CheckoutSession {
    customer: Option<Named<Stub>>,
    subscription: Option<Named<Stub>>,
    client_reference_id: Option<String>,
    #[serde(default)]
    metadata: Metadata,
}

impl CheckoutSession {
    /// Reads a session's JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(json: &str) -> Result<Self, ObjectError> {
        Ok(serde_json::from_str(json)?)
    }

    /// The customer who bought a subscription; none where it sold something else.
    #[must_use]
    pub fn buyer(&self) -> Option<CustomerId> {
        self.subscription.as_ref()?;
        Some(CustomerId::from(usable(self.customer.as_ref()?.id(), "customer").ok()?))
    }

    /// The subscription that it sold.
    #[must_use]
    pub fn subscription(&self) -> Option<SubscriptionId> {
        let id = self.subscription.as_ref()?.id();
        Some(SubscriptionId::from(usable(id, "subscription").ok()?))
    }

    /// A value of its metadata.
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key)
    }

    /// The host's reference. Whoever pays can set it in a payment link.
    #[must_use]
    pub fn client_reference(&self) -> Option<&str> {
        self.client_reference_id.as_deref().filter(|text| !text.trim().is_empty())
    }
}

/// A customer, live or deleted.
#[derive(Debug, Deserialize)]
pub struct Customer {
    id: String,
    #[serde(default, deserialize_with = "null_is_default")]
    deleted: bool,
    #[serde(default)]
    metadata: Metadata,
    subscriptions: Option<List<Stub>>,
}

impl Customer {
    /// Reads a customer's JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(json: &str) -> Result<Self, ObjectError> {
        let customer: Self = serde_json::from_str(json)?;
        usable(&customer.id, "id")?;
        Ok(customer)
    }

    /// A customer of whom no more than the id is known.
    #[must_use]
    pub fn of(id: &str) -> Self {
        let (id, metadata) = (id.to_owned(), Metadata::default());
        Self { id, deleted: true, metadata, subscriptions: None }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> CustomerId {
        CustomerId::from(self.id.as_str())
    }

    /// A value of its metadata.
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key)
    }

    /// Whether it was deleted; then it is but a stub.
    #[must_use]
    pub const fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// Its subscriptions, where old API versions list them.
    pub fn subscriptions(&self) -> impl Iterator<Item = SubscriptionId> {
        let listed = self.subscriptions.iter().flat_map(|list| &list.data);
        listed.filter_map(|stub| usable(&stub.id, "id").ok()).map(SubscriptionId::from)
    }
}

/// The customer that any object is or belongs to; none where it does not say.
pub(crate) fn customer_of(json: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Any {
        id: Option<String>,
        object: Option<String>,
        customer: Option<Named<Stub>>,
    }
    let any: Any = serde_json::from_str(json).ok()?;
    match any.customer {
        Some(customer) => Some(customer.id().to_owned()),
        None => any.id.filter(|_| any.object.as_deref() == Some("customer")),
    }
}

/// An invoice, of which only the subscription matters.
#[derive(Debug, Deserialize)]
pub struct Invoice {
    subscription: Option<Named<Stub>>,
    parent: Option<Parent>,
}

#[derive(Debug, Deserialize)]
struct Parent {
    subscription_details: Option<Details>,
}

#[derive(Debug, Deserialize)]
struct Details {
    subscription: Option<Named<Stub>>,
}

impl Invoice {
    /// Reads an invoice's JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(json: &str) -> Result<Self, ObjectError> {
        Ok(serde_json::from_str(json)?)
    }

    /// The subscription that it bills; none where it bills something else. Versions since 2025-03-31
    /// name it in `parent`.
    #[must_use]
    pub fn subscription(&self) -> Option<SubscriptionId> {
        let parent = self.parent.as_ref().and_then(|parent| parent.subscription_details.as_ref());
        let named = parent.and_then(|details| details.subscription.as_ref());
        let named = named.or(self.subscription.as_ref())?;
        Some(SubscriptionId::from(usable(named.id(), "subscription").ok()?))
    }
}

/// From an instant on, a subscription has these items.
pub type Change = (DateTime<Utc>, Vec<SnapshotItem>);

/// A subscription schedule.
#[derive(Debug, Clone, Deserialize)]
pub struct Schedule {
    subscription: Option<Named<Stub>>,
    released_subscription: Option<Named<Stub>>,
    status: Option<String>,
    current_phase: Option<Span>,
    #[serde(default, deserialize_with = "null_is_default")]
    phases: Vec<Phase>,
}

#[derive(Debug, Clone, Deserialize)]
struct Span {
    start_date: Seconds,
}

#[derive(Debug, Clone, Deserialize)]
struct Phase {
    start_date: Seconds,
    #[serde(default, deserialize_with = "null_is_default")]
    items: Vec<PhaseItem>,
}

#[derive(Debug, Clone, Deserialize)]
struct PhaseItem {
    price: Option<Named<Price>>,
    plan: Option<Named<Price>>,
    quantity: Option<Whole>,
}

impl Schedule {
    /// Reads a schedule's JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(json: &str) -> Result<Self, ObjectError> {
        Ok(serde_json::from_str(json)?)
    }

    /// The subscription that it steers, or steered; none before its first phase began.
    #[must_use]
    pub fn subscription(&self) -> Option<SubscriptionId> {
        let named = self.subscription.as_ref().or(self.released_subscription.as_ref())?;
        Some(SubscriptionId::from(usable(named.id(), "subscription").ok()?))
    }

    /// What the phase after the one that ran at `created` brings, and from when; none where the
    /// schedule is over or nothing follows.
    ///
    /// # Errors
    /// When a quantity cannot be one.
    pub fn next_change(
        &self, prices: &Prices, created: DateTime<Utc>,
    ) -> Result<Option<Change>, ObjectError> {
        let Some(next) = self.next_phase(created) else { return Ok(None) };
        let items = next.items.iter().filter_map(|item| item.normalised(prices));
        Ok(Some((next.start_date.0, items.collect::<Result<_, _>>()?)))
    }

    fn next_phase(&self, created: DateTime<Utc>) -> Option<&Phase> {
        if !matches!(self.status.as_deref(), Some("active" | "not_started") | None) {
            return None;
        }
        let running = self.current_phase.as_ref().map_or(created, |phase| phase.start_date.0);
        let later = self.phases.iter().filter(|phase| phase.start_date.0 > running);
        later.min_by_key(|phase| phase.start_date.0)
    }

    /// The prices of that phase of which only the id is told, and which no plan names by it: a plan
    /// may name their lookup key or product.
    #[must_use]
    pub fn bare_prices(&self, prices: &Prices, created: DateTime<Utc>) -> BTreeSet<String> {
        let items = self.next_phase(created).into_iter().flat_map(|phase| &phase.items);
        let bare = items.filter_map(|item| match item.named() {
            Some(price @ Named::Id(id)) if plan_of(price, prices) == ItemPlan::Unknown => Some(id),
            Some(Named::Id(_) | Named::Object(_)) | None => None,
        });
        bare.filter(|id| usable(id, "price").is_ok()).cloned().collect()
    }

    /// Takes note of what a price is of which only the id was told.
    ///
    /// # Errors
    /// When it is none.
    pub fn learn_price(&mut self, json: &str) -> Result<(), ObjectError> {
        let price: Price = serde_json::from_str(json)?;
        for item in self.phases.iter_mut().flat_map(|phase| &mut phase.items) {
            if matches!(item.named(), Some(Named::Id(id)) if *id == price.id) {
                item.price = Some(Named::Object(price.clone()));
            }
        }
        Ok(())
    }
}

impl PhaseItem {
    const fn named(&self) -> Option<&Named<Price>> {
        match &self.price {
            Some(price) => Some(price),
            None => self.plan.as_ref(),
        }
    }

    fn normalised(&self, prices: &Prices) -> Option<Result<SnapshotItem, ObjectError>> {
        let plan = plan_of(self.named()?, prices);
        let quantity = count(self.quantity);
        Some(quantity.map(|quantity| SnapshotItem { id: String::new(), plan, quantity }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use creditd_rules::id::PlanId;

    #[test]
    fn a_checkout_session_names_its_buyer_only_where_it_sold_a_subscription() {
        let buyer = |json: &str| CheckoutSession::read(json).unwrap().buyer();
        let cus = Some(CustomerId::from("cus_1"));
        assert_eq!(buyer(r#"{"customer":"cus_1","subscription":"sub_1","metadata":null}"#), cus);
        let expanded =
            r#"{"customer":{"id":"cus_1","deleted":true},"subscription":{"id":"sub_1"}}"#;
        assert_eq!(buyer(expanded), cus);
        assert_eq!(buyer(r#"{"customer":"cus_1","subscription":null,"mode":"payment"}"#), None);
        assert_eq!(buyer(r#"{"customer":null,"subscription":"sub_1"}"#), None);
        assert_eq!(buyer("{}"), None);
    }

    #[test]
    fn a_blank_client_reference_is_none() {
        let session = |json: &str| CheckoutSession::read(json).unwrap();
        let named = session(r#"{"client_reference_id":"ann","metadata":{"workspace":"w"}}"#);
        assert_eq!(named.client_reference(), Some("ann"));
        assert_eq!(named.metadata("workspace"), Some("w"));
        assert_eq!(session(r#"{"client_reference_id":" "}"#).client_reference(), None);
        assert_eq!(session(r#"{"client_reference_id":null}"#).client_reference(), None);
    }

    #[test]
    fn a_deleted_customer_is_a_stub_and_old_ones_list_their_subscriptions() {
        let stub = Customer::read(r#"{"id":"cus_1","object":"customer","deleted":true}"#).unwrap();
        assert_eq!((stub.id().as_str(), stub.subscriptions().count()), ("cus_1", 0));
        let old = r#"{"id":"cus_1","metadata":{"account":"ann"},"subscriptions":
            {"object":"list","data":[{"id":"sub_1"},{"id":"sub_2"}],"has_more":false}}"#;
        let old = Customer::read(old).unwrap();
        assert_eq!(old.metadata("account"), Some("ann"));
        assert_eq!(old.subscriptions().last().unwrap().as_str(), "sub_2");
        assert!(Customer::read(r#"{"id":"cus 1"}"#).is_err());
        assert!(Customer::read("[]").is_err());
    }

    const SCHEDULE: &str = r#"{"id":"sub_sched_1","status":"active","subscription":"sub_1",
        "current_phase":{"start_date":1000,"end_date":2000},
        "phases":[
            {"start_date":3000,"items":[{"price":"price_c","quantity":1}]},
            {"start_date":1000,"end_date":2000,"items":[{"price":"price_a","quantity":5}]},
            {"start_date":2000,"items":[{"price":"price_b","quantity":2},{"plan":"price_x"},{}]}
        ]}"#;

    fn change(json: &str, created: i64) -> Option<(i64, Vec<(ItemPlan, u32)>)> {
        let prices = |price: &super::super::snapshot::PriceRef<'_>| {
            price.id.strip_prefix("price_").filter(|id| *id != "x").map(PlanId::from)
        };
        let created = DateTime::from_timestamp(created, 0).unwrap();
        let change = Schedule::read(json).unwrap().next_change(&prices, created).unwrap();
        let items = |items: Vec<SnapshotItem>| {
            items.into_iter().map(|item| (item.plan, item.quantity)).collect()
        };
        change.map(|(at, found)| (at.timestamp(), items(found)))
    }

    #[test]
    fn a_schedule_announces_its_next_phase() {
        let plan_b = ItemPlan::Plan(PlanId::from("b"));
        let next = Some((2000, vec![(plan_b, 2), (ItemPlan::Unknown, 1)]));
        assert_eq!(change(SCHEDULE, 1500), next);
        // Told late, the phase that ran then decides, not the time of telling.
        assert_eq!(change(SCHEDULE, 2500), next);
        let idle = SCHEDULE.replace(r#"{"start_date":1000,"end_date":2000},"#, "null,");
        assert_eq!(change(&idle, 2500).map(|(at, _)| at), Some(3000));
        assert_eq!(change(&idle, 3000), None);
    }

    #[test]
    fn what_is_learned_of_a_price_names_the_plan_of_a_phase() {
        let by_key = |price: &super::super::snapshot::PriceRef<'_>| {
            (price.lookup_key == Some("key_x")).then(|| PlanId::from("x"))
        };
        let created = DateTime::from_timestamp(1500, 0).unwrap();
        let mut schedule = Schedule::read(SCHEDULE).unwrap();
        let bare = |schedule: &Schedule| schedule.bare_prices(&by_key, created);
        assert_eq!(bare(&schedule), ["price_b", "price_x"].map(str::to_owned).into());
        schedule.learn_price(r#"{"id":"price_x","lookup_key":"key_x"}"#).unwrap();
        assert_eq!(bare(&schedule), ["price_b"].map(str::to_owned).into());
        let (_, items) = schedule.next_change(&by_key, created).unwrap().unwrap();
        let plans: Vec<_> = items.into_iter().map(|item| item.plan).collect();
        assert_eq!(plans, [ItemPlan::Unknown, ItemPlan::Plan(PlanId::from("x"))]);
        assert!(schedule.learn_price("{}").is_err());
        let odd = SCHEDULE.replace("price_b", "price/b");
        assert_eq!(bare(&Schedule::read(&odd).unwrap()), ["price_x"].map(str::to_owned).into());
    }

    #[test]
    fn a_schedule_that_is_over_announces_nothing() {
        for status in ["released", "canceled", "completed", "something_new"] {
            let over = SCHEDULE.replace(r#""active""#, &format!("{status:?}"));
            assert_eq!(change(&over, 1500), None, "{status}");
        }
        assert_eq!(change(r#"{"subscription":"sub_1","phases":null}"#, 1500), None);
    }

    #[test]
    fn an_invoice_names_its_subscription_in_old_shapes_and_new() {
        for (json, expected) in [
            (r#"{"subscription":"sub_1"}"#, Some("sub_1")),
            (r#"{"subscription":{"id":"sub_1"},"parent":null}"#, Some("sub_1")),
            (
                r#"{"parent":{"subscription_details":{"subscription":"sub_2"}},"subscription":"x"}"#,
                Some("sub_2"),
            ),
            (r#"{"parent":{"subscription_details":null},"subscription":null}"#, None),
            (r#"{"subscription":"no id"}"#, None),
            ("{}", None),
        ] {
            let found = Invoice::read(json).unwrap().subscription();
            assert_eq!(found.as_ref().map(|id| id.as_str()), expected, "{json}");
        }
        assert!(Invoice::read(r#"{"subscription":7}"#).is_err());
    }

    #[test]
    fn a_released_schedule_still_names_its_subscription() {
        let json = r#"{"subscription":null,"released_subscription":"sub_1","status":"released"}"#;
        assert_eq!(Schedule::read(json).unwrap().subscription().unwrap().as_str(), "sub_1");
        assert_eq!(Schedule::read("{}").unwrap().subscription(), None);
    }
}
