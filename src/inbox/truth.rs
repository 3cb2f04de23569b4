//! Which event told of what Stripe says now, and when.
//!
//! What is fetched does not say since when it is so, and the rules ask for that: a downgrade at a
//! boundary counts from the boundary (R10), the days of grace from the first event that said
//! past_due, and every line keeps when Stripe says that its cause happened (R11). The events that
//! marked a subscription tell, of which only some are about what differs from what we know. Neither
//! their order nor how often they came makes a difference.

use super::apply::Telling;
use crate::store::StoredEvent;
use crate::stripe::envelope::{Content, Envelope};
use crate::stripe::snapshot::{Prices, Subscription};
use crate::stripe::topic::{Topic, topic};
use chrono::{DateTime, Utc};
use creditd_rules::calendar::Timeline;
use creditd_rules::command::{Snapshot, SnapshotItem, Source};
use creditd_rules::state::{self, Status};

/// What an event says of a subscription.
#[derive(Debug, Clone)]
pub(super) struct Said {
    id: String,
    created: DateTime<Utc>,
    status: Option<Status>,
    /// That it is over, whatever its last status is.
    is_over: bool,
    items: Option<Vec<SnapshotItem>>,
    dates: Option<Dates>,
}

/// What a subscription goes by beside its status and items: its timeline, and when it ends.
type Dates = (Timeline, Option<DateTime<Utc>>);

fn dates(snapshot: &Snapshot) -> Dates {
    (snapshot.timeline, snapshot.cancel_at)
}

/// What of a subscription is looked for in events.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sought {
    Status,
    Items,
    Dates,
}

impl Sought {
    /// What matters most of what differs from ours. Grace runs from the status; all else in one
    /// fetch counts from the change of items, which a boundary may claim.
    fn of(kinds: &[&str], falls_due: bool) -> Self {
        let differs = |wanted: &[&str]| kinds.iter().any(|kind| wanted.contains(kind));
        if falls_due {
            Self::Status
        } else if differs(&["item", "plan", "quantity"]) {
            Self::Items
        } else if differs(&["status"]) {
            Self::Status
        } else if differs(&["start", "anchor", "anchor_day", "cancel_at"]) {
            Self::Dates
        } else {
            Self::Items
        }
    }
}

/// When Stripe said what it says now.
#[derive(Debug)]
pub(super) struct Told {
    /// The event that first said it; none where none did.
    pub(super) first: Option<Telling>,
    /// When the latest event was made; at least `first`'s instant.
    pub(super) latest: Option<DateTime<Utc>>,
}

impl Said {
    /// What an event says; nothing but its time where that cannot be read.
    pub(super) fn read(stored: &StoredEvent, prices: &Prices) -> Self {
        let event = &stored.event;
        let created = event.created.unwrap_or(event.received_at);
        let id = event.id.clone();
        let mut said = Self { id, created, status: None, is_over: false, items: None, dates: None };
        let Ok(envelope) = Envelope::read(&event.body) else { return said };
        if !matches!(topic(&envelope.kind), Some(Topic::Subscription { .. })) {
            return said;
        }
        let word = envelope.kind.rsplit('.').next().unwrap_or_default();
        said.is_over = word == "deleted";
        match envelope.content {
            Content::Snapshot(object) => {
                let read = Subscription::read(object.get()).and_then(|subscription| {
                    // Cut ones would seem to have fewer items than they have.
                    let whole = !subscription.is_cut();
                    let read = subscription.snapshot(prices, None, created, Source::Fetched)?;
                    let dates = Some(dates(&read));
                    Ok((read.status, Some(read.items).filter(|_| whole), dates))
                });
                (said.status, said.items, said.dates) = read.unwrap_or_default();
            }
            // Thin events of new versions are named after what the subscription became.
            Content::Thin { .. } => said.status = Status::parse(word),
        }
        said
    }

