//! How far other clocks are from ours.

use super::finding::Finding;
use crate::clock::Mode;
use crate::settings::Settings;
use chrono::TimeDelta;

const CLOCK: &str = "clock";

/// What is not worth telling: the other side may be so far away, and tell whole seconds.
const SMALL: TimeDelta = TimeDelta::seconds(5);

/// What makes signatures of webhooks look old, or resets come at another time than Stripe's.
const LARGE: TimeDelta = TimeDelta::seconds(60);

/// What a clock that is so far ahead of ours means.
pub(super) fn judge(whose: &str, skew: TimeDelta) -> Finding {
    let seconds = skew.num_milliseconds().unsigned_abs() / 1_000;
    let mend =
        "let NTP keep the time here: `timedatectl set-ntp true`; then look at the other side";
    let found = match skew < TimeDelta::zero() {
        true => format!("{seconds} s ahead of the clock of {whose}"),
        false => format!("{seconds} s behind the clock of {whose}"),
    };
    match skew.abs() {
        off if off <= SMALL => Finding::ok(CLOCK, format!("agrees with that of {whose}")),
        off if off <= LARGE => Finding::warn(CLOCK, found, mend),
        _ => Finding::fail(CLOCK, found, mend),
    }
}

/// The credit clock's mode.
pub(super) fn mode(settings: &Settings) -> Option<Finding> {
    (settings.clock == Mode::Test).then(|| {
        Finding::warn(
            CLOCK,
            "clock.mode is \"test\": whoever has an admin key sets the time of all credits",
            "leave it out in production",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::State;

    #[test]
    fn a_clock_may_be_a_little_off() {
        for (seconds, state, words) in [
            (0, State::Ok, "agrees"),
            (-5, State::Ok, "agrees"),
            (6, State::Warn, "6 s behind the clock of Stripe"),
            (-60, State::Warn, "60 s ahead of"),
            (61, State::Fail, "61 s behind"),
            (-4_000, State::Fail, "4000 s ahead of"),
        ] {
            let finding = judge("Stripe", TimeDelta::seconds(seconds));
            assert_eq!(finding.state, state, "{seconds}");
            assert!(finding.found.contains(words), "{finding:?}");
        }
    }
}
