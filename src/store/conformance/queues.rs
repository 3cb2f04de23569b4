//! The inbox and the outbox.

use super::sample::{at, change, commit, make, team, uc};
use crate::clock;
use crate::store::{
    Depths, EventState, MailOutcome, MailState, NewEvent, PageQuery, Promised, Store, StoredMail,
};
use crate::traces::Traceparent;
use chrono::TimeDelta;
use creditd_rules::Kind;
use creditd_rules::command::{Alert, Mail, MailTemplate, Touch};

pub(super) fn event(id: &str, state: EventState) -> NewEvent {
    NewEvent {
        id: id.to_owned(),
        kind: "invoice.paid".to_owned(),
        created: Some(at(1)),
        api_version: Some("2026-10-01".to_owned()),
        livemode: Some(true),
        state,
        note: (state != EventState::Pending).then(|| "why".to_owned()),
        body: vec![0, 159, 146, 150],
        received_at: at(2),
        trace: Some(trace()),
    }
}

/// A trace, to be found again beside what was traced.
fn trace() -> Traceparent {
    let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    Traceparent::parse(text).unwrap()
}

pub(super) fn mail(account: &str) -> Mail {
    Mail {
        template: MailTemplate::RunOut,
        account: account.into(),
        to: format!("{account}@example.com"),
        name: Some("Ada".to_owned()),
        locale: Some("de".to_owned()),
        kind: Kind::Integration,
        spendable: uc(1),
        allowance: uc(2),
        resets_at: Some(at(3)),
    }
}

fn page(limit: u32, cursor: Option<String>) -> PageQuery {
    PageQuery { limit, cursor }
}

async fn pending(store: &dyn Store) -> Vec<String> {
    let events = store.pending_events(10).await.unwrap();
    events.into_iter().map(|stored| stored.event.id).collect()
}

pub(super) async fn an_event_is_kept_once_in_order_of_arrival(store: &dyn Store) {
    let pending_event = |id| event(id, EventState::Pending);
    let first = [pending_event("b"), event("i", EventState::Ignored), pending_event("a")];
    assert_eq!(store.keep_events(&first).await.unwrap(), [true, true, true]);
    let second = [pending_event("a"), pending_event("c"), pending_event("c")];
    assert_eq!(store.keep_events(&second).await.unwrap(), [false, true, false]);
    assert_eq!(pending(store).await, ["b", "a", "c"]);
    let kept = store.event("b").await.unwrap().unwrap();
    assert_eq!(kept.event, pending_event("b"));
    assert_eq!((kept.attempts, kept.waits_for, kept.handled_at), (0, None, None));
    let ignored = store.event("i").await.unwrap().unwrap();
    assert_eq!(ignored.handled_at, Some(at(2)));
    assert_eq!(store.event("x").await.unwrap(), None);
    let bare = NewEvent {
        created: None,
        api_version: None,
        livemode: None,
        trace: None,
        ..pending_event("d")
    };
    store.keep_events(std::slice::from_ref(&bare)).await.unwrap();
    assert_eq!(store.event("d").await.unwrap().unwrap().event, bare);
}

pub(super) async fn events_are_marked_released_and_listed(store: &dyn Store) {
    let events = ["a", "b", "c"].map(|id| event(id, EventState::Pending));
    store.keep_events(&events).await.unwrap();
    store.mark_event("a", EventState::Done, None, None).await.unwrap();
    let waits = Some("customer:cus");
    store.mark_event("b", EventState::Waiting, Some("unknown"), waits).await.unwrap();
    assert_eq!(pending(store).await, ["c"]);
    let waiting = store.event("b").await.unwrap().unwrap();
    assert_eq!(waiting.waits_for.as_deref(), waits);
    assert_eq!((waiting.attempts, waiting.event.note.as_deref()), (1, Some("unknown")));
    assert!(waiting.handled_at.is_some());
    assert_eq!(store.release_events("customer:other").await.unwrap(), 0);
    assert_eq!(store.release_events("customer:cus").await.unwrap(), 1);
    assert_eq!(pending(store).await, ["b", "c"]);

    let first = store.events(None, &page(2, None)).await.unwrap();
    let ids = |rows: Vec<crate::store::StoredEvent>| -> Vec<String> {
        rows.into_iter().map(|row| row.event.id).collect()
    };
    assert!(first.next.is_some());
    assert_eq!(ids(first.rows), ["c", "b"]);
    let second = store.events(None, &page(2, first.next)).await.unwrap();
    assert_eq!((ids(second.rows), second.next), (vec!["a".to_owned()], None));
    let done = store.events(Some(EventState::Done), &page(2, None)).await.unwrap();
    assert_eq!(ids(done.rows), ["a"]);
}

