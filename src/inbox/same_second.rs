//! Events of one second about one subscription are one fact where they are applied as they tell.
//!
//! Stripe tells of an upgrade whose payment fails in two events of one second: the new plan, still
//! active, and past_due. Asked, it would have told both at once. So of those that arrive together
//! only the last is applied, as if Stripe had been asked.

use crate::store::StoredEvent;
use crate::stripe::envelope::{Content, Envelope};
use crate::stripe::snapshot::Subscription;
use crate::stripe::topic::{Topic, topic};
use chrono::{DateTime, Utc};
use creditd_rules::command::Source;
use creditd_rules::id::SubscriptionId;

/// Which of these events, in the order in which they came, a later one makes needless.
pub(super) fn told_again(events: &[StoredEvent]) -> Vec<bool> {
    let keys: Vec<_> = events.iter().map(key).collect();
    let is_told_again = |(nth, key): (usize, &Option<Key>)| {
        let Some(key) = key else { return false };
        let later = keys.iter().skip(nth).skip(1).flatten();
        let mut same = later.filter(|later| (&later.of, later.at) == (&key.of, key.at));
        same.any(|later| later.rank >= key.rank)
    };
    keys.iter().enumerate().map(is_told_again).collect()
}

/// What a readable event about a subscription tells of.
struct Key {
    of: SubscriptionId,
    at: DateTime<Utc>,
    rank: u8,
}

fn key(stored: &StoredEvent) -> Option<Key> {
    let at = stored.event.created?;
    let envelope = Envelope::read(&stored.event.body).ok()?;
    let Some(Topic::Subscription { rank }) = topic(&envelope.kind) else { return None };
    let Content::Snapshot(object) = envelope.content else { return None };
    let subscription = Subscription::read(object.get()).ok().filter(|read| !read.is_cut())?;
    // One that cannot be applied takes no other's place.
    subscription.snapshot(&|_| None, None, at, Source::Event { rank }).ok()?;
    Some(Key { of: subscription.id().clone(), at, rank })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{event, subscription};
    use super::*;
    use crate::stripe::envelope::receive;
    use serde_json::{Value, json};

    fn told(id: &str, kind: &str, created: i64, quantity: &Value) -> StoredEvent {
        let mut object = subscription(json!({}));
        object["id"] = json!(id);
        object["items"]["data"][0]["quantity"] = quantity.clone();
        let mut event = event("evt", &format!("customer.subscription.{kind}"), object);
        event["created"] = json!(created);
        let event = receive(event.to_string().as_bytes(), DateTime::UNIX_EPOCH, false);
        StoredEvent { event, arrival: 0, attempts: 0, waits_for: None, handled_at: None }
    }

    #[track_caller]
    fn check(events: &[(&str, &str, i64)], expected: &[bool]) {
        let events = events.iter().map(|(id, kind, at)| told(id, kind, *at, &json!(1)));
        assert_eq!(told_again(&events.collect::<Vec<_>>()), expected);
    }

    #[test]
    fn the_last_of_one_second_tells_for_all() {
        check(&[("sub_1", "created", 1), ("sub_1", "updated", 1)], &[true, false]);
        check(&[("sub_1", "updated", 1), ("sub_1", "updated", 1)], &[true, false]);
        check(&[("sub_1", "updated", 1), ("sub_1", "deleted", 1)], &[true, false]);
        check(&[("sub_1", "updated", 1), ("sub_1", "created", 1)], &[false, false]);
        check(&[("sub_1", "updated", 1), ("sub_1", "updated", 2)], &[false, false]);
        check(&[("sub_1", "updated", 1), ("sub_2", "updated", 1)], &[false, false]);
    }

    #[test]
    fn one_that_cannot_be_applied_tells_for_none() {
        let good = told("sub_1", "updated", 1, &json!(1));
        let bad = told("sub_1", "updated", 1, &json!(-1));
        assert_eq!(told_again(&[good, bad]), [false, false]);
    }
}
