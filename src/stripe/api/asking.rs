//! What Stripe is asked for, one request after the other.

use super::manners::{Health, Manners, Pace};
use super::{ApiError, StripeApi};
use crate::metrics::Metrics;
use crate::stripe::envelope::without_text;
use crate::stripe::objects::{Change, Schedule};
use crate::stripe::snapshot::{ObjectError, Prices, Subscription};
use crate::stripe::topic::CAUGHT_UP;
use crate::traces;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{info, warn};

/// The most objects of one page.
const PAGE: &str = "100";

/// The most pages of one subscription's items: 20 are the most that Stripe allows in one page.
const ITEM_PAGES_MAX: usize = 20;

/// Asks Stripe, at a bearable rate, and remembers whether it answers.
pub struct Asking {
    api: Arc<dyn StripeApi>,
    metrics: Arc<Metrics>,
    pace: Pace,
    health: Health,
    /// How it is asked.
    pub manners: Manners,
    /// The mode that objects must be of.
    pub livemode: bool,
    /// Woken when something was marked.
    pub wake: Notify,
}

/// A subscription as Stripe has it now.
#[derive(Debug)]
pub struct Fetched {
    /// The subscription with all its items.
    pub subscription: Subscription,
    /// The schedule that steers it.
    pub schedule: Option<Schedule>,
    /// Live or test; none where it does not say.
    pub livemode: Option<bool>,
}

/// A page of a list.
#[derive(Debug)]
pub struct Listed {
    /// The objects as JSON, in the order in which Stripe lists them.
    pub objects: Vec<String>,
    /// The last one's id.
    pub last: Option<String>,
    /// The first one's id.
    pub first: Option<String>,
    /// There are more in the direction of reading.
    pub has_more: bool,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    #[serde(default)]
    has_more: bool,
}

#[derive(Deserialize)]
struct Beside<'a> {
    #[serde(borrow)]
    schedule: Option<&'a RawValue>,
    livemode: Option<bool>,
}

impl From<ObjectError> for ApiError {
    fn from(cause: ObjectError) -> Self {
        Self::Unreadable(cause.to_string())
    }
}

impl From<serde_json::Error> for ApiError {
    fn from(cause: serde_json::Error) -> Self {
        Self::Unreadable(without_text(&cause))
    }
}

impl Asking {
    /// Asks `api` with these manners, for objects of this mode.
    #[must_use]
    pub fn new(
        api: Arc<dyn StripeApi>, manners: Manners, livemode: bool, metrics: Arc<Metrics>,
    ) -> Self {
        let pace = Pace::new(manners.rate);
        Self {
            api,
            metrics,
            pace,
            health: Health::default(),
            manners,
            livemode,
            wake: Notify::new(),
        }
    }

