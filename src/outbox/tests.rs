use super::*;
use crate::email::files::MailFiles;
use crate::email::test_server::{Answer, Step, TestServer};
use crate::email::transport::{Login, SmtpConfig, SmtpTransport, Tls};
use crate::store::{MailState, StoreError};
use secrecy::SecretString;
use std::collections::BTreeSet;

mod fake;
use fake::Fake;

/// A running worker and the store that it works on.
struct Worker {
    store: Arc<Fake>,
    metrics: Arc<Metrics>,
    wakes: Arc<Wakes>,
    stop: CancellationToken,
    running: JoinSet<()>,
}

fn smtp(server: &TestServer) -> Mailer {
    let password = SecretString::from("s3cret".to_owned());
    let config = SmtpConfig {
        host: "127.0.0.1".to_owned(),
        port: server.address.port(),
        login: Some(Login { user: "creditd".to_owned(), password }),
        tls: Tls::None,
        ca_file: None,
        timeout: Duration::from_secs(20),
    };
    Mailer::Smtp(Box::new(SmtpTransport::try_new(config).unwrap()))
}

fn outbox(store: &Arc<Fake>, mailer: Mailer, retry: &[Duration]) -> Outbox<Fake> {
    Outbox {
        store: Arc::clone(store),
        mailer,
        templates: Live::new(Templates::try_new(None).unwrap()),
        sender: Sender::try_new("Credits <credits@example.com>", None).unwrap(),
        retry: retry.to_vec(),
        metrics: Arc::new(Metrics::new("memory")),
        wakes: Arc::new(Wakes::default()),
    }
}

impl Worker {
    /// Starts on a store with so many mails, with these pauses.
    fn start(mailer: Mailer, mails: u32, retry: &[Duration]) -> Self {
        let store = Arc::new(Fake::default());
        promise(&store, mails);
        Self::start_on(store, mailer, retry)
    }

    fn start_on(store: Arc<Fake>, mailer: Mailer, retry: &[Duration]) -> Self {
        let outbox = outbox(&store, mailer, retry);
        let (metrics, wakes) = (Arc::clone(&outbox.metrics), Arc::clone(&outbox.wakes));
        let stop = CancellationToken::new();
        let mut running = JoinSet::new();
        running.spawn(run(outbox, stop.clone()));
        Self { store, metrics, wakes, stop, running }
    }

    /// Stops the worker, waits for it, and returns all mails.
    async fn stop(mut self) -> Vec<StoredMail> {
        self.stop.cancel();
        self.running.join_next().await.unwrap().unwrap();
        self.store.mails()
    }

    fn counted(&self, line: &str) -> bool {
        self.metrics.classic_text().unwrap().lines().any(|counted| counted == line)
    }
}

fn promise(store: &Fake, mails: u32) {
    for number in 0..mails {
        store.promise(&format!("user{number}@example.org"));
    }
}

fn message_ids(server: &TestServer) -> Vec<String> {
    let id = |mail: &String| {
        let line = mail.lines().find(|line| line.starts_with("Message-ID:"));
        line.unwrap().to_owned()
    };
    server.mails().iter().map(id).collect()
}

#[tokio::test]
async fn every_due_mail_is_sent_once_and_a_few_at_a_time() {
    let server = TestServer::answering(Step::Content, Answer::Held).await;
    let worker = Worker::start(smtp(&server), 20, &[]);
    server.wait_for(Step::Content, 8).await;
    server.release();
    server.wait_for_mails(20).await;
    let metrics = Arc::clone(&worker.metrics);
    let mails = worker.stop().await;

    assert!(mails.iter().all(|mail| mail.state == MailState::Sent && mail.attempts == 1));
    let ids: BTreeSet<String> = message_ids(&server).into_iter().collect();
    assert_eq!((server.mails().len(), ids.len()), (20, 20));
    assert_eq!(server.open_max(), 8);
    assert!(metrics.classic_text().unwrap().contains("creditd_mails_total{outcome=\"sent\"} 20\n"));
}

