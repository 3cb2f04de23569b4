//! What is answered instead of a result: RFC 9457 problem documents with stable codes.

use crate::store::{Home, StoreError};
use crate::writer::SubmitError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use creditd_rules::Rejection;
use serde::Serialize;
use serde_json::{Map, Value};
use std::borrow::Cow;

macro_rules! codes {
    ($($variant:ident $code:literal $status:ident $title:literal)+) => {
        /// The stable codes that programs act on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(clippy::enum_variant_names, reason = "they are the codes, one for one")]
        pub(crate) enum Code { $($variant),+ }

        impl Code {
            /// All of them, in the order of their table.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),+];

            /// The code as it is sent.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// The status that always goes with it.
            pub(crate) const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),+ }
            }

            /// What it means, in a few words that never change.
            pub(crate) const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }
        }
    };
}

codes! {
    InvalidRequest "invalid_request" BAD_REQUEST "The request is not valid"
    IdempotencyKeyMissing "idempotency_key_missing" BAD_REQUEST "An Idempotency-Key is needed"
    SignatureInvalid "signature_invalid" BAD_REQUEST "The webhook's signature is not valid"
    KeyInvalid "key_invalid" UNAUTHORIZED "The API key is not valid"
    MessageExhausted "message_credits_exhausted" PAYMENT_REQUIRED "Too few message credits"
    IntegrationExhausted "integration_credits_exhausted" PAYMENT_REQUIRED "Too few integration credits"
    ScopeMissing "scope_missing" FORBIDDEN "The API key may not do this"
    NotFound "not_found" NOT_FOUND "There is no such address"
    AccountNotFound "account_not_found" NOT_FOUND "There is no such account"
    AppNotFound "app_not_found" NOT_FOUND "There is no such app"
    WorkspaceNotFound "workspace_not_found" NOT_FOUND "There is no such workspace"
    SeatNotFound "seat_not_found" NOT_FOUND "There is no such seat"
    GrantNotFound "grant_not_found" NOT_FOUND "There is no such grant"
    RewardNotFound "reward_not_found" NOT_FOUND "There is no such reward claim"
    PromoCodeNotFound "promo_code_not_found" NOT_FOUND "There is no such promo code"
    CustomerNotFound "customer_not_found" NOT_FOUND "There is no such customer"
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED "The address does not take this method"
    AccountClosed "account_closed" CONFLICT "The account is closed"
    WorkspaceFixed "workspace_fixed" CONFLICT "An account never changes its workspace"
    OtherWorkspace "other_workspace" CONFLICT "Not a member of this workspace"
    SeatTaken "seat_taken" CONFLICT "The seat is held by somebody"
    SeatVacant "seat_vacant" CONFLICT "Nobody holds the seat"
    SeatEnded "seat_ended" CONFLICT "The seat has ended"
    SeatSuspended "seat_suspended" CONFLICT "The seat is suspended"
    AlreadySeated "already_seated" CONFLICT "The account holds a seat already"
    PromoCodeExists "promo_code_exists" CONFLICT "There is such a promo code already"
    CodeAlreadyRedeemed "code_already_redeemed" CONFLICT "The account has redeemed this code already"
    CodeUsedUp "code_used_up" CONFLICT "The promo code is used up"
    CodeEnded "code_ended" CONFLICT "The promo code has ended"
    RewardAlreadyClaimed "reward_already_claimed" CONFLICT "The reward has been claimed already"
    RewardAlreadyDecided "reward_already_decided" CONFLICT "The claim is decided already"
    PostAlreadyUsed "post_already_used" CONFLICT "The post has been claimed for already"
    ClockBackwards "clock_backwards" CONFLICT "The clock only goes forward"
    BodyTooLarge "body_too_large" PAYLOAD_TOO_LARGE "The body is too large"
    UnknownAction "unknown_action" UNPROCESSABLE_ENTITY "There is no such action"
    IdempotencyMismatch "idempotency_mismatch" UNPROCESSABLE_ENTITY "The key was used for another request"
    BelowZero "below_zero" UNPROCESSABLE_ENTITY "Nothing goes below zero"
    TooFewFollowers "too_few_followers" UNPROCESSABLE_ENTITY "Too few followers"
    Internal "internal" INTERNAL_SERVER_ERROR "Something is wrong with creditd"
    Overloaded "overloaded" SERVICE_UNAVAILABLE "Too many requests wait"
    DatabaseUnavailable "database_unavailable" SERVICE_UNAVAILABLE "The database does not answer"
    Stopping "stopping" SERVICE_UNAVAILABLE "creditd is stopping"
    OutcomeUnknown "outcome_unknown" SERVICE_UNAVAILABLE "Whether it was done is not known"
    WebhooksNotConfigured "webhooks_not_configured" SERVICE_UNAVAILABLE "No webhook secret is configured"
}

