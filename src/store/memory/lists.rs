//! Lists, and what falls due.

use super::Kept;
use crate::store::{Due, LedgerQuery, Line, Page, PageQuery};
use creditd_rules::Instant;
use creditd_rules::entry::{Pot, Reason};
use creditd_rules::id::{AccountId, PlanId, WorkspaceId};
use creditd_rules::state::{RewardStatus, SeatStatus};
use creditd_rules::view::{AccountView, GrantView, RewardView, SeatView};
use std::collections::BTreeSet;

/// The page after the row with the cursor's key, of rows in order; every key is unique.
pub(super) fn page<T>(
    rows: impl IntoIterator<Item = T>, asked: &PageQuery, key: impl Fn(&T) -> String,
) -> Page<T> {
    let mut rows: Vec<T> = rows.into_iter().collect();
    if let Some(cursor) = &asked.cursor {
        let seen = rows.iter().position(|row| key(row) == *cursor).map_or(rows.len(), |at| at + 1);
        rows.drain(..seen);
    }
    let limit = asked.limit as usize;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(key);
    Page { rows, next }
}

impl Kept {
    pub(super) fn ledger(&self, workspace: &WorkspaceId, query: &LedgerQuery) -> Vec<Line> {
        let LedgerQuery { account, seat, kind, from, to, before_seq, without_uses, limit } = query;
        let lines = self.lines.get(workspace).into_iter().flatten().rev();
        lines
            .filter(|line| account.is_none() || line.entry.account == *account)
            .filter(|line| {
                let pot = seat.clone().map(Pot::Seat);
                pot.is_none() || line.entry.pot == pot
            })
            .filter(|line| kind.is_none_or(|kind| line.entry.kind == kind))
            .filter(|line| from.is_none_or(|from| line.entry.effective_at >= from))
            .filter(|line| to.is_none_or(|to| line.entry.effective_at < to))
            .filter(|line| before_seq.is_none_or(|before| line.seq.is_some_and(|n| n < before)))
            .filter(|line| !without_uses || line.entry.reason != Reason::Use)
            .take(*limit as usize)
            .map(|line| Line::clone(line))
            .collect()
    }

    pub(super) fn accounts(
        &self, workspace: Option<&WorkspaceId>, asked: &PageQuery,
    ) -> Page<AccountView> {
        let mut views: Vec<AccountView> = self
            .workspaces
            .values()
            .filter(|whole| workspace.is_none_or(|id| whole.id == *id))
            .flat_map(|whole| whole.accounts.values().map(|id| AccountView::of(whole, id)))
            .collect();
        views.sort_by(|a, b| a.id.cmp(&b.id));
        page(views, asked, |view| view.id.as_str().to_owned())
    }

    pub(super) fn seats(
        &self, workspace: &WorkspaceId, status: Option<SeatStatus>, asked: &PageQuery,
    ) -> Page<SeatView> {
        let seats = self.workspaces.get(workspace).into_iter().flat_map(|whole| {
            whole.seats.values().filter(|seat| match status {
                Some(status) => seat.status == status,
                None => seat.is_live(),
            })
        });
        page(seats.map(SeatView::of), asked, |view| view.id.as_str().to_owned())
    }

    pub(super) fn held_plans(&self) -> Vec<PlanId> {
        let seats = self.workspaces.values().flat_map(|whole| whole.seats.values());
        let live = seats.filter(|seat| seat.is_live());
        let plans = live.flat_map(|seat| [Some(&seat.plan), seat.next_plan.as_ref()]);
        plans.flatten().cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }

    pub(super) fn grants(&self, account: &AccountId, asked: &PageQuery) -> Page<GrantView> {
        let mut grants: Vec<_> = self
            .workspaces
            .values()
            .flat_map(|whole| whole.grants.values())
            .filter(|grant| grant.account == *account)
            .collect();
        grants.sort_by_key(|grant| std::cmp::Reverse((grant.created_at, grant.id.clone())));
        page(grants.into_iter().map(GrantView::of), asked, |view| {
            format!("{}.{}", view.created_at.timestamp_micros(), view.id)
        })
    }

    pub(super) fn rewards(
        &self, status: Option<RewardStatus>, asked: &PageQuery,
    ) -> Page<RewardView> {
        let mut views: Vec<RewardView> = self
            .workspaces
            .values()
            .flat_map(|whole| whole.rewards.values())
            .filter(|reward| status.is_none_or(|status| reward.status == status))
            .map(RewardView::of)
            .collect();
        views.sort_by(|a, b| a.id.cmp(&b.id));
        page(views, asked, |view| view.id.as_str().to_owned())
    }

    /// All that ever falls due as things stand, earliest first.
    pub(super) fn due(&self) -> Vec<(Instant, Due)> {
        let mut due = Vec::new();
        for whole in self.workspaces.values() {
            for seat in whole.seats.values() {
                if let Some(at) = seat.due_at() {
                    due.push((at, Due::Seat(whole.id.clone(), seat.id.clone(), at)));
                }
            }
            for grant in whole.grants.values().filter(|grant| !grant.ended) {
                if let Some(at) = grant.expires_at {
                    due.push((at, Due::Grant(whole.id.clone(), grant.account.clone(), at)));
                }
            }
        }
        due.sort_by_key(|(at, _)| *at);
        due
    }
}