    /// Whether Stripe answered when it was last asked; true before that.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.health.is_up()
    }

    /// How long Stripe is left alone from now on; none where it may be asked.
    #[must_use]
    pub fn pause(&self) -> Option<Duration> {
        let now = Instant::now();
        self.health.down_until(now).map(|until| until.duration_since(now))
    }

    /// One object by its path.
    ///
    /// # Errors
    /// As [`StripeApi::get`].
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<String, ApiError> {
        let mut span = self.metrics.traces.here("ask Stripe", traces::Kind::Client);
        self.pace.turn().await;
        let began = Instant::now();
        let answer = self.api.get(path, query).await;
        let ended = Instant::now();
        let outcome = answer.as_ref().map_or_else(ApiError::code, |_| "answered");
        self.metrics.stripe.asked(outcome, ended.duration_since(began));
        span.note("url.path", path);
        if answer.is_err() {
            span.fail(outcome);
        }
        match self.health.learn(answer.as_ref().map(|_| ()), &self.manners, ended) {
            Some(true) => info!("Stripe's API answers again"),
            Some(false) => {
                let cause = answer.as_ref().err().map(ToString::to_string);
                warn!(cause, "Stripe's API cannot be asked; events are applied as they tell");
            }
            None => {}
        }
        self.metrics.stripe.up.set(i64::from(self.health.is_up()));
        answer
    }

    /// A subscription, with its schedule and all its items.
    ///
    /// # Errors
    /// As [`StripeApi::get`], and when it cannot be read.
    pub async fn subscription(&self, id: &str) -> Result<Fetched, ApiError> {
        let path = format!("/subscriptions/{id}");
        self.whole(self.get(&path, &[("expand[]", "schedule")]).await?).await
    }

    /// A subscription from its JSON, with those of its items that do not come with it.
    ///
    /// # Errors
    /// As [`Self::subscription`].
    pub async fn whole(&self, mut json: String) -> Result<Fetched, ApiError> {
        let mut subscription = Subscription::read(&json)?;
        if subscription.is_cut() {
            json = self.with_all_items(&json, subscription.id().as_str()).await?;
            subscription = Subscription::read(&json)?;
        }
        let Beside { schedule, livemode } = serde_json::from_str(&json)?;
        let schedule = match schedule.map(RawValue::get) {
            None | Some("null") => None,
            Some(object) if object.starts_with('{') => Some(Schedule::read(object)?),
            Some(id) => {
                let id: String = serde_json::from_str(id)?;
                let path = format!("/subscription_schedules/{id}");
                Some(Schedule::read(&self.get(&path, &[]).await?)?)
            }
        };
        Ok(Fetched { subscription, schedule, livemode })
    }

    /// What a schedule brings next, and from when. Its phases tell only the ids of their prices: of
    /// those that no plan names so, lookup key and product are asked for.
    ///
    /// # Errors
    /// As [`Self::subscription`].
    pub async fn next_change(
        &self, schedule: Option<&Schedule>, prices: &Prices, now: DateTime<Utc>,
    ) -> Result<Option<Change>, ApiError> {
        let Some(mut schedule) = schedule.cloned() else { return Ok(None) };
        for id in schedule.bare_prices(prices, now) {
            match self.get(&format!("/prices/{id}"), &[]).await {
                Ok(price) => schedule.learn_price(&price)?,
                // It buys nothing that we know.
                Err(ApiError::Missing) => {}
                Err(cause) => return Err(cause),
            }
        }
        Ok(schedule.next_change(prices, now)?)
    }

    /// The subscription's JSON with its items replaced by all of them.
    async fn with_all_items(&self, json: &str, id: &str) -> Result<String, ApiError> {
        let mut items = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..ITEM_PAGES_MAX {
            let mut query = vec![("subscription", id), ("limit", PAGE)];
            query.extend(after.as_deref().map(|after| ("starting_after", after)));
            let page = self.list("/subscription_items", &query).await?;
            for item in &page.objects {
                items.push(serde_json::from_str::<Value>(item)?);
            }
            if !page.has_more {
                let mut whole: Value = serde_json::from_str(json)?;
                whole["items"]["data"] = Value::Array(items);
                whole["items"]["has_more"] = Value::Bool(false);
                return Ok(whole.to_string());
            }
            after = page.last;
        }
        Err(ApiError::Unreadable("it has no end of items".to_owned()))
    }

    /// A page of subscriptions of every status, after the one named, the newest first.
    ///
    /// # Errors
    /// As [`StripeApi::get`], and when it cannot be read.
    pub async fn subscriptions(&self, after: Option<&str>) -> Result<Listed, ApiError> {
        let mut query = vec![("status", "all"), ("limit", PAGE), ("expand[]", "data.schedule")];
        query.extend(after.map(|after| ("starting_after", after)));
        self.list("/subscriptions", &query).await
    }

    /// Events of our types: those next after the one named, else the newest one alone. They come
    /// the newest first.
    ///
    /// # Errors
    /// As [`StripeApi::get`], and when it cannot be read.
    pub async fn events(&self, after: Option<&str>) -> Result<Listed, ApiError> {
        let mut query: Vec<(&str, &str)> =
            CAUGHT_UP.iter().map(|kind| ("types[]", *kind)).collect();
        match after {
            Some(after) => query.extend([("limit", PAGE), ("ending_before", after)]),
            None => query.push(("limit", "1")),
        }
        self.list("/events", &query).await
    }

    async fn list(&self, path: &str, query: &[(&str, &str)]) -> Result<Listed, ApiError> {
        #[derive(Deserialize)]
        struct Id {
            id: String,
        }
        let json = self.get(path, query).await?;
        let Page { data, has_more } = serde_json::from_str(&json)?;
        let id = |object: Option<&&RawValue>| -> Result<Option<String>, ApiError> {
            let id = object.map(|object| serde_json::from_str::<Id>(object.get()));
            Ok(id.transpose()?.map(|Id { id }| id))
        };
        Ok(Listed {
            last: id(data.last())?,
            first: id(data.first())?,
            objects: data.into_iter().map(|object| object.get().to_owned()).collect(),
            has_more,
        })
    }
}
