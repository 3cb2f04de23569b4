//! Stripe's subscription, in the shape of any API version since 2017, as what the rules apply.
//!
//! | what | where it is read, first found first |
//! |---|---|
//! | price | `items[].price`, `items[].plan`; the top level's `plan` where there are no items |
//! | anchor | `billing_cycle_anchor`, `start_date`, `start`, `created` |
//! | start | `start_date`, `start`, `created` |
//! | end of the period | `items[].current_period_end`, the top level's |
//! | cancel instant | `cancel_at`; with `cancel_at_period_end` the latest end of a period |

use super::envelope::without_text;
use super::loose::{List, Metadata, Named, Seconds, Stub, Whole, null_is_default};
use chrono::{DateTime, Utc};
use creditd_rules::calendar::Timeline;
use creditd_rules::command::{ItemPlan, Snapshot, SnapshotItem, Source};
use creditd_rules::id::{AccountId, CustomerId, PlanId, SubscriptionId, is_valid};
use creditd_rules::state::Status;
use serde::Deserialize;

/// The most seats that one item may buy; more is taken for a mistake.
const QUANTITY_MAX: u32 = 1_000_000;

/// The days of the shortest period that counts as a month.
const MONTH_DAYS_MIN: i64 = 31;

/// A price as Stripe names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceRef<'a> {
    /// The price's id, or that of a plan in old shapes.
    pub id: &'a str,
    /// Its lookup key.
    pub lookup_key: Option<&'a str>,
    /// Its product's id.
    pub product: Option<&'a str>,
}

/// The plan that the settings give a price; none for one that they do not name.
pub type Prices = dyn Fn(&PriceRef<'_>) -> Option<PlanId> + Send + Sync;

/// Why an object is not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// It has not the shape of what it should be.
    #[error("the event's object cannot be read: {0}")]
    Shape(String),
    /// A field is missing, or holds what it cannot hold.
    #[error("the event's object has no usable {0}")]
    Field(&'static str),
}

impl From<serde_json::Error> for ObjectError {
    fn from(cause: serde_json::Error) -> Self {
        Self::Shape(without_text(&cause))
    }
}

/// A subscription as it came in an event or an answer.
#[derive(Debug)]
pub struct Subscription {
    body: Body,
    id: SubscriptionId,
    customer: CustomerId,
}

#[derive(Debug, Deserialize)]
struct Body {
    id: String,
    customer: Named<Customer>,
    status: String,
    #[serde(default)]
    metadata: Metadata,
    items: Option<List<Item>>,
    plan: Option<Named<Price>>,
    quantity: Option<Whole>,
    created: Option<Seconds>,
    start: Option<Seconds>,
    start_date: Option<Seconds>,
    billing_cycle_anchor: Option<Seconds>,
    billing_cycle_anchor_config: Option<AnchorConfig>,
    current_period_end: Option<Seconds>,
    trial_end: Option<Seconds>,
    cancel_at: Option<Seconds>,
    #[serde(default, deserialize_with = "null_is_default")]
    cancel_at_period_end: bool,
}

/// A customer where it is expanded; a deleted one is but a stub.
#[derive(Debug, Deserialize)]
struct Customer {
    id: String,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Debug, Deserialize)]
struct AnchorConfig {
    day_of_month: Option<Whole>,
}

#[derive(Debug, Deserialize)]
struct Item {
    #[serde(default, deserialize_with = "null_is_default")]
    id: String,
    #[serde(default, deserialize_with = "null_is_default")]
    deleted: bool,
    price: Option<Named<Price>>,
    plan: Option<Named<Price>>,
    quantity: Option<Whole>,
    current_period_end: Option<Seconds>,
}

/// A price, or a plan as it was called before.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Price {
    pub(crate) id: String,
    lookup_key: Option<String>,
    product: Option<Named<Stub>>,
    recurring: Option<Recurring>,
    // A plan has these at its top.
    interval: Option<String>,
    interval_count: Option<Whole>,
    usage_type: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Recurring {
    interval: Option<String>,
    interval_count: Option<Whole>,
    usage_type: Option<String>,
}

impl Subscription {
    /// Reads a subscription's JSON.
    ///
    /// # Errors
    /// When it is none, or names no customer.
    pub fn read(json: &str) -> Result<Self, ObjectError> {
        let body: Body = serde_json::from_str(json)?;
        let customer = match &body.customer {
            Named::Id(id) | Named::Object(Customer { id, .. }) => usable(id, "customer")?,
        };
        let id = usable(&body.id, "id")?;
        Ok(Self { id: id.into(), customer: customer.into(), body })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &SubscriptionId {
        &self.id
    }

    /// The customer who pays for it.
    #[must_use]
    pub fn customer(&self) -> &CustomerId {
        &self.customer
    }

    /// A value of its metadata, else of its customer's where that is expanded.
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<&str> {
        let customers = match &self.body.customer {
            Named::Object(customer) => customer.metadata.get(key),
            Named::Id(_) => None,
        };
        self.body.metadata.get(key).or(customers)
    }

    /// Whether it has more items than came with it. Applied as it is, it would end the seats of
    /// those that are missing.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.body.items.as_ref().is_some_and(|items| items.has_more)
    }

    /// The ends of the periods of its items with prices by the single month.
    pub fn month_ends(&self) -> impl Iterator<Item = DateTime<Utc>> {
        let top = self.body.current_period_end;
        let monthly = self.live_items().filter(|item| {
            let price = item.price.as_ref().or(item.plan.as_ref());
            matches!(price, Some(Named::Object(price)) if price.is_monthly())
        });
        monthly.filter_map(move |item| item.current_period_end.or(top)).map(at)
    }

