//! `creditd seat …` and `creditd grant`: changes by hand, through the writer like all others.

use super::args::{Grant, Once, Seat};
use super::table;
use crate::clock;
use crate::store::Home;
use crate::writer::{Key, Reply, Request, Submit};
use anyhow::{Context, bail};
use creditd_rules::id::{GrantId, SeatId};
use creditd_rules::{Cause, Command};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::Write;
use uuid::{NoContext, Timestamp, Uuid};

/// `creditd seat …`.
pub(super) async fn seat(
    writer: &dyn Submit, what: Seat, out: &mut dyn Write,
) -> anyhow::Result<()> {
    let (seat, command, once, said) = match what {
        Seat::Assign { seat, account, once } => {
            let seat = SeatId::from(seat);
            let said = format!("seat {seat} is held by {account}");
            (seat.clone(), Command::Assign { seat, account: account.into() }, once, said)
        }
        Seat::Transfer { seat, to, once } => {
            let seat = SeatId::from(seat);
            let said = format!("seat {seat} is held by {to}");
            (seat.clone(), Command::Transfer { seat, to: to.into() }, once, said)
        }
        Seat::Release { seat, once } => {
            let seat = SeatId::from(seat);
            (
                seat.clone(),
                Command::Release { seat: seat.clone() },
                once,
                format!("seat {seat} is vacant"),
            )
        }
    };
    let what = format!("{command:?}");
    submit(writer, Home::Seat(seat), command, &what, &once, &said, out).await
}

/// `creditd grant`.
pub(super) async fn grant(
    writer: &dyn Submit, grant: Grant, out: &mut dyn Write,
) -> anyhow::Result<()> {
    let Grant { account, kind, amount, reason, source, expires_at, once } = grant;
    let what = format!("grant {account} {kind} {amount} {source:?} {reason:?} {expires_at:?}");
    let said = format!("{account} has {amount} more {kind} credits");
    let home = Home::Account(account.as_str().into());
    let command = Command::Grant {
        id: new_grant_id(),
        account: account.into(),
        kind,
        amount,
        source,
        reason,
        expires_at,
    };
    submit(writer, home, command, &what, &once, &said, out).await
}

fn new_grant_id() -> GrantId {
    let now = clock::wall();
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    let timestamp = Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos());
    GrantId::from(format!("grant_{}", Uuid::new_v7(timestamp).simple()))
}

/// Hands a command in and says what became of it. `what` is what its key stands for: the same
/// words under the same key are a repetition.
async fn submit(
    writer: &dyn Submit, home: Home, command: Command, what: &str, once: &Once, said: &str,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let key = once.idempotency_key.clone().map(|key| Key {
        key,
        fingerprint: Sha256::digest(format!("command line: {what}").as_bytes()).into(),
    });
    let by = once.idempotency_key.clone().unwrap_or_else(|| "command line".to_owned());
    let cause = Cause { by: Some(by), at: None };
    let reply = writer.submit(Request { home, command, cause, key }).await?;
    let (body, replayed) = match reply {
        Reply::Done { body, replayed } => (body, replayed),
        Reply::Rejected(rejection) => bail!("{rejection} ({})", rejection.code()),
    };
    if once.form.json {
        let body: Value = serde_json::from_slice(&body).context("the answer is no JSON")?;
        table::json(out, &body)?;
    } else if replayed {
        writeln!(out, "{said} (done earlier under this key)")?;
    } else {
        writeln!(out, "{said}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Form;
    use crate::writer::SubmitError;
    use async_trait::async_trait;
    use creditd_rules::{Amount, Kind, Rejection};
    use std::sync::Mutex;

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
        Once { idempotency_key: key.map(str::to_owned), form: Form { json } }
    }

    fn wait(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
    }

    fn transfer(writer: &Told, once: Once) -> (String, anyhow::Result<()>) {
        let mut out = Vec::new();
        let what = Seat::Transfer { seat: "s1".into(), to: "bob".into(), once };
        let result = wait(seat(writer, what, &mut out));
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
        assert_eq!(handed[0].cause.by.as_deref(), Some("command line"));
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
            wait(grant(&writer, give(amount), &mut out)).unwrap();
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
