//! The ledger, and whether the books are found to be right or wrong.

use super::sample::{
    at, change, commit, edit, entry, free_entry, make, plain_account, plain_seat, subscription,
    team, uc, whole,
};
use crate::store::{LedgerQuery, Line, Store, StoreError};
use creditd_rules::command::Touch;
use creditd_rules::entry::{Entry, Pot, Reason};
use creditd_rules::plan::PerKind;
use creditd_rules::{Amount, Kind, Workspace};

fn all() -> LedgerQuery {
    LedgerQuery { limit: 100, ..LedgerQuery::default() }
}

/// Appends lines as a decision would: numbered on from what the workspace has.
async fn append(store: &dyn Store, workspace: &str, lines: Vec<Entry>) {
    let appended = commit(store, workspace, whole(), |before, _| {
        let mut change = change(before, |w| w.next_seq += lines.len() as u64);
        change.entries = lines;
        change
    });
    appended.await.unwrap();
}

async fn seqs(store: &dyn Store, query: LedgerQuery) -> Vec<u64> {
    let lines = store.ledger(&"w".into(), &query).await.unwrap();
    lines.into_iter().map(|line| line.seq.unwrap()).collect()
}

pub(super) async fn lines_are_read_back_newest_first(store: &dyn Store) {
    make(store, &team("w")).await;
    let bare = Entry {
        pot: None,
        account: None,
        use_id: None,
        kind: Kind::Integration,
        amount: Amount::ZERO,
        pot_after: None,
        reason: Reason::Use,
        cycle_started_at: None,
        effective_at: at(5),
        actor: None,
        app: None,
        action: None,
        price: None,
        cause: None,
        cause_at: None,
    };
    append(store, "w", vec![entry("s1", Some("ada"), -3), bare.clone()]).await;
    append(store, "w", vec![free_entry("bob", 4)]).await;
    let line = |seq, entry| Line { seq: Some(seq), posted_at: Some(at(1_000)), entry };
    let expected =
        [line(3, free_entry("bob", 4)), line(2, bare), line(1, entry("s1", Some("ada"), -3))];
    assert_eq!(store.ledger(&"w".into(), &all()).await.unwrap(), expected);
    assert_eq!(store.ledger(&"other".into(), &all()).await.unwrap(), []);
}

pub(super) async fn every_reason_and_pot_is_read_back(store: &dyn Store) {
    make(store, &team("w")).await;
    let lines: Vec<Entry> = Reason::ALL
        .into_iter()
        .map(|reason| Entry {
            reason,
            pot: Some(Pot::Grant("g1".into())),
            ..entry("s1", Some("ada"), 1)
        })
        .collect();
    append(store, "w", lines.clone()).await;
    let found = store.ledger(&"w".into(), &all()).await.unwrap();
    let found: Vec<Entry> = found.into_iter().rev().map(|line| line.entry).collect();
    assert_eq!(found, lines);
    let query = LedgerQuery { without_uses: true, limit: 9, ..all() };
    let found = store.ledger(&"w".into(), &query).await.unwrap();
    let found: Vec<Reason> = found.into_iter().rev().map(|line| line.entry.reason).collect();
    let others = Reason::ALL.into_iter().filter(|reason| *reason != Reason::Use);
    assert_eq!(found, others.collect::<Vec<_>>());
}

pub(super) async fn a_late_clock_does_not_post_before_what_was_decided(store: &dyn Store) {
    make(store, &team("w")).await;
    edit(store, "w", Touch::default(), |w| w.decided_at = at(9_000)).await;
    append(store, "w", vec![free_entry("ada", 1)]).await;
    let line = store.ledger(&"w".into(), &all()).await.unwrap().remove(0);
    assert_eq!(line.posted_at, Some(at(9_000)));
}

pub(super) async fn the_ledger_is_filtered(store: &dyn Store) {
    make(store, &team("w")).await;
    let early = |line: Entry| Entry { effective_at: at(10), ..line };
    append(
        store,
        "w",
        vec![
            entry("s1", Some("ada"), 1),
            early(entry("s1", None, 1)),
            entry("s1", Some("bob"), 1),
            entry("s2", Some("bob"), 1),
            early(free_entry("ada", 1)),
            free_entry("bob", 1),
        ],
    )
    .await;
    let ada = Some("ada".into());
    let s1 = Some("s1".into());
    assert_eq!(seqs(store, all()).await, [6, 5, 4, 3, 2, 1]);
    assert_eq!(seqs(store, LedgerQuery { account: ada.clone(), ..all() }).await, [5, 1]);
    assert_eq!(seqs(store, LedgerQuery { seat: s1.clone(), ..all() }).await, [3, 2, 1]);
    let both = LedgerQuery { account: ada, seat: s1.clone(), ..all() };
    assert_eq!(seqs(store, both).await, [1]);
    let kind = Some(Kind::Integration);
    assert_eq!(seqs(store, LedgerQuery { kind, ..all() }).await, [6, 5]);
    let from = Some(at(91));
    assert_eq!(seqs(store, LedgerQuery { from, ..all() }).await, [6, 4, 3, 1]);
    assert_eq!(seqs(store, LedgerQuery { to: from, ..all() }).await, [5, 2]);
    let page = LedgerQuery { before_seq: Some(5), limit: 2, ..all() };
    assert_eq!(seqs(store, page).await, [4, 3]);
    let seat_page = LedgerQuery { seat: s1, before_seq: Some(3), limit: 1, ..all() };
    assert_eq!(seqs(store, seat_page).await, [2]);
}