pub(super) async fn the_queues_tell_how_full_they_are(store: &dyn Store) {
    let depths = store.depths().await.unwrap();
    assert!(depths.inbox.values().chain(depths.outbox.values()).all(|count| *count == 0));
    let mut events = vec![event("p2", EventState::Pending), event("p1", EventState::Pending)];
    events.extend([event("k", EventState::Parked), event("i", EventState::Ignored)]);
    store.keep_events(&events).await.unwrap();
    store.mark_event("p1", EventState::Waiting, None, Some("account:a")).await.unwrap();
    promise(store, vec![mail("ada"), mail("bob")]).await;
    let Depths { inbox, inbox_oldest, outbox, outbox_oldest, .. } = store.depths().await.unwrap();
    assert_eq!(inbox, [("parked", 1), ("pending", 1), ("waiting", 1)].into());
    assert_eq!(outbox, [("parked", 0), ("queued", 2)].into());
    assert_eq!((inbox_oldest, outbox_oldest), (Some(at(2)), Some(at(1_000))));
}

pub(super) async fn promise(store: &dyn Store, mails: Vec<Mail>) {
    make(store, &team("w")).await;
    let promised = commit(store, "w", Touch::default(), |before, _| {
        let mut change = change(before, |_| ());
        change.mails =
            mails.into_iter().map(|mail| Promised { mail, trace: Some(trace()) }).collect();
        change.alerts = vec![Alert {
            code: "anchor_moved",
            subject: "sub".to_owned(),
            detail: "a \"word\"".to_owned(),
        }];
        change
    });
    promised.await.unwrap();
}

async fn one(store: &dyn Store, state: MailState) -> StoredMail {
    let mut page = store.mails(Some(state), &page(10, None)).await.unwrap();
    assert_eq!(page.rows.len(), 1, "{state:?}");
    page.rows.remove(0)
}

pub(super) async fn a_mail_is_claimed_by_one_and_sent(store: &dyn Store) {
    assert_eq!(store.next_mail_at().await.unwrap(), None);
    promise(store, vec![mail("ada")]).await;
    let due_at = store.next_mail_at().await.unwrap().unwrap();
    let before = due_at - TimeDelta::seconds(1);
    let lease = due_at + TimeDelta::minutes(1);
    assert_eq!(store.claim_mails(before, lease, 10).await.unwrap(), []);
    let claimed = store.claim_mails(due_at, lease, 10).await.unwrap();
    assert_eq!(claimed.len(), 1);
    assert_eq!((&claimed[0].mail, claimed[0].trace), (&mail("ada"), Some(trace())));
    assert_eq!((claimed[0].workspace.as_str(), claimed[0].created_at), ("w", at(1_000)));
    assert_eq!((claimed[0].attempts, claimed[0].state), (0, MailState::Queued));
    assert_eq!(store.claim_mails(due_at, lease, 10).await.unwrap(), [], "leased");
    assert_eq!(store.next_mail_at().await.unwrap(), Some(lease));
    let again = store.claim_mails(lease, lease + TimeDelta::minutes(1), 10).await.unwrap();
    assert_eq!(again[0].id, claimed[0].id, "whoever claimed it is gone");
    store.mark_mail(&claimed[0].id, &MailOutcome::Sent, due_at).await.unwrap();
    let sent = one(store, MailState::Sent).await;
    assert_eq!((sent.sent_at, sent.attempts), (Some(due_at), 1));
    assert_eq!(store.next_mail_at().await.unwrap(), None);
}

