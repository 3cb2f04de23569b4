//! Whether Stripe's webhooks can be believed and its API may be asked.

use super::clocks;
use super::finding::Finding;
use crate::clock;
use crate::settings::{Settings, Stripe};
use crate::stripe::api::client::{self, Client};
use crate::stripe::api::{ApiError, StripeApi};
use futures_util::future::join_all;
use secrecy::ExposeSecret as _;
use serde_json::Value;

const WEBHOOKS: &str = "webhooks";
const STRIPE: &str = "stripe";

/// What is asked of Stripe, by the permission that a restricted key needs for it. No object has
/// these ids: who may read is told that there is none, and who may not that they may not.
const READS: [(&str, &str); 7] = [
    ("Events", "/events/evt_doctor"),
    ("Subscriptions", "/subscriptions/sub_doctor"),
    ("Subscription items", "/subscription_items/si_doctor"),
    ("Subscription schedules", "/subscription_schedules/sub_sched_doctor"),
    ("Customers", "/customers/cus_doctor"),
    ("Invoices", "/invoices/in_doctor"),
    ("Checkout Sessions", "/checkout/sessions/cs_test_doctor"),
];

/// All about Stripe.
pub(super) async fn examine(settings: &Settings) -> Vec<Finding> {
    let stripe = &settings.stripe;
    let mut findings = webhooks(stripe);
    let Some(key) = &stripe.api_key else {
        findings.push(Finding::warn(
            STRIPE,
            "there is no API key: subscriptions are known only from what events say",
            "set the credential stripe_api_key to a restricted key that may read",
        ));
        return findings;
    };
    if if stripe.livemode { stripe.has_test_key() } else { stripe.has_live_key() } {
        findings.push(Finding::fail(
            STRIPE,
            format!("stripe.livemode is {}, and the API key is of the other mode", stripe.livemode),
            "take a key of the same mode",
        ));
    }
    match Client::try_new(&stripe.api_base, key, stripe.timeout) {
        Err(error) => findings.push(Finding::fail(STRIPE, error, "copy the key once more")),
        Ok(client) => findings.extend(ask(&client, stripe).await),
    }
    findings
}

/// The secrets that webhooks are signed with.
fn webhooks(stripe: &Stripe) -> Vec<Finding> {
    let secrets = &stripe.webhook_secrets;
    if secrets.is_empty() {
        return vec![Finding::warn(
            WEBHOOKS,
            "no secret is set: /webhooks/stripe answers 503",
            "copy the endpoint's signing secret from Stripe's dashboard into the credential \
             stripe_webhook_secrets",
        )];
    }
    let odd = secrets.iter().filter(|secret| !secret.expose_secret().starts_with("whsec_")).count();
    if odd > 0 {
        return vec![Finding::warn(
            WEBHOOKS,
            format!("{odd} of {} secrets do not begin with whsec_", secrets.len()),
            "copy the endpoint's signing secret, not its id or an API key",
        )];
    }
    let found = match secrets.len() {
        1 => "a secret is set; /metrics counts by outcome whether it is Stripe's".to_owned(),
        many => format!("{many} secrets are set; remove the old one once it is not used any more"),
    };
    vec![Finding::ok(WEBHOOKS, found)]
}

