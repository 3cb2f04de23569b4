//! Rows of subscriptions and seats.

use super::people::{AllowanceRow, cycle, from_json, json};
use super::{Corrupt, Flag, Json, Text, count, instant, maybe_instant, row, us};
use creditd_rules::calendar::Timeline;
use creditd_rules::plan::PerKind;
use creditd_rules::state::{
    AnchorMove, Item, Seat, SeatStatus, Status, Subscription, Told, Trial, Workspace,
};
use creditd_rules::{Instant, Kind};

/// The plans that are held, for every engine. Steps through two indexes from plan to plan, however
/// many seats there are.
pub(in crate::store) const HELD_PLANS: &str = "
    WITH RECURSIVE
        had (plan) AS (
            SELECT min(plan) FROM seat WHERE status <> 'ended'
            UNION ALL
            SELECT (SELECT min(seat.plan) FROM seat
                WHERE status <> 'ended' AND seat.plan > had.plan)
            FROM had WHERE plan IS NOT NULL),
        coming (plan) AS (
            SELECT min(next_plan) FROM seat WHERE next_plan IS NOT NULL
            UNION ALL
            SELECT (SELECT min(next_plan) FROM seat
                WHERE next_plan IS NOT NULL AND next_plan > coming.plan)
            FROM coming WHERE plan IS NOT NULL)
    SELECT plan FROM had WHERE plan IS NOT NULL
    UNION
    SELECT plan FROM coming WHERE plan IS NOT NULL
    ORDER BY plan";

row! {
    /// A subscription.
    pub(super) struct SubscriptionRow<'a> {
        id: Text<'a>,
        workspace: Text<'a>,
        customer: Text<'a>,
        buyer: Option<Text<'a>>,
        status: Text<'a>,
        items: Json<'a>,
        start_us: i64,
        anchor_us: i64,
        anchor_day: u32,
        past_due_since_us: Option<i64>,
        cancel_at_us: Option<i64>,
        places_made: u32,
        begun: Flag,
        trial: Text<'a>,
        anchor_full_at_us: Option<i64>,
        anchor_move: Option<Json<'a>>,
        announced: Option<Json<'a>>,
        told_created_us: i64,
        told_rank: u8,
        ended_at_us: Option<i64>,
    }
}

impl<'a> SubscriptionRow<'a> {
    pub(in crate::store) fn of(workspace: &'a Workspace, subscription: &'a Subscription) -> Self {
        let Subscription {
            id,
            customer,
            buyer,
            status,
            items,
            timeline: Timeline { start, anchor, day },
            past_due_since,
            cancel_at,
            places_made,
            begun,
            trial,
            anchor_full_at,
            anchor_move,
            announced,
            told: Told { created, rank },
            ended_at,
        } = subscription;
        Self {
            id: id.as_str().into(),
            workspace: workspace.id.as_str().into(),
            customer: customer.as_str().into(),
            buyer: buyer.as_ref().map(|buyer| buyer.as_str().into()),
            status: status.as_str().into(),
            items: json(Some(items)).unwrap_or(Json("[]".into())),
            start_us: us(*start),
            anchor_us: us(*anchor),
            anchor_day: *day,
            past_due_since_us: past_due_since.map(us),
            cancel_at_us: cancel_at.map(us),
            places_made: *places_made,
            begun: Flag(*begun),
            trial: trial_text(*trial).into(),
            anchor_full_at_us: anchor_full_at.map(us),
            anchor_move: json(anchor_move.as_ref()),
            announced: json(announced.as_ref()),
            told_created_us: us(*created),
            told_rank: *rank,
            ended_at_us: ended_at.map(us),
        }
    }

    pub(in crate::store) fn read(self) -> Result<Subscription, Corrupt> {
        let items: Option<Vec<Item>> = from_json("a subscription's items", Some(&self.items))?;
        let announced: Option<(Instant, Vec<Item>)> =
            from_json("announced items", self.announced.as_ref())?;
        let anchor_move: Option<AnchorMove> =
            from_json("a change of anchor", self.anchor_move.as_ref())?;
        Ok(Subscription {
            id: self.id.as_str().into(),
            customer: self.customer.as_str().into(),
            buyer: self.buyer.map(|buyer| buyer.as_str().into()),
            status: Status::parse(self.status.as_str())
                .ok_or_else(|| Corrupt::new("a subscription's status", self.status.as_str()))?,
            items: items.unwrap_or_default(),
            timeline: timeline(self.start_us, self.anchor_us, self.anchor_day)?,
            past_due_since: maybe_instant(self.past_due_since_us)?,
            cancel_at: maybe_instant(self.cancel_at_us)?,
            places_made: self.places_made,
            begun: self.begun.0,
            trial: trial(self.trial.as_str())?,
            anchor_full_at: maybe_instant(self.anchor_full_at_us)?,
            anchor_move,
            announced,
            told: Told { created: instant(self.told_created_us)?, rank: self.told_rank },
            ended_at: maybe_instant(self.ended_at_us)?,
        })
    }
}

