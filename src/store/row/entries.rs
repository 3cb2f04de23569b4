//! Lines of the ledger as rows.

use super::people::kind;
use super::{Corrupt, Text, amount, count, instant, maybe_instant, row, stored_count, uc, us};
use crate::store::{Change, Line};
use creditd_rules::entry::{Entry, Pot};
use creditd_rules::id::{AccountId, SeatId, WorkspaceId};
use creditd_rules::{Amount, Instant};

row! {
    /// A line of the ledger.
    pub(super) struct EntryRow<'a> {
        workspace: Text<'a>,
        seq: i64,
        pot: Option<Text<'a>>,
        account: Option<Text<'a>>,
        use_id: Option<Text<'a>>,
        kind: Text<'a>,
        amount_uc: i64,
        pot_after_uc: Option<i64>,
        reason: Text<'a>,
        cycle_started_at_us: Option<i64>,
        effective_at_us: i64,
        posted_at_us: i64,
        actor: Option<Text<'a>>,
        app: Option<Text<'a>>,
        action: Option<Text<'a>>,
        price_uc: Option<i64>,
        cause: Option<Text<'a>>,
        cause_at_us: Option<i64>,
    }
}

impl<'a> EntryRow<'a> {
    /// A new line.
    pub(in crate::store) fn of(
        workspace: &'a WorkspaceId, seq: u64, posted_at: Instant, entry: &'a Entry,
    ) -> Self {
        let Entry {
            pot,
            account,
            use_id,
            kind,
            amount,
            pot_after,
            reason,
            cycle_started_at,
            effective_at,
            actor,
            app,
            action,
            price,
            cause,
            cause_at,
        } = entry;
        Self {
            workspace: workspace.as_str().into(),
            seq: stored_count(seq),
            pot: pot.as_ref().map(|pot| pot.to_string().into()),
            account: account.as_ref().map(|account| account.as_str().into()),
            use_id: use_id.as_ref().map(|id| id.as_str().into()),
            kind: kind.as_str().into(),
            amount_uc: amount.micros(),
            pot_after_uc: uc(*pot_after),
            reason: reason.as_str().into(),
            cycle_started_at_us: cycle_started_at.map(us),
            effective_at_us: us(*effective_at),
            posted_at_us: us(posted_at),
            actor: actor.as_deref().map(Text::from),
            app: app.as_ref().map(|app| app.as_str().into()),
            action: action.as_ref().map(|action| action.as_str().into()),
            price_uc: uc(*price),
            cause: cause.as_deref().map(Text::from),
            cause_at_us: cause_at.map(us),
        }
    }

    /// The line.
    pub(in crate::store) fn read(self) -> Result<Line, Corrupt> {
        let pot = self.pot.map(|pot| read_pot(pot.as_str())).transpose()?;
        let reason = self.reason.as_str().parse();
        let reason =
            reason.map_err(|()| Corrupt::new("an entry's reason", self.reason.as_str()))?;
        Ok(Line {
            seq: Some(count("an entry's seq", self.seq)?),
            posted_at: Some(instant(self.posted_at_us)?),
            entry: Entry {
                pot,
                account: self.account.map(|account| account.as_str().into()),
                use_id: self.use_id.map(|id| id.as_str().into()),
                kind: kind(self.kind.as_str())?,
                amount: Amount::from_micros(self.amount_uc),
                pot_after: amount(self.pot_after_uc),
                reason,
                cycle_started_at: maybe_instant(self.cycle_started_at_us)?,
                effective_at: instant(self.effective_at_us)?,
                actor: self.actor.map(Text::into_string),
                app: self.app.map(|app| app.as_str().into()),
                action: self.action.map(|action| action.as_str().into()),
                price: amount(self.price_uc),
                cause: self.cause.map(Text::into_string),
                cause_at: maybe_instant(self.cause_at_us)?,
            },
        })
    }
}

fn read_pot(text: &str) -> Result<Pot, Corrupt> {
    text.parse().map_err(|()| Corrupt::new("a pot", text))
}

/// The lines of a change that was decided at `now`.
pub(in crate::store) fn lines(change: &Change, now: Instant) -> impl Iterator<Item = EntryRow<'_>> {
    let Change { before, after, entries, .. } = change;
    let posted_at = now.max(after.decided_at);
    (before.next_seq..)
        .zip(entries)
        .map(move |(seq, entry)| EntryRow::of(&after.id, seq, posted_at, entry))
}

/// Seats with accounts that hold them now and did not before, and with those between the two
/// whom only the lines name.
pub(in crate::store) fn new_holders(change: &Change) -> impl Iterator<Item = (&str, &str)> {
    let Change { before, after, entries, .. } = change;
    let held = after.seats.values().filter_map(|seat| Some((&seat.id, seat.holder.as_ref()?)));
    let named = entries.iter().filter_map(|entry| match (&entry.pot, &entry.account) {
        (Some(Pot::Seat(seat)), Some(account)) => Some((seat, account)),
        _ => None,
    });
    let known = |seat: &SeatId, account: &AccountId| {
        before.seats.get(seat).is_some_and(|seat| seat.holder.as_ref() == Some(account))
    };
    held.chain(named)
        .filter(move |(seat, account)| !known(seat, account))
        .map(|(seat, account)| (seat.as_str(), account.as_str()))
}
