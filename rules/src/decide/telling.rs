//! Running out is told once, until something brings credits again (R16).

use super::Desk;
use crate::amount::Amount;
use crate::command::{Effect, Mail, MailTemplate};
use crate::id::{AccountId, SeatId};
use crate::plan::Kind;
use crate::view::{grants_left, standing};

impl Desk<'_> {
    /// What an account can spend now of a kind.
    pub(super) fn spendable(&self, account: &AccountId, kind: Kind) -> Amount {
        let Some(person) = self.ws.accounts.get(account) else { return Amount::ZERO };
        let standing = standing(self.ws, person, kind, self.catalogue, self.now);
        standing.remaining().plus(grants_left(self.ws, account, kind))
    }

    /// Arms the telling of both kinds for a seat's holder, after the seat gained.
    pub(super) fn arm_holder(&mut self, seat: &SeatId) {
        let holder = self.ws.seats.get(seat).and_then(|seat| seat.holder.clone());
        if let Some(holder) = holder {
            for kind in Kind::ALL {
                self.arm(&holder, kind);
            }
        }
    }

    /// Arms the telling for an account that gained, if that leaves something to spend.
    pub(super) fn arm(&mut self, account: &AccountId, kind: Kind) {
        if self.spendable(account, kind).is_zero() {
            return;
        }
        if let Some(person) = self.ws.accounts.get_mut(account) {
            person.run_out[kind] = crate::state::RunOut::default();
        }
    }

    /// The moment has come: what can be spent is gone, or an action was refused that a reset cures.
    pub(super) fn ran_out(&mut self, account: &AccountId, kind: Kind) {
        let Some(person) = self.ws.accounts.get_mut(account) else { return };
        if !core::mem::take(&mut person.run_out[kind].armed) {
            return;
        }
        if self.catalogue.policy.mail_run_out[kind] {
            self.mail(account, kind, MailTemplate::RunOut);
        }
    }

    /// Warns once when four fifths of the allowance are used and no more than a fifth is left.
    pub(super) fn warn_early(&mut self, account: &AccountId, kind: Kind) {
        if !self.catalogue.policy.mail_warning[kind] {
            return;
        }
        let Some(person) = self.ws.accounts.get(account) else { return };
        let allowance = standing(self.ws, person, kind, self.catalogue, self.now).allowance;
        let fifth = allowance.limits.allowance().micros().checked_div(5).unwrap_or(0);
        let left = self.spendable(account, kind);
        if left.is_zero() || left.micros() > fifth {
            return;
        }
        let Some(person) = self.ws.accounts.get_mut(account) else { return };
        if !core::mem::replace(&mut person.run_out[kind].warned, true) {
            self.mail(account, kind, MailTemplate::Warning);
        }
    }

    fn mail(&mut self, account: &AccountId, kind: Kind, template: MailTemplate) {
        let Some(person) = self.ws.accounts.get(account) else { return };
        let standing = standing(self.ws, person, kind, self.catalogue, self.now);
        let Some(to) = person.email.clone() else {
            self.book.effect(Effect::NoAddress { account: account.clone(), kind });
            return;
        };
        self.book.effect(Effect::Mail(Mail {
            template,
            account: account.clone(),
            to,
            name: person.name.clone(),
            locale: person.locale.clone(),
            kind,
            spendable: self.spendable(account, kind),
            allowance: standing.allowance.limits.allowance(),
            resets_at: standing.next_reset(),
        }));
    }
}
