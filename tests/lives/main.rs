//! Whatever happens to subscriptions, and however their events arrive.
//!
//! A [`Case`] is a random life on the fake Stripe. Its events reach two installations, two
//! [`Side`]s, which its people use alike: one in order and once each, the other as the
//! [`Courier`] brings them. The [`judge`] then compares the two with each other and with the fake.
//!
//! Each life is repeated by its seed. `CREDITD_SEED` is the first one that is tried, and
//! `CREDITD_LIVES` how many; a failure says its seed and tells the life.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod case;
mod courier;
mod side;
mod judge;

use case::Case;
use chrono::{DateTime, Utc};
use courier::Courier;
use judge::Verdict;
use side::Side;

/// How many lives each property tries unless told otherwise.
const LIVES: u64 = 200;

/// Tries a property on lives one after the other; the first that breaks it is told.
async fn each_life<F: Future<Output = (Verdict, Case)>>(property: impl Fn(u64) -> F) {
    #[expect(clippy::disallowed_methods, reason = "a test has no settings")]
    let variable = |name: &str| std::env::var(name);
    let number = |name: &str, default| match variable(name) {
        Ok(text) => text.parse().unwrap(),
        Err(_) => default,
    };
    let first = number("CREDITD_SEED", 0);
    for seed in first..first + number("CREDITD_LIVES", LIVES) {
        if let (Err(wrong), case) = property(seed).await {
            panic!("{}\n{wrong}\nCREDITD_SEED={seed} CREDITD_LIVES=1 repeats it", case.story());
        }
    }
}

/// The two installations of a case.
struct Sides {
    orderly: Side,
    other: Side,
}

impl Sides {
    async fn of(case: &Case) -> Self {
        let other = Side::new(case).await;
        Self { orderly: Side::new(case).await, other }
    }

    /// The clock goes to an instant; each posts what falls due on the way.
    async fn clock_to(&self, at: DateTime<Utc>) {
        self.orderly.clock_to(at).await;
        self.other.clock_to(at).await;
    }

    /// The people of the workspace do something, the same on both sides.
    async fn use_alike(&self, case: &mut Case) -> Verdict {
        let Some(act) = case.act(&self.orderly.team().await) else { return Ok(()) };
        let (one, other) = (self.orderly.ask(&act).await, self.other.ask(&act).await);
        judge::same("what people were answered", &one, &other)
    }
}

/// Events come twice, in any order, whole and thin, in any API version, old ones again; but each
/// fact is known before the next thing happens. Then nothing differs from the orderly side.
async fn in_time(seed: u64) -> (Verdict, Case) {
    let mut case = Case::new(seed);
    let mut courier = Courier::new(seed);
    let sides = Sides::of(&case).await;
    let verdict = async {
        while let Some(at) = case.go_on() {
            sides.clock_to(at).await;
            let news = case.news();
            if !news.is_empty() {
                sides.orderly.hear(&courier.in_order(&case, &news)).await;
                for batch in courier.mixed_up(&case, &news) {
                    sides.other.hear(&batch).await;
                }
                judge::is_as_stripe_has_it(&case, &sides.other).await?;
                judge::same_state(&sides).await?;
            }
            sides.use_alike(&mut case).await?;
        }
        judge::same_ledger(&sides).await?;
        judge::books_add_up(&sides.other).await
    };
    let verdict = verdict.await;
    (verdict, case)
}

#[tokio::test]
async fn what_is_known_in_time_leaves_the_orderly_ledger() {
    each_life(in_time).await;
}
