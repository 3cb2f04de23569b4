//! `creditd seat …`, `creditd grant` and `creditd adjust`: changes by hand, through the writer like
//! all others, or only foreseen.

use super::args::{Adjust, Grant, Once, Seat};
use super::person::line_json;
use super::table;
use crate::clock;
use crate::settings::user_here;
use crate::store::{Change, Home, Line};
use crate::writer::{Foreseen, Foresight, Key, Reply, Request, Submit};
use anyhow::{Context, bail};
use creditd_rules::entry::Entry;
use creditd_rules::id::{GrantId, SeatId};
use creditd_rules::{Cause, Command};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::Write;
use uuid::{NoContext, Timestamp, Uuid};

/// What changes an account, or says what would change.
pub(super) enum Hand<'a> {
    /// It is done.
    Writes(&'a dyn Submit),
    /// It is decided and not written.
    Foresees(&'a Foresight),
}

/// A change that was asked for on the command line.
pub(super) struct Asked {
    home: Home,
    command: Command,
    /// What its key stands for: the same words under the same key are a repetition.
    what: String,
    /// What is so afterwards, in words.
    said: String,
    once: Once,
}

impl Asked {
    /// Whether nothing is to be changed.
    pub(super) const fn is_dry_run(&self) -> bool {
        self.once.dry_run
    }

    /// `creditd seat …`.
    pub(super) fn seat(what: Seat) -> Self {
        let (seat, command, once, said) = match what {
            Seat::Assign { seat, account, once } => {
                let said = format!("seat {seat} is held by {account}");
                let seat = SeatId::from(seat);
                (seat.clone(), Command::Assign { seat, account: account.into() }, once, said)
            }
            Seat::Transfer { seat, to, once } => {
                let said = format!("seat {seat} is held by {to}");
                let seat = SeatId::from(seat);
                (seat.clone(), Command::Transfer { seat, to: to.into() }, once, said)
            }
            Seat::Release { seat, once } => {
                let said = format!("seat {seat} is vacant");
                let seat = SeatId::from(seat);
                (seat.clone(), Command::Release { seat }, once, said)
            }
        };
        let what = format!("{command:?}");
        Self { home: Home::Seat(seat), command, what, said, once }
    }

    /// `creditd grant`.
    pub(super) fn grant(grant: Grant) -> Self {
        let Grant { account, kind, amount, reason, source, expires_at, once } = grant;
        let what = format!("grant {account} {kind} {amount} {source:?} {reason:?} {expires_at:?}");
        let said = format!("{account} has {amount} more {kind} credits");
        let home = Home::Account(account.as_str().into());
        let (id, account) = (new_grant_id(), account.into());
        let command = Command::Grant { id, account, kind, amount, source, reason, expires_at };
        Self { home, command, what, said, once }
    }

    /// `creditd adjust`.
    pub(super) fn adjust(adjust: Adjust) -> Self {
        let Adjust { account, kind, amount, reason, once } = adjust;
        let what = format!("adjust {account} {kind} {amount} {reason:?}");
        let said = match amount.is_negative() {
            true => format!("{account} has {} fewer {kind} credits", amount.negated()),
            false => format!("{account} has {amount} more {kind} credits"),
        };
        let home = Home::Account(account.as_str().into());
        let (grant, account) = (new_grant_id(), account.into());
        let command = Command::Adjust { account, kind, amount, reason, grant };
        Self { home, command, what, said, once }
    }

    /// Makes the change, or foresees it, and says what became of it.
    pub(super) async fn run(self, hand: Hand<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
        let Self { home, command, what, said, once } = self;
        let key = once.idempotency_key.clone().map(|key| Key {
            key,
            fingerprint: Sha256::digest(format!("command line: {what}").as_bytes()).into(),
        });
        let cause = Cause { by: Some(cause(&once)), at: None };
        let request = Request { home, command, cause, key };
        let (reply, change) = match hand {
            Hand::Writes(writer) => (writer.submit(request).await?, None),
            Hand::Foresees(foresight) => {
                let Foreseen { outcome, change } = foresight.foresee(&request).await?;
                (outcome?, Some(change))
            }
        };
        let (body, replayed) = match reply {
            Reply::Done { body, replayed } => (body, replayed),
            Reply::Rejected(rejection) => bail!("{rejection} ({})", rejection.code()),
        };
        let before = if replayed { " (done earlier under this key)" } else { "" };
        if once.form.json {
            let body: Value = serde_json::from_slice(&body).context("the answer is no JSON")?;
            let all = match &change {
                None => body,
                Some(change) => foreseen_json(&body, replayed, change.as_ref()),
            };
            return table::json(out, &all);
        }
        if let Some(change) = &change {
            writeln!(out, "dry run, nothing is changed: {said}{before}")?;
            return print_foreseen(change.as_ref(), out);
        }
        writeln!(out, "{said}{before}")?;
        Ok(())
    }
}

/// What the ledger says brought it about: who did it, and under which key.
fn cause(once: &Once) -> String {
    let key = once.idempotency_key.as_ref().map(|key| format!("key {key}"));
    let said: Vec<String> = once.by.clone().or_else(user_here).into_iter().chain(key).collect();
    match said.is_empty() {
        true => "command line".to_owned(),
        false => format!("command line: {}", said.join(", ")),
    }
}

fn new_grant_id() -> GrantId {
    let now = clock::wall();
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    let timestamp = Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos());
    GrantId::from(format!("grant_{}", Uuid::new_v7(timestamp).simple()))
}

