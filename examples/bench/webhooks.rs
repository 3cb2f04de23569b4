//! Signed events of 2 KB about invoices that pay nothing: they are verified, kept, and done with.

use chrono::Utc;
use creditd::stripe::signature;
use secrecy::SecretString;

/// What they are signed with.
pub(super) const SECRET: &str = "whsec_bench";

/// The length of an event's body.
const BYTES: usize = 2_048;

/// An event's body.
pub(super) fn body(number: usize) -> String {
    let head = format!(
        r#"{{"id":"evt_{number:012}","object":"event","api_version":"2026-09-30.endive","type":"invoice.updated","created":1767225600,"livemode":false,"data":{{"object":{{"id":"in_{number:012}","object":"invoice","customer":"cus_{number:08}","lines":["#
    );
    let end = r#"""]}}}"#;
    let mut body = head;
    let mut item = number;
    while body.len() + 40 < BYTES {
        item = item.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        body.push_str(&format!("\"{item:020x}\","));
    }
    body.push('"');
    body.extend(std::iter::repeat_n('x', BYTES - body.len() - end.len() + 1));
    body.push_str(&end[1..]);
    body
}

/// The header that signs it.
pub(super) fn header(body: &str, at: chrono::DateTime<Utc>) -> String {
    let signature = signature::header(&SecretString::from(SECRET), body.as_bytes(), at);
    format!("stripe-signature: {signature}")
}