row! {
    /// A seat.
    pub(super) struct SeatRow<'a> {
        id: Text<'a>,
        workspace: Text<'a>,
        subscription: Text<'a>,
        place: i64,
        plan: Text<'a>,
        next_plan: Option<Text<'a>>,
        announced_at_us: Option<i64>,
        announced_plan: Option<Text<'a>>,
        holder: Option<Text<'a>>,
        assigned_at_us: Option<i64>,
        status: Text<'a>,
        start_us: i64,
        anchor_us: i64,
        anchor_day: u32,
        cycle_start_us: Option<i64>,
        cycle_end_us: Option<i64>,
        carries_used: Flag,
        begins_at_us: Option<i64>,
        grace_ends_at_us: Option<i64>,
        cancels_at_us: Option<i64>,
        ends_at_us: Option<i64>,
        due_at_us: Option<i64>,
        ;
        message: AllowanceRow,
        integration: AllowanceRow,
    }
}

impl<'a> SeatRow<'a> {
    pub(in crate::store) fn of(workspace: &'a Workspace, seat: &'a Seat) -> Self {
        let Seat {
            id,
            subscription,
            place,
            plan,
            next_plan,
            announced,
            holder,
            assigned_at,
            status,
            timeline: Timeline { start, anchor, day },
            cycle,
            carries_used,
            begins_at,
            grace_ends_at,
            cancels_at,
            ends_at,
            allowances,
        } = seat;
        Self {
            id: id.as_str().into(),
            workspace: workspace.id.as_str().into(),
            subscription: subscription.as_str().into(),
            place: i64::from(*place),
            plan: plan.as_str().into(),
            next_plan: next_plan.as_ref().map(|plan| plan.as_str().into()),
            announced_at_us: announced.as_ref().map(|(boundary, _)| us(*boundary)),
            announced_plan: announced.as_ref().map(|(_, plan)| plan.as_str().into()),
            holder: holder.as_ref().map(|holder| holder.as_str().into()),
            assigned_at_us: assigned_at.map(us),
            status: status.as_str().into(),
            start_us: us(*start),
            anchor_us: us(*anchor),
            anchor_day: *day,
            cycle_start_us: cycle.map(|cycle| us(cycle.start)),
            cycle_end_us: cycle.map(|cycle| us(cycle.end)),
            carries_used: Flag(*carries_used),
            begins_at_us: begins_at.map(us),
            grace_ends_at_us: grace_ends_at.map(us),
            cancels_at_us: cancels_at.map(us),
            ends_at_us: ends_at.map(us),
            due_at_us: seat.due_at().map(us),
            message: AllowanceRow::of(&allowances[Kind::Message]),
            integration: AllowanceRow::of(&allowances[Kind::Integration]),
        }
    }

    pub(in crate::store) fn read(self) -> Result<Seat, Corrupt> {
        Ok(Seat {
            id: self.id.as_str().into(),
            subscription: self.subscription.as_str().into(),
            place: count("a seat's place", self.place)?,
            plan: self.plan.as_str().into(),
            next_plan: self.next_plan.map(|plan| plan.as_str().into()),
            announced: maybe_instant(self.announced_at_us)?
                .zip(self.announced_plan.map(|plan| plan.as_str().into())),
            holder: self.holder.map(|holder| holder.as_str().into()),
            assigned_at: maybe_instant(self.assigned_at_us)?,
            status: seat_status(self.status.as_str())?,
            timeline: timeline(self.start_us, self.anchor_us, self.anchor_day)?,
            cycle: cycle(self.cycle_start_us, self.cycle_end_us)?,
            carries_used: self.carries_used.0,
            begins_at: maybe_instant(self.begins_at_us)?,
            grace_ends_at: maybe_instant(self.grace_ends_at_us)?,
            cancels_at: maybe_instant(self.cancels_at_us)?,
            ends_at: maybe_instant(self.ends_at_us)?,
            allowances: PerKind {
                message: self.message.read()?,
                integration: self.integration.read()?,
            },
        })
    }
}

fn timeline(start_us: i64, anchor_us: i64, day: u32) -> Result<Timeline, Corrupt> {
    Ok(Timeline { start: instant(start_us)?, anchor: instant(anchor_us)?, day })
}

fn seat_status(text: &str) -> Result<SeatStatus, Corrupt> {
    [SeatStatus::Active, SeatStatus::Suspended, SeatStatus::Ended]
        .into_iter()
        .find(|status| status.as_str() == text)
        .ok_or_else(|| Corrupt::new("a seat's status", text))
}

const fn trial_text(trial: Trial) -> &'static str {
    match trial {
        Trial::None => "none",
        Trial::Running => "running",
        Trial::Over => "over",
    }
}

fn trial(text: &str) -> Result<Trial, Corrupt> {
    [Trial::None, Trial::Running, Trial::Over]
        .into_iter()
        .find(|trial| trial_text(*trial) == text)
        .ok_or_else(|| Corrupt::new("a trial", text))
}
