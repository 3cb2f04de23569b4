//! Which seat has which place of a subscription (R12).
//!
//! Seats belong to the subscription, not to its items. When places change, seats are matched to
//! them anew, so that what is used stays used.

use crate::id::{PlanId, SeatId};
use crate::plan::Catalogue;
use crate::state::{Item, Seat};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// The plans of all places that `items` buy, highest rank first.
pub(super) fn places(items: &[Item], catalogue: &Catalogue) -> Vec<PlanId> {
    let mut places: Vec<PlanId> = Vec::new();
    for item in items {
        let count = usize::try_from(item.quantity).unwrap_or(usize::MAX);
        places.extend(core::iter::repeat_n(item.plan.clone(), count));
    }
    places.sort_by_key(|plan| (Reverse(catalogue.rank(plan)), plan.clone()));
    places
}

/// Longest held first; vacant ones last, lowest place first.
pub(super) fn by_tenure(seats: &mut [&Seat]) {
    seats.sort_by_key(|seat| (seat.assigned_at.is_none(), seat.assigned_at, seat.place));
}

/// The place of each seat: its own plan where there is one, else, the longest held first, the
/// highest rank that is left. Seats beyond the places get none.
pub(super) fn matched(
    seats: &[&Seat], wanted: &[PlanId], catalogue: &Catalogue,
) -> BTreeMap<SeatId, PlanId> {
    let mut seats: Vec<&Seat> = seats.to_vec();
    by_tenure(&mut seats);
    let mut open: Vec<PlanId> = wanted.to_vec();
    let mut matched = BTreeMap::new();

    let mut plans: Vec<PlanId> = seats.iter().map(|seat| seat.plan.clone()).collect();
    plans.sort_by_key(|plan| (Reverse(catalogue.rank(plan)), plan.clone()));
    plans.dedup();
    for plan in plans {
        let sitting: Vec<&Seat> = seats.iter().copied().filter(|seat| seat.plan == plan).collect();
        let same = open.iter().filter(|open| **open == plan).count();
        let rank = catalogue.rank(&plan);
        let higher = open.iter().filter(|open| catalogue.rank(open) > rank).count();
        // Of those who cannot keep the plan, the longest held move up, the latest move down.
        let moving = sitting.len().saturating_sub(same);
        let staying = sitting.into_iter().skip(moving.min(higher)).take(same);
        for seat in staying {
            if let Some(at) = open.iter().position(|open| *open == plan) {
                matched.insert(seat.id.clone(), open.remove(at));
            }
        }
    }
    let moving: Vec<&Seat> =
        seats.into_iter().filter(|seat| !matched.contains_key(&seat.id)).collect();
    matched.extend(moving.into_iter().map(|seat| seat.id.clone()).zip(open));
    matched
}
