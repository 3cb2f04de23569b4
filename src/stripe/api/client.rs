//! Stripe's API over HTTPS: the transport beneath async-stripe's requests.

use super::{ApiError, StripeApi};
use crate::client::chain;
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::header::{AUTHORIZATION, DATE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::http::response::Parts;
use hyper::{Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::error::Error;
use std::fmt::{Display, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use stripe_client_core::{
    CustomizedStripeRequest, RequestBuilder, StripeClient, StripeClientErr, StripeMethod, VERSION,
};
use tokio::time::timeout;

/// The longest answer that is read: 8 MiB. A page of 100 subscriptions is below 1 MiB.
const ANSWER_MAX: usize = 8 * 1024 * 1024;

/// The longest pause that an answer may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// The version of the API in which Stripe is asked.
#[must_use]
pub fn version() -> &'static str {
    VERSION.as_str()
}

/// A client of Stripe's API.
#[derive(Debug, Clone)]
pub struct Client {
    http: HttpClient<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    base: String,
    key: HeaderValue,
    timeout: Duration,
}

impl Client {
    /// A client for the API at `base` (which ends in a slash), for answers that take no longer
    /// than `timeout`.
    ///
    /// # Errors
    /// When the key can be none.
    pub fn try_new(base: &str, key: &SecretString, timeout: Duration) -> Result<Self, String> {
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", key.expose_secret()))
            .map_err(|_| String::from("stripe.api_key holds characters that no key has"))?;
        bearer.set_sensitive(true);
        let connector =
            HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
        let http = HttpClient::builder(TokioExecutor::new()).build(connector);
        Ok(Self { http, base: base.to_owned(), key: bearer, timeout })
    }

    /// The time by Stripe's clock, to the second; none where it does not say.
    pub async fn date(&self) -> Option<DateTime<Utc>> {
        let request = RequestBuilder::new(StripeMethod::Get, "/events/evt_none");
        let (head, _) = timeout(self.timeout, self.answer(request)).await.ok()?.ok()?;
        let date = head.headers.get(DATE)?.to_str().ok()?;
        Some(DateTime::parse_from_rfc2822(date).ok()?.to_utc())
    }

    async fn exchange(&self, request: RequestBuilder) -> Result<Bytes, ApiError> {
        let (head, body) = self.answer(request).await?;
        match head.status {
            status if status.is_success() => Ok(body),
            status => Err(refusal(status, &head.headers, &body)),
        }
    }

    /// Any answer, whatever its status.
    async fn answer(&self, request: RequestBuilder) -> Result<(Parts, Bytes), ApiError> {
        let mut uri = format!("{}v1{}", self.base, request.path);
        if let Some(query) = request.query {
            // Writing to a string cannot fail.
            write!(uri, "?{query}").ok();
        }
        let request = Request::get(uri)
            .header(AUTHORIZATION, self.key.clone())
            .header(USER_AGENT, concat!("creditd/", env!("CARGO_PKG_VERSION")))
            .header("stripe-version", VERSION.as_str())
            .body(Empty::new())
            .map_err(|cause| ApiError::Request(cause.to_string()))?;
        let answer = self.http.request(request).await.map_err(|cause| broken(&cause))?;
        let (head, body) = answer.into_parts();
        let body =
            Limited::new(body, ANSWER_MAX).collect().await.map_err(|cause| broken(&*cause))?;
        Ok((head, body.to_bytes()))
    }
}

/// One request of async-stripe's on its way: it hands on no more than a sign that there was an
/// answer, since our own structs read the answer itself.
struct Passage<'c> {
    client: &'c Client,
    answer: Mutex<Bytes>,
}

impl StripeClient for Passage<'_> {
    type Err = ApiError;

    async fn execute(&self, request: CustomizedStripeRequest) -> Result<Bytes, ApiError> {
        let (request, _) = request.into_pieces();
        let answer = self.client.exchange(request).await?;
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
        Ok(Bytes::from_static(b"null"))
    }
}

impl StripeClientErr for ApiError {
    fn deserialize_err(cause: impl Display) -> Self {
        Self::Unreadable(cause.to_string())
    }
}

#[async_trait]
impl StripeApi for Client {
    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<String, ApiError> {
        let mut request = RequestBuilder::new(StripeMethod::Get, path);
        request.query = Some(encode(query)).filter(|query| !query.is_empty());
        let passage = Passage { client: self, answer: Mutex::default() };
        match timeout(self.timeout, request.customize::<()>().send(&passage)).await {
            Ok(sent) => sent?,
            Err(_) => {
                let why = format!("no answer within {:?}", self.timeout);
                return Err(ApiError::Down { code: "timeout", why, retry_after: None });
            }
        }
        let answer = passage.answer.into_inner().unwrap_or_else(PoisonError::into_inner);
        as_object(&answer)
    }
}

