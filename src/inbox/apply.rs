//! What one event does, by its type.

use super::linking::Place;
use super::{Inbox, Trouble};
use crate::store::{Home, NewEvent, ObjectRef};
use crate::stripe::envelope::{Content, Envelope, EnvelopeError};
use crate::stripe::links::{Claims, WaitsFor};
use crate::stripe::objects::{CheckoutSession, Customer, Invoice, Schedule};
use crate::stripe::snapshot::{ObjectError, Subscription};
use crate::stripe::topic::{Topic, topic};
use crate::writer::{Reply, Request};
use chrono::{DateTime, Utc};
use creditd_rules::command::{Alert, Source};
use creditd_rules::id::{CustomerId, SubscriptionId, WorkspaceId};
use creditd_rules::{Cause, Command, Rejection};
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Ignored,
    Parked,
    Waits(WaitsFor),
    /// What it tells of is to be fetched.
    Marked(ObjectRef),
}

/// What became of an event, why, and what the operator is told.
#[derive(Debug)]
pub(super) struct Applied {
    pub(super) outcome: Outcome,
    pub(super) note: Option<String>,
    pub(super) alerts: Vec<Alert>,
}

impl Applied {
    /// Another event of the same second tells more.
    pub(super) fn told_again() -> Self {
        let note = Some(String::from("another event of the same second tells more"));
        Self { outcome: Outcome::Done, note, alerts: Vec::new() }
    }

    /// A person has to look at it.
    pub(super) fn parked(code: &'static str, event: &NewEvent, why: String) -> Self {
        let alert = Alert { code, subject: event.id.clone(), detail: why.clone() };
        Self { outcome: Outcome::Parked, note: Some(why), alerts: vec![alert] }
    }
}

/// Alerts of one event, raised once it is marked.
#[derive(Debug, Default)]
pub(super) struct Alerts(pub(super) Vec<Alert>);

impl Alerts {
    pub(super) fn add(&mut self, code: &'static str, subject: &str, detail: String) {
        self.0.push(Alert { code, subject: subject.to_owned(), detail });
    }

    pub(super) fn unusable_claims(&mut self, claims: &Claims, subject: &str) {
        for field in &claims.unusable {
            self.add("link_unusable", subject, format!("{field} can be nobody's id"));
        }
    }

    pub(super) fn differing_link(
        &mut self, customer: &CustomerId, linked: &WorkspaceId, claimed: &WorkspaceId,
    ) {
        if linked != claimed {
            let detail = format!("it stays with {linked}; an event names {claimed}");
            self.add("link_differs", customer.as_str(), detail);
        }
    }
}

/// Why something is not applied.
#[derive(Debug)]
pub(super) enum Unapplied {
    /// It cannot be read.
    Unreadable(String),
    /// The rules refuse it.
    Rejected(Rejection),
    /// It could not be tried, or failed.
    Trouble(Trouble),
}

impl<E: Into<Trouble>> From<E> for Unapplied {
    fn from(cause: E) -> Self {
        Self::Trouble(cause.into())
    }
}

impl From<EnvelopeError> for Unapplied {
    fn from(cause: EnvelopeError) -> Self {
        Self::Unreadable(cause.to_string())
    }
}

impl From<ObjectError> for Unapplied {
    fn from(cause: ObjectError) -> Self {
        Self::Unreadable(cause.to_string())
    }
}

/// An outcome with its note.
pub(super) type Told = (Outcome, Option<String>);

pub(super) fn done(note: &str) -> Told {
    (Outcome::Done, Some(note.to_owned()))
}

pub(super) fn waits(on: WaitsFor, note: &str) -> Told {
    (Outcome::Waits(on), Some(note.to_owned()))
}

/// How an event is dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Where there is a key, what it tells of is marked and fetched.
    Asking,
    /// What it says itself is applied, since Stripe cannot be asked.
    AsTold,
}

