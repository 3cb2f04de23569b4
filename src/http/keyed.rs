//! Idempotency keys on their way in, and answers on their way out (R17).

use super::Doors;
use super::problem::{Code, Problem};
use crate::store::Home;
use crate::writer::{Key, Reply, Request};
use axum::body::Bytes;
use axum::extract::FromRequest;
use axum::extract::Request as HttpRequest;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use creditd_rules::{Cause, Command};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The longest key, in characters.
const KEY_LENGTH_MAX: usize = 255;

/// How long a body may take to arrive.
const BODY_READ_TIMEOUT: Duration = Duration::from_secs(10);

/// What a changing request asks: its body, and the key that makes a repetition the same.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The key, where there is one.
    pub(crate) key: Option<Key>,
    /// The body, byte for byte.
    pub(crate) body: Bytes,
}

/// A POST, which needs a key.
#[derive(Debug)]
pub(crate) struct Keyed {
    /// The key.
    pub(crate) key: Key,
    /// The body, byte for byte.
    pub(crate) body: Bytes,
}

impl Keyed {
    /// The same as a request whose key is there.
    pub(crate) fn asked(&self) -> Asked {
        Asked { key: Some(self.key.clone()), body: self.body.clone() }
    }
}

impl FromRequest<Arc<Doors>> for Asked {
    type Rejection = Problem;

    async fn from_request(request: HttpRequest, doors: &Arc<Doors>) -> Result<Self, Problem> {
        let key = header_key(request.headers())?;
        let method = request.method().clone();
        let uri = request.uri().clone();
        let body = read_body(request, doors).await?;
        let path = uri.path_and_query().map_or("", |path| path.as_str());
        let key = key.map(|key| {
            let fingerprint = fingerprint(method.as_str(), path, &body);
            Key { key, fingerprint }
        });
        Ok(Self { key, body })
    }
}

impl FromRequest<Arc<Doors>> for Keyed {
    type Rejection = Problem;

    async fn from_request(request: HttpRequest, doors: &Arc<Doors>) -> Result<Self, Problem> {
        let Asked { key, body } = Asked::from_request(request, doors).await?;
        let key = key.ok_or_else(|| {
            let detail = "send an Idempotency-Key header: a text of your own for each thing to do";
            Problem::new(Code::IdempotencyKeyMissing, detail)
        })?;
        Ok(Self { key, body })
    }
}

/// The whole body; its limit is the route's.
pub(crate) async fn read_body<S: Send + Sync>(
    request: HttpRequest, state: &S,
) -> Result<Bytes, Problem> {
    let read = timeout(BODY_READ_TIMEOUT, Bytes::from_request(request, state)).await;
    let read = read.map_err(|_| {
        let seconds = BODY_READ_TIMEOUT.as_secs();
        Problem::invalid_at("", format!("did not arrive within {seconds} s"))
    })?;
    read.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(Code::BodyTooLarge, "the body is larger than this call takes")
        }
        _ => Problem::invalid_at("", "could not be read to its end"),
    })
}

/// SHA-256 over method, path with query, and body, with marks between them.
pub(crate) fn fingerprint(method: &str, path: &str, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(method.as_bytes());
    hash.update([0]);
    hash.update(path.as_bytes());
    hash.update([0]);
    hash.update(body);
    hash.finalize().into()
}

/// The key in the header; none where there is no header or an empty one.
fn header_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let wrong = |detail| Problem::invalid_at("Idempotency-Key", detail);
    if values.next().is_some() {
        return Err(wrong("must be sent once"));
    }
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| wrong("must be UTF-8"))?.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let key = match text.strip_prefix('"') {
        Some(rest) => unquote(rest).ok_or_else(|| wrong("must end with its quote"))?,
        None => text.to_owned(),
    };
    check_key(&key).map_err(wrong)?;
    Ok(Some(key))
}

/// What a key must be.
pub(crate) fn check_key(key: &str) -> Result<(), &'static str> {
    if key.chars().any(char::is_control) {
        return Err("must have no control characters");
    }
    match key.chars().count() {
        0 => Err("must not be empty"),
        1..=KEY_LENGTH_MAX => Ok(()),
        _ => Err("must have at most 255 characters"),
    }
}

/// The content of a structured header's string after its first quote.
fn unquote(rest: &str) -> Option<String> {
    let mut key = String::with_capacity(rest.len());
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return chars.next().is_none().then_some(key),
            '\\' => key.push(chars.next().filter(|c| matches!(c, '"' | '\\'))?),
            other => key.push(other),
        }
    }
}