/// A team whose lines add up: a vacant seat was granted, taken by ada and drawn on.
async fn right_books(store: &dyn Store) {
    let mut made = Workspace::new("w".into());
    made.owner = Some("ada".into());
    made.accounts.insert("ada".into(), plain_account("ada"));
    made.subscriptions.insert("sub".into(), subscription("sub"));
    let mut seat = plain_seat("s", "sub");
    seat.cycle = Some(super::sample::cycle(0, 2_000));
    let allowance = |used| {
        let limits = creditd_rules::plan::Limits::monthly(uc(10));
        creditd_rules::state::Allowance {
            balance: uc(10 - used),
            used: uc(used),
            ..creditd_rules::state::Allowance::full(limits)
        }
    };
    seat.allowances = PerKind { message: allowance(3), integration: allowance(0) };
    seat.holder = Some("ada".into());
    made.seats.insert("s".into(), seat);
    made.next_seq = 8;
    let line = |reason, kind, account, amount, after| Entry {
        reason,
        kind,
        pot_after: Some(uc(after)),
        ..entry("s", account, amount)
    };
    let (message, integration) = (Kind::Message, Kind::Integration);
    let lines = vec![
        line(Reason::Allowance, message, None, 10, 10),
        line(Reason::Allowance, integration, None, 10, 10),
        line(Reason::SeatOut, message, None, -10, 0),
        line(Reason::SeatIn, message, Some("ada"), 10, 10),
        line(Reason::SeatOut, integration, None, -10, 0),
        line(Reason::SeatIn, integration, Some("ada"), 10, 10),
        line(Reason::Use, message, Some("ada"), -3, 7),
    ];
    let written = commit(store, "w", Touch::default(), |before, _| {
        let mut change = change(before, |w| *w = made);
        change.entries = lines;
        change
    });
    written.await.unwrap();
}

async fn faults(store: &dyn Store) -> Vec<String> {
    let faults = store.verify(&|_, _| ()).await.unwrap();
    faults.into_iter().map(|fault| format!("{}: {}", fault.subject, fault.detail)).collect()
}

pub(super) async fn r18_right_books_are_found_right(store: &dyn Store) {
    assert_eq!(faults(store).await, [""; 0]);
    right_books(store).await;
    assert_eq!(faults(store).await, [""; 0]);
}

pub(super) async fn r18_wrong_books_are_found_wrong(store: &dyn Store) {
    right_books(store).await;
    let touch = Touch { seats: vec!["s".into()], ..Touch::default() };
    edit(store, "w", touch.clone(), |w| {
        w.seats.get_mut("s").unwrap().allowances.message.balance = uc(8);
    })
    .await;
    let found = faults(store).await.join("\n");
    for part in ["seat/s (message): 0.000008 is stored", "the lines of ada add up to 0.000007"] {
        assert!(found.contains(part), "{part} in {found}");
    }
}

pub(super) async fn r18_a_line_that_does_not_follow_is_found(store: &dyn Store) {
    right_books(store).await;
    let touch = Touch { seats: vec!["s".into()], ..Touch::default() };
    let wrong = commit(store, "w", touch, |before, _| {
        let mut change = change(before, |w| {
            w.seats.get_mut("s").unwrap().allowances.message.balance = uc(6);
            w.seats.get_mut("s").unwrap().allowances.message.used = uc(4);
            w.next_seq = 10;
        });
        change.entries = vec![Entry { pot_after: Some(uc(5)), ..entry("s", Some("ada"), -1) }];
        change
    });
    wrong.await.unwrap();
    let found = faults(store).await.join("\n");
    for part in ["line 8 leaves 0.000005 in it", "the next line would be 10, the last is 8"] {
        assert!(found.contains(part), "{part} in {found}");
    }
}

pub(super) async fn a_batch_that_cannot_be_written_leaves_no_line(store: &dyn Store) {
    make(store, &team("w")).await;
    let broken = commit(store, "w", whole(), |before, _| {
        let mut change = change(before, |w| {
            w.seats.get_mut("s1").unwrap().allowances.message.balance = uc(-1);
        });
        change.entries = vec![entry("s1", Some("ada"), -1)];
        change
    });
    assert!(matches!(broken.await, Err(StoreError::Refused(_))));
    assert_eq!(seqs(store, all()).await, [0; 0]);
}