impl Inbox {
    /// Applies one event.
    pub(super) async fn apply(&self, event: &NewEvent, how: How) -> Result<Applied, Trouble> {
        let mut alerts = Alerts::default();
        match self.act(event, how, &mut alerts).await {
            Ok((outcome, note)) => Ok(Applied { outcome, note, alerts: alerts.0 }),
            Err(Unapplied::Unreadable(why)) => Ok(Applied::parked("event_unreadable", event, why)),
            Err(Unapplied::Rejected(rejection)) => {
                let why = format!("{}: {rejection}", rejection.code());
                Ok(Applied::parked("event_refused", event, why))
            }
            Err(Unapplied::Trouble(trouble)) => Err(trouble),
        }
    }

    async fn act(
        &self, event: &NewEvent, how: How, alerts: &mut Alerts,
    ) -> Result<Told, Unapplied> {
        let envelope = Envelope::read(&event.body)?;
        let told = Telling {
            by: Some(event.id.clone()),
            at: Some(envelope.created.unwrap_or(event.received_at)),
        };
        let Some(topic) = topic(&envelope.kind) else {
            return Ok((Outcome::Ignored, Some(String::from("there is no use for this type"))));
        };
        match topic {
            Topic::Invoice { pays } if !pays || self.stripe.is_none() => {
                return Ok(done("kept; the clock grants credits, not money"));
            }
            Topic::Catalogue => return Ok(done("kept; the settings map prices to plans")),
            Topic::Refund => {
                let detail = format!("{}; credits are left as they are", envelope.kind);
                alerts.add("refund", &event.id, detail);
                return Ok(done("kept; credits are left as they are"));
            }
            Topic::Subscription { .. }
            | Topic::Checkout
            | Topic::Customer
            | Topic::CustomerDeleted
            | Topic::Schedule
            | Topic::Invoice { .. } => {}
        }
        let json = match envelope.content {
            Content::Snapshot(object) => object.get(),
            Content::Thin { related } => return self.thin(topic, related, &told, alerts).await,
        };
        match topic {
            Topic::Subscription { rank } => {
                let subscription = Subscription::read(json)?;
                self.subscription(&subscription, rank, how, &told, alerts).await
            }
            Topic::Checkout => self.checkout(&CheckoutSession::read(json)?, &told, alerts).await,
            Topic::Customer => self.customer(&Customer::read(json)?, alerts).await,
            Topic::CustomerDeleted => self.customer_deleted(&Customer::read(json)?, &told).await,
            Topic::Schedule => self.schedule(&Schedule::read(json)?, how, &told).await,
            Topic::Invoice { .. } => self.invoice(&Invoice::read(json)?).await,
            Topic::Refund | Topic::Catalogue => Ok((Outcome::Done, None)),
        }
    }

    /// Applies a subscription as an event has it, under the rules' guard against older news.
    pub(super) async fn subscription_as_told(
        &self, subscription: &Subscription, rank: u8, told: &Telling, alerts: &mut Alerts,
    ) -> Result<Told, Unapplied> {
        let Place { workspace, buyer, is_new } = match self.place(subscription, alerts).await? {
            Ok(place) => place,
            Err(on) => return Ok(waits(on, "it names what is not known yet")),
        };
        let (source, at) = (Source::Event { rank }, told.at.unwrap_or_default());
        let snapshot = subscription.snapshot(&*self.prices, buyer, at, source)?;
        let applied = self.submit(workspace, Command::Observe(snapshot), told).await?;
        if is_new {
            let waiting = WaitsFor::Subscription(subscription.id().clone()).to_string();
            self.store.release_events(&waiting).await?;
        }
        Ok(match applied {
            true => (Outcome::Done, None),
            false => done("what is known is later, or final"),
        })
    }

    /// A checkout only says who bought; the subscription brings the seats.
    pub(super) async fn checkout(
        &self, session: &CheckoutSession, told: &Telling, alerts: &mut Alerts,
    ) -> Result<Told, Unapplied> {
        let Some(customer) = session.buyer() else { return Ok(done("it sold no subscription")) };
        let claims = Claims::read(|key| session.metadata(key), session.client_reference());
        alerts.unusable_claims(&claims, told.by.as_deref().unwrap_or_default());
        if let Some(subscription) = session.subscription() {
            self.mark(&ObjectRef::subscription(&subscription)).await?;
        }
        self.told_by_link(&customer, &claims, alerts).await
    }