    /// What the rules apply, as it was at `created`.
    ///
    /// # Errors
    /// When it does not say since when it runs, or a quantity cannot be one.
    pub fn snapshot(
        &self, prices: &Prices, buyer: Option<AccountId>, created: DateTime<Utc>, source: Source,
    ) -> Result<Snapshot, ObjectError> {
        Ok(Snapshot {
            subscription: self.id.clone(),
            customer: self.customer.clone(),
            buyer,
            status: Status::parse(&self.body.status),
            items: self.items(prices)?,
            timeline: self.timeline()?,
            trial_end: self.body.trial_end.map(at),
            cancel_at: self.cancel_at(),
            created,
            source,
        })
    }

    fn items(&self, prices: &Prices) -> Result<Vec<SnapshotItem>, ObjectError> {
        let listed = self.live_items().map(|item| item.normalised(prices));
        let items = listed.collect::<Result<Vec<_>, _>>()?;
        if !items.is_empty() {
            return Ok(items);
        }
        // Old shapes of a single plan; one that has no items either way buys nothing.
        let single = self.body.plan.as_ref().map(|plan| {
            let (plan, quantity) = (plan_of(plan, prices), self.body.quantity);
            Ok(SnapshotItem { id: String::new(), quantity: count(quantity)?, plan })
        });
        single.into_iter().collect()
    }

    fn live_items(&self) -> impl Iterator<Item = &Item> {
        let listed = self.body.items.iter().flat_map(|items| &items.data);
        listed.filter(|item| !item.deleted)
    }

    fn timeline(&self) -> Result<Timeline, ObjectError> {
        let Body { created, start, start_date, billing_cycle_anchor, .. } = &self.body;
        let start = start_date.or(*start).or(*created).ok_or(ObjectError::Field("start_date"))?;
        let anchor = billing_cycle_anchor.unwrap_or(start);
        let config = self.body.billing_cycle_anchor_config.as_ref();
        let day = config.and_then(|config| config.day_of_month);
        let day = day.and_then(|Whole(day)| u32::try_from(day).ok());
        Ok(Timeline::new(at(start), at(anchor)).with_day(day))
    }

    fn cancel_at(&self) -> Option<DateTime<Utc>> {
        let Body { cancel_at, cancel_at_period_end, current_period_end, .. } = &self.body;
        let ends = self.live_items().filter_map(|item| item.current_period_end);
        let period_end = || ends.map(at).max().or(current_period_end.map(at));
        cancel_at.map(at).or_else(|| cancel_at_period_end.then(period_end).flatten())
    }
}

impl Item {
    fn normalised(&self, prices: &Prices) -> Result<SnapshotItem, ObjectError> {
        let price = self.price.as_ref().or(self.plan.as_ref());
        let plan = match (price, &self.plan) {
            // Early shapes of `price` do not say how it is billed; `plan` beside it does.
            (_, Some(Named::Object(plan))) if plan.is_metered() => ItemPlan::NoPlace,
            (Some(price), _) => plan_of(price, prices),
            (None, _) => ItemPlan::Unknown,
        };
        let quantity = if plan == ItemPlan::NoPlace { 0 } else { count(self.quantity)? };
        Ok(SnapshotItem { id: self.id.clone(), plan, quantity })
    }
}

impl Price {
    fn is_metered(&self) -> bool {
        let recurring = self.recurring.as_ref().and_then(|recurring| recurring.usage_type.as_ref());
        recurring.or(self.usage_type.as_ref()).is_some_and(|usage| usage == "metered")
    }

    /// Whether it is billed month by month.
    fn is_monthly(&self) -> bool {
        let (interval, times) = match &self.recurring {
            Some(Recurring { interval, interval_count, .. }) => (interval, interval_count),
            None => (&self.interval, &self.interval_count),
        };
        interval.as_deref() == Some("month") && times.is_none_or(|times| times == Whole(1))
    }

    /// Whether it is billed for less than a month at a time. Plans are not for such prices.
    fn is_short(&self) -> bool {
        let (interval, times) = match &self.recurring {
            Some(Recurring { interval, interval_count, .. }) => (interval, interval_count),
            None => (&self.interval, &self.interval_count),
        };
        let days: i64 = match interval.as_deref() {
            Some("day") => 1,
            Some("week") => 7,
            Some(_) | None => return false,
        };
        let Whole(times) = times.unwrap_or(Whole(1));
        days.saturating_mul(times) < MONTH_DAYS_MIN
    }
}

/// What a price buys.
pub(crate) fn plan_of(price: &Named<Price>, prices: &Prices) -> ItemPlan {
    let found = match price {
        Named::Id(id) => prices(&PriceRef { id, lookup_key: None, product: None }),
        Named::Object(price) if price.is_metered() => return ItemPlan::NoPlace,
        Named::Object(price) if price.is_short() => None,
        Named::Object(price) => prices(&PriceRef {
            id: &price.id,
            lookup_key: price.lookup_key.as_deref(),
            product: price.product.as_ref().map(Named::id),
        }),
    };
    found.map_or(ItemPlan::Unknown, ItemPlan::Plan)
}

/// A quantity; Stripe leaves out that of one.
pub(crate) fn count(quantity: Option<Whole>) -> Result<u32, ObjectError> {
    let Whole(quantity) = quantity.unwrap_or(Whole(1));
    let quantity = u32::try_from(quantity).ok().filter(|count| *count <= QUANTITY_MAX);
    quantity.ok_or(ObjectError::Field("quantity"))
}

/// An id that can be one of ours.
pub(crate) fn usable<'a>(id: &'a str, field: &'static str) -> Result<&'a str, ObjectError> {
    Some(id).filter(|id| is_valid(id)).ok_or(ObjectError::Field(field))
}

fn at(Seconds(at): Seconds) -> DateTime<Utc> {
    at
}

#[cfg(test)]
mod tests;
