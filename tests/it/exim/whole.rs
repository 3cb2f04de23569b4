//! From a debit to a mailbox, through the daemon and a real server.

use super::server::Exim;
use crate::daemon::{Daemon, Setup};
use crate::engine::{Engine, on_each_engine};
use creditd::store::{MailState, PageQuery, StoredMail};
use serde_json::json;
use tokio::time::{Instant, sleep};

on_each_engine! {
    a_run_out_arrives_in_the_mailbox
    the_doctor_is_let_in_and_sends_nothing
    a_mail_that_was_deferred_survives_a_kill_and_arrives_once
}

const NOW: &str = "2026-03-01T10:00:00Z";

fn setup(exim: &Exim, retry: &str) -> Setup {
    let (port, ca) = (exim.port, exim.path("ca.pem"));
    let mail = format!(
        "smtp_url = \"smtp://creditd:s3cret@localhost:{port}?tls=required\"\n\
         ca_file = \"{}\"\nretry = [\"{retry}\"]\n",
        ca.display()
    );
    Setup { mail, ..Setup::default() }
}

/// The one mail, once this holds of it.
async fn mail_when(daemon: &Daemon, holds: impl Fn(&StoredMail) -> bool) -> StoredMail {
    let (store, deadline) = (daemon.store().await, Instant::now() + crate::daemon::PATIENCE);
    loop {
        let page = PageQuery { limit: 10, cursor: None };
        let mail = store.mails(None, &page).await.unwrap().rows.remove(0);
        if holds(&mail) {
            return mail;
        }
        assert!(Instant::now() < deadline, "{mail:?}");
        sleep(std::time::Duration::from_millis(5)).await;
    }
}

async fn a_run_out_arrives_in_the_mailbox(engine: Engine) {
    let exim = Exim::start();
    let daemon = Daemon::with(engine, NOW, setup(&exim, "1h")).await;
    daemon.person("ann").await;
    daemon.put("/v1/accounts/ann", json!({ "name": "Ann Lee" })).await;
    daemon.app_calls("ann", 25).await;
    let mail = mail_when(&daemon, |mail| mail.state != MailState::Queued).await;
    assert_eq!(mail.state, MailState::Sent, "{:?}", mail.last_error);
    exim.run_queue();
    let delivered = exim.delivered();
    assert_eq!(delivered.len(), 1);
    for expected in [
        "Envelope-to: ann@creditd.test\n".to_owned(),
        "To: \"Ann Lee\" <ann@creditd.test>\n".to_owned(),
        "Next reset: 2 March 2026 at 10:00:00 UTC\n".to_owned(),
        format!("Message-ID: <{}@creditd.test>\n", mail.id),
    ] {
        assert!(delivered[0].contains(&expected), "{expected} in {}", delivered[0]);
    }
}

async fn the_doctor_is_let_in_and_sends_nothing(engine: Engine) {
    let exim = Exim::start();
    let daemon = Daemon::prepare(engine, setup(&exim, "1h"));
    let port = exim.port;
    let says = |url: &str, ca: &str, expected: &str| {
        let mut doctor = daemon.invocation(&["doctor"]);
        doctor.env("CREDITD__MAIL__SMTP_URL", url).env("CREDITD__MAIL__CA_FILE", ca);
        let said = String::from_utf8(doctor.output().unwrap().stdout).unwrap();
        assert!(said.contains(&format!("  localhost:{port}{expected}")), "{expected}: {said}");
        assert!(!said.contains("s3cret"), "{said}");
    };
    let (ca, right) = (exim.path("ca.pem"), format!("smtp://creditd:s3cret@localhost:{port}"));
    let (ca, required) = (ca.to_str().unwrap(), format!("{right}?tls=required"));
    says(&required, ca, " answers with STARTTLS, and takes our login; nothing was sent");
    let wrong = format!("smtp://creditd:s3cret2@localhost:{port}?tls=required");
    says(&wrong, ca, ": login: 535");
    says(&required, "", ": STARTTLS: ");
    exim.run_queue();
    assert!(exim.delivered().is_empty());
}

async fn a_mail_that_was_deferred_survives_a_kill_and_arrives_once(engine: Engine) {
    let exim = Exim::start();
    let mut daemon = Daemon::with(engine, NOW, setup(&exim, "1s\", \"1s\", \"1s\", \"1h")).await;
    daemon.person("ann").await;
    daemon.put("/v1/accounts/ann", json!({ "email": "later@creditd.test" })).await;
    daemon.app_calls("ann", 25).await;
    let deferred = mail_when(&daemon, |mail| mail.attempts > 0).await;
    assert_eq!(deferred.state, MailState::Queued);
    daemon.kill();
    exim.end_greylisting();
    daemon.run().await;
    let sent = mail_when(&daemon, |mail| mail.state != MailState::Queued).await;
    assert_eq!((sent.state, &sent.id), (MailState::Sent, &deferred.id));
    exim.run_queue();
    let delivered = exim.delivered();
    assert_eq!(delivered.len(), 1);
    assert!(delivered[0].contains(&format!("Message-ID: <{}@", deferred.id)));
}