/// A decision that was not written, as JSON: the answer, and all that would be written.
fn foreseen_json(answer: &Value, replayed: bool, change: Option<&Change>) -> Value {
    let lines = change.map_or(&[][..], |change| &change.entries).iter();
    let lines =
        lines.map(|entry| line_json(&Line { seq: None, posted_at: None, entry: entry.clone() }));
    let mails = change.map_or(&[][..], |change| &change.mails).iter();
    let mails = mails.map(
        |mail| json!({ "template": mail.template, "account": mail.account, "kind": mail.kind }),
    );
    json!({
        "dry_run": true,
        "replayed": replayed,
        "answer": answer,
        "entries": lines.collect::<Vec<_>>(),
        "mails": mails.collect::<Vec<_>>(),
    })
}

/// The lines that would be written.
fn print_foreseen(change: Option<&Change>, out: &mut dyn Write) -> anyhow::Result<()> {
    let Some(Change { entries, mails, .. }) = change else {
        writeln!(out, "nothing would be written")?;
        return Ok(());
    };
    if !entries.is_empty() {
        let rows: Vec<_> = entries.iter().map(row).collect();
        table::write(out, ["ACCOUNT", "KIND", "REASON", "AMOUNT", "POT", "AFTER"], &rows)?;
    }
    for mail in mails {
        writeln!(out, "a mail to {} about {} credits would be promised", mail.account, mail.kind)?;
    }
    Ok(())
}

