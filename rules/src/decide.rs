//! The decisions: `decide(state, command, now)`.
//!
//! Every command first posts what is due on what is loaded (R6), in order; then it checks all that
//! it needs; only then does it change anything. So a refused command leaves what a mere
//! settlement would have left, and, where a debit was refused for want of credits, a note of it (R16).

mod book;
mod settle;
mod standing;
mod spend;
mod telling;
mod seats;
mod subscription;
mod places;
mod grants;
mod accounts;

use crate::amount::Amount;
use crate::calendar::Instant;
pub use crate::command::Decision;
use crate::command::{Answer, Cause, Command, Rejection};
use crate::entry::Entry;
use crate::id::AccountId;
use crate::plan::{Catalogue, Kind};
use crate::state::Workspace;
use alloc::vec::Vec;
use book::Book;
pub(crate) use settle::{Due, next_of};
pub use subscription::PLACES_MAX;

/// What a decision is taken under, beside the state.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Plans, actions and the host's choices.
    pub catalogue: &'a Catalogue,
    /// The instant; where the workspace was decided later than this, that later one counts (R5).
    pub now: Instant,
    /// What brought the command about.
    pub cause: &'a Cause,
}

/// A workspace while it is being decided: its state, the rules, and what has been written so far.
pub(crate) struct Desk<'a> {
    pub(crate) ws: &'a mut Workspace,
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) now: Instant,
    pub(crate) book: Book<'a>,
}

/// Decides a command on a workspace and changes the state accordingly.
pub fn decide(workspace: &mut Workspace, command: &Command, context: &Context<'_>) -> Decision {
    let now = context.now.max(workspace.decided_at);
    let mut desk =
        Desk { ws: workspace, catalogue: context.catalogue, now, book: Book::new(context.cause) };
    desk.settle_all();
    let answer = desk.answer(command);
    let Desk { ws, book, .. } = desk;
    let (entries, effects) = book.close();
    ws.decided_at = now;
    Decision { answer, entries, effects }
}

/// Settles all that is loaded, in memory, for a read at `now`: the lines that are due and not yet
/// posted, in posting order (R6). What is shown from the workspace afterwards holds at `now`.
pub fn settle_for_reading(
    workspace: &mut Workspace, catalogue: &Catalogue, now: Instant,
) -> Vec<Entry> {
    let cause = Cause::default();
    let now = now.max(workspace.decided_at);
    let mut desk = Desk { ws: workspace, catalogue, now, book: Book::new(&cause) };
    desk.settle_all();
    desk.book.close().0
}

/// The first instant at which `needed` could be spent if nothing else were, in state that is settled
/// at `now`; none if no reset in sight brings enough.
#[must_use]
pub fn fits_at(
    workspace: &Workspace, catalogue: &Catalogue, (account, kind): (&AccountId, Kind),
    needed: Amount, now: Instant,
) -> Option<Instant> {
    let cause = Cause::default();
    let mut copy = workspace.clone();
    let desk = Desk { ws: &mut copy, catalogue, now, book: Book::new(&cause) };
    if desk.spendable(account, kind) >= needed {
        return Some(now);
    }
    desk.fits_at(account, kind, needed)
}

impl Desk<'_> {
    fn answer(&mut self, command: &Command) -> Result<Answer, Rejection> {
        match command {
            Command::Use { id, action, account, app, quantity } => self
                .spend(&spend::Order {
                    id,
                    action,
                    account: account.as_deref(),
                    app: app.as_ref(),
                    quantity: *quantity,
                })
                .map(Answer::Used),
            Command::PutAccount { id, email, name, locale, grant } => {
                self.put_account(id, [email, name, locale], grant)
            }
            Command::CloseAccount { id } => self.close_account(id),
            Command::SetOwner { owner } => self.set_owner(owner),
            Command::PutApp { id, owner } => self.put_app(id, owner),
            Command::Observe(snapshot) => Ok(self.observe(snapshot)),
            Command::Announce { subscription, change } => {
                Ok(self.announce(subscription, change.as_ref()))
            }
            Command::EndCustomer { customer } => Ok(self.end_customer(customer)),
            Command::Settle { .. } => Ok(Answer::Settled),
            Command::Assign { seat, account } => self.assign(seat, account),
            Command::Transfer { seat, to } => self.transfer(seat, to),
            Command::Release { seat } => self.release(seat),
            Command::Grant { .. } => self.grant(command),
            Command::Revoke { id, reason } => self.revoke(id, reason),
            Command::Adjust { account, kind, amount, reason, grant } => {
                self.adjust(account, *kind, *amount, reason, grant)
            }
            Command::Claim { .. } => self.claim(command),
            Command::DecideReward { id, approve, reason, grant } => {
                self.decide_reward(id, *approve, reason.as_ref(), grant)
            }
        }
    }
}
