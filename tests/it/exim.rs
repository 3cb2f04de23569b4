//! Mail through a real server: Debian's exim4, on loopback.

use chrono::DateTime;
use creditd::clock;
use creditd::email::Mailer;
use creditd::email::message::Sender;
use creditd::email::template::Templates;
use creditd::email::transport::{Login, SmtpConfig, SmtpTransport, Tls};
use creditd::live::Live;
use creditd::metrics::Metrics;
use creditd::outbox::{Outbox, run};
use creditd::store::{
    Change, Home, Job, Loaded, MailState, OpenOptions, PageQuery, Store, StoredMail, open,
};
use creditd::writer::Wakes;
use creditd_rules::command::{Mail, MailTemplate, Touch};
use creditd_rules::{Amount, Kind, Workspace};
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

mod server;
mod whole;

use server::Exim;

fn config(exim: &Exim) -> SmtpConfig {
    let password = SecretString::from("s3cret".to_owned());
    SmtpConfig {
        host: "localhost".to_owned(),
        port: exim.port,
        login: Some(Login { user: "creditd".to_owned(), password }),
        tls: Tls::Required,
        ca_file: Some(exim.path("ca.pem")),
        timeout: Duration::from_secs(20),
    }
}

/// A worker that sends to exim what a database of its own promises.
struct Worker {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    running: JoinSet<()>,
    _dir: TempDir,
}

impl Worker {
    /// Starts with a mail to this address, and these pauses.
    async fn start(config: SmtpConfig, to: &str, retry: &[Duration]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/creditd.db", dir.path().display());
        let options = OpenOptions {
            migrate: true,
            create: true,
            clock: clock::Mode::System,
            checkpoint: true,
        };
        let store = open(&url, &options).await.unwrap();
        promise(&*store, to).await;
        let metrics = Arc::new(Metrics::new("sqlite"));
        let outbox = Outbox {
            store: Arc::clone(&store),
            mailer: Mailer::Smtp(Box::new(SmtpTransport::try_new(config).unwrap())),
            templates: Live::new(Templates::try_new(None).unwrap()),
            sender: Sender::try_new("Credits <credits@creditd.test>", None).unwrap(),
            retry: retry.to_vec(),
            metrics: Arc::clone(&metrics),
            wakes: Arc::new(Wakes::default()),
        };
        let stop = CancellationToken::new();
        let mut running = JoinSet::new();
        running.spawn(run(outbox, stop.clone()));
        Self { store, metrics, stop, running, _dir: dir }
    }

