//! What an event is about, by its type.

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// A subscription; the event's object is what it became.
    Subscription {
        /// Which of two events of one second is the later truth: deleted 2, created 0, others 1.
        rank: u8,
    },
    /// A finished checkout: who bought.
    Checkout,
    /// A customer was made or changed.
    Customer,
    /// A customer was deleted, and with it all its subscriptions.
    CustomerDeleted,
    /// A subscription schedule: what a later phase brings.
    Schedule,
    /// An invoice. Money never grants credits; the clock does.
    Invoice,
    /// Money goes back or is fought over; the operator is told.
    Refund,
    /// A price or a product; plans are mapped by the settings.
    Catalogue,
}

/// The topic of an event type, of a snapshot event or of its thin twin (`v1.` before the same
/// name); none for types that we have no use for.
#[must_use]
pub fn topic(kind: &str) -> Option<Topic> {
    let kind = kind.strip_prefix("v1.").unwrap_or(kind);
    let starts = |prefix: &str| kind.starts_with(prefix);
    Some(match kind {
        "customer.subscription.created" => Topic::Subscription { rank: 0 },
        "customer.subscription.deleted" => Topic::Subscription { rank: 2 },
        _ if starts("customer.subscription.") => Topic::Subscription { rank: 1 },
        "checkout.session.completed"
        | "checkout.session.async_payment_succeeded"
        | "checkout.session.async_payment_failed" => Topic::Checkout,
        "customer.created" | "customer.updated" => Topic::Customer,
        "customer.deleted" => Topic::CustomerDeleted,
        _ if starts("subscription_schedule.") => Topic::Schedule,
        _ if starts("invoice.") => Topic::Invoice,
        "charge.refunded" => Topic::Refund,
        _ if starts("charge.refund.") || starts("refund.") || starts("charge.dispute.") => {
            Topic::Refund
        }
        _ if starts("price.") || starts("product.") || starts("plan.") => Topic::Catalogue,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kinds: &[&str], expected: Option<Topic>) {
        for kind in kinds {
            assert_eq!(topic(kind), expected, "{kind}");
            assert_eq!(topic(&format!("v1.{kind}")), expected, "v1.{kind}");
        }
    }

    #[test]
    fn types_have_their_topics() {
        check(&["customer.subscription.created"], Some(Topic::Subscription { rank: 0 }));
        let updates = [
            "customer.subscription.updated",
            "customer.subscription.paused",
            "customer.subscription.resumed",
            "customer.subscription.pending_update_applied",
            "customer.subscription.pending_update_expired",
            "customer.subscription.trial_will_end",
        ];
        check(&updates, Some(Topic::Subscription { rank: 1 }));
        check(&["customer.subscription.deleted"], Some(Topic::Subscription { rank: 2 }));
        let sessions = ["checkout.session.completed", "checkout.session.async_payment_failed"];
        check(&sessions, Some(Topic::Checkout));
        check(&["customer.created", "customer.updated"], Some(Topic::Customer));
        check(&["customer.deleted"], Some(Topic::CustomerDeleted));
        check(&["subscription_schedule.updated"], Some(Topic::Schedule));
        check(&["invoice.paid", "invoice.payment_failed"], Some(Topic::Invoice));
        check(
            &["charge.refunded", "refund.created", "charge.dispute.created"],
            Some(Topic::Refund),
        );
        check(&["price.updated", "product.deleted", "plan.created"], Some(Topic::Catalogue));
    }

    #[test]
    fn types_without_use_have_none() {
        check(
            &["", "a.b.c", "customer", "customer.source.created", "payment_intent.succeeded"],
            None,
        );
        check(&["checkout.session.expired", "charge.succeeded", "v2.core.event"], None);
    }
}
