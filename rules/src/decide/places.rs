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

/// How many places of each plan there are, highest rank first.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(BTreeMap<(Reverse<u32>, PlanId), u32>);

impl Places {
    /// The places that `items` buy.
    pub(super) fn of(items: &[Item], catalogue: &Catalogue) -> Self {
        let mut places = Self::default();
        for item in items {
            let count = places.0.entry(key(&item.plan, catalogue)).or_default();
            *count = count.saturating_add(item.quantity);
        }
        places
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        let counts = self.0.values().map(|count| usize::try_from(*count).unwrap_or(usize::MAX));
        counts.fold(0, usize::saturating_add)
    }

    /// Whether there are places for all these plans at once.
    pub(super) fn hold<'a>(
        &self, plans: impl Iterator<Item = &'a PlanId>, catalogue: &Catalogue,
    ) -> bool {
        let mut named = Self::default();
        for plan in plans {
            let count = named.0.entry(key(plan, catalogue)).or_default();
            *count = count.saturating_add(1);
        }
        named.0.iter().all(|(plan, count)| self.0.get(plan).is_some_and(|open| count <= open))
    }

    /// Takes one place of a plan, if there is one.
    pub(super) fn take(&mut self, plan: &PlanId, catalogue: &Catalogue) {
        if let Some(count) = self.0.get_mut(&key(plan, catalogue)) {
            *count = count.saturating_sub(1);
        }
    }

    /// The plan of every place, highest rank first.
    pub(super) fn plans(&self) -> impl Iterator<Item = &PlanId> {
        self.0.iter().flat_map(|((_, plan), count)| {
            core::iter::repeat_n(plan, usize::try_from(*count).unwrap_or(usize::MAX))
        })
    }

    /// How many places of one plan there are, and of higher ones.
    fn same_and_higher(&self, plan: &PlanId, catalogue: &Catalogue) -> (usize, usize) {
        let key = key(plan, catalogue);
        let mut same_and_higher = (0_usize, 0_usize);
        for ((rank, other), count) in &self.0 {
            let count = usize::try_from(*count).unwrap_or(usize::MAX);
            if other == plan {
                same_and_higher.0 = count;
            } else if *rank < key.0 {
                same_and_higher.1 = same_and_higher.1.saturating_add(count);
            }
        }
        same_and_higher
    }
}

fn key(plan: &PlanId, catalogue: &Catalogue) -> (Reverse<u32>, PlanId) {
    (Reverse(catalogue.rank(plan)), plan.clone())
}

/// Longest held first; vacant ones last, lowest place first.
pub(super) fn by_tenure(seats: &mut [&Seat]) {
    seats.sort_by_key(|seat| (seat.assigned_at.is_none(), seat.assigned_at, seat.place));
}

/// The plan that a seat has.
pub(super) const fn has(seat: &Seat) -> &PlanId {
    &seat.plan
}

/// The plan that a seat has after its next boundary.
pub(super) fn heads_for(seat: &Seat) -> &PlanId {
    seat.next_plan.as_ref().unwrap_or(&seat.plan)
}

/// The place of each seat: the plan `of` it where there is one, else, the longest held first, the
/// highest rank that is left. Seats beyond the places get none.
pub(super) fn matched(
    seats: &[&Seat], wanted: &Places, catalogue: &Catalogue, of: fn(&Seat) -> &PlanId,
) -> BTreeMap<SeatId, PlanId> {
    let mut seats: Vec<&Seat> = seats.to_vec();
    by_tenure(&mut seats);
    let mut sitting: BTreeMap<(Reverse<u32>, PlanId), Vec<&Seat>> = BTreeMap::new();
    for seat in &seats {
        sitting.entry(key(of(seat), catalogue)).or_default().push(seat);
    }
    let mut open = wanted.clone();
    let mut matched = BTreeMap::new();
    for ((_, plan), sitting) in sitting {
        let (same, higher) = open.same_and_higher(&plan, catalogue);
        // Of those who cannot keep the plan, the longest held move up, the latest move down.
        let moving = sitting.len().saturating_sub(same);
        for seat in sitting.into_iter().skip(moving.min(higher)).take(same) {
            open.take(&plan, catalogue);
            matched.insert(seat.id.clone(), plan.clone());
        }
    }
    let moving: Vec<&Seat> =
        seats.into_iter().filter(|seat| !matched.contains_key(&seat.id)).collect();
    matched.extend(moving.into_iter().map(|seat| seat.id.clone()).zip(open.plans().cloned()));
    matched
}
