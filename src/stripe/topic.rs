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
    Invoice {
        /// It tells whether its subscription is paid.
        pays: bool,
    },
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
        "invoice.paid" | "invoice.payment_failed" | "invoice.payment_action_required" => {
            Topic::Invoice { pays: true }
        }
        _ if starts("invoice.") => Topic::Invoice { pays: false },
        "charge.refunded" => Topic::Refund,
        _ if starts("charge.refund.") || starts("refund.") || starts("charge.dispute.") => {
            Topic::Refund
        }
        _ if starts("price.") || starts("product.") || starts("plan.") => Topic::Catalogue,
        _ => return None,
    })
}

/// The types that Stripe's list of events is asked for, as many as it takes. Refunds and the
/// catalogue are left out: they change nothing here.
pub const CAUGHT_UP: [&str; 20] = [
    "checkout.session.async_payment_failed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.completed",
    "customer.deleted",
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.pending_update_applied",
    "customer.subscription.pending_update_expired",
    "customer.subscription.resumed",
    "customer.subscription.trial_will_end",
    "customer.subscription.updated",
    "customer.updated",
    "invoice.paid",
    "invoice.payment_action_required",
    "invoice.payment_failed",
    "subscription_schedule.canceled",
    "subscription_schedule.created",
    "subscription_schedule.released",
    "subscription_schedule.updated",
];

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
        let schedules =
            ["updated", "completed", "aborted"].map(|word| format!("subscription_schedule.{word}"));
        check(&schedules.each_ref().map(String::as_str), Some(Topic::Schedule));
        let paying = ["invoice.paid", "invoice.payment_failed", "invoice.payment_action_required"];
        check(&paying, Some(Topic::Invoice { pays: true }));
        check(&["invoice.created", "invoice.upcoming"], Some(Topic::Invoice { pays: false }));
        check(
            &["charge.refunded", "refund.created", "charge.dispute.created"],
            Some(Topic::Refund),
        );
        check(&["price.updated", "product.deleted", "plan.created"], Some(Topic::Catalogue));
    }

    #[test]
    fn the_types_to_catch_up_with_have_topics() {
        assert!(CAUGHT_UP.is_sorted() && CAUGHT_UP.iter().all(|kind| topic(kind).is_some()));
    }

    #[test]
    fn the_manual_names_the_events_that_are_caught_up_with_and_the_version_that_is_asked_in() {
        let manual = include_str!("../../docs/STRIPE.md");
        let events = manual.split("```").find_map(|block| block.strip_prefix("events\n"));
        let events: Vec<&str> = events.unwrap().lines().collect();
        assert!(events.iter().all(|kind| topic(kind).is_some()));
        let missing = CAUGHT_UP.iter().find(|kind| !events.contains(kind));
        assert_eq!(missing, None);
        assert!(manual.contains(stripe_client_core::VERSION.as_str()));
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
