//! A plan that is still held must be configured (R20).

use crate::settings::{Settings, SettingsError, SettingsErrors};
use crate::store::Store;

/// Makes sure that every plan that seats have, or get at their next boundary, is configured.
///
/// # Errors
/// [`SettingsErrors`] names each plan that is not; else when the database does not answer.
pub async fn check_held_plans(store: &dyn Store, settings: &Settings) -> anyhow::Result<()> {
    let held = store.held_plans().await?;
    let missing = held.into_iter().filter(|plan| settings.catalogue.plan(plan).is_none());
    let errors: Vec<SettingsError> = missing
        .map(|plan| SettingsError {
            origin: "the database".to_owned(),
            key: String::new(),
            problem: format!(
                "seats hold the plan {plan:?}, which plans do not configure: add it to [[plans]] \
                 again, at least until nobody holds it",
                plan = plan.as_str()
            ),
        })
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(SettingsErrors(errors).into()) }
}
