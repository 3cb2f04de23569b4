//! What a side may do while it does not know what has happened.

use super::Sides;
use super::case::Case;
use super::judge::{Held, Verdict, same};
use chrono::{DateTime, TimeDelta, Utc};
use creditd::store::Line;
use creditd_rules::entry::{Entry, Pot, Reason};
use creditd_rules::id::SubscriptionId;
use creditd_rules::state::{Seat, SeatStatus, Subscription};
use creditd_rules::{Kind, Workspace};
use fake_stripe::object::Subscription as Theirs;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A subscription and a kind of credit.
type Place = (SubscriptionId, Kind);

/// Microcredits of each.
type Sums = BTreeMap<Place, i128>;

/// When the other side did not know how a subscription stood.
#[derive(Default)]
pub(super) struct Late {
    since: BTreeMap<SubscriptionId, DateTime<Utc>>,
    spans: Vec<(SubscriptionId, DateTime<Utc>, DateTime<Utc>)>,
}

impl Late {
    /// In this time every seat has crossed a boundary.
    pub(super) const UNTIL_ALL_IS_THERE: TimeDelta = TimeDelta::days(32);

    /// Compares what the other side holds with Stripe.
    pub(super) async fn look(&mut self, case: &Case, sides: &Sides, now: DateTime<Utc>) {
        let (orderly, other) = (sides.orderly.team().await, sides.other.team().await);
        for theirs in case.theirs() {
            let id = SubscriptionId::from(theirs.id.as_str());
            // Grace runs from when it was seen that payment failed, if no event came (R11).
            let since = |sub: &Subscription| sub.past_due_since;
            let (orderly, other) = (orderly.subscriptions.get(&id), other.subscriptions.get(&id));
            let known = other.map(Held::ours) == Some(Held::theirs(&theirs))
                && orderly.map(since) == other.map(since);
            if !known {
                self.since.entry(id).or_insert(now);
            } else if let Some(since) = self.since.remove(&id) {
                self.spans.push((id, since, now));
            }
        }
    }

    /// No subscription drew more than the orderly ledger allows, and what fell due on the other
    /// side before the fact was applied.
    pub(super) fn nobody_drew_too_much(&self, orderly: &[Line], other: &[Line]) -> Verdict {
        let (allowed, fell_due) = (allowed(orderly), self.fell_due(other));
        let drawn = sums(other, |entry| (entry.reason == Reason::Use).then(|| -micros(entry)));
        for (place, drawn) in drawn {
            let allowed = allowed.get(&place).copied().unwrap_or_default();
            let late = fell_due.get(&place).copied().unwrap_or_default();
            if drawn > allowed + late {
                let spans: Vec<_> = self.spans.iter().filter(|(id, ..)| *id == place.0).collect();
                return Err(format!(
                    "{place:?} drew {drawn}: the orderly ledger allows {allowed}, and {late} fell \
                     due while it was not known: {spans:?}"
                ));
            }
        }
        Ok(())
    }

    /// What the clock granted while the side did not know better.
    fn fell_due(&self, ledger: &[Line]) -> Sums {
        sums(ledger, |entry| {
            let id = subscription_of(entry)?;
            let is_late = self.spans.iter().any(|(late, since, until)| {
                *late == id && *since <= entry.effective_at && entry.effective_at <= *until
            });
            let by_clock = entry.cause.as_deref() == Some("clock");
            (by_clock && is_late && entry.reason == Reason::Allowance).then(|| micros(entry))
        })
    }
}

/// What each subscription that is paid for can spend, after a boundary since `now`, is what it can
/// on the orderly side.
pub(super) fn nothing_is_missing(
    theirs: &[Arc<Theirs>], orderly: &Workspace, other: &Workspace, now: DateTime<Utc>,
) -> Verdict {
    let paid = theirs.iter().filter(|sub| matches!(sub.status.as_str(), "active" | "trialing"));
    for id in paid.map(|sub| SubscriptionId::from(sub.id.as_str())) {
        let seats = |team: &Workspace| {
            let theirs = team.seats.values().filter(|seat| seat.subscription == id);
            let live = theirs.filter(|seat| seat.status == SeatStatus::Active);
            let mut live: Vec<_> = live.map(|seat| in_words(seat, now)).collect();
            live.sort();
            live
        };
        same(&format!("what {id} brings"), &seats(orderly), &seats(other))?;
    }
    Ok(())
}

/// A seat, and what it holds where its cycle began after `now`.
fn in_words(seat: &Seat, now: DateTime<Utc>) -> String {
    let cycle = seat.cycle.map(|cycle| (cycle.start, cycle.end));
    let is_new = cycle.is_some_and(|(start, _)| start > now);
    let balances: Vec<_> =
        Kind::ALL.iter().filter(|_| is_new).map(|kind| seat.allowances[*kind].balance).collect();
    format!("{} {cycle:?} {balances:?}", seat.plan)
}

/// What could have been drawn: of each cycle of each seat, all that it held at most.
fn allowed(ledger: &[Line]) -> Sums {
    let (mut used, mut most) = (BTreeMap::new(), BTreeMap::new());
    for Line { entry, .. } in ledger {
        let (Some(id), Some(after)) = (subscription_of(entry), entry.pot_after) else { continue };
        let cycle = (id, entry.pot.clone(), entry.kind, entry.cycle_started_at);
        let used: &mut i128 = used.entry(cycle.clone()).or_default();
        if entry.reason == Reason::Use {
            *used -= micros(entry);
        }
        let most: &mut i128 = most.entry(cycle).or_default();
        *most = (*most).max(*used + i128::from(after.micros()));
    }
    let mut sums = Sums::new();
    for ((id, _, kind, _), most) in most {
        *sums.entry((id, kind)).or_default() += most;
    }
    sums
}

/// The sums of some lines of seats.
fn sums(ledger: &[Line], amount: impl Fn(&Entry) -> Option<i128>) -> Sums {
    let mut sums = Sums::new();
    for Line { entry, .. } in ledger {
        if let (Some(id), Some(amount)) = (subscription_of(entry), amount(entry)) {
            *sums.entry((id, entry.kind)).or_default() += amount;
        }
    }
    sums
}

/// Whose seat a line is of: its id ends in the subscription's.
fn subscription_of(entry: &Entry) -> Option<SubscriptionId> {
    let Some(Pot::Seat(seat)) = &entry.pot else { return None };
    Some(SubscriptionId::from(seat.as_str().splitn(3, '_').nth(2)?))
}

fn micros(entry: &Entry) -> i128 {
    entry.amount.micros().into()
}
