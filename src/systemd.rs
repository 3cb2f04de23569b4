//! What we tell systemd, where it started us: ready, stopping, still moving.
//!
//! Outside systemd (`$NOTIFY_SOCKET` is not set) each of these does nothing.

use sd_notify::NotifyState;
use std::time::Duration;
use tracing::warn;

/// The daemon serves; `status` stands in `systemctl status`.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The daemon reads its settings again; [`ready`] says that it has.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now, NotifyState::Status("reloading")]),
        Err(error) => warn!(%error, "systemd could not be told of a reload: there is no clock"),
    }
}

/// The daemon finishes what is begun and ends.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("finishing what is begun")]);
}

/// The daemon moves. Say so only after proof that nothing hangs: the database gave some answer, be
/// it that it fails, and the writer moves.
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// How often [`alive`] must be said: half the time after which systemd restarts us; none where
/// it does not watch.
#[must_use]
pub fn watchdog_interval() -> Option<Duration> {
    half(sd_notify::watchdog_enabled())
}

/// Half of a span, which leaves room for one late answer; none for no span at all.
fn half(span: Option<Duration>) -> Option<Duration> {
    span.map(|span| span / 2).filter(|half| !half.is_zero())
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "systemd could not be told how the daemon stands");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_fed_twice_in_its_time() {
        assert_eq!(half(Some(Duration::from_secs(30))), Some(Duration::from_secs(15)));
        assert_eq!(half(Some(Duration::ZERO)), None);
        assert_eq!(half(None), None);
    }
}
