//! A workspace that is decided on step by step, and checked after every step.

mod catalogue;
mod snapshot;

pub(crate) use catalogue::{capped, catalogue, doubled};
pub(crate) use snapshot::Told;
pub(crate) use snapshot::item;

use creditd_rules::audit;
use creditd_rules::command::{Answer, Effect, Rejection};
use creditd_rules::decide::settle_for_reading;
use creditd_rules::entry::{Entry, Reason};
use creditd_rules::id::{AccountId, SeatId, WorkspaceId};
use creditd_rules::plan::Catalogue;
use creditd_rules::state::{RunOut, Seat, SeatStatus};
use creditd_rules::view::{BalanceView, KindBalance, balance};
use creditd_rules::{Amount, Cause, Command, Context, Instant, Kind, Workspace, decide};
use std::collections::BTreeMap;

/// An instant as RFC 3339; a bare date is its midnight.
#[track_caller]
pub(crate) fn at(text: &str) -> Instant {
    let text = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    text.parse().unwrap()
}

/// An amount from its decimal.
#[track_caller]
pub(crate) fn credits(text: &str) -> Amount {
    text.parse().unwrap()
}

/// A workspace, the rules, a clock, and all that was ever posted.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) ws: Workspace,
    pub(crate) catalogue: Catalogue,
    pub(crate) now: Instant,
    pub(crate) ledger: Vec<Entry>,
    pub(crate) effects: Vec<Effect>,
    ids: u64,
}

impl World {
    /// An empty workspace under the test catalogue, on 1 January 2026.
    pub(crate) fn new() -> Self {
        Self::under(catalogue())
    }

    pub(crate) fn under(catalogue: Catalogue) -> Self {
        Self {
            ws: Workspace::new(WorkspaceId::from("w")),
            catalogue,
            now: at("2026-01-01"),
            ledger: Vec::new(),
            effects: Vec::new(),
            ids: 0,
        }
    }

    /// A workspace with these accounts, the first one its owner.
    pub(crate) fn of(accounts: &[&str]) -> Self {
        let mut world = Self::new();
        for account in accounts {
            world.account(account);
        }
        world
    }

    /// The clock goes to an instant.
    pub(crate) fn go(&mut self, to: &str) -> &mut Self {
        self.now = at(to);
        self
    }

    pub(crate) fn fresh(&mut self, what: &str) -> String {
        self.ids += 1;
        format!("{what}{}", self.ids)
    }

    /// Decides a command now, checks the books, and gives the answer.
    #[track_caller]
    pub(crate) fn run(&mut self, command: &Command) -> Result<Answer, Rejection> {
        let before = self.ws.clone();
        let cause = Cause { by: Some("test".to_owned()), at: None };
        let context = Context { catalogue: &self.catalogue, now: self.now, cause: &cause };
        self.ws.settled_at = None;
        let decision = decide(&mut self.ws, command, &context);

        let mut again = before.clone();
        again.settled_at = None;
        assert_eq!(decide(&mut again, command, &context), decision, "decided twice");
        assert_eq!(again, self.ws, "decided twice");
        if decision.answer.is_err() {
            let mut settled = before;
            settled.settled_at = None;
            let due = decide(&mut settled, &settle(), &context);
            assert_eq!(due.entries, decision.entries, "{command:?} was refused");
            assert_eq!(untold(settled), untold(self.ws.clone()), "{command:?} was refused");
        }
        self.ledger.extend(decision.entries);
        self.effects.extend(decision.effects);
        self.check();
        decision.answer
    }

    /// Decides a command that must be accepted.
    #[track_caller]
    pub(crate) fn ok(&mut self, command: &Command) -> Answer {
        self.run(command).unwrap_or_else(|rejection| panic!("{command:?}: {rejection}"))
    }

