//! The wrapping of an event, read before it is stored and no deeper than needed.
//!
//! Two kinds arrive: snapshot events (`object: "event"`) bring the whole object, thin ones
//! (`object: "v2.core.event"`) only name it.

use super::loose::{Stub, Whole, instant};
use super::topic::topic;
use crate::hex;
use crate::store::{EventState, NewEvent};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// The longest event type that is taken for one; Stripe's are below 60.
const KIND_LENGTH_MAX: usize = 128;

/// Why an event has nothing more to say, or cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// It is not JSON of the shape of an event.
    #[error("the body is no event: {0}")]
    Shape(String),
    /// It is JSON of another kind of object.
    #[error("the body is another object, not an event")]
    Object,
    /// A field holds what it cannot hold.
    #[error("the event's {0} is not one")]
    Field(&'static str),
}

/// What an event says of itself. Its object is left as it came.
#[derive(Debug)]
pub struct Envelope<'a> {
    /// Stripe's id.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// When it happened.
    pub created: Option<DateTime<Utc>>,
    /// The API version that the object is rendered in.
    pub api_version: Option<String>,
    /// Live or test; none where it does not say.
    pub livemode: Option<bool>,
    /// What it brings.
    pub content: Content<'a>,
}

/// What an event brings.
#[derive(Debug)]
pub enum Content<'a> {
    /// The object, as JSON.
    Snapshot(&'a RawValue),
    /// Only the id of the object, which must be asked for.
    Thin {
        /// The id of the related object.
        related: Option<String>,
    },
}

#[derive(Deserialize)]
struct Raw<'a> {
    id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    object: Option<String>,
    created: Option<Created>,
    api_version: Option<String>,
    livemode: Option<bool>,
    #[serde(borrow)]
    data: Option<Data<'a>>,
    related_object: Option<Stub>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    object: Option<&'a RawValue>,
}

/// Snapshot events write seconds, thin ones RFC 3339.
#[derive(Deserialize)]
#[serde(untagged)]
enum Created {
    Seconds(Whole),
    Text(String),
}

impl Created {
    fn instant(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Seconds(Whole(seconds)) => instant(*seconds),
            Self::Text(text) => {
                let at = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
                instant(at.timestamp()).map(|_| at)
            }
        }
    }
}

impl<'a> Envelope<'a> {
    /// Reads the wrapping of a body.
    ///
    /// # Errors
    /// When it is not an event; a person has to look at it.
    pub fn read(body: &'a [u8]) -> Result<Self, EnvelopeError> {
        let raw: Raw<'a> = serde_json::from_slice(body)
            .map_err(|cause| EnvelopeError::Shape(without_text(&cause)))?;
        let id = raw.id.filter(|id| creditd_rules::id::is_valid(id));
        let kind = raw.kind.filter(|kind| is_plain(kind));
        let thin = match raw.object.as_deref() {
            Some("event") | None => false,
            Some("v2.core.event") => true,
            Some(_) => return Err(EnvelopeError::Object),
        };
        let created = match raw.created {
            Some(created) => Some(created.instant().ok_or(EnvelopeError::Field("created"))?),
            None => None,
        };
        let content = match raw.data {
            _ if thin => Content::Thin { related: raw.related_object.map(|stub| stub.id) },
            Some(Data { object: Some(object) }) => Content::Snapshot(object),
            Some(Data { object: None }) | None => Content::Snapshot(RawValue::NULL),
        };
        Ok(Self {
            id: id.ok_or(EnvelopeError::Field("id"))?,
            kind: kind.ok_or(EnvelopeError::Field("type"))?,
            created,
            api_version: raw.api_version.filter(|version| is_plain(version)),
            livemode: raw.livemode,
            content,
        })
    }
}

/// Words of printable ASCII, so that stores, logs and labels can take them.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= KIND_LENGTH_MAX
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What is wrong with JSON and where, without quoting it: a body may hold addresses.
pub(crate) fn without_text(cause: &serde_json::Error) -> String {
    let what = match cause.classify() {
        serde_json::error::Category::Data => "an unexpected value",
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "no valid JSON",
    };
    format!("{what} at line {} column {}", cause.line(), cause.column())
}

/// The event to store for a body whose signature holds, received at `wall` by an endpoint of the
/// mode `livemode`.
///
/// It begins as `Pending` where there is something to do, as `Ignored` where its type has no use
/// or its mode is the other one, and as `Parked`, under the hash of its body, where it cannot be
/// read. An event that does not say its mode counts as ours: the secret has vouched for it.
#[must_use]
pub fn receive(body: &[u8], wall: DateTime<Utc>, livemode: bool) -> NewEvent {
    let mut event = NewEvent {
        id: String::new(),
        kind: String::new(),
        created: None,
        api_version: None,
        livemode: None,
        state: EventState::Pending,
        note: None,
        body: body.to_vec(),
        received_at: wall,
        trace: None,
    };
    let envelope = match Envelope::read(body) {
        Ok(envelope) => envelope,
        Err(cause) => {
            event.id = hash_id(body);
            event.state = EventState::Parked;
            event.note = Some(cause.to_string());
            return event;
        }
    };
    let ours = envelope.livemode.is_none_or(|mode| mode == livemode);
    if topic(&envelope.kind).is_none() {
        event.state = EventState::Ignored;
        event.note = Some(String::from("there is no use for this type"));
    } else if !ours {
        let mode =
            if livemode { "a test event on a live endpoint" } else { "a live event in test mode" };
        event.state = EventState::Ignored;
        event.note = Some(String::from(mode));
    }
    event.id = envelope.id;
    event.kind = envelope.kind;
    event.created = envelope.created;
    event.api_version = envelope.api_version;
    event.livemode = envelope.livemode;
    event
}

/// The key of a body without an id: `sha256:` and the hash in hexadecimal.
fn hash_id(body: &[u8]) -> String {
    format!("sha256:{}", hex::encode(&Sha256::digest(body)))
}

#[cfg(test)]
mod tests;
