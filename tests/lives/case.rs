//! A random life: what happens at Stripe, and what people do with what they bought.

use chrono::{DateTime, TimeDelta, Utc};
use creditd::stripe::topic::CAUGHT_UP;
use creditd_rules::Workspace;
use creditd_rules::state::SeatStatus;
use fake_stripe::api::Account;
use fake_stripe::event::Event;
use fake_stripe::life::Life;
use fake_stripe::object::Subscription;
use fake_stripe::seed::Seed;
use fake_stripe::stripe::AfterRetries;
use fake_stripe::{Settings, Stripe};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

/// The people of the one workspace; the first is its owner.
pub(super) const PEOPLE: [&str; 3] = ["ann", "bob", "cat"];

/// The longest time between two steps: more than a month, so that boundaries pass.
const PAUSE_MAX: TimeDelta = TimeDelta::days(40);

/// A life, as a seed decides.
pub(super) struct Case {
    pub(super) account: Arc<Mutex<Account>>,
    chance: Seed,
    lives: Vec<Life>,
    steps_left: usize,
    /// When the next step comes.
    next_step: DateTime<Utc>,
    /// When the next thing happens at all.
    next: DateTime<Utc>,
    /// So many events were told of.
    told: usize,
    /// The second of the last one.
    last_second: Option<DateTime<Utc>>,
    acts: usize,
    story: String,
}

/// What somebody does.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// An action that costs credits, so many times.
    Use {
        id: String,
        action: &'static str,
        account: &'static str,
        quantity: u32,
    },
    Assign {
        seat: String,
        to: &'static str,
    },
    Transfer {
        seat: String,
        to: &'static str,
    },
    Release {
        seat: String,
    },
}

/// Somebody sends so many messages to the AI.
pub(super) fn chats(account: &'static str, quantity: u32) -> Act {
    Act::Use { id: format!("use_by_{account}"), action: "chat", account, quantity }
}

