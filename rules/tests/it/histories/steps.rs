//! Steps of a history: a pause, then something that someone asks or Stripe says.

use crate::world::{Told, World, catalogue, item};
use chrono::{DateTime, TimeDelta};
use creditd_rules::calendar::Timeline;
use creditd_rules::command::{Answer, Snapshot, Source};
use creditd_rules::id::{GrantId, SeatId};
use creditd_rules::plan::{Downgrade, FreeWindow, Rebuy};
use creditd_rules::state::Status;
use creditd_rules::{Amount, Command, Instant, Kind};
use proptest::prelude::*;
use proptest::sample::select;

pub(super) const ACCOUNTS: [&str; 4] = ["ann", "bob", "cat", "dan"];
const APPS: [&str; 2] = ["app1", "app2"];
const SUBS: usize = 3;
const PLANS: [&str; 4] = ["starter", "builder", "capped", "pro"];

/// How long nothing happens.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pause {
    None,
    Micros(i64),
    Minutes(i64),
    Hours(i64),
    Days(i64),
    /// To the next instant at which something is due, and so many microseconds more.
    Due(i64),
}

/// What Stripe changes in a subscription.
#[derive(Debug, Clone)]
pub(super) enum Edit {
    Quantity(usize, u32),
    Plan(usize, &'static str),
    Items(Vec<(&'static str, u32)>),
    AnchorNow,
    /// So many hours from now, in the past where negative.
    Anchor(i64),
    Status(Status),
    Trial(i64),
    Cancel(Option<i64>),
}

#[derive(Debug, Clone)]
pub(super) enum Op {
    Use(usize, &'static str, u32),
    /// All that can be spent, in chats.
    UseUp(usize),
    Call(usize, u32),
    Tell {
        sub: usize,
        edits: Vec<Edit>,
        late_h: i64,
        fetched: bool,
    },
    Announce {
        sub: usize,
        boundaries: u8,
        items: Vec<(&'static str, u32)>,
    },
    Grant(usize, i64, Option<i64>),
    Revoke(usize),
    Adjust(usize, i64),
    Assign(usize, usize),
    Transfer(usize, usize),
    Release(usize),
    Close(usize),
    Owner(usize),
    App(usize, usize),
    EndCustomer(usize),
    Settle,
    /// Every vacant seat is filled, and everyone uses all that they have.
    Greed,
}

#[derive(Debug, Clone)]
pub(super) struct Step {
    pause: Pause,
    pub(super) op: Op,
}

fn pauses() -> impl Strategy<Value = Pause> {
    prop_oneof![
        4 => Just(Pause::None),
        1 => (0_i64..5).prop_map(Pause::Micros),
        2 => (0_i64..30).prop_map(Pause::Minutes),
        3 => (0_i64..48).prop_map(Pause::Hours),
        2 => (0_i64..70).prop_map(Pause::Days),
        3 => select(vec![-1_i64, 0, 0, 0, 1, 1_000_000, 400_000_000]).prop_map(Pause::Due),
    ]
}

fn items() -> impl Strategy<Value = Vec<(&'static str, u32)>> {
    prop::collection::vec((select(&PLANS[..]), 0_u32..3), 1..3)
}

fn edits() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (0_usize..2, 0_u32..4).prop_map(|(n, q)| Edit::Quantity(n, q)),
        4 => (0_usize..2, select(&PLANS[..])).prop_map(|(n, plan)| Edit::Plan(n, plan)),
        2 => items().prop_map(Edit::Items),
        3 => Just(Edit::AnchorNow),
        3 => (-1500_i64..1500).prop_map(Edit::Anchor),
        2 => (-30_i64..30).prop_map(Edit::Anchor),
        4 => Just(Edit::Status(Status::Active)),
        4 => select(&Status::ALL[..5]).prop_map(Edit::Status),
        1 => select(&Status::ALL[..]).prop_map(Edit::Status),
        2 => (-40_i64..1000).prop_map(Edit::Trial),
        2 => prop::option::of(-40_i64..1000).prop_map(Edit::Cancel),
    ]
}

fn ops() -> impl Strategy<Value = Op> {
    let who = 0_usize..4;
    prop_oneof![
        3 => (who.clone(), select(vec!["chat", "discuss", "auto_fix"]), 1_u32..30)
            .prop_map(|(who, action, n)| Op::Use(who, action, n)),
        6 => who.clone().prop_map(Op::UseUp),
        2 => (0_usize..2, 1_u32..200).prop_map(|(app, n)| Op::Call(app, n)),
        12 => (0_usize..SUBS, prop::collection::vec(edits(), 0..4),
            prop_oneof![5 => Just(0_i64), 1 => 0_i64..900], any::<bool>())
            .prop_map(|(sub, edits, late_h, fetched)| Op::Tell { sub, edits, late_h, fetched }),
        1 => (0_usize..SUBS, 0_u8..3, items())
            .prop_map(|(sub, boundaries, items)| Op::Announce { sub, boundaries, items }),
        1 => (who.clone(), 1_i64..30, prop::option::of(1_i64..900))
            .prop_map(|(who, amount, hours)| Op::Grant(who, amount, hours)),
        1 => (0_usize..9).prop_map(Op::Revoke),
        1 => (who.clone(), -20_i64..20).prop_map(|(who, amount)| Op::Adjust(who, amount)),
        3 => (0_usize..9, who.clone()).prop_map(|(seat, who)| Op::Assign(seat, who)),
        2 => (0_usize..9, who.clone()).prop_map(|(seat, who)| Op::Transfer(seat, who)),
        2 => (0_usize..9).prop_map(Op::Release),
        1 => who.clone().prop_map(Op::Owner),
        1 => (0_usize..2, who.clone()).prop_map(|(app, who)| Op::App(app, who)),
        1 => prop_oneof![6 => Just(Op::Settle), 1 => who.prop_map(Op::Close),
            1 => (0_usize..SUBS).prop_map(Op::EndCustomer)],
    ]
}

/// A history of up to 40 steps, and the host's choices that it is played under.
pub(super) fn histories() -> impl Strategy<Value = Vec<Step>> {
    let step = (pauses(), ops()).prop_map(|(pause, op)| Step { pause, op });
    prop::collection::vec(step, 1..40)
}

/// A history that hunts for credits: one subscription, whose seats are used up all the time while
/// Stripe changes it.
pub(super) fn hunts() -> impl Strategy<Value = Vec<Step>> {
    let edit = prop_oneof![
        5 => (0_u32..3).prop_map(|quantity| Edit::Quantity(0, quantity)),
        2 => select(&["starter", "builder"][..]).prop_map(|plan| Edit::Plan(0, plan)),
        1 => Just(Edit::Items(vec![("starter", 1), ("builder", 1)])),
        4 => Just(Edit::AnchorNow),
        3 => (-60_i64..60).prop_map(Edit::Anchor),
        1 => (-1500_i64..1500).prop_map(Edit::Anchor),
        5 => Just(Edit::Status(Status::Active)),
        3 => Just(Edit::Status(Status::Paused)),
        2 => select(&Status::ALL[1..6]).prop_map(Edit::Status),
        2 => (-4_i64..100).prop_map(Edit::Trial),
        1 => prop::option::of(-40_i64..100).prop_map(Edit::Cancel),
    ];
    let pause = prop_oneof![
        3 => Just(Pause::None),
        3 => (0_i64..60).prop_map(Pause::Hours),
        1 => (0_i64..32).prop_map(Pause::Days),
        4 => select(vec![-1_i64, 0, 0, 1, 60_000_000, 900_000_000]).prop_map(Pause::Due),
    ];
    let op = prop_oneof![
        8 => prop::collection::vec(edit, 1..3)
            .prop_map(|edits| Op::Tell { sub: 0, edits, late_h: 0, fetched: true }),
        6 => Just(Op::Greed),
        2 => (0_usize..3).prop_map(Op::Release),
        1 => (0_usize..3, 0_usize..4).prop_map(|(seat, who)| Op::Transfer(seat, who)),
    ];
    let step = (pause, op).prop_map(|(pause, op)| Step { pause, op });
    prop::collection::vec(step, 4..24)
}

impl Step {
    /// How long the pause before the step is in a world.
    pub(super) fn pause(&self, world: &World) -> TimeDelta {
        match self.pause {
            Pause::None => TimeDelta::zero(),
            Pause::Micros(n) => TimeDelta::microseconds(n),
            Pause::Minutes(n) => TimeDelta::minutes(n),
            Pause::Hours(n) => TimeDelta::hours(n),
            Pause::Days(n) => TimeDelta::days(n),
            Pause::Due(more_us) => {
                let read = world.read();
                let due = read.seats.values().filter_map(creditd_rules::state::Seat::due_at).min();
                let wait = due.map_or(TimeDelta::days(1), |due| due - world.now);
                (wait + TimeDelta::microseconds(more_us)).max(TimeDelta::zero())
            }
        }
    }
}

/// A history while it is played: the world, and Stripe's side of it.
#[derive(Debug, Clone)]
pub(super) struct Play {
    pub(super) world: World,
    stripe: Vec<Option<Snapshot>>,
}

/// The host's choices: every combination has a number.
fn choose(world: &mut World, choices: u8) {
    let policy = &mut world.catalogue.policy;
    let chosen = |bit: u8| (choices >> bit) & 1 == 1;
    if chosen(0) {
        policy.downgrade = Downgrade::Immediately;
    }
    if chosen(1) {
        policy.rebuy = Rebuy::CarryUsed;
    }
    if chosen(2) {
        policy.free_window = FreeWindow::Signup;
    }
    policy.mail_run_out.message = chosen(3);
    policy.mail_warning.message = chosen(4);
}

impl Play {
    pub(super) fn new(choices: u8) -> Self {
        let mut world = World::under(catalogue());
        choose(&mut world, choices);
        for account in ACCOUNTS {
            world.account(account);
        }
        for (app, owner) in APPS.iter().zip(ACCOUNTS) {
            world.app(app, owner);
        }
        Self { world, stripe: vec![None; SUBS] }
    }

    pub(super) fn step(&mut self, step: &Step) -> Option<Snapshot> {
        let pause = step.pause(&self.world);
        self.step_after(pause, step)
    }

    /// Plays a step after a pause; the snapshot that it told, if it was applied.
    pub(super) fn step_after(&mut self, pause: TimeDelta, step: &Step) -> Option<Snapshot> {
        self.world.now += pause;
        if matches!(step.op, Op::Greed) {
            self.greed();
            return None;
        }
        let command = self.command(&step.op);
        let answer = self.world.run(&command);
        match (command, answer) {
            (Command::Observe(told), Ok(Answer::Observed { applied: true })) => Some(told),
            _ => None,
        }
    }

    pub(super) fn command(&mut self, op: &Op) -> Command {
        match op {
            Op::Use(who, action, quantity) => self.world.debit(ACCOUNTS[*who], action, *quantity),
            Op::UseUp(who) => {
                let left = self.world.message(ACCOUNTS[*who]).spendable;
                let chats = u32::try_from(left.micros() / 1_000_000).unwrap().max(1);
                self.world.debit(ACCOUNTS[*who], "chat", chats)
            }
            Op::Call(app, quantity) => Command::Use {
                id: self.world.fresh("use").as_str().into(),
                action: "integration_call".into(),
                account: Some("a visitor".to_owned()),
                app: Some(APPS[*app].into()),
                quantity: *quantity,
            },
            Op::Tell { sub, edits, late_h, fetched } => self.tell(*sub, edits, *late_h, *fetched),
            Op::Announce { sub, boundaries, items } => self.announce(*sub, *boundaries, items),
            Op::Grant(who, amount, hours) => Command::Grant {
                id: self.world.fresh("grant").as_str().into(),
                account: ACCOUNTS[*who].into(),
                kind: Kind::Message,
                amount: Amount::credits(*amount),
                source: "support".to_owned(),
                reason: "why".to_owned(),
                expires_at: hours.map(|hours| self.world.now + TimeDelta::hours(hours)),
            },
            Op::Revoke(grant) => {
                Command::Revoke { id: self.grant(*grant), reason: "why".to_owned() }
            }
            Op::Adjust(who, amount) => Command::Adjust {
                account: ACCOUNTS[*who].into(),
                kind: Kind::Message,
                amount: Amount::credits(*amount),
                reason: "why".to_owned(),
                grant: self.world.fresh("grant").as_str().into(),
            },
            Op::Assign(seat, who) => {
                Command::Assign { seat: self.seat(*seat), account: ACCOUNTS[*who].into() }
            }
            Op::Transfer(seat, who) => {
                Command::Transfer { seat: self.seat(*seat), to: ACCOUNTS[*who].into() }
            }
            Op::Release(seat) => Command::Release { seat: self.seat(*seat) },
            Op::Close(who) => Command::CloseAccount { id: ACCOUNTS[*who].into() },
            Op::Owner(who) => Command::SetOwner { owner: ACCOUNTS[*who].into() },
            Op::App(app, who) => {
                Command::PutApp { id: APPS[*app].into(), owner: ACCOUNTS[*who].into() }
            }
            Op::EndCustomer(sub) => {
                Command::EndCustomer { customer: format!("cus{sub}").as_str().into() }
            }
            Op::Settle | Op::Greed => crate::world::settle(),
        }
    }

    fn greed(&mut self) {
        let vacant = self.world.read().seats.into_values();
        let vacant = vacant.filter(|seat| seat.is_live() && seat.holder.is_none());
        let unseated = |world: &World, id: &&str| world.ws.seat_of(&(**id).into()).is_none();
        for seat in vacant {
            let free = ACCOUNTS.iter().find(|id| unseated(&self.world, id));
            if let Some(account) = free.copied() {
                let command = Command::Assign { seat: seat.id, account: account.into() };
                let _refused_where_suspended = self.world.run(&command);
            }
        }
        for who in 0..ACCOUNTS.len() {
            let command = self.command(&Op::UseUp(who));
            let _refused_where_nothing_is_left = self.world.run(&command);
        }
    }

    /// One of the seats that are live now, or one that is not there.
    fn seat(&self, n: usize) -> SeatId {
        let read = self.world.read();
        let seats: Vec<&SeatId> =
            read.seats.values().filter(|seat| seat.is_live()).map(|seat| &seat.id).collect();
        let nth = n.checked_rem(seats.len()).map(|n| seats[n].clone());
        nth.unwrap_or_else(|| "none".into())
    }

    fn grant(&self, n: usize) -> GrantId {
        let grants: Vec<&GrantId> = self.world.ws.grants.keys().collect();
        let nth = n.checked_rem(grants.len()).map(|n| grants[n].clone());
        nth.unwrap_or_else(|| "none".into())
    }

    fn tell(&mut self, sub: usize, edits: &[Edit], late_h: i64, fetched: bool) -> Command {
        let now = self.world.now;
        let buyer = ACCOUNTS[sub % 2];
        let mut told = match &self.stripe[sub] {
            Some(told) => told.clone(),
            None => bought(sub, now - TimeDelta::hours(late_h)).by(buyer).0,
        };
        for edit in edits {
            apply(&mut told, edit, now);
        }
        told.created = now - TimeDelta::hours(late_h);
        told.source = if fetched { Source::Fetched } else { Source::Event { rank: 1 } };
        self.stripe[sub] = Some(told.clone());
        Command::Observe(told)
    }

    fn announce(&self, sub: usize, boundaries: u8, items: &[(&'static str, u32)]) -> Command {
        let id = format!("sub{sub}");
        let known = self.world.ws.subscriptions.get(id.as_str());
        let change = (boundaries > 0).then_some(known).flatten().map(|known| {
            let first = known.timeline.next_after(self.world.now);
            let later = if boundaries > 1 { known.timeline.next_after(first) } else { first };
            let items = items.iter().enumerate();
            (later, items.map(|(n, (plan, quantity))| item(n, plan, *quantity)).collect())
        });
        Command::Announce { subscription: id.as_str().into(), change }
    }
}

/// A purchase of one seat, or its history of up to some weeks.
fn bought(sub: usize, start: Instant) -> Told {
    let mut told = Told::bought(&format!("sub{sub}"), PLANS[sub], "2026-01-01");
    told.0.customer = format!("cus{sub}").as_str().into();
    let start = DateTime::from_timestamp(start.timestamp(), 0).unwrap();
    told.0.timeline = Timeline::new(start, start);
    told
}

fn apply(told: &mut Snapshot, edit: &Edit, now: Instant) {
    let whole = |at: Instant| DateTime::from_timestamp(at.timestamp(), 0).unwrap();
    match edit {
        Edit::Quantity(n, quantity) => {
            let n = n % told.items.len();
            told.items[n].quantity = *quantity;
        }
        Edit::Plan(n, plan) => {
            let n = n % told.items.len();
            told.items[n] = item(n, plan, told.items[n].quantity);
        }
        Edit::Items(items) => {
            let items = items.iter().enumerate();
            told.items = items.map(|(n, (plan, quantity))| item(n, plan, *quantity)).collect();
        }
        Edit::AnchorNow => told.timeline = Timeline::new(told.timeline.start, whole(now)),
        Edit::Anchor(hours) => {
            let anchor = whole(now + TimeDelta::hours(*hours)).max(told.timeline.start);
            told.timeline = Timeline::new(told.timeline.start, anchor);
        }
        Edit::Status(status) => told.status = Some(*status),
        Edit::Trial(hours) => {
            let end = whole(now + TimeDelta::hours(*hours)).max(told.timeline.start);
            told.timeline = Timeline::new(told.timeline.start, end);
            told.trial_end = Some(end);
            told.status = Some(Status::Trialing);
        }
        Edit::Cancel(hours) => {
            told.cancel_at = hours.map(|hours| whole(now + TimeDelta::hours(hours)));
        }
    }
}
