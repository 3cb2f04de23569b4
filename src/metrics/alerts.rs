//! What the operator is to know, by code.

use super::labels::CodeLabels;
use super::making::Making;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

/// Every code of an alert; docs/RUNBOOKS.md says what each means and what to do.
pub const ALERTS: [&str; 24] = [
    "anchor_moved_again",
    "api_key_needed",
    "boundary_mismatch",
    "buyer_elsewhere",
    "buyer_unknown",
    "event_failed",
    "event_other_mode",
    "event_refused",
    "event_type_unknown",
    "event_unreadable",
    "event_waits",
    "link_differs",
    "link_unusable",
    "mail_files",
    "mail_login_failed",
    "mail_parked",
    "mail_template",
    "no_buyer",
    "refund",
    "stripe_missing",
    "stripe_unreadable",
    "too_many_seats",
    "unknown_price",
    "unknown_status",
];

/// Alerts by code.
#[derive(Debug)]
pub(super) struct Alerts(Family<CodeLabels, Counter>);

impl Alerts {
    pub(super) fn new(making: &mut Making<'_>) -> Self {
        let known = ALERTS.map(|code| CodeLabels { code });
        Self(making.counters("alerts", "Things for the operator to know, by code", known))
    }

    pub(super) fn raise(&self, code: &'static str) {
        debug_assert!(ALERTS.contains(&code), "the alert {code} is not described");
        self.0.get_or_create(&CodeLabels { code }).inc();
    }

    pub(super) fn raised(&self, code: &'static str) -> u64 {
        self.0.get_or_create(&CodeLabels { code }).get()
    }
}
