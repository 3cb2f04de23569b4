//! The client of Stripe's API, where there is a key.

use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::stripe::api::asking::Asking;
use crate::stripe::api::client::Client;
use crate::stripe::api::manners::Manners;
use std::sync::Arc;

/// Who asks Stripe; none without a key.
///
/// # Errors
/// When the key can be none.
pub fn asking(settings: &Settings, metrics: &Arc<Metrics>) -> anyhow::Result<Option<Arc<Asking>>> {
    let stripe = &settings.stripe;
    let Some(key) = &stripe.api_key else { return Ok(None) };
    let client =
        Client::try_new(&stripe.api_base, key, stripe.timeout).map_err(anyhow::Error::msg)?;
    let manners = Manners { tries: settings.inbox.tries, ..stripe.manners };
    let metrics = Arc::clone(metrics);
    Ok(Some(Arc::new(Asking::new(Arc::new(client), manners, stripe.livemode, metrics))))
}
