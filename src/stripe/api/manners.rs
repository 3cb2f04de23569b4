//! How fast requests follow each other, and when Stripe is left alone for a while.

use super::ApiError;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How Stripe is asked.
#[derive(Debug, Clone, Copy)]
pub struct Manners {
    /// The most requests in a second, on average; 0 is without limit.
    pub rate: u32,
    /// How long after an event its object is fetched, so that several events are one fetch.
    pub debounce: Duration,
    /// The pause after Stripe failed; each further one is twice as long. All vary a little, so
    /// that daemons do not come back together.
    pub pause: Duration,
    /// The longest pause.
    pub pause_max: Duration,
    /// How often an object that cannot be fetched is tried before it is parked.
    pub tries: u32,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            rate: 5,
            debounce: Duration::from_millis(500),
            pause: Duration::from_secs(1),
            pause_max: Duration::from_secs(300),
            tries: 5,
        }
    }
}

impl Manners {
    /// The pause after so many failures in a row, longer or shorter by up to a quarter.
    #[must_use]
    pub fn pause_after(&self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1).min(16));
        let pause = self.pause.saturating_mul(doubled).min(self.pause_max);
        varied(pause)
    }
}

/// A duration between three quarters and five quarters of `pause`.
fn varied(pause: Duration) -> Duration {
    let mut byte = [0_u8; 1];
    // Without random numbers the pause is what it is.
    let chance = getrandom::fill(&mut byte).map_or(128, |()| u32::from(byte[0]));
    pause.saturating_mul(384 + chance) / 512
}

/// Lets requests go one after the other.
#[derive(Debug)]
pub struct Pace {
    gap: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// So many requests in a second; 0 is without limit.
    #[must_use]
    pub fn new(rate: u32) -> Self {
        let gap = if rate == 0 { Duration::ZERO } else { Duration::from_secs(1) / rate };
        Self { gap, next: Mutex::default() }
    }

    /// Waits until it is this request's turn.
    pub async fn turn(&self) {
        let now = Instant::now();
        let turn = self.turn_at(now);
        if turn > now {
            sleep_until(turn).await;
        }
    }

    /// When the request that comes at `now` may go.
    fn turn_at(&self, now: Instant) -> Instant {
        let mut next = lock(&self.next);
        let turn = next.map_or(now, |next| next.max(now));
        *next = Some(turn + self.gap);
        turn
    }
}

/// What is known of Stripe's health from the last answers.
#[derive(Debug, Default)]
pub struct Health(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    failures: u32,
    down_until: Option<Instant>,
}

impl Health {
    /// Whether the last request was answered; true before the first one.
    #[must_use]
    pub fn is_up(&self) -> bool {
        lock(&self.0).failures == 0
    }

    /// Until when Stripe is left alone; none where it may be asked at `now`.
    #[must_use]
    pub fn down_until(&self, now: Instant) -> Option<Instant> {
        lock(&self.0).down_until.filter(|until| *until > now)
    }

    /// Learns from an answer that came at `now`; returns whether Stripe has become unreachable or
    /// reachable by it.
    pub fn learn(
        &self, outcome: Result<(), &ApiError>, manners: &Manners, now: Instant,
    ) -> Option<bool> {
        let mut known = lock(&self.0);
        let was_up = known.failures == 0;
        match outcome {
            Err(error) if error.is_down() => {
                known.failures = known.failures.saturating_add(1);
                let pause = manners.pause_after(known.failures);
                let asked = error.retry_after().unwrap_or_default();
                let until = now + pause.max(asked);
                known.down_until = Some(known.down_until.map_or(until, |held| held.max(until)));
            }
            Ok(()) | Err(_) => *known = Known::default(),
        }
        let is_up = known.failures == 0;
        (is_up != was_up).then_some(is_up)
    }
}

/// What is behind it is whole at any time.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_follow_each_other_at_the_rate() {
        let began = Instant::now();
        let pace = Pace::new(5);
        let turns: Vec<u128> =
            (0..6).map(|_| pace.turn_at(began).duration_since(began).as_millis()).collect();
        assert_eq!(turns, [0, 200, 400, 600, 800, 1_000]);
        let rested = began + Duration::from_secs(60);
        assert_eq!(pace.turn_at(rested), rested, "what was not used is not made up for");
        assert_eq!(pace.turn_at(rested), rested + Duration::from_millis(200));
        let unbounded = Pace::new(0);
        assert_eq!([unbounded.turn_at(began), unbounded.turn_at(began)], [began, began]);
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_vary() {
        let manners = Manners::default();
        for (failures, seconds) in [(1, 1.0), (2, 2.0), (3, 4.0), (20, 300.0), (u32::MAX, 300.0)] {
            let pauses: Vec<f64> =
                (0..64).map(|_| manners.pause_after(failures).as_secs_f64() / seconds).collect();
            assert!(pauses.iter().all(|pause| (0.75..=1.25).contains(pause)), "{pauses:?}");
            assert!(pauses.iter().any(|pause| (pause - pauses[0]).abs() > 0.001), "{pauses:?}");
        }
    }

    fn down(retry_after: Option<u64>) -> ApiError {
        let retry_after = retry_after.map(Duration::from_secs);
        ApiError::Down { code: "too_many", why: "429".to_owned(), retry_after }
    }

    #[test]
    fn stripe_is_left_alone_as_long_as_it_asks() {
        let (health, manners, now) = (Health::default(), Manners::default(), Instant::now());
        assert!(health.is_up() && health.down_until(now).is_none());
        assert_eq!(health.learn(Err(&down(Some(30))), &manners, now), Some(false));
        let until = now + Duration::from_secs(30);
        assert_eq!(health.down_until(now), Some(until));
        // Another answer that was under way does not shorten it.
        assert_eq!(health.learn(Err(&down(None)), &manners, now), None);
        assert_eq!(health.down_until(now), Some(until));
        assert_eq!(health.down_until(until), None, "it may be tried again");
        assert!(!health.is_up());
        assert_eq!(health.learn(Ok(()), &manners, until), Some(true));
        assert!(health.is_up());
    }

    #[test]
    fn an_object_that_is_missing_says_nothing_of_stripes_health() {
        let (health, manners, now) = (Health::default(), Manners::default(), Instant::now());
        assert_eq!(health.learn(Err(&ApiError::Missing), &manners, now), None);
        let refused = ApiError::Refused { status: 401, code: "-".to_owned() };
        assert_eq!(health.learn(Err(&refused), &manners, now), Some(false));
        assert!(health.down_until(now).is_some());
        let unreadable = ApiError::Unreadable("x".to_owned());
        assert_eq!(health.learn(Err(&unreadable), &manners, now), Some(true));
    }
}