#[tokio::test]
async fn a_commit_wakes_the_worker() {
    let server = TestServer::willing().await;
    let worker = Worker::start(smtp(&server), 1, &[]);
    server.wait_for_mails(1).await;
    promise(&worker.store, 3);
    worker.wakes.outbox.notify_one();
    server.wait_for_mails(4).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_refused_mail_is_parked_at_once_with_an_alert() {
    let server = TestServer::answering(
        Step::Recipient,
        Answer::Say("550 5.1.1 <user0@example.org>: no such user"),
    )
    .await;
    let worker = Worker::start(smtp(&server), 1, &[Duration::ZERO; 7]);
    server.wait_for(Step::Recipient, 1).await;
    let metrics = Arc::clone(&worker.metrics);
    let mails = worker.stop().await;

    assert_eq!((mails[0].state, mails[0].attempts), (MailState::Parked, 1));
    let said = mails[0].last_error.as_deref();
    assert_eq!(said, Some("the recipient: 550 5.1.1 … no such user"));
    let text = metrics.classic_text().unwrap();
    assert!(text.contains("creditd_alerts_total{code=\"mail_parked\"} 1\n"), "{text}");
    assert!(text.contains("creditd_mails_total{outcome=\"parked\"} 1\n"), "{text}");
}

#[tokio::test]
async fn a_deferred_mail_is_tried_after_each_pause_and_then_parked() {
    let server = TestServer::answering(Step::Recipient, Answer::Say("451 4.7.1 try later")).await;
    let worker = Worker::start(smtp(&server), 1, &[Duration::ZERO; 2]);
    server.wait_for(Step::Recipient, 3).await;
    let mails = worker.stop().await;
    assert_eq!((mails[0].state, mails[0].attempts), (MailState::Parked, 3));
    assert_eq!(server.count(Step::Recipient), 3);
}

#[tokio::test]
async fn a_deferred_mail_waits_for_its_pause_by_the_wall() {
    let server = TestServer::answering(Step::Recipient, Answer::Say("451 4.7.1 try later")).await;
    let before = clock::wall();
    let hour = Duration::from_secs(3_600);
    let worker = Worker::start(smtp(&server), 1, &[hour]);
    server.wait_for(Step::Recipient, 1).await;
    let mails = worker.stop().await;
    assert_eq!((mails[0].state, mails[0].attempts), (MailState::Queued, 1));
    let again = mails[0].next_attempt_at;
    assert!(after(before, hour) <= again && again <= after(clock::wall(), hour), "{again}");
}

#[tokio::test]
async fn a_mail_that_may_have_arrived_is_sent_again_with_the_same_message_id() {
    let server = TestServer::answering_once(Step::Content, Answer::Close).await;
    let worker = Worker::start(smtp(&server), 1, &[Duration::ZERO]);
    server.wait_for_mails(2).await;
    let mails = worker.stop().await;
    assert_eq!((mails[0].state, mails[0].attempts), (MailState::Sent, 2));
    let expected = format!("Message-ID: <{}@example.com>", mails[0].id);
    assert_eq!(message_ids(&server), [expected.clone(), expected]);
}

#[tokio::test]
async fn a_refused_login_is_an_alert_and_no_reason_to_give_up() {
    let server =
        TestServer::answering_once(Step::Auth, Answer::Say("535 5.7.8 wrong password")).await;
    let worker = Worker::start(smtp(&server), 1, &[Duration::ZERO]);
    server.wait_for_mails(1).await;
    assert!(worker.counted("creditd_alerts_total{code=\"mail_login_failed\"} 1"));
    assert!(worker.counted("creditd_mails_total{outcome=\"retry\"} 1"));
    assert_eq!(worker.stop().await[0].state, MailState::Sent);
}

#[tokio::test]
async fn a_stop_waits_for_the_mails_on_their_way() {
    let server = TestServer::answering(Step::Content, Answer::Held).await;
    let worker = Worker::start(smtp(&server), 1, &[]);
    server.wait_for(Step::Content, 1).await;
    worker.stop.cancel();
    server.release();
    assert_eq!(worker.stop().await[0].state, MailState::Sent);
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("disk full".to_owned())
}

#[tokio::test]
async fn a_store_that_is_away_for_a_while_delays_mails() {
    let server = TestServer::willing().await;
    let store = Arc::new(Fake::default());
    store.promise("ada@example.org");
    store.faults.lock().unwrap().extend([unavailable(), unavailable()]);
    let worker = Worker::start_on(store, smtp(&server), &[]);
    server.wait_for_mails(1).await;
    assert_eq!(worker.stop().await[0].state, MailState::Sent);
}

#[tokio::test]
async fn a_mail_that_could_not_be_marked_is_marked_later_and_not_sent_again() {
    let server = TestServer::answering(Step::Content, Answer::Held).await;
    let worker = Worker::start(smtp(&server), 1, &[]);
    server.wait_for(Step::Content, 1).await;
    let faults = [unavailable(), StoreError::OutcomeUnknown, unavailable()];
    worker.store.faults.lock().unwrap().extend(faults);
    server.release();
    server.wait_for_mails(1).await;
    let mails = worker.stop().await;
    assert_eq!((mails[0].state, mails[0].attempts), (MailState::Sent, 1));
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn a_mail_that_the_store_refuses_to_mark_is_left_to_its_lease() {
    let server = TestServer::answering(Step::Content, Answer::Held).await;
    let worker = Worker::start(smtp(&server), 1, &[]);
    server.wait_for(Step::Content, 1).await;
    let refused = StoreError::Refused("no such row".to_owned());
    worker.store.faults.lock().unwrap().push(refused);
    server.release();
    server.wait_for_mails(1).await;
    let mails = worker.stop().await;
    assert_eq!((mails[0].state, mails[0].attempts), (MailState::Queued, 0));
    assert!(mails[0].next_attempt_at > clock::wall(), "{}", mails[0].next_attempt_at);
}

#[tokio::test]
async fn without_a_server_mails_become_files() {
    let state = tempfile::tempdir().unwrap();
    let dir = state.path().join("mail");
    let store = Arc::new(Fake::default());
    promise(&store, 3);
    let outbox = Arc::new(outbox(&store, Mailer::Files(MailFiles::new(dir.clone())), &[]));
    let mut sending = JoinSet::new();
    outbox.send_due(&mut sending).await;
    drain(sending).await;

    for mail in store.mails() {
        assert_eq!(mail.state, MailState::Sent);
        let file = std::fs::read_to_string(dir.join(format!("{}.eml", mail.id))).unwrap();
        assert!(file.contains(&format!("Message-ID: <{}@example.com>", mail.id)), "{file}");
    }
}
