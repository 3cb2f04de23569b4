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
    let result = wait(what.run(Hand::Writes(writer, &MemoryStore::new(Mode::Test)), &mut out));
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
        wait(
            Asked::grant(give(amount))
                .run(Hand::Writes(&writer, &MemoryStore::new(Mode::Test)), &mut out),
        )
        .unwrap();
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