    /// Whether it says what is so now; none where it says nothing of that.
    fn agrees(&self, snapshot: &Snapshot, sought: Sought) -> Option<bool> {
        match sought {
            Sought::Status if self.is_over => Some(snapshot.status.is_some_and(Status::is_final)),
            Sought::Status => self.status.map(|status| Some(status) == snapshot.status),
            Sought::Items => self.items.as_ref().map(|items| *items == snapshot.items),
            Sought::Dates => self.dates.map(|said| said == dates(snapshot)),
        }
    }
}

/// When `snapshot` was first said, by events after what `ours` was told from, from which it
/// differs in these kinds.
pub(super) fn told(
    mut said: Vec<Said>, snapshot: &Snapshot, ours: Option<&state::Subscription>, kinds: &[&str],
) -> Told {
    said.retain(|said| ours.is_none_or(|ours| said.created >= ours.told.created));
    said.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
    let was_past_due = ours.is_some_and(|ours| ours.status == Status::PastDue);
    let falls_due = snapshot.status == Some(Status::PastDue) && !was_past_due;
    let sought = Sought::of(kinds, falls_due);
    // From the latest backwards, as long as events agree with what is so now. Those of one second
    // are one fact: their ids say nothing of their order.
    let mut first = None;
    let mut silent: Vec<&Said> = Vec::new();
    for second in said.chunk_by(|a, b| a.created == b.created).rev() {
        let says = |wanted| {
            let mut those = second.iter();
            those.find(|said| said.agrees(snapshot, sought) == Some(wanted))
        };
        match (says(true), says(false)) {
            (Some(said), _) => first = Some(said),
            (None, Some(_)) => {
                // What was so in that second may have changed within it, where nothing later tells.
                let known = ours.is_some_and(|ours| second[0].created <= ours.told.created);
                if silent.is_empty() && !known {
                    let names = |said: &&Said| said.agrees(snapshot, sought).is_none();
                    silent.extend(second.iter().filter(names));
                }
                break;
            }
            // What is known was told up to then; one that comes again tells of nothing new.
            (None, None) if ours.is_some_and(|ours| second[0].created <= ours.told.created) => {}
            (None, None) => silent.extend(second.iter().rev()),
        }
    }
    // None says it in so many words: of those that only name it, payment failed with the first
    // one, and items changed with the last one at the latest.
    let hinting = if falls_due { silent.last() } else { silent.first() };
    let first = first.or(hinting.copied());
    let telling = |said: &Said| Telling { by: Some(said.id.clone()), at: Some(said.created) };
    Told { first: first.map(telling), latest: said.last().map(|said| said.created) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use creditd_rules::command::ItemPlan;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn items(plan: &str) -> Vec<SnapshotItem> {
        let plan = ItemPlan::Plan(plan.into());
        vec![SnapshotItem { id: "si_1".to_owned(), plan, quantity: 1 }]
    }

    fn says(seconds: i64, status: Option<Status>, plan: Option<&str>) -> Said {
        let (id, dates) = (format!("evt_{seconds}"), plan.map(|_| dates(&now(Status::Active, ""))));
        Said { id, created: at(seconds), status, is_over: false, items: plan.map(items), dates }
    }

    fn now(status: Status, plan: &str) -> Snapshot {
        Snapshot {
            subscription: "sub_1".into(),
            customer: "cus_1".into(),
            buyer: None,
            status: Some(status),
            items: items(plan),
            timeline: Timeline::new(at(0), at(0)),
            trial_end: None,
            cancel_at: None,
            created: at(100),
            source: Source::Fetched,
        }
    }

    #[track_caller]
    fn check(said: &[Said], snapshot: &Snapshot, kinds: &[&str], first: Option<i64>) {
        // In whatever order, and however often they came.
        let twice = [said, said].concat();
        let backwards: Vec<Said> = said.iter().rev().cloned().collect();
        for said in [said.to_vec(), backwards, twice] {
            let latest = said.iter().map(|said| said.created).max();
            let told = told(said, snapshot, None, kinds);
            let found = told.first.and_then(|first| first.at);
            assert_eq!(found, first.map(at));
            assert_eq!(told.latest, latest);
        }
    }

    const ACTIVE: Option<Status> = Some(Status::Active);
    const DUE: Option<Status> = Some(Status::PastDue);

    #[test]
    fn r10_a_change_of_plan_was_told_by_the_first_event_that_has_it() {
        let kinds = ["plan", "status"];
        let change = [says(1, ACTIVE, Some("pro")), says(2, ACTIVE, Some("starter"))];
        check(&change, &now(Status::Active, "starter"), &kinds, Some(2));
        let more = [change[0].clone(), change[1].clone(), says(3, ACTIVE, Some("starter"))];
        check(&more, &now(Status::Active, "starter"), &kinds, Some(2));
        check(&change, &now(Status::Active, "elite"), &kinds, None);
        check(&[], &now(Status::Active, "pro"), &kinds, None);
        let invoice = [change[0].clone(), says(4, None, None), says(5, None, None)];
        check(&invoice, &now(Status::Active, "starter"), &kinds, Some(5));
    }

    #[test]
    fn r11_grace_runs_from_the_first_event_that_said_past_due_since_it_was_paid() {
        let history = [
            says(1, DUE, Some("pro")),
            says(2, ACTIVE, Some("pro")),
            says(3, DUE, Some("pro")),
            says(4, DUE, Some("starter")),
            says(5, None, None),
        ];
        let kinds = ["status"];
        check(&history, &now(Status::PastDue, "starter"), &kinds, Some(3));
        check(&history[4..], &now(Status::PastDue, "pro"), &kinds, Some(5));
        let silent = [says(4, None, None), says(6, None, None)];
        check(&silent, &now(Status::PastDue, "pro"), &kinds, Some(4));
        check(&history[..2], &now(Status::PastDue, "pro"), &kinds, None);
    }

    #[test]
    fn r11_an_end_was_told_by_the_event_that_says_so_not_by_an_older_one_of_the_same_items() {
        let over = Said { is_over: true, ..says(2, Some(Status::Canceled), Some("pro")) };
        let thin = Said { is_over: true, ..says(2, None, None) };
        for end in [over, thin] {
            let history = [says(1, ACTIVE, Some("pro")), end];
            check(&history, &now(Status::Canceled, "pro"), &["status"], Some(2));
        }
    }

    #[test]
    fn r11_of_two_events_of_one_second_either_tells_whatever_their_ids() {
        for ids in [["evt_a", "evt_b"], ["evt_b", "evt_a"]] {
            let [active, due] = ids;
            let active = Said { id: active.to_owned(), ..says(2, ACTIVE, Some("pro")) };
            let due = Said { id: due.to_owned(), ..says(2, DUE, Some("pro")) };
            let history = [says(1, ACTIVE, Some("pro")), active, due];
            check(&history, &now(Status::PastDue, "pro"), &["status"], Some(2));
        }
    }

    #[test]
    fn r11_what_only_names_it_tells_of_a_second_in_which_it_was_still_as_before() {
        let history = [says(1, ACTIVE, Some("pro")), says(2, ACTIVE, Some("pro"))];
        let silent = Said { id: String::from("evt_thin"), ..says(2, None, None) };
        let due = now(Status::PastDue, "pro");
        check(&history, &due, &["status"], None);
        let same = std::slice::from_ref(&silent);
        check(&[&history[..], same].concat(), &due, &["status"], Some(2));
        let later = [&history[..], &[silent, says(3, None, None)]].concat();
        check(&later, &due, &["status"], Some(3));
    }

    #[test]
    fn r4_a_moved_anchor_was_told_by_the_first_event_that_has_it() {
        let moved = |seconds| {
            let dates = Some((Timeline::new(at(0), at(9)), None));
            Said { dates, ..says(seconds, ACTIVE, Some("pro")) }
        };
        let history = [says(1, ACTIVE, Some("pro")), moved(2), moved(3)];
        let mut snapshot = now(Status::Active, "pro");
        snapshot.timeline = Timeline::new(at(0), at(9));
        check(&history, &snapshot, &["anchor", "anchor_day"], Some(2));
        check(&history[..2], &now(Status::Active, "pro"), &["anchor"], None);
    }
}
