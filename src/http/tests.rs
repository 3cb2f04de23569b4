//! The doors, in process: what is read, who is let in, and what is answered.

mod fake;
mod calls;
mod refusals;
mod redemptions;
mod listeners;
mod whole;

use super::test_clock::{ClockError, TestClock};
use super::webhook::{WebhookAnswer, WebhookDoor};
use super::{Api, Limits, api_router};
use crate::api_key::{self, ApiKeyText};
use crate::live::Live;
use crate::metrics::Metrics;
use crate::store::ApiKey;
use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use creditd_rules::id::{ActionId, PlanId};
use creditd_rules::plan::{Action, Catalogue, Class, Limits as PlanLimits, PerKind, Plan, Policy};
use creditd_rules::{Amount, Kind};
use fake::Fake;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tower::ServiceExt;

/// The doors over a store and a writer in memory, with one account, `ann`, and her app, `shop`.
struct World {
    fake: Arc<Fake>,
    metrics: Arc<Metrics>,
    router: Router,
    /// A key with every scope.
    key: String,
    requests: AtomicU32,
}

/// An answer.
#[derive(Debug)]
struct Got {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Got {
    fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("")
    }
}

struct Door;

#[async_trait]
impl WebhookDoor for Door {
    async fn accept(&self, signature: Option<&str>, body: Bytes) -> WebhookAnswer {
        match (signature, &*body) {
            (Some("good"), b"panic") => panic!("a secret of the body"),
            (Some("good"), _) => WebhookAnswer::Kept,
            _ => WebhookAnswer::Refused("the signature does not match"),
        }
    }
}

#[async_trait]
impl TestClock for Fake {
    async fn set(&self, now: creditd_rules::Instant) -> Result<creditd_rules::Instant, ClockError> {
        let latest = self.kept().now;
        if now < latest {
            return Err(ClockError::Backwards { latest });
        }
        self.kept().now = now;
        Ok(now)
    }
}

fn catalogue() -> Catalogue {
    let limits = |message, integration| PerKind {
        message: PlanLimits::daily(Amount::credits(message)),
        integration: PlanLimits::daily(Amount::credits(integration)),
    };
    let free =
        Plan { id: PlanId::from("free"), class: Class::Free, rank: 0, limits: limits(5, 25) };
    let action = |id: &str, kind, micros| Action {
        id: ActionId::from(id),
        kind,
        cost: Amount::from_micros(micros),
        cost_by_class: BTreeMap::new(),
    };
    let actions = [
        action("chat", Kind::Message, 1_000_000),
        action("discuss", Kind::Message, 300_000),
        action("integration_call", Kind::Integration, 1_000_000),
    ];
    Catalogue::try_new([free], actions, Policy::default()).unwrap()
}

fn instant(text: &str) -> creditd_rules::Instant {
    text.parse().unwrap()
}

impl World {
    async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    async fn with(limits: Limits) -> Self {
        let catalogue = Arc::new(catalogue());
        let fake = Arc::new(Fake::new(catalogue.clone(), instant("2027-03-01T10:00:00Z")));
        let metrics = Arc::new(Metrics::new("memory"));
        let api = Api {
            store: fake.clone(),
            writer: fake.clone(),
            catalogue: Live::new((*catalogue).clone()),
            metrics: metrics.clone(),
            webhooks: Some(Arc::new(Door)),
            test_clock: Some(fake.clone()),
            inbox: Arc::default(),
            limits,
        };
        let router = api_router(api);
        let requests = AtomicU32::new(0);
        let mut world = Self { fake, metrics, router, key: String::new(), requests };
        world.key = world.add_key(&["usage", "read", "manage", "admin"]);
        world
    }

    /// The same with an account and its app.
    async fn peopled() -> Self {
        let world = Self::new().await;
        world.must("PUT", "/v1/accounts/ann", json!({ "workspace": "team" })).await;
        world.must("PUT", "/v1/apps/shop", json!({ "owner": "ann" })).await;
        world
    }

    fn add_key(&self, scopes: &[&str]) -> String {
        let key = ApiKeyText::generate().unwrap().expose().to_owned();
        let hash = api_key::hash(&key);
        let kept = ApiKey {
            id: format!("key_{}", self.fake.kept().keys.len()),
            hash,
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            created_at: self.fake.kept().now,
            revoked_at: None,
        };
        self.fake.kept().keys.insert(hash, kept);
        key
    }

    /// A request with the key of every scope and, where it changes something, a new idempotency key.
    fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.key));
        if method == "GET" {
            return request;
        }
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        request.header("idempotency-key", format!("key-{number}"))
    }

    async fn send(&self, request: Request<Body>) -> Got {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
        Got { status: parts.status, headers: parts.headers, body }
    }

    async fn raw(&self, method: &str, path: &str, body: &str) -> Got {
        self.send(self.request(method, path).body(Body::from(body.to_owned())).unwrap()).await
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> Got {
        self.raw(method, path, &body.to_string()).await
    }

    async fn get(&self, path: &str) -> Got {
        self.raw("GET", path, "").await
    }

    async fn must(&self, method: &str, path: &str, body: Value) -> Value {
        let got = self.call(method, path, body).await;
        assert_eq!(got.status, StatusCode::OK, "{method} {path}: {}", got.body);
        got.body
    }

    /// The same under an idempotency key of the test's.
    async fn keyed(&self, key: &str, method: &str, path: &str, body: Value) -> Got {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.key))
            .header("idempotency-key", key);
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }
}
