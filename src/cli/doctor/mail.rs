//! Whether a mail server takes us: connected, encrypted and logged in, and no mail sent.

use super::finding::Finding;
use crate::email::transport::{SmtpConfig, SmtpTransport, Tls, is_loopback};
use crate::settings::Settings;

const MAIL: &str = "mail";

/// The sender's address that is built in, which nobody can answer to.
const EXAMPLE: &str = "example.com";

/// All about mail.
pub(super) async fn examine(settings: &Settings) -> Vec<Finding> {
    let Some(config) = &settings.mail.smtp else {
        return vec![Finding::warn(
            MAIL,
            format!("goes to files in {}, and reaches nobody", settings.mail.directory.display()),
            "set mail.smtp_url, or the credential smtp_url",
        )];
    };
    let mut findings = vec![server(config).await];
    let from = settings.shown.iter().find(|shown| shown.key == "mail.from");
    if from.is_some_and(|from| from.value.contains(EXAMPLE)) {
        findings.push(Finding::warn(
            MAIL,
            format!("mail.from is an address at {EXAMPLE}"),
            "set mail.from to an address of yours",
        ));
    }
    findings
}

async fn server(config: &SmtpConfig) -> Finding {
    let SmtpConfig { host, port, login, tls, .. } = config;
    let transport = match SmtpTransport::try_new(config.clone()) {
        Ok(transport) => transport,
        Err(error) => return Finding::fail(MAIL, error, "see mail.ca_file"),
    };
    match transport.greet().await {
        Err(failure) => {
            let mend = mend(&failure.text);
            Finding::fail(MAIL, format!("{host}:{port}: {failure}"), mend)
        }
        Ok(encrypted) if !encrypted && !is_loopback(host) => Finding::warn(
            MAIL,
            format!("{host}:{port} is spoken to without encryption"),
            "add ?tls=required to mail.smtp_url",
        ),
        Ok(encrypted) => {
            let how = match (encrypted, tls) {
                (true, Tls::Wrapper) => "over TLS",
                (true, _) => "with STARTTLS",
                (false, _) => "without encryption, on this machine",
            };
            let who = if login.is_some() { ", and takes our login" } else { ", without a login" };
            Finding::ok(MAIL, format!("{host}:{port} answers {how}{who}; nothing was sent"))
        }
    }
}

/// What to do about a failure, by the stage that it names.
fn mend(text: &str) -> &'static str {
    match text.split(':').next() {
        Some("login") => "set user and password in mail.smtp_url, percent-encoded",
        Some("STARTTLS") => {
            "the server's certificate must fit its name; a CA of your own goes into mail.ca_file"
        }
        _ => "see that host and port of mail.smtp_url are right, and that a firewall lets us out",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::State;
    use crate::email::test_server::{Answer, Step, TestServer};
    use crate::email::transport::Login;
    use std::time::Duration;

    fn config(port: u16, tls: Tls) -> SmtpConfig {
        let password = "s3cret".to_owned().into();
        SmtpConfig {
            host: "127.0.0.1".to_owned(),
            port,
            login: Some(Login { user: "creditd".to_owned(), password }),
            tls,
            ca_file: None,
            timeout: Duration::from_secs(20),
        }
    }

    #[track_caller]
    fn check(finding: &Finding, state: State, words: &str, mend: &str) {
        assert_eq!(finding.state, state, "{finding:?}");
        assert!(finding.found.contains(words), "{finding:?}");
        assert!(finding.mend.as_deref().unwrap_or_default().contains(mend), "{finding:?}");
        assert!(!format!("{finding:?}").contains("s3cret"));
    }

    #[tokio::test]
    async fn a_server_that_takes_us_gets_no_mail() {
        let server = TestServer::willing().await;
        let found = super::server(&config(server.address.port(), Tls::Opportunistic)).await;
        check(&found, State::Ok, "without encryption, on this machine, and takes our login", "");
        assert_eq!((server.count(Step::Auth), server.count(Step::Sender)), (1, 0));
        assert!(server.mails().is_empty());
    }

    #[tokio::test]
    async fn each_stage_that_fails_says_how_to_mend_it() {
        for (step, answer, tls, words, mend) in [
            (Step::Greeting, Answer::Say("554 go away"), Tls::None, "connecting: 554", "firewall"),
            (Step::Greeting, Answer::Close, Tls::None, "connecting", "host and port"),
            (Step::Auth, Answer::Say("535 no"), Tls::None, "login: 535", "user and password"),
            (Step::Hello, Answer::Yes, Tls::Required, "STARTTLS", "certificate"),
        ] {
            let server = TestServer::answering(step, answer).await;
            let found = super::server(&config(server.address.port(), tls)).await;
            check(&found, State::Fail, words, mend);
        }
    }

    #[tokio::test]
    async fn nobody_at_the_address_is_a_failure() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let found = super::server(&config(free.port(), Tls::None)).await;
        check(&found, State::Fail, "connecting", "host and port");
    }

    #[tokio::test]
    async fn a_file_of_certificates_that_is_none_is_a_failure() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let ca_file = Some(file.path().to_owned());
        let found = super::server(&SmtpConfig { ca_file, ..config(1, Tls::Required) }).await;
        check(&found, State::Fail, "holds no certificate", "mail.ca_file");
    }
}
