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
mod ground;
mod side;
mod judge;
mod late;
mod doctored;

use case::Case;
use chrono::{DateTime, TimeDelta, Utc};
use courier::Courier;
use fake_stripe::event::Event;
use ground::{Engine, Ground};
use judge::Verdict;
use late::Late;
use side::Side;
use std::sync::Arc;

/// Tries a property on so many lives, unless told otherwise, one after the other; the first that
/// breaks it is told.
async fn each_life(
    engine: Engine, lives: u64, property: impl AsyncFn(u64, &Ground) -> (Verdict, Case),
) {
    #[expect(clippy::disallowed_methods, reason = "a test has no settings")]
    let variable = |name: &str| std::env::var(name);
    let number = |name: &str, default| match variable(name) {
        Ok(text) => text.parse().unwrap(),
        Err(_) => default,
    };
    let (first, ground) = (number("CREDITD_SEED", 0), Ground::of(engine));
    for seed in first..first + number("CREDITD_LIVES", lives) {
        if let (Err(wrong), case) = property(seed, &ground).await {
            panic!("{}\n{wrong}\nCREDITD_SEED={seed} CREDITD_LIVES=1 repeats it", case.story());
        }
    }
}

/// What happened at an instant.
struct Happened {
    at: DateTime<Utc>,
    news: Vec<Arc<Event>>,
    /// Its events as the orderly side heard them.
    in_order: Vec<String>,
}

/// The two installations of a case.
struct Sides {
    orderly: Side,
    other: Side,
}

impl Sides {
    async fn of(case: &Case, ground: &Ground) -> Self {
        let orderly = Side::new(case, &Ground::of(Engine::Memory)).await;
        Self { orderly, other: Side::new(case, ground).await }
    }

    /// The clock goes to an instant; each posts what falls due on the way.
    async fn clock_to(&self, at: DateTime<Utc>) {
        self.orderly.clock_to(at).await;
        self.other.clock_to(at).await;
    }

    /// Goes on to when something happens next, and tells the orderly side at once.
    async fn go_on(&self, case: &mut Case, courier: &Courier) -> Option<Happened> {
        let at = case.go_on()?;
        self.clock_to(at).await;
        let news = case.news();
        let in_order = courier.in_order(case, &news);
        if !news.is_empty() {
            self.orderly.hear(&in_order).await;
        }
        Some(Happened { at, news, in_order })
    }

    /// The orderly side is ahead for a while, in which nothing else happens on either; until when.
    async fn some_time_later(&self, case: &mut Case, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if case.chance(70) {
            return None;
        }
        let mut next = vec![self.orderly.next_due().await, self.other.next_due().await];
        for side in [&self.orderly, &self.other] {
            // That of a seat which does not count passes silently, and its return asks whether it did.
            let team = side.team().await;
            let ends = team.seats.values().filter_map(|seat| seat.cycle.map(|cycle| cycle.end));
            next.extend(ends.filter(|end| *end > now).map(Some));
            next.extend(team.seats.values().map(|seat| Some(seat.timeline.next_after(now))));
        }
        next.push(case.next_at());
        let next = next.into_iter().flatten().min();
        let gap = next.map_or(86_400, |next| (next - now).num_seconds());
        let Ok(gap @ 2..) = usize::try_from(gap) else { return Some(now) };
        let later = now + case.seconds_below(gap);
        case.tell(&format!("    {later} the other side hears of it"));
        self.clock_to(later).await;
        Some(later)
    }

    /// The people of the workspace do something, the same on both sides, of which one may refuse it.
    async fn use_as_allowed(&self, case: &mut Case) {
        if let Some(act) = case.act(&self.other.team().await) {
            self.orderly.ask(&act).await;
            self.other.ask(&act).await;
        }
    }

    /// The people of the workspace do something, the same on both sides.
    async fn use_alike(&self, case: &mut Case) -> Verdict {
        let Some(act) = case.act(&self.orderly.team().await) else { return Ok(()) };
        let (one, other) = (self.orderly.ask(&act).await, self.other.ask(&act).await);
        judge::same("what people were answered", &one, &other)
    }
}

/// That nothing differs on the two sides of a life.
struct Alike {
    is_so: bool,
    /// Which facts the other side heard of later.
    heard: Vec<judge::Heard>,
    /// When several subscriptions ended in one second.
    ended: Vec<judge::Heard>,
}

impl Default for Alike {
    fn default() -> Self {
        Self { is_so: true, heard: Vec::new(), ended: Vec::new() }
    }
}

impl Alike {
    /// After both were told. Where several subscriptions ended in one second the two may seat
    /// people differently, and from then on they are two installations of their own.
    async fn so_far(&mut self, sides: &Sides, news: &[Arc<Event>], known: judge::Heard) -> Verdict {
        if !self.is_so {
            return Ok(());
        }
        self.heard.push(known);
        let verdict = judge::same_state(sides).await;
        if judge::ended_together(news) {
            self.ended.push(known);
            if verdict.is_ok() {
                return Ok(());
            }
            self.is_so = false;
            return judge::same_but_for_holders(sides).await;
        }
        verdict
    }

    /// People do something.
    async fn go_on(&self, sides: &Sides, case: &mut Case) -> Verdict {
        if self.is_so {
            return sides.use_alike(case).await;
        }
        sides.use_as_allowed(case).await;
        Ok(())
    }