/// What Stripe itself says.
async fn ask(client: &Client, stripe: &Stripe) -> Vec<Finding> {
    let list = match client.get("/events", &[("limit", "1")]).await {
        Ok(list) => Some(list),
        Err(error @ (ApiError::Refused { status: 403, .. } | ApiError::Missing)) => {
            // Said again below, by the name of what is missing.
            drop(error);
            None
        }
        Err(error) => return vec![unanswered(&error, stripe)],
    };
    let reads = READS.map(|(what, path)| async move { (what, client.get(path, &[]).await.err()) });
    let asked = join_all(reads).await;
    let mut findings = Vec::new();
    let missing: Vec<&str> =
        asked.iter().filter(|(_, error)| forbids(error)).map(|(what, _)| *what).collect();
    if !missing.is_empty() {
        findings.push(Finding::fail(
            STRIPE,
            format!("the API key may not read: {}", missing.join(", ")),
            "give the restricted key read permission for each in Stripe's dashboard",
        ));
    }
    let other =
        asked.iter().find_map(|(_, error)| error.as_ref().filter(|error| is_trouble(error)));
    findings.extend(other.map(|error| unanswered(error, stripe)));
    findings.extend(list.and_then(|list| mode(&list, stripe)));
    if findings.is_empty() {
        let version = client::version();
        findings.push(Finding::ok(
            STRIPE,
            format!("the API answers, and the key may read; version {version}"),
        ));
    }
    let date = client.date().await;
    findings.extend(date.map(|theirs| clocks::judge("Stripe", theirs - clock::wall())));
    findings
}

fn forbids(error: &Option<ApiError>) -> bool {
    matches!(error, Some(ApiError::Refused { status: 403, .. }))
}

/// Whether it is neither that the object is missing nor that it may not be read.
fn is_trouble(error: &ApiError) -> bool {
    !matches!(error, ApiError::Missing | ApiError::Refused { status: 403, .. })
}

fn unanswered(error: &ApiError, stripe: &Stripe) -> Finding {
    let mend = match error {
        ApiError::Refused { .. } => "copy the key once more; it may have been rolled or deleted",
        ApiError::Down { .. } if stripe.api_base != "https://api.stripe.com/" => {
            "see that stripe.api_base is right"
        }
        ApiError::Down { .. } => "see status.stripe.com, and that a firewall lets us out to it",
        ApiError::Missing | ApiError::Request(_) | ApiError::Unreadable(_) => {
            "see that stripe.api_base leads to Stripe's API"
        }
    };
    Finding::fail(STRIPE, error.to_string(), mend)
}

/// Whether what Stripe has is of the mode that is applied.
fn mode(list: &str, stripe: &Stripe) -> Option<Finding> {
    let list: Value = serde_json::from_str(list).ok()?;
    let live = list["data"][0]["livemode"].as_bool()?;
    (live != stripe.livemode).then(|| {
        Finding::fail(
            STRIPE,
            format!(
                "stripe.livemode is {}, and Stripe's events have livemode {live}",
                stripe.livemode
            ),
            "take a key and secrets of the same mode, or change stripe.livemode",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::State;

    fn settings(text: &str) -> Settings {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("creditd.toml");
        std::fs::write(&file, format!("[stripe]\n{text}")).unwrap();
        Settings::load(Some(&file), [], None).unwrap()
    }

    #[track_caller]
    fn check(findings: &[Finding], state: State, words: &str) {
        let found = findings.iter().any(|f| f.state == state && f.found.contains(words));
        assert!(found, "{words:?} is not in {findings:?}");
    }

    #[test]
    fn secrets_that_are_none_are_told_and_not_shown() {
        let of = |text| webhooks(&settings(text).stripe);
        check(&of(""), State::Warn, "no secret is set");
        check(&of("webhook_secrets = [\"whsec_a\"]"), State::Ok, "a secret is set");
        let odd = of("webhook_secrets = [\"whsec_a\", \"we_123\"]");
        check(&odd, State::Warn, "1 of 2 secrets do not begin with whsec_");
        assert!(!format!("{odd:?}").contains("we_123"));
        check(&of("webhook_secrets = [\"whsec_a\", \"whsec_b\"]"), State::Ok, "2 secrets are set");
    }

    #[test]
    fn events_of_the_other_mode_are_a_failure() {
        let live = r#"{"data":[{"livemode":true}]}"#;
        let test = settings("").stripe;
        check(
            &mode(live, &test).into_iter().collect::<Vec<_>>(),
            State::Fail,
            "have livemode true",
        );
        assert_eq!(mode(r#"{"data":[{"livemode":false}]}"#, &test), None);
        assert_eq!(mode(r#"{"data":[]}"#, &test), None, "nothing is known");
    }
}
