//! What single values may be.

use creditd_rules::id::is_valid;
use creditd_rules::{Amount, Kind};

pub(super) fn id(text: &str) -> Result<String, String> {
    if is_valid(text) {
        return Ok(text.to_owned());
    }
    Err("an id has 1 to 128 letters, digits, or _.:@-".to_owned())
}

pub(super) fn kind(text: &str) -> Result<Kind, String> {
    text.parse().map_err(str::to_owned)
}

pub(super) fn amount(text: &str) -> Result<Amount, String> {
    let amount: Amount = text.parse().map_err(|error| format!("it {error}"))?;
    if amount.is_negative() || amount.is_zero() {
        return Err("it must be above zero".to_owned());
    }
    Ok(amount)
}

/// An amount that takes away where it has a minus.
pub(super) fn signed(text: &str) -> Result<Amount, String> {
    let amount: Amount = text.parse().map_err(|error| format!("it {error}"))?;
    if amount.is_zero() {
        return Err("it must not be zero".to_owned());
    }
    Ok(amount)
}

/// Words to keep: some, no more than 500 characters, none of them a control character.
pub(super) fn words(text: &str) -> Result<String, String> {
    match text {
        _ if text.trim().is_empty() => Err("it is blank".to_owned()),
        _ if text.chars().count() > 500 => Err("it is longer than 500 characters".to_owned()),
        _ if text.chars().any(char::is_control) => Err("it holds a control character".to_owned()),
        _ => Ok(text.to_owned()),
    }
}