/// What is wrong with one part of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Fault {
    /// Where: a JSON pointer into the body (`/quantity`), `?name` for a query parameter, `{name}`
    /// for a part of the path, or a header's name.
    pub(crate) pointer: Cow<'static, str>,
    /// What it must be.
    pub(crate) detail: Cow<'static, str>,
}

impl Fault {
    /// A fault at `pointer`.
    pub(crate) fn new(
        pointer: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

/// A problem document. Boxed, so that results stay small.
#[derive(Debug, Clone)]
pub(crate) struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    code: Code,
    detail: Cow<'static, str>,
    errors: Vec<Fault>,
    more: Map<String, Value>,
}

impl Problem {
    /// A problem, explained in `detail`: what happened and what to do.
    pub(crate) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        let (errors, more) = (Vec::new(), Map::new());
        Self(Box::new(Parts { code, detail: detail.into(), errors, more }))
    }

    /// 400 `invalid_request`, with everything that is wrong.
    pub(crate) fn invalid(errors: Vec<Fault>) -> Self {
        let mut detail = String::new();
        for fault in &errors {
            let gap = if detail.is_empty() { "" } else { "; " };
            detail.push_str(gap);
            match fault.pointer.trim_start_matches('/') {
                "" => detail.push_str("the body"),
                name => detail.push_str(name),
            }
            detail.push(' ');
            detail.push_str(&fault.detail);
        }
        let mut problem = Self::new(Code::InvalidRequest, detail);
        problem.0.errors = errors;
        problem
    }

    /// 400 `invalid_request` for one part of the request.
    pub(crate) fn invalid_at(
        pointer: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::invalid(vec![Fault::new(pointer, detail)])
    }

    /// 404 for a home that is not there.
    pub(crate) fn no_home(home: &Home) -> Self {
        let code = match home {
            Home::Workspace(_) => Code::WorkspaceNotFound,
            Home::Account(_) => Code::AccountNotFound,
            Home::App(_) => Code::AppNotFound,
            Home::Seat(_) => Code::SeatNotFound,
            Home::Grant(_) => Code::GrantNotFound,
            Home::Reward(_) => Code::RewardNotFound,
            Home::Customer(_) => Code::CustomerNotFound,
        };
        Self::new(code, format!("there is no {home}"))
    }

    /// Points at the part of the request that is to blame.
    pub(crate) fn at(
        mut self, pointer: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.0.errors.push(Fault::new(pointer, detail));
        self
    }

    /// The same where nothing is pointed at yet: what is not there was named at `pointer`.
    pub(crate) fn named_at(self, pointer: &'static str) -> Self {
        if !self.0.errors.is_empty() {
            return self;
        }
        let detail = self.0.detail.clone();
        self.at(pointer, detail)
    }

    /// Adds a member of its own.
    pub(crate) fn with(mut self, name: &str, value: impl Serialize) -> Self {
        let value = serde_json::to_value(value).unwrap_or(Value::Null);
        self.0.more.insert(name.to_owned(), value);
        self
    }

    /// Puts `prefix` before the pointers into the body: the place of an item in a list.
    pub(crate) fn inside(mut self, prefix: &str) -> Self {
        for fault in &mut self.0.errors {
            if fault.pointer.is_empty() || fault.pointer.starts_with('/') {
                fault.pointer = format!("{prefix}{}", fault.pointer).into();
            }
        }
        self
    }