    /// The stable code that a command is refused with; `ok` where it is not.
    #[track_caller]
    pub(crate) fn code(&mut self, command: &Command) -> &'static str {
        self.run(command).err().map_or("ok", |rejection| rejection.code())
    }

    /// Posts what is due.
    #[track_caller]
    pub(crate) fn settle(&mut self) -> &mut Self {
        self.ok(&settle());
        self
    }

    /// The books add up, pot by pot and person by person, and the state keeps the rules (R18).
    #[track_caller]
    pub(crate) fn check(&self) {
        let mut pots: BTreeMap<(String, Kind), Amount> = BTreeMap::new();
        let mut people: BTreeMap<(String, Kind, Option<String>), Amount> = BTreeMap::new();
        for entry in &self.ledger {
            let Some(pot) = entry.pot.as_ref().map(ToString::to_string) else {
                assert!(entry.amount.is_zero() && entry.pot_after.is_none(), "{entry:?}");
                continue;
            };
            let person = entry.account.as_ref().map(ToString::to_string);
            let share = people.entry((pot.clone(), entry.kind, person)).or_default();
            *share = share.checked_add(entry.amount).unwrap();
            let sum = pots.entry((pot, entry.kind)).or_default();
            *sum = sum.checked_add(entry.amount).unwrap();
            assert_eq!(entry.pot_after, Some(*sum), "{entry:?}");
            assert!(!sum.is_negative(), "{entry:?}");
        }
        let stored = audit::pots(&self.ws);
        for ((pot, kind), (_, amount)) in &stored {
            let sum = pots.get(&(pot.clone(), *kind)).copied().unwrap_or_default();
            assert_eq!(sum, *amount, "{pot} {kind}");
        }
        for ((pot, kind, person), share) in &people {
            let (holder, amount) = &stored[&(pot.clone(), *kind)];
            let expected = if holder == person { *amount } else { Amount::ZERO };
            assert_eq!(*share, expected, "{pot} {kind} of {person:?}");
        }
        assert_eq!(audit::workspace(&self.ws), Vec::new());
        self.check_moves();
        self.check_cycles();
    }

    /// Seats that change hands create and destroy nothing (R13).
    fn check_moves(&self) {
        let moves = |entry: &&Entry| matches!(entry.reason, Reason::SeatOut | Reason::SeatIn);
        let moved: Vec<&Entry> = self.ledger.iter().filter(moves).collect();
        for kind in Kind::ALL {
            let of_kind = moved.iter().filter(|entry| entry.kind == kind);
            assert_eq!(of_kind.map(|entry| entry.amount).sum::<Amount>(), Amount::ZERO);
        }
    }

    /// The running cycles of one subscription's seats end together.
    fn check_cycles(&self) {
        let mut ends: BTreeMap<&str, Instant> = BTreeMap::new();
        for seat in self.ws.seats.values().filter(|seat| seat.status == SeatStatus::Active) {
            let end = seat.cycle.unwrap().end;
            assert!(end > self.ws.decided_at, "{} is settled", seat.id);
            let known = *ends.entry(seat.subscription.as_str()).or_insert(end);
            assert_eq!(known, end, "{}", seat.id);
        }
    }

    /// The workspace as it is read now: nothing is posted.
    pub(crate) fn read(&self) -> Workspace {
        let mut read = self.ws.clone();
        read.settled_at = None;
        settle_for_reading(&mut read, &self.catalogue, self.now);
        read
    }

    /// What an account has now, as it is read.
    #[track_caller]
    pub(crate) fn balance(&self, account: &str) -> BalanceView {
        let read = self.read();
        let id = AccountId::from(account);
        balance(&read, &read.accounts[&id], &self.catalogue, self.now.max(self.ws.decided_at))
    }

    pub(crate) fn message(&self, account: &str) -> KindBalance {
        self.balance(account).message
    }

    /// What an account can spend of message credits now.
    pub(crate) fn spendable(&self, account: &str) -> String {
        self.message(account).spendable.to_string()
    }

    /// The seat that an account holds.
    #[track_caller]
    pub(crate) fn seat_of(&self, account: &str) -> &Seat {
        self.ws.seat_of(&AccountId::from(account)).unwrap()
    }

    /// The active seats that nobody holds.
    pub(crate) fn vacant(&self) -> Vec<&str> {
        let active = self.ws.seats.values().filter(|seat| seat.status == SeatStatus::Active);
        active.filter(|seat| seat.holder.is_none()).map(|seat| seat.id.as_str()).collect()
    }

    #[track_caller]
    pub(crate) fn seat(&self, id: &str) -> &Seat {
        &self.ws.seats[&SeatId::from(id)]
    }

    /// The lines on message pots from the `from`th line on, as `reason amount account @instant`.
    pub(crate) fn lines_from(&self, from: usize) -> Vec<String> {
        let shown = self.ledger[from..].iter().filter(|entry| entry.kind == Kind::Message);
        shown
            .map(|entry| {
                let account = entry.account.as_ref().map_or("-", AccountId::as_str);
                let time = entry.effective_at.format("%m-%dT%H:%M");
                format!("{} {} {account} {time}", entry.reason.as_str(), entry.amount)
            })
            .collect()
    }

    /// How many lines of a reason there are for message credits.
    pub(crate) fn count(&self, reason: Reason) -> usize {
        let message = self.ledger.iter().filter(|entry| entry.kind == Kind::Message);
        message.filter(|entry| entry.reason == reason).count()
    }

    /// How many mails were promised.
    pub(crate) fn mails(&self) -> usize {
        self.effects.iter().filter(|effect| matches!(effect, Effect::Mail(_))).count()
    }

    /// The codes of the alerts raised.
    pub(crate) fn alerts(&self) -> Vec<&'static str> {
        let alerts = self.effects.iter().filter_map(|effect| match effect {
            Effect::Alert(alert) => Some(alert.code),
            Effect::Mail(_) | Effect::NoAddress { .. } | Effect::EraseMail { .. } => None,
        });
        alerts.collect()
    }
}