    /// The ledgers, and that the books add up.
    async fn to_the_end(&self, sides: &Sides) -> Verdict {
        if self.is_so {
            judge::same_ledger(sides, &self.heard, &self.ended).await?;
        }
        judge::books_add_up(&sides.other).await
    }
}

/// Events come twice, in any order, whole and thin, in any API version, old ones again, and some
/// time later; but each fact is known before the next thing happens. Then nothing differs from the
/// orderly side.
async fn in_time(seed: u64, ground: &Ground) -> (Verdict, Case) {
    let mut case = Case::new(seed);
    let mut courier = Courier::new(seed);
    let sides = Sides::of(&case, ground).await;
    let mut alike = Alike::default();
    let verdict = async {
        while let Some(Happened { at, news, .. }) = sides.go_on(&mut case, &courier).await {
            if !news.is_empty() {
                // Of a second fact in one second, what comes again could as well be the first, and
                // shows the fact without its instant (docs/ARCHITECTURE.md, what disorder may change).
                let later = match case.has_told_of_this_second(&news) {
                    true => None,
                    false => sides.some_time_later(&mut case, at).await,
                };
                for batch in courier.mixed_up(&case, &news, later.is_some()) {
                    sides.other.hear(&batch).await;
                }
                if let Some(later) = later.filter(|later| *later > at) {
                    // Nobody acts in the very instant: who was seated first would be a tie (R12).
                    sides.clock_to(later + TimeDelta::microseconds(1)).await;
                }
                judge::is_as_stripe_has_it(&case, &sides.other).await?;
                alike.so_far(&sides, &news, (at, later.unwrap_or(at))).await?;
            }
            alike.go_on(&sides, &mut case).await?;
        }
        alike.to_the_end(&sides).await
    };
    let verdict = verdict.await;
    (verdict, case)
}

/// Events come late or never. Nobody draws more than the orderly side allows and what fell due
/// before a fact was known; the lists tell what no event told, and the next boundary brings all.
async fn late_or_lost(seed: u64, ground: &Ground) -> (Verdict, Case) {
    let mut case = Case::new(seed);
    let mut courier = Courier::new(seed);
    let sides = Sides::of(&case, ground).await;
    let mut late = Late::default();
    let verdict = async {
        while let Some(Happened { at, news, .. }) = sides.go_on(&mut case, &courier).await {
            for batch in courier.late_or_lost(&case, &news) {
                sides.other.hear(&batch).await;
            }
            late.look(&case, &sides, at).await;
            sides.use_as_allowed(&mut case).await;
        }
        sides.other.catch_up().await;
        let now = case.stripe(|stripe| stripe.now());
        late.look(&case, &sides, now).await;
        judge::is_as_stripe_still_has_it(&case, &sides.other).await?;
        let (orderly, other) = (sides.orderly.ledger().await, sides.other.ledger().await);
        late.nobody_drew_too_much(&orderly, &other)?;
        while let Some(at) = case.idle_until(now + Late::UNTIL_ALL_IS_THERE) {
            sides.clock_to(at).await;
            let news = case.news();
            let news = courier.in_order(&case, &news);
            sides.orderly.hear(&news).await;
            sides.other.hear(&news).await;
        }
        let (orderly, other) = (sides.orderly.team().await, sides.other.team().await);
        late::nothing_is_missing(&case.theirs(), &orderly, &other, now)?;
        judge::books_add_up(&sides.other).await
    };
    let verdict = verdict.await;
    (verdict, case)
}

/// Stripe's API is out of reach while some facts are told. What events say themselves, in the order
/// in which they happened, then leaves what asking would have left.
async fn untold(seed: u64, ground: &Ground) -> (Verdict, Case) {
    let mut case = Case::new(seed);
    // Items that do not come with their subscription must be asked for.
    case.stripe(|stripe| stripe.settings.embedded_items = 20);
    let courier = Courier::new(seed);
    let sides = Sides::of(&case, ground).await;
    let mut alike = Alike::default();
    let verdict = async {
        while let Some(happened) = sides.go_on(&mut case, &courier).await {
            let Happened { at, news, in_order } = happened;
            if !news.is_empty() {
                let is_down = case.chance(60);
                sides.other.api_is_down(is_down);
                if is_down {
                    case.tell("    Stripe is out of reach");
                }
                sides.other.hear(&in_order).await;
                alike.so_far(&sides, &news, (at, at)).await?;
            }
            alike.go_on(&sides, &mut case).await?;
        }
        sides.other.api_is_down(false);
        sides.other.catch_up().await;
        judge::is_as_stripe_has_it(&case, &sides.other).await?;
        alike.to_the_end(&sides).await
    };
    let verdict = verdict.await;
    (verdict, case)
}

/// Each property on each engine. The orderly side is in memory, so that engines are compared too.
macro_rules! properties {
    ($($property:ident: $memory:literal $sqlite:literal $postgres:literal,)+) => {$(
        mod $property {
            use super::{Engine, each_life};

            #[tokio::test]
            async fn in_memory() {
                each_life(Engine::Memory, $memory, super::$property).await;
            }

            #[tokio::test]
            async fn on_sqlite() {
                each_life(Engine::Sqlite, $sqlite, super::$property).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                each_life(Engine::Postgres, $postgres, super::$property).await;
            }
        }
    )+};
}

properties! {
    in_time: 670 35 35,
    late_or_lost: 670 35 35,
    untold: 670 35 35,
}
