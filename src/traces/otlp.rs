//! Spans as OTLP has them: an `ExportTraceServiceRequest` of opentelemetry-proto 1.
//!
//! Written by hand, since six messages are all that it takes: docs/ARCHITECTURE.md says what the
//! crates would cost. A test has the types that OpenTelemetry generates for Python read it.

use super::protobuf::Message;
use super::span::{Finished, Kind, Value};

/// The body of one request to a collector.
pub(super) fn request(spans: &[Finished]) -> Vec<u8> {
    let mut request = Message::default();
    request.message(1, |group| {
        group.message(1, |resource| {
            attribute(resource, 1, "service.name", &Value::from("creditd"));
            let version = Value::from(env!("CARGO_PKG_VERSION"));
            attribute(resource, 1, "service.version", &version);
        });
        group.message(2, |scope| {
            scope.message(1, |us| us.bytes(1, "creditd"));
            for step in spans {
                scope.message(2, |message| span(message, step));
            }
        });
    });
    request.into_bytes()
}

fn span(message: &mut Message, step: &Finished) {
    let Finished { place, name, kind, began, took, values, links, failure } = step;
    message.bytes(1, place.own.trace);
    message.bytes(2, place.own.span);
    if let Some(parent) = place.parent {
        message.bytes(4, parent);
    }
    message.bytes(5, name.as_ref());
    let kind = match kind {
        Kind::Internal => 1,
        Kind::Server => 2,
        Kind::Client => 3,
        Kind::Consumer => 5,
    };
    message.number(6, kind);
    let began = u64::try_from(began.timestamp_nanos_opt().unwrap_or(0)).unwrap_or(0);
    let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    message.fixed64(7, began);
    message.fixed64(8, began.saturating_add(took));
    for (key, value) in values {
        attribute(message, 9, key, value);
    }
    for link in links {
        message.message(13, |message| {
            message.bytes(1, link.trace);
            message.bytes(2, link.span);
        });
    }
    if let Some(why) = failure {
        message.message(15, |status| {
            status.bytes(2, why.as_ref());
            status.number(3, 2);
        });
    }
    // Sampled, as W3C's flags have it.
    message.fixed32(16, 1);
}

fn attribute(message: &mut Message, field: u32, key: &str, value: &Value) {
    message.message(field, |pair| {
        pair.bytes(1, key);
        pair.message(2, |any| match value {
            Value::Text(text) => any.bytes(1, text.as_ref()),
            Value::Number(number) => any.number(3, *number),
        });
    });
}