/// The commands that tests use most.
impl World {
    #[track_caller]
    pub(crate) fn account(&mut self, id: &str) {
        let grant = self.fresh("signup").as_str().into();
        let email = Some(Some(format!("{id}@example.com")));
        let id = id.into();
        self.ok(&Command::PutAccount { id, email, name: None, locale: None, grant });
    }

    #[track_caller]
    pub(crate) fn app(&mut self, id: &str, owner: &str) {
        self.ok(&Command::PutApp { id: id.into(), owner: owner.into() });
    }

    /// A message action.
    pub(crate) fn debit(&mut self, account: &str, action: &str, quantity: u32) -> Command {
        Command::Use {
            id: self.fresh("use").as_str().into(),
            action: action.into(),
            account: Some(account.to_owned()),
            app: None,
            quantity,
        }
    }

    /// Takes message credits by chats, one each; must be covered.
    #[track_caller]
    pub(crate) fn chat(&mut self, account: &str, quantity: u32) {
        let command = self.debit(account, "chat", quantity);
        self.ok(&command);
    }

    /// Takes all message credits that an account has.
    #[track_caller]
    pub(crate) fn chat_all(&mut self, account: &str) {
        let left = self.message(account).spendable.micros() / 1_000_000;
        if left > 0 {
            self.chat(account, u32::try_from(left).unwrap());
        }
    }

    fn integration(&mut self, app: &str, actor: Option<&str>, quantity: u32) -> Command {
        Command::Use {
            id: self.fresh("use").as_str().into(),
            action: "integration_call".into(),
            account: actor.map(str::to_owned),
            app: Some(app.into()),
            quantity,
        }
    }

    /// Takes integration credits, one each; must be covered.
    #[track_caller]
    pub(crate) fn call(&mut self, app: &str, actor: Option<&str>, quantity: u32) {
        let command = self.integration(app, actor, quantity);
        self.ok(&command);
    }

    /// The code that integration calls of an app are answered with.
    #[track_caller]
    pub(crate) fn call_code(&mut self, app: &str, quantity: u32) -> &'static str {
        let command = self.integration(app, None, quantity);
        self.code(&command)
    }

    #[track_caller]
    pub(crate) fn grant(&mut self, account: &str, amount: &str, expires: Option<&str>) -> String {
        let id = self.fresh("grant");
        self.ok(&Command::Grant {
            id: id.as_str().into(),
            account: account.into(),
            kind: Kind::Message,
            amount: credits(amount),
            source: "support".to_owned(),
            reason: "test".to_owned(),
            expires_at: expires.map(at),
        });
        id
    }

    #[track_caller]
    pub(crate) fn transfer(&mut self, seat: &str, to: &str) {
        self.ok(&Command::Transfer { seat: seat.into(), to: to.into() });
    }

    #[track_caller]
    pub(crate) fn assign(&mut self, seat: &str, account: &str) {
        self.ok(&Command::Assign { seat: seat.into(), account: account.into() });
    }

    #[track_caller]
    pub(crate) fn release(&mut self, seat: &str) {
        self.ok(&Command::Release { seat: seat.into() });
    }

    /// Stripe says something now.
    #[track_caller]
    pub(crate) fn tell(&mut self, told: &Told) {
        let command = told.command(self.now);
        self.ok(&command);
    }
}

/// A command that only posts what is due.
pub(crate) fn settle() -> Command {
    Command::Settle { seats: Vec::new(), accounts: Vec::new() }
}

/// The state without what refusals may note: who was told, and what was refused first.
fn untold(mut ws: Workspace) -> Workspace {
    for account in ws.accounts.values_mut() {
        for kind in Kind::ALL {
            account.run_out[kind] = RunOut::default();
        }
    }
    ws
}