fn row(entry: &Entry) -> [String; 6] {
    let Entry { account, kind, reason, amount, pot, pot_after, .. } = entry;
    [
        table::text(account.as_ref().map(|account| account.as_str())),
        kind.to_string(),
        reason.as_str().to_owned(),
        amount.to_string(),
        pot.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
        pot_after.map_or_else(|| "-".to_owned(), |after| after.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Form;
    use crate::clock::Mode;
    use crate::live::Live;
    use crate::metrics::Metrics;
    use crate::settings::Settings;
    use crate::store::memory::MemoryStore;
    use crate::store::{LedgerQuery, Store};
    use crate::writer::{Ground, Limits, SubmitError, Writer};
    use async_trait::async_trait;
    use creditd_rules::{Amount, Kind, Rejection};
    use std::num::NonZeroUsize;
    use std::sync::{Arc, Mutex};
    use tokio_util::sync::CancellationToken;

    /// A writer that keeps what it is handed and answers what it was told to.
    struct Told {
        answer: Result<Reply, SubmitError>,
        handed: Mutex<Vec<Request>>,
    }

    #[async_trait]
    impl Submit for Told {
        async fn submit(&self, request: Request) -> Result<Reply, SubmitError> {
            self.handed.lock().unwrap().push(request);
            self.answer.clone()
        }
    }

    fn told(answer: Result<Reply, SubmitError>) -> Told {
        Told { answer, handed: Mutex::default() }
    }

    fn done(replayed: bool) -> Result<Reply, SubmitError> {
        Ok(Reply::Done { body: br#"{"id":"s1"}"#.to_vec(), replayed })
    }

    fn once(key: Option<&str>, json: bool) -> Once {
        let (idempotency_key, by) = (key.map(str::to_owned), Some("ada".to_owned()));
        Once { idempotency_key, form: Form { json }, by, dry_run: false }
    }

    fn wait(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
    }

    fn transfer(writer: &Told, once: Once) -> (String, anyhow::Result<()>) {
        let mut out = Vec::new();
        let what = Asked::seat(Seat::Transfer { seat: "s1".into(), to: "bob".into(), once });
        let result = wait(what.run(Hand::Writes(writer), &mut out));
        (String::from_utf8(out).unwrap(), result)
    }

    #[test]
    fn r13_a_transfer_is_handed_to_the_writer() {
        let writer = told(done(false));
        let (out, result) = transfer(&writer, once(None, false));
        result.unwrap();
        assert_eq!(out, "seat s1 is held by bob\n");
        let handed = writer.handed.lock().unwrap();
        assert_eq!(handed[0].home, Home::Seat("s1".into()));
        assert_eq!(handed[0].command, Command::Transfer { seat: "s1".into(), to: "bob".into() });
        assert!(handed[0].key.is_none());
        assert_eq!(handed[0].cause.by.as_deref(), Some("command line: ada"));
    }

    #[test]
    fn r17_the_same_words_have_the_same_fingerprint_and_others_another() {
        let writer = told(done(true));
        let give = |amount| Grant {
            account: "ada".into(),
            kind: Kind::Message,
            amount: Amount::credits(amount),
            reason: "sorry".into(),
            source: "support".into(),
            expires_at: None,
            once: once(Some("k1"), false),
        };
        let mut out = Vec::new();
        for amount in [20, 20, 21] {
            wait(Asked::grant(give(amount)).run(Hand::Writes(&writer), &mut out)).unwrap();
        }
        let handed = writer.handed.lock().unwrap();
        let prints: Vec<_> =
            handed.iter().map(|request| request.key.as_ref().unwrap().fingerprint).collect();
        assert_eq!(prints[0], prints[1]);
        assert_ne!(prints[0], prints[2]);
        assert_ne!(handed[0].command, handed[1].command, "each try brings a new grant id");
        assert!(String::from_utf8(out).unwrap().contains("20 more message credits (done earlier"));
    }

    #[test]
    fn the_ledger_is_told_who_did_it_and_under_which_key() {
        assert_eq!(cause(&once(None, false)), "command line: ada");
        assert_eq!(cause(&once(Some("t-7"), false)), "command line: ada, key t-7");
    }

    /// A store in which ann has nothing but the free plan's 5 message credits.
    fn foresight() -> Foresight {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("creditd.toml");
        std::fs::write(&file, "").unwrap();
        let catalogue = Settings::load(Some(&file), [], None).unwrap().catalogue;
        let store = Arc::new(MemoryStore::new(Mode::System));
        let put = Command::PutAccount {
            id: "ann".into(),
            email: None,
            name: None,
            locale: None,
            grant: "g1".into(),
        };
        let home = Home::Workspace("ann".into());
        let request = Request { home, command: put, cause: Cause::default(), key: None };
        let ground = Ground {
            store: Arc::clone(&store) as Arc<dyn Store>,
            catalogue: Live::new(catalogue.clone()),
            metrics: Arc::new(Metrics::new("memory")),
            wakes: Arc::default(),
        };
        let (writer, lanes) = Writer::new(&ground, Limits::default(), NonZeroUsize::MIN);
        wait(async {
            store.claim_account(&"ann".into(), &"ann".into()).await?;
            let stop = CancellationToken::new();
            let made = async {
                let made = writer.submit(request).await;
                stop.cancel();
                made
            };
            let lane = lanes.into_iter().next().unwrap();
            let (made, ()) = tokio::join!(made, lane.run(stop.clone()));
            assert!(matches!(made, Ok(Reply::Done { .. })), "{made:?}");
            Ok(())
        })
        .unwrap();
        Foresight { store, catalogue }
    }

    fn adjusts(foresight: &Foresight, amount: &str, json: bool) -> (String, anyhow::Result<()>) {
        let adjust = Adjust {
            account: "ann".into(),
            kind: Kind::Message,
            amount: amount.parse().unwrap(),
            reason: "a slip".into(),
            once: Once { dry_run: true, ..once(None, json) },
        };
        let mut out = Vec::new();
        let result = wait(Asked::adjust(adjust).run(Hand::Foresees(foresight), &mut out));
        (String::from_utf8(out).unwrap(), result)
    }

    #[test]
    fn a_dry_run_decides_and_writes_nothing() {
        let foresight = foresight();
        for _ in 0..2 {
            let (out, result) = adjusts(&foresight, "-3", false);
            result.unwrap();
            assert_eq!(
                out,
                "dry run, nothing is changed: ann has 3 fewer message credits\n\
                 ACCOUNT  KIND     REASON     AMOUNT  POT       AFTER\n\
                 ann      message  allowance  5       free/ann  5\n\
                 ann      message  adjust     -3      free/ann  2\n"
            );
        }
        let (out, result) = adjusts(&foresight, "2.5", true);
        result.unwrap();
        let said: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((&said["dry_run"], &said["answer"]["remaining"]), (&json!(true), &json!("2.5")));
        assert_eq!(said["entries"][0]["cause"], "command line: ada");
        let (out, result) = adjusts(&foresight, "-5.1", false);
        assert_eq!(out, "");
        assert!(result.unwrap_err().to_string().contains("(below_zero)"));
        let lines = wait(async {
            let query = LedgerQuery { limit: 10, ..LedgerQuery::default() };
            assert_eq!(foresight.store.ledger(&"ann".into(), &query).await?, []);
            Ok(())
        });
        lines.unwrap();
    }

    #[test]
    fn refusals_and_faults_fail_the_command_and_print_nothing() {
        let rejection = Rejection::SeatVacant("s1".into());
        let (out, result) = transfer(&told(Ok(Reply::Rejected(rejection))), once(None, false));
        assert_eq!(
            (out.as_str(), result.unwrap_err().to_string().as_str()),
            ("", "seat s1 has no holder (seat_vacant)")
        );
        let (out, result) = transfer(&told(Err(SubmitError::Unavailable)), once(None, true));
        assert_eq!(out, "");
        assert!(result.unwrap_err().to_string().contains("unavailable"));
    }

    #[test]
    fn json_is_the_answer_itself() {
        let (out, result) = transfer(&told(done(false)), once(None, true));
        result.unwrap();
        assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), serde_json::json!({"id": "s1"}));
    }
}
