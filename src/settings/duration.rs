//! Durations in settings: a whole number and a unit.

use std::time::Duration;

/// What the errors of a duration say is allowed.
pub(super) const ALLOWED: &str =
    "a whole number and a unit (ms, s, m, h or d), such as \"5s\" or \"7d\"";

/// Milliseconds in each unit.
const UNITS_MS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// The longest duration that makes sense anywhere, in days.
const DAYS_MAX: u64 = 3_650;

/// Reads a duration above zero and of at most ten years; none for anything else.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, unit_ms) = UNITS_MS.iter().find(|(name, _)| *name == unit)?;
    let ms = number.parse::<u64>().ok()?.checked_mul(*unit_ms)?;
    (ms > 0 && ms <= DAYS_MAX.checked_mul(86_400_000)?).then(|| Duration::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected_ms: Option<u64>) {
        assert_eq!(parse(text), expected_ms.map(Duration::from_millis), "{text}");
    }

    #[test]
    fn durations_are_a_number_and_a_unit() {
        check("250ms", Some(250));
        check("5s", Some(5_000));
        check("10m", Some(600_000));
        check("1h", Some(3_600_000));
        check("7d", Some(604_800_000));
        check("90s", Some(90_000));
        check("3650d", Some(3_650 * 86_400_000));
        for text in
            ["", "5", "s", "0s", "-5s", "5 s", "1.5h", "5S", "5w", "1h30m", "3651d", "99999999999d"]
        {
            check(text, None);
        }
    }
}