pub(super) async fn a_mail_is_tried_again_parked_and_retried(store: &dyn Store) {
    promise(store, vec![mail("ada")]).await;
    let now = store.next_mail_at().await.unwrap().unwrap();
    let later = now + TimeDelta::hours(1);
    let id = one(store, MailState::Queued).await.id;
    let retry = MailOutcome::Retry { next_attempt_at: later, error: "451".to_owned() };
    store.mark_mail(&id, &retry, now).await.unwrap();
    assert_eq!(store.next_mail_at().await.unwrap(), Some(later));
    let queued = one(store, MailState::Queued).await;
    assert_eq!((queued.attempts, queued.last_error.as_deref()), (1, Some("451")));
    assert!(!store.retry_mail(&id, now).await.unwrap(), "it is not parked");
    store.mark_mail(&id, &MailOutcome::Park { error: "550".to_owned() }, now).await.unwrap();
    let parked = one(store, MailState::Parked).await;
    assert_eq!((parked.attempts, parked.last_error.as_deref()), (2, Some("550")));
    assert_eq!(store.next_mail_at().await.unwrap(), None);
    assert!(store.retry_mail(&id, now).await.unwrap());
    assert!(!store.retry_mail("x", now).await.unwrap());
    assert_eq!(store.next_mail_at().await.unwrap(), Some(now));
}

pub(super) async fn r19_a_closed_account_gets_no_mail_and_is_erased(store: &dyn Store) {
    promise(store, vec![mail("ada"), mail("ada"), mail("bob")]).await;
    let now = clock::wall();
    let claimed = store.claim_mails(now, now, 1).await.unwrap();
    store.mark_mail(&claimed[0].id, &MailOutcome::Sent, now).await.unwrap();
    let closed = commit(store, "w", Touch::default(), |before, _| {
        let mut change = change(before, |_| ());
        change.erased = vec!["ada".into()];
        change
    });
    closed.await.unwrap();
    for state in [MailState::Sent, MailState::Dropped] {
        let erased = one(store, state).await.mail;
        assert_eq!((erased.to.as_str(), erased.name, erased.locale), ("", None, None));
    }
    let left = one(store, MailState::Queued).await;
    assert_eq!(left.mail, mail("bob"));
    let dropped = one(store, MailState::Dropped).await;
    let retry = MailOutcome::Retry { next_attempt_at: now, error: "451".to_owned() };
    store.mark_mail(&dropped.id, &retry, now).await.unwrap();
    assert_eq!(one(store, MailState::Dropped).await.attempts, 0, "it stays dropped");
}

pub(super) async fn mails_are_listed_newest_first(store: &dyn Store) {
    promise(store, vec![mail("ada"), mail("bob"), mail("eve")]).await;
    let mut rows = Vec::new();
    let mut cursor = None;
    loop {
        let found = store.mails(None, &page(2, cursor)).await.unwrap();
        rows.extend(found.rows);
        cursor = found.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(rows.len(), 3);
    assert!(rows.is_sorted_by(|a, b| a.id > b.id));
}

pub(super) async fn what_was_handled_long_ago_is_forgotten(store: &dyn Store) {
    let events = ["done", "open"].map(|id| event(id, EventState::Pending));
    store.keep_events(&events).await.unwrap();
    store.mark_event("done", EventState::Done, None, None).await.unwrap();
    promise(store, vec![mail("ada"), mail("bob")]).await;
    let now = clock::wall();
    let claimed = store.claim_mails(now, now, 1).await.unwrap();
    store.mark_mail(&claimed[0].id, &MailOutcome::Sent, now).await.unwrap();
    let day = TimeDelta::days(1);
    assert_eq!(store.prune(now - day, now - day).await.unwrap(), 0);
    assert_eq!(store.prune(now - day, now + day).await.unwrap(), 2);
    assert_eq!(pending(store).await, ["open"]);
    assert_eq!(store.mails(None, &page(10, None)).await.unwrap().rows.len(), 1);
}
