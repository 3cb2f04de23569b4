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
const READS: [(&str, &str); 8] = [
    ("Events", "/events/evt_doctor"),
    ("Subscriptions", "/subscriptions/sub_doctor"),
    ("Subscription items", "/subscription_items/si_doctor"),
    ("Subscription schedules", "/subscription_schedules/sub_sched_doctor"),
    ("Customers", "/customers/cus_doctor"),
    ("Invoices", "/invoices/in_doctor"),
    ("Checkout Sessions", "/checkout/sessions/cs_test_doctor"),
    ("Prices", "/prices/price_doctor"),
];

/// How the address of an endpoint of ours ends.
const DOOR: &str = "/webhooks/stripe";

/// Types of events without which changes are known only when lists are compared.
const NEEDED: [&str; 4] = [
    "checkout.session.completed",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
];

/// The oldest version of the API that is tested.
const OLDEST: &str = "2020-08-27";

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
    if stripe.has_key_of_other_mode() {
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
        Err(error) if is_trouble(&error) => return vec![unanswered(&error, stripe)],
        // Said below, by the name of what is missing.
        Err(_) => None,
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
    let list: Value = list.and_then(|list| serde_json::from_str(&list).ok()).unwrap_or_default();
    let newest = &list["data"][0];
    findings.extend(mode(newest, stripe));
    findings.extend(age(newest));
    if findings.is_empty() {
        let version = client::version();
        findings.push(Finding::ok(
            STRIPE,
            format!("the API answers, and the key may read; version {version}"),
        ));
    }
    findings.extend(endpoints(client).await);
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

/// Where Stripe sends its events, if the key may know that.
async fn endpoints(api: &dyn StripeApi) -> Option<Finding> {
    let list = api.get("/webhook_endpoints", &[("limit", "100")]).await.ok()?;
    let list: Value = serde_json::from_str(&list).ok()?;
    let texts = |value: &Value| -> Vec<String> {
        let all = value.as_array().into_iter().flatten();
        all.filter_map(|text| text.as_str().map(str::to_owned)).collect()
    };
    let is_ours = |endpoint: &&Value| {
        endpoint["url"].as_str().is_some_and(|url| url.trim_end_matches('/').ends_with(DOOR))
    };
    let Some(ours) = list["data"].as_array()?.iter().find(is_ours) else {
        return Some(Finding::warn(
            WEBHOOKS,
            format!("Stripe has no endpoint whose address ends in {DOOR}"),
            "add one in Stripe's dashboard, and copy its signing secret",
        ));
    };
    let url = ours["url"].as_str().unwrap_or_default();
    if ours["status"] != "enabled" {
        let found = format!("Stripe's endpoint {url} is disabled");
        return Some(Finding::fail(WEBHOOKS, found, "enable it in Stripe's dashboard"));
    }
    let sent = texts(&ours["enabled_events"]);
    let lacks = |kind: &&str| !sent.iter().any(|sent| sent == "*" || sent == kind);
    let missing: Vec<&str> = NEEDED.into_iter().filter(|kind| lacks(kind)).collect();
    if !missing.is_empty() {
        let found = format!("Stripe does not send to {url}: {}", missing.join(", "));
        return Some(Finding::warn(WEBHOOKS, found, "add them to the endpoint's events"));
    }
    Some(Finding::ok(WEBHOOKS, format!("Stripe sends to {url}")))
}

/// Whether events come in a version that was tested.
fn age(newest: &Value) -> Option<Finding> {
    let version = newest["api_version"].as_str()?;
    (version < OLDEST).then(|| {
        Finding::warn(
            STRIPE,
            format!("events come in version {version} of the API, older than what is tested"),
            "give the endpoint a newer version in Stripe's dashboard",
        )
    })
}

/// Whether what Stripe has is of the mode that is applied.
fn mode(newest: &Value, stripe: &Stripe) -> Option<Finding> {
    let live = newest["livemode"].as_bool()?;
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
    use async_trait::async_trait;
    use serde_json::json;

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
        let test = settings("").stripe;
        let of = |live: Value| mode(&json!({ "livemode": live }), &test);
        check(&Vec::from_iter(of(true.into())), State::Fail, "have livemode true");
        assert_eq!(of(false.into()), None);
        assert_eq!(of(Value::Null), None, "nothing is known");
    }

    #[test]
    fn events_in_a_version_of_long_ago_are_warned_of() {
        let of = |version: &str| age(&json!({ "api_version": version }));
        check(&Vec::from_iter(of("2019-12-03")), State::Warn, "version 2019-12-03");
        assert_eq!(
            [of("2020-08-27"), of("2025-03-31.basil"), age(&Value::Null)],
            [None, None, None]
        );
    }

    /// A Stripe that has these endpoints, or lets nobody know.
    struct Endpoints(Option<Value>);

    #[async_trait]
    impl StripeApi for Endpoints {
        async fn get(&self, path: &str, _: &[(&str, &str)]) -> Result<String, ApiError> {
            assert_eq!(path, "/webhook_endpoints");
            let refused = || ApiError::Refused { status: 403, code: "-".to_owned() };
            self.0.as_ref().map(|all| json!({ "data": all }).to_string()).ok_or_else(refused)
        }
    }

    #[tokio::test]
    async fn where_stripe_sends_its_events_is_looked_at() {
        let ours = |status: &str, events: Value| {
            json!([
                { "url": "https://elsewhere.example.com/hook", "status": "disabled" },
                { "url": "https://credits.example.com/webhooks/stripe", "status": status,
                  "enabled_events": events },
            ])
        };
        for (endpoints, state, words) in [
            (json!([]), State::Warn, "has no endpoint whose address ends in /webhooks/stripe"),
            (ours("disabled", json!(["*"])), State::Fail, "/webhooks/stripe is disabled"),
            (ours("enabled", json!(["*"])), State::Ok, "sends to https://credits.example.com"),
            (ours("enabled", json!(NEEDED)), State::Ok, "sends to https://credits.example.com"),
            (
                ours("enabled", json!(NEEDED[..2])),
                State::Warn,
                "subscription.updated, customer.sub",
            ),
        ] {
            check(&Vec::from_iter(endpoints_of(Some(endpoints)).await), state, words);
        }
        assert_eq!(endpoints_of(None).await, None, "the key need not know");
    }

    async fn endpoints_of(all: Option<Value>) -> Option<Finding> {
        endpoints(&Endpoints(all)).await
    }
}