/// A committed answer on its way out.
#[derive(Debug)]
pub(crate) struct Done {
    /// The JSON object as it is kept.
    pub(crate) body: Vec<u8>,
    /// It was done earlier, under the same key.
    pub(crate) replayed: bool,
    /// There was a key, so that the answer says whether it is a replay.
    pub(crate) keyed: bool,
}

impl Done {
    /// The JSON object with `members`, JSON text each, put before its own.
    pub(crate) fn with_first(mut self, members: &str) -> Self {
        let comma = if self.body.len() > 2 { "," } else { "" };
        let open = format!("{{{members}{comma}");
        if self.body.first() == Some(&b'{') {
            self.body.splice(0..1, open.into_bytes());
        }
        self
    }

    /// The body that is sent: what is kept, and whether it is a replay.
    pub(crate) fn sent(mut self) -> Vec<u8> {
        if self.keyed && self.body.pop_if(|last| *last == b'}').is_some() {
            if self.body.len() > 1 {
                self.body.push(b',');
            }
            self.body.extend_from_slice(br#""replayed":"#);
            self.body.extend_from_slice(if self.replayed { b"true}" } else { b"false}" });
        }
        self.body
    }
}

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/json");
        ([(header::CONTENT_TYPE, json)], self.sent()).into_response()
    }
}

impl Doors {
    /// Has a command decided for a request and waits for the commit.
    pub(crate) async fn submit(
        &self, home: Home, command: Command, asked: Asked,
    ) -> Result<Done, Problem> {
        self.try_submit(home, command, asked.key).await?.map_err(Problem::from)
    }

    /// The same, for those who act on a refusal.
    pub(crate) async fn try_submit(
        &self, home: Home, command: Command, key: Option<Key>,
    ) -> Result<Result<Done, creditd_rules::Rejection>, Problem> {
        let by = key.as_ref().map_or_else(|| "api".to_owned(), |key| format!("key:{}", key.key));
        let keyed = key.is_some();
        let cause = Cause { by: Some(by), at: None };
        let request = Request { home, command, cause, key };
        Ok(match self.api.writer.submit(request).await? {
            Reply::Done { body, replayed } => Ok(Done { body, replayed, keyed }),
            Reply::Rejected(rejection) => Err(rejection),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: &str, expected: Result<Option<&str>, ()>) {
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", HeaderValue::from_bytes(header.as_bytes()).unwrap());
        let read = header_key(&headers).map_err(|_| ());
        let expected = expected.map(|key| key.map(str::to_owned));
        assert_eq!(read, expected, "{header}");
    }

    #[test]
    fn r17_keys_are_read_bare_and_quoted() {
        check("k-1", Ok(Some("k-1")));
        check("\"k-1\"", Ok(Some("k-1")));
        check(r#""a \"b\" \\c""#, Ok(Some(r#"a "b" \c"#)));
        check("schlüssel", Ok(Some("schlüssel")));
        check("", Ok(None));
        check("  ", Ok(None));
        check("\"", Err(()));
        check("\"\"", Err(()));
        check("\"a\"b", Err(()));
        check(r#""a\x""#, Err(()));
        check("a\tb", Err(()));
        check(&"x".repeat(255), Ok(Some(&"x".repeat(255))));
        check(&"x".repeat(256), Err(()));
    }

    #[test]
    fn r17_a_fingerprint_tells_method_path_and_body_apart() {
        let one = fingerprint("POST", "/v1/usage", b"{}");
        assert_eq!(one, fingerprint("POST", "/v1/usage", b"{}"));
        for other in [
            fingerprint("PUT", "/v1/usage", b"{}"),
            fingerprint("POST", "/v1/usage?x", b"{}"),
            fingerprint("POST", "/v1/usage", b"{} "),
            fingerprint("POST", "/v1/usage{", b"}"),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn r17_an_answer_says_whether_it_is_a_replay() {
        let sent = |body: &[u8], replayed, keyed| {
            String::from_utf8(Done { body: body.to_vec(), replayed, keyed }.sent()).unwrap()
        };
        assert_eq!(sent(br#"{"a":"}"}"#, true, true), r#"{"a":"}","replayed":true}"#);
        assert_eq!(sent(b"{}", false, true), r#"{"replayed":false}"#);
        assert_eq!(sent(b"{}", false, false), "{}");
        let done = Done { body: br#"{"b":1}"#.to_vec(), replayed: true, keyed: true };
        let first = done.with_first(r#""id":"cus_1""#).sent();
        assert_eq!(first, br#"{"id":"cus_1","b":1,"replayed":true}"#);
    }
}