/// An answer as text, if it is a whole JSON object.
fn as_object(answer: &[u8]) -> Result<String, ApiError> {
    let text = std::str::from_utf8(answer).ok();
    let text = text.filter(|text| {
        text.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok()
    });
    text.map(str::to_owned).ok_or_else(|| {
        let why = format!("{} bytes that are no JSON object", answer.len());
        ApiError::Down { code: "garbage", why, retry_after: None }
    })
}

/// What went wrong before there was a whole answer.
fn broken(cause: &dyn Error) -> ApiError {
    ApiError::Down { code: "unreachable", why: chain(cause), retry_after: None }
}

/// What a refusal means. Its message is left out: it may quote what was asked.
fn refusal(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
    #[derive(Default, Deserialize)]
    struct Body {
        error: Option<Named>,
    }
    #[derive(Default, Deserialize)]
    struct Named {
        code: Option<String>,
        #[serde(rename = "type")]
        kind: Option<String>,
    }
    let body: Body = serde_json::from_slice(body).unwrap_or_default();
    let named = body.error.unwrap_or_default();
    let code = named.code.or(named.kind).unwrap_or_else(|| "-".to_owned());
    let down = |word| ApiError::Down {
        code: word,
        why: format!("{} {code}", status.as_u16()),
        retry_after: retry_after(headers),
    };
    match status.as_u16() {
        401 | 403 => ApiError::Refused { status: status.as_u16(), code },
        // Lists answer 400 where the object that a page begins at is gone.
        400 | 404 if code == "resource_missing" => ApiError::Missing,
        429 => down("too_many"),
        409 | 424 | 500.. => down("server_error"),
        _ if status.is_redirection() => down("redirected"),
        number => ApiError::Request(format!("{number} {code}")),
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// A query as forms write it.
fn encode(query: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in query {
        if !text.is_empty() {
            text.push('&');
        }
        encode_part(name, &mut text);
        text.push('=');
        encode_part(value, &mut text);
    }
    text
}

fn encode_part(part: &str, text: &mut String) {
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_') {
            text.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            write!(text, "%{byte:02X}").ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, retry: Option<&str>, body: &str) -> ApiError {
        let mut headers = HeaderMap::new();
        if let Some(retry) = retry {
            headers.insert(RETRY_AFTER, retry.parse().unwrap());
        }
        refusal(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes())
    }

    #[test]
    fn refusals_are_told_apart_by_whom_they_concern() {
        let missing = r#"{"error":{"code":"resource_missing","type":"invalid_request_error"}}"#;
        assert_eq!(refused(404, None, missing), ApiError::Missing);
        assert_eq!(refused(400, None, missing), ApiError::Missing);
        for (status, body, code, is_down) in [
            (404, "{}", "refused", false),
            (400, "{}", "refused", false),
            (401, "", "key_invalid", true),
            (403, r#"{"error":{"type":"invalid_request_error"}}"#, "key_forbidden", true),
            (429, "", "too_many", true),
            (409, "", "server_error", true),
            (500, "<html>", "server_error", true),
            (503, "", "server_error", true),
            (302, "", "redirected", true),
        ] {
            let error = refused(status, None, body);
            assert_eq!((error.code(), error.is_down()), (code, is_down), "{status}: {error}");
        }
    }

    #[test]
    fn how_long_to_wait_is_read_and_bounded() {
        for (text, expected) in [
            (None, None),
            (Some("7"), Some(Duration::from_secs(7))),
            (Some("999999"), Some(RETRY_AFTER_MAX)),
            (Some("Wed, 21 Oct 2026 07:28:00 GMT"), None),
            (Some("-1"), None),
        ] {
            for status in [429, 503] {
                let ApiError::Down { retry_after, .. } = refused(status, text, "") else {
                    panic!("{status}")
                };
                assert_eq!(retry_after, expected, "{text:?}");
            }
        }
    }

    #[test]
    fn only_whole_json_objects_are_answers() {
        assert_eq!(as_object(b" {\"a\": 1} ").unwrap(), " {\"a\": 1} ");
        for garbage in [&b""[..], b"<html>", b"[]", b"7", b"{\"a\":", b"{\"a\":1}x", b"\xff"] {
            assert_eq!(as_object(garbage).unwrap_err().code(), "garbage");
        }
    }

    #[test]
    fn queries_are_encoded() {
        let query = [("types[]", "a.b"), ("expand[]", "x y&z"), ("limit", "100")];
        assert_eq!(encode(&query), "types%5B%5D=a.b&expand%5B%5D=x%20y%26z&limit=100");
    }

    #[test]
    fn a_key_is_never_shown() {
        let key = SecretString::from("sk_test_hidden");
        let client = Client::try_new("http://127.0.0.1:1/", &key, Duration::from_secs(1)).unwrap();
        assert!(!format!("{client:?}").contains("hidden"));
        let wrong = SecretString::from("sk_test_\nhidden");
        let error = Client::try_new("http://127.0.0.1:1/", &wrong, Duration::from_secs(1));
        assert!(!error.unwrap_err().contains("hidden"));
    }
}