    pub(super) async fn customer(
        &self, customer: &Customer, alerts: &mut Alerts,
    ) -> Result<Told, Unapplied> {
        let claims = Claims::read(|key| customer.metadata(key), None);
        alerts.unusable_claims(&claims, customer.id().as_str());
        self.told_by_link(&customer.id(), &claims, alerts).await
    }

    async fn told_by_link(
        &self, customer: &CustomerId, claims: &Claims, alerts: &mut Alerts,
    ) -> Result<Told, Unapplied> {
        Ok(match self.link(customer, claims, alerts).await? {
            Ok(Some(workspace)) => done(&format!("its customer belongs to {workspace}")),
            Ok(None) => done("it names no account or workspace"),
            Err(on) => waits(on, "it names what is not known yet"),
        })
    }

    /// The link may have changed since its subscriptions were made, so each is looked up where the
    /// event lists them.
    pub(super) async fn customer_deleted(
        &self, customer: &Customer, told: &Telling,
    ) -> Result<Told, Unapplied> {
        let linked = self.store.workspace_of(&Home::Customer(customer.id())).await?;
        let mut workspaces: BTreeSet<WorkspaceId> = linked.into_iter().collect();
        for subscription in customer.subscriptions() {
            workspaces.extend(self.store.workspace_of_subscription(&subscription).await?);
        }
        if workspaces.is_empty() {
            // Its earlier events wait too; were they released without this one, they would stand.
            let on = WaitsFor::Customer(customer.id());
            return Ok(waits(on, "it names what is not known yet"));
        }
        for workspace in workspaces {
            let command = Command::EndCustomer { customer: customer.id() };
            self.submit(workspace, command, told).await?;
        }
        Ok((Outcome::Done, None))
    }

    /// What a schedule announces, as an event has it.
    pub(super) async fn schedule_as_told(
        &self, schedule: &Schedule, subscription: SubscriptionId, told: &Telling,
    ) -> Result<Told, Unapplied> {
        let home = self.store.workspace_of_subscription(&subscription).await?;
        let Some(workspace) = home else {
            let on = WaitsFor::Subscription(subscription);
            return Ok(waits(on, "its subscription is not known yet"));
        };
        let change = schedule.next_change(&*self.prices, told.at.unwrap_or_default())?;
        let command = Command::Announce { subscription, change };
        self.submit(workspace, command, told).await?;
        Ok((Outcome::Done, None))
    }

    /// Whether the command changed anything.
    pub(super) async fn submit(
        &self, workspace: WorkspaceId, command: Command, told: &Telling,
    ) -> Result<bool, Unapplied> {
        let request = Request {
            home: Home::Workspace(workspace),
            command,
            cause: Cause { by: told.by.clone(), at: told.at },
            key: None,
        };
        match self.writer.submit(request).await? {
            Reply::Done { body, .. } => Ok(body != STALE),
            Reply::Rejected(rejection) => Err(Unapplied::Rejected(rejection)),
        }
    }
}

/// What tells of a change: an event, and when Stripe says that it happened.
#[derive(Debug, Clone)]
pub(super) struct Telling {
    pub(super) by: Option<String>,
    pub(super) at: Option<DateTime<Utc>>,
}

/// The answer to a snapshot that is not later than what is known.
const STALE: &[u8] = br#"{"applied":false}"#;

/// The lane of an event: events of one customer share one.
pub(super) fn lane(event: &NewEvent, lanes: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    whose(&event.body).unwrap_or_else(|| event.id.clone()).hash(&mut hasher);
    let lanes = u64::try_from(lanes).unwrap_or(1).max(1);
    usize::try_from(hasher.finish() % lanes).unwrap_or(0)
}

/// The customer that an event's object belongs to or is.
fn whose(body: &[u8]) -> Option<String> {
    let envelope = Envelope::read(body).ok()?;
    let Content::Snapshot(object) = envelope.content else { return None };
    crate::stripe::objects::customer_of(object.get())
}
