//! The test clock: set by hand, in test mode alone.

use super::Doors;
use super::auth::{Admin, May};
use super::input::{body, read};
use super::keyed::read_body;
use super::openapi::Problems;
use super::problem::{Code, Problem};
use crate::store::StoreError;
use async_trait::async_trait;
use axum::Json;
use axum::extract::{FromRequest, Request, State};
use chrono::{DateTime, Utc};
use creditd_rules::Instant;
use serde::Serialize;
use std::sync::Arc;

/// Why the test clock was not set.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// It only goes forward.
    #[error("the clock stands at {latest} and only goes forward")]
    Backwards {
        /// The earliest instant that it can be set to.
        latest: Instant,
    },
    /// The store could not do it, or not post what fell due.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whoever sets the test clock.
#[async_trait]
pub trait TestClock: Send + Sync {
    /// Sets the clock and posts what falls due; returns the instant that it stands at.
    ///
    /// # Errors
    /// Says why it was not set, or what is due was not all posted.
    async fn set(&self, now: Instant) -> Result<Instant, ClockError>;
}

body! {
    /// Where to set the clock.
    pub(crate) struct SetClock {
        /// The instant; never earlier than the one before.
        now: DateTime<Utc>,
    }
}

/// Where the credit clock stands.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ClockAnswer {
    /// The instant.
    now: DateTime<Utc>,
}

/// A request's body without a key.
#[derive(Debug)]
pub(crate) struct Unkeyed(pub(crate) axum::body::Bytes);

impl<S: Send + Sync> FromRequest<S> for Unkeyed {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        read_body(request, state).await.map(Self)
    }
}

/// Read the credit clock (test mode)
#[utoipa::path(get, path = "/v1/test-clock", operation_id = "get_test_clock", tag = "test clock", security(("key" = ["admin"])),
    responses((status = 200, description = "the instant", body = ClockAnswer), Problems))]
pub(crate) async fn get(
    _: May<Admin>, State(doors): State<Arc<Doors>>,
) -> Result<Json<ClockAnswer>, Problem> {
    clock(&doors)?;
    Ok(Json(ClockAnswer { now: doors.api.store.now().await? }))
}

/// Set the credit clock (test mode)
///
/// What falls due is posted before the answer. No Idempotency-Key is needed.
#[utoipa::path(post, path = "/v1/test-clock", operation_id = "set_test_clock", tag = "test clock", request_body = SetClock,
    security(("key" = ["admin"])),
    responses((status = 200, description = "the instant", body = ClockAnswer), Problems))]
pub(crate) async fn set(
    _: May<Admin>, State(doors): State<Arc<Doors>>, Unkeyed(body): Unkeyed,
) -> Result<Json<ClockAnswer>, Problem> {
    let SetClock { now } = read(&body)?;
    match clock(&doors)?.set(now).await {
        Ok(now) => Ok(Json(ClockAnswer { now })),
        Err(ClockError::Store(error)) => Err(error.into()),
        Err(error @ ClockError::Backwards { latest }) => {
            Err(Problem::new(Code::ClockBackwards, error.to_string()).with("latest", latest))
        }
    }
}

fn clock(doors: &Doors) -> Result<&dyn TestClock, Problem> {
    doors.api.test_clock.as_deref().ok_or_else(|| {
        Problem::new(Code::NotFound, "there is a test clock in test mode alone (clock.mode)")
    })
}
