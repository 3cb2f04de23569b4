//! Seats change hands (R12, R13). Transfers create and destroy nothing.

use super::Desk;
use super::book::{By, Line};
use crate::amount::Amount;
use crate::calendar::Instant;
use crate::command::{Answer, Rejection, seat_refusal};
use crate::entry::{Pot, Reason};
use crate::id::{AccountId, SeatId};
use crate::plan::Kind;
use crate::state::{Seat, SeatStatus};
use crate::view::SeatView;

impl Desk<'_> {
    pub(super) fn assign(&mut self, id: &SeatId, account: &AccountId) -> Result<Answer, Rejection> {
        let seat = self.movable(id)?;
        if let Some(holder) = seat.holder.clone() {
            return Err(Rejection::SeatTaken { seat: id.clone(), holder });
        }
        self.seatable(account)?;
        self.hand_over(id, Some(account), self.now, By::Command);
        self.seat_answer(id)
    }

    pub(super) fn transfer(&mut self, id: &SeatId, to: &AccountId) -> Result<Answer, Rejection> {
        if self.movable(id)?.holder.is_none() {
            return Err(Rejection::SeatVacant(id.clone()));
        }
        self.seatable(to)?;
        self.hand_over(id, Some(to), self.now, By::Command);
        self.seat_answer(id)
    }

    pub(super) fn release(&mut self, id: &SeatId) -> Result<Answer, Rejection> {
        if self.movable(id)?.holder.is_none() {
            return Err(Rejection::SeatVacant(id.clone()));
        }
        self.hand_over(id, None, self.now, By::Command);
        self.seat_answer(id)
    }

    fn movable(&self, id: &SeatId) -> Result<&Seat, Rejection> {
        let seat = self.ws.seats.get(id).ok_or_else(|| Rejection::SeatNotFound(id.clone()))?;
        match seat_refusal(id, seat.status) {
            None => Ok(seat),
            Some(refusal) => Err(refusal),
        }
    }

    /// Whether a person can be seated: a member without an active or suspended seat.
    fn seatable(&self, account: &AccountId) -> Result<(), Rejection> {
        self.member(account)?;
        match self.ws.seat_of(account) {
            None => Ok(()),
            Some(seat) => {
                Err(Rejection::AlreadySeated { account: account.clone(), seat: seat.id.clone() })
            }
        }
    }

    fn seat_answer(&self, id: &SeatId) -> Result<Answer, Rejection> {
        let seat = self.ws.seats.get(id).ok_or_else(|| Rejection::SeatNotFound(id.clone()))?;
        Ok(Answer::Seat(SeatView::of(seat)))
    }

    /// Moves a seat and what is left in it from its holder to another, or to or from no one.
    pub(super) fn hand_over(&mut self, id: &SeatId, to: Option<&AccountId>, at: Instant, by: By) {
        let Some(seat) = self.ws.seats.get_mut(id) else { return };
        for kind in Kind::ALL.into_iter().filter(|_| seat.cycle.is_some()) {
            let rest = seat.allowances[kind].balance;
            let started = seat.cycle.map(|cycle| cycle.start);
            let out = Line {
                pot: Pot::Seat(id.clone()),
                account: seat.holder.as_ref(),
                kind,
                amount: rest.negated(),
                after: Amount::ZERO,
                reason: Reason::SeatOut,
                cycle_started_at: started,
                effective_at: at,
            };
            self.book.line_by(out, by);
            let into = Line {
                pot: Pot::Seat(id.clone()),
                account: to,
                kind,
                amount: rest,
                after: rest,
                reason: Reason::SeatIn,
                cycle_started_at: started,
                effective_at: at,
            };
            self.book.line_by(into, by);
        }
        seat.holder = to.cloned();
        seat.assigned_at = to.map(|_| at);
        self.arm_holder(id);
    }

    /// A buyer whose seat ended gets a vacant one of a subscription that they bought (R12).
    pub(super) fn reseat_buyer(&mut self, buyer: &AccountId, at: Instant, by: By) {
        if self.ws.seat_of(buyer).is_some() || self.member(buyer).is_err() {
            return;
        }
        let bought = |seat: &&Seat| {
            let sub = self.ws.subscriptions.get(&seat.subscription);
            sub.is_some_and(|sub| !sub.status.is_final() && sub.buyer.as_ref() == Some(buyer))
        };
        let vacant = self.ws.seats.values().filter(|seat| {
            seat.status == SeatStatus::Active && seat.holder.is_none() && seat.ends_at.is_none()
        });
        let best = vacant
            .filter(bought)
            .max_by_key(|seat| (self.catalogue.rank(&seat.plan), core::cmp::Reverse(seat.place)));
        if let Some(id) = best.map(|seat| seat.id.clone()) {
            self.hand_over(&id, Some(buyer), at, by);
        }
    }

    /// Whether a buyer is to be seated in a new place of `rank`, and if so, frees the lower seat
    /// that they hold (R12). A place that does not count yet takes nobody from another seat.
    pub(super) fn seat_for_buyer(
        &mut self, buyer: Option<&AccountId>, rank: u32, counts: bool,
    ) -> Option<AccountId> {
        let buyer = buyer?;
        self.member(buyer).ok()?;
        let Some(held) = self.ws.seat_of(buyer) else { return Some(buyer.clone()) };
        let lower = held.status == SeatStatus::Suspended || self.catalogue.rank(&held.plan) < rank;
        if !counts || !lower {
            return None;
        }
        let held = held.id.clone();
        self.hand_over(&held, None, self.now, By::Command);
        Some(buyer.clone())
    }
}
