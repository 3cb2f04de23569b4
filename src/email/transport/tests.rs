use super::*;
use crate::email::test_server::{Answer, Step, TestServer};

fn config(server: &TestServer) -> SmtpConfig {
    SmtpConfig {
        host: "127.0.0.1".to_owned(),
        port: server.address.port(),
        login: None,
        tls: Tls::Opportunistic,
        ca_file: None,
        timeout: Duration::from_secs(20),
    }
}

fn with_login(server: &TestServer) -> SmtpConfig {
    let password = SecretString::from("s3cret".to_owned());
    SmtpConfig { login: Some(Login { user: "creditd".to_owned(), password }), ..config(server) }
}

fn transport(config: SmtpConfig) -> SmtpTransport {
    SmtpTransport::try_new(config).unwrap()
}

fn message() -> Message {
    Message::builder()
        .message_id(Some("<0199-abc@example.com>".to_owned()))
        .from("credits@example.com".parse().unwrap())
        .to("ada@example.org".parse().unwrap())
        .subject("Test")
        .body("one\n.\n..two".to_owned())
        .unwrap()
}

#[track_caller]
fn check(failure: &Failure, permanent: bool, alert: Option<&'static str>, text: &str) {
    let expected = Failure { permanent, alert, text: text.to_owned() };
    assert_eq!(*failure, expected);
}

async fn failure_at(step: Step, answer: Answer) -> Failure {
    let server = TestServer::answering(step, answer).await;
    transport(with_login(&server)).deliver(&message()).await.unwrap_err()
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_made() {
    let server = TestServer::willing().await;
    transport(with_login(&server)).deliver(&message()).await.unwrap();
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].contains("Message-ID: <0199-abc@example.com>\r\n"), "{}", mails[0]);
    assert!(mails[0].trim_end().ends_with("one\r\n.\r\n..two"), "{}", mails[0]);
    assert_eq!(server.count(Step::Auth), 1);
}

#[tokio::test]
async fn connections_are_used_again_and_then_closed() {
    let server = TestServer::willing().await;
    let transport = transport(with_login(&server));
    for _ in 0..3 {
        transport.deliver(&message()).await.unwrap();
    }
    assert_eq!((server.mails().len(), server.count(Step::Greeting)), (3, 1));
    transport.close_idle().await;
    transport.deliver(&message()).await.unwrap();
    assert_eq!((server.mails().len(), server.count(Step::Greeting)), (4, 2));
}

#[tokio::test]
async fn a_connection_that_the_server_ended_meanwhile_is_no_failure() {
    for ended in [Answer::Close, Answer::Say("421 4.4.2 idle too long")] {
        let script = move |step, before| match (step, before) {
            (Step::Sender, 1) => ended,
            _ => Answer::Yes,
        };
        let server = TestServer::start(script).await;
        let transport = transport(config(&server));
        transport.deliver(&message()).await.unwrap();
        transport.deliver(&message()).await.unwrap();
        assert_eq!((server.mails().len(), server.count(Step::Greeting)), (2, 2));
    }
}

#[tokio::test]
async fn a_refusal_of_sender_recipient_or_content_is_final() {
    let no = Answer::Say("550 5.1.1 no such user");
    let sender = failure_at(Step::Sender, no).await;
    check(&sender, true, None, "the sender: 550 5.1.1 no such user");
    let recipient = failure_at(Step::Recipient, no).await;
    check(&recipient, true, None, "the recipient: 550 5.1.1 no such user");
    let data = failure_at(Step::Data, no).await;
    check(&data, true, None, "the content: 550 5.1.1 no such user");
    let content = failure_at(Step::Content, no).await;
    check(&content, true, None, "the content: 550 5.1.1 no such user");
}

#[tokio::test]
async fn a_deferral_at_any_step_is_temporary() {
    let later = Answer::Say("451 4.7.1 greylisted, try later");
    for step in [Step::Hello, Step::Auth, Step::Sender, Step::Recipient, Step::Data, Step::Content]
    {
        let failure = failure_at(step, later).await;
        assert!(!failure.permanent && failure.alert.is_none(), "{step:?}: {failure:?}");
        assert!(failure.text.ends_with("451 4.7.1 greylisted, try later"), "{failure}");
    }
}

#[tokio::test]
async fn a_server_that_turns_us_away_at_the_door_is_tried_again() {
    let greeting = failure_at(Step::Greeting, Answer::Say("554 no service")).await;
    check(&greeting, false, None, "connecting: 554 no service");
    let hello = failure_at(Step::Hello, Answer::Say("550 who are you")).await;
    check(&hello, false, None, "connecting: 550 who are you");
}