    /// Its code.
    pub(crate) fn code(&self) -> Code {
        self.0.code
    }

    /// The document.
    pub(crate) fn document(self) -> Map<String, Value> {
        let Parts { code, detail, errors, more } = *self.0;
        let mut document = Map::new();
        let mut put = |name: &str, value: Value| document.insert(name.to_owned(), value);
        put("type", format!("/docs#{}", code.as_str()).into());
        put("title", code.title().into());
        put("status", code.status().as_u16().into());
        put("detail", detail.into_owned().into());
        put("code", code.as_str().into());
        if !errors.is_empty() {
            put("errors", serde_json::to_value(errors).unwrap_or(Value::Null));
        }
        document.extend(more);
        document
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let code = self.0.code;
        let body = Value::Object(self.document()).to_string();
        let mut response = (code.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match code.status() {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response.extensions_mut().insert(code);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Conflict => {
                Self::new(Code::DatabaseUnavailable, "nothing was changed; try again")
            }
            StoreError::OutcomeUnknown => outcome_unknown(),
            StoreError::Refused(cause) => {
                tracing::error!(%cause, "the database refuses what a request asks");
                Self::new(Code::Internal, "the database refuses this request")
            }
        }
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::NoHome(home) => Self::no_home(&home),
            SubmitError::KeyMismatch => Self::new(
                Code::IdempotencyMismatch,
                "this Idempotency-Key was used for another method, path or body; use a new one",
            ),
            SubmitError::Overloaded => {
                Self::new(Code::Overloaded, "nothing was changed; try again later")
            }
            SubmitError::Stopping => {
                Self::new(Code::Stopping, "nothing was changed; try again after the restart")
            }
            SubmitError::Unavailable => {
                Self::new(Code::DatabaseUnavailable, "nothing was changed; try again")
            }
            SubmitError::OutcomeUnknown => outcome_unknown(),
            SubmitError::Refused(cause) => {
                tracing::error!(%cause, "the database refuses a command");
                Self::new(Code::Internal, "the database refuses this request; nothing was changed")
            }
        }
    }
}

/// 503 `outcome_unknown`: the same key tells.
pub(crate) fn outcome_unknown() -> Problem {
    Problem::new(Code::OutcomeUnknown, "try again with the same Idempotency-Key to learn it")
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let problem = Self::new(code_of(&rejection), rejection.to_string());
        match rejection {
            Rejection::CreditsExhausted { needed, remaining, spendable, resets_at, .. } => problem
                .with("needed", needed)
                .with("remaining", remaining)
                .with("spendable", spendable)
                .with("resets_at", resets_at),
            Rejection::Invalid { field, detail } => problem.at(format!("/{field}"), detail),
            Rejection::AccountMissing(_) => problem.at("/account", "must be given"),
            Rejection::AppMissing(_) => problem.at("/app", "must be given"),
            Rejection::CostTooLarge => problem.at("/quantity", "costs more than can be counted"),
            Rejection::UnknownAction(_) => {
                problem.at("/action", "must be an action of /v1/actions")
            }
            Rejection::SeatTaken { holder, .. } => problem.with("holder", holder),
            Rejection::AlreadySeated { seat, .. } => problem.with("seat", seat),
            Rejection::BelowZero { available } => problem.with("available", available),
            Rejection::AccountNotFound(_)
            | Rejection::AppNotFound(_)
            | Rejection::SeatNotFound(_)
            | Rejection::GrantNotFound(_)
            | Rejection::RewardNotFound(_)
            | Rejection::AccountClosed(_)
            | Rejection::OtherWorkspace(_)
            | Rejection::SeatVacant(_)
            | Rejection::SeatEnded(_)
            | Rejection::SeatSuspended(_)
            | Rejection::TooFewFollowers { .. }
            | Rejection::RewardAlreadyClaimed { .. }
            | Rejection::RewardAlreadyDecided(_)
            | Rejection::AlreadyRedeemed(_) => problem,
        }
    }
}

fn code_of(rejection: &Rejection) -> Code {
    let code = rejection.code();
    Code::ALL.iter().copied().find(|known| known.as_str() == code).unwrap_or(Code::Internal)
}