    /// The mail, once this holds of it. Asks again and again, as a person at the console would.
    async fn mail_when(&self, holds: impl Fn(&StoredMail) -> bool) -> StoredMail {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        loop {
            let page = PageQuery { limit: 10, cursor: None };
            let mail = self.store.mails(None, &page).await.unwrap().rows.remove(0);
            if holds(&mail) {
                return mail;
            }
            assert!(tokio::time::Instant::now() < deadline, "it stays at {mail:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn stop(mut self) {
        self.stop.cancel();
        self.running.join_next().await.unwrap().unwrap();
    }
}

/// Commits the promise of a mail, as a debit that takes the last credit does.
async fn promise(store: &dyn Store, to: &str) {
    let mail = Mail {
        template: MailTemplate::RunOut,
        account: "user_1".into(),
        to: to.to_owned(),
        name: Some("Ada Lovelace".to_owned()),
        locale: None,
        kind: Kind::Integration,
        spendable: Amount::ZERO,
        allowance: Amount::credits(10_000),
        resets_at: DateTime::from_timestamp(1_772_546_709, 0),
    };
    let home = Home::Workspace("team".into());
    let job = Job { home, touch: Touch::default(), key: None };
    let mut decide = |mut loaded: Loaded| {
        let before = loaded.workspaces.remove("team").unwrap();
        let after = Workspace { version: before.version + 1, ..before.clone() };
        vec![Change {
            before,
            after,
            entries: Vec::new(),
            answers: Vec::new(),
            mails: vec![mail.clone().into()],
            erased: Vec::new(),
            alerts: Vec::new(),
        }]
    };
    store.transact(&[job], &mut decide).await.unwrap();
}

#[tokio::test]
async fn a_mail_arrives_over_tls_with_login_and_with_both_parts() {
    let exim = Exim::start();
    let worker = Worker::start(config(&exim), "ada@example.org", &[]).await;
    let mail = worker.mail_when(|mail| mail.state != MailState::Queued).await;
    worker.stop().await;
    assert_eq!((mail.state, mail.attempts), (MailState::Sent, 1), "{:?}", mail.last_error);

    exim.run_queue();
    let delivered = exim.delivered();
    assert_eq!(delivered.len(), 1);
    let text = &delivered[0];
    for expected in [
        "Return-path: <credits@creditd.test>\n",
        "Envelope-to: ada@example.org\n",
        "with esmtpsa",
        "From: Credits <credits@creditd.test>\n",
        "To: \"Ada Lovelace\" <ada@example.org>\n",
        "Subject: Your integration credits have run out\n",
        "Auto-Submitted: auto-generated\n",
        "Content-Type: multipart/alternative;",
        "Content-Type: text/plain; charset=utf-8\n",
        "Content-Type: text/html; charset=utf-8\n",
        "Next reset: 3 March 2026 at 14:05:09 UTC\n",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    let id = format!("Message-ID: <{}@creditd.test>\n", mail.id);
    assert_eq!(text.matches(&id).count(), 1, "{id} in {text}");
    assert!(exim.log().contains("A=plain:creditd"), "{}", exim.log());
}

#[tokio::test]
async fn a_mail_to_nobody_is_parked() {
    let exim = Exim::start();
    let worker = Worker::start(config(&exim), "nosuch@example.org", &[Duration::ZERO; 3]).await;
    let mail = worker.mail_when(|mail| mail.state != MailState::Queued).await;
    worker.stop().await;
    assert_eq!((mail.state, mail.attempts), (MailState::Parked, 1));
    let said = mail.last_error.as_deref();
    assert_eq!(said, Some("the recipient: 550 5.1.1 … no such user"));
    exim.run_queue();
    assert_eq!(exim.delivered().len(), 0);
}

#[tokio::test]
async fn a_mail_that_is_always_deferred_is_parked_after_its_tries() {
    let exim = Exim::start();
    let worker = Worker::start(config(&exim), "grey@example.org", &[Duration::ZERO; 2]).await;
    let mail = worker.mail_when(|mail| mail.state != MailState::Queued).await;
    worker.stop().await;
    assert_eq!((mail.state, mail.attempts), (MailState::Parked, 3));
    let said = mail.last_error.as_deref();
    assert_eq!(said, Some("the recipient: 451 4.7.1 greylisted, try later"));
}

#[tokio::test]
async fn a_mail_that_is_deferred_for_a_while_arrives_once() {
    let exim = Exim::start();
    let pauses = [Duration::from_millis(20); 1_000];
    let worker = Worker::start(config(&exim), "later@example.org", &pauses).await;
    worker.mail_when(|mail| mail.attempts >= 2).await;
    exim.end_greylisting();
    let mail = worker.mail_when(|mail| mail.state != MailState::Queued).await;
    worker.stop().await;
    assert_eq!(mail.state, MailState::Sent);
    exim.run_queue();
    let delivered = exim.delivered();
    assert_eq!(delivered.len(), 1);
    assert!(delivered[0].contains(&format!("Message-ID: <{}@creditd.test>", mail.id)));
}

#[tokio::test]
async fn a_bounce_names_the_message_id() {
    let exim = Exim::start();
    let worker = Worker::start(config(&exim), "full@example.org", &[]).await;
    let mail = worker.mail_when(|mail| mail.state != MailState::Queued).await;
    worker.stop().await;
    assert_eq!(mail.state, MailState::Sent);
    // The first run finds the mailbox full, the second one delivers the bounce.
    exim.run_queue();
    exim.run_queue();
    let delivered = exim.delivered();
    assert_eq!(delivered.len(), 1);
    let bounce = &delivered[0];
    for expected in [
        "Envelope-to: credits@creditd.test\n".to_owned(),
        "Final-Recipient: rfc822;full@example.org\n".to_owned(),
        format!("References: <{}@creditd.test>\n", mail.id),
    ] {
        assert!(bounce.contains(&expected), "{expected} in {bounce}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_an_alert_and_the_mail_waits() {
    let exim = Exim::start();
    let password = SecretString::from("wrong".to_owned());
    let login = Some(Login { user: "creditd".to_owned(), password });
    let hour = Duration::from_secs(3_600);
    let config = SmtpConfig { login, ..config(&exim) };
    let worker = Worker::start(config, "ada@example.org", &[hour]).await;
    let mail = worker.mail_when(|mail| mail.attempts > 0).await;
    let text = worker.metrics.classic_text().unwrap();
    worker.stop().await;
    assert_eq!(mail.state, MailState::Queued);
    assert!(mail.last_error.as_deref().unwrap().starts_with("login: 535 "), "{mail:?}");
    assert!(text.contains("creditd_alerts_total{code=\"mail_login_failed\"} 1\n"), "{text}");
}

#[tokio::test]
async fn nothing_is_sent_without_login_or_to_a_server_that_cannot_be_trusted() {
    let exim = Exim::start();
    let hour = Duration::from_secs(3_600);
    let error_with = async |config: SmtpConfig| {
        let worker = Worker::start(config, "ada@example.org", &[hour]).await;
        let mail = worker.mail_when(|mail| mail.attempts > 0).await;
        worker.stop().await;
        assert_eq!(mail.state, MailState::Queued);
        mail.last_error.unwrap()
    };
    let unknown_ca = error_with(SmtpConfig { ca_file: None, ..config(&exim) }).await;
    assert!(unknown_ca.starts_with("STARTTLS: "), "{unknown_ca}");
    // The certificate is for localhost alone.
    let other_name = SmtpConfig { host: "127.0.0.1".to_owned(), ..config(&exim) };
    let other_name = error_with(other_name).await;
    assert!(other_name.starts_with("STARTTLS: ") && other_name.contains("127.0.0.1"));
    let in_the_clear = error_with(SmtpConfig { tls: Tls::None, ..config(&exim) }).await;
    assert!(in_the_clear.starts_with("login: "), "{in_the_clear}");
    let no_login = error_with(SmtpConfig { login: None, ..config(&exim) }).await;
    assert_eq!(no_login, "the sender: 530 5.7.0 log in first");
    exim.run_queue();
    assert_eq!(exim.delivered().len(), 0);
}