#[tokio::test]
async fn a_login_that_fails_is_ours_and_not_the_recipients() {
    let wrong = failure_at(Step::Auth, Answer::Say("535 5.7.8 wrong password")).await;
    check(&wrong, false, Some(LOGIN_ALERT), "login: 535 5.7.8 wrong password");
    let needed = failure_at(Step::Sender, Answer::Say("530 5.7.0 log in first")).await;
    check(&needed, false, Some(LOGIN_ALERT), "the sender: 530 5.7.0 log in first");
    let none = failure_at(Step::Hello, Answer::Say("250 test")).await;
    assert_eq!((none.permanent, none.alert), (false, Some(LOGIN_ALERT)), "{none}");
}

#[tokio::test]
async fn a_broken_line_is_temporary_even_after_the_content() {
    for step in [Step::Greeting, Step::Hello, Step::Sender, Step::Recipient, Step::Content] {
        let failure = failure_at(step, Answer::Close).await;
        assert!(!failure.permanent && failure.alert.is_none(), "{step:?}: {failure:?}");
    }
}

#[tokio::test]
async fn silence_is_temporary_at_every_step() {
    let check_at = async |step: Step, text: &str| {
        let server = TestServer::answering(step, Answer::Silence).await;
        // Long enough for a busy machine to get as far as this step.
        let timeout = Duration::from_secs(2);
        let transport = transport(SmtpConfig { timeout, ..config(&server) });
        let failure = transport.deliver(&message()).await.unwrap_err();
        check(&failure, false, None, &format!("{text}: no answer within 2 s"));
    };
    tokio::join!(
        check_at(Step::Greeting, "connecting"),
        check_at(Step::Recipient, "the recipient"),
        check_at(Step::Content, "the content"),
    );
}

#[tokio::test]
async fn nobody_at_the_port_is_temporary() {
    let server = TestServer::willing().await;
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = unused.local_addr().unwrap().port();
    drop(unused);
    let failure = transport(SmtpConfig { port, ..config(&server) }).deliver(&message()).await;
    let failure = failure.unwrap_err();
    assert!(!failure.permanent && failure.text.contains("refused"), "{failure:?}");
}

#[tokio::test]
async fn without_tls_nothing_is_sent_where_it_is_required() {
    let server = TestServer::willing().await;
    let required = SmtpConfig { tls: Tls::Required, ..with_login(&server) };
    let failure = transport(required).deliver(&message()).await.unwrap_err();
    assert!(!failure.permanent && failure.text.starts_with("STARTTLS: "), "{failure:?}");
    assert_eq!((server.count(Step::Auth), server.count(Step::Sender)), (0, 0));
}

#[tokio::test]
async fn what_a_server_says_is_kept_without_addresses() {
    let no = Answer::Say("550-5.1.1 <ada@example.org>: unknown\r\n550 ask postmaster@example.org");
    let failure = failure_at(Step::Recipient, no).await;
    assert!(!failure.text.contains('@') && failure.text.contains("unknown"), "{failure}");
    assert_eq!(without_addresses(&"x".repeat(1_000)).len(), REPLY_CHARS_MAX);
}

#[tokio::test]
async fn an_address_beyond_ascii_needs_a_server_that_takes_it() {
    let server = TestServer::willing().await;
    let message = Message::builder()
        .from("credits@example.com".parse().unwrap())
        .to("zoë@example.org".parse().unwrap())
        .body("x".to_owned())
        .unwrap();
    let failure = transport(config(&server)).deliver(&message).await.unwrap_err();
    assert!(failure.permanent, "{failure:?}");
    assert_eq!(server.count(Step::Sender), 0);
}

#[test]
fn tls_is_required_for_all_but_this_machine() {
    for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "::1", "[::1]"] {
        assert_eq!(Tls::default_for(host), Tls::Opportunistic, "{host}");
    }
    for host in ["mail.example.com", "10.0.0.1", "localhost.example.com", "::2", "127.0.0.1.nip"] {
        assert_eq!(Tls::default_for(host), Tls::Required, "{host}");
    }
}

#[test]
fn a_password_is_not_shown() {
    let password = SecretString::from("s3cret".to_owned());
    let config = SmtpConfig {
        host: "localhost".to_owned(),
        port: 25,
        login: Some(Login { user: "creditd".to_owned(), password }),
        tls: Tls::None,
        ca_file: None,
        timeout: Duration::from_secs(1),
    };
    let shown = format!("{config:?} {:?}", SmtpTransport::try_new(config.clone()).unwrap());
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn a_file_of_certificates_is_checked_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let check = |name: &str, words: &str| {
        let config = SmtpConfig {
            host: "localhost".to_owned(),
            port: 25,
            login: None,
            tls: Tls::Required,
            ca_file: Some(dir.path().join(name)),
            timeout: Duration::from_secs(1),
        };
        let error = SmtpTransport::try_new(config).unwrap_err();
        assert!(error.contains(name) && error.contains(words), "{error}");
    };
    std::fs::write(dir.path().join("empty.pem"), "").unwrap();
    std::fs::write(dir.path().join("bad.pem"), "-----BEGIN CERTIFICATE-----\n!\n").unwrap();
    check("none.pem", "cannot be read");
    check("empty.pem", "holds no certificate");
    check("bad.pem", "holds no usable certificate");
}