impl Case {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Seed::new(seed ^ 0x0063_6173_6521);
        // Ends of months, a leap year, and any other second.
        let begins = [1_769_853_600, 1_827_532_799, 1_832_803_200, 1_767_225_600];
        let mut begin = begins[chance.below(begins.len())];
        if chance.chance(30) {
            begin += i64::try_from(chance.below(31_536_000)).unwrap();
        }
        let lag = if chance.chance(40) { 1 + chance.below(540) } else { 0 };
        let ends = [AfterRetries::Cancel, AfterRetries::MarkUnpaid, AfterRetries::LeavePastDue];
        let settings = Settings {
            seed,
            now: DateTime::from_timestamp(begin, 0).unwrap(),
            after_retries: ends[chance.below(3)],
            lag: TimeDelta::seconds(i64::try_from(lag).unwrap()),
            embedded_items: [1, 10][chance.below(2)],
            ..Settings::default()
        };
        let mut stripe = Stripe::new(settings);
        let customers = 1 + usize::from(chance.chance(25));
        let lives = PEOPLE.iter().take(customers).enumerate().map(|(nth, buyer)| {
            Life::new(&mut stripe, seed * 2 + u64::try_from(nth).unwrap(), &[("account", buyer)])
        });
        let lives = lives.collect();
        let steps_left = 4 + chance.below(16);
        let next_step = stripe.now();
        let account = Arc::new(Mutex::new(Account::new(stripe, Vec::new())));
        let (told, acts, story) = (0, 0, format!("seed {seed}\n"));
        let (next, last_second) = (next_step, None);
        Self { account, chance, lives, steps_left, next_step, next, told, last_second, acts, story }
    }

    pub(super) fn stripe<R>(&self, look: impl FnOnce(&mut Stripe) -> R) -> R {
        look(&mut self.account.lock().unwrap().stripe)
    }

    /// All subscriptions as Stripe has them.
    pub(super) fn theirs(&self) -> Vec<Arc<Subscription>> {
        self.stripe(|stripe| stripe.subscriptions().iter().cloned().collect())
    }

    pub(super) fn story(&self) -> &str {
        &self.story
    }

    /// When the next thing happens: at Stripe, by itself or by a step, or among the people. None
    /// once the life is over.
    pub(super) fn next_at(&self) -> Option<DateTime<Utc>> {
        (self.steps_left > 0).then_some(self.next)
    }

    /// It happens: when. What happens by itself at one instant comes before what a step does then.
    pub(super) fn go_on(&mut self) -> Option<DateTime<Utc>> {
        let now = self.next_at()?;
        let by_itself = self.stripe(|stripe| stripe.next_due()).is_some_and(|due| due <= now);
        self.stripe(|stripe| stripe.advance_to(now));
        if now == self.next_step && !by_itself {
            let nth = self.chance.below(self.lives.len());
            let mut account = self.account.lock().unwrap();
            let what = self.lives[nth].step(&mut account.stripe);
            self.next_step = self.lives[nth].until(&account.stripe, PAUSE_MAX);
            drop(account);
            self.steps_left -= 1;
            self.tell(&what);
        }
        let due = self.stripe(|stripe| stripe.next_due());
        let at_stripe = due.map_or(self.next_step, |due| due.min(self.next_step));
        let gap = usize::try_from((at_stripe - now).num_seconds()).unwrap();
        self.next = match gap {
            2.. if self.chance.chance(50) => now + self.seconds_below(gap),
            _ => at_stripe,
        };
        Some(now)
    }

    /// A time between one second and so many, at random.
    pub(super) fn seconds_below(&mut self, end: usize) -> TimeDelta {
        let seconds = 1 + self.chance.below(end.saturating_sub(1));
        TimeDelta::seconds(i64::try_from(seconds).unwrap())
    }

    pub(super) fn chance(&mut self, percent: u8) -> bool {
        self.chance.chance(percent)
    }

    /// Time passes in which nobody does anything but Stripe by itself, which is told as it happens.
    pub(super) fn idle_until(&mut self, end: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let (now, due) = self.stripe(|stripe| (stripe.now(), stripe.next_due()));
        if now == end {
            return None;
        }
        let next = due.map_or(end, |due| due.min(end));
        self.stripe(|stripe| stripe.advance_to(next));
        Some(next)
    }

    /// The events since the last time that an endpoint is sent, in the order in which they happened.
    pub(super) fn news(&mut self) -> Vec<Arc<Event>> {
        let mut news: Vec<_> =
            self.stripe(|stripe| stripe.events_since(self.told).cloned().collect());
        self.told += news.len();
        news.retain(|event| {
            CAUGHT_UP.contains(&event.kind.as_str()) || event.kind == "customer.created"
        });
        for event in &news {
            let Event { created, kind, subject, .. } = &**event;
            self.tell(&format!("    {created} {kind} {} {}", subject.id(), event.id));
        }
        news
    }

    /// Whether another fact was told of the same second before these.
    pub(super) fn has_told_of_this_second(&mut self, news: &[Arc<Event>]) -> bool {
        let second = news.last().map(|event| event.created);
        std::mem::replace(&mut self.last_second, second) == second
    }

    /// Something that somebody may do now; nothing half of the time.
    pub(super) fn act(&mut self, team: &Workspace) -> Option<Act> {
        if self.chance.chance(50) {
            return None;
        }
        self.acts += 1;
        let to = PEOPLE[self.chance.below(PEOPLE.len())];
        let live: Vec<_> =
            team.seats.values().filter(|seat| seat.status != SeatStatus::Ended).collect();
        let seat = self.chance.below(live.len());
        let seat = live.get(seat).map(|seat| seat.id.to_string());
        let act = match (self.chance.below(10), seat) {
            (0 | 1, Some(seat)) => Act::Assign { seat, to },
            (2, Some(seat)) => Act::Transfer { seat, to },
            (3, Some(seat)) => Act::Release { seat },
            (chance, _) => {
                let most = [5, 90, 240][self.chance.below(3)];
                let quantity = u32::try_from(1 + self.chance.below(most)).unwrap();
                let (action, quantity) = match chance {
                    0..7 => ("chat", quantity),
                    _ => ("agent_message", quantity * 10),
                };
                Act::Use { id: format!("use_{}", self.acts), action, account: to, quantity }
            }
        };
        let now = self.stripe(|stripe| stripe.now());
        self.tell(&format!("    {now} {act:?}"));
        Some(act)
    }

    pub(super) fn tell(&mut self, what: &str) {
        writeln!(self.story, "{what}").unwrap();
    }
}
